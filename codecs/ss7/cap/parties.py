"""Call party handling of CAP v4, ContinueWithArgument, CollectInformation (TS 29.078 §5.1, §6.1)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from ss7.asn1.declare import Bits, Choice, Octets, Size, Tag
from ss7.cap.common import (
    AddressString,
    CalledPartyNumber,
    CallingPartyNumber,
    CallingPartysCategory,
    CallSegmentID,
    Carrier,
    Cause,
    Extensions,
    GenericNumber,
    LegID,
    LocationNumber,
    Octet,
    Present,
    SendingSideID,
    ServiceInteractionIndicatorsTwo,
)
from ss7.cap.interaction import LegOrCallSegment


class CollectInformationArg(Struct, frozen=True, gc=False):
    """CollectInformation: later releases gave it an argument, which may be left out."""

    extensions: Annotated[Extensions | None, Tag(0, "extensions")] = None


class InitiateCallAttemptArg(Struct, frozen=True, gc=False):
    """InitiateCallAttempt: a call, or a leg of one, that the gsmSCF begins."""

    destination_routing_address: Annotated[
        tuple[CalledPartyNumber, ...], Size(1, 1), Tag(0, "destinationRoutingAddress")
    ]
    extensions: Annotated[Extensions | None, Tag(4, "extensions")] = None
    leg_to_be_created: Annotated[LegID | None, Tag(5, "legToBeCreated")] = None
    new_call_segment: Annotated[CallSegmentID | None, Tag(6, "newCallSegment")] = None
    calling_party_number: Annotated[CallingPartyNumber | None, Tag(30, "callingPartyNumber")] = None
    call_reference_number: Annotated[
        Annotated[bytes, Octets(1, 8)] | None, Tag(51, "callReferenceNumber")
    ] = None
    gsm_scf_address: Annotated[AddressString | None, Tag(52, "gsmSCFAddress")] = None
    suppress_t_csi: Annotated[Present, Tag(53, "suppress-T-CSI")] = False


class InitiateCallAttemptRes(Struct, frozen=True, gc=False):
    """Result of InitiateCallAttempt: what the gsmSSF can do."""

    supported_camel_phases: Annotated[
        Annotated[bytes, Bits(1, 16)] | None, Tag(0, "supportedCamelPhases")
    ] = None
    offered_camel4_functionalities: Annotated[
        Annotated[bytes, Bits(15, 64)] | None, Tag(1, "offeredCamel4Functionalities")
    ] = None
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None
    release_call_arg_extension_allowed: Annotated[Present, Tag(3, "releaseCallArgExtensionAllowed")] = False


class ContinueWithArgumentArgExtension(Struct, frozen=True, gc=False):
    """What came to ContinueWithArgument with CAP v4."""

    suppress_d_csi: Annotated[Present, Tag(0, "suppress-D-CSI")] = False
    suppress_n_csi: Annotated[Present, Tag(1, "suppress-N-CSI")] = False
    suppress_outgoing_call_barring: Annotated[Present, Tag(2, "suppressOutgoingCallBarring")] = False
    leg_or_call_segment: Annotated[LegOrCallSegment | None, Tag(3, "legOrCallSegment")] = None


class ContinueWithArgumentArg(Struct, frozen=True, gc=False):
    """ContinueWithArgument: the call goes on, with other particulars."""

    alerting_pattern: Annotated[Annotated[bytes, Octets(3, 3)] | None, Tag(1, "alertingPattern")] = None
    extensions: Annotated[Extensions | None, Tag(6, "extensions")] = None
    service_interaction_indicators_two: Annotated[
        ServiceInteractionIndicatorsTwo | None, Tag(7, "serviceInteractionIndicatorsTwo")
    ] = None
    calling_partys_category: Annotated[CallingPartysCategory | None, Tag(12, "callingPartysCategory")] = None
    generic_numbers: Annotated[
        Annotated[tuple[GenericNumber, ...], Size(1, 5, unordered=True)] | None, Tag(16, "genericNumbers")
    ] = None
    cug_interlock: Annotated[Annotated[bytes, Octets(4, 4)] | None, Tag(17, "cug-Interlock")] = None
    cug_outgoing_access: Annotated[Present, Tag(18, "cug-OutgoingAccess")] = False
    charge_number: Annotated[LocationNumber | None, Tag(50, "chargeNumber")] = None
    carrier: Annotated[Carrier | None, Tag(52, "carrier")] = None
    suppression_of_announcement: Annotated[Present, Tag(55, "suppressionOfAnnouncement")] = False
    na_oli_info: Annotated[Octet | None, Tag(56, "naOliInfo")] = None
    bor_interrogation_requested: Annotated[Present, Tag(57, "bor-InterrogationRequested", since=4)] = False
    suppress_o_csi: Annotated[Present, Tag(58, "suppress-O-CSI", since=4)] = False
    continue_with_argument_arg_extension: Annotated[
        ContinueWithArgumentArgExtension | None, Tag(59, "continueWithArgumentArgExtension", since=4)
    ] = None


class SendChargingInformationArg(Struct, frozen=True, gc=False):
    """SendChargingInformation: the characteristics are BER again (`ss7.cap.charging`)."""

    sci_billing_charging_characteristics: Annotated[
        Annotated[bytes, Octets(4, 225, "CAMEL-SCIBillingChargingCharacteristics")],
        Tag(0, "sCIBillingChargingCharacteristics"),
    ]
    party_to_charge: Annotated[SendingSideID, Tag(1, "partyToCharge")]
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None


class DisconnectLegArg(Struct, frozen=True, gc=False):
    """DisconnectLeg."""

    leg_to_be_released: Annotated[LegID, Tag(0, "legToBeReleased")]
    release_cause: Annotated[Cause | None, Tag(1, "releaseCause")] = None
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None


class MoveLegArg(Struct, frozen=True, gc=False):
    """MoveLeg."""

    leg_id_to_move: Annotated[LegID, Tag(0, "legIDToMove")]
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None


class SplitLegArg(Struct, frozen=True, gc=False):
    """SplitLeg."""

    leg_to_be_split: Annotated[LegID, Tag(0, "legToBeSplit")]
    new_call_segment: Annotated[CallSegmentID | None, Tag(1, "newCallSegment")] = None
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None


class CallSegmentFailure(Struct, frozen=True, gc=False):
    """A call segment that is gone."""

    call_segment_id: Annotated[CallSegmentID | None, Tag(0, "callSegmentID")] = None
    cause: Annotated[Cause | None, Tag(2, "cause")] = None


class BCSMFailure(Struct, frozen=True, gc=False):
    """A leg that is gone."""

    leg_id: Annotated[LegID | None, Tag(0, "legID")] = None
    cause: Annotated[Cause | None, Tag(2, "cause")] = None


class EntityReleasedArg(Choice, frozen=True, gc=False):
    """EntityReleased."""

    call_segment_failure: ClassVar[Annotated[CallSegmentFailure, Tag(0, "callSegmentFailure")]]
    bcsm_failure: ClassVar[Annotated[BCSMFailure, Tag(1, "bCSM-Failure")]]
