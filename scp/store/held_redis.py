"""Held calls in Redis, which the nodes share: single, behind Sentinel, or a Cluster.

Sixteen buckets, chosen by the transaction id's last four bits; the keys of one share a hash tag, so that in a
cluster one script changes them at once::

    {PREFIX:h:X}:calls   hash        transaction id → owner, fencing number, record
    {PREFIX:h:X}:due     sorted set  transaction id → when somebody has to look after the call
    {PREFIX:h:X}:left    hash        transaction id → messages that no node has served

Writes go as lookups do (`scp.store.redis_lookup`): those of one turn share a system call, and cost 2 µs each
in place of redis-py's 15. They do not wait for replicas: what a failover loses is the record of a call whose
node is alive and writes it again with the call's next step.
"""

from __future__ import annotations

import asyncio
import time
from hashlib import sha1
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, final

import hiredis

from scp.ports import HeldEntry, Kept
from scp.store.held_rows import framed, unframed
from scp.store.held_scripts import CLAIM, DELETE, DUE, HEAD, PUT, RELEASE
from scp.store.redis_backed import RedisBacked
from scp.store.redis_errors import answered
from scp.store.redis_lookup import Lookup

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.commands.core import AsyncScript

    from scp.ports import KeptWaiter
    from scp.store.redis_lookup import Reply
    from scp.store.redis_url import RedisUrl

BUCKETS: Final = 16
_HEAD: Final = Struct(">IH")
_ONE: Final = 1


@final
class _Change(Lookup):
    """A script call on its way."""

    __slots__ = ("script", "store", "tid", "waiter")

    def __init__(
        self, store: RedisHeldCalls, script: _HotScript, tid: bytes, octets: bytes, waiter: KeptWaiter
    ) -> None:
        self.store = store
        self.script = script
        self.octets = octets
        self.redirects = 0
        self.tid = tid
        self.waiter = waiter

    def reply(self, value: Reply) -> None:
        """Tell what came of it."""
        if type(value) is int:
            self.waiter.kept(Kept.WRITTEN if value == _ONE else Kept.FENCED)
            return
        if isinstance(value, hiredis.ReplyError) and self.store.again(self, str(value)):
            return
        self.lost()

    def lost(self) -> None:
        """Tell that nothing will come."""
        self.waiter.kept(Kept.FAILED)


@final
class _HotScript:
    """A script of three keys, as octets: what comes before and between its arguments."""

    def __init__(self, text: str, arguments: int, keys: list[tuple[bytes, bytes, bytes]]) -> None:
        digest = sha1(text.encode(), usedforsecurity=False).hexdigest().encode()
        self.call = b"$7\r\nEVALSHA\r\n$40\r\n" + digest + b"\r\n"
        self.whole = b"$4\r\nEVAL\r\n$%d\r\n%b\r\n" % (len(text.encode()), text.encode())
        words = 3 + 3 + arguments
        self.heads = [
            b"*%d\r\n" % words
            + self.call
            + b"$1\r\n3\r\n"
            + b"".join(b"$%d\r\n%b\r\n" % (len(key), key) for key in bucket)
            for bucket in keys
        ]


@final
class RedisHeldCalls(RedisBacked):
    """`scp.ports.HeldCalls` on Redis 6 or later. Use it from one event loop.

    Args:
        url: where, and how.
        clock: seconds since 1970.
    """

    def __init__(self, url: RedisUrl, clock: Callable[[], float] = time.time) -> None:
        super().__init__(url)
        self._clock = clock
        self._most = url.in_flight
        tags = [f"{{{url.prefix}:h:{number:x}}}" for number in range(BUCKETS)]
        self._keys = [(f"{t}:calls".encode(), f"{t}:due".encode(), f"{t}:left".encode()) for t in tags]
        self._put = _HotScript(PUT, 3, self._keys)
        self._delete = _HotScript(DELETE, 3, self._keys)
        client = self._deployment.client
        self._claim = client.script(CLAIM)
        self._release = client.script(RELEASE)
        self._due = client.script(DUE)

    def _connected(self) -> None:
        self._deployment.spread([calls for calls, _, _ in self._keys])

    # --- the call path ---

    def put(self, entry: HeldEntry, due_ms: int, waiter: KeptWaiter) -> None:
        """See `scp.ports.HeldCalls`."""
        tid, fence, owner, record, _ = entry
        octets = b"%b$4\r\n%b\r\n$%d\r\n%b%b\r\n$13\r\n%013d\r\n" % (
            self._put.heads[tid[3] & 15],
            tid,
            HEAD + len(record),
            _HEAD.pack(fence, owner),
            record,
            due_ms,
        )
        self._send(_Change(self, self._put, tid, octets, waiter))

    def delete(self, tid: bytes, fence: int, owner: int, waiter: KeptWaiter) -> None:
        """See `scp.ports.HeldCalls`."""
        octets = b"%b$4\r\n%b\r\n$6\r\n%b\r\n$13\r\n%013d\r\n" % (
            self._delete.heads[tid[3] & 15],
            tid,
            _HEAD.pack(fence, owner),
            int(self._clock() * 1000),
        )
        self._send(_Change(self, self._delete, tid, octets, waiter))

    def _send(self, change: _Change) -> None:
        links = self._deployment.links
        connection = links[change.tid[3] & 15].connection if links else None
        if connection is None or len(connection.pending) >= self._most:
            asyncio.get_running_loop().call_soon(change.lost)
        else:
            connection.send(change.octets, change)

    def again(self, change: _Change, error: str) -> bool:
        """Follow a redirection, or send the script's text to a server that does not have it; else False."""
        script = change.script
        if error.startswith("NOSCRIPT") and script.call in change.octets:
            change.octets = change.octets.replace(script.call, script.whole, 1)
            self._send(change)
            return True
        return self._deployment.redirect(change, error)

    # --- taking calls over ---

    async def get(self, tid: bytes) -> HeldEntry | None:
        """See `scp.ports.HeldCalls`."""
        calls, _, _ = self._keys[tid[3] & 15]
        value = await answered(self._deployment.client.execute_command("HGET", calls, tid))
        return None if value is None or len(value) == HEAD else _entry(tid, value)

    async def claim(self, tid: bytes, fence: int, owner: int) -> HeldEntry | None:
        """See `scp.ports.HeldCalls`."""
        found = await self._run(self._claim, tid, tid, fence, owner)
        if found is None:
            return None
        value, left = found
        return _entry(tid, value, left)

    async def release(self, tid: bytes, fence: int, owner: int, message: bytes = b"") -> bool:
        """See `scp.ports.HeldCalls`."""
        left = framed(message) if message else b""
        return bool(await self._run(self._release, tid, tid, _HEAD.pack(fence, owner), left))

    async def leave(self, tid: bytes, message: bytes) -> bool:
        """See `scp.ports.HeldCalls`."""
        return bool(await self._run(self._release, tid, tid, b"", framed(message)))

    async def due(self, now_ms: int, most: int) -> list[HeldEntry]:
        """See `scp.ports.HeldCalls`."""
        found = await asyncio.gather(*(answered(self._due(keys, [now_ms, most])) for keys in self._keys))
        entries = [
            _entry(tid, value) for flat in found for tid, value in zip(flat[::2], flat[1::2], strict=True)
        ]
        return entries[:most]

    async def ids(self, instance: int) -> list[bytes]:
        """See `scp.ports.HeldCalls`; deleted entries whose fencing number stays are among them."""
        found = await self._ask_all("HKEYS")
        return [tid for tids in found for tid in tids if tid[0] == instance]

    async def count(self) -> int:
        """See `scp.ports.HeldCalls`; likewise."""
        return sum(await self._ask_all("HLEN"))

    async def _ask_all(self, verb: str) -> list[Any]:
        client = self._deployment.client
        return await asyncio.gather(
            *(answered(client.execute_command(verb, calls)) for calls, _, _ in self._keys)
        )

    async def _run(self, script: AsyncScript, tid: bytes, *arguments: bytes | int) -> Any:
        return await answered(script(list(self._keys[tid[3] & 15]), list(arguments)))


def _entry(tid: bytes, value: bytes, left: bytes = b"") -> HeldEntry:
    fence, owner = _HEAD.unpack_from(value)
    return HeldEntry(tid, fence, owner, value[HEAD:], tuple(unframed(left)))
