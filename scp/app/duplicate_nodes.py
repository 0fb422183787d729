"""Finds other running nodes with this node's instance or name, on the Redis that they share.

Both have to be unique. The instance is the first octet of every transaction id: what a switch says in a
dialogue that one node holds, and that reaches its duplicate, may be taken for another call's. The name is in
the ids of CDRs, in the names of the files of CDRs and recordings, and says in the ledger whose CDR is owed.

A node renews its membership (`scp.store.redis_membership`) every `RENEW_SECONDS`. Another member is a
duplicate only once it was **renewed** while this node looked: an entry that a killed process has left is not
renewed, and expires. So a node that is started again at once finds no duplicate of itself. No node is kept
from starting: one that has a duplicate answers its calls, one that refused to start would not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Final, final

import msgspec
from msgspec import Struct

from scp.common.tasks import end_tasks
from scp.ports import TRANSIENT, StoreError
from scp.store.open import membership_of, open_store
from scp.telemetry.label_values import IDENTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from scp.config import Config
    from scp.ports import SubscriberStore
    from scp.store.redis_membership import Member, Membership

RENEW_SECONDS: Final = 5.0
EXPIRES_MS: Final = 15_000
"""How long an entry lasts: two renewals may be lost."""
ASK_SECONDS: Final = 2.0
"""What `who_is_there` takes at the most."""


class NodeIdentity(Struct, frozen=True):
    """A running node, as it describes itself to others.

    Attributes:
        name: ``node.name``.
        instance: ``node.instance``.
        host: that it runs on.
        pid: of its process.
        token: tells two apart that are alike in all the rest.
    """

    name: str
    instance: int
    host: str
    pid: int
    token: str = ""

    def identity(self, kind: str) -> str:
        """Return one of `IDENTITIES` with its value: "instance:7"."""
        return f"{kind}:{getattr(self, kind)}"

    def describe(self) -> str:
        """Return name, instance, host and process id, as text."""
        return f"{self.name} (instance {self.instance}) on {self.host}, pid {self.pid}"


def this_process(config: Config, token: str = "") -> NodeIdentity:
    """Return the node of this configuration, as run by this process."""
    return NodeIdentity(config.node.name, config.node.instance, socket.gethostname(), os.getpid(), token)


@final
class DuplicateDetector:
    """Renews a node's membership, and keeps which other nodes have its identities.

    Args:
        membership: of all nodes that share the store.
        me: this node.
        told: called with an identity ("instance 7") and the other nodes that have it, when these change.
        failed: called in words when the membership can't be used, for a reason that somebody has to mend.
        every: seconds between two renewals.

    Attributes:
        found: other nodes by kind of identity. What was known stays while the store can't be asked.
        since: when that changed, in seconds since 1970.
    """

    def __init__(
        self,
        membership: Membership,
        me: NodeIdentity,
        told: Callable[[str, list[NodeIdentity]], None],
        failed: Callable[[str], None],
        every: float = RENEW_SECONDS,
    ) -> None:
        self.found: dict[str, list[NodeIdentity]] = {kind: [] for kind in IDENTITIES}
        self.since = dict.fromkeys(IDENTITIES, time.time())
        self._membership = membership
        self._me = me
        self._octets = msgspec.json.encode(me)
        self._told = told
        self._failed = failed
        self._every = every
        self._first: dict[str, dict[bytes, int]] = {kind: {} for kind in IDENTITIES}
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to renew; the store may be unreachable for now."""
        self._task = asyncio.create_task(self._renew_for_ever())

    async def stop(self) -> None:
        """Renew no more and remove the entries: the next process with this identity finds no duplicate."""
        if self._task is None:
            return
        await end_tasks(self._task)
        self._task = None
        with contextlib.suppress(StoreError):
            for kind in IDENTITIES:
                await self._membership.remove(self._me.identity(kind), self._octets)

    async def renew(self) -> None:
        """Renew once for each identity; raises `StoreError`."""
        for kind in IDENTITIES:
            self._seen(kind, await self._membership.renew(self._me.identity(kind), self._octets, EXPIRES_MS))

    def _seen(self, kind: str, members: Iterable[Member]) -> None:
        """Take the members: those are running that were renewed since they were first seen."""
        now = {each.node: each.until_ms for each in members if each.node != self._octets}
        first = self._first[kind] = {who: self._first[kind].get(who, until) for who, until in now.items()}
        found = identities(who for who, until in now.items() if until > first[who])
        if found != self.found[kind]:
            self.found[kind] = found
            self.since[kind] = time.time()
            self._told(self._me.identity(kind).replace(":", " "), found)

    async def _renew_for_ever(self) -> None:
        while True:
            try:
                await self.renew()
            except StoreError as error:
                if error.kind not in TRANSIENT and not self._trouble:  # `/readyz` and the log say the others
                    self._failed(str(error))
                self._trouble = "" if error.kind in TRANSIENT else str(error)
            else:
                self._trouble = ""
            await asyncio.sleep(self._every)


def duplicate_detector(
    config: Config,
    store: SubscriberStore,
    random: Random,
    told: Callable[[str, list[NodeIdentity]], None],
    failed: Callable[[str], None],
) -> DuplicateDetector | None:
    """Return the detector of a node's duplicates; None where no other node can have its store (SQLite)."""
    membership = membership_of(store)
    if membership is None:
        return None
    return DuplicateDetector(membership, this_process(config, random.randbytes(8).hex()), told, failed)


def identities(entries: Iterable[bytes]) -> list[NodeIdentity]:
    """Return the nodes that these entries describe, in a fixed order; a later release's are left out."""
    found = []
    for octets in entries:
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(octets, type=NodeIdentity))
    return sorted(found, key=lambda each: (each.name, each.host, each.pid, each.token))


async def who_is_there(config: Config) -> dict[str, list[NodeIdentity]]:
    """Return the running nodes that have this configuration's instance or name, by kind of identity.

    Writes nothing. Nobody is there where the store is not in Redis, or there is none yet.

    Raises:
        StoreError: the store can't be asked within `ASK_SECONDS`.
    """
    found: dict[str, list[NodeIdentity]] = {}
    store = open_store(config.store.url.reveal(), read_only=True)
    membership = membership_of(store)
    if membership is None:
        return found
    me = this_process(config)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await store.open()
            for kind in IDENTITIES:
                found[kind] = identities(each.node for each in await membership.look(me.identity(kind)))
    except TimeoutError:
        raise StoreError(f"redis: no answer within {ASK_SECONDS:g} s", "unreachable") from None
    except StoreError as error:
        if error.kind != "missing":
            raise
    finally:
        await store.close()
    return found
