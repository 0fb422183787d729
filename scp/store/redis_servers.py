"""What a store and a ledger on Redis have in common: servers of some arrangement, and writes that last.

A write is **acknowledged** when the master has carried it out and ``acks`` replicas have it (WAIT): see
`scp.store.redis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from scp.ports import StoreError
from scp.store.redis_cluster import Cluster
from scp.store.redis_errors import checked
from scp.store.redis_single import Sentinel, Single
from scp.store.redis_url import Kind
from scp.store.redis_wire import Request, Write
from scp.store.redis_wire import pack as command

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    from scp.store.redis_link import Link
    from scp.store.redis_scripts import Script
    from scp.store.redis_single import Watchers
    from scp.store.redis_url import RedisUrl
    from scp.store.redis_wire import Command, Reply

Deployment: TypeAlias = Single | Cluster

_DEPLOYMENTS: Final[dict[Kind, Callable[..., Deployment]]] = {
    Kind.SINGLE: Single,
    Kind.SENTINEL: Sentinel,
    Kind.CLUSTER: Cluster,
}


@final
class Servers:
    """The servers behind a URL, while they are in use.

    Args:
        what: whose they are, for errors: "store".

    Attributes:
        deployment: how they are arranged; None before `begin` and after `close`.
    """

    def __init__(self, what: str) -> None:
        self.deployment: Deployment | None = None
        self._what = what
        self._state = "not open"

    def begin(self, url: RedisUrl, watchers: Watchers, first: tuple[Command, ...]) -> Deployment:
        """Return the arrangement that the URL wants, not started yet.

        Args:
            url: where, and how.
            watchers: who is told what happens.
            first: what is sent on every new connection for administration.

        Raises:
            StoreError: kind "config": TLS files can't be read.
        """
        self.deployment = _DEPLOYMENTS[url.kind](url, watchers, first)
        return self.deployment

    async def close(self) -> None:
        """Let what was begun be answered, then hang up."""
        deployment, self.deployment = self.deployment, None
        self._state = "closed"
        if deployment is not None:
            await deployment.close()

    @property
    def opened(self) -> Deployment:
        """The deployment; raises `StoreError` (kind "closed") while there is none."""
        if self.deployment is None:
            raise self.closed
        return self.deployment

    @property
    def closed(self) -> StoreError:
        """The error of who asks while there is no deployment."""
        return StoreError(f"redis: the {self._what} is {self._state}", "closed")

    def trouble(self) -> StoreError | None:
        """Return why something can't work now, None if all can."""
        return self.closed if self.deployment is None else self.deployment.trouble()

    # --- what is asked of them ---

    def request(self, link: Link, words: Command) -> asyncio.Future[Reply]:
        """Send a command now; the future's result may be an error that has to be `checked`."""
        octets = command(words)
        made = Request(octets, self.opened.redirect)
        try:
            link.up.send(octets, made)
        except StoreError as error:
            made.fail(error)
        return made.future

    async def write(self, link: Link, octets: bytes) -> Reply:
        """Send a write, and return its reply when it is acknowledged; raises `StoreError`."""
        write = Write(octets, self.opened.redirect)
        link.up.write(octets, write)
        try:
            return checked(await write.future)
        except StoreError as error:
            if error.kind == "read-only" and self.deployment is not None:
                self.deployment.outdated(str(error))
            raise

    async def run(
        self, link: Link, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]
    ) -> Reply:
        """Call a script; return and raise as `write`."""
        return await with_script(lambda whole: self.write(link, script.call(keys, arguments, whole=whole)))


async def with_script(send: Callable[[bool], Awaitable[Any]]) -> Any:
    """Call a script by its digest, by its ``whole`` text if the server has lost it (SCRIPT FLUSH)."""
    try:
        return await send(False)
    except StoreError as error:
        if error.kind != "no-script":
            raise
    return await send(True)
