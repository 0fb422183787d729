"""What a node has so that its held calls outlive it: the journal, the other nodes, and adoption."""

from __future__ import annotations

import asyncio
import contextlib
import time
from importlib import import_module
from typing import TYPE_CHECKING, Final, final

from scp.charging.fault_state import FaultState
from scp.engine.journal import Journal
from scp.failover.adoption import Adoption
from scp.failover.presence import NodeAddress, Presence
from scp.failover.relay import Relay
from scp.ports import TRANSIENT, StoreError
from scp.store.open import membership_of, open_held_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from scp.charging.sink import CdrSink
    from scp.config import Config
    from scp.engine.cap.user import CapUser
    from scp.engine.signalling import Signalling
    from scp.ports import SubscriberStore

STOP_SECONDS: Final = 1.0
"""How long records of calls that are over may take to be deleted at the end."""
COUNTERS: Final = 1 << 24
"""Transaction ids of an instance."""


@final
class HeldCallsService:
    """The journal of a node and all that goes with it.

    Args:
        config: of the node; ``[journal]`` is enabled.
        store: of subscribers: says which nodes share it.
        random: makes this node's token.
        told: told in words when the store of held calls began to fail, and with "" when it works again.

    Attributes:
        held: the store.
        fault: what it fails with.
        journal, adoption: None before `start`.
        presence: the other nodes; None where no other node can have the store.
    """

    def __init__(
        self, config: Config, store: SubscriberStore, random: Random, told: Callable[[str], None]
    ) -> None:
        self.held = open_held_calls(config.store.url.reveal())
        self.fault = FaultState(told)
        self.journal: Journal | None = None
        self.adoption: Adoption | None = None
        self.presence: Presence | None = None
        self._config = config
        self._membership = membership_of(store)
        self._token = random.randbytes(16).hex()
        self._relay: Relay | None = None

    async def start(self, signalling: Signalling, cap: CapUser, sink: CdrSink | None) -> None:
        """Open the store and begin; to be called before any peer is attached.

        Args:
            signalling: of the node.
            cap: likewise.
            sink: that writes its CDRs; None: there are none.

        Raises:
            StoreError: the store does not open, and it will not without somebody's help.
            OSError: ``journal.listen`` can't be listened on.
        """
        config = self._config
        instance = config.node.instance
        try:
            await self.held.open()
        except StoreError as error:
            if error.kind not in TRANSIENT:
                raise
            self.fault.report(str(error))
        tids: list[bytes] = []
        with contextlib.suppress(StoreError):  # one that is away has the random beginning stay
            tids = list(await self.held.ids(instance))
            if tids:
                signalling.tcap.count_from(widest_gap(tids))
        self.journal = cap.journal = Journal(
            self.held,
            instance,
            cap,
            signalling,
            signalling.clock,
            time.time,
            config.journal.deadline_ms / 1000,
        )
        if sink is not None:
            self.journal.position, self.journal.done = sink.position, sink.done
            sink.on_written = self.journal.recorded
        self.adoption = adoption = Adoption(self.held, instance, signalling, cap, self.fault.report)
        if self._membership is not None:
            await self._join(adoption)
        adoption.start(tids)

    async def _join(self, adoption: Adoption) -> None:
        """Find the other nodes, and be found."""
        config = self._config
        assert self._membership is not None
        relay = self._relay = adoption.relay = Relay(self._token, adoption)
        listen = config.journal.listen
        host, port = "", 0
        if listen is not None:
            try:
                await relay.listen(listen.host, listen.port)
            except OSError as error:
                raise OSError(f"journal.listen: {error}") from None
            host, port = listen.host, relay.port
        me = NodeAddress(config.node.instance, config.node.name, host, port, self._token)
        presence = Presence(self._membership, me, lambda: relay.follow(presence))
        self.presence = adoption.presence = presence
        await presence.start()

    async def hand_over(self) -> None:
        """Give the held calls away; see `Adoption.hand_over`."""
        if self.adoption is not None:
            await self.adoption.hand_over()

    async def stop(self) -> None:
        """Give away what is left, and let go of the store."""
        if self.adoption is not None:
            await self.adoption.hand_over()
            await self.adoption.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while self.journal is not None and self.journal.deleting:  # noqa: ASYNC110 - tells nobody
                    await asyncio.sleep(0.005)
        if self._relay is not None:
            await self._relay.close()
        if self.presence is not None:
            await self.presence.stop()
        await self.held.close()


def load_held_calls(config: Config) -> None:
    """Import the store of held calls, if there is one, before a guardian is forked, which may need it."""
    if config.journal.enabled:
        kind = "sqlite" if config.store.url.reveal().startswith("sqlite:") else "redis"
        import_module(f"scp.store.held_{kind}")


def widest_gap(tids: Iterable[bytes]) -> int:
    """Return the counter at which the widest gap begins between ids of one instance; there is one at least.

    Ids of calls that are not adopted yet are live: a new call must not get one.
    """
    counters = sorted(int.from_bytes(tid[1:], "big") for tid in tids)
    following = [*counters[1:], counters[0] + COUNTERS]
    _, begin = max((after - before, before) for before, after in zip(counters, following, strict=True))
    return (begin + 1) % COUNTERS
