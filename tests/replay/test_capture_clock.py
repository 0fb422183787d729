"""A capture's own clock: it never runs backwards, and a timer comes once, in its turn, or not at all."""

from __future__ import annotations

from scp.replay.offline import CaptureClock


def test_time_never_runs_backwards() -> None:
    clock = CaptureClock()
    clock.move_to(10.0)
    clock.move_to(9.0)  # captures have packets out of order
    assert clock.time() == 10.0


def test_timers_come_in_their_turn_and_at_their_time() -> None:
    clock = CaptureClock()
    came: list[tuple[str, float]] = []
    for name, when in (("late", 3.0), ("early", 1.0), ("beside", 1.0)):
        clock.call_at(when, lambda name=name: came.append((name, clock.time())))
    clock.move_to(2.0)
    assert came == [("early", 1.0), ("beside", 1.0)]
    clock.move_to(5.0)
    assert came[2:] == [("late", 3.0)]
    clock.call_at(4.0, lambda: came.append(("past", clock.time())))  # due before it was asked for
    clock.move_to(5.0)
    assert came[3:] == [("past", 5.0)]


def test_a_timer_that_was_cancelled_does_not_come() -> None:
    clock = CaptureClock()
    came: list[str] = []
    clock.call_at(1.0, lambda: came.append("cancelled")).cancel()
    clock.call_at(1.0, lambda: came.append("left"))
    clock.move_to(1.0)
    assert came == ["left"]
