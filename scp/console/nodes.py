"""The nodes on one Redis, side by side: each tells the others how it is, and knows when one is gone.

Every `RENEW` seconds a node enters its state into the Redis that they share (`scp.store.redis_membership`),
and reads the others'. An entry lasts `EXPIRES_MS`: a node that is killed, hangs, or can't reach Redis is gone
for the others after that, within 2 s as a console shows it. One that stops says so, which lasts
`STOPPED_MS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from scp.common.tasks import end_tasks
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.store.redis_membership import Member, Membership

RENEW: Final = 0.5
EXPIRES_MS: Final = 1_200
STOPPED_MS: Final = 600_000
STOP_SECONDS: Final = 1.0
"""What saying so may take."""
MOST: Final = 256
"""Nodes that are remembered."""
IDENTITY: Final = "console"
STOPPED: Final = "stopped"
GONE: Final = "gone"
OWN: Final = "self"
HERE: Final = "here"


class NodeState(Struct, frozen=True):
    """How a node is, as it says itself.

    ``status`` is pass, warn, fail or stopped; ``calls`` and ``failed`` count since ``started_ms``;
    ``time_ms`` is its clock's time of this.
    """

    name: str
    instance: int
    url: str
    version: str
    status: str
    why_not_ready: tuple[str, ...]
    calls: int
    failed: int
    dialogues_open: int
    overload_level: int
    started_ms: int
    time_ms: int


class NodeView(Struct, frozen=True):
    """A node beside others: ``presence`` is self, here, stopped or gone, ``since_ms`` since when."""

    state: NodeState
    presence: str
    since_ms: int


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(NodeState).decode


@final
class Nodes:
    """This node among the others.

    Args:
        membership: of the nodes that share the store; None: there can be no others.
        me: returns this node's state.
        wall: seconds since 1970.

    Attributes:
        revision: grows when a node has come, stopped, or gone.
        trouble: why the others can't be asked; "" while they can.
    """

    def __init__(
        self,
        membership: Membership | None,
        me: Callable[[], NodeState],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.revision = 0
        self.trouble = ""
        self._membership = membership
        self._me = me
        self._wall = wall
        self._others: dict[tuple[str, int], NodeView] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tell and to look; the store may be unreachable for now."""
        if self._membership is not None:
            self._task = asyncio.create_task(self._renew_for_ever(self._membership))

    async def stop(self) -> None:
        """Say that this node has stopped."""
        if self._task is None or self._membership is None:
            return
        await end_tasks(self._task)
        self._task = None
        last = replace(self._me(), status=STOPPED, time_ms=int(self._wall() * 1000))
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._membership.renew(IDENTITY, _encode(last), STOPPED_MS)

    def views(self) -> tuple[NodeView, ...]:
        """Return this node and the others, by name; this one alone where there can be no others."""
        me = self._me()
        others = sorted(self._others.values(), key=lambda each: (each.state.name, each.state.instance))
        return (NodeView(me, OWN, me.started_ms), *others)

    async def _renew_for_ever(self, membership: Membership) -> None:
        while True:
            me = self._me()
            try:
                members = await membership.renew(IDENTITY, _encode(me), EXPIRES_MS)
            except StoreError as error:
                self.trouble = str(error)
            else:
                self.trouble = ""
                self.take(members, me)
            await asyncio.sleep(RENEW)

    def take(self, members: list[Member], me: NodeState) -> None:
        """Take what Redis has: of each node the latest that it said; who is not there any more is gone."""
        now = int(self._wall() * 1000)
        latest: dict[tuple[str, int], NodeState] = {}
        for member in members:
            with contextlib.suppress(msgspec.MsgspecError):
                said = _decode(member.node)
                key = said.name, said.instance
                if key != (me.name, me.instance) and said.time_ms >= getattr(latest.get(key), "time_ms", 0):
                    latest[key] = said
        for key in latest.keys() | self._others.keys():
            known = self._others.get(key)
            state = latest.get(key)
            if state is None:
                assert known is not None
                presence = STOPPED if known.presence == STOPPED else GONE
                state = known.state
            else:
                presence = STOPPED if state.status == STOPPED else HERE
            changed = known is None or known.presence != presence
            self.revision += changed
            self._others[key] = NodeView(state, presence, now if changed or known is None else known.since_ms)
        while len(self._others) > MOST:
            del self._others[min(self._others, key=lambda each: self._others[each].state.time_ms)]
