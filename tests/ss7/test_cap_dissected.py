"""What the CAP codec encodes, as tshark reads it: operation, fields, and nothing against it."""

from __future__ import annotations

from typing import Any

import pytest

from oracles import tshark
from oracles.sigtran_pcap import Frame, Layer
from ss7 import tcap
from ss7.cap import types
from ss7.cap.callgap import BasicGapCriteria, GapCriteria, GapIndicators, GapOnService
from ss7.cap.charging import time_duration_charging
from ss7.cap.codec import FAST
from ss7.cap.common import BothwayThroughConnectionInd, ServiceInteractionIndicatorsTwo
from ss7.cap.contexts import BY_TEXT, BY_VERSION
from ss7.cap.events import DisconnectInfo
from ss7.cap.gprs import GPRSEventType, InitialDPGPRSArg
from ss7.cap.interaction import (
    CollectedDigits,
    CollectedInfo,
    EstablishTemporaryConnectionArg,
    InbandInfo,
    InformationToSend,
    LegOrCallSegment,
    MessageID,
    PlayAnnouncementArg,
    PromptAndCollectUserInformationArg,
    SpecializedResourceReportArg,
)
from ss7.cap.operations import Opcode, operation_name
from ss7.cap.parties import (
    CallSegmentFailure,
    ContinueWithArgumentArg,
    ContinueWithArgumentArgExtension,
    DisconnectLegArg,
    EntityReleasedArg,
    MoveLegArg,
)
from ss7.cap.sms import EventTypeSMS, InitialDPSMSArg
from ss7.cap.types import (
    BCSMEvent,
    CallGapArg,
    CallInformationRequestArg,
    CancelArg,
    ConnectArg,
    ConnectToResourceArg,
    EventReportBCSMArg,
    EventTypeBCSM,
    InitialDPArg,
    LegID,
    LocationInformation,
    MonitorMode,
    RequestedInformationType,
    RequestReportBCSMEventArg,
    ResetTimerArg,
    ResourceAddress,
)

NUMBER = bytes.fromhex("03100900112233")
CALLING = bytes.fromhex("8413640700000001")
ADDRESS = bytes.fromhex("916407000000f1")
SMS_REQUEST = InitialDPSMSArg(
    7,
    calling_party_number=ADDRESS,
    event_type_sms=EventTypeSMS.COLLECTED_INFO,
    imsi=bytes.fromhex("42001032547698f0"),
    sms_reference_number=b"\x01\x02",
)
GPRS_REQUEST = InitialDPGPRSArg(
    8,
    GPRSEventType.ATTACH,
    ADDRESS,
    bytes.fromhex("42001032547698f0"),
    bytes.fromhex("0262112150551540"),
)
CONTEXT_OF = {60: "0.4.0.0.1.21.3.61", 78: "0.4.0.0.1.21.3.50"}
"""Contexts of operations that are none of a call's."""
SAMPLES: list[tuple[int, int, Any, dict[str, str]]] = [
    (
        Opcode.INITIAL_DP,
        3,
        InitialDPArg(
            100,
            called_party_number=NUMBER,
            calling_party_number=CALLING,
            event_type_bcsm=EventTypeBCSM.TERM_ATTEMPT_AUTHORIZED,
            imsi=bytes.fromhex("42001032547698f0"),
            location_information=LocationInformation(3, vlr_number=ADDRESS),
            msc_address=ADDRESS,
        ),
        {"camel.serviceKey": "100", "camel.eventTypeBCSM": "12", "isup.called": "9000112233"},
    ),
    (
        Opcode.CONNECT,
        2,
        ConnectArg((NUMBER,), original_called_party_id=CALLING, redirection_information=b"\x03\x61"),
        {"camel.destinationRoutingAddress": "1", "isup.redirecting_ind": "3"},
    ),
    (
        Opcode.REQUEST_REPORT_BCSM_EVENT,
        4,
        RequestReportBCSMEventArg(
            (
                BCSMEvent(
                    EventTypeBCSM.O_ANSWER, MonitorMode.NOTIFY_AND_CONTINUE, LegID("sendingSideID", b"\x02")
                ),
            )
        ),
        {"camel.eventTypeBCSM": "7", "camel.monitorMode": "1"},
    ),
    (
        Opcode.EVENT_REPORT_BCSM,
        2,
        EventReportBCSMArg(
            EventTypeBCSM.O_DISCONNECT,
            types.EventSpecificInformationBCSM("oDisconnectSpecificInfo", DisconnectInfo(b"\x84\x90")),
            types.ReceivingSideID("receivingSideID", b"\x02"),
        ),
        {"camel.eventTypeBCSM": "9", "camel.cause_indicator": "16"},
    ),
    (Opcode.RELEASE_CALL, 3, b"\x80\x90", {"camel.cause_indicator": "16"}),
    (Opcode.CONTINUE, 2, None, {}),
    (Opcode.ACTIVITY_TEST, 2, None, {}),
    *(
        (
            Opcode.APPLY_CHARGING,
            version,
            types.ApplyChargingArg(time_duration_charging(600, version, release=True, tone=True)),
            {"camel.maxCallPeriodDuration": "600", "camel.tone": "1"},
        )
        for version in (2, 3, 4)
    ),
    (
        Opcode.APPLY_CHARGING_REPORT,
        2,
        bytes.fromhex("a00da003810101a10380011a820100"),
        {"camel.timeIfNoTariffSwitch": "26"},
    ),
    (Opcode.RESET_TIMER, 3, ResetTimerArg(30), {"camel.timervalue": "30"}),
    (Opcode.CANCEL, 2, CancelArg("allRequests", True), {}),
    (
        Opcode.CALL_GAP,
        3,
        CallGapArg(
            GapCriteria("basicGapCriteria", BasicGapCriteria("gapOnService", GapOnService(100))),
            GapIndicators(60, 1000),
        ),
        {"camel.serviceKey": "100", "camel.gapInterval": "1000"},
    ),
    (
        Opcode.CALL_INFORMATION_REQUEST,
        2,
        CallInformationRequestArg((RequestedInformationType.RELEASE_CAUSE,)),
        {"camel.RequestedInformationType": "30"},
    ),
    (Opcode.CONNECT_TO_RESOURCE, 2, ConnectToResourceArg(ResourceAddress("none", True)), {}),
    *(
        (
            Opcode.ESTABLISH_TEMPORARY_CONNECTION,
            version,
            EstablishTemporaryConnectionArg(
                bytes.fromhex("00031309001122"),
                service_interaction_indicators_two=ServiceInteractionIndicatorsTwo(
                    bothway_through_connection_ind=BothwayThroughConnectionInd.NOT_REQUIRED
                ),
            ),
            {"camel.bothwayThroughConnectionInd": "1"},
        )
        for version in (2, 3, 4)
    ),
    (Opcode.SPECIALIZED_RESOURCE_REPORT, 2, True, {}),
    (Opcode.SPECIALIZED_RESOURCE_REPORT, 3, True, {}),
    (
        Opcode.SPECIALIZED_RESOURCE_REPORT,
        4,
        SpecializedResourceReportArg("firstAnnouncementStarted", True),
        {"camel.SpecializedResourceReportArg": "51"},
    ),
    (
        Opcode.PLAY_ANNOUNCEMENT,
        4,
        PlayAnnouncementArg(
            InformationToSend("inbandInfo", InbandInfo(MessageID("elementaryMessageID", 77), 2)),
            request_announcement_started_notification=True,
        ),
        {"camel.elementaryMessageID": "77", "camel.requestAnnouncementStartedNotification": "1"},
    ),
    (
        Opcode.PROMPT_AND_COLLECT_USER_INFORMATION,
        3,
        PromptAndCollectUserInformationArg(CollectedInfo("collectedDigits", CollectedDigits(4, 4))),
        {"camel.maximumNbOfDigits": "4", "camel.minimumNbOfDigits": "4"},
    ),
    (
        Opcode.CONTINUE_WITH_ARGUMENT,
        4,
        ContinueWithArgumentArg(
            calling_partys_category=b"\x0a",
            suppress_o_csi=True,
            continue_with_argument_arg_extension=ContinueWithArgumentArgExtension(
                leg_or_call_segment=LegOrCallSegment("callSegmentID", 3)
            ),
        ),
        {"camel.callSegmentID": "3"},
    ),
    (Opcode.DISCONNECT_LEG, 4, DisconnectLegArg(LegID("sendingSideID", b"\x02"), b"\x80\x90"), {}),
    (Opcode.MOVE_LEG, 4, MoveLegArg(LegID("sendingSideID", b"\x03")), {}),
    (
        Opcode.ENTITY_RELEASED,
        4,
        EntityReleasedArg("callSegmentFailure", CallSegmentFailure(3, b"\x80\x90")),
        {"camel.callSegmentID": "3"},
    ),
    (60, 3, SMS_REQUEST, {"camel.serviceKey": "7", "camel.eventTypeSMS": "1"}),
    (78, 3, GPRS_REQUEST, {"camel.serviceKey": "8", "camel.gPRSEventType": "1"}),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{operation_name(sample[0])}-v{sample[1]}")
def test_the_fast_codec_decodes_its_samples(sample: tuple[int, int, Any, dict[str, str]]) -> None:
    opcode, version, value, _ = sample
    assert FAST.decode_argument(opcode, FAST.encode_argument(opcode, value, version), version) == value


def test_tshark_reads_what_was_meant(dissect: Any) -> None:
    frames = []
    for index, (opcode, version, value, _) in enumerate(SAMPLES):
        invoke = tcap.Invoke(1, opcode, FAST.encode_argument(opcode, value, version))
        context = BY_TEXT[CONTEXT_OF[opcode]] if opcode in CONTEXT_OF else BY_VERSION[version]
        dialogue = tcap.Aarq(context.octets)
        otid = (0x1000 + index).to_bytes(4, "big")
        message = tcap.Message(tcap.BEGIN, otid, dialogue=dialogue, components=[invoke])
        frames.append(Frame(tcap.encode(message), Layer.TCAP, origin=f"{operation_name(opcode)} v{version}"))
    tshark.assert_clean(frames)
    for (opcode, version, _, expected), seen in zip(SAMPLES, dissect(frames), strict=True):
        assert seen.all("camel.local") == [str(int(opcode))], version
        for name, shows in expected.items():
            assert seen.first(name) == shows, (seen.frame.origin, seen.text())
