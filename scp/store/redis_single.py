"""Where the records are, if one server has them all: stand-alone Redis, or the master that sentinels name.

Lookups and administration have a connection each, so that a bulk load or a WAIT for replicas delays no call.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, final

from scp.ports import StoreError
from scp.store.redis_errors import checked
from scp.store.redis_link import Link, Login, Use, dial, request
from scp.store.redis_url import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.store.redis_url import RedisUrl
    from scp.store.redis_wire import Command, Expected, Wire

TRACKING: Final = ("CLIENT", "TRACKING", "ON")
DISCOVERY_SECONDS: Final = 0.5


class Watchers:
    """Who is told what happens on the links of a deployment.

    Args:
        invalidated: takes invalidation pushes of connections that read.
        timed: takes round-trip times of lookups.
        reads_changed: a link for lookups came up or went down.
        writes_changed: a link for administration came up or went down.
        rerouted: ``reads`` or ``writes`` of the deployment were replaced.
    """

    def __init__(
        self,
        invalidated: Callable[[Sequence[Any]], None],
        timed: Callable[[float], None] | None,
        reads_changed: Callable[[Link], None],
        writes_changed: Callable[[Link], None],
        rerouted: Callable[[], None],
    ) -> None:
        self.invalidated = invalidated
        self.timed = timed
        self.reads_changed = reads_changed
        self.writes_changed = writes_changed
        self.rerouted = rerouted


class Single:
    """One server.

    Args:
        url: where, and how to log in.
        watchers: who is told.
        first: what links for administration send when they are logged in.

    Attributes:
        reads: by bucket, the link for lookups.
        writes: by bucket, the link for administration.
        transactions: whether one transaction can change records of several buckets.
    """

    transactions = True
    role = ""

    def __init__(self, url: RedisUrl, watchers: Watchers, first: tuple[Command, ...]) -> None:
        self.url = url
        self.login = Login(url.user, url.password, url.database, url.tls_context())
        self._first = first
        self._random = random.Random()  # noqa: S311 - which replica
        self._reader = Use(
            "",
            (TRACKING,) if url.cached else (),
            pushed=watchers.invalidated,
            timed=watchers.timed,
        )
        self._read = Link(self._dial_reader, watchers.reads_changed)
        self._write = Link(self._dial_writer, watchers.writes_changed)
        self.reads: list[Link] = []
        self.writes: list[Link] = []

    async def start(self) -> None:
        """Connect; returns when each link has come up or failed once."""
        self._read.start()
        self._write.start()
        await self._write.tried()
        await self._read.tried()

    async def close(self) -> None:
        """Hang up after what was asked is answered."""
        await self._write.close()
        await self._read.close()

    def spread(self, keys: Sequence[bytes]) -> None:
        """Set up `reads` and `writes` for the buckets with these keys."""
        self.reads = [self._read] * len(keys)
        self.writes = [self._write] * len(keys)

    def link_of(self, key: bytes) -> Link:  # noqa: ARG002 - in a cluster it matters
        """Return the link for administration of whoever has ``key``."""
        return self._write

    def trouble(self) -> StoreError | None:
        """Return why lookups or administration can't work now, None if they can."""
        return next((link.why for link in (self._write, self._read) if link.wire is None), None)

    def redirect(self, expected: Expected, error: str) -> bool:  # noqa: ARG002 - in a cluster it matters
        """Send a request again to where ``error`` says; False if it says nothing of the kind."""
        return False

    def outdated(self, reason: str) -> None:
        """The server turned out not to be the master any more: find the one that is."""
        self._write.drop(reason)
        self._read.drop(reason)

    # --- dialling ---

    async def _master(self) -> Address:
        return self.url.hosts[0]

    async def _dial_writer(self) -> Wire:
        use = Use(self.role, self._first, acks=self.url.replicas_to_wait_for, ack_ms=self.url.ack_ms)
        return await dial(await self._master(), self.login, use)

    async def _dial_reader(self) -> Wire:
        master = await self._master()
        if self.url.replicas:
            for replica in await self._replicas_of(master):
                try:
                    return await dial(replica, self.login, self._reader)
                except StoreError:
                    continue
        return await dial(master, self.login, self._reader)

    async def _replicas_of(self, master: Address) -> list[Address]:
        """Return the replicas that ``master`` has connected (ROLE), in random order."""
        wire = await dial(master, self.login, Use())
        try:
            role = checked(await request(wire, ("ROLE",)).future)
        finally:
            wire.abort("asked")
        if role[0] != b"master":
            return []
        replicas = [Address(host.decode(), int(port)) for host, port, _offset in role[2]]
        self._random.shuffle(replicas)
        return replicas


@final
class Sentinel(Single):
    """The master that sentinels name, and the next one after a failover.

    All reachable sentinels are asked and the newest configuration counts (the highest ``config-epoch``), as
    it does between the sentinels: one that a partition has left behind can't send us to the old master.
    What they publish (``+switch-master``) and every lost connection makes us ask again.
    """

    role = "master"

    def __init__(self, url: RedisUrl, watchers: Watchers, first: tuple[Command, ...]) -> None:
        super().__init__(url, watchers, first)
        login = Login(url.sentinel_user, url.sentinel_password, 0, self.login.tls)
        use = Use("sentinel", subscribe="+switch-master", pushed=self._published)
        self._sentinels = [Link(self._dialler(address, login, use)) for address in url.hosts]

    @staticmethod
    def _dialler(address: Address, login: Login, use: Use) -> Callable[[], Any]:
        return lambda: dial(address, login, use)

    async def start(self) -> None:
        """Connect to the sentinels, then to the master."""
        for link in self._sentinels:
            link.start()
        await asyncio.wait(
            [asyncio.ensure_future(link.tried()) for link in self._sentinels],
            return_when=asyncio.FIRST_COMPLETED,
        )
        await super().start()

    async def close(self) -> None:
        """Hang up everywhere."""
        await super().close()
        for link in self._sentinels:
            await link.close()

    def _published(self, push: Sequence[Any]) -> None:
        """A message of `+switch-master`: service, old host and port, new host and port."""
        if push[0] == b"message" and push[2].split(b" ")[0] == self.url.service.encode():
            self.outdated("the sentinels have made another server the master")

    async def _master(self) -> Address:
        asked = [asyncio.ensure_future(self._ask(link)) for link in self._sentinels]
        done, late = await asyncio.wait(asked, timeout=DISCOVERY_SECONDS)
        for task in late:
            task.cancel()
        answers = [answer for task in done if isinstance(answer := task.result(), tuple)]
        if not answers:
            reasons = [str(task.result()) for task in done] or ["no answer"]
            raise StoreError(f"redis: no sentinel names a master: {reasons[0]}", "unreachable")
        return max(answers)[1]

    async def _ask(self, link: Link) -> tuple[int, Address] | StoreError:
        """Return the configuration epoch and the master as one sentinel has them, or why it doesn't say."""
        await link.tried()
        try:
            state = await link.ask("SENTINEL", "MASTER", self.url.service)
        except StoreError as error:
            return error
        return int(state[b"config-epoch"]), Address(state[b"ip"].decode(), int(state[b"port"]))
