"""Which nodes are running, kept by the Redis that they share, so that two that must not be alike find out.

The roll is a sorted set for each identity, ``PREFIX:nodes:IDENTITY``: who has it, by when he is struck out
unless he has signed again (milliseconds of the server's clock, so that no node's own matters). It is no
lock: nobody is kept from signing, and whoever signs sees who else is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, final

from scp.store.redis_errors import checked
from scp.store.redis_scripts import Script
from scp.store.redis_servers import with_script
from scp.store.redis_wire import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.store.redis_servers import Servers
    from scp.store.redis_wire import Reply

_NOW: Final = """\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
SIGN: Final = Script(
    _NOW
    + """\
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
"""
)
"""KEYS: the roll. ARGV: who signs, for how many milliseconds. Returns who is there, and until when."""
LOOK: Final = Script(_NOW + "return redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf', 'WITHSCORES')\n")
"""KEYS: the roll. Returns as `SIGN`, and changes nothing."""
STRIKE: Final = Script("return redis.call('ZREM', KEYS[1], ARGV[1])\n")
"""KEYS: the roll. ARGV: who is struck out. Returns how many were."""


class Signature(NamedTuple):
    """Who is on the roll, in his own words, and until when: milliseconds of the server's clock."""

    who: bytes
    until_ms: int


@final
class Roll:
    """The roll of one store's nodes. Every method raises `StoreError` where the servers can't be asked.

    It goes to the master without waiting for replicas: who is lost in a failover signs again.

    Args:
        servers: those of the store.
        prefix: of the store's keys.
    """

    def __init__(self, servers: Servers, prefix: str) -> None:
        self._servers = servers
        self._prefix = prefix

    async def sign(self, identity: str, who: bytes, for_ms: int) -> list[Signature]:
        """Sign for so long, and return all who have signed for this identity, oneself among them."""
        return _signatures(await self._run(SIGN, identity, who, for_ms))

    async def look(self, identity: str) -> list[Signature]:
        """Return all who have signed for this identity; writes nothing."""
        return _signatures(await self._run(LOOK, identity))

    async def strike(self, identity: str, who: bytes) -> None:
        """Strike a signature out, if it is there."""
        await self._run(STRIKE, identity, who)

    async def _run(self, script: Script, identity: str, *arguments: bytes | int) -> Reply:
        key = f"{self._prefix}:nodes:{identity}".encode()

        async def send(whole: bool) -> Reply:
            deployment = self._servers.opened
            request = Request(script.call((key,), arguments, whole=whole), deployment.redirect)
            deployment.link_of(key).up.send(request.octets, request)
            return checked(await request.future)

        return await with_script(send)


def _signatures(flat: Sequence[bytes]) -> list[Signature]:
    """Read what ZRANGE … WITHSCORES gives a script: members and scores by turns."""
    return [Signature(who, int(float(until))) for who, until in zip(flat[::2], flat[1::2], strict=True)]
