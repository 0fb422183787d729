"""The garbage collector looks at young objects once, and at everything now and then."""

import gc
import weakref

import pytest

from scp.app import collector
from scp.app.collector import EVERY, FEW, YOUNG, Collector


class Held:
    """Stands for a held call."""


class Room:
    """A collector with a clock and a number of dialogues of our choosing."""

    def __init__(self):
        self.now = 0.0
        self.dialogues = 0
        self.soon = []
        self.collector = Collector(lambda: self.dialogues, self.soon.append, lambda: self.now)


@pytest.fixture
def room():
    before = gc.get_threshold()
    made = Room()
    made.collector.start()
    yield made
    made.collector.stop()
    made.collector.stop()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


@pytest.fixture
def looks():
    """The generations that the collector has looked at."""
    found = []

    def looked(phase, about):
        if phase == "start":
            found.append(about["generation"])

    gc.callbacks.append(looked)
    yield found
    gc.callbacks.remove(looked)


def test_what_survived_one_look_is_not_looked_at_again(room, looks):
    held = [Held() for _ in range(30 * YOUNG)]
    assert len(looks) >= 29
    assert set(looks) == {0}
    watched = weakref.ref(held[0])
    held.clear()
    assert watched() is None


def test_while_a_node_starts_nothing_is_looked_at(looks):
    made = Room().collector
    made.wait()
    held = [Held() for _ in range(3 * YOUNG)]
    assert looks == []
    made.start()
    assert looks == [2]
    assert gc.isenabled()
    made.stop()
    made.wait()
    made.stop()
    assert gc.isenabled()
    assert held


def test_what_start_up_made_is_never_looked_at(room):
    known = set(map(id, gc.get_objects()))
    assert id(room) not in known
    room.collector.look_at_all()
    known = set(map(id, gc.get_objects()))
    assert id(room) not in known


def test_a_cycle_of_young_objects_is_found_by_itself(room):
    lost = Held()
    lost.itself = lost
    watched = weakref.ref(lost)
    del lost
    assert watched() is not None
    held = [Held() for _ in range(2 * YOUNG)]
    assert watched() is None
    assert held


def test_a_cycle_of_older_ones_is_found_when_few_calls_are_held(room):
    lost = Held()
    lost.itself = lost
    gc.collect(0)
    watched = weakref.ref(lost)
    del lost
    room.dialogues = FEW + 1
    room.now = EVERY + 1
    gc.collect(0)
    assert room.soon == []
    room.dialogues = FEW
    gc.collect(0)
    assert watched() is not None
    gc.collect(0)
    (look,) = room.soon
    look()
    assert watched() is None


def test_it_does_not_look_at_everything_again_at_once(room):
    room.now = EVERY + 1
    gc.collect(0)
    (look,) = room.soon
    look()
    gc.collect(0)
    assert len(room.soon) == 1
    assert collector.EVERY > 60
