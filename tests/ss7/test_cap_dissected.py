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
from ss7.cap.contexts import BY_VERSION
from ss7.cap.events import DisconnectInfo
from ss7.cap.operations import Opcode
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
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{Opcode(sample[0]).name}-v{sample[1]}")
def test_the_fast_codec_decodes_its_samples(sample: tuple[int, int, Any, dict[str, str]]) -> None:
    opcode, version, value, _ = sample
    assert FAST.decode_argument(opcode, FAST.encode_argument(opcode, value, version), version) == value


def test_tshark_reads_what_was_meant(dissect: Any) -> None:
    frames = []
    for index, (opcode, version, value, _) in enumerate(SAMPLES):
        invoke = tcap.Invoke(1, opcode, FAST.encode_argument(opcode, value, version))
        dialogue = tcap.Aarq(BY_VERSION[version].octets)
        otid = (0x1000 + index).to_bytes(4, "big")
        message = tcap.Message(tcap.BEGIN, otid, dialogue=dialogue, components=[invoke])
        frames.append(Frame(tcap.encode(message), Layer.TCAP, origin=f"{Opcode(opcode).name} v{version}"))
    tshark.assert_clean(frames)
    for (opcode, version, _, expected), seen in zip(SAMPLES, dissect(frames), strict=True):
        assert seen.all("camel.local") == [str(int(opcode))], version
        for name, shows in expected.items():
            assert seen.first(name) == shows, (seen.frame.origin, seen.text())
