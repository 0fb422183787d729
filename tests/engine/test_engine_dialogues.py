"""Dialogues that stay open: reports, answers, timers and every way to end, through the node's whole stack."""

from __future__ import annotations

import pytest
from held_open import ARMED, Charged, HeldOpen
from room import MSISDN, NETWORK, READY, SERVICE_KEY, Room, idp

from scp.domain.decision import Action, Reason
from scp.services.api import Lookup, NextReport, ReportKind, StoreFailure
from ss7 import rose, tcap
from ss7.ber import encode_element
from ss7.cap.charging import CamelCallResult, TimeDurationChargingResult, TimeInformation, encode_contained
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_VERSION
from ss7.cap.errors import CapError, ErrorCode
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    EventReportBCSMArg,
    EventTypeBCSM,
    MessageType,
    MiscCallInfo,
    ReceivingSideID,
)
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    UNRECOGNIZED_OPERATION,
    encode_invoke,
    encode_reject,
    encode_return_error,
    encode_return_result,
)
from ss7.sccp import MessageType as SccpType
from ss7.sccp import ReturnCause, UnitDataService
from ss7.tcap_dialogue import ABRT_PROVIDER, ABRT_USER, Aare, Abrt, encode_dialogue

ARM, CONTINUE, TEST = Opcode.REQUEST_REPORT_BCSM_EVENT, Opcode.CONTINUE, Opcode.ACTIVITY_TEST
CHARGE, RELEASE, REPORT = Opcode.APPLY_CHARGING, Opcode.RELEASE_CALL, Opcode.EVENT_REPORT_BCSM
ASKS, TELLS = MessageType.REQUEST, MessageType.NOTIFICATION
ANSWERED, DISCONNECTED = EventTypeBCSM.O_ANSWER, EventTypeBCSM.O_DISCONNECT
PATIENCE = 30.0


@pytest.fixture(params=["fast", "reference"])
def enter(request, everything_sent):
    """Makes a room whose calls get one service, for each of the two codecs; nothing may be left in it."""
    rooms = []

    def enter(service):
        if not hasattr(service, "run"):
            service = Service(service)
        services = {SERVICE_KEY: service}
        rooms.append(Room(READY, services=services, codec=request.param, recorder=everything_sent))
        return rooms[-1]

    yield enter
    for room in rooms:
        room.nothing_left()


class Service:
    name = "of-the-test"

    def __init__(self, run):
        self.run = run


class Watcher:
    """Holds on and keeps what it is told; ``first`` is sent with the first message."""

    name = "watcher"

    def __init__(self, timeout=PATIENCE):
        self.timeout = timeout
        self.told = []

    async def run(self, call):
        call.invoke(CONTINUE)
        while True:
            self.told.append(await NextReport(self.timeout))
            if self.told[-1].over:
                return

    @property
    def kinds(self):
        return [report.kind for report in self.told]


def event(kind, mode=TELLS, invoke_id=10, version=2):
    argument = EventReportBCSMArg(
        event_type_bcsm=kind,
        leg_id=ReceivingSideID("receivingSideID", b"\x02"),
        misc_call_info=MiscCallInfo(mode),
    )
    return encode_invoke(invoke_id, REPORT, FAST.encode_argument(REPORT, argument, version))


def messages(room, otid):
    return [answer.message for answer in room.answers(otid)]


def sent(room, otid):
    """Kind and operations of every message."""
    return [(answer.message.kind, answer.opcodes) for answer in room.answers(otid)]


WATCHED = (tcap.CONTINUE, [ARM, CONTINUE])


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_watched_call_from_begin_to_end(enter, version):
    room = enter(HeldOpen(PATIENCE))
    otid = room.call(version)
    first = room.answer(otid)
    assert sent(room, otid) == [WATCHED]
    assert first.message.dialogue == Aare(BY_VERSION[version].octets)
    assert (first.unit.protocol_class, first.unit.return_on_error) == (1, True)
    armed = FAST.decode_argument(ARM, first.message.components[0].parameter, version)
    assert [item.event_type_bcsm for item in armed.bcsm_events] == [item.event_type_bcsm for item in ARMED]
    assert (room.decision.action, room.decision.reason) == (Action.CONTINUE, Reason.SERVICE_LOGIC)
    room.go_on(otid, event(ANSWERED, TELLS, 2, version))
    assert len(room.answers(otid)) == 1
    room.go_on(otid, event(DISCONNECTED, ASKS, 3, version))
    assert sent(room, otid) == [WATCHED, (tcap.END, [CONTINUE])]
    assert messages(room, otid)[1].dialogue is None  # the context is said once (Q.774 §3.2.1)
    assert {answer.sls for answer in room.answers(otid)} == {5}
    assert room.counts.outcomes == ["ended"]
    assert len(room.counts.calls) == 1


@pytest.mark.parametrize(
    "component",
    [encode_return_error(1, ErrorCode.TASK_REFUSED), encode_reject(1, INVOKE_PROBLEM, MISTYPED_PARAMETER)],
)
def test_a_refused_arming_ends_the_dialogue(enter, component):
    room = enter(HeldOpen(PATIENCE))
    otid = room.call()
    room.go_on(otid, component)
    assert sent(room, otid) == [WATCHED, (tcap.END, [])]


@pytest.mark.parametrize(("problem", "octet"), [(UNRECOGNIZED_OPERATION, 1), (127, 0x7F), (-128, 0x80)])
def test_errors_and_rejects_say_of_what_and_why(enter, problem, octet):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    room.go_on(otid, encode_reject(1, INVOKE_PROBLEM, problem))
    [report] = watcher.told
    assert (report.kind, report.opcode) == (ReportKind.REJECT, CONTINUE)
    assert report.code == INVOKE_PROBLEM << 8 | octet


@pytest.mark.parametrize("parameter", [b"", b"\x0a\x01\x00"])
def test_an_error_that_the_operation_can_have_is_reported(enter, parameter):
    room = enter(HeldOpen(PATIENCE))
    otid = room.call()
    room.go_on(otid, encode_return_error(1, ErrorCode.TASK_REFUSED, parameter))
    assert room.answers(otid)[-1].message.components == []  # the service ended the dialogue
    assert room.counts.discards == []


@pytest.mark.parametrize(
    ("error", "parameter", "problem"),
    [
        (99, b"", rose.UNRECOGNIZED_ERROR),
        (b"\x2a\x03", b"", rose.UNRECOGNIZED_ERROR),  # global: CAP has none
        (ErrorCode.CANCEL_FAILED, b"", rose.UNEXPECTED_ERROR),  # of Cancel only
        (ErrorCode.TASK_REFUSED, b"\x04\x01\x00", rose.RETURN_ERROR_MISTYPED_PARAMETER),
        (ErrorCode.MISSING_PARAMETER, b"\x05\x00", rose.RETURN_ERROR_MISTYPED_PARAMETER),  # has none
    ],
)
def test_an_error_that_the_operation_can_not_have_is_rejected_in_tc_end(enter, error, parameter, problem):
    """29.078 §14.1.1.4.1: of RequestReportBCSMEvent."""
    room = enter(HeldOpen(PATIENCE))
    otid = room.call()
    room.go_on(otid, encode_return_error(1, error, parameter))
    answer = room.answers(otid)[-1]
    assert answer.message.kind == tcap.END
    assert answer.problem == (rose.RETURN_ERROR_PROBLEM, problem)
    assert answer.component.invoke_id == 1
    assert room.counts.outcomes == ["reject"]
    assert len(room.counts.discards) == 1


def test_an_error_to_an_operation_that_has_none_is_rejected_in_tc_end(enter):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    room.go_on(otid, encode_return_error(1, ErrorCode.TASK_REFUSED))  # Continue is of class 4
    answer = room.answers(otid)[-1]
    assert answer.message.kind == tcap.END
    assert answer.problem == (rose.RETURN_ERROR_PROBLEM, rose.RETURN_ERROR_UNEXPECTED)
    assert watcher.kinds == [ReportKind.ABORT]


def test_several_reports_of_one_message_come_in_order(enter):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    room.go_on(otid, event(ANSWERED, TELLS, 2), event(DISCONNECTED, TELLS, 3))
    assert [report.argument.event_type_bcsm for report in watcher.told] == [ANSWERED, DISCONNECTED]
    assert len(room.answers(otid)) == 1


def test_the_peers_end_brings_its_last_report_and_gets_no_answer(enter):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    room.end(otid, event(DISCONNECTED))
    assert watcher.kinds == [ReportKind.INVOKE, ReportKind.END]
    assert len(room.answers(otid)) == 1
    assert room.counts.outcomes == ["ended"]


@pytest.mark.parametrize("by_provider", [False, True])
def test_the_peers_abort_is_told_and_gets_no_answer(enter, by_provider):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    tid = room.tid(otid)
    room.send(tcap.build_p_abort(tid, 1) if by_provider else tcap.build_abort(tid, b""))
    assert watcher.kinds == [ReportKind.ABORT]
    assert len(room.answers(otid)) == 1
    assert room.counts.outcomes == ["aborted-by-peer"]


# --- what can't be taken goes back in TC-END ---


@pytest.mark.parametrize(
    ("component", "problem"),
    [
        (encode_invoke(5, REPORT, b"\x04\x00"), (INVOKE_PROBLEM, MISTYPED_PARAMETER)),
        (encode_invoke(5, REPORT), (INVOKE_PROBLEM, MISTYPED_PARAMETER)),
        (encode_invoke(5, 99, b""), (INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)),
        (encode_invoke(5, Opcode.CONNECT, b""), (INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)),
        (encode_invoke(5, 64, b"\x30\x00"), (INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)),
        (encode_element(0xA1, b"\x04\x00"), (rose.GENERAL_PROBLEM, rose.MISTYPED_COMPONENT)),
    ],
)
def test_a_bad_component_ends_the_dialogue_with_its_problem(enter, component, problem):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    room.go_on(otid, event(ANSWERED, TELLS, 4), component)
    assert room.answers(otid)[-1].message.kind == tcap.END
    assert room.answers(otid)[-1].problem == problem
    assert watcher.kinds == [ReportKind.INVOKE, ReportKind.ABORT]
    assert room.counts.outcomes == ["reject"]
    assert len(room.counts.discards) == 1


@pytest.mark.parametrize(
    "component",
    [
        event(ANSWERED, TELLS, 4),
        encode_return_result(77),
        rose.encode_return_error(77, ErrorCode.TASK_REFUSED),
    ],
)
def test_what_came_before_is_discarded_and_the_dialogue_goes_on(enter, component):
    """A network that delivers a message twice ends no control: 29.078 §14.1.1.4.1, other events."""
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    room.go_on(otid, event(ANSWERED, TELLS, 4))
    room.go_on(otid, component, event(ANSWERED, TELLS, 5))
    assert watcher.kinds == [ReportKind.INVOKE] * 2
    assert room.counts.outcomes == []
    assert room.counts.discards == [("cap", "rejected-component")]
    assert len(room.answers(otid)) == 1


def test_a_result_that_is_not_the_last_is_rejected(enter):
    """CAP uses no TC-RESULT-NL: who gets one rejects it as mistyped (29.078 §14.1.1.4.1 and §14.2.2.1.3)."""
    room = enter(HeldOpen(PATIENCE))
    otid = room.call()
    room.advance(PATIENCE + 0.01)
    [*_, asked] = room.answers(otid)
    assert asked.component.opcode == TEST
    room.go_on(otid, rose.encode_return_result(asked.component.invoke_id, last=False))
    answer = room.answers(otid)[-1]
    assert answer.message.kind == tcap.END
    assert answer.problem == (rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_MISTYPED_PARAMETER)
    assert answer.component.invoke_id == asked.component.invoke_id
    assert room.counts.outcomes == ["reject"]


def test_an_operation_of_a_later_version_is_not_recognized(enter):
    room = enter(Watcher())
    otid = room.call(1)
    room.go_on(otid, encode_invoke(5, Opcode.CALL_INFORMATION_REPORT, b"\x30\x00"))
    assert room.answers(otid)[-1].problem == (INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)


def test_a_second_initial_dp_is_out_of_sequence(enter):
    room = enter(Watcher())
    otid = room.call()
    room.go_on(otid, encode_invoke(2, Opcode.INITIAL_DP, idp()))
    answer = room.answers(otid)[-1]
    assert answer.message.kind == tcap.END
    assert (answer.component.invoke_id, answer.component.error) == (
        2,
        ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE,
    )


def test_a_dialogue_portion_where_none_belongs_aborts_both_sides(enter):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    portion = encode_dialogue(Aare(BY_VERSION[2].octets))
    room.send(tcap.build_continue(otid, room.tid(otid), portion, [event(ANSWERED)]))
    assert messages(room, otid)[-1].kind == tcap.ABORT
    assert messages(room, otid)[-1].dialogue == Abrt(ABRT_PROVIDER)
    assert watcher.kinds == [ReportKind.ABORT]


# --- timers ---


def test_an_answered_activity_test_goes_on_and_an_unanswered_one_ends(enter):
    room = enter(HeldOpen(PATIENCE))
    otid = room.call()
    room.advance(PATIENCE + 0.01)
    assert sent(room, otid)[1:] == [(tcap.CONTINUE, [TEST])]
    room.go_on(otid, encode_return_result(room.answers(otid)[-1].component.invoke_id))
    assert len(room.answers(otid)) == 2
    room.advance(PATIENCE + 0.01)
    assert sent(room, otid)[2:] == [(tcap.CONTINUE, [TEST])]
    room.advance(5.1)  # Tat
    assert sent(room, otid)[3:] == [(tcap.END, [])]


def test_a_timeout_is_of_an_operation_or_of_the_wait(enter):
    async def tests(call):
        call.invoke(TEST)
        told.append(await NextReport(PATIENCE))
        told.append(await NextReport(1.0))

    told = []
    room = enter(tests)
    room.call()
    room.advance(6.5)
    assert [(report.kind, report.opcode) for report in told] == [
        (ReportKind.TIMEOUT, TEST),
        (ReportKind.TIMEOUT, -1),
    ]


def test_a_forgotten_dialogue_is_aborted_at_the_idle_limit(enter):
    watcher = Watcher(timeout=1e9)
    room = enter(watcher)
    otid = room.call()
    room.advance(90_001.0)
    assert messages(room, otid)[-1].kind == tcap.ABORT
    assert messages(room, otid)[-1].dialogue == Abrt(ABRT_USER)
    assert watcher.kinds == [ReportKind.ABORT]
    assert room.counts.outcomes == ["timeout"]
    room.advance(2e9)


# --- what the network does ---


def undelivered(room, answer, cause=ReturnCause.UNEQUIPPED_USER):
    """Return a message of the node's as SCCP does."""
    unit = answer.unit
    room.switch.sccp(
        UnitDataService(SccpType.UDTS, cause, unit.calling_raw, unit.called_raw, unit.data).encode()
    )


def test_a_returned_message_ends_the_dialogue_silently(enter):
    watcher = Watcher()
    room = enter(watcher)
    otid = room.call()
    undelivered(room, room.answer(otid))
    assert watcher.kinds == [ReportKind.ABORT]
    assert room.counts.outcomes == ["undeliverable"]
    assert room.counts.discards == [("sccp", "returned")]
    assert len(room.answers(otid)) == 1


def test_a_returned_end_or_a_strangers_message_is_dropped(enter):
    async def lets_go(call):
        call.invoke(CONTINUE)

    room = enter(lets_go)
    answer = room.answer(room.call())
    undelivered(room, answer)
    answer.unit.data = tcap.build_begin(b"\x99\x99\x99\x99", b"", [])
    undelivered(room, answer)
    assert room.counts.discards == [("tcap", "notice-unknown-transaction")] * 2


def test_a_dialogue_goes_on_over_another_link(everything_sent):
    watcher = HeldOpen(PATIENCE)
    room = Room(READY, services={SERVICE_KEY: watcher}, links=2, recorder=everything_sent)
    otid = room.call()
    room.disconnect(0)
    room.switch = room.switches[1]
    room.go_on(otid, event(DISCONNECTED, ASKS))
    assert [len(switch.answers) for switch in room.switches] == [1, 1]
    assert sent(room, otid) == [WATCHED, (tcap.END, [CONTINUE])]
    assert room.answers(otid)[1].dpc == NETWORK.point_code
    room.nothing_left()


# --- charging ---


def charging_report(tenths, active=True, invoke_id=20, version=2):
    result = CamelCallResult(
        "timeDurationChargingResult",
        TimeDurationChargingResult(
            party_to_charge=ReceivingSideID("receivingSideID", b"\x01"),
            time_information=TimeInformation("timeIfNoTariffSwitch", tenths),
            leg_active=active,
        ),
    )
    contained = encode_contained("CAMEL-CallResult", result, version)
    argument = FAST.encode_argument(Opcode.APPLY_CHARGING_REPORT, contained, version)
    return encode_invoke(invoke_id, Opcode.APPLY_CHARGING_REPORT, argument)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_call_is_charged_period_by_period_and_released_when_the_budget_is_gone(enter, version):
    service = Charged(periods=2, seconds=60)
    room = enter(service)
    otid = room.call(version)
    assert sent(room, otid) == [(tcap.CONTINUE, [CHARGE, CONTINUE])]
    room.advance(60.0)
    room.go_on(otid, charging_report(600, invoke_id=2, version=version))
    assert sent(room, otid)[1:] == [(tcap.CONTINUE, [CHARGE])]
    room.advance(60.0)
    room.go_on(otid, charging_report(600, invoke_id=3, version=version))
    assert sent(room, otid)[2:] == [(tcap.END, [RELEASE])]
    assert service.used == [600, 600]


# --- services ---


def test_a_service_that_never_stops_listening_is_stopped(enter):
    async def deaf(call):
        call.invoke(CONTINUE)
        try:
            while True:
                told.append((await NextReport(PATIENCE)).kind)
        finally:
            told.append("stopped")

    told = []
    room = enter(deaf)
    otid = room.call()
    room.end(otid)
    assert told == [ReportKind.END, "stopped"]


def test_a_service_that_fails_later_leaves_the_call_to_the_switch(enter):
    async def fails_later(call):
        call.invoke(CONTINUE)
        await NextReport(PATIENCE)
        raise ZeroDivisionError

    room = enter(fails_later)
    otid = room.call()
    room.go_on(otid, event(ANSWERED))
    assert sent(room, otid) == [(tcap.CONTINUE, [CONTINUE]), (tcap.END, [])]
    assert room.counts.outcomes == ["error"]
    assert len(room.counts.calls) == len(room.bugs) == 1


def test_a_lookup_after_the_answer_has_its_own_deadline_and_reports_wait_for_it(enter):
    async def looks_later(call):
        call.invoke(CONTINUE)
        told.append((await NextReport(PATIENCE)).kind)
        told.append(await Lookup(MSISDN))
        told.append((await NextReport(PATIENCE)).kind)
        told.append(await Lookup(MSISDN))
        told.append(await Lookup(MSISDN))

    told = []
    room = enter(looks_later)
    room.store.slow = True
    otid = room.call()
    room.advance(10.0)
    room.go_on(otid, event(ANSWERED, TELLS, 2))
    room.go_on(otid, event(DISCONNECTED, TELLS, 3))
    room.advance(0.14)
    room.store_answers()
    assert told == [ReportKind.INVOKE, READY, ReportKind.INVOKE]
    room.advance(0.2)
    assert (
        told[3:] == [StoreFailure.TIMEOUT] * 2
    )  # the second one at once: the store owes the first answer still
    assert sent(room, otid)[1:] == [(tcap.END, [])]


def test_an_abort_during_a_later_lookup_is_told_after_it(enter):
    async def looks_later(call):
        call.invoke(CONTINUE)
        await NextReport(PATIENCE)
        told.append(await Lookup(MSISDN))
        call.invoke(RELEASE, b"\x80\x90")
        told.append((await NextReport(PATIENCE)).kind)

    told = []
    room = enter(looks_later)
    room.store.slow = True
    otid = room.call()
    room.go_on(otid, event(ANSWERED, TELLS, 2))
    room.abort(otid)
    room.store_answers()
    assert told == [READY, ReportKind.ABORT]
    assert len(room.answers(otid)) == 1


def test_a_service_with_more_operations_than_invoke_ids_costs_no_call(enter):
    async def too_many(call):
        for _ in range(129):
            call.invoke(TEST)
        await NextReport(PATIENCE)

    room = enter(too_many)
    otid = room.call()
    assert sent(room, otid) == [(tcap.END, [CONTINUE])]
    assert room.decision.reason is Reason.SERVICE_ERROR


def test_an_error_waits_for_the_end(enter):
    """A gsmSSF aborts a dialogue that brings an error in TC-CONTINUE (29.078 §14.1.2.2.1)."""

    async def fails_then_waits(call):
        call.fail(CapError(ErrorCode.TASK_REFUSED))
        await NextReport(1.0)

    room = enter(fails_then_waits)
    otid = room.call()
    room.advance(1.1)
    assert sent_components(room, otid) == [(tcap.CONTINUE, 0), (tcap.END, 1)]


def sent_components(room, otid):
    return [(message.kind, len(message.components)) for message in messages(room, otid)]


def test_nothing_comes_out_of_a_dialogue_that_is_over(enter):
    async def talks_on(call):
        call.invoke(CONTINUE)
        await NextReport(PATIENCE)
        call.invoke(RELEASE, b"\x80\x90")

    room = enter(talks_on)
    otid = room.call()
    room.abort(otid)
    assert sent(room, otid) == [(tcap.CONTINUE, [CONTINUE])]
    assert not room.bugs
