"""Calls to the VoIP side that are rescued: each row of the table, any sequence of reports, the real node."""

from __future__ import annotations

from itertools import product

import pytest
from driver import Driver
from hypothesis import given
from hypothesis import strategies as st
from test_voip_forwarding import NODE, READY, REDIRECTION, SWEDEN, dialled, terminating

from scp.domain.announcement import Announcement
from scp.domain.decision import Reason, Trigger, screen
from scp.services.api import NextReport, NodeSettings, Report, ReportKind
from scp.services.call_control import TABLE, Action, Event, Phase, armed, event_of
from scp.services.idp import read_call
from scp.services.rescue import line
from scp.services.voip_forwarding import voip_forwarding
from ss7.cap.codec import FAST
from ss7.cap.contexts import CAP_V1
from ss7.cap.events import BusyInfo, TBusyInfo
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    EventReportBCSMArg,
    EventSpecificInformationBCSM,
    EventTypeBCSM,
    InitialDPArg,
    MessageType,
    MiscCallInfo,
    MonitorMode,
)
from ss7.cause import Cause
from ss7.isup import CalledPartyNumber, RedirectingNumber, RedirectingReason, RedirectionInformation

SERVICE = voip_forwarding({"prefix": "99", "rescue": True}, NODE)
INFORMED = voip_forwarding({"prefix": "99", "rescue": True, "call_information": True}, NODE)
ANNOUNCED = voip_forwarding(
    {"prefix": "99", "rescue": True, "announce": "hello"},
    NodeSettings(SWEDEN, announcements={"hello": Announcement(5)}),
)
ARM, INFORM, CONNECT, CONTINUE, TEST = (
    Opcode.REQUEST_REPORT_BCSM_EVENT,
    Opcode.CALL_INFORMATION_REQUEST,
    Opcode.CONNECT,
    Opcode.CONTINUE,
    Opcode.ACTIVITY_TEST,
)
RELEASE_SRF = Opcode.DISCONNECT_FORWARD_CONNECTION
ASKS, TELLS = MessageType.REQUEST, MessageType.NOTIFICATION
TO_VOIP, TO_LINE = "990011234567", "0011234567"
SENT = {
    Action.NOTHING: [],
    Action.RESCUE: [ARM, CONNECT],
    Action.CONNECT: [CONNECT],
    Action.GO_ON: [CONTINUE],
    Action.TEST: [TEST],
    Action.END: [],
    Action.CONTINUE: [CONTINUE],
    Action.AGAIN: [ARM, CONNECT],
}


def begun(request: InitialDPArg | None = None, *, informed: bool = False) -> Driver:
    service = INFORMED if informed else SERVICE
    return Driver(service, terminating() if request is None else request).found(READY)


def announced() -> Driver:
    """A call whose caller has heard an announcement first."""
    driver = Driver(ANNOUNCED, terminating()).found(READY)
    driver.report(ReportKind.INVOKE, opcode=Opcode.SPECIALIZED_RESOURCE_REPORT, argument=True)
    assert driver.operations[1:] == [[RELEASE_SRF, ARM, CONNECT]]
    return driver


def busy(cause: int = 17, *, forwarded: bool = False) -> EventReportBCSMArg:
    info = TBusyInfo(Cause(cause).encode(), call_forwarded=forwarded)
    return EventReportBCSMArg(
        EventTypeBCSM.T_BUSY,
        EventSpecificInformationBCSM("tBusySpecificInfo", info),
        misc_call_info=MiscCallInfo(ASKS),
    )


def reported(argument: EventReportBCSMArg) -> dict[str, object]:
    return {"kind": ReportKind.INVOKE, "opcode": Opcode.EVENT_REPORT_BCSM, "argument": argument}


def event(kind: EventTypeBCSM, mode: MessageType) -> dict[str, object]:
    return reported(EventReportBCSMArg(kind, misc_call_info=MiscCallInfo(mode)))


HAPPENS = {
    Event.FAILED: reported(busy()),
    Event.FORWARDED: reported(busy(forwarded=True)),
    Event.ANSWERED: event(EventTypeBCSM.T_ANSWER, TELLS),
    Event.CLEARED: event(EventTypeBCSM.T_DISCONNECT, TELLS),
    Event.ASKED: event(EventTypeBCSM.T_DISCONNECT, ASKS),
    Event.ARMING_REFUSED: {"kind": ReportKind.ERROR, "opcode": ARM, "code": 12},
    Event.CONNECT_REFUSED: {"kind": ReportKind.REJECT, "opcode": CONNECT, "code": 0x0101},
    Event.QUIET: {"kind": ReportKind.TIMEOUT},
    Event.LOST: {"kind": ReportKind.TIMEOUT, "opcode": TEST},
    Event.INFORMATION_REFUSED: {"kind": ReportKind.ERROR, "opcode": INFORM, "code": 10},
    Event.RESOURCE_KEPT: {"kind": ReportKind.ERROR, "opcode": RELEASE_SRF, "code": 14},
    Event.ANSWERED_WAITS: event(EventTypeBCSM.T_ANSWER, ASKS),
}
WAYS = {
    Phase.VOIP: (),
    Phase.RESCUE: (Event.FAILED,),
    Phase.TALKING: (Event.ANSWERED,),
}


def destinations(driver: Driver) -> list[str]:
    """The numbers connected to, in order."""
    connects = [each.argument for message in driver.sent for each in message if each.opcode == CONNECT]
    return [CalledPartyNumber.decode(each.destination_routing_address[0]).digits for each in connects]


@pytest.mark.parametrize(
    ("phase", "happens"), list(product(WAYS, Event)), ids=lambda each: each.name.lower().replace("_", "-")
)
def test_row(phase: Phase, happens: Event) -> None:
    driver = begun(informed=happens is Event.INFORMATION_REFUSED)
    if happens is Event.RESOURCE_KEPT:
        driver = announced()
    for each in WAYS[phase]:
        driver.report(**HAPPENS[each])
    before = len(driver.sent)
    driver.report(**HAPPENS[happens])
    row = TABLE.get((phase, happens))
    if row is None:
        assert not driver.ended
        assert driver.operations[before:] == [[]]
        return
    assert driver.ended is (row.next is Phase.OVER)
    assert driver.operations[before:] == [SENT[row.action]]


@pytest.mark.parametrize("kind", [EventTypeBCSM.O_MID_CALL, EventTypeBCSM.O_TERM_SEIZED, 28, 254])
def test_a_notification_that_nobody_asked_for_ends_no_control(kind: EventTypeBCSM | int) -> None:
    driver = begun()
    driver.event(kind, TELLS)
    driver.event(EventTypeBCSM.T_ANSWER, TELLS)
    driver.event(kind, TELLS)
    assert not driver.ended
    assert driver.operations == [[ARM, CONNECT], [], [], []]


@pytest.mark.parametrize("opcode", [Opcode.PLAY_ANNOUNCEMENT, Opcode.RESET_TIMER, Opcode.CANCEL])
def test_the_refusal_of_what_is_no_matter_for_the_call_ends_no_control(opcode: Opcode) -> None:
    """An announcement that was cut off is answered with an error (29.078 §11.13.2.1) once the call goes on."""
    driver = begun()
    driver.report(ReportKind.ERROR, opcode=opcode, code=0)
    assert not driver.ended
    assert driver.operations == [[ARM, CONNECT], []]


def test_a_busy_voip_side_is_followed_by_the_subscribers_line() -> None:
    driver = begun()
    assert driver.operations == [[ARM, CONNECT]]
    assert driver.call.decision.reason is Reason.FORWARDED_ALWAYS
    driver.report(**reported(busy(34)))
    assert destinations(driver) == [TO_VOIP, TO_LINE]
    assert not driver.ended
    driver.event(EventTypeBCSM.T_ANSWER, TELLS)
    assert driver.event(EventTypeBCSM.T_DISCONNECT, TELLS).ended


@pytest.mark.parametrize("request_", [terminating(), terminating(**REDIRECTION), dialled("0011234567")])
def test_the_call_to_the_line_is_recognised_when_it_comes_back(request_: InitialDPArg) -> None:
    driver = begun(request_)
    driver.event(EventTypeBCSM.T_NO_ANSWER, ASKS)
    connect = driver.sent[-1][-1].argument
    again = terminating(
        digits=CalledPartyNumber.decode(connect.destination_routing_address[0]).digits,
        original_called_party_id=connect.original_called_party_id,
        redirecting_party_id=connect.redirecting_party_id,
        redirection_information=connect.redirection_information,
    )
    decision = screen(read_call(again, SWEDEN), SERVICE.rules)
    assert decision is not None
    assert decision.reason is Reason.DIVERTED_BACK


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (reported(busy(17)), 1),
        (reported(busy(20)), 6),
        (event(EventTypeBCSM.T_NO_ANSWER, ASKS), 2),
        (event(EventTypeBCSM.ROUTE_SELECT_FAILURE, ASKS), 6),
    ],
)
def test_redirection_data_say_why_and_count_one_more(failure: dict[str, object], reason: int) -> None:
    for request, counter in ((terminating(), 1), (terminating(**REDIRECTION), 2)):
        connect = begun(request).report(**failure).sent[-1][-1].argument
        information = RedirectionInformation.decode(connect.redirection_information)
        assert (information.reason, information.counter) == (reason, counter)
        assert RedirectingNumber.decode(connect.redirecting_party_id).digits == TO_LINE


@pytest.mark.parametrize(("before", "after"), [(0, 1), (4, 5), (5, 5), (7, 5)])
def test_no_more_redirections_are_counted_than_the_standard_has(before: int, after: int) -> None:
    """Q.763 §3.45: the counter ends at 5, though three bits hold more."""
    idp = terminating(**(REDIRECTION | {"redirection_information": bytes((0x03, 0x20 | before))}))
    facts = read_call(idp, SWEDEN)
    connect = line(idp, facts, RedirectingReason.USER_BUSY)
    assert RedirectionInformation.decode(connect.redirection_information).counter == after


def test_what_is_armed() -> None:
    for terminating_, failures in ((True, {13, 14}), (False, {4, 5, 6})):
        events = armed(terminating=terminating_, no_answer=15).bcsm_events
        asked = {each.event_type_bcsm for each in events if each.monitor_mode is MonitorMode.INTERRUPTED}
        assert asked == failures
        assert [each.leg_id.value for each in events if each.event_type_bcsm in (9, 17)] == [b"\x01", b"\x02"]
        [timer] = [each.dp_specific_criteria for each in events if each.dp_specific_criteria is not None]
        assert timer.value == 15
        for version in (2, 3, 4):
            argument = armed(terminating=terminating_, no_answer=15)
            octets = FAST.encode_argument(ARM, argument, version)
            assert FAST.decode_argument(ARM, octets, version) == argument


def test_cap_v1_is_steered_without_rescue() -> None:
    driver = Driver(SERVICE, terminating())
    driver.call.dialogue.context = CAP_V1.octets
    assert driver.found(READY).ended
    assert driver.operations == [[CONNECT]]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [({"rescue": 1}, "rescue"), ({"no_answer_s": 0}, "no_answer_s"), ({"quiet_s": 5}, "quiet_s")],
)
def test_a_bad_setting_is_named(settings: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}: "):
        voip_forwarding({"prefix": "99", **settings}, NODE)


ANY_REPORT = st.builds(
    Report,
    st.sampled_from(ReportKind),
    st.sampled_from([-1, *Opcode]),
    st.one_of(
        st.none(),
        st.builds(
            EventReportBCSMArg,
            st.one_of(st.sampled_from(EventTypeBCSM), st.integers(0, 254)),
            st.sampled_from(
                [
                    None,
                    EventSpecificInformationBCSM("tBusySpecificInfo", TBusyInfo(b"")),
                    EventSpecificInformationBCSM("oCalledPartyBusySpecificInfo", BusyInfo(b"\x80\x91")),
                    EventSpecificInformationBCSM("dpSpecificInfoAlt", b""),
                ]
            ),
            misc_call_info=st.builds(MiscCallInfo, st.sampled_from(MessageType)),
        ),
    ),
    st.integers(-1, 70),
)


@given(st.lists(ANY_REPORT, max_size=12), st.sampled_from([terminating(), dialled("0011234567")]))
def test_any_sequence_ends_cleanly_and_never_connects_a_third_time(
    reports: list[Report], request_: InitialDPArg
) -> None:
    driver = begun(request_)
    for report in reports:
        asked = event_of(report) in (Event.FAILED, Event.FORWARDED, Event.ASKED, Event.ANSWERED_WAITS)
        driver.report(report.kind, opcode=report.opcode, argument=report.argument, code=report.code)
        assert not asked or driver.sent[-1], "the switch waits for an instruction, and gets one"
        if driver.ended:
            break
        assert not report.over
        assert isinstance(driver.waits, NextReport)
    connects = destinations(driver)
    plain = [message for message in driver.operations if message == [CONNECT]]
    assert connects[0] == TO_VOIP
    assert len(set(connects)) <= 2
    assert len(connects) - len(plain) <= 2
    assert len(plain) <= 1


def test_the_trigger_says_which_events_are_armed() -> None:
    for request, event_type in ((terminating(), 13), (dialled("0011234567"), 4)):
        driver = begun(request)
        assert driver.sent[0][0].argument.bcsm_events[0].event_type_bcsm == event_type
    assert read_call(terminating(), SWEDEN).trigger is Trigger.TERMINATING
