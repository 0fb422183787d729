"""What is known of messages: each counts once, none that is older than another's place, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scp.domain.map_results import Result
from scp.domain.moves import ALWAYS, IDENTITY, MOST, RECENT, TIMES, TOLERANCE, Move, remembered

NOW = 1_800_000_000


def message(number: int, age: int | None = 0) -> Move:
    return Move("46700000001", number.to_bytes(IDENTITY, "big"), age)


def after(*messages: tuple[int, int, int | None]) -> bytes:
    """What is known after messages: when they came, their numbers and ages."""
    known = b""
    for came, number, age in messages:
        known, _ = remembered(known, message(number, age), came)
    return known


def test_within_an_hour_many_messages_are_known_and_always_a_few():
    known = after(*((NOW + number, number, 0) for number in range(MOST + 1)))
    results = [remembered(known, message(number), NOW + 99)[1] for number in range(MOST + 1)]
    assert results == [None] + MOST * [Result.REPLAYED]
    assert len(known) == TIMES + MOST * IDENTITY
    late, _ = remembered(known, message(99), NOW + MOST + RECENT)
    assert len(late) == TIMES + ALWAYS * IDENTITY
    assert remembered(late, message(MOST), NOW + 10**6) == (late, Result.REPLAYED)


def test_a_late_message_is_known_too_or_it_would_be_new_when_it_comes_again():
    known = after((NOW, 1, 0))
    known, result = remembered(known, message(2, 600), NOW + 10)
    assert result is Result.STALE
    assert remembered(known, message(2, 600), NOW + 10_000) == (known, Result.REPLAYED)


def test_messages_in_disorder_within_the_tolerance_do_not_let_older_ones_in():
    known = after((NOW, 1, 0), (NOW, 2, TOLERANCE))
    assert remembered(known, message(3, TOLERANCE + 1), NOW)[1] is Result.STALE


def test_a_clock_that_was_ahead_does_not_shut_all_out():
    known = after((NOW + 10**6, 1, 0))
    assert remembered(known, message(2), NOW)[1] is None
    assert remembered(known, message(1), NOW)[1] is Result.REPLAYED


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.none() | st.integers(0, 2000)), max_size=30)
)
def test_a_model_that_forgets_nothing_agrees(messages):
    known, seen, newest, now = b"", set(), 0, NOW
    for step, number, age in messages:  # ten numbers, all recent: none is forgotten
        now += step
        known, result = remembered(known, message(number, age), now)
        if number in seen:
            assert result is Result.REPLAYED
            continue
        seen.add(number)
        at = 0 if age is None else now - age
        assert result is (Result.STALE if age is not None and at + TOLERANCE < newest else None)
        newest = max(newest, at)
