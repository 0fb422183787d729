"""The engine's deadlines: many, mostly forgotten, in order and within bounds."""

from __future__ import annotations

import gc
from math import inf

from hypothesis import given
from hypothesis import strategies as st
from room import READY, Room

from scp.engine.conversation import Conversation
from scp.engine.timers import Deadlines


class Owner:
    def __init__(self):
        self.number = 0
        self.waits = False


def live(owner, number):
    return owner.waits and owner.number == number


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.booleans()), max_size=60))
def test_who_still_waits_is_due_in_time_and_once(steps):
    deadlines = Deadlines(live)
    owners = [Owner() for _ in range(6)]
    expected = {}
    now = 0
    for which, delay, passes in steps:
        owner = owners[which]
        if owner.waits:
            owner.waits = False
            deadlines.forget()
            del expected[owner]
        owner.waits = True
        owner.number = deadlines.add(now + delay, owner)
        expected[owner] = now + delay
        if passes:
            now += delay
            due = deadlines.due(now)
            assert sorted(map(id, due)) == sorted(id(owner) for owner, at in expected.items() if at <= now)
            assert [expected[owner] for owner in due] == sorted(expected[owner] for owner in due)
            for owner in due:
                owner.waits = False
                del expected[owner]
        assert deadlines.next() <= min(expected.values(), default=inf)
    assert set(deadlines.due(inf)) == set(expected)
    assert len(deadlines) == 0
    assert deadlines.next() == inf


def test_forgotten_deadlines_take_no_room_for_long():
    deadlines = Deadlines(live)
    for _ in range(20_000):
        owner = Owner()
        owner.waits = True
        owner.number = deadlines.add(1e9, owner)
        owner.waits = False
        deadlines.forget()
    assert len(deadlines) < 3_000


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
        assert len(room.engine._deadlines) < 2_500
        room.advance(1.0)
        assert not len(room.engine._deadlines)
        kept = [each for each in gc.get_objects() if isinstance(each, Conversation)]
        assert not [conversation for conversation in kept if conversation.engine is room.engine]
    finally:
        gc.enable()
