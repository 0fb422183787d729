"""What a service may await beside reports and lookups: sending at once, the charging system, being told something."""

from __future__ import annotations

import pytest
from charger import (
    ARM,
    BROKEN,
    CONTINUE,
    DENIAL,
    GRANT,
    LATE,
    NONE,
    QUOTA,
    SESSION,
    SETTLED,
    TEST,
    K,
    Phase,
    Place,
    Records,
    journal,
)
from held_open import ARMED
from held_room import report
from msgspec import msgpack
from room import READY, idp

from scp.domain.decision import Action, Decision
from scp.domain.meter import Period
from scp.domain.quota import (
    QuotaRequest,
    Usage,
)
from scp.domain.reason import Reason
from scp.engine.cap.held_record import decode
from scp.engine.dialogue_questions import CHARGING
from scp.engine.report_queue import QUEUE_FULL
from scp.held_call_ports import Kept
from scp.services.api import (
    MOST_REPORTS,
    Extend,
    Lookup,
    NextReport,
    Outgoing,
    Release,
    Report,
    Reserve,
    Send,
    Settle,
)
from scp.services.charge_control import apply_charging
from ss7 import tcap
from ss7.ber import encode_element
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    EventTypeBCSM,
    RequestReportBCSMEventArg,
    ResetTimerArg,
)
from ss7.rose import (
    encode_invoke,
    encode_return_error,
    encode_return_result,
)


@pytest.fixture
def place():
    made = []

    def make(run, **options):
        made.append(Place(run, **options))
        return made[-1]

    yield make
    for each in made:
        each.room.nothing_left()
        assert not each.charger.open
        assert each.room.bugs == [] or each.room.bugs[0][0] in ("of-the-test", CHARGING)


async def send_then_look_up(call, got):
    call.invoke(Opcode.RESET_TIMER, ResetTimerArg(timervalue=10))
    await Send()
    got.append(await Lookup("11234567"))
    call.invoke(CONTINUE)


@pytest.mark.parametrize("how", ["goes on", "returns at once", "raises", "is nothing to run"])
def test_a_service_that_returns_another_coroutine_goes_on_with_that(place, how):
    async def then(call, got):
        if how == "raises":
            raise RuntimeError("a bug")
        if how == "goes on":
            got.append((await NextReport(10.0)).kind)

    async def run(call, got):
        await Reserve(QUOTA, call.now + 0.1)
        call.invoke(CONTINUE)
        return 7 if how == "is nothing to run" else then(call, got)

    here = place(run)
    otid = here.room.call()
    here.answer(GRANT)
    if how == "goes on":
        assert here.said(otid) == [(tcap.CONTINUE, [CONTINUE])]
        here.room.end(otid)
        assert here.got == [K.END]
    else:
        assert here.said(otid) == [(tcap.END, [CONTINUE])]
    assert here.charger.asked[1:] == [("give up", SESSION)]
    assert len(here.room.bugs) == (how == "raises")


def test_what_is_sent_at_once_does_not_wait_for_a_lookup(place):
    here = place(send_then_look_up)
    here.room.store.slow = True
    otid = here.room.call()
    assert here.said(otid) == [(tcap.CONTINUE, [Opcode.RESET_TIMER])]
    here.room.store_answers()
    assert here.said(otid)[1:] == [(tcap.END, [CONTINUE])]
    assert here.got == [READY]


async def charged(call, got):
    """Reserves, lets the call go on, extends at the first report, settles when it is over."""
    got.append(await Reserve(QUOTA, call.now + 5.0))
    call.invoke(CONTINUE)
    report = await NextReport(100.0)
    got.append(report)
    if not report.over:
        call.invoke(TEST)
        got.append(await Extend(SESSION, QUOTA, call.now + 5.0))
        while not report.over:
            report = await NextReport(until=call.now + 100.0)
            got.append(report)
    got.append(await Settle(SESSION, Usage(((723, 0),)), call.now + 5.0))


def kinds(got):
    return [each.kind if isinstance(each, Report) else each for each in got]


def test_reports_wait_while_the_charging_system_is_asked_and_what_was_said_has_left(place):
    here = place(charged)
    otid = here.room.call()
    assert here.said(otid) == []  # nothing in the outbox: the switch waits for its first answer
    here.answer(GRANT)
    here.event(otid)
    assert here.said(otid) == [(tcap.CONTINUE, [CONTINUE]), (tcap.CONTINUE, [TEST])]
    here.event(otid, invoke_id=10)
    here.event(otid, invoke_id=11)
    here.room.end(otid)
    assert kinds(here.got) == [GRANT, K.INVOKE]
    assert here.noted == []  # the dialogue is over, its service is not
    here.answer(GRANT)
    assert kinds(here.got) == [GRANT, K.INVOKE, GRANT, K.INVOKE, K.INVOKE, K.END]
    here.answer(SETTLED)
    assert here.got[-1] == SETTLED
    assert here.noted == ["over"]
    assert [what for what, _ in here.charger.asked] == ["reserve", "extend", "settle"]


PERIOD = apply_charging(Period(300), 2, 0, called_pays=False)


async def given_a_period(call, got):
    """Reserves, gives the switch a period, takes reports until the call is over, and settles."""
    await Reserve(QUOTA, call.now + 5.0)
    call.invoke(Opcode.APPLY_CHARGING, PERIOD)
    call.invoke(CONTINUE)
    while not got or not got[-1].over:
        got.append(await NextReport(100.0))
    await Settle(SESSION, Usage(((723, 0),)), call.now + 5.0)


@pytest.mark.parametrize(
    "component",
    [
        encode_invoke(5, 99),
        encode_invoke(5, Opcode.APPLY_CHARGING_REPORT, linked_id=77),
        encode_invoke(5, Opcode.APPLY_CHARGING_REPORT, b"\x04"),
        encode_invoke(5, Opcode.CONNECT),
        encode_invoke(5, Opcode.INITIAL_DP, idp()),
        encode_return_result(1),  # ApplyCharging is of class 2
        encode_return_error(2, ErrorCode.TASK_REFUSED),  # Continue is of class 4
        encode_element(0xA1, b"\x04\x00"),
    ],
)
def test_what_a_charged_call_would_be_rejected_for_is_counted_and_ends_no_control(place, component):
    """29.078 §14.1.2.2.1: in TC-END the call would go on without a limit; in TC-CONTINUE the gsmSSF aborts."""
    here = place(given_a_period)
    otid = here.room.call()
    here.answer(GRANT)
    assert here.said(otid) == [(tcap.CONTINUE, [Opcode.APPLY_CHARGING, CONTINUE])]
    here.room.counts.discards.clear()
    here.room.go_on(otid, component, report(EventTypeBCSM.O_ANSWER, 6))
    here.event(otid)
    assert (len(here.room.answers(otid)), kinds(here.got)) == (1, [K.INVOKE, K.INVOKE])
    assert len(here.room.counts.discards) == 1
    assert here.room.counts.outcomes == []
    here.room.end(otid)
    here.answer(SETTLED)
    assert here.charger.asked[1:] == [("settle", SESSION)]
    assert here.room.counts.outcomes == ["ended"]


@pytest.mark.parametrize(
    ("error", "parameter"),
    [
        (99, b""),
        (b"\x2a\x03", b""),
        (ErrorCode.CANCEL_FAILED, b""),
        (ErrorCode.TASK_REFUSED, b"\x04\x01\x00"),
    ],
)
def test_a_period_that_is_refused_in_whatever_words_is_refused(place, error, parameter):
    """A charged call hears that it has no period, be the error none that ApplyCharging can have (§14.1.1.4.1)."""
    here = place(given_a_period)
    otid = here.room.call()
    here.answer(GRANT)
    here.room.go_on(otid, encode_return_error(1, error, parameter))
    [heard] = here.got
    code = error if isinstance(error, int) else -1
    assert heard == Report(K.ERROR, Opcode.APPLY_CHARGING, None, code, 1)
    assert len(here.room.answers(otid)) == 1
    here.room.end(otid)
    here.answer(SETTLED)


def test_without_a_reservation_an_error_that_can_not_be_ends_the_dialogue_and_is_all_that_is_heard(place):
    async def run(call, got):
        call.invoke(Opcode.APPLY_CHARGING, PERIOD)
        call.invoke(CONTINUE)
        got.append(await NextReport(100.0))

    here = place(run)
    otid = here.room.call()
    here.room.go_on(otid, encode_return_error(1, 99))
    assert kinds(here.got) == [K.ABORT]
    assert here.room.answers(otid)[-1].message.kind == tcap.END


def test_an_answer_that_is_late_is_a_failure_and_is_not_the_next_ones(place):
    async def run(call, got):
        call.invoke(CONTINUE)
        got.append(await Reserve(QUOTA, call.now + 1.0))
        got.append(await Extend(SESSION, QUOTA, call.now + 1.0))
        got.append(await Settle(SESSION, Usage(), call.now + 1.0))

    here = place(run)
    otid = here.room.call()
    here.room.advance(1.1)
    assert here.got == [LATE]
    here.answer(GRANT, 0)  # of the reservation
    assert here.got == [LATE]
    here.answer(DENIAL)
    assert here.got == [LATE, DENIAL]
    here.room.advance(1.1)
    assert here.got == [LATE, DENIAL, LATE]
    here.answer(SETTLED)
    assert here.said(otid) == [(tcap.CONTINUE, [CONTINUE]), (tcap.END, [])]


def test_a_call_that_nothing_was_answered_to_waits_no_longer_than_its_answer_may_take(place):
    async def run(call, got):
        got.append(await Reserve(QUOTA, call.now + 60.0))
        call.invoke(CONTINUE)
        await Settle(SESSION, None, call.now)

    here = place(run)
    otid = here.room.call()
    here.room.advance(0.51)
    assert here.got == [LATE]
    assert here.said(otid)[0] == (tcap.CONTINUE, [CONTINUE])


def test_a_slow_charging_system_gets_its_time_by_reset_timer(place):
    async def run(call, got):
        got.append(await Reserve(QUOTA, call.now + 0.3))
        call.invoke(Opcode.RESET_TIMER, ResetTimerArg(timervalue=10))
        got.append(await Reserve(QUOTA, call.now + 5.0))
        call.invoke(CONTINUE)
        got.append(await NextReport(5.0))
        await Settle(SESSION, None, call.now)

    here = place(run)
    otid = here.room.call()
    here.room.advance(0.31)
    assert here.said(otid) == [(tcap.CONTINUE, [Opcode.RESET_TIMER])]
    here.room.advance(3.0)
    here.answer(GRANT, 1)
    assert here.got == [LATE, GRANT]
    assert here.said(otid)[1:] == [(tcap.CONTINUE, [CONTINUE])]


@pytest.mark.parametrize("when", ["reserving", "reserved"])
def test_a_caller_that_hangs_up_before_the_first_answer_leaves_nothing_reserved(place, when):
    async def run(call, got):
        got.append(await Reserve(QUOTA, call.now + 5.0))
        got.append(await Lookup("11234567"))
        got.append((await NextReport(5.0)).kind)
        got.append(await Settle(SESSION, Usage(), call.now + 5.0))

    here = place(run)
    here.room.store.slow = True
    here.room.call()
    tid = here.room.waiting_tid
    if when == "reserved":
        here.answer(GRANT)
    here.room.abort(b"", tid)
    assert not len(here.room.node.tcap)
    if when == "reserving":
        here.answer(GRANT)
    here.room.store_answers()
    assert here.got == [GRANT, READY, K.ABORT]
    here.answer(SETTLED)
    assert here.got[-1] == SETTLED
    assert here.room.counts.outcomes == ["aborted-by-peer"]
    assert here.noted == []


def test_a_denial_leaves_nothing_to_settle(place):
    async def run(call, got):
        got.append(await Reserve(QUOTA, call.now + 5.0))
        call.invoke(CONTINUE)

    here = place(run)
    here.room.call()
    here.answer(DENIAL)
    assert here.charger.asked == [("reserve", SESSION)]


@pytest.mark.parametrize("how", ["raises", "returns", "awaits more"])
def test_what_a_service_leaves_reserved_is_settled_for_it(place, how):
    async def run(call, got):
        call.invoke(CONTINUE)
        await Reserve(QUOTA, call.now + 5.0)
        await NextReport(10.0)
        if how == "raises":
            raise RuntimeError("a bug")
        if how == "awaits more":
            await NextReport(10.0)

    here = place(run)
    otid = here.room.call()
    here.answer(GRANT)
    here.room.end(otid)
    assert here.charger.asked == [("reserve", SESSION), ("give up", SESSION)]
    assert here.noted == ["over"]


def test_another_session_is_reserved_once_the_first_is_settled(place):
    async def run(call, got):
        call.invoke(CONTINUE)
        await Reserve(QUOTA, call.now + 5.0)
        await Reserve(QuotaRequest("another", "1", "call", "1", "2", 60), call.now + 5.0)

    here = place(run)
    here.room.call()
    here.answer(GRANT)
    here.answer(GRANT)
    assert here.charger.asked == [
        ("reserve", SESSION),
        ("give up", SESSION),
        ("reserve", "another"),
        ("give up", "another"),
    ]


def test_a_port_that_fails_or_is_not_there_costs_no_call(place):
    async def run(call, got):
        call.invoke(CONTINUE)
        got.append(await Reserve(QUOTA, call.now + 5.0))
        got.append(await Settle(SESSION, Usage(), call.now + 5.0))

    broken, without = place(run), place(run, port=False)
    broken.charger.bug = RuntimeError("a bug")
    for here, answers in (broken, [BROKEN, SETTLED]), (without, [NONE, NONE]):
        otid = here.room.call()
        if here is broken:
            here.answer(SETTLED)
        assert here.got == answers
        assert here.said(otid) == [(tcap.CONTINUE, [CONTINUE]), (tcap.END, [])]
    assert [bug[0] for bug in broken.room.bugs] == [CHARGING]


def test_a_time_stays_the_same_whatever_is_reported_meanwhile(place):
    async def run(call, got):
        call.invoke(CONTINUE)
        until = call.now + 40.0
        while (report := await NextReport(until=until)).kind is K.INVOKE:
            got.append(report.invoke_id)
        got.append((report.kind, until - call.now))

    here = place(run)
    otid = here.room.call()
    for number in 9, 10:
        here.room.advance(15.0)
        here.event(otid, invoke_id=number)
    here.room.advance(11.0)
    assert here.got[:2] == [9, 10]
    assert here.got[2] == (K.TIMEOUT, pytest.approx(0.0, abs=0.01))


def test_answers_name_the_operation_that_they_belong_to(place):
    async def run(call, got):
        tests = [call.invoke(TEST), call.invoke(TEST), call.invoke(ARM, RequestReportBCSMEventArg(ARMED))]
        assert [each.invoke_id for each in tests] == [-1, -1, -1]
        for _ in range(3):
            got.append(await NextReport(100.0))
        got.append([each.invoke_id for each in tests])

    here = place(run)
    otid = here.room.call()
    first, second, arm = [each.invoke_id for each in here.room.answer(otid).message.components]
    here.room.go_on(otid, encode_return_result(second, TEST))
    here.room.go_on(otid, encode_return_error(arm, ErrorCode.TASK_REFUSED, b"\x0a\x01\x02"))
    here.room.advance(11.0)
    assert here.got[:3] == [
        Report(K.RESULT, TEST, None, invoke_id=second),
        Report(K.ERROR, ARM, here.got[1].argument, ErrorCode.TASK_REFUSED, arm),
        Report(K.TIMEOUT, TEST, invoke_id=first),
    ]
    assert here.got[1].argument == FAST.decode_error(ErrorCode.TASK_REFUSED, b"\x0a\x01\x02", 2)
    assert here.got[1].argument is not None
    assert here.got[3] == [first, second, arm]


@pytest.mark.parametrize("held", [False, True])
def test_a_service_that_aborts_goes_on_to_settle(place, held):
    async def run(call, got):
        await Reserve(QUOTA, call.now + 5.0)
        if held:
            call.invoke(CONTINUE)
            await NextReport(10.0)
        call.invoke(Opcode.RELEASE_CALL, b"\x80\x90")
        call.abort()
        call.abort()
        got.append(await Settle(SESSION, None, call.now + 5.0))
        got.append(await NextReport(10.0))
        got.append("not reached")

    here = place(run)
    otid = here.room.call()
    here.answer(GRANT)
    if held:
        here.event(otid)
    assert here.said(otid)[-1] == (tcap.ABORT, [])
    here.answer(SETTLED)
    assert here.got == [SETTLED]
    assert here.room.counts.outcomes == ["aborted-by-us"]
    assert here.room.decision.action is (Action.CONTINUE if held else Action.ERROR)


def test_a_held_call_is_told_and_others_are_not(place):
    async def run(call, got):
        call.invoke(CONTINUE)
        got.append(call.id)
        got.append(await NextReport(100.0))
        call.invoke(Opcode.RELEASE_CALL, got[1].argument.cause)
        got.append(await NextReport(100.0))

    here = place(run)
    otid = here.room.call()
    tell = here.room.cap.tell
    tid = here.room.tid(otid)
    assert here.got[0].startswith(tid)
    assert len(here.got[0]) == 10
    assert not tell(b"none", Release(b"\x80\x90"))
    assert tell(tid, Release(b"\x80\x90"))
    here.room.turn()
    assert here.got[1] == Report(K.TOLD, argument=Release(b"\x80\x90"))
    assert here.said(otid)[1:] == [(tcap.CONTINUE, [Opcode.RELEASE_CALL])]
    here.event(otid)
    assert here.said(otid)[2:] == [(tcap.END, [])]
    assert not tell(tid, Release(b"\x80\x90"))


@pytest.mark.parametrize("answered", [True, False])
def test_a_silent_switch_is_asked_and_a_call_that_it_has_lost_is_settled_once(place, answered):
    """A quota is due after 60 s, the report 10 s later at the latest; ActivityTest has 5 s (29.078 §11.1)."""

    async def run(call, got):
        await Reserve(QUOTA, call.now + 1.0)
        call.invoke(CONTINUE)
        began = call.now
        due = began + 60.0 + 10.0
        while (report := await NextReport(until=due)).kind is K.TIMEOUT and report.opcode < 0:
            asked = call.invoke(TEST)
            got.append(round(call.now - began))
            due = call.now + 60.0
            report = await NextReport(until=due)
            got.append((report.kind, report.opcode, report.invoke_id == asked.invoke_id))
            if report.kind is not K.RESULT:
                break
        got.append(await Settle(SESSION, None, call.now + 1.0))

    here = place(run)
    otid = here.room.call()
    here.answer(GRANT)
    here.room.advance(70.5)
    assert here.said(otid)[1:] == [(tcap.CONTINUE, [TEST])]
    if answered:
        here.room.go_on(otid, encode_return_result(here.room.answers(otid)[-1].component.invoke_id))
        here.room.advance(58.0)
        here.event(otid)
        assert here.got == [70, (K.RESULT, TEST, True)]
        here.answer(SETTLED)
        return
    here.room.advance(4.0)
    assert here.got == [70]
    here.room.advance(1.0)
    assert here.got == [70, (K.TIMEOUT, TEST, True)]
    here.answer(SETTLED)
    assert here.said(otid)[2:] == [(tcap.END, [])]
    tid = here.room.tid(otid)
    here.room.send(tcap.build_continue(otid, tid, b"", [encode_invoke(1, Opcode.APPLY_CHARGING_REPORT)]))
    late = here.room.answers(otid)[3:]
    assert [(each.message.kind, each.message.p_abort_cause) for each in late] == [
        (tcap.ABORT, tcap.UNRECOGNIZED_TRANSACTION_ID)
    ]
    assert [what for what, _ in here.charger.asked] == ["reserve", "give up"]


def test_a_call_is_finished_in_its_services_place_even_while_its_record_is_being_written(place):
    async def run(call, got):
        call.invoke(CONTINUE)
        call.keep(Phase())
        got.append((await NextReport(100.0)).kind)

    here = place(run)
    room, cap = here.room, here.room.cap
    cap.journal = journal(room, Records(), 5.0)
    otid = room.call()
    assert here.said(otid) == []
    assert not cap.finish(b"none", Outgoing(Opcode.RELEASE_CALL, b"\x80\x90"))
    assert cap.finish(room.waiting_tid, Outgoing(Opcode.RELEASE_CALL, b"\x80\x90"))
    room.turn()
    assert here.said(otid) == [(tcap.CONTINUE, [CONTINUE]), (tcap.END, [Opcode.RELEASE_CALL])]
    assert here.got == [K.END]
    assert here.noted == ["over"]


def test_reports_that_nobody_takes_are_bounded_and_the_latest_stay(place):
    async def run(call, got):
        call.invoke(CONTINUE)
        await Reserve(QUOTA, call.now + 50.0)
        await Settle(SESSION, None, call.now + 50.0)
        while not (report := await NextReport(1.0)).over:
            got.append(report)
        got.append(report)

    here = place(run)
    otid = here.room.call()
    here.room.advance(0.01)
    assert here.room.cap.tell(here.room.tid(otid), "something")
    for number in range(MOST_REPORTS + 20):
        here.room.advance(1.0 if not number % 60 else 0.0)
        here.event(otid, invoke_id=number)
    here.room.end(otid)
    here.answer(GRANT)
    here.answer(SETTLED)
    assert (here.got[0].kind, here.got[-1].kind) == (K.TOLD, K.END)
    assert [each.invoke_id for each in here.got[1:-1]] == list(range(22, MOST_REPORTS + 20))
    assert here.room.counts.discards.count(("cap", QUEUE_FULL)) == 22


def test_a_report_that_waits_for_the_charging_system_says_when_it_came(place):
    """Seconds are charged by it: they do not end when the charging system has answered."""

    async def run(call, got):
        call.invoke(CONTINUE)
        await Reserve(QUOTA, call.now + 50.0)
        got.append(await NextReport(1.0))
        await Settle(SESSION, None, call.now + 50.0)

    here = place(run)
    otid = here.room.call()
    here.room.advance(0.01)
    came = here.room.loop.now
    here.event(otid)
    here.room.advance(0.02)
    here.answer(GRANT)
    here.room.end(otid)
    here.answer(SETTLED)
    assert [(each.kind, each.at) for each in here.got] == [(K.INVOKE, pytest.approx(came, abs=0.001))]


def test_a_later_decision_and_facts_of_a_call_go_to_its_record(place):
    released = Decision(Action.RELEASE, Reason.SERVICE_LOGIC)

    async def run(call, got):
        call.decided(Decision(Action.CONTINUE, Reason.SERVICE_LOGIC))
        call.invoke(CONTINUE)
        await NextReport(10.0)
        call.decided(released)
        call.note("a fact")

    here = place(run)
    otid = here.room.call()
    here.event(otid)
    assert here.noted == [released, "a fact", "over"]
    assert [each.action for each in here.room.shown] == [Action.CONTINUE]


def test_a_wait_for_a_further_quota_is_written_only_if_it_takes_long(place):
    async def run(call, got):
        await Reserve(QUOTA, call.now + 0.3)
        call.invoke(CONTINUE)
        for number in (1, 3):
            call.keep(Phase(number))
            await NextReport(100.0)
            call.keep(Phase(number + 1))
            got.append(await Extend(SESSION, QUOTA, call.now + 5.0))
            call.invoke(TEST)

    here, records = place(run), Records()
    room = here.room
    room.cap.journal = journal(room, records, 1.0)
    otid = room.call()
    here.answer(GRANT)

    def written() -> list[int]:
        """The states that were written since, of which the store says now that they are."""
        numbers = [decode(entry.record).state for entry in records.entries]
        records.entries.clear()
        while records.waiting:
            records.answer(Kept.WRITTEN)
        room.turn()
        return [msgpack.decode(octets)["number"] for octets in numbers]

    assert written() == [1]
    here.event(otid)
    assert written() == []
    here.answer(GRANT)  # at once: the message that comes of it has a record
    assert here.said(otid)[1:] == []
    assert written() == [3]
    assert here.said(otid)[1:] == [(tcap.CONTINUE, [TEST])]
    here.event(otid, invoke_id=10)
    assert written() == []
    room.advance(0.005)
    assert written() == []
    room.advance(0.01)
    assert written() == [4]
    room.advance(1.0)
    assert written() == []
    here.answer(GRANT)
    assert here.got == [GRANT, GRANT]
    room.turn()
    assert here.said(otid)[2:] == [(tcap.END, [TEST])]
