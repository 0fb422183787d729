"""Charged calls, report by report: each row of the table of the money, and any order of reports."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from driver import USER
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import msgpack
from test_voip_forwarding import NODE

from oracles.examples import examples
from scp.domain.cdr import Charge
from scp.domain.quota import ChargingFailure, QuotaDenial, QuotaGrant, Settled
from scp.engine.cap.dialogue import CapDialogue
from scp.services.api import Extend, Lookup, NextReport, Release, Report, ReportKind, Reserve, Settle
from scp.services.call_control import INFORMATION
from scp.services.charge_control import REPORTS_DISCARDED, TABLE, Action, Event, Money, read_report
from scp.services.held_stored import read_held
from scp.services.voip_forwarding import controlled
from scp.simulator.charged import Reported
from scp.simulator.idp import initial_dp
from scp.simulator.reports import charging_report, information_report
from scp.simulator.scenario import Scenario
from scp.stack.tcap import Dialogue
from scp.telemetry.label_values import DISCARD_REASONS_BY_LAYER
from ss7.cap.charging import decode_contained
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.cap.types import EventReportBCSMArg, EventTypeBCSM, MessageType, MiscCallInfo

GRACE = 20
POLICY = {
    "first_s": 60,
    "next_s": 60,
    "withheld_s": 30,
    "down": f"grace:{GRACE}",
    "unreadable_report": "continue",
}
SERVICE = controlled({"charging": POLICY}, NODE)
STRICT = controlled({"charging": {**POLICY, "unreadable_report": "release"}}, NODE)
INFORMED = controlled({"charging": POLICY, "call_information": True}, NODE)
TELLS, ASKS = MessageType.NOTIFICATION, MessageType.REQUEST
_tids = count(1)


class Charged:
    """One charged call: the service, driven by hand, and a charging system that has so much to give.

    Attributes:
        sent: operation codes of each message.
        settled: what was settled, in tenths, once for each time.
        ended: the service has returned.
    """

    def __init__(
        self, seconds: int = 1000, service: Any = SERVICE, version: int = 3, wrap: Any = lambda call: call
    ) -> None:
        scenario = Scenario(trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
        context = BY_VERSION[version]
        dialogue = Dialogue(next(_tids).to_bytes(4, "big"), b"its", None, context.octets, 0.0)
        request = initial_dp(scenario, b"\1\2")
        self.call = wrap(CapDialogue(USER, dialogue, request, context, b"", "driven", 1, 0.0))
        self.money = seconds
        self.down = False
        self.sent: list[list[int]] = []
        self.settled: list[int] = []
        self.periods: list[Any] = []
        self.meanwhile: list[Report] = []  # what is reported while a further quota is asked for
        self.ended = False
        self.waits: Any = None
        self._run = service.run(self.call)
        self._step(None)

    def _step(self, answer: Any) -> None:
        while True:
            try:
                self.waits = self._run.send(answer)
            except StopIteration as returned:
                if returned.value is not None:
                    self._run, answer = returned.value, None
                    continue
                self.ended, self.waits = True, None
            self._flush()
            if self.ended:
                return
            if isinstance(self.waits, NextReport):
                answer = self.call.next_report()
                if answer is None:
                    return
            else:
                answer = self._answer(self.waits)

    def _flush(self) -> None:
        if self.call.outbox:
            self.sent.append([each.opcode for each in self.call.outbox])
            for each in self.call.outbox:
                if each.opcode == Opcode.APPLY_CHARGING:
                    octets = each.argument.ach_billing_charging_characteristics
                    self.periods.append(
                        decode_contained(
                            "CAMEL-AChBillingChargingCharacteristics", octets, self.call.context.version
                        ).value
                    )
            self.call.outbox.clear()

    def _answer(self, request: Any) -> Any:
        assert not isinstance(request, Lookup)
        if isinstance(request, Settle):
            self.settled.append(0 if request.usage is None else request.usage.tenths)
            return Settled(request.session, 1, 1)
        if isinstance(request, Extend):
            meanwhile, self.meanwhile = self.meanwhile, []
            for each in meanwhile:
                self.call.queue(each)
        if self.down:
            return ChargingFailure("timeout")
        assert isinstance(request, Reserve | Extend)
        asked = request.request.seconds
        if not self.money or (
            isinstance(request, Extend) and asked > self.money <= request.request.used.seconds
        ):
            return QuotaDenial("insufficient-balance")
        return QuotaGrant(request.request.session, min(asked, self.money), asked > self.money, 1000)

    def resumed(self, kept: bytes) -> None:
        """Have another node go on from what was kept."""
        self._run.close()
        self._run = SERVICE.resume(self.call, kept)
        self._step(None)

    def report(self, kind: ReportKind, **fields: Any) -> None:
        assert isinstance(self.waits, NextReport)
        self._step(Report(kind, **fields))

    def informed(self, tenths: int = 312) -> None:
        """The switch reports call information: so long since answer, cleared normally."""
        wanted = INFORMATION.requested_information_type_list
        argument = information_report(
            wanted, 2, attempt=3.0, connected=tenths / 10, stop_time=bytes(7), cause=16
        )
        self.report(ReportKind.INVOKE, opcode=Opcode.CALL_INFORMATION_REPORT, argument=argument)

    def silent(self) -> None:
        """An hour passes, and nothing is reported."""
        USER.epoch += 3600.0
        self.report(ReportKind.TIMEOUT)

    def used(self, seconds: float, *, active: bool = True, released: bool = False) -> None:
        reported = Reported(seconds, 1)
        octets = charging_report(reported, self.call.context.version, active=active, released=released)
        self.report(ReportKind.INVOKE, opcode=Opcode.APPLY_CHARGING_REPORT, argument=octets)

    def event(self, kind: EventTypeBCSM, mode: MessageType = TELLS) -> None:
        argument = EventReportBCSMArg(kind, misc_call_info=MiscCallInfo(mode))
        self.report(ReportKind.INVOKE, opcode=Opcode.EVENT_REPORT_BCSM, argument=argument)

    def answered(self) -> Charged:
        self.event(EventTypeBCSM.O_ANSWER)
        return self


UNREADABLE = {"opcode": Opcode.APPLY_CHARGING_REPORT, "argument": b"\xff" * 12}
HAPPENS = {
    Event.USED: lambda call: call.used(30),
    Event.ENDED: lambda call: call.used(12.3, active=False),
    Event.EXPIRED: lambda call: call.used(30, active=False, released=True),
    Event.FRUITLESS: lambda call: call.used(0, active=False),
    Event.UNREADABLE: lambda call: call.report(ReportKind.INVOKE, **UNREADABLE),
    Event.UNREADABLE_ENDS: lambda call: call.report(ReportKind.INVOKE, **UNREADABLE),
    Event.REFUSED: lambda call: call.report(ReportKind.ERROR, opcode=Opcode.APPLY_CHARGING, code=12),
    Event.WRONG: lambda call: call.report(ReportKind.ERROR, opcode=Opcode.APPLY_CHARGING, code=8),
    Event.CLEARED: lambda call: call.event(EventTypeBCSM.O_DISCONNECT),
    Event.CLEARED_REPORTED: lambda call: call.event(EventTypeBCSM.O_ABANDON),
    Event.SPENT: lambda call: call.used(60),
    Event.SPENT_OWED: lambda call: call.used(60),
    Event.SILENT: lambda call: call.silent(),
    Event.STILL_SILENT: lambda call: call.silent(),
    Event.LOST: lambda call: call.report(ReportKind.END),
    Event.TOLD: lambda call: call.report(ReportKind.TOLD, argument=Release(b"\x80\x90")),
}
UNANSWERED = {Event.FRUITLESS, Event.CLEARED_REPORTED, Event.SPENT_OWED}
SAID = {
    Action.ASK: [[Opcode.APPLY_CHARGING]],
    Action.ASSUME: [[Opcode.APPLY_CHARGING]],
    Action.RELEASE: [[Opcode.RELEASE_CALL]],
    Action.RELEASE_SETTLE: [[Opcode.RELEASE_CALL]],
    Action.TEST: [[Opcode.ACTIVITY_TEST]],
}


def before(money: Money, event: Event) -> Charged:
    """A call in this state, in which the event is to happen next."""
    if money is Money.CLOSING and event is Event.CLEARED_REPORTED:
        return ended_in_a_gap()
    service = STRICT if event is Event.UNREADABLE_ENDS else SERVICE
    call = Charged(60 if event in (Event.SPENT, Event.SPENT_OWED) else 1000, service)
    if event not in UNANSWERED or money is Money.CLOSING:
        call.answered()
    if event is Event.CLEARED_REPORTED:
        call.used(0, active=False)
    if event is Event.SPENT:
        call.used(30)
    if event is Event.SPENT_OWED:
        call.report(
            ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST
        )  # it rings, or nobody has heard its answer
    if event is Event.STILL_SILENT:
        call.silent()
        if money is Money.CLOSING:
            return before(money, Event.SILENT)
    if money is Money.CLOSING:
        call.event(EventTypeBCSM.O_DISCONNECT)
    return call


def ended_in_a_gap() -> Charged:
    """A call that has ended while a quota was asked for: only its call information report is due."""
    call = Charged(1000, INFORMED).answered()
    disconnect = EventReportBCSMArg(EventTypeBCSM.O_DISCONNECT, misc_call_info=MiscCallInfo(TELLS))
    call.meanwhile = [Report(ReportKind.INVOKE, Opcode.EVENT_REPORT_BCSM, disconnect)]
    call.used(30)
    return call


@pytest.mark.parametrize(("money", "event"), TABLE, ids=lambda each: each.name)
def test_a_row(money: Money, event: Event) -> None:
    call = before(money, event)
    sent, row = len(call.sent), TABLE[money, event]
    gap = (money, event) == (Money.CLOSING, Event.CLEARED_REPORTED)
    happens = Charged.informed if gap else HAPPENS[event]
    happens(call)
    assert call.sent[sent:] == SAID.get(row.action, [])
    assert len(call.settled) == (row.next is Money.DONE)
    if not call.ended:
        call.report(ReportKind.END)
    assert call.ended
    assert len(call.settled) == 1


def test_every_row_cites_its_clause_or_says_why() -> None:
    assert all(row.why for row in TABLE.values())
    assert {event for _, event in TABLE} == set(Event)
    assert set(Action) == {row.action for row in TABLE.values()}


@pytest.mark.parametrize("refused", [Opcode.CALL_INFORMATION_REQUEST, Opcode.REQUEST_REPORT_BCSM_EVENT])
@pytest.mark.parametrize("ends", ["answered", "unanswered"])
def test_what_stood_behind_a_refused_operation_is_said_again_and_no_report_of_it_is_due(
    refused: Opcode, ends: str
) -> None:
    """29.078 §14.1.1.2: the switch has discarded the period, and the request for call information."""
    call = Charged(1000, INFORMED)
    call.report(ReportKind.ERROR, opcode=refused, code=10)
    assert call.sent[1:] == [[Opcode.APPLY_CHARGING, Opcode.CONTINUE]]
    if ends == "answered":
        call.answered().used(30)
        assert call.sent[2:] == [[Opcode.APPLY_CHARGING]]
        call.used(45, active=False)
    else:
        call.used(0, active=False)
    call.event(EventTypeBCSM.O_DISCONNECT)
    assert call.settled == [450 if ends == "answered" else 0]
    assert call.ended


@pytest.mark.parametrize("service", [SERVICE, STRICT])
@pytest.mark.parametrize("said", [b"\xff" * 12, charging_report(Reported(80_000, 1), 3, active=False)])
def test_a_report_that_can_not_be_read_after_the_end_was_reported_costs_no_more_than_the_clock_says(
    service: Any, said: bytes
) -> None:
    call = Charged(1000, service).answered()
    USER.epoch += 12.0
    call.event(EventTypeBCSM.O_DISCONNECT)
    call.report(ReportKind.INVOKE, opcode=Opcode.APPLY_CHARGING_REPORT, argument=said)
    assert call.settled == [120]
    assert call.ended


@pytest.mark.parametrize("lost", ["reported", "granted"])
def test_a_call_whose_end_was_reported_and_whose_last_report_is_missing_costs_what_the_clock_says(
    lost: str,
) -> None:
    """Whatever is charged of a call that the switch has lost: this one it has not."""
    service = controlled({"charging": {**POLICY, "lost_call": lost}}, NODE)
    call = Charged(1000, service).answered()
    USER.epoch += 12.0
    call.event(EventTypeBCSM.O_DISCONNECT)
    call.silent()
    assert call.settled == [120]


def test_an_answer_as_a_request_has_the_call_go_on_and_be_charged() -> None:
    """A switch that leaves out miscCallInfo says that it waits (29.078 §5.1, DEFAULT {messageType request})."""
    call = Charged(1000)
    call.event(EventTypeBCSM.O_ANSWER, ASKS)
    call.used(30)
    assert call.sent[1:] == [[Opcode.CONTINUE], [Opcode.APPLY_CHARGING]]
    call.event(EventTypeBCSM.O_ANSWER, ASKS)  # again
    call.used(43, active=False)
    assert call.sent[3:] == [[Opcode.CONTINUE]]
    assert call.settled == [430]


def down(call: Charged) -> None:
    """Charging does not answer any more, or does again."""
    call.down = not call.down


def used_90(call: Charged) -> None:
    """A minute and a half is reported, whatever was given."""
    call.used(90)


def has_it(call: Charged) -> None:
    """The switch says that it has the call."""
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)


STEPS = (
    *HAPPENS.values(),
    lambda call: call.event(EventTypeBCSM.O_ANSWER),
    lambda call: call.event(EventTypeBCSM.O_CALLED_PARTY_BUSY, ASKS),
    lambda call: call.event(EventTypeBCSM.O_DISCONNECT, ASKS),
    lambda call: call.report(ReportKind.REJECT, opcode=Opcode.REQUEST_REPORT_BCSM_EVENT, code=3),
    lambda call: call.report(ReportKind.ERROR, opcode=Opcode.CONNECT, code=14),
    lambda call: call.report(ReportKind.ERROR, opcode=Opcode.CALL_INFORMATION_REQUEST, code=10),
    lambda call: call.event(EventTypeBCSM.O_ANSWER, ASKS),
    has_it,
    lambda call: call.report(ReportKind.TIMEOUT, opcode=Opcode.ACTIVITY_TEST),
    used_90,
    lambda call: call.used(85.5, active=False),
    down,
    lambda call: call.informed(),
)
DISCONNECT = EventReportBCSMArg(EventTypeBCSM.O_DISCONNECT, misc_call_info=MiscCallInfo(TELLS))
MEANWHILE = (
    Report(ReportKind.INVOKE, Opcode.EVENT_REPORT_BCSM, DISCONNECT),
    Report(ReportKind.INVOKE, **UNREADABLE),
    Report(ReportKind.INVOKE, Opcode.APPLY_CHARGING_REPORT, charging_report(Reported(30, 1), 3, active=True)),
    Report(
        ReportKind.INVOKE, Opcode.APPLY_CHARGING_REPORT, charging_report(Reported(31, 1), 3, active=False)
    ),
    Report(ReportKind.TIMEOUT, Opcode.ACTIVITY_TEST),
    Report(ReportKind.TOLD, argument=Release(b"\x80\x90")),
    Report(ReportKind.ERROR, Opcode.APPLY_CHARGING, code=8),
    Report(ReportKind.END),
    Report(ReportKind.ABORT),
)
"""What can come while charging is asked."""


@pytest.mark.hypothesis
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.lists(st.sampled_from(MEANWHILE), max_size=3)), max_size=20
    ),
    st.integers(1, 200),
    st.integers(2, 4),
    st.sampled_from([SERVICE, INFORMED, STRICT]),
)
@examples(300)
def test_any_sequence_ends_cleanly_and_settles_once(
    steps: list[tuple[Any, list[Report]]], seconds: int, version: int, service: Any
) -> None:
    """Whatever is reported while a report is awaited, or charging."""
    call = Charged(seconds, service, version)
    for step, meanwhile in steps:
        if not call.ended:
            call.meanwhile = list(meanwhile)
            step(call)
    if not call.ended:
        call.meanwhile = []
        call.report(ReportKind.END)
    assert call.ended
    assert len(call.settled) == 1
    assert all(period.max_call_period_duration >= 1 for period in call.periods)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_tone_stands_where_the_version_has_it(version: int) -> None:
    call = Charged(60, SERVICE, version).answered()
    call.used(30)
    first, last = call.periods
    assert (first.max_call_period_duration, last.max_call_period_duration) == (300, 300)
    if version == 2:
        assert first.release_v2 is None
        assert last.release_v2.tone
    else:
        assert last.release_if_duration_exceeded
        assert not first.release_if_duration_exceeded
    if version == 3:
        assert (first.tone, last.tone) == (False, True)
    if version == 4:
        assert last.audible_indicator.value.warning_period == 30


def test_reports_that_are_none_are_unreadable() -> None:
    assert read_report(None, 2) is None
    assert read_report(b"", 3) is None


class Keeps:
    """A call that keeps its state where a test finds it, and what is recorded of its charge."""

    def __init__(self, call: CapDialogue) -> None:
        self.inner = call
        self.kept = b""
        self.charge: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def keep(self, value: Any) -> None:
        self.kept = msgpack.encode(value.values())

    def note(self, fact: object) -> None:
        self.charge = fact if isinstance(fact, Charge) else self.charge


@pytest.mark.hypothesis
@given(st.lists(st.sampled_from(STEPS), max_size=12), st.integers(1, 200))
@example([HAPPENS[Event.UNREADABLE], HAPPENS[Event.REFUSED], HAPPENS[Event.SPENT]], 31)
@example([down, HAPPENS[Event.USED], HAPPENS[Event.SILENT], HAPPENS[Event.SILENT]], 60)
@example([HAPPENS[Event.UNREADABLE], HAPPENS[Event.REFUSED], HAPPENS[Event.USED]], 32)
@example([HAPPENS[Event.USED], HAPPENS[Event.SILENT], HAPPENS[Event.WRONG]], 32)
@example([down, used_90, HAPPENS[Event.SILENT]], 61)
@example([HAPPENS[Event.SPENT], HAPPENS[Event.SILENT], has_it, used_90], 61)
@example([STEPS[16], used_90], 1)
@example([STEPS[16], STEPS[24], used_90], 60)
@examples(100)
def test_a_call_whose_node_dies_after_each_step_is_settled_as_if_none_had(
    steps: list[Any], seconds: int
) -> None:
    """What was reported, each successor charges. Where no report says it, a clock does, up to what was given.

    Only who has heard the call itself lets its clock count on from there, until the release has got to the switch;
    and takes no report for possible of more than has passed since its answer.
    """
    USER.provider.discards.clear()
    ordinary, adopted = Charged(seconds, wrap=Keeps), Charged(seconds, wrap=Keeps)
    began = USER.epoch
    heard = steps
    for call in (adopted, ordinary):
        USER.epoch = began
        for number, step in enumerate(heard):
            if call.ended:
                heard = heard[:number]
                break
            step(call)
            if call is adopted and not call.ended:
                assert 0 < len(call.call.kept) <= 255
                call.resumed(call.call.kept)
        if not call.ended:
            call.report(ReportKind.END)
    (without,), (charged,) = ordinary.settled, adopted.settled
    if charged != without:
        by_clock = ordinary.call.charge.charged_by == "clock"
        given = read_held(adopted.call.kept).meter.granted
        impossible = ("cap", "impossible-charging-report") in USER.provider.discards
        least = min(without, given) if by_clock or impossible else without
        assert least <= charged <= max(without, given, 900 * impossible)


def test_a_call_whose_node_dies_as_it_settles_is_charged_by_its_last_report() -> None:
    """Another node hears of the end seconds later; its clock adds nothing to what the switch has measured."""
    call = Charged(wrap=Keeps).answered()
    call.used(30)
    call.call.keep = lambda value, keep=call.call.keep: call.ended or keep(value)
    settling: list[bytes] = []
    answer = call._answer

    def dies(request: Any) -> Any:
        if isinstance(request, Settle) and not settling:
            settling.append(call.call.kept)
        return answer(request)

    call._answer = dies  # type: ignore[method-assign]
    call.used(42.5, active=False)
    other = Charged(wrap=Keeps).answered()
    other.settled.clear()
    other.resumed(settling[0])
    USER.epoch += 7.0
    other.event(EventTypeBCSM.O_DISCONNECT)
    assert other.settled == [425]


def test_a_report_that_crosses_with_the_release_is_the_last_and_no_clock_counts_beyond_it() -> None:
    call = Charged().answered()
    call.report(ReportKind.TOLD, argument=Release(b"\x80\x90"))
    call.used(30)  # of the period that ended as the release was on its way: no other is due
    assert (call.settled, call.ended) == ([300], True)


def test_a_switch_that_was_told_to_end_the_call_and_says_nothing_costs_no_more_than_the_period() -> None:
    call = Charged(32).answered()
    call.used(30)  # the next period, of 2 s, is the last: the switch releases the call at its end
    call.silent()
    call.silent()
    assert (call.sent[-1], call.settled, call.ended) == ([Opcode.RELEASE_CALL], [320], True)


def test_a_call_whose_report_is_lost_as_charging_is_away_costs_no_more_than_was_given() -> None:
    """Whether it goes on, and how long, nobody knows: the switch has said nothing since the period began."""
    call = Charged(60).answered()
    down(call)
    call.used(30)  # the rest of the quota, 30 s, is given
    call.silent()
    call.silent()
    assert (call.sent[-1], call.settled, call.ended) == ([Opcode.RELEASE_CALL], [600], True)


def test_a_node_that_stood_still_while_it_asked_for_quota_charges_no_more_than_that_may_take() -> None:
    """The end came in between, and was read an hour later: charging has 5 s to answer, and the release 5 to get there."""
    call = Charged(60).answered()
    call.meanwhile = [Report(ReportKind.INVOKE, Opcode.EVENT_REPORT_BCSM, DISCONNECT)]
    answer = call._answer

    def stands_still(request: Any) -> Any:
        USER.epoch += 3600.0 * isinstance(request, Extend)
        return answer(request)

    call._answer = stands_still  # type: ignore[method-assign]
    call.used(60)
    assert (call.settled, call.ended) == ([700], True)


@pytest.mark.parametrize(("passed", "granted"), [(29.0, []), (33.0, [[Opcode.APPLY_CHARGING]])])
def test_a_period_that_ended_while_no_node_was_there_is_used_and_the_next_is_given_at_once(
    passed: float, granted: list[list[Opcode]]
) -> None:
    """The switch has the call, and its report went to the dead node: without a period it would go on unlimited."""
    call = Charged(wrap=Keeps).answered()
    USER.epoch += passed
    call.resumed(call.call.kept)
    sent = len(call.sent)
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    assert call.sent[sent:] == granted
    sent = len(call.sent)
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    assert call.sent[sent:] == []
    call.used(40, active=False)
    assert call.settled == [400]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (lambda call: call.report(ReportKind.INVOKE, **UNREADABLE), "unreadable-charging-report"),
        (lambda call: call.used(86_400), "impossible-charging-report"),
        (lambda call: call.used(10), "charging-report-not-due"),
    ],
)
def test_a_report_that_is_not_taken_is_counted(said: Any, reason: str) -> None:
    call = Charged().answered()
    USER.provider.discards.clear()
    call.used(30)
    assert USER.provider.discards == []
    said(call)
    assert USER.provider.discards == [("cap", reason)]
    assert {*REPORTS_DISCARDED} <= {*DISCARD_REASONS_BY_LAYER["cap"]}


def test_a_node_whose_clock_is_an_hour_behind_waits_no_longer_for_a_report() -> None:
    call = Charged(wrap=Keeps).answered()
    USER.epoch -= 3600.0
    call.resumed(call.call.kept)
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    assert 0 < call.waits.until - call.call.now <= 30 + 10
    call.used(30)
    assert call.sent[-1] == [Opcode.APPLY_CHARGING]
    call.used(42, active=False)
    assert call.settled == [420]


def test_a_period_that_counts_as_used_and_is_pending_all_the_same_is_not_used() -> None:
    """A node whose clock is an hour ahead takes the period for over; the switch refuses the next: its report counts."""
    call = Charged(wrap=Keeps).answered()
    USER.epoch += 3600.0
    call.resumed(call.call.kept)
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    assert call.sent[-1] == [Opcode.APPLY_CHARGING]
    call.report(ReportKind.ERROR, opcode=Opcode.APPLY_CHARGING, code=12)
    call.used(12, active=False)
    assert call.settled == [120]


def test_an_older_report_that_comes_twice_is_not_the_missing_one() -> None:
    """As above, and the report before the missing one is repeated before the switch refuses the next period."""
    call = Charged(wrap=Keeps).answered()
    call.used(30)
    USER.epoch += 3600.0
    call.resumed(call.call.kept)
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    call.used(30)
    call.report(ReportKind.ERROR, opcode=Opcode.APPLY_CHARGING, code=12)
    call.used(42, active=False)
    assert call.settled == [420]


def missing_at_the_gap(*then: Report) -> Charged:
    """A period counts as used while no node was there; while a quota is asked for, its report comes, and more."""
    call = Charged(wrap=Keeps).answered()
    USER.epoch += 33.0
    call.resumed(call.call.kept)
    octets = charging_report(Reported(30, 1), call.call.context.version, active=True, released=False)
    call.meanwhile = [Report(ReportKind.INVOKE, Opcode.APPLY_CHARGING_REPORT, octets), *then]
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    return call


def test_a_missing_report_that_comes_while_a_quota_is_asked_for_leaves_the_clock_to_count_the_gap() -> None:
    over = Report(ReportKind.INVOKE, Opcode.EVENT_REPORT_BCSM, DISCONNECT, at=3.0)
    call = missing_at_the_gap(over)
    assert (call.settled, call.ended) == ([330], True)


def test_an_answer_and_a_period_that_are_lost_leave_no_call_without_a_limit() -> None:
    """The switch has the call; whether it rings or is talked in for long is not known: one of them takes a period."""
    call = Charged(wrap=Keeps)
    call.resumed(call.call.kept)
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    assert call.sent[-1] == [Opcode.APPLY_CHARGING]
    sent = len(call.sent)
    call.report(ReportKind.ERROR, opcode=Opcode.APPLY_CHARGING, code=12)  # it rings: the period is pending
    assert call.sent[sent:] == []
    call.used(60)  # it was answered, of which nobody has heard
    assert call.sent[sent:] == [[Opcode.APPLY_CHARGING]]
    call.used(70, active=False)
    assert call.settled == [700]


def given_twice(seconds: int = 60, service: Any = SERVICE) -> Charged:
    """A call of whose answer nobody has heard, and which is given its period twice; then one of both is reported."""
    call = Charged(seconds, service)
    call.report(ReportKind.RESULT, opcode=Opcode.ACTIVITY_TEST)
    assert call.sent[-1] == [Opcode.APPLY_CHARGING]
    return call


def test_the_report_of_a_period_given_twice_may_be_followed_by_the_other_period_s() -> None:
    """The money is spent; what the switch has counted of the second period until the release is charged all the same."""
    call = given_twice()
    call.used(60)
    assert (call.sent[-1], call.settled, call.ended) == ([Opcode.RELEASE_CALL], [], False)
    call.used(67, active=False)
    assert (call.settled, call.ended) == ([670], True)


@pytest.mark.parametrize("over", [MEANWHILE[0], MEANWHILE[5]], ids=["ends", "is released"])
def test_a_call_that_is_over_while_a_period_may_be_due_is_settled_by_its_last_report(over: Report) -> None:
    call = given_twice(1000)
    call.meanwhile = [over]
    call.used(60)
    assert (call.settled, call.ended) == ([], False)
    call.used(61.2, active=False)
    assert (call.settled, call.ended) == ([612], True)


@pytest.mark.parametrize("lost", ["reported", "granted"])
def test_a_period_given_twice_whose_second_report_does_not_come_costs_what_was_reported(lost: str) -> None:
    call = given_twice(service=controlled({"charging": {**POLICY, "lost_call": lost}}, NODE))
    call.used(60)
    call.silent()
    assert (call.settled, call.ended) == ([600], True)


def test_a_release_that_died_with_its_node_is_said_again() -> None:
    call = Charged(60, wrap=Keeps).answered()
    call.used(30)
    kept = call.call.kept
    call.report(ReportKind.TOLD, argument=Release(b"\x80\x90"))
    assert call.call.kept != kept
    call.resumed(call.call.kept)
    assert call.sent[-1] == [Opcode.RELEASE_CALL]
    call.used(42.5, active=False)
    assert call.settled == [425]


def test_who_settles_in_the_place_of_a_dead_node_settles_the_same() -> None:
    """The clock has said how long the call was; it goes on while nobody is there, and counts no more."""
    call = Charged(wrap=Keeps).answered()
    answer, settling = call._answer, []
    call._answer = lambda request: (settling.append(call.call.kept), answer(request))[1]  # type: ignore[method-assign]
    call.call.inner.queue(Report(ReportKind.END))
    USER.epoch += 20.0
    call.event(EventTypeBCSM.O_DISCONNECT)
    (charged,) = call.settled
    other = Charged(wrap=Keeps).answered()
    other.settled.clear()
    USER.epoch += 7.0
    other.resumed(settling[-1])
    other.report(ReportKind.END)
    assert (charged, other.settled) == (200, [200])


def test_who_settles_a_call_whose_report_is_missing_in_the_place_of_a_dead_node_settles_the_same() -> None:
    """Its report comes, late, to the node that settles it again: the first may have been charged already."""
    call = Charged(wrap=Keeps).answered()
    answer, settling = call._answer, []
    call._answer = lambda request: (settling.append(call.call.kept), answer(request))[1]  # type: ignore[method-assign]
    call.silent()
    call.silent()
    call.report(ReportKind.END)
    assert call.settled == [300]
    other = Charged(wrap=Keeps).answered()
    other.resumed(settling[-1])
    other.used(31, active=False)
    other.report(ReportKind.END)
    assert other.settled == [300]
