"""Which nodes are running, kept in the Redis that they share, so that nodes with one identity are noticed.

For each identity there is a sorted set, ``PREFIX:nodes:IDENTITY``: its members are the nodes that have it,
their scores say when each entry expires unless it is renewed (milliseconds of the server's clock, so that the
nodes' own clocks do not matter). It is no lock: every node may enter, and sees which others are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from scp.store.redis_errors import answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.commands.core import AsyncScript

    from scp.store.redis_client import Client

_NOW: Final = """\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
RENEW: Final = (
    _NOW
    + """\
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
"""
)
"""KEYS: the identity's set. ARGV: the node, for how many milliseconds. Returns members and times."""
LOOK: Final = _NOW + "return redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf', 'WITHSCORES')\n"
"""KEYS: the identity's set. Returns as `RENEW`, and changes nothing."""
REMOVE: Final = "return redis.call('ZREM', KEYS[1], ARGV[1])\n"
"""KEYS: the identity's set. ARGV: the node. Returns how many entries were removed."""


class Member(NamedTuple):
    """A node, as it describes itself, and until when its entry lasts: milliseconds of the server's clock."""

    node: bytes
    until_ms: int


@final
class Membership:
    """The nodes that share one store. Every method raises `StoreError` where the servers can't be asked.

    It is written to the master without waiting for replicas: an entry lost in a failover is renewed.

    Args:
        client: of the store.
        prefix: of the store's keys.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._renew = client.script(RENEW)
        self._look = client.script(LOOK)
        self._remove = client.script(REMOVE)
        self._prefix = prefix

    async def renew(self, identity: str, node: bytes, for_ms: int) -> list[Member]:
        """Enter ``node`` for so long; return all members with this identity, ``node`` among them."""
        return _members(await self._run(self._renew, identity, node, for_ms))

    async def look(self, identity: str) -> list[Member]:
        """Return all members with this identity; writes nothing."""
        return _members(await self._run(self._look, identity))

    async def remove(self, identity: str, node: bytes) -> None:
        """Remove a node's entry, if there is one."""
        await self._run(self._remove, identity, node)

    async def _run(self, script: AsyncScript, identity: str, *arguments: bytes | int) -> Any:
        return await answered(script([f"{self._prefix}:nodes:{identity}".encode()], arguments))


def _members(flat: Sequence[bytes]) -> list[Member]:
    """Read what ZRANGE … WITHSCORES gives a script: members and scores by turns."""
    return [Member(node, int(float(until))) for node, until in zip(flat[::2], flat[1::2], strict=True)]
