"""What the stores in Redis beside that of subscribers share: connecting, and why they can't be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from scp.ports import TRANSIENT
from scp.store.redis_deployment import deployment_of
from scp.store.redis_lookup import Watchers

if TYPE_CHECKING:
    from scp.store.redis_url import RedisUrl


class RedisBacked:
    """Whose data are in Redis. Every answer comes from a master, and from Redis itself.

    Args:
        url: of a subscriber store; replicas and cache are left out.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._deployment = deployment_of(structs.replace(url, cached=False, replicas=False), Watchers())
        self._opened = False

    async def open(self) -> None:
        """Connect. As with the subscriber store, one that can't be reached now is tried again and again."""
        if self._opened:
            return
        self._opened = True
        await self._deployment.start()
        self._connected()
        trouble = self._deployment.trouble()
        if trouble is not None:
            if trouble.kind not in TRANSIENT:
                await self.close()
            raise trouble

    async def close(self) -> None:
        """Let what was begun be answered, then hang up."""
        self._opened = False
        await self._deployment.close()

    def usable(self) -> str:
        """Return "" or why not."""
        trouble = self._deployment.trouble()
        return "" if trouble is None else str(trouble)

    def _connected(self) -> None:
        """Do what comes between connecting and the first question."""
