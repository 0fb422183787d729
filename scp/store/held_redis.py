"""Held calls in Redis, which the nodes share: single, behind Sentinel, or a Cluster.

Sixteen buckets, chosen by the transaction id's last four bits; the keys of one share a hash tag, so that in a
cluster one script changes them at once::

    {PREFIX:h:X}:calls      hash        transaction id → fencing number, owner, time, record
    {PREFIX:h:X}:when       sorted set  of slots of time (`scp.store.redis_slots`), and for each
    {PREFIX:h:X}:when:SLOT  list        transaction ids by when somebody has to look after the call
    {PREFIX:h:X}:left       hash        transaction id → messages that no node has served

Writes go as lookups do (`scp.store.redis_lookup`): those of one turn share a system call, and cost 2 µs each
in place of redis-py's 15. They do not wait for replicas: what a failover loses is the record of a call whose
node is alive and writes it again with the call's next step.
"""

from __future__ import annotations

import asyncio
import time
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, final

from scp.held_call_ports import HeldEntry, Kept
from scp.store.held_rows import FENCE_KEPT_MS, framed, unframed
from scp.store.held_scripts import CLAIM, DELETE, DUE, HEAD, PUT, RELEASE
from scp.store.redis_backed import RedisBacked
from scp.store.redis_errors import answered, run_script
from scp.store.redis_hot import HotCall, HotCalls, HotScript
from scp.store.redis_membership import Membership

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

    from scp.held_call_ports import KeptWaiter
    from scp.store.redis_requests import Reply
    from scp.store.redis_url import RedisUrl

BUCKETS: Final = 16
_HEAD: Final = Struct(">IHHI")  # the time in 2 and 4 octets
_OWNER: Final = Struct(">IH")
_LOW: Final = (1 << 32) - 1
_ONE: Final = 1
# In Python 3.11 a member looked up through its class costs ten times what a global does.
_WRITTEN: Final = Kept.WRITTEN
_FENCED: Final = Kept.FENCED


@final
class _Change(HotCall):
    """A change of a record on its way."""

    __slots__ = ("waiter",)

    def __init__(
        self, calls: HotCalls, script: HotScript, bucket: int, octets: bytes, waiter: KeptWaiter
    ) -> None:
        super().__init__(calls, script, bucket, octets)
        self.waiter = waiter

    def answered(self, value: Reply) -> None:
        """Tell what came of it."""
        self.waiter.kept(_WRITTEN if value == _ONE else _FENCED)

    def failed(self, error: str) -> None:  # noqa: ARG002 - the store's own questions tell it
        """Tell that it failed."""
        self.waiter.kept(Kept.FAILED)

    def lost(self) -> None:
        """Tell that nothing will come."""
        self.waiter.kept(Kept.FAILED)


@final
class RedisHeldCalls(RedisBacked):
    """`scp.held_call_ports.HeldCalls` on Redis 6 or later. Use it from one event loop.

    Args:
        url: where, and how.

    Attributes:
        membership: the nodes that share it.
    """

    def __init__(self, url: RedisUrl) -> None:
        super().__init__(url)
        self._calls = HotCalls(self._deployment, url.in_flight)
        tags = [f"{{{url.prefix}:h:{number:x}}}" for number in range(BUCKETS)]
        self._keys = [(f"{t}:calls".encode(), f"{t}:when".encode(), f"{t}:left".encode()) for t in tags]
        self._put = HotScript(PUT, 3, 2)
        self._delete = HotScript(DELETE, 3, 2)
        self._puts = [self._put.with_keys(keys) for keys in self._keys]
        self._deletes = [self._delete.with_keys(keys) for keys in self._keys]
        client = self._deployment.client
        self.membership = Membership(client, url.prefix)
        self._claim = client.script(CLAIM)
        self._release = client.script(RELEASE)
        self._due = client.script(DUE)

    def _connected(self) -> None:
        self._deployment.spread([calls for calls, _, _ in self._keys])

    # --- the call path ---

    def put(self, entry: HeldEntry, due_ms: int, waiter: KeptWaiter) -> None:
        """See `scp.held_call_ports.HeldCalls`."""
        tid, fence, owner, record, _ = entry
        octets = b"%b$4\r\n%b\r\n$%d\r\n%b%b\r\n" % (
            self._puts[tid[3] & 15],
            tid,
            HEAD + len(record),
            _HEAD.pack(fence, owner, due_ms >> 32, due_ms & _LOW),
            record,
        )
        self._send(_Change(self._calls, self._put, tid[3] & 15, octets, waiter))

    def delete(self, tid: bytes, fence: int, owner: int, waiter: KeptWaiter) -> None:
        """See `scp.held_call_ports.HeldCalls`."""
        until = int(time.time() * 1000) + FENCE_KEPT_MS
        octets = b"%b$4\r\n%b\r\n$12\r\n%b\r\n" % (
            self._deletes[tid[3] & 15],
            tid,
            _HEAD.pack(fence, owner, until >> 32, until & _LOW),
        )
        self._send(_Change(self._calls, self._delete, tid[3] & 15, octets, waiter))

    def _send(self, change: _Change) -> None:
        if not self._calls.send(change):
            asyncio.get_running_loop().call_soon(change.lost)

    # --- taking calls over ---

    async def get(self, tid: bytes) -> HeldEntry | None:
        """See `scp.held_call_ports.HeldCalls`."""
        calls, _, _ = self._keys[tid[3] & 15]
        value = await answered(self._deployment.client.execute_command("HGET", calls, tid))
        return None if value is None or len(value) == HEAD else _entry(tid, value)

    async def claim(self, tid: bytes, fence: int, owner: int) -> HeldEntry | None:
        """See `scp.held_call_ports.HeldCalls`."""
        found = await self._run(self._claim, tid, tid, fence, owner)
        if found is None:
            return None
        value, left = found
        return _entry(tid, value, left)

    async def release(self, tid: bytes, fence: int, owner: int, message: bytes = b"") -> bool:
        """See `scp.held_call_ports.HeldCalls`."""
        left = framed(message) if message else b""
        return bool(await self._run(self._release, tid, tid, _OWNER.pack(fence, owner), left))

    async def leave(self, tid: bytes, message: bytes) -> bool:
        """See `scp.held_call_ports.HeldCalls`."""
        return bool(await self._run(self._release, tid, tid, b"", framed(message)))

    async def due(self, now_ms: int, most: int) -> list[HeldEntry]:
        """See `scp.held_call_ports.HeldCalls`."""
        found = await asyncio.gather(*(run_script(self._due, keys, [now_ms, most]) for keys in self._keys))
        entries = [
            _entry(tid, value) for flat in found for tid, value in zip(flat[::2], flat[1::2], strict=True)
        ]
        return entries[:most]

    async def ids(self, instance: int) -> list[bytes]:
        """See `scp.held_call_ports.HeldCalls`; deleted entries whose fencing number stays are among them."""
        found = await self._ask_all("HKEYS")
        return [tid for tids in found for tid in tids if tid[0] == instance]

    async def count(self) -> int:
        """See `scp.held_call_ports.HeldCalls`; likewise."""
        return sum(await self._ask_all("HLEN"))

    async def _ask_all(self, verb: str) -> list[Any]:
        client = self._deployment.client
        return await asyncio.gather(
            *(answered(client.execute_command(verb, calls)) for calls, _, _ in self._keys)
        )

    async def _run(self, script: AsyncScript, tid: bytes, *arguments: bytes | int) -> Any:
        return await answered(script(list(self._keys[tid[3] & 15]), list(arguments)))


def _entry(tid: bytes, value: bytes, left: bytes = b"") -> HeldEntry:
    fence, owner = _OWNER.unpack_from(value)
    return HeldEntry(tid, fence, owner, value[HEAD:], tuple(unframed(left)))
