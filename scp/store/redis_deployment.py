"""Where the records are: every bucket is a key, every key has a slot, every slot a master.

In a Redis Cluster redis-py reads the map of slots: at the start, when a node says MOVED and when a connection
is lost. Until then MOVED and ASK are followed, so that a slot's move costs its lookups a second round trip
and nothing else (Redis Cluster specification, "MOVED Redirection", "ASK redirection"). They are followed
here: redis-py 8.1 may send ASKING over one connection and the command over another. Elsewhere one server is
the master of all slots.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from redis.asyncio import ConnectionPool
from redis.asyncio.cluster import ClusterNode, NodesManager
from redis.cluster import get_node_name
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError

from scp.common.tasks import end_tasks
from scp.ports import StoreError
from scp.store.redis_client import ANSWER_SECONDS, Client, ServerClient, connection_options
from scp.store.redis_errors import answered
from scp.store.redis_lookup import ASKING, LookupLink
from scp.store.redis_server import SentinelServer, Server
from scp.store.redis_url import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Connection

    from scp.store.redis_lookup import Watchers
    from scp.store.redis_requests import Lookup
    from scp.store.redis_url import RedisUrl

SLOTS: Final = 16_384
REFRESH_PAUSE: Final = 0.5
"""Seconds between two readings of the map at least: each takes some milliseconds of the event loop."""
MOST_REDIRECTS: Final = 5


class OneServer:
    """Stand-alone Redis, or the master that sentinels name.

    Args:
        url: where, and how to use it.
        watchers: told what happens to the links.

    Attributes:
        links: the links for lookups, by bucket.
        client: for commands.
        writes: for commands whose replies count once replicas have what led to them.
        one_script: whether one script can change records of several buckets.
    """

    one_script = True

    def __init__(self, url: RedisUrl, watchers: Watchers) -> None:
        options = connection_options(url)
        if url.kind is Kind.SENTINEL:
            self._server: Server = SentinelServer(url, options, watchers)
        else:
            host, port = url.hosts[0]
            self._server = Server(url, options, ConnectionPool(host=host, port=port, **options), watchers)
        self.links: list[LookupLink] = []
        self.client = self._server.client
        self.writes = self._server.writes

    async def start(self) -> None:
        """Connect for lookups; returns when the first attempt is over."""
        self._server.start()
        await self._server.link.tried.wait()

    async def close(self) -> None:
        """Let commands be answered, then hang up."""
        await self._server.close()

    def spread(self, keys: Sequence[bytes]) -> None:
        """Set up `links` for the buckets with these keys."""
        self.links[:] = [self._server.link] * len(keys)

    def trouble(self) -> StoreError | None:
        """Return why lookups or commands can't work now, None if they can."""
        return self._server.link.error

    def redirect(self, lookup: Lookup, error: str) -> bool:  # noqa: ARG002 - in a cluster it matters
        """Send a lookup again to where ``error`` says; False if it says nothing of the kind."""
        return False


@final
class ClusterClient(Client):
    """Commands to the master that has their key.

    Args:
        cluster: says which.
        pick: returns that master's client.
    """

    def __init__(self, cluster: Cluster, pick: Callable[[Server], ServerClient]) -> None:
        self._cluster = cluster
        self._pick = pick

    async def send(self, words: Sequence[Any]) -> Any:
        """See `Client`."""
        node = self._cluster.node_of(words[3] if words[0] == "EVALSHA" else words[1])
        asking = False
        for _ in range(MOST_REDIRECTS):
            try:
                return await self._pick(node).send(words, asking=asking)
            except AskError as redirection:  # or MovedError, which is one
                named = self._cluster.node_at(redirection)
                if named is None:
                    raise
                node, asking = named, not isinstance(redirection, MovedError)
        raise StoreError("redis: the cluster is moving these keys", "unavailable")

    async def script_load(self, text: bytes) -> Any:
        """Send a script's text to all masters; one that is away has none of its keys written now either."""
        loads = [self._pick(node).script_load(text) for node in self._cluster.nodes.values()]
        digests = await asyncio.gather(*loads, return_exceptions=True)
        for digest in digests:
            if not isinstance(digest, BaseException):
                return digest
        raise StoreError("redis: no node of the cluster takes the script", "unavailable")


@final
class Cluster:
    """A Redis Cluster; arguments, attributes and methods are those of `OneServer`.

    Attributes:
        nodes: the masters, by host and port.
    """

    one_script = False

    def __init__(self, url: RedisUrl, watchers: Watchers) -> None:
        self._url = url
        self._watchers = watchers
        self._options = connection_options(url)
        asked = self._options | {"socket_timeout": ANSWER_SECONDS}
        self._seeds = [ClusterNode(host, port, **asked) for host, port in url.hosts]
        self._map = NodesManager(
            self._seeds,
            require_full_coverage=False,
            connection_kwargs=asked,
            dynamic_startup_nodes=False,
        )
        self._masters: list[Server | None] = [None] * SLOTS
        self._slots: list[int] = []
        self._nowhere = LookupLink(_never, watchers)
        self._error: StoreError | None = None
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.nodes: dict[str, Server] = {}
        self.links: list[LookupLink] = []
        self.client = ClusterClient(self, lambda node: node.client)
        self.writes = ClusterClient(self, lambda node: node.writes)

    async def start(self) -> None:
        """Read the map and connect for lookups; returns when the first attempts are over."""
        self.client.closed = self.writes.closed = ""
        await self._read_map()
        await asyncio.gather(*(node.link.tried.wait() for node in self.nodes.values()))
        self._task = asyncio.create_task(self._keep_fresh())

    async def close(self) -> None:
        """Let commands be answered, then hang up."""
        self.client.closed = self.writes.closed = "closed"
        await end_tasks(self._task)
        self._take_map({})
        await asyncio.gather(*self._closing)
        await self._map.aclose()
        await self._map.aclose("startup_nodes")

    def spread(self, keys: Sequence[bytes]) -> None:
        """Set up `links` for the buckets with these keys."""
        self._slots = [key_slot(key) for key in keys]
        self._route()

    def trouble(self) -> StoreError | None:
        """Return why some lookups or commands can't work now, None if all can."""
        if None in self._masters:
            return self._error or _no_master()
        return next((node.link.error for node in self.nodes.values() if node.link.error), None)

    # --- which node ---

    def node_of(self, key: bytes) -> Server:
        """Return the master that has ``key``; raises `StoreError` if there is none."""
        node = self._masters[key_slot(key)]
        if node is None:
            raise self._error or _no_master()
        return node

    def node_at(self, redirection: AskError) -> Server | None:
        """Return the node that MOVED or ASK names, None if it is not known yet."""
        if isinstance(redirection, MovedError):
            self._due.set()
        host = redirection.host or self._map.slots_cache[redirection.slot_id][0].host  # none: who was asked
        return self.nodes.get(get_node_name(host, redirection.port))

    def redirect(self, lookup: Lookup, error: str) -> bool:
        """Follow ``MOVED slot host:port`` or ``ASK slot host:port``; False if ``error`` is neither."""
        word, _, where = error.partition(" ")
        if word not in {"MOVED", "ASK"} or lookup.redirects >= MOST_REDIRECTS:
            return False
        node = self.node_at(MovedError(where) if word == "MOVED" else AskError(where))
        if node is None or node.link.connection is None:
            return False
        lookup.redirects += 1
        if word == "ASK":
            node.link.connection.send(ASKING, None)
        node.link.connection.send(lookup.octets, lookup)
        return True

    # --- the map ---

    async def _keep_fresh(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await self._read_map()
            await asyncio.sleep(REFRESH_PAUSE)

    async def _read_map(self) -> None:
        """Let redis-py ask the nodes that are known and those that the URL names."""
        self._map.startup_nodes = {node.name: node for node in self._seeds} | self._map.nodes_cache
        try:
            await answered(self._map.initialize())
        except StoreError as error:
            self._error = error
        else:
            self._error = None
            self._take_map(self._map.slots_cache)
        if None in self._masters or self._error is not None:
            self._due.set()

    def _take_map(self, slots: dict[int, list[ClusterNode]]) -> None:
        """Connect to new masters, let go of those that are none any more."""
        before, self.nodes = self.nodes, {}
        self._masters = [None] * SLOTS
        for slot, (master, *_replicas) in slots.items():
            node = self.nodes.get(master.name)
            if node is None:
                known = master.name in before
                node = before.pop(master.name) if known else self._connected(master)
                self.nodes[master.name] = node
            self._masters[slot] = node
        for gone in before.values():
            task = asyncio.create_task(gone.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._route()

    def _connected(self, master: ClusterNode) -> Server:
        watchers = replace(self._watchers, changed=self._link_changed)
        pool = ConnectionPool(host=master.host, port=master.port, **self._options)
        server = Server(self._url, self._options, pool, watchers)
        server.start()
        return server

    def _link_changed(self, link: LookupLink) -> None:
        if link.connection is None:
            self._due.set()
        self._watchers.changed(link)

    def _route(self) -> None:
        nodes = [self._masters[slot] for slot in self._slots]
        self.links[:] = [self._nowhere if node is None else node.link for node in nodes]
        self._watchers.changed(self._nowhere)


def _no_master() -> StoreError:
    return StoreError("redis: some slots of the cluster have no master", "unavailable")


async def _never() -> Connection:
    raise _no_master()


Deployment: TypeAlias = OneServer | Cluster


def deployment_of(url: RedisUrl, watchers: Watchers) -> Deployment:
    """Return the servers of a URL, not connected yet.

    Raises:
        StoreError: kind "config": a TLS file can't be read or holds no certificate or key.
    """
    return Cluster(url, watchers) if url.kind is Kind.CLUSTER else OneServer(url, watchers)
