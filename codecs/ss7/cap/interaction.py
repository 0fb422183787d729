"""User interaction: announcements, tones, digits, and the connections to resources (TS 29.078 §5.1, §6)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Choice, Enumerated, Integer, Octets, Sealed, Size, Tag, Text, Untagged
from ss7.cap.common import (
    CalledPartyNumber,
    CallingPartyNumber,
    CallSegmentID,
    Carrier,
    Digits,
    DigitsCollected,
    Extensions,
    Integer4,
    LegID,
    LocationNumber,
    NaInfo,
    Octet,
    OriginalCalledPartyID,
    Present,
    ServiceInteractionIndicatorsTwo,
)

ScfID: TypeAlias = Annotated[bytes, Octets(2, 25)]
IPSSPCapabilities: TypeAlias = Annotated[bytes, Octets(1, 4)]
ReplyDigit: TypeAlias = Annotated[bytes, Octets(1, 2)]
NumberOfDigits: TypeAlias = Annotated[int, Integer(1, 30)]
DigitTimeOut: TypeAlias = Annotated[int, Integer(1, 127)]


class MessageText(Sealed, frozen=True, gc=False):
    """A message in words."""

    message_content: Annotated[Annotated[str, Text(1, 127)], Tag(0, "messageContent")]
    attributes: Annotated[Annotated[bytes, Octets(2, 10)] | None, Tag(1, "attributes")] = None


class VariablePart(Choice, frozen=True, gc=False):
    """What is put into a message: a number, digits; time, date and price in BCD."""

    integer: ClassVar[Annotated[Integer4, Tag(0, "integer")]]
    number: ClassVar[Annotated[DigitsCollected, Tag(1, "number")]]
    time: ClassVar[Annotated[bytes, Octets(2, 2), Tag(2, "time")]]
    date: ClassVar[Annotated[bytes, Octets(4, 4), Tag(3, "date")]]
    price: ClassVar[Annotated[bytes, Octets(4, 4), Tag(4, "price")]]


class VariableMessage(Sealed, frozen=True, gc=False):
    """A message with variable parts."""

    elementary_message_id: Annotated[Integer4, Tag(0, "elementaryMessageID")]
    variable_parts: Annotated[tuple[VariablePart, ...], Size(1, 5), Tag(1, "variableParts")]


class MessageID(Choice, frozen=True, gc=False):
    """Which message."""

    elementary: ClassVar[Annotated[Integer4, Tag(0, "elementaryMessageID")]]
    text: ClassVar[Annotated[MessageText, Tag(1, "text")]]
    several: ClassVar[Annotated[tuple[Integer4, ...], Size(1, 16), Tag(29, "elementaryMessageIDs")]]
    variable: ClassVar[Annotated[VariableMessage, Tag(30, "variableMessage")]]


class InbandInfo(Struct, frozen=True, gc=False):
    """A message, how often, for how long and how far apart (seconds; 0: without end)."""

    message_id: Annotated[MessageID, Tag(0, "messageID")]
    number_of_repetitions: Annotated[
        Annotated[int, Integer(1, 127)] | None, Tag(1, "numberOfRepetitions")
    ] = None
    duration: Annotated[Annotated[int, Integer(0, 32767)] | None, Tag(2, "duration")] = None
    interval: Annotated[Annotated[int, Integer(0, 32767)] | None, Tag(3, "interval")] = None


class Tone(Struct, frozen=True, gc=False):
    """A tone, for ``duration`` seconds (0: without end)."""

    tone_id: Annotated[Integer4, Tag(0, "toneID")]
    duration: Annotated[Integer4 | None, Tag(1, "duration")] = None


class InformationToSend(Choice, frozen=True, gc=False):
    """What a party hears."""

    inband_info: ClassVar[Annotated[InbandInfo, Tag(0, "inbandInfo")]]
    tone: ClassVar[Annotated[Tone, Tag(1, "tone")]]


class PlayAnnouncementArg(Struct, frozen=True, gc=False):
    """PlayAnnouncement."""

    information_to_send: Annotated[InformationToSend, Tag(0, "informationToSend")]
    disconnect_from_ip_forbidden: Annotated[bool, Tag(1, "disconnectFromIPForbidden")] = True
    request_announcement_complete_notification: Annotated[
        bool, Tag(2, "requestAnnouncementCompleteNotification")
    ] = True
    extensions: Annotated[Extensions | None, Tag(3, "extensions")] = None
    call_segment_id: Annotated[CallSegmentID | None, Tag(5, "callSegmentID", since=4)] = None
    request_announcement_started_notification: Annotated[
        bool, Tag(51, "requestAnnouncementStartedNotification", since=4)
    ] = False


class ErrorTreatment(Enumerated):
    """What becomes of a wrong input."""

    STD_ERROR_AND_INFO = 0, "stdErrorAndInfo"
    HELP = 1, "help"
    REPEAT_PROMPT = 2, "repeatPrompt"


class CollectedDigits(Sealed, frozen=True, gc=False):
    """Which digits to collect; the time-outs are in seconds."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "minimum_nb_of_digits",
        "maximum_nb_of_digits",
        "end_of_reply_digit",
        "cancel_digit",
        "start_digit",
        "first_digit_time_out",
        "inter_digit_time_out",
        "error_treatment",
        "interruptable_ann_ind",
        "voice_information",
        "voice_back",
    )

    maximum_nb_of_digits: Annotated[NumberOfDigits, Tag(1, "maximumNbOfDigits")]
    minimum_nb_of_digits: Annotated[NumberOfDigits, Tag(0, "minimumNbOfDigits")] = 1
    end_of_reply_digit: Annotated[ReplyDigit | None, Tag(2, "endOfReplyDigit")] = None
    cancel_digit: Annotated[ReplyDigit | None, Tag(3, "cancelDigit")] = None
    start_digit: Annotated[ReplyDigit | None, Tag(4, "startDigit")] = None
    first_digit_time_out: Annotated[DigitTimeOut | None, Tag(5, "firstDigitTimeOut")] = None
    inter_digit_time_out: Annotated[DigitTimeOut | None, Tag(6, "interDigitTimeOut")] = None
    error_treatment: Annotated[ErrorTreatment, Tag(7, "errorTreatment")] = ErrorTreatment.STD_ERROR_AND_INFO
    interruptable_ann_ind: Annotated[bool, Tag(8, "interruptableAnnInd")] = True
    voice_information: Annotated[bool, Tag(9, "voiceInformation")] = False
    voice_back: Annotated[bool, Tag(10, "voiceBack")] = False


class CollectedInfo(Choice, frozen=True, gc=False):
    """What to collect: digits."""

    collected_digits: ClassVar[Annotated[CollectedDigits, Tag(0, "collectedDigits")]]


class PromptAndCollectUserInformationArg(Struct, frozen=True, gc=False):
    """PromptAndCollectUserInformation."""

    collected_info: Annotated[CollectedInfo, Tag(0, "collectedInfo")]
    disconnect_from_ip_forbidden: Annotated[bool, Tag(1, "disconnectFromIPForbidden")] = True
    information_to_send: Annotated[InformationToSend | None, Tag(2, "informationToSend")] = None
    extensions: Annotated[Extensions | None, Tag(3, "extensions")] = None
    call_segment_id: Annotated[CallSegmentID | None, Tag(4, "callSegmentID", since=4)] = None
    request_announcement_started_notification: Annotated[
        bool, Tag(51, "requestAnnouncementStartedNotification", since=4)
    ] = False


class ReceivedInformationArg(Choice, frozen=True, gc=False):
    """Result of PromptAndCollectUserInformation."""

    digits_response: ClassVar[Annotated[DigitsCollected, Tag(0, "digitsResponse")]]


class SpecializedResourceReportArg(Choice, frozen=True, gc=False):
    """SpecializedResourceReport of CAP v4; before it, it was a NULL."""

    all_announcements_complete: ClassVar[Annotated[Present, Tag(50, "allAnnouncementsComplete")]]
    first_announcement_started: ClassVar[Annotated[Present, Tag(51, "firstAnnouncementStarted")]]


class AssistRequestInstructionsArg(Struct, frozen=True, gc=False):
    """AssistRequestInstructions: the correlation id is a generic number here."""

    correlation_id: Annotated[Digits, Tag(0, "correlationID")]
    ip_ssp_capabilities: Annotated[IPSSPCapabilities, Tag(2, "iPSSPCapabilities")]
    extensions: Annotated[Extensions | None, Tag(3, "extensions")] = None


class EstablishTemporaryConnectionArg(Struct, frozen=True, gc=False):
    """EstablishTemporaryConnection; CAP v2 numbers it differently from v3 and v4."""

    asn1_order: ClassVar[tuple[str, ...]] = (
        "assisting_ssp_ip_routing_address",
        "correlation_id",
        "scf_id",
        "extensions",
        "carrier",
        "service_interaction_indicators_two",
        "call_segment_id",
        "na_info",
        "na_oli_info",
        "charge_number",
        "original_called_party_id",
        "calling_party_number",
    )

    assisting_ssp_ip_routing_address: Annotated[Digits, Tag(0, "assistingSSPIPRoutingAddress")]
    correlation_id: Annotated[DigitsCollected | None, Tag(1, "correlationID")] = None
    scf_id: Annotated[ScfID | None, Tag(3, "scfID")] = None
    extensions: Annotated[Extensions | None, Tag(4, "extensions")] = None
    carrier: Annotated[Carrier | None, Tag(5, "carrier", since=3)] = None
    service_interaction_indicators_two: Annotated[
        ServiceInteractionIndicatorsTwo | None,
        Tag(6, "serviceInteractionIndicatorsTwo", since=3),
        Tag(7, "serviceInteractionIndicatorsTwo", until=2),
    ] = None
    call_segment_id: Annotated[CallSegmentID | None, Tag(7, "callSegmentID", since=4)] = None
    na_oli_info: Annotated[Octet | None, Tag(50, "naOliInfo", since=3)] = None
    charge_number: Annotated[LocationNumber | None, Tag(51, "chargeNumber", since=3)] = None
    original_called_party_id: Annotated[
        OriginalCalledPartyID | None, Tag(52, "originalCalledPartyID", since=4)
    ] = None
    calling_party_number: Annotated[CallingPartyNumber | None, Tag(53, "callingPartyNumber", since=4)] = None
    na_info: Annotated[NaInfo | None, Tag(50, "na-info", until=2)] = None


class DisconnectForwardConnectionWithArgumentArg(Struct, frozen=True, gc=False):
    """DisconnectForwardConnectionWithArgument."""

    call_segment_id: Annotated[CallSegmentID | None, Tag(1, "callSegmentID")] = None
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None


class Burst(Struct, frozen=True, gc=False):
    """A burst of tones; times in 100 ms."""

    number_of_bursts: Annotated[Annotated[int, Integer(1, 3)], Tag(0, "numberOfBursts")] = 1
    burst_interval: Annotated[Annotated[int, Integer(1, 1200)], Tag(1, "burstInterval")] = 2
    number_of_tones_in_burst: Annotated[Annotated[int, Integer(1, 3)], Tag(2, "numberOfTonesInBurst")] = 3
    tone_duration: Annotated[Annotated[int, Integer(1, 20)], Tag(3, "toneDuration")] = 2
    tone_interval: Annotated[Annotated[int, Integer(1, 20)], Tag(4, "toneInterval")] = 2


class LegOrCallSegment(Choice, frozen=True, gc=False):
    """A leg, or all of a call segment."""

    call_segment_id: ClassVar[Annotated[CallSegmentID, Tag(0, "callSegmentID")]]
    leg_id: ClassVar[Annotated[LegID, Tag(1, "legID")]]


class PlayToneArg(Struct, frozen=True, gc=False):
    """PlayTone."""

    leg_or_call_segment: Annotated[LegOrCallSegment, Tag(0, "legOrCallSegment")]
    bursts: Annotated[Burst, Tag(1, "bursts")]
    extensions: Annotated[Extensions | None, Tag(2, "extensions")] = None


class ResourceAddress(Choice, frozen=True, gc=False):
    """Where the gsmSRF is: at a number, or in the switch (none)."""

    ip_routing_address: ClassVar[Annotated[CalledPartyNumber, Tag(0, "ipRoutingAddress")]]
    none: ClassVar[Annotated[Present, Tag(3, "none")]]


class ConnectToResourceArg(Struct, frozen=True, gc=False):
    """ConnectToResource."""

    resource_address: Annotated[ResourceAddress, Untagged("resourceAddress")]
    extensions: Annotated[Extensions | None, Tag(4, "extensions")] = None
    service_interaction_indicators_two: Annotated[
        ServiceInteractionIndicatorsTwo | None, Tag(7, "serviceInteractionIndicatorsTwo")
    ] = None
    call_segment_id: Annotated[CallSegmentID | None, Tag(50, "callSegmentID", since=4)] = None
