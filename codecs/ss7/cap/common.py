"""Data types that several CAP operations share (TS 29.078 §5.1; those of MAP: TS 29.002 §17.7)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import (
    Choice,
    Enumerated,
    Identifier,
    Integer,
    Null,
    Octets,
    Opaque,
    Size,
    Tag,
    Untagged,
)

CLAUSE: Final = "TS 29.078 §5.1"
"""Where CAP's data types are."""

AddressString: TypeAlias = Annotated[bytes, Octets(1, 9, "AddressString")]
"""ISDN-AddressString (TS 29.002 §17.7.8)."""
CalledPartyBCDNumber: TypeAlias = Annotated[bytes, Octets(1, 41, "CalledPartyBCDNumber")]
CalledPartyNumber: TypeAlias = Annotated[bytes, Octets(2, 18, "CalledPartyNumber")]
CallingPartyNumber: TypeAlias = Annotated[bytes, Octets(2, 10, "CallingPartyNumber")]
CallingPartysCategory: TypeAlias = Annotated[bytes, Octets(1, 1)]
Carrier: TypeAlias = Annotated[bytes, Octets(4, 4)]
Cause: TypeAlias = Annotated[bytes, Octets(2, 32, "Cause")]
Digits: TypeAlias = Annotated[bytes, Octets(2, 16, "GenericNumber")]
DigitsCollected: TypeAlias = Annotated[bytes, Octets(2, 16, "GenericDigits")]
GenericNumber: TypeAlias = Annotated[bytes, Octets(3, 11, "GenericNumber")]
LocationNumber: TypeAlias = Annotated[bytes, Octets(2, 10, "LocationNumber")]
OriginalCalledPartyID: TypeAlias = Annotated[bytes, Octets(2, 10, "OriginalCalledNumber")]
RedirectingPartyID: TypeAlias = Annotated[bytes, Octets(2, 10, "RedirectingNumber")]
RedirectionInformation: TypeAlias = Annotated[bytes, Octets(2, 2, "RedirectionInformation")]
CellGlobalId: TypeAlias = Annotated[bytes, Octets(7, 7, "CellGlobalId")]
LocationAreaId: TypeAlias = Annotated[bytes, Octets(5, 5, "LocationAreaId")]
IMSI: TypeAlias = Annotated[bytes, Octets(3, 8, "IMSI")]
IMEI: TypeAlias = Annotated[bytes, Octets(8, 8, "IMEI")]
Octet: TypeAlias = Annotated[bytes, Octets(1, 1)]
Integer4: TypeAlias = Annotated[int, Integer(0, 2147483647)]
CallSegmentID: TypeAlias = Annotated[int, Integer(1, 127)]
InvokeID: TypeAlias = Annotated[int, Integer(-128, 127)]
Present: TypeAlias = Annotated[bool, Null()]
LegType: TypeAlias = Annotated[bytes, Octets(1, 1)]

LEG1: Final = b"\x01"
LEG2: Final = b"\x02"


class CriticalityType(Enumerated):
    """What a receiver that does not know an extension does with the operation (EN 301 140-1)."""

    IGNORE = 0, "ignore"
    ABORT = 1, "abort"


class ExtensionID(Choice, frozen=True, gc=False):
    """Identification of a network-specific extension (EXTENSION.&id)."""

    local: ClassVar[Annotated[int, Untagged("local"), Integer(-(2**31), 2**31 - 1)]]
    global_: ClassVar[Annotated[bytes, Untagged("global"), Identifier()]]


class ExtensionField(Struct, frozen=True, gc=False):
    """A network-specific addition (§4.1.4.2.4): ``value`` is its whole element, tag and length included.

    No extension is known here, so one with `CriticalityType.ABORT` (CAP v1 and v2; §5.5 of Rel-16 allows only
    ignore) means that its operation must not be executed: whoever serves the operation looks at it.
    """

    asn1_order: ClassVar[tuple[str, ...]] = ("type", "criticality", "value")

    type: Annotated[ExtensionID, Untagged("type")]
    value: Annotated[bytes, Opaque(), Tag(1, "value")]
    criticality: Annotated[CriticalityType, Untagged("criticality")] = CriticalityType.IGNORE


Extensions: TypeAlias = Annotated[tuple[ExtensionField, ...], Size(1, 10)]


class SendingSideID(Choice, frozen=True, gc=False):
    """The leg, in operations that the gsmSCF sends (§4.1.5)."""

    sending: ClassVar[Annotated[LegType, Tag(0, "sendingSideID")]]


class ReceivingSideID(Choice, frozen=True, gc=False):
    """The leg, in operations that the gsmSCF receives (§4.1.5)."""

    receiving: ClassVar[Annotated[LegType, Tag(1, "receivingSideID")]]


class LegID(Choice, frozen=True, gc=False):
    """The leg, where the type is the same in both directions (§4.1.5)."""

    sending: ClassVar[Annotated[LegType, Tag(0, "sendingSideID")]]
    receiving: ClassVar[Annotated[LegType, Tag(1, "receivingSideID")]]


class BearerCapability(Choice, frozen=True, gc=False):
    """Bearer capability: Q.763 user service information."""

    bearer_cap: ClassVar[Annotated[bytes, Tag(0, "bearerCap"), Octets(2, 11, "UserServiceInformation")]]


class ExtBasicServiceCode(Choice, frozen=True, gc=False):
    """Basic service (TS 29.002 §17.7.9, §17.7.10)."""

    ext_bearer_service: ClassVar[Annotated[bytes, Tag(2, "ext-BearerService"), Octets(1, 5)]]
    ext_teleservice: ClassVar[Annotated[bytes, Tag(3, "ext-Teleservice"), Octets(1, 5)]]


class NotReachableReason(Enumerated):
    """Why the network holds the subscriber for not reachable."""

    MS_PURGED = 0, "msPurged"
    IMSI_DETACHED = 1, "imsiDetached"
    RESTRICTED_AREA = 2, "restrictedArea"
    NOT_REGISTERED = 3, "notRegistered"


class SubscriberState(Choice, frozen=True, gc=False):
    """State of the called subscriber (TS 29.002 §17.7.1)."""

    assumed_idle: ClassVar[Annotated[Present, Tag(0, "assumedIdle")]]
    camel_busy: ClassVar[Annotated[Present, Tag(1, "camelBusy")]]
    not_reachable: ClassVar[Annotated[NotReachableReason, Untagged("netDetNotReachable")]]
    not_provided: ClassVar[Annotated[Present, Tag(2, "notProvidedFromVLR")]]


class BothwayThroughConnectionInd(Enumerated):
    """Whether a backward and forward path is needed (EN 301 140-1)."""

    REQUIRED = 0, "bothwayPathRequired"
    NOT_REQUIRED = 1, "bothwayPathNotRequired"


class ConnectedNumberTreatmentInd(Enumerated):
    """What becomes of the connected number."""

    NO_IN_IMPACT = 0, "noINImpact"
    PRESENTATION_RESTRICTED = 1, "presentationRestricted"
    PRESENT_CALLED_IN_NUMBER = 2, "presentCalledINNumber"
    PRESENT_CALL_IN_NUMBER_RESTRICTED = 3, "presentCallINNumberRestricted"


class ForwardServiceInteractionInd(Struct, frozen=True, gc=False):
    """Service interaction, towards the called side."""

    conference_treatment_indicator: Annotated[Octet | None, Tag(1, "conferenceTreatmentIndicator")] = None
    call_diversion_treatment_indicator: Annotated[Octet | None, Tag(2, "callDiversionTreatmentIndicator")] = (
        None
    )
    calling_party_restriction_indicator: Annotated[
        Octet | None, Tag(4, "callingPartyRestrictionIndicator")
    ] = None


class BackwardServiceInteractionInd(Struct, frozen=True, gc=False):
    """Service interaction, towards the calling side."""

    conference_treatment_indicator: Annotated[Octet | None, Tag(1, "conferenceTreatmentIndicator")] = None
    call_completion_treatment_indicator: Annotated[
        Octet | None, Tag(2, "callCompletionTreatmentIndicator")
    ] = None


class ServiceInteractionIndicatorsTwo(Struct, frozen=True, gc=False):
    """How the service interacts with other services of the call (CAP v3 on)."""

    forward_service_interaction_ind: Annotated[
        ForwardServiceInteractionInd | None, Tag(0, "forwardServiceInteractionInd")
    ] = None
    backward_service_interaction_ind: Annotated[
        BackwardServiceInteractionInd | None, Tag(1, "backwardServiceInteractionInd")
    ] = None
    bothway_through_connection_ind: Annotated[
        BothwayThroughConnectionInd | None, Tag(2, "bothwayThroughConnectionInd")
    ] = None
    connected_number_treatment_ind: Annotated[
        ConnectedNumberTreatmentInd | None, Tag(4, "connectedNumberTreatmentInd")
    ] = None
    non_cug_call: Annotated[Present, Tag(13, "nonCUGCall")] = False
    hold_treatment_indicator: Annotated[Octet | None, Tag(50, "holdTreatmentIndicator")] = None
    cw_treatment_indicator: Annotated[Octet | None, Tag(51, "cwTreatmentIndicator")] = None
    ect_treatment_indicator: Annotated[Octet | None, Tag(52, "ectTreatmentIndicator")] = None


class NaCarrierInformation(Struct, frozen=True, gc=False):
    """CAP v2: a carrier of North America, and how it was chosen (T1.113)."""

    na_carrier_id: Annotated[Annotated[bytes, Octets(3, 3)] | None, Tag(0, "naCarrierId")] = None
    na_cic_selection_type: Annotated[Octet | None, Tag(1, "naCICSelectionType")] = None


class NaInfo(Struct, frozen=True, gc=False):
    """CAP v2: carrier, line and charge number of North America (T1.113), as the gsmSCF sends them."""

    na_carrier_information: Annotated[NaCarrierInformation | None, Tag(0, "naCarrierInformation")] = None
    na_oli_info: Annotated[Octet | None, Tag(1, "naOliInfo")] = None
    na_charge_number: Annotated[Annotated[bytes, Octets(2, 7)] | None, Tag(2, "naChargeNumber")] = None
