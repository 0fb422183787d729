"""Parameters that can't be read: what they cost a call, with both codecs, and how they are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cap_strategies import build, parse
from held_open import HeldOpen
from hypothesis import given
from hypothesis import strategies as st
from room import MSISDN, READY, SERVICE_KEY, Room, idp

from scp.domain.call import Trigger
from scp.domain.decision import Action, Reason
from scp.domain.subscriber import Subscriber, When
from scp.engine.admission import Admission, Limits
from scp.services.api import NextReport, Report
from scp.services.call import Call
from ss7 import tcap
from ss7.asn1.schema import SequenceType
from ss7.cap.codec import ALONE, FAST
from ss7.cap.common import CriticalityType, ExtensionField, ExtensionID
from ss7.cap.lenient import parameters
from ss7.cap.operations import Opcode
from ss7.cap.reference import REFERENCE
from ss7.cap.roots import argument_type
from ss7.cap.types import (
    CallInformationReportArg,
    EventReportBCSMArg,
    EventTypeBCSM,
    InitialDPArg,
    MessageType,
    MiscCallInfo,
    RequestedInformation,
    RequestedInformationType,
    RequestedInformationValue,
)
from ss7.rose import INVOKE_PROBLEM, MISTYPED_PARAMETER, encode_invoke

PEER = "stp-0"
ORIGINATING, TERMINATING, FORWARDED = Trigger.ORIGINATING, Trigger.TERMINATING, Trigger.FORWARDED
CODECS = {"fast": ALONE, "reference": REFERENCE}
EXTENDED = bytes.fromhex("302380016482070210001132547685010aaf123005020102810030090201030a01018101ff")
NOT_READ = {Action.CONTINUE: Reason.UNREADABLE_PARAMETER}
ROAMS = Subscriber(MSISDN, authorized=True, aor="sip:b@x", forwarding=True, when=When.ROAMING, roaming=True)

kind = argument_type(Opcode.INITIAL_DP, 4)
assert isinstance(kind, SequenceType)
TAGS = {component.identifier: component.tag for component in kind.components}


@pytest.fixture(params=CODECS)
def enter(request: pytest.FixtureRequest, everything_sent: Any) -> Iterator[Callable[..., Room]]:
    rooms: list[Room] = []

    def enter(*records: Subscriber, **settings: Any) -> Room:
        rooms.append(Room(*records, arguments=CODECS[request.param], recorder=everything_sent, **settings))
        return rooms[-1]

    yield enter
    for room in rooms:
        room.nothing_left()


def with_parameter(argument: bytes, parameter: str, contents: bytes) -> bytes:
    """An InitialDP with these contents octets of a parameter, in place of its own if it has some."""
    [[tag, elements]] = parse(argument)
    elements = [each for each in elements if each[0] != TAGS[parameter]]
    return build([[tag, [*elements, [TAGS[parameter], contents]]]])


def ask(room: Room, argument: bytes, version: int = 2) -> bytes:
    otid = room.begin(encode_invoke(1, Opcode.INITIAL_DP, argument), version=version)
    room.store_answers()
    return otid


# --- what is not needed costs nothing ---


def test_an_eleven_octet_original_called_party_is_left_out(enter: Callable[..., Room]) -> None:
    room = enter(READY)
    otid = ask(room, with_parameter(idp(trigger=ORIGINATING), "originalCalledPartyID", bytes(11)))
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert room.decision.reason is Reason.FORWARDED_ALWAYS
    assert room.cap.unreadable == {(PEER, "originalCalledPartyID"): 1}
    assert room.counts.discards == [("cap", "unreadable-parameter")]


def test_extensions_in_a_form_that_is_none_are_left_out(enter: Callable[..., Room]) -> None:
    room = enter(READY)
    otid = ask(room, EXTENDED)
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert room.cap.unreadable == {(PEER, "extensions"): 1}


@pytest.mark.parametrize("criticality", CriticalityType)
def test_a_critical_extension_beside_an_unreadable_parameter_is_refused(
    enter: Callable[..., Room], criticality: CriticalityType
) -> None:
    extension = ExtensionField(ExtensionID("local", 7), bytes.fromhex("0500"), criticality)
    argument = FAST.encode_argument(
        Opcode.INITIAL_DP,
        InitialDPArg(SERVICE_KEY, b"\x02\x10\x00\x11\x32\x54\x76", extensions=(extension,)),
        2,
    )
    room = enter(READY)
    ask(room, with_parameter(argument, "cause", bytes(33)))
    refused = criticality is CriticalityType.ABORT
    assert room.decision.reason is (Reason.CRITICAL_EXTENSION if refused else Reason.FORWARDED_ALWAYS)


NOT_NEEDED = sorted(
    set(TAGS)
    - {"serviceKey", "calledPartyNumber", "calledPartyBCDNumber", "eventTypeBCSM"}
    - {"redirectingPartyID", "redirectionInformation"}
)


@given(st.sampled_from(NOT_NEEDED), st.sampled_from([b"", bytes(300), b"\x30\x7f"]), st.integers(1, 4))
def test_no_other_parameter_costs_an_ordinary_call(parameter: str, contents: bytes, version: int) -> None:
    for codec in (ALONE, REFERENCE):
        room = Room(READY, arguments=codec)
        otid = ask(room, with_parameter(idp(version, trigger=ORIGINATING), parameter, contents), version)
        assert room.answer(otid).opcodes == [Opcode.CONNECT], parameter
        room.nothing_left()


# --- what is needed has the call go on ---


@pytest.mark.parametrize(
    ("trigger", "parameter", "reason"),
    [
        (ORIGINATING, "calledPartyBCDNumber", Reason.UNREADABLE_PARAMETER),
        (ORIGINATING, "calledPartyNumber", Reason.FORWARDED_ALWAYS),  # the dialled number is the other
        (TERMINATING, "calledPartyNumber", Reason.UNREADABLE_PARAMETER),
        (FORWARDED, "calledPartyNumber", Reason.UNREADABLE_PARAMETER),
        (ORIGINATING, "eventTypeBCSM", Reason.UNREADABLE_PARAMETER),
        (ORIGINATING, "redirectingPartyID", Reason.UNREADABLE_PARAMETER),
        (FORWARDED, "redirectingPartyID", Reason.UNREADABLE_PARAMETER),
        (FORWARDED, "redirectionInformation", Reason.UNREADABLE_PARAMETER),
        (FORWARDED, "originalCalledPartyID", Reason.UNREADABLE_PARAMETER),  # loops are found by it
        (TERMINATING, "originalCalledPartyID", Reason.FORWARDED_ALWAYS),
    ],
)
def test_what_the_decision_needs_has_to_be_read(
    enter: Callable[..., Room], trigger: Trigger, parameter: str, reason: Reason
) -> None:
    room = enter(READY)
    otid = ask(room, with_parameter(idp(trigger=trigger), parameter, b""))
    goes_on = reason is Reason.UNREADABLE_PARAMETER
    assert room.answer(otid).opcodes == [Opcode.CONTINUE if goes_on else Opcode.CONNECT]
    assert room.decision.reason is reason
    assert room.counts.calls[-1][0] == "voip-forwarding"
    assert room.cap.unreadable == {(PEER, parameter): 1}


@pytest.mark.parametrize(
    ("trigger", "location", "reason"),
    [
        (TERMINATING, "8100", Reason.UNREADABLE_PARAMETER),  # whole, or its VLR number, which is needed
        (TERMINATING, "a300", Reason.UNREADABLE_PARAMETER),
        (TERMINATING, "a303800100", Reason.UNREADABLE_PARAMETER),
        (TERMINATING, "817f", Reason.UNREADABLE_PARAMETER),
        (TERMINATING, "8000", Reason.FORWARDED_ROAMING),  # geographical information is not looked at
        (ORIGINATING, "8100", Reason.FORWARDED_ROAMING),  # it is the caller's location
    ],
)
def test_where_a_roaming_subscriber_is_has_to_be_read(
    enter: Callable[..., Room], trigger: Trigger, location: str, reason: Reason
) -> None:
    for when in (When.ROAMING, When.ALWAYS):
        room = enter(
            Subscriber(**{**{name: getattr(ROAMS, name) for name in ROAMS.__struct_fields__}, "when": when})
        )
        ask(room, with_parameter(idp(trigger=trigger), "locationInformation", bytes.fromhex(location)))
        assert room.decision.reason is (reason if when is When.ROAMING else Reason.FORWARDED_ALWAYS)


def test_without_its_service_key_a_call_goes_on(enter: Callable[..., Room]) -> None:
    room = enter(READY)
    otid = ask(room, with_parameter(idp(), "serviceKey", b""))
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]
    assert room.counts.calls[-1][0] == "none"
    assert room.cap.unreadable == {(PEER, "serviceKey"): 1}


def test_behind_elements_without_an_end_nothing_is_believed(enter: Callable[..., Room]) -> None:
    """The caller's number is the first that has no end: a redirecting number might have followed."""
    room = enter(READY)
    argument = idp(trigger=TERMINATING)
    [[_, elements]] = parse(argument)
    cut = build([each for each in elements if each[0] in (0x80, 0x82)]) + b"\x83\x7f"
    otid = ask(room, b"\x30" + bytes((len(cut),)) + cut)
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]
    assert room.cap.unreadable == {(PEER, "callingPartyNumber"): 1, (PEER, "other"): 1}


# --- settings and bounds ---


def test_a_strict_node_rejects_as_the_standard_has_it(enter: Callable[..., Room]) -> None:
    room = enter(READY, strict=True)
    for parameter in ("originalCalledPartyID", "calledPartyNumber", "serviceKey"):
        otid = ask(room, with_parameter(idp(), parameter, b""))
        assert room.answer(otid).problem == (INVOKE_PROBLEM, MISTYPED_PARAMETER)
        assert room.decision.reason is Reason.UNDECODABLE_ARGUMENT
    assert room.cap.unreadable == {}


def test_what_takes_longer_to_read_is_bounded_for_each_peer() -> None:
    room = Room(READY, arguments=ALONE)
    room.cap.admission = Admission(Limits(unusual_rate=1.0))
    reasons = []
    for _ in range(3):
        ask(room, with_parameter(idp(), "originalCalledPartyID", bytes(11)))
        reasons.append(room.decision.reason)
    assert reasons == [Reason.FORWARDED_ALWAYS, Reason.RATE_LIMITED, Reason.RATE_LIMITED]


@given(st.binary(max_size=40))
def test_whatever_an_initial_dp_has_in_it_a_call_is_never_refused_for_its_form(octets: bytes) -> None:
    room = Room(READY)
    otid = ask(room, b"\x30" + bytes((len(octets),)) + octets)
    assert room.answer(otid).message.kind == tcap.END
    refused = (Reason.CRITICAL_EXTENSION, Reason.UNKNOWN_SERVICE_KEY)
    assert room.decision.action is not Action.ERROR or room.decision.reason in refused
    assert {parameter for _, parameter in room.cap.unreadable} <= {*parameters(), "other"}


# --- calls that are held ---


class Rereading:
    """Holds on, and looks at the request again when it is told something."""

    name = "rereading"

    def __init__(self) -> None:
        self.seen: list[InitialDPArg] = []
        self.told: list[Report] = []

    async def run(self, call: Call) -> None:
        self.seen.append(call.idp)
        call.invoke(Opcode.CONTINUE)
        while not (report := await NextReport(60.0)).over:
            self.told.append(report)
            self.seen.append(call.idp)


@pytest.mark.parametrize("form", ["unreadable", "indefinite"])
def test_a_held_call_s_request_stays_what_it_was(enter: Callable[..., Room], form: str) -> None:
    service = Rereading()
    room = enter(services={SERVICE_KEY: service})
    argument = idp()
    if form == "indefinite":
        [[_, elements]] = parse(argument)
        argument = b"\x30\x80" + build(elements) + b"\0\0"
    else:
        argument = with_parameter(argument, "originalCalledPartyID", bytes(11))
    otid = ask(room, argument)
    room.go_on(otid, event_report(b""))
    assert len(service.seen) == 2
    first, later = service.seen
    assert first.unreadable == (("originalCalledPartyID",) if form == "unreadable" else ())
    assert later == FAST.decode_argument(Opcode.INITIAL_DP, FAST.encode_argument(0, first, 2), 2)
    room.send(tcap.build_end(room.tid(otid), b"", []))


# --- reports ---


def further_on(opcode: int, argument: Any, further: bytes) -> bytes:
    """An operation with more elements at the end of its argument."""
    [[tag, elements]] = parse(FAST.encode_argument(opcode, argument, 2))
    return encode_invoke(10, opcode, build([[tag, [*elements, *parse(further)]]]))


def event_report(further: bytes, mode: MessageType = MessageType.NOTIFICATION) -> bytes:
    argument = EventReportBCSMArg(EventTypeBCSM.O_DISCONNECT, misc_call_info=MiscCallInfo(mode))
    return further_on(Opcode.EVENT_REPORT_BCSM, argument, further)


REPORTS = {
    "cause of no octets": (event_report(bytes.fromhex("a204a7028000")), "eventSpecificInformationBCSM"),
    "event without an alternative": (event_report(bytes.fromhex("a200")), "eventSpecificInformationBCSM"),
    "leg of two octets": (event_report(bytes.fromhex("a30481020101")), "legID"),
    "extensions without any": (event_report(bytes.fromhex("a500")), "extensions"),
    "call result too short": (
        encode_invoke(10, Opcode.APPLY_CHARGING_REPORT, bytes.fromhex("0403a00100")),
        "applyChargingReport",
    ),
    "call information with a leg of no octets": (
        further_on(
            Opcode.CALL_INFORMATION_REPORT,
            CallInformationReportArg(
                (
                    RequestedInformation(
                        RequestedInformationType.CALL_CONNECTED_ELAPSED_TIME,
                        RequestedInformationValue("callConnectedElapsedTimeValue", 600),
                    ),
                )
            ),
            bytes.fromhex("a3028100"),
        ),
        "legID",
    ),
    "announcement's end as CAP v4 has it": (
        encode_invoke(10, Opcode.SPECIALIZED_RESOURCE_REPORT, bytes.fromhex("9f3200")),
        "allAnnouncementsComplete",
    ),
    "announcement's end without a parameter": (
        encode_invoke(10, Opcode.SPECIALIZED_RESOURCE_REPORT, b""),
        "allAnnouncementsComplete",
    ),
}


@pytest.mark.parametrize(("report", "parameter"), REPORTS.values(), ids=REPORTS)
def test_an_optional_parameter_of_a_report_ends_no_control(
    enter: Callable[..., Room], report: bytes, parameter: str
) -> None:
    service = Rereading()
    room = enter(services={SERVICE_KEY: service})
    otid = ask(room, idp())
    room.go_on(otid, report)
    assert len(service.told) == 1
    assert len(room.answers(otid)) == 1, "the dialogue is held"
    assert room.cap.unreadable == {(PEER, parameter): 1}
    room.send(tcap.build_end(room.tid(otid), b"", []))


def test_an_event_that_waits_for_an_answer_gets_it_though_its_cause_can_not_be_read(
    enter: Callable[..., Room],
) -> None:
    room = enter(services={SERVICE_KEY: HeldOpen(60.0)})
    otid = ask(room, idp())
    room.go_on(otid, event_report(bytes.fromhex("a204a7028000"), MessageType.REQUEST))
    last = room.answers(otid)[-1]
    assert (last.message.kind, last.opcodes) == (tcap.END, [Opcode.CONTINUE])


def test_a_strict_node_rejects_reports_too(enter: Callable[..., Room]) -> None:
    room = enter(services={SERVICE_KEY: Rereading()}, strict=True)
    otid = ask(room, idp())
    room.go_on(otid, REPORTS["leg of two octets"][0])
    assert room.answers(otid)[-1].problem == (INVOKE_PROBLEM, MISTYPED_PARAMETER)
    assert room.cap.unreadable == {}
