"""The latest changes through the API of all nodes that share a Redis: a stream, ``PREFIX:changes``.

It is bounded by its length, and written to the master without waiting for replicas: the change itself is
acknowledged, what is told of it may be lost in a failover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from scp.store.redis_errors import answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.store.redis_client import Client

_ADD: Final = """\
for at = 2, #ARGV do redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'c', ARGV[at]) end
return #ARGV - 1
"""
"""KEYS: the stream. ARGV: entries that are kept at the least, then entries."""
_READ: Final = "return redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])\n"
"""KEYS: the stream. ARGV: the id to begin with, entries at the most."""
FIRST: Final = b"-"


@final
class RedisChanges:
    """The stream. Every method raises `StoreError` where the servers can't be asked.

    Args:
        client: of the store.
        prefix: of the store's keys.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._add = client.script(_ADD)
        self._read = client.script(_READ)
        self._key = f"{prefix}:changes".encode()

    async def add(self, entries: Sequence[bytes], kept: int) -> None:
        """Append entries; about the latest ``kept`` stay."""
        await answered(self._add([self._key], [kept, *entries]))

    async def after(self, last: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """Return (id, entry) of those behind the id ``last`` (`FIRST`: all), oldest first, ``most`` at most.

        The range begins with ``last`` itself, which is left out: servers know no open range before 6.2.
        """
        found: list[Any] = await answered(self._read([self._key], [last, most + 1]))
        return [(its_id, fields[1]) for its_id, fields in found if its_id != last][:most]
