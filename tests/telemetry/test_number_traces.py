"""Which numbers are traced: for how long, how much of them, and how many at a time."""

from __future__ import annotations

import pytest

from scp.telemetry.number_traces import MOST, RATE, TooManyTracesError, Trace, Traces


class Room:
    """Traces, with a clock that is moved by hand, and what they told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.traces = Traces(lambda: self.now)
        self.ended: list[tuple[str, str]] = []
        self.changes = 0
        self.traces.ended = lambda trace, why: self.ended.append((trace.msisdn, why))
        self.traces.changed = self.change

    def change(self) -> None:
        self.changes += 1

    def write(self, msisdn: str, count: int = 1) -> int:
        """Offer messages; return how many are to be written."""
        written = 0
        for _ in range(count):
            trace = self.traces.take(msisdn)
            if trace is not None:
                written += 1
                self.traces.wrote(trace)
        return written


def test_a_number_is_traced_until_its_time_is_over() -> None:
    room = Room()
    before, trace = room.traces.start("46701234567", 60, 10, "operator")
    assert before is None
    assert trace == Trace("46701234567", "operator", 1000.0, 1060.0, 10)
    assert room.traces.expire() == 1060.0
    assert room.write("46701234567") == 1
    assert room.write("46709999999") == 0
    room.now += 60
    assert room.write("46701234567") == 0
    assert room.ended == [("46701234567", "its time is over")]
    assert (room.traces.all(), room.traces.expire(), room.changes) == ([], 0.0, 2)


def test_it_ends_with_its_last_message() -> None:
    room = Room()
    room.traces.start("46701234567", 60, 3, "")
    assert room.write("46701234567", 5) == 3
    assert room.ended == [("46701234567", "it has written all its messages")]
    assert room.traces.get("46701234567") is None


def test_all_traces_share_a_rate() -> None:
    room = Room()
    for msisdn in ("46701", "46702"):
        room.traces.start(msisdn, 60, 10_000, "")
    assert room.write("46701", 1000) == RATE
    assert room.write("46702", 1000) == 0
    room.now += 0.5
    assert room.write("46702", 1000) == RATE / 2
    assert [(each.written, each.skipped) for each in room.traces.all()] == [(50, 950), (25, 1975)]
    assert [each.left for each in room.traces.all()] == [9950, 9975], "what was skipped is not counted off"


def test_asked_for_again_it_begins_anew() -> None:
    room = Room()
    room.traces.start("46701234567", 60, 3, "one")
    room.write("46701234567")
    room.now += 30
    before, trace = room.traces.start("46701234567", 60, 5, "two")
    assert before is not None
    assert (before.written, trace.written, trace.left, trace.until, trace.by) == (1, 0, 5, 1090.0, "two")
    assert room.traces.stop("46701234567") is trace
    assert room.traces.stop("46701234567") is None
    assert room.ended == [("46701234567", "stopped")]


def test_so_many_numbers_and_no_more() -> None:
    room = Room()
    for number in range(MOST):
        room.traces.start(f"4670{number:07}", 60 + number, 10, "")
    with pytest.raises(TooManyTracesError):
        room.traces.start("46709999999", 60, 10, "")
    room.traces.start("46700000000", 60, 20, "")  # one of them again
    room.now += 60
    room.traces.start("46709999999", 60, 10, "")  # the first one's time is over
    assert len(room.traces.all()) == MOST
