"""Any sequence of calls, messages, store answers, lost links and passing time: every BEGIN is answered, once."""

from __future__ import annotations

import pytest
from held_open import HeldOpen
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from room import READY, SERVICE_KEY, Room, forwarding, idp, new_otid
from test_engine_dialogues import event

from oracles.examples import examples
from ss7 import tcap
from ss7.cap.operations import Opcode
from ss7.cap.types import EventTypeBCSM, MessageType
from ss7.rose import encode_invoke, encode_reject, encode_return_error, encode_return_result

WATCHED_KEY = 101
MOST = 5
ANSWER_WITHIN = 0.16  # store deadline and the timer's slack
IDP = {key: encode_invoke(1, Opcode.INITIAL_DP, idp(service_key=key)) for key in (SERVICE_KEY, WATCHED_KEY)}
BAD_FIRST = (
    (),
    (encode_invoke(1, Opcode.INITIAL_DP, b"\x30\x00"),),
    (encode_invoke(1, Opcode.CONNECT, b""),),
    (encode_reject(1, 1, 1),),
    (encode_return_result(1),),
    (b"\xa1\x01\x00",),
    (IDP[SERVICE_KEY], IDP[SERVICE_KEY]),
    (encode_invoke(1, Opcode.INITIAL_DP, idp(service_key=999)),),
)
LATER = (
    (),
    (event(EventTypeBCSM.O_ANSWER, MessageType.NOTIFICATION, 2),),
    (event(EventTypeBCSM.O_CALLED_PARTY_BUSY, MessageType.REQUEST, 3),),
    (event(EventTypeBCSM.O_DISCONNECT, MessageType.NOTIFICATION, 4),),
    (encode_return_result(3),),
    (encode_return_error(1, 12),),
    (encode_invoke(5, 99),),
    (IDP[SERVICE_KEY],),
    (b"\xa9\x00",),
)
pick_bad, pick_later = st.sampled_from(BAD_FIRST), st.sampled_from(LATER)


class Begun:
    """What the switch knows of a dialogue that it began."""

    def __init__(self, now, tid):
        self.at = now
        self.tid = tid  # of the node; b"" if it keeps none
        self.excused = False  # nobody could hear an answer, or nobody waits for one
        self.over = False  # for the switch


class AnySequence(RuleBasedStateMachine):
    recorder = None
    codec = "fast"

    @initialize()
    def enter(self):
        services = {SERVICE_KEY: forwarding(), WATCHED_KEY: HeldOpen(3.0)}
        self.room = Room(
            READY, services=services, links=2, max_dialogues=MOST, codec=self.codec, recorder=self.recorder
        )
        self.begun = {}
        self.seen = 0

    # what the test may do

    @property
    def up(self):
        return [number for number, link in enumerate(self.room.links) if link.active]

    def through(self, number):
        self.room.switch = self.room.switches[self.up[number % len(self.up)]]

    def open(self, components, portion=True):
        known = set(self.room.node.tcap._dialogues)
        otid = self.room.begin(*components, portion=portion, otid=new_otid(), version=2 if portion else 1)
        [tid] = set(self.room.node.tcap._dialogues) - known or [b""]
        self.begun[otid] = Begun(self.room.loop.now, tid)

    @precondition(lambda self: self.up)
    @rule(key=st.sampled_from(sorted(IDP)), portion=st.booleans(), number=st.integers(0, 1))
    def a_call(self, key, portion, number):
        self.through(number)
        self.open([IDP[key]], portion)

    @precondition(lambda self: self.up)
    @rule(components=pick_bad, number=st.integers(0, 1))
    def no_call(self, components, number):
        self.through(number)
        self.open(components)

    def living(self):
        return [otid for otid, begun in self.begun.items() if begun.tid and not begun.over]

    @precondition(lambda self: self.up and self.living())
    @rule(data=st.data(), components=pick_later)
    def continue_(self, data, components):
        otid = data.draw(st.sampled_from(self.living()))
        self.through(0)
        self.room.send(tcap.build_continue(otid, self.begun[otid].tid, b"", list(components)))

    @precondition(lambda self: self.up and self.living())
    @rule(data=st.data(), components=pick_later)
    def end(self, data, components):
        otid = data.draw(st.sampled_from(self.living()))
        self.through(1)
        if self.room.answers(otid):  # before, no correct switch can; the node ignores it
            self.begun[otid].over = True
        self.room.send(tcap.build_end(self.begun[otid].tid, b"", list(components)))

    @precondition(lambda self: self.up and self.living())
    @rule(data=st.data(), by_provider=st.booleans())
    def abort(self, data, by_provider):
        otid = data.draw(st.sampled_from(self.living()))
        self.through(0)
        begun = self.begun[otid]
        begun.over = begun.excused = True
        answered = len(self.room.answers(otid))
        self.room.send(tcap.build_p_abort(begun.tid, 4) if by_provider else tcap.build_abort(begun.tid, b""))
        self.room.store_answers()
        assert len(self.room.answers(otid)) == answered

    @rule(slow=st.booleans())
    def the_store(self, slow):
        self.room.store.slow = slow

    @rule()
    def the_store_answers(self):
        self.excuse()
        self.room.store_answers()

    @rule(seconds=st.sampled_from([0.001, 0.05, 0.2, 1.0, 3.5, 20.0]))
    def time_passes(self, seconds):
        self.excuse()
        self.room.advance(seconds)

    @rule(number=st.integers(0, 1))
    def a_link_is_lost(self, number):
        if number in self.up:
            self.room.disconnect(number)

    @rule(number=st.integers(0, 1))
    def a_link_comes_back(self, number):
        if number not in self.up:
            self.room.connect(number)

    def excuse(self):
        """What the node is about to say, it says to nobody: no link is active."""
        if not self.up:
            for begun in self.begun.values():
                begun.excused = True

    # what has to hold

    @invariant()
    def every_begin_is_answered_once_and_in_time(self):
        if not hasattr(self, "room"):
            return
        for otid, begun in self.begun.items():
            kinds = [answer.message.kind for answer in self.room.answers(otid)]
            last = [kind for kind in kinds if kind in (tcap.END, tcap.ABORT)]
            assert len(last) <= 1
            assert not last or kinds[-1] in (tcap.END, tcap.ABORT)
            if last:
                begun.over = True
            late = self.room.loop.now - begun.at > ANSWER_WITHIN
            assert kinds or begun.excused or not late
            if not begun.tid:
                assert kinds
                assert begun.over
        assert len(self.room.node.tcap) <= MOST
        assert not self.room.bugs

    def teardown(self):
        if hasattr(self, "room"):
            self.room.store.slow = False
            for number in (0, 1):
                self.a_link_comes_back(number)
            self.time_passes(1.0)
            self.every_begin_is_answered_once_and_in_time()
            self.room.store_answers()
            self.room.nothing_left()
            for otid, begun in self.begun.items():
                assert begun.over or begun.excused or self.room.answers(otid)
            self.room.switch = self.room.switches[0]
            self.room.serves()


@pytest.mark.hypothesis
@pytest.mark.parametrize("codec", ["fast", "reference"])
def test_any_sequence(codec, everything_sent):
    class Sequence(AnySequence):
        pass

    Sequence.recorder, Sequence.codec = everything_sent, codec
    run_state_machine_as_test(Sequence, settings=examples(stateful_step_count=40))
