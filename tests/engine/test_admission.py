"""Overload: what is admitted, and what a switch sees of it."""

from __future__ import annotations

import itertools
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from room import READY, SERVICE_KEY, Room

from scp.common.token_buckets import TokenBuckets
from scp.domain.decision import Action, Reason
from scp.engine.admission import (
    FEW,
    HOLD,
    IDLE,
    POLICY,
    PROBE,
    REFUSE,
    REMEMBERED,
    SHED,
    THRESHOLDS,
    Admission,
    Level,
    Limits,
    Signal,
    Turn,
)
from scp.engine.load_monitor import INTERVAL, LoadMonitor, memory_share
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.operations import Opcode

QUIET = {"late": 0.0, "dialogues": 0.0, "memory": 0.0}
STEP = 0.1


def at(level: int, signal: Signal = Signal.DELAY, now: float = 0.0) -> Admission:
    """An admission that has just gone to this level because of this signal."""
    admission = Admission(Limits())
    value = THRESHOLDS[signal][level - 1]
    values = dict(QUIET)
    if signal is Signal.STORE:
        admission.store_took(value * admission.limits.store_deadline)
    else:
        name = "late" if signal is Signal.DELAY else str(signal)
        values[name] = value * (admission.limits.delay if signal is Signal.DELAY else 1.0)
    if signal is Signal.DELAY:
        assert not admission.sample(now - STEP, **values)  # late once is nothing
    assert admission.sample(now, **values)
    assert (admission.level, admission.why) == (level, [signal])
    return admission


# --- turns ---


LONG = 0.05


def turned(
    turn: Turn, now: float, seconds: float, idle: float = 0.0, *, more: bool = False
) -> tuple[float, float]:
    """One batch; return when its turn began and when it ended."""
    turn.begin(now, idle, 0.0, 300)
    turn.end(now + seconds, more, 0.0)
    return turn.began, now + seconds


@pytest.mark.parametrize("more", [True, False])
def test_a_node_that_is_behind_stays_so_until_it_has_waited(more):
    turn = Turn(LONG)
    assert turn.began == inf
    idle = 0.0
    began, now = turned(turn, 1.0, 0.01 if more else LONG + 1e-9, more=more)
    while now < began + 0.15:  # short batches, as by policy
        idle += 0.00001
        found, now = turned(turn, now + 0.00001, 0.001, idle)
        assert found == began
    assert turned(turn, now + IDLE * REMEMBERED, 0.001, idle + IDLE * REMEMBERED)[0] > began


def test_short_batches_that_empty_the_socket_are_each_a_turn():
    turn, now = Turn(LONG), 1.0
    for _ in range(1000):
        began, after = turned(turn, now, LONG * 0.9)
        assert began == now
        now = after


def test_calls_are_judged_by_the_age_of_their_turn():
    admission = Admission(Limits(delay=0.1, refuse=0.4))
    assert admission.admit("stp", b"", 5.0) is None  # no turn at all
    admission.batch_begun("stp", 10.0, 1)
    assert admission.admit("stp", b"", 10.09) is None
    assert admission.admit("stp", b"", 10.11) is Reason.OVERLOAD
    assert not admission.refuses(10.39)
    assert admission.refuses(10.41)
    admission.batch_done(10.5, more=False)
    admission.batch_begun("stp", 10.53, 1)
    assert admission.admit("stp", b"", 10.55) is None


def test_who_floods_is_behind_and_who_is_read_in_between_is_not():
    admission = Admission(Limits(delay=0.1, refuse=0.4))
    now = 10.0
    for _ in range(50):
        admission.batch_begun("flood", now, 300)
        now += 0.03
        flooded = admission.admit("flood", b"", now)
        admission.batch_done(now, more=True)
        admission.batch_begun("other", now, 1)
        now += 0.001
        assert admission.admit("other", b"", now) is None
        assert not admission.refuses(now)
        admission.batch_done(now, more=False)
    assert flooded is Reason.OVERLOAD
    now += 0.02  # idle again, however little of it was the other's
    admission.batch_begun("flood", now, 300)
    assert admission.admit("flood", b"", now + 0.05) is None


def flooded(
    admission: Admission, now: float, *, quiet: int, messages: int
) -> tuple[list[Reason | None], float]:
    """What a peer's calls get that was held up once, while another one floods and the node never waits."""
    admission.batch_begun("quiet", now, 1)
    now += 0.03  # a collection, a page fault
    admission.batch_done(now, more=False)
    answers = []
    for _ in range(quiet):
        admission.batch_begun("flood", now, 300)
        now += 0.02
        admission.batch_done(now, more=True)
        admission.batch_begun("quiet", now, messages)
        now += 0.001
        answers.append(admission.admit("quiet", b"", now))
        admission.batch_done(now, more=False)
    return answers, now


def test_who_was_held_up_once_is_not_behind_for_as_long_as_another_floods():
    admission = Admission(Limits(delay=0.1, refuse=0.4))
    answers, now = flooded(admission, 10.0, quiet=50, messages=FEW - 1)
    assert set(answers) == {None}
    assert not admission.refuses(now)


def test_two_that_flood_are_both_behind():
    admission = Admission(Limits(delay=0.1, refuse=0.4))
    answers, now = flooded(admission, 10.0, quiet=50, messages=FEW)
    assert answers[-1] is Reason.OVERLOAD
    assert admission.refuses(now)


def test_who_flooded_and_comes_back_has_not_waited():
    admission = Admission(Limits(delay=0.1, refuse=0.4))
    admission.batch_begun("back", 9.0, 300)
    admission.batch_done(9.9, more=True)
    _, now = flooded(admission, 9.9, quiet=50, messages=1)
    admission.batch_begun("back", now, 1)
    assert admission.admit("back", b"", now + 0.05) is None


# --- levels ---


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("level", [SHED, POLICY, REFUSE])
def test_every_signal_leads_up_at_once_and_down_step_by_step(signal, level):
    if THRESHOLDS[signal][level - 1] == inf:
        return
    admission = at(level, signal)
    seen = []
    now = 0.0
    while admission.level:
        now += STEP
        if admission.sample(now, **QUIET):
            seen.append((admission.level, now))
    assert [reached for reached, _ in seen] == list(range(level - 1, -1, -1))
    assert all(later - before >= HOLD - STEP for (_, before), (_, later) in itertools.pairwise(seen))
    assert now <= 3 * HOLD + 3 * STEP < 5.0
    assert admission.why == []


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=200))
def test_a_level_never_flutters(values):
    level = Level((0.5, 1.0, 1.5))
    now, changed = 0.0, -inf
    for value in values:
        before = level.now
        now += STEP
        after = level.update(value, now)
        assert after >= sum(value >= threshold for threshold in (0.5, 1.0, 1.5))
        if after < before:
            assert after == before - 1
            assert now - changed >= HOLD - STEP / 2
        if after != before:
            changed = now
    for _ in range(40):
        now += STEP
        level.update(0.0, now)
    assert level.now == 0


@pytest.mark.parametrize("signal", [Signal.DIALOGUES, Signal.STORE, Signal.MEMORY])
def test_what_is_no_queue_has_calls_answered_by_policy_but_for_a_probe(signal):
    admission = at(POLICY, signal)
    admission.batch_begun("stp", 1.0, 1)
    answers = [admission.admit("stp", b"", 1.0) for _ in range(4 * PROBE)]
    assert answers.count(None) == 4
    assert set(answers) == {None, Reason.OVERLOAD}


def test_a_delay_judges_each_call_by_itself():
    admission = at(REFUSE)
    admission.batch_begun("stp", 1.0, 1)
    assert admission.admit("stp", b"", 1.0) is None


# --- rates ---


@given(
    st.floats(0.5, 50.0),
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.0, 0.5)), max_size=150),
)
def test_a_bucket_gives_no_more_than_its_burst_and_rate(rate, burst, calls):
    buckets = TokenBuckets(rate, float(burst))
    now, given_out = 0.0, {"a": 0, "b": 0}
    for key, wait in calls:
        now += wait
        given_out[key] += buckets.take(key, now)
        assert given_out[key] <= burst + rate * now + 1e-6


def test_buckets_are_bounded_and_their_keys_apart():
    buckets = TokenBuckets(1.0, 2.0, most=10)
    for key in range(100):
        assert buckets.take(key, 0.0)
        assert len(buckets) <= 10
    assert [buckets.take(99, 0.0) for _ in range(2)] == [True, False]
    assert buckets.take(98, 0.0)
    assert [buckets.take(99, 1.0) for _ in range(2)] == [True, False]


# --- through the node ---


class Slow:
    """A service that takes a while of the node's own time."""

    name = "slow"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.room: Room | None = None
        self.served = 0

    async def run(self, call):
        self.served += 1
        self.room.loop.now += self.seconds
        call.invoke(Opcode.CONTINUE)


def overloaded(seconds: float = 0.03, **limits: float) -> tuple[Room, Admission, Slow]:
    service, admission = Slow(seconds), Admission(Limits(**limits))
    room = service.room = Room(READY, services={SERVICE_KEY: service})
    room.node.admission = room.cap.admission = admission
    return room, admission, service


def burst(room: Room, calls: int, version: int = 2) -> list[bytes]:
    """Calls that the node finds in one read."""
    switch = room.switch
    switch._write = lambda: None
    otids = [room.call(version) for _ in range(calls)]
    del switch._write
    switch._write()
    room.turn()
    return otids


def test_what_waited_too_long_goes_on_and_what_is_in_progress_is_answered():
    room, admission, service = overloaded()
    otids = burst(room, 12)
    answers = [room.answer(otid) for otid in otids]
    assert all(answer.message.kind == tcap.END for answer in answers)
    assert {tuple(answer.opcodes) for answer in answers} == {(Opcode.CONTINUE,)}
    reasons = [decision.reason for _, decision in room.counts.calls]
    assert reasons == [Reason.SERVICE_LOGIC] * 4 + [Reason.OVERLOAD] * 8
    assert {decision.action for _, decision in room.counts.calls} == {Action.CONTINUE}
    assert service.served == 4
    room.advance(0.02)
    room.call()
    assert room.decision.reason is Reason.SERVICE_LOGIC
    room.nothing_left()
    assert admission.sample(room.loop.now, **QUIET)
    assert admission.level == POLICY


def test_beyond_that_dialogues_are_refused():
    room, _, _ = overloaded(seconds=0.5)
    otids = burst(room, 40)
    kinds = [room.answer(otid).message.kind for otid in otids]
    assert kinds == [tcap.END] * 15 + [tcap.ABORT] * 25
    assert room.answer(otids[-1]).message.p_abort_cause == tcap.RESOURCE_LIMITATION
    assert room.counts.discards == [("tcap", "resourceLimitation")] * 25
    otid = room.call()
    assert room.answer(otid).message.kind == tcap.END
    room.nothing_left()


@pytest.mark.parametrize("limit", ["peer", "caller"])
def test_a_rate_holds_for_each_peer_and_each_caller(limit):
    room, _, service = overloaded(0.0, **{f"{limit}_rate": 1.0, f"{limit}_burst": 2.0})
    for _ in range(5):
        assert room.answer(room.call()).opcodes == [Opcode.CONTINUE]
    reasons = [decision.reason for _, decision in room.counts.calls]
    assert reasons == [Reason.SERVICE_LOGIC] * 2 + [Reason.RATE_LIMITED] * 3
    room.advance(1.0)
    room.call()
    assert room.decision.reason is Reason.SERVICE_LOGIC
    assert service.served == 3
    room.nothing_left()


@pytest.mark.parametrize(("version", "asked"), [(2, 0), (3, 1), (4, 1)])
def test_switches_are_asked_for_fewer_calls_once_while_that_holds(version, asked):
    room, admission, _ = overloaded()
    for _ in range(2):
        admission.sample(room.loop.now, late=1.0, dialogues=0.0, memory=0.0)
    assert admission.level == REFUSE
    answers = [room.answer(otid) for otid in burst(room, 12, version)]
    gaps = [answer for answer in answers if answer.opcodes == [Opcode.CALL_GAP, Opcode.CONTINUE]]
    assert len(gaps) == asked
    for gap in gaps:
        argument = FAST.decode_argument(Opcode.CALL_GAP, gap.message.components[0].parameter, version)
        assert argument.gap_criteria.value.value.service_key == SERVICE_KEY
        assert argument.gap_indicators.duration == 10
    room.nothing_left()


def test_a_slow_store_is_noticed_and_left_alone():
    room = Room(READY)
    room.node.admission = room.cap.admission = admission = Admission(Limits())
    room.store.slow = True
    room.call()
    room.advance(1.0)
    assert admission.sample(room.loop.now, **QUIET)
    assert (admission.level, admission.why) == (POLICY, [Signal.STORE])
    asked = len(room.store.waiting)
    otids = [room.call() for _ in range(PROBE)]
    assert len(room.store.waiting) == asked + 1
    room.store_answers()
    assert all(room.answers(otid) for otid in otids)
    room.nothing_left()


def test_under_load_no_samples_are_kept_of_what_is_discarded():
    room, admission, _ = overloaded()
    kept = room.node.observer.discards
    room.send(b"\xff")
    assert [len(each.samples) for each in kept.all()] == [1]
    admission.sample(room.loop.now, late=0.0, dialogues=0.8, memory=0.0)
    assert admission.level == SHED
    room.send(b"\xff")
    assert [(each.count, len(each.samples)) for each in kept.all()] == [(2, 1)]


def test_other_limits_hold_from_the_next_call_on():
    admission = Admission(Limits(peer_rate=1.0, peer_burst=1.0, delay=0.1))
    assert [admission.admit("stp", b"", 0.0) for _ in range(2)] == [None, Reason.RATE_LIMITED]
    admission.adopt(Limits(peer_rate=2.0, peer_burst=2.0, delay=0.5))
    answers = [admission.admit("stp", b"", 0.0) for _ in range(3)]
    assert answers == [None, None, Reason.RATE_LIMITED]
    admission.adopt(Limits(delay=0.5))
    admission.batch_begun("stp", 10.0, 1)
    assert admission.admit("stp", b"", 10.4) is None
    assert admission.admit("stp", b"", 10.6) is Reason.OVERLOAD
    admission.batch_done(10.1, more=False)
    admission.batch_begun("stp", 10.2, 1)
    assert admission.turn.began == 10.2, "a batch of 0.1 s took long at a delay of 0.1 s, but not at 0.5"


# --- the signals ---


def test_pressure_looks_and_tells_of_changes():
    room = Room(READY)
    admission, told, share = Admission(Limits()), [], [0.0]
    pressure = LoadMonitor(
        room.loop, admission, lambda: share[0], lambda: 0.0, lambda level, why: told.append((level, why))
    )
    pressure.start()
    room.loop.advance(1.0)
    assert told == []
    share[0] = 0.95
    room.loop.advance(INTERVAL)
    assert told == [(POLICY, "dialogues")]
    share[0] = 0.0
    room.loop.advance(5.0)
    assert told[1:] == [(SHED, "dialogues"), (0, "")]
    pressure.stop()
    share[0] = 1.0
    room.loop.advance(5.0)
    assert len(told) == 3


def test_the_memory_of_this_process_is_a_share():
    assert 0.0 < memory_share(0)() < 1.0
    assert memory_share(1 << 20)() > 1.0
