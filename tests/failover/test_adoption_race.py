"""A guardian leaves a message of a call, or brings it, while another node adopts it: every order of their steps."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # held_room.py

from held_room import INSTANCE, report
from test_adoption import OTHER, Adopting
from test_relay import Members

from scp.failover import relay as relay_module
from scp.failover import takeover
from scp.failover.presence import NodeAddress
from scp.failover.relay import Relay
from scp.failover.takeover import Leaver
from ss7 import tcap
from ss7.cap.events import EventTypeBCSM as E
from ss7.cap.operations import Opcode

GUARDIAN, ADOPTER = "guardian", "adopter"
STEPS = {"get", "claim", "release"}
ORDERS = sorted(set(permutations([GUARDIAN] * 3 + [ADOPTER] * 2)))
"""The guardian looks, leaves and perhaps looks again; the adopter looks and claims."""


class Turns:
    """Lets one of several take its next step at a time, in a given order; those that are not in it follow."""

    def __init__(self, order: tuple[str, ...]) -> None:
        self._order: Iterator[str] = iter(order)
        self._next = next(self._order)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self.gone: set[str] = set()

    async def turn(self, who: str) -> None:
        while self._next not in ("", who):
            self._waiting[who] = asyncio.get_running_loop().create_future()
            await self._waiting[who]

    def done(self) -> None:
        """The step of whose turn it was is taken, or its owner takes no more."""
        self._next = next(self._order, "")
        while self._next in self.gone:
            self._next = next(self._order, "")
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    def leaves(self, who: str) -> None:
        self.gone.add(who)
        if self._next == who:
            self.done()


class InTurn:
    """A store of held calls as one of them sees it."""

    def __init__(self, store: Any, turns: Turns, who: str, *nodes: NodeAddress) -> None:
        self._store, self._turns, self._who = store, turns, who
        self.membership = Members(*nodes)

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._store, name)
        if name not in STEPS:
            return inner

        async def step(*args: Any) -> Any:
            await self._turns.turn(self._who)
            result = await inner(*args)
            self._turns.done()
            return result

        return step


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("order", ORDERS, ids=lambda each: "".join(who[0] for who in each))
def test_the_call_is_the_adopters_and_what_the_guardian_had_is_served_once_or_never(
    order: tuple[str, ...], links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def race() -> None:
        here = Adopting()
        otid = await here.call()
        tid = here.room.tid(otid)
        turns = Turns(order)
        store = here.held
        relay = Relay("secret", here.adoption)
        await relay.listen("127.0.0.1", 0)
        nodes = [NodeAddress(INSTANCE, "adopter", "127.0.0.1", relay.port, "secret")] if links else []
        monkeypatch.setattr(takeover, "open_held_calls", lambda url: InTurn(store, turns, GUARDIAN, *nodes))
        monkeypatch.setattr(relay_module, "BRING_SECONDS", 30 if links else 0.01)
        here.adoption._held = InTurn(store, turns, ADOPTER)  # type: ignore[assignment]
        refused: list[bytes] = []
        config = SimpleNamespace(
            store=SimpleNamespace(url=SimpleNamespace(reveal=str)), node=SimpleNamespace(instance=OTHER)
        )
        signalling = SimpleNamespace(
            tcap=SimpleNamespace(), refuse=lambda octets, path: refused.append(octets)
        )
        guardian = Leaver(config, signalling)  # type: ignore[arg-type]
        busy = tcap.build_continue(otid, tid, b"", [report(E.O_CALLED_PARTY_BUSY, 11)])
        guardian.stray(tid, busy, None)

        task = guardian._task
        assert task is not None

        async def leave() -> None:
            await task
            turns.leaves(GUARDIAN)

        async def adopt() -> None:
            here.room.send(tcap.build_continue(otid, tid, b"", [report(E.O_ANSWER, 12)]))
            await asyncio.gather(*here.adoption._tasks)
            turns.leaves(ADOPTER)

        await asyncio.wait_for(asyncio.gather(leave(), adopt()), 30)
        await asyncio.sleep(0)
        here.room.turn()
        here.adoption._held = store
        await here.sweep()
        # Left before the claim it is served, and the call rescued; else it is brought to the adopter, which has gone on.
        left = order.index(ADOPTER, order.index(ADOPTER) + 1) > order.index(
            GUARDIAN, order.index(GUARDIAN) + 1
        )
        entry = await store.get(tid)
        assert (entry is None) == (links and not left)  # it is over, if so
        assert entry is None or (entry.owner == INSTANCE and not entry.left)
        assert here.adoption.counts["adopted"] == 1
        assert not refused
        assert here.adoption.counts["brought"] == (links and not left)
        await guardian.close()
        await relay.close()
        said = [each.opcodes for each in here.room.answers(otid)][1:]
        rescued = [Opcode.REQUEST_REPORT_BCSM_EVENT, Opcode.CONNECT]
        assert said == (
            [rescued] if left else [[Opcode.CONTINUE]] if links else []
        )  # it has heard of an answer

    asyncio.run(race())
