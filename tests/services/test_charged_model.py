"""A charged call against a switch, a charging system and a clock that are modelled here, whatever is lost, dies or comes twice.

The model knows nothing of meters: the switch counts the tenths that it sees pass, the charging system gives what it
has, and what was talked, reported and granted bounds what may be charged.
"""

from __future__ import annotations

from itertools import count
from math import inf
from typing import Any

import pytest
from driver import Nowhere
from hypothesis import event, example, given, note
from hypothesis import strategies as st
from msgspec import msgpack
from test_voip_forwarding import NODE

from oracles.examples import examples
from scp.domain.outcome import Action, Decision
from scp.domain.quota import ChargingFailure, QuotaDenial, QuotaGrant, Settled
from scp.domain.reason import Reason
from scp.engine.cap.dialogue import CapDialogue
from scp.engine.cap.user import CapUser
from scp.replay.records import Snapshot
from scp.services.api import NextReport, Release, Report, ReportKind, Settle
from scp.services.voip_forwarding import controlled
from scp.simulator.charged import ChargedTime, Period, Reported
from scp.simulator.idp import initial_dp
from scp.simulator.reports import charging_report
from scp.simulator.scenario import Scenario
from scp.stack.tcap import Dialogue
from scp.telemetry.null import NullTelemetry
from ss7.cap.charging import decode_contained
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.cap.types import EventReportBCSMArg, EventTypeBCSM, MessageType, MiscCallInfo

WALL = 1_700_000_000
"""Seconds since 1970 by the true clock, when the call begins."""
TESTED_FOR = 50
"""Tenths of a second until an ActivityTest is not answered any more (TS 29.078 §11.1)."""
LATE = 70
"""Tenths by which a message of the switch is late that is."""
TASK_REFUSED = 12
_tids = count(1)


class Switch:
    """A gsmSSF with one call; times in tenths of a second since the call began.

    Attributes:
        talks: it is answered, and not over.
        over: the call is, since ``over_at``.
        ends: it ends the dialogue with its last word.
        said: told of each message in turn.
    """

    def __init__(self, *, event_first: bool, ends: bool, said: Any) -> None:
        self.charged = ChargedTime()
        self.talks = self.over = False
        self.over_at = 0
        self.event_first, self.ends, self.said = event_first, ends, said

    @property
    def talked(self) -> int:
        """All that it has counted of a call that is over, in tenths."""
        return sum(round(sum(each)) for each in self.charged.connections)

    def answer(self, now: int) -> None:
        if not (self.talks or self.over):
            self.talks = True
            self.charged.answered(now)
            self.said([_event(EventTypeBCSM.O_ANSWER)])

    def hang_up(self, now: int) -> None:
        if self.over:
            return
        kind = EventTypeBCSM.O_DISCONNECT if self.talks else EventTypeBCSM.O_ABANDON
        words = [_event(kind)]
        reported = self._last(now)
        if reported is not None:
            words.insert(1 if self.event_first else 0, reported)
        self.said(words + [Report(ReportKind.END)] * self.ends)

    def release(self, now: int) -> None:
        """Do what ReleaseCall says."""
        if not self.over:
            reported = self._last(now)
            self.said(([] if reported is None else [reported]) + [Report(ReportKind.END)] * self.ends)

    def _last(self, now: int, *, released: bool = False) -> Report | None:
        self.charged.tick(now)
        reported = self.charged.report(now, goes_on=False)
        self.charged.cleared(now)
        self.talks, self.over, self.over_at = False, True, now
        return None if reported is None else _report(reported, active=False, released=released)

    def due(self) -> float:
        return self.charged.next_deadline()

    def tick(self, now: int) -> None:
        if not self.charged.tick(now):
            return
        pending = self.charged.pending
        assert pending is not None
        if pending.release:
            reported = self._last(now, released=True)
            assert reported is not None
            self.said([reported] + [Report(ReportKind.END)] * self.ends)
        else:
            reported = self.charged.report(now, goes_on=True)
            assert reported is not None
            self.said([_report(reported, active=True)])


def _event(kind: EventTypeBCSM) -> Report:
    argument = EventReportBCSMArg(kind, misc_call_info=MiscCallInfo(MessageType.NOTIFICATION))
    return Report(ReportKind.INVOKE, Opcode.EVENT_REPORT_BCSM, argument)


def _report(reported: Reported, *, active: bool, released: bool = False) -> Report:
    seconds = Reported(reported.seconds / 10, reported.leg, reported.switched, reported.interval / 10)
    octets = charging_report(seconds, 3, active=active, released=released)
    return Report(ReportKind.INVOKE, Opcode.APPLY_CHARGING_REPORT, octets)


class Money:
    """A charging system with so many seconds to give; the price changes once at ``change``, if at all.

    Attributes:
        granted: the most that was granted, in tenths since answer.
        settled: what was settled, each time.
        delay: tenths that it takes for an answer.
        down: it answers nothing.
    """

    def __init__(self, seconds: int, change: int) -> None:
        self.seconds, self.change = seconds, change
        self.granted = 0
        self.settled: list[Any] = []
        self.delay = 0
        self.down = False

    def answer(self, asked: Any, wall: float) -> Any:
        if isinstance(asked, Settle):
            self.settled.append(asked.usage)
            return Settled(asked.session, 1, 1)
        request = asked.request
        given = min(request.seconds, self.seconds)
        if not given or given <= request.used.seconds:
            return QuotaDenial("insufficient-balance")
        self.granted = max(self.granted, given * 10)
        to_change = self.change - int(wall)
        switch = to_change if 0 < to_change <= 86_400 else 0
        return QuotaGrant(request.session, given, given == self.seconds, int(wall), switch)


class Scene:
    """One call of a node that may be killed.

    Attributes:
        now: tenths since the call began; what every true clock shows.
        apart: seconds that the node's wall clock is ahead.
        alive: the node is.
        fates: of the switch's next messages: "" arrives, "lost", "twice", "late".
        dies: at which step the node dies next: "written", "sending", "asking", "": none.
        heard: charging reports that came to a node; ``sure``: those of which it has written that it heard them.
        faults: how often something was lost or late.
        away: tenths that no node was there.
        by_message: the next message of the switch has another node go on, whose clock is ahead by
            ``next_apart``.
        settling: it is written that the call is settled; what is reported then is too late.
        given_up: the switch has the call, and did not say so.
    """

    def __init__(self, service: Any, money: Money, **switch: bool) -> None:
        self.service, self.money = service, money
        self.switch = Switch(said=self._said, **switch)
        self.now = self.apart = 0
        self.alive, self.ended = True, False
        self.fates: list[str] = []
        self.dies = ""
        self.faults = self.away = 0
        self.heard: frozenset[tuple[int, bytes]] = frozenset()  # the same octets may be said again
        self.sure = self.heard
        self.given_up = self.settling = False
        self.kept = self.written = b""
        self.waits: Any = None
        self.busy = False
        self.answer_at = self.wake_at = self.tested_at = inf
        self.untested = False  # the next ActivityTest is not answered
        self.late: list[tuple[int, Report]] = []
        self.by_message, self.next_apart = False, 0
        self.user = CapUser(
            Nowhere(), {}, Snapshot({}), FAST, NullTelemetry(), self._clock, on_bug=lambda *_: None
        )
        self.user.epoch = float(WALL)
        self.tid = next(_tids).to_bytes(4, "big")
        self.call = self._called(0.0)
        self.run = service.run(self.call)
        self._go_on(None)

    def _clock(self) -> float:
        return self.now / 10

    def _called(self, started: float) -> Any:
        context = BY_VERSION[3]
        scenario = Scenario(trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
        dialogue = Dialogue(self.tid, b"its", None, context.octets, 0.0)
        call = CapDialogue(
            self.user, dialogue, initial_dp(scenario, b"\1\2"), context, b"", "driven", 1, started
        )
        return Keeps(call, self)

    # -- the node ---------------------------------------------------------------------------------------------

    def _go_on(self, answer: Any) -> None:
        """Let the service go on until it waits for something that is not there."""
        self.busy = True
        while self.alive:
            try:
                waits = self.run.send(answer)
            except StopIteration as returned:
                if returned.value is not None:
                    self.run, answer = returned.value, None
                    continue
                waits = None
            if self._died("written"):
                break
            self.written, self.sure = self.kept, self.heard
            self.settling |= isinstance(waits, Settle)
            if self._died("sending"):
                break
            for each in self.call.inner.take_outbox():
                self._sent(each.opcode, each.argument)
            if waits is None:
                self.ended = True
                break
            if isinstance(waits, NextReport):
                answer = self.call.inner.next_report()
                if answer is None:
                    self.waits = waits
                    self.wake_at = min(
                        inf, (waits.until if waits.timeout < 0 else self.now / 10 + waits.timeout) * 10
                    )
                    break
            elif self.money.down or self.money.delay:
                self.waits = waits
                until = waits.until * 10
                self.answer_at = until if self.money.down else min(until, self.now + self.money.delay)
                break
            else:
                answer = self.money.answer(waits, WALL + self.now / 10)
                if self._died("asking"):
                    break
        self.busy = False

    def _died(self, step: str) -> bool:
        """Die if this is the step for it; not before the first answer, whose switch a guardian answers."""
        if self.dies != step or not self.written:
            return False
        self.dies = ""
        self.kill()
        return True

    def kill(self) -> None:
        if self.alive and not self.ended and self.written:
            self.alive = False
            self.run.close()
            self.waits, self.answer_at, self.wake_at = None, inf, inf
            self.faults += 1
            self.kept, self.heard = self.written, self.sure

    def adopt(self, apart: int, said: Report | None = None) -> None:
        """Have another node go on, whose clock is ahead by ``apart`` seconds, for a message or by itself."""
        if self.alive or self.ended:
            return
        self.apart = apart
        self.user.epoch = float(WALL + apart)
        self.call = self._called((-apart) * 1.0)
        self.call.inner.decision = Decision(Action.CONTINUE, Reason.SERVICE_LOGIC)
        self.alive = True
        if self.tested_at < inf:
            self.tested_at = self.now + TESTED_FOR
        self.run = self.service.resume(self.call, self.written)
        self._go_on(None)
        if said is not None:
            self._heard(said)
        elif isinstance(self.waits, NextReport):
            self._resumed(Report(ReportKind.TIMEOUT))

    def _resumed(self, report: Report) -> None:
        self.waits, self.wake_at = None, inf
        self._go_on(report)

    def _sent(self, opcode: int, argument: Any) -> None:
        """What the node says arrives at the switch."""
        if opcode == Opcode.APPLY_CHARGING:
            said = decode_contained(
                "CAMEL-AChBillingChargingCharacteristics", argument.ach_billing_charging_characteristics, 3
            ).value
            assert said.max_call_period_duration >= 1
            switch = said.tariff_switch_interval
            period = Period(
                said.max_call_period_duration,
                bool(said.release_if_duration_exceeded),
                1,
                inf if switch is None else switch * 10,
            )
            if self.switch.over:
                return  # the transaction is unknown there; it has said so
            if self.switch.charged.apply(period, self.now):
                self._heard(Report(ReportKind.ERROR, Opcode.APPLY_CHARGING, code=TASK_REFUSED))
        elif opcode == Opcode.RELEASE_CALL:
            self.switch.release(self.now)
        elif opcode == Opcode.ACTIVITY_TEST:
            if self.switch.over or self.untested:
                self.given_up |= self.untested and not self.switch.over
                self.untested = False
                self.tested_at = self.now + TESTED_FOR
            else:
                self._heard(Report(ReportKind.RESULT, Opcode.ACTIVITY_TEST))

    # -- between them -----------------------------------------------------------------------------------------

    def _said(self, words: list[Report]) -> None:
        """Each message of the switch meets its fate."""
        for each in words:
            fate = self.fates.pop(0) if self.fates and each.kind is not ReportKind.END else ""
            if fate in ("lost", "late", "garbled"):
                self.faults += 1
            if fate == "garbled" and each.opcode == Opcode.APPLY_CHARGING_REPORT:
                each = Report(ReportKind.INVOKE, each.opcode, b"\xff" * 12)  # noqa: PLW2901
            if fate == "late":
                self.late.append((self.now + LATE, each))
            elif fate != "lost":
                for _ in range(1 + (fate == "twice")):
                    self._heard(each)

    def _heard(self, report: Report) -> None:
        if not self.alive and self.by_message and not self.ended:
            self.by_message = False
            self.adopt(self.next_apart, report)
            return
        if not self.alive or self.ended:
            return
        if report.opcode == Opcode.APPLY_CHARGING_REPORT and not self.settling and report.argument[0] != 0xFF:
            self.heard |= {(id(report.argument), report.argument)}
        if self.busy or not isinstance(self.waits, NextReport):
            if self.waits is not None and not self.busy:
                report = Report(
                    report.kind, report.opcode, report.argument, report.code, -1, self.now / 10 or 1e-9
                )
            self.call.inner.add_report(report)
        else:
            self._resumed(report)

    def reported(self) -> list[Any]:
        """What the reports say that a node has heard for sure."""
        return [decode_contained("CAMEL-CallResult", octets, 3).value for _, octets in self.sure]

    def pass_time(self, tenths: int) -> None:
        """Let time pass, and whatever is due in it happen."""
        end = self.now + tenths
        while True:
            late = min((at for at, _ in self.late), default=inf)
            due = min(self.switch.due(), self.answer_at, self.wake_at, self.tested_at, late)
            if due > end:
                break
            moved = max(self.now, -int(-due // 1))
            self.away += (moved - self.now) * (not self.alive)
            self.now = moved
            if self.switch.due() <= self.now:
                self.switch.tick(self.now)
            elif late <= self.now:
                index = next(i for i, (at, _) in enumerate(self.late) if at <= self.now)
                self._heard(self.late.pop(index)[1])
            elif self.tested_at <= self.now:
                self.tested_at = inf
                self._heard(Report(ReportKind.TIMEOUT, Opcode.ACTIVITY_TEST))
            elif self.answer_at <= self.now:
                waits, self.waits, self.answer_at = self.waits, None, inf
                late_answer = self.money.down or waits.until * 10 <= self.now
                if not self.money.down or isinstance(waits, Settle):
                    answer = self.money.answer(waits, WALL + self.now / 10)
                self._go_on(ChargingFailure("timeout") if late_answer else answer)
            elif self.wake_at <= self.now:
                self._resumed(Report(ReportKind.TIMEOUT))
        self.away += (end - self.now) * (not self.alive)
        self.now = end


class Keeps:
    """A call whose state is kept by the scene."""

    def __init__(self, inner: CapDialogue, scene: Scene) -> None:
        self.inner, self.scene = inner, scene

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def keep(self, value: Any) -> None:
        self.scene.kept = msgpack.encode(value.values())


FATES = st.lists(st.sampled_from(["", "", "", "", "lost", "twice", "late", "garbled"]), max_size=8)
STEPS = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 900)),
    st.tuples(st.just("pass"), st.integers(1, 900)),
    st.tuples(st.just("answer"), st.integers(0, 30)),
    st.tuples(st.just("hang-up"), st.just(0)),
    st.tuples(st.just("delay"), st.integers(0, 60)),
    st.tuples(st.just("down"), st.booleans()),
    st.tuples(st.just("kill"), st.integers(1, 400)),
    st.tuples(st.just("relay"), st.just(0)),
    st.tuples(st.just("dies"), st.sampled_from(["written", "sending", "asking"])),
    st.tuples(st.just("clock"), st.sampled_from([-3600, -5, 0, 0, 5, 3600])),
    st.tuples(st.just("untested"), st.just(0)),
    st.tuples(st.just("told"), st.just(0)),
)
CALM = {"pass", "answer", "hang-up", "told", "delay"}
EVEN = Release(b"\x80\x90")


def play(scene: Scene, steps: list[tuple[str, Any]]) -> None:
    apart = 0
    for step, value in steps:
        if scene.ended:
            break
        if step == "pass":
            scene.pass_time(value)
        elif step == "answer":
            scene.pass_time(value)
            scene.switch.answer(scene.now)
        elif step == "hang-up":
            scene.switch.hang_up(scene.now)
        elif step == "delay":
            scene.money.delay = value
        elif step == "down":
            scene.money.down = value
        elif step == "kill":
            scene.kill()
            scene.pass_time(value)
            scene.adopt(apart)
        elif step == "relay":
            scene.kill()
            scene.by_message, scene.next_apart = not scene.alive, apart
        elif step == "dies":
            scene.dies = value
        elif step == "clock":
            apart = value
        elif step == "untested":
            scene.untested = True
        elif step == "told":
            scene._heard(Report(ReportKind.TOLD, argument=EVEN))
        if not scene.alive and not scene.by_message:
            scene.pass_time(10)
            scene.adopt(apart)
    scene.dies, scene.untested = "", False
    scene.fates.clear()
    scene.adopt(apart)


@pytest.mark.hypothesis
@given(
    steps=st.lists(STEPS, max_size=14),
    fates=FATES,
    seconds=st.integers(1, 400),
    quotas=st.tuples(st.integers(20, 90), st.integers(0, 15)),
    ahead=st.sampled_from([0, 0, 3]),
    down=st.sampled_from(["grace:20", "release"]),
    unreadable=st.sampled_from(["continue", "release"]),
    lost=st.sampled_from(["reported", "granted"]),
    change=st.none() | st.integers(1, 300),
    event_first=st.booleans(),
    ends=st.booleans(),
)
@example(
    steps=[("delay", 1), ("clock", 3600), ("kill", 1), ("hang-up", 0)],  # the adopter's clock is ahead
    fates=[],
    seconds=21,
    quotas=(20, 0),
    ahead=0,
    down="grace:20",
    unreadable="continue",
    lost="reported",
    change=None,
    event_first=False,
    ends=False,
)
@example(
    steps=[("pass", 1), ("kill", 79), ("kill", 80)],  # of an answer that nobody heard a period is given anew
    fates=["lost", "", "late"],
    seconds=9,
    quotas=(20, 1),
    ahead=0,
    down="grace:20",
    unreadable="continue",
    lost="reported",
    change=None,
    event_first=False,
    ends=False,
)
@example(  # the adopter's clock is behind, and the report of the period is lost
    steps=[("pass", 1), ("pass", 300), ("clock", -3600), ("kill", 300)],
    fates=[],
    seconds=32,
    quotas=(31, 0),
    ahead=0,
    down="grace:20",
    unreadable="continue",
    lost="reported",
    change=None,
    event_first=False,
    ends=False,
)
@examples(100)
def test_what_is_charged_is_what_was_talked_whatever_happens(
    steps, fates, seconds, quotas, ahead, down, unreadable, lost, change, event_first, ends
):
    quota, withheld = quotas
    policy = {
        "first_s": quota,
        "next_s": quota,
        "withheld_s": withheld,
        "prefetch_s": ahead,
        "down": down,
        "unreadable_report": unreadable,
        "lost_call": lost,
    }
    note(f"{steps} {fates} {seconds} {quotas} {ahead} {down} {lost} {change} {event_first=} {ends=}")
    service = controlled({"charging": policy}, NODE)
    money = Money(seconds, WALL + change if change is not None else 0)
    scene = Scene(service, money, event_first=event_first, ends=ends)
    scene.fates = list(fates)
    play(scene, [("answer", 20), *steps])
    # All that was in its way is over: the money ends the call, if nothing did before.
    scene.pass_time(100_000)
    assert scene.ended, "the call is over, and still controlled"
    assert scene.switch.over or scene.given_up, "nobody limits a call"
    scene.switch.hang_up(scene.now)
    assert money.settled
    charged = money.settled[0].tenths
    assert all(each.tenths == charged for each in money.settled), "settled twice, and not the same"
    talked = scene.switch.talked
    grace = 200 if down != "release" else 0
    granted = money.granted + grace
    times = [each.time_information.value for each in scene.reported()]
    assert charged >= max([each for each in times if isinstance(each, int)], default=0), (
        "less than was reported"
    )
    assert charged <= max(talked + 1, granted), "more than was granted, or talked"
    calm = not scene.faults and not scene.given_up and {step for step, _ in steps} <= CALM
    event("calm" if calm else "not calm")
    if calm:
        assert abs(charged - talked) <= 1
    free = talked - granted
    assert scene.given_up or free <= scene.away + 2_800 * scene.faults + 80, (
        f"{free} tenths too many were talked"
    )
