"""Which nodes that share held calls are running, and where each takes messages of its calls.

Every node renews an entry in the Redis that they share (`scp.store.redis_membership`), and reads the others'
with it. An entry that is not renewed expires after `EXPIRES_MS`. Until then a killed node may look alive,
which delays no message: its socket is closed (`scp.failover.relay`), and its guardian has left what it had
read (`scp.failover.takeover`).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, final

import msgspec
from msgspec import Struct

from scp.common.tasks import end_tasks
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scp.store.redis_membership import Member, Membership

RENEW_SECONDS: Final = 1.0
EXPIRES_MS: Final = 5_000
IDENTITY: Final = "held"


class NodeAddress(Struct, frozen=True):
    """A running node.

    Attributes:
        instance: first octet of its transaction ids.
        name: for people.
        host: where it takes messages of its calls; "": nowhere.
        port: likewise.
        token: that a node has to show there.
    """

    instance: int
    name: str
    host: str
    port: int
    token: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(NodeAddress).decode


def addresses(members: Iterable[Member]) -> dict[int, NodeAddress]:
    """Return the nodes among members, by instance; of two processes with one instance the later one."""
    found: dict[int, NodeAddress] = {}
    for member in sorted(members, key=lambda each: each.until_ms):
        with contextlib.suppress(msgspec.MsgspecError):
            node = _decode(member.node)
            found[node.instance] = node
    return found


@final
class Presence:
    """Renews this node's entry, and knows the others.

    Args:
        membership: of the nodes that share the store.
        me: this node.
        changed: called when another node has come or gone.

    Attributes:
        nodes: the others, by instance. What was known stays while the store can't be asked.
    """

    def __init__(self, membership: Membership, me: NodeAddress, changed: Callable[[], None]) -> None:
        self.nodes: dict[int, NodeAddress] = {}
        self.me = me
        self._membership = membership
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Enter this node once, then begin to renew; the store may be unreachable for now."""
        with contextlib.suppress(StoreError):
            await self._renew()
        self._task = asyncio.create_task(self._renew_for_ever())

    async def stop(self) -> None:
        """Renew no more and remove the entry: what the node served is everybody's."""
        if self._task is None:
            return
        await end_tasks(self._task)
        self._task = None
        with contextlib.suppress(StoreError):
            await self._membership.remove(IDENTITY, _encode(self.me))

    def alive(self, instance: int) -> bool:
        """Whether another node with this instance is running, as far as one knows."""
        return instance in self.nodes

    async def _renew(self) -> None:
        found = addresses(await self._membership.renew(IDENTITY, _encode(self.me), EXPIRES_MS))
        found.pop(self.me.instance, None)
        if found != self.nodes:
            self.nodes = found
            self._changed()

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(StoreError):
                await self._renew()
