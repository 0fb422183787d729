"""One master: of stand-alone Redis, of a slot of a cluster, or the one that sentinels name.

Lookups have a connection of their own, so that a bulk load or a WAIT for replicas delays no call.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any, Final, final

import redis.observability.recorder  # noqa: F401 - a pool that is reset imports it, in the event loop
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool
from redis.asyncio.sentinel import Sentinel as RedisSentinel
from redis.exceptions import RedisError

from scp.store.redis_client import SentinelConnection, SentinelTlsConnection, ServerClient
from scp.store.redis_lookup import READONLY, TRACKING, LookupLink, dial
from scp.store.redis_url import Address, Kind

if TYPE_CHECKING:
    from redis.asyncio import Connection

    from scp.store.redis_lookup import Watchers
    from scp.store.redis_url import RedisUrl

DISCOVERY_SECONDS: Final = 0.5
"""How long sentinels have to name a master."""
LISTEN_PAUSE: Final = 0.5
"""Seconds after which a lost subscription at a sentinel is tried again."""


class Server:
    """A master, and its replicas where the URL lets them answer lookups.

    Args:
        url: how to use it.
        options: of connections to it and to its replicas.
        pool: connections to the master.
        watchers: told what happens to the link.

    Attributes:
        link: for lookups.
        client: for commands.
        writes: for commands whose replies count once replicas have what led to them.
    """

    def __init__(
        self, url: RedisUrl, options: dict[str, Any], pool: ConnectionPool, watchers: Watchers
    ) -> None:
        self._url = url
        self._options = options
        self._pool = pool
        self.link = LookupLink(self._dial, watchers)
        self.client = ServerClient(pool)
        self.writes = ServerClient(pool, url.replicas_to_wait_for, url.ack_ms)

    def start(self) -> None:
        """Take commands, and connect for lookups."""
        self.client.closed = self.writes.closed = ""
        self.link.start()

    async def close(self) -> None:
        """Let commands be answered, then hang up."""
        await self.writes.close()
        await self.client.close()
        await self.link.close()
        await self._pool.aclose()

    async def _dial(self) -> Connection:
        """Connect for lookups: to a replica where the URL lets replicas answer, else to the master."""
        tracking = [TRACKING] if self._url.cached else []
        readonly = [READONLY] if self._url.kind is Kind.CLUSTER else []
        for host, port in await self._replicas():
            replica = ConnectionPool(host=host, port=port, **self._options).make_connection()
            with contextlib.suppress(RedisError, OSError):
                return await dial(replica, *readonly, *tracking)
        master = self._url.kind is Kind.SENTINEL
        return await dial(self._pool.make_connection(), *tracking, master=master)

    async def _replicas(self) -> list[Address]:
        """Return the replicas that may answer and that the master has connected, in random order."""
        if not self._url.replicas:
            return []
        role = await self.client.execute_command("ROLE")
        replicas = [Address(host.decode(), int(port)) for host, port, _offset in role[2]]
        random.shuffle(replicas)
        return replicas


@final
class SentinelQuorum(RedisSentinel):
    """Asks all sentinels; the newest configuration counts (the highest ``config-epoch``).

    So it does between the sentinels: one that a partition has left behind can't send us to the old master.
    redis-py takes the word of the first that answers.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the master's host and port; raises `MasterNotFoundError`."""
        asked = [asyncio.ensure_future(_newest(sentinel, service_name)) for sentinel in self.sentinels]
        done, late = await asyncio.wait(asked, timeout=DISCOVERY_SECONDS)
        for task in late:
            task.cancel()
        answers = [answer for task in done if isinstance(answer := task.result(), tuple)]
        if not answers:
            reasons = [str(task.result()) for task in done] or ["no answer"]
            raise MasterNotFoundError(f"no sentinel names a master: {reasons[0]}")
        return max(answers)[1]


async def _newest(sentinel: Redis, service: str) -> tuple[int, Address] | Exception:
    """Return the configuration epoch and the master as one sentinel has them, or why it does not say."""
    try:
        state = await sentinel.execute_command("SENTINEL MASTER", service)
    except (RedisError, OSError) as error:
        return error
    return state["config-epoch"], Address(state["ip"], state["port"])


@final
class SentinelServer(Server):
    """The master that sentinels name, and the next one after a failover.

    What the sentinels publish (``+switch-master``) and every lost connection makes us ask them again.
    """

    def __init__(self, url: RedisUrl, options: dict[str, Any], watchers: Watchers) -> None:
        sentinels = options | {
            "username": url.sentinel_user or None,
            "password": url.sentinel_password or None,
            "db": 0,
        }
        self._sentinels = SentinelQuorum([])  # type: ignore[no-untyped-call]
        self._sentinels.sentinels = [
            Redis.from_pool(ConnectionPool(host=host, port=port, **sentinels)) for host, port in url.hosts
        ]
        kind = SentinelTlsConnection if url.tls else SentinelConnection
        self._named = SentinelConnectionPool(
            url.service, self._sentinels, **options | {"connection_class": kind}
        )
        self._listeners: list[asyncio.Task[None]] = []
        super().__init__(url, options, self._named, watchers)

    def start(self) -> None:
        """Listen to the sentinels, and connect to the master."""
        self._listeners = [asyncio.create_task(self._listen(each)) for each in self._sentinels.sentinels]
        super().start()

    async def close(self) -> None:
        """Hang up everywhere."""
        for task in self._listeners:
            task.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        await super().close()
        await asyncio.gather(*(sentinel.aclose() for sentinel in self._sentinels.sentinels))

    async def _listen(self, sentinel: Redis) -> None:
        """Dial again when a sentinel publishes that another server is the master: SERVICE OLD NEW."""
        service = self._url.service.encode()
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with sentinel.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe("+switch-master")
                    async for message in channel.listen():
                        if message["data"].split(b" ")[0] == service:
                            self.link.drop("the sentinels have made another server the master")
            await asyncio.sleep(LISTEN_PAUSE)

    async def _replicas(self) -> list[Address]:
        await self._named.get_master_address()  # connections to the last master are closed
        return await super()._replicas()
