"""Adoption with a store in memory: by message, by time, by whom, and by whom not."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # held_room.py

from held_room import EPOCH, INSTANCE, HeldRoom, report

from oracles.held_memory import MemoryHeldCalls
from scp.failover.adoption import Adoption
from scp.held_call_ports import NOBODY
from scp.ports import StoreError
from ss7 import tcap
from ss7.cap.events import EventTypeBCSM as E
from ss7.cap.operations import Opcode

OTHER = 9
HELD = int(os.environ.get("CAMEL_SCP_HELD_CALLS", "1000"))
"""Calls that a drain hands over; 5,000 take a plain Python half a minute to begin and to adopt."""


class Adopting:
    """A node that adopts, and the store that it shares with one that has died.

    Attributes:
        room: of the node that lives.
        dead: of the other; its switch's calls are open.
    """

    def __init__(self) -> None:
        self.held = MemoryHeldCalls()
        self.dead = HeldRoom(self.held, max_dialogues=HELD)  # type: ignore[arg-type]
        self.dead.journal.owner = OTHER
        self.room = HeldRoom(self.held, self.dead, HELD)  # type: ignore[arg-type]
        self.faults: list[str] = []
        self.adoption = Adoption(
            self.held, INSTANCE, self.room.node, self.room.cap, self.faults.append, self.room.cap.wall
        )
        self.room.node.tcap.defers_strays = True
        self.room.node.strays = self.adoption

    async def call(self) -> bytes:
        """A call that the dead node held; its id at the switch."""
        otid = self.dead.call()
        await asyncio.sleep(0)
        self.dead.turn()
        assert len(self.room.answers(otid)) == 1
        return otid

    async def say(self, otid: bytes, *components: bytes) -> None:
        """Have the switch say something in a call to the node that lives."""
        self.room.send(tcap.build_continue(otid, self.room.tid(otid), b"", list(components)))
        await asyncio.gather(*self.adoption._tasks)
        await asyncio.sleep(0)
        self.room.turn()

    async def sweep(self) -> None:
        await self.adoption.sweep()
        await asyncio.sleep(0)
        self.room.turn()


def run(scenario: Callable[[Adopting], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Adopting())

    asyncio.run(main())


def test_a_message_of_a_dead_nodes_call_is_served() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()
        await here.say(otid, report(E.O_CALLED_PARTY_BUSY, 11))
        assert here.room.answers(otid)[1].opcodes == [Opcode.REQUEST_REPORT_BCSM_EVENT, Opcode.CONNECT]
        assert here.adoption.counts["adopted"] == 1
        entry = await here.held.get(here.room.tid(otid))
        assert entry is not None
        assert (entry.owner, entry.fence) == (INSTANCE, 2)

    run(scenario)


def test_a_message_of_nobodys_call_is_refused() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()
        here.held._rows.clear()
        await here.say(otid, report(E.O_ANSWER, 11))
        assert here.room.answers(otid)[1].message.p_abort_cause == tcap.UNRECOGNIZED_TRANSACTION_ID
        assert here.adoption.counts["adopted"] == 0

    run(scenario)


def test_a_call_whose_time_has_come_is_asked_for_at_the_switch() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()
        await here.sweep()
        assert here.adoption.counts["adopted"] == 0
        here.room.advance(605.0)
        await here.sweep()
        assert here.adoption.counts["adopted"] == 0, "its owner has ten seconds more"
        here.room.advance(6.0)
        await here.sweep()
        assert here.room.answers(otid)[1].opcodes == [Opcode.ACTIVITY_TEST]
        here.room.advance(30.0)  # no result: the switch does not know the call
        await asyncio.sleep(0)
        assert len(here.room.node.tcap) == 0
        assert await here.held.count() == 0

    run(scenario)


def test_calls_of_the_process_before_are_counted_until_somebody_has_looked_at_them() -> None:
    async def scenario(here: Adopting) -> None:
        tid = here.room.tid(await here.call())
        here.held._rows[tid] = here.held._rows[tid]._replace(owner=INSTANCE)
        here.adoption._before = [tid]
        assert here.adoption.waiting == 1
        await here.sweep()
        assert here.adoption.waiting == 1, "what its switch has to say first may still come"
        await here.sweep()
        assert here.adoption.waiting == 0
        assert here.adoption.counts["adopted"] == 1

    run(scenario)


def test_a_call_that_is_over_and_awaits_its_cdr_is_adopted_no_more() -> None:
    """Its record stays in the store until the CDR is on the disk; whatever looks for it meanwhile is too late."""

    async def scenario(here: Adopting) -> None:
        written = 0
        here.room.journal.position, here.room.journal.done = lambda: 1, lambda: written
        otid = await here.call()
        tid = here.room.tid(otid)
        await here.say(otid, report(E.O_ANSWER, 11))
        await here.say(otid, report(E.O_DISCONNECT, 12))
        assert here.room.answers(otid)[1].message.kind == tcap.END
        here.adoption._before = [tid]
        await here.sweep()
        await here.sweep()
        assert here.adoption.brought(tid, tcap.build_continue(otid, tid, b"", [report(E.O_DISCONNECT, 13)]))
        await here.say(otid, report(E.O_DISCONNECT, 14))
        here.room.advance(700.0)
        await here.sweep()
        assert (here.adoption.counts["adopted"], len(here.room.node.tcap)) == (1, 0)
        assert [each.message.kind for each in here.room.answers(otid)[2:]] == [tcap.ABORT]
        assert await here.held.count() == 1
        written = 1
        await here.sweep()
        assert await here.held.count() == 0
        await asyncio.sleep(0)
        assert here.room.journal.over_tids == set()

    run(scenario)


def test_a_call_whose_owner_lives_is_left_alone() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()
        here.adoption.presence = SimpleNamespace(alive=lambda instance: instance == OTHER)
        here.room.advance(700.0)
        await here.sweep()
        assert here.adoption.counts["adopted"] == 0
        here.adoption.presence = SimpleNamespace(alive=lambda instance: False)
        await here.sweep()
        assert here.adoption.counts["adopted"] == 1
        assert len(here.room.answers(otid)) == 2

    run(scenario)


def test_what_a_guardian_has_left_is_served_once() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()
        tid = here.room.tid(otid)
        message = tcap.build_continue(otid, tid, b"", [report(E.O_CALLED_PARTY_BUSY, 11)])
        assert await here.held.leave(tid, message)
        await here.sweep()
        await here.sweep()
        assert len(here.room.answers(otid)) == 2

    run(scenario)


def test_a_record_that_cant_be_gone_on_from_stays_for_another_node() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()
        tid = here.room.tid(otid)
        here.room.cap.services = {}
        await here.say(otid, report(E.O_ANSWER, 11))
        await here.say(otid, report(E.O_ANSWER, 12))
        assert here.adoption.counts["unreadable"] == 1
        entry = await here.held.get(tid)
        assert entry is not None
        assert (entry.owner, entry.fence) == (OTHER, 1)

    run(scenario)


def test_a_drained_node_hands_over_and_leaves_what_still_comes() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()
        tid = here.room.tid(otid)
        await here.say(otid, report(E.O_ANSWER, 11))
        assert here.room.node.tcap.find(tid) is not None
        await here.adoption.hand_over()
        assert (len(here.room.node.tcap), here.adoption.counts["handed-over"]) == (0, 1)
        entry = await here.held.get(tid)
        assert entry is not None
        assert entry.owner == NOBODY
        await here.say(otid, report(E.O_DISCONNECT, 12))
        assert len(here.room.answers(otid)) == 1, "nothing is said to the switch"
        entry = await here.held.get(tid)
        assert entry is not None
        claimed = await here.held.claim(tid, entry.fence, OTHER)
        assert claimed is not None
        assert len(claimed.left) == 1

    run(scenario)


def test_11_held_calls_are_handed_over_in_two_seconds_and_none_is_lost() -> None:
    """A rolling upgrade: the old process drains, the new one goes on with each call when its switch speaks."""

    async def scenario(here: Adopting) -> None:
        for _ in range(HELD):
            here.dead.call()
        await asyncio.sleep(0)
        here.dead.turn()
        calls = [(answer.message.dtid, answer.message.otid) for answer in here.dead.said]
        old = Adoption(
            here.held, OTHER, here.dead.node, here.dead.cap, here.faults.append, here.dead.cap.wall
        )
        began = time.process_time()
        await old.hand_over()
        assert time.process_time() - began < 2.0
        assert (len(here.dead.node.tcap), old.counts["handed-over"]) == (0, HELD)
        for first in range(0, HELD, 500):
            for otid, tid in calls[first : first + 500]:
                here.room.send(tcap.build_continue(otid, tid, b"", [report(E.O_DISCONNECT, 12)]))
            await asyncio.gather(*here.adoption._tasks)
        await asyncio.sleep(0)
        here.room.turn()
        assert (here.adoption.counts["adopted"], here.faults) == (HELD, [])
        ended = [answer.message.dtid for answer in here.room.said if answer.message.kind == tcap.END]
        assert ended == [otid for otid, _ in calls]
        assert await here.held.count() == 0

    run(scenario)


def test_a_store_that_fails_is_reported_and_costs_no_other_call() -> None:
    async def scenario(here: Adopting) -> None:
        otid = await here.call()

        async def fails(tid: bytes) -> None:
            raise StoreError("it is away")

        here.held.get = fails  # type: ignore[method-assign]
        await here.say(otid, report(E.O_ANSWER, 11))
        assert here.faults == ["it is away"]
        assert here.adoption._looking == {}
        assert here.room.cap.wall() > EPOCH

    run(scenario)


def test_a_store_that_is_too_slow_for_calls_is_reported_for_a_minute() -> None:
    async def scenario(here: Adopting) -> None:
        assert here.adoption._late() == ""
        here.held.put = lambda entry, due_ms, waiter: None  # type: ignore[method-assign]  # never told
        otid = here.room.call()
        here.room.advance(0.1)
        assert len(here.room.answers(otid)) == 1
        assert here.adoption._late().startswith("1 messages of held calls so far did not wait")
        here.room.advance(61.0)
        assert here.adoption._late() == ""

    run(scenario)
