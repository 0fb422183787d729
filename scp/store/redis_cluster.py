"""Where the records are in a Redis Cluster: every bucket is a key, every key has a slot, every slot a master.

The map is learned from ``CLUSTER SLOTS`` and learned again when a node says MOVED, when a connection is lost
and every `REFRESH_SECONDS`. Until then MOVED and ASK are followed, so that a slot's move costs its lookups a
second round trip and nothing else (Redis Cluster specification, "MOVED Redirection", "ASK redirection").
"""

from __future__ import annotations

import asyncio
import contextlib
from binascii import crc_hqx
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, final

from scp.ports import StoreError
from scp.store.redis_errors import checked
from scp.store.redis_link import Link, Login, Use, dial, request
from scp.store.redis_single import TRACKING
from scp.store.redis_url import Address
from scp.store.redis_wire import IGNORED, Request, Write, pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scp.store.redis_single import Watchers
    from scp.store.redis_url import RedisUrl
    from scp.store.redis_wire import Command, Expected, Wire

SLOTS: Final = 16_384
REFRESH_SECONDS: Final = 30.0
REFRESH_PAUSE: Final = 0.1
"""Seconds between two refreshes at least."""
MOST_REDIRECTS: Final = 5
_ASKING: Final = pack(("ASKING",))


def slot_of(key: bytes) -> int:
    """Return a key's slot: CRC-16/XMODEM modulo 16384 (specification, "Key distribution model").

    The store's keys have no hash tag.
    """
    return crc_hqx(key, 0) % SLOTS


@final
class _Node:
    """One master: the link for lookups (perhaps to a replica of it) and the one for administration."""

    def __init__(self, read: Link, write: Link) -> None:
        self.read = read
        self.write = write
        self.replicas: list[Address] = []


@final
class Cluster:
    """A Redis Cluster; attributes as those of `redis_single.Single`."""

    transactions = False

    def __init__(self, url: RedisUrl, watchers: Watchers, first: tuple[Command, ...]) -> None:
        self.url = url
        self.login = Login(url.user, url.password, 0, url.tls_context())
        self._watchers = watchers
        self._first = first
        self._nowhere = Link(_never)
        self._nodes: dict[Address, _Node] = {}
        self._masters: list[Address | None] = [None] * SLOTS
        self._slots: list[int] = []
        self._error: StoreError | None = StoreError(
            "redis: the cluster's map is not known yet", "unreachable"
        )
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.reads: list[Link] = []
        self.writes: list[Link] = []

    async def start(self) -> None:
        """Learn the map and connect; returns when every link has come up or failed once."""
        await self._try_to_refresh()
        for node in self._nodes.values():
            await node.write.tried()
            await node.read.tried()
        self._task = asyncio.create_task(self._keep_fresh())

    async def close(self) -> None:
        """Hang up after what was asked is answered."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for node in self._nodes.values():
            await node.write.close()
            await node.read.close()
        await asyncio.gather(*self._closing)
        self._nodes.clear()

    def spread(self, keys: Sequence[bytes]) -> None:
        """Set up `reads` and `writes` for the buckets with these keys."""
        self._slots = [slot_of(key) for key in keys]
        self._route()

    def _route(self) -> None:
        nodes, nowhere = self._nodes, self._nowhere
        reads: list[Link] = []
        writes: list[Link] = []
        for master in self._masters:
            node = None if master is None else nodes.get(master)
            reads.append(node.read if node else nowhere)
            writes.append(node.write if node else nowhere)
        self.reads = [reads[slot] for slot in self._slots]
        self.writes = [writes[slot] for slot in self._slots]
        self._watchers.rerouted()

    def link_of(self, key: bytes) -> Link:
        """Return the link for administration of the master that has ``key``."""
        master = self._masters[slot_of(key)]
        node = None if master is None else self._nodes.get(master)
        return node.write if node else self._nowhere

    def trouble(self) -> StoreError | None:
        """Return why some lookups or writes can't work now, None if all can."""
        if None in self._masters:
            return self._error or StoreError("redis: some slots of the cluster have no master", "unavailable")
        links = (link for node in self._nodes.values() for link in (node.write, node.read))
        return next((link.why for link in links if link.wire is None), None)

    def outdated(self, reason: str) -> None:  # noqa: ARG002 - the cluster says where to go
        """A node turned out not to be a master any more: learn the map again."""
        self._due.set()

    # --- redirection ---

    def redirect(self, expected: Expected, error: str) -> bool:
        """Follow ``MOVED slot host:port`` or ``ASK slot host:port``; False if ``error`` is neither."""
        word, _, rest = error.partition(" ")
        if word not in {"MOVED", "ASK"} or expected.redirects >= MOST_REDIRECTS:
            return False
        if word == "MOVED":
            self._due.set()
        slot, _, where = rest.partition(" ")
        host, _, port = where.rpartition(":")
        master = self._masters[int(slot) % SLOTS]
        if not host and master is not None:  # "the node that you asked", by its other port
            host = master.host
        node = self._nodes.get(Address(host, int(port)))
        if node is None:
            return False
        wire = node.write.wire if isinstance(expected, Request) else node.read.wire
        if wire is None:
            return False
        expected.redirects += 1
        if word == "ASK":
            wire.send(_ASKING, IGNORED)
        if isinstance(expected, Write):
            wire.write(expected.octets, expected.again())
        else:
            wire.send(expected.octets, expected)
        return True

    # --- the map ---

    async def _keep_fresh(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS):  # wait_for loses cancellations up to Python 3.11
                    await self._due.wait()
            self._due.clear()
            await self._try_to_refresh()
            if self._error is not None:
                self._due.set()
            await asyncio.sleep(REFRESH_PAUSE)

    async def _try_to_refresh(self) -> None:
        try:
            self._take(await self._ask_for_map())
            self._error = None
        except StoreError as error:
            self._error = error

    async def _ask_for_map(self) -> list[Any]:
        """Ask the nodes that are connected, then those that the URL names, until one answers."""
        for node in list(self._nodes.values()):
            if node.write.wire is not None:
                with contextlib.suppress(StoreError):
                    return _with_hosts(await node.write.ask("CLUSTER", "SLOTS"), _host_of(self._nodes, node))
        last = StoreError("redis: no node of the cluster answers", "unreachable")
        for address in self.url.hosts:
            try:
                wire = await dial(address, self.login, Use())
                try:
                    reply = checked(await request(wire, ("CLUSTER", "SLOTS")).future)
                finally:
                    wire.abort("asked")
                return _with_hosts(reply, address.host)
            except StoreError as error:
                last = error
        raise last

    def _take(self, ranges: Iterable[tuple[int, int, list[Address]]]) -> None:
        """Take a map: connect to new masters, let go of those that are none any more."""
        masters: list[Address | None] = [None] * SLOTS
        replicas: dict[Address, list[Address]] = {}
        for first, last, (master, *others) in ranges:
            masters[first : last + 1] = [master] * (last + 1 - first)
            replicas[master] = others
        for address, others in replicas.items():
            node = self._nodes.get(address)
            if node is None:
                node = self._nodes[address] = self._connected(address)
            node.replicas = others
        for address in [each for each in self._nodes if each not in replicas]:
            gone = self._nodes.pop(address)
            for link in (gone.read, gone.write):
                task = asyncio.create_task(link.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        if masters != self._masters:
            self._masters = masters
            self._route()

    def _connected(self, address: Address) -> _Node:
        watchers = self._watchers

        def reads_changed(link: Link) -> None:
            self._changed(link)
            watchers.reads_changed(link)

        def writes_changed(link: Link) -> None:
            self._changed(link)
            watchers.writes_changed(link)

        write_use = Use("", self._first, acks=self.url.replicas_to_wait_for, ack_ms=self.url.ack_ms)
        node = _Node(
            Link(lambda: self._dial_reader(address), reads_changed),
            Link(lambda: dial(address, self.login, write_use), writes_changed),
        )
        node.read.start()
        node.write.start()
        return node

    def _changed(self, link: Link) -> None:
        if link.wire is None:
            self._due.set()

    async def _dial_reader(self, master: Address) -> Wire:
        tracking = (TRACKING,) if self.url.cached else ()
        watchers = self._watchers
        use = Use("", tracking, pushed=watchers.invalidated, timed=watchers.timed)
        node = self._nodes.get(master)
        if self.url.replicas and node is not None:
            from_replica = replace(use, first=(("READONLY",), *tracking))
            for replica in node.replicas:
                with contextlib.suppress(StoreError):
                    return await dial(replica, self.login, from_replica)
        return await dial(master, self.login, use)


async def _never() -> Wire:
    raise StoreError("redis: this slot of the cluster has no master", "unavailable")


def _host_of(nodes: dict[Address, _Node], wanted: _Node) -> str:
    return next(address.host for address, node in nodes.items() if node is wanted)


def _with_hosts(ranges: Sequence[Any], asked: str) -> list[tuple[int, int, list[Address]]]:
    """Read the reply of CLUSTER SLOTS; a node without a host is the one that was ``asked``."""
    return [
        (first, last, [Address(host.decode() if host else asked, int(port)) for host, port, *_ in nodes])
        for first, last, *nodes in ranges
    ]
