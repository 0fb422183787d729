"""Held calls that end in every way there is: nothing of them stays, and nothing is left to the collector."""

from __future__ import annotations

import gc
from collections import Counter
from math import inf, nan

import pytest
from room import MSISDN, READY, SERVICE_KEY, Room
from test_engine_dialogues import ANSWERED, DISCONNECTED, event, undelivered

from scp.engine.cap.dialogue import CapDialogue
from scp.services.api import Lookup, NextReport
from scp.stack.tcap_dialogue import Dialogue, Invocation, Silent
from ss7 import tcap
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke, encode_return_error

CALLS = 40
OF_A_CALL = (CapDialogue, Dialogue, Invocation, Silent)
CONTINUE, TEST = Opcode.CONTINUE, Opcode.ACTIVITY_TEST


class Holder:
    """Holds a call until it is over; ``then`` is what it does once it has a report."""

    name = "holder"

    def __init__(self, then: str, patience: float) -> None:
        self.then = then
        self.patience = patience

    async def run(self, call):
        call.invoke(CONTINUE)
        while True:
            report = await NextReport(self.patience)
            if self.then == "fails":
                raise ZeroDivisionError
            if self.then == "sends what nobody can encode":
                call.invoke(Opcode.CONNECT, object())
            elif self.then == "returns":
                return
            elif self.then == "releases late":
                await Lookup(MSISDN)
                return
            elif self.then == "tests":
                if report.opcode == TEST:
                    return
                call.invoke(TEST)
            elif self.then == "asks and goes on":
                await Lookup(MSISDN)
            elif self.then == "never hears":
                continue
            if report.over:
                return


def reported(room, otid):
    room.go_on(otid, event(ANSWERED))


def ended(room, otid):
    room.end(otid, event(DISCONNECTED))


def ended_at_once(room, otid):
    room.go_on(otid, event(ANSWERED, invoke_id=1), event(DISCONNECTED, invoke_id=2))
    room.end(otid)


def aborted(room, otid):
    room.abort(otid)


def aborted_by_provider(room, otid):
    room.send(tcap.build_p_abort(room.tid(otid), 1))


def bad_component(room, otid):
    room.go_on(otid, encode_invoke(9, 99))


def refused(room, otid):
    room.go_on(otid, encode_return_error(0, 12))
    room.end(otid)


def returned(room, otid):
    undelivered(room, room.answer(otid))


def garbled(room, otid):
    tid = room.tid(otid)
    room.send(b"\x65\x0e\x48\x04" + otid + b"\x49\x04" + tid + b"\x6c\x05")


def report_and_late_store(room, otid):
    room.store.slow = True
    reported(room, otid)


def report_late_store_and_abort(room, otid):
    report_and_late_store(room, otid)
    aborted(room, otid)


def link_lost(room, otid):
    if room.links[0].active:
        room.disconnect()


def drained(room, otid):
    """A new call finds the node draining; this one ends as it would."""
    room.cap.draining = True
    room.node.leave()
    assert room.answer(room.call()).message.kind == tcap.END
    ended(room, otid)


def nothing(room, otid):
    """Time passes."""


NEVER, AFTER_ITS_TIME, AFTER_THE_CALL = "never", "after its time", "after the call"  # the store's answer
WAYS = [
    ("waits", 3600.0, ended, NEVER),
    ("waits", 3600.0, ended_at_once, NEVER),
    ("waits", 3600.0, aborted, NEVER),
    ("waits", 3600.0, aborted_by_provider, NEVER),
    ("waits", 3600.0, bad_component, NEVER),
    ("waits", 3600.0, refused, NEVER),
    ("waits", 3600.0, returned, NEVER),
    ("waits", 3600.0, garbled, NEVER),
    ("waits", 95_000.0, nothing, NEVER),
    ("waits", 3600.0, drained, NEVER),
    ("waits", 95_000.0, link_lost, NEVER),
    ("returns", 3600.0, link_lost, NEVER),
    ("tests", 3600.0, link_lost, NEVER),
    ("waits", inf, nothing, NEVER),
    ("waits", nan, nothing, NEVER),
    ("returns", 20.0, nothing, NEVER),
    ("returns", 200.0, reported, NEVER),
    ("fails", 20.0, nothing, NEVER),
    ("fails", 200.0, reported, NEVER),
    ("fails", 200.0, ended, NEVER),
    ("sends what nobody can encode", 200.0, reported, NEVER),
    ("never hears", 200.0, ended, NEVER),
    ("tests", 200.0, nothing, NEVER),
    ("tests", 200.0, reported, NEVER),
    ("releases late", 200.0, report_and_late_store, NEVER),
    ("releases late", 200.0, report_and_late_store, AFTER_ITS_TIME),
    ("releases late", 200.0, report_and_late_store, AFTER_THE_CALL),
    ("releases late", 200.0, report_late_store_and_abort, NEVER),
    ("releases late", 200.0, report_late_store_and_abort, AFTER_ITS_TIME),
    ("releases late", 200.0, report_late_store_and_abort, AFTER_THE_CALL),
    ("asks and goes on", 200.0, report_late_store_and_abort, NEVER),
    ("asks and goes on", 200.0, report_late_store_and_abort, AFTER_ITS_TIME),
    ("asks and goes on", 200.0, report_late_store_and_abort, AFTER_THE_CALL),
]


def kept() -> Counter[type]:
    return Counter(type(each) for each in gc.get_objects() if type(each) in OF_A_CALL)


@pytest.mark.parametrize(("then", "patience", "end", "late"), WAYS)
def test_nothing_of_a_call_stays_however_it_ends(then, patience, end, late):
    room = Room(READY, services={SERVICE_KEY: Holder(then, patience)})
    gc.collect()
    gc.disable()
    try:
        before = kept()
        held = [otid for otid in (room.call() for _ in range(CALLS)) if room.answers(otid)[-1].message.otid]
        for otid in held:
            end(room, otid)
        if late == AFTER_ITS_TIME:
            room.advance(0.3)
            room.store_answers()
        room.advance(100_000.0)
        if late != NEVER:
            room.store_answers()
        room.store.waiting.clear()
        room.bugs.clear()
        assert not len(room.node.tcap)
        assert not len(room.cap._deadlines)
        assert not len(room.node.tcap._timers)
        assert room.node._next_deadline() == inf
        assert room.counts.opened == len(room.counts.outcomes) >= CALLS
        assert kept() == before
    finally:
        gc.enable()


def test_a_service_that_will_not_be_closed_keeps_nothing_once_the_collector_has_been():
    class Stubborn:
        name = "stubborn"

        async def run(self, call):
            call.invoke(CONTINUE)
            while True:
                try:
                    await NextReport(3600.0)
                except GeneratorExit:
                    if len(closed) < CALLS:
                        closed.append(call.context)
                        await NextReport(1.0)
                    raise

    closed = []
    room = Room(READY, services={SERVICE_KEY: Stubborn()})
    gc.collect()
    before = kept()
    for otid in [room.call() for _ in range(CALLS)]:
        ended(room, otid)
    room.advance(4_000.0)
    assert [service for service, _ in room.bugs] == ["stubborn"] * CALLS
    room.bugs.clear()
    gc.collect()
    assert kept() == before
