"""The engine's deadlines: many, mostly forgotten, in order and within bounds."""

from __future__ import annotations

import gc
import tracemalloc
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from room import READY, Room

from scp.engine.cap.dialogue import CapDialogue
from scp.engine.timers import SLOT, Deadlines


class Owner:
    def __init__(self):
        self.due = inf


def due_of(owner):
    return owner.due


# Soon, far off, at the edges of a slot, and what falls into the same one again.
DELAYS = st.integers(0, 30) | st.integers(0, 300) | st.sampled_from([SLOT, 2 * SLOT, 2 * SLOT + 1, 3600.0])


@given(st.lists(st.tuples(st.integers(0, 5), DELAYS, st.booleans()), max_size=60))
def test_who_still_waits_is_due_in_time_and_once(steps):
    deadlines = Deadlines(due_of)
    owners = [Owner() for _ in range(6)]
    expected = {}
    now = 0
    for which, delay, passes in steps:
        owner = owners[which]
        if owner.due != inf:
            deadlines.forget()
            del expected[owner]
        owner.due = now + delay
        deadlines.add(now + delay, owner, now)
        expected[owner] = now + delay
        if passes:
            now += delay
            due = deadlines.due(now)
            assert sorted(map(id, due)) == sorted(id(owner) for owner, at in expected.items() if at <= now)
            assert [expected[owner] for owner in due] == sorted(expected[owner] for owner in due)
            for owner in due:
                owner.due = inf
                del expected[owner]
        assert deadlines.next() <= min(expected.values(), default=inf)
    assert set(deadlines.due(inf)) == set(expected)
    assert len(deadlines) == 0
    assert deadlines.next() == inf


def test_forgotten_deadlines_take_no_room_for_long():
    for due in (1.0, 1e9):
        deadlines = Deadlines(due_of)
        for _ in range(20_000):
            owner = Owner()
            owner.due = due
            deadlines.add(due, owner, 0.0)
            owner.due = inf
            deadlines.forget()
        assert len(deadlines) < 3_000


@pytest.mark.parametrize("patience", [0.5, 20.0, 3600.0])
def test_who_waits_again_for_the_same_time_is_remembered_once(patience):
    """Dialogues that report again and again in one slot of time, or within one read."""
    deadlines = Deadlines(due_of)
    owners = [Owner() for _ in range(50)]
    for _ in range(400):
        for owner in owners:
            if owner.due != inf:
                owner.due = inf
                deadlines.forget()
            owner.due = patience
            deadlines.add(patience, owner, 0.0)
    assert len(deadlines) < 3_000
    assert sorted(map(id, deadlines.due(patience))) == sorted(map(id, owners))
    assert not len(deadlines)


def test_who_waits_for_ever_is_not_remembered():
    deadlines = Deadlines(due_of)
    for _ in range(3_000):
        owner = Owner()
        deadlines.add(inf, owner, 0.0)
        deadlines.forget()
    assert not len(deadlines)
    assert deadlines.next() == inf


def test_what_is_far_off_costs_one_reference():
    deadlines = Deadlines(due_of)
    owners = [Owner() for _ in range(10_000)]
    tracemalloc.start()
    try:
        for number, owner in enumerate(owners):
            owner.due = 3600.0 + number / 1000
            deadlines.add(owner.due, owner, number / 1000)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / len(owners) < 60  # its time, 24, is the owner's; in the heap it is more than 100
    assert deadlines.due(3590.0) == []
    assert deadlines.due(3610.0) == owners


def test_nothing_of_a_call_is_kept_once_it_is_over():
    """No cycle is left for the collector either: it would stop the node for all that it has to visit."""
    room = Room(READY)
    room.store.slow = True
    gc.collect()
    gc.disable()
    try:
        for _ in range(3_000):
            room.call()
            room.store_answers()
        assert len(room.cap._deadlines) < 2_500
        room.advance(1.0)
        assert not len(room.cap._deadlines)
        kept = [each for each in gc.get_objects() if isinstance(each, CapDialogue)]
        assert not [call for call in kept if call.runner is room.cap]
    finally:
        gc.enable()
