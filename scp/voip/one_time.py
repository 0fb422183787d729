"""One-time numbers: a mobile dials one, and its call is put through as if a device of its user had made it.

For a device whose data connection is too bad to talk. The number stands for one call of one identity to one
target, for some seconds. Whose it is stands in the store before it is told; the call that comes to it takes
it out of the store, and is put through only where it did: of two calls, at whichever brains, one is.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
from msgspec.structs import replace

from scp import client
from scp.voip import decision
from scp.voip.metrics import ONE_TIME
from scp.voip.records import OneTime
from scp.voip.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from scp.voip.config import VoipConfig
    from scp.voip.decision import Call
    from scp.voip.directory import Directory
    from scp.voip.rows import Row
    from scp.voip.scp_link import ScpLink
    from scp.voip.store import Store

GUESSES: Final = 10_000
"""Numbers that there have to be for each that is open, so that who is not shown can claim one."""
MOST_GUESSES: Final = 3
"""Calls of those who are not shown that may be refused within `GUESSES_KEPT_MS`; then all of them are."""
GUESSES_KEPT_MS: Final = 60_000
NODE_SECONDS: Final = 1.0
"""Seconds that the node has to take a number, before the device is told it."""


class NoNumberError(Exception):
    """No number is given: ``most`` if the identity has as many as it may, else all are given out."""

    def __init__(self, words: str, *, most: bool) -> None:
        super().__init__(words)
        self.most = most


@final
class OneTimeNumbers:
    """The numbers of ``[one_time]``, and whose they are now.

    Args:
        config: see `VoipConfig`.
        directory: whose numbers may call one.
        store: where they are kept.
        wall: milliseconds since 1970-01-01 UTC.
        counts: of numbers by what became of them (`scp.voip.metrics.ONE_TIME`).
        node: lets the mobile's call to a number pass and charges it not; None: nobody is told.
        log: where it is said that the node was not told.

    Attributes:
        faults: what the store has and can't be read, in words.
    """

    def __init__(
        self,
        config: VoipConfig,
        directory: Directory,
        store: Store,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        counts: dict[str, int] | None = None,
        node: ScpLink | None = None,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        self.counts = dict.fromkeys(ONE_TIME, 0) if counts is None else counts
        self._directory = directory
        self._store = store
        self._wall = wall
        self._node = node
        self._log = log
        self._guesses: list[int] = []
        self._given: dict[str, OneTime] = {}
        self._next = 0
        self._lock = asyncio.Lock()
        self.faults: list[str] = []
        self.adopt(config)
        self.read()

    def adopt(self, config: VoipConfig) -> None:
        """Go by this configuration from now on; a number that is given stays so."""
        self._config = config.one_time
        self._numbering = config.numbering
        self._all = () if config.one_time is None else config.one_time.all()
        self._known = frozenset(self._all)
        self._next = 0 if not self._all else secrets.randbelow(len(self._all))

    def read(self) -> None:
        """Read the store anew. Blocks; raises `StoreError`."""
        self.faults = []
        self._given = {one.number: one for one in self._store.read(OneTime, self.faults)}

    def changed(self, row: Row) -> None:
        """Hear of a record that another brain has written, or this one; raises `msgspec.DecodeError`."""
        self._given.pop(row.id, None)
        if row.body is not None:
            self._given[row.id] = msgspec.json.decode(row.body, type=OneTime)

    @property
    def configured(self) -> bool:
        """Whether there are any."""
        return bool(self._all)

    def of(self, msisdn: str) -> list[OneTime]:
        """Return the numbers that an identity has and that are valid, the oldest first."""
        now = self._wall()
        return [one for one in self._given.values() if one.msisdn == msisdn and one.until_ms > now]

    async def give(self, msisdn: str, to: str) -> OneTime:
        """Give an identity a number for its next call to a target; it is kept when this returns.

        Raises:
            NoNumberError: there is none that is free, or the identity has as many as it may.
            StoreError: it can't be kept.
        """
        config = self._config
        if config is None:
            raise NoNumberError("there are none: [one_time] of voip.toml has them", most=False)
        async with self._lock:
            if len(self.of(msisdn)) >= config.of_identity:
                raise NoNumberError(
                    f"{msisdn} has {config.of_identity}, which is the most at a time", most=True
                )
            now = self._wall()
            if len(self._all) >= GUESSES:
                self._next = secrets.randbelow(len(self._all))
            for number in (*self._all[self._next :], *self._all[: self._next]):
                before = self._given.get(number)
                if before is not None and before.until_ms > now:
                    continue
                made = OneTime(number, msisdn, to, now + config.seconds * 1000)
                if await asyncio.to_thread(self._swap, before, made):
                    self._given[number] = made
                    self.counts["given"] += 1
                    # the one that was given longest ago is next: a redialled one finds nobody's call
                    self._next = (self._all.index(number) + 1) % len(self._all)
                    break
            else:
                self.counts["none-free"] += 1
                raise NoNumberError(f"all {len(self._all)} are given out", most=False)
        await self._tell(client.set_one_time_number(made.number, msisdn, seconds=config.seconds))
        return made

    async def _tell(self, wanted: client.Call[Any]) -> None:
        """Tell the node; one that is not told charges the mobile's call, which is put through anyhow."""
        if self._node is None:
            return
        try:
            async with asyncio.timeout(NODE_SECONDS):
                await self._node.send(wanted, NODE_SECONDS)
        except (client.ApiError, client.TransportError, TimeoutError) as error:
            self.counts["not-told"] += 1
            if self._log is not None:
                self._log.warning("node not told of a one-time number", path=wanted.path, what=repr(error))

    def _swap(self, before: OneTime | None, made: OneTime) -> bool:
        if before is None:
            return self._store.change(put=[made], absent=[made])
        return self._store.change(put=[made], expect=[before])

    async def withdraw(self, number: str) -> OneTime | None:
        """Take a number back; return whose it was, None if it was nobody's."""
        before = self._given.pop(number, None)
        if before is not None:
            await asyncio.to_thread(self._store.change, remove=[before])
            await self._tell(client.end_one_time_number(number))
        return before

    # --- calls ---

    def number_of(self, call: Call) -> str:
        """Return the one-time number that a call from a trunk is to, "" if it is to none."""
        if not call.trunk or not self._known:
            return ""
        number = decision.e164(call.to, self._numbering)
        return number if number in self._known else ""

    def seen(self, call: Call) -> Call:
        """Return a call as it would be claimed, claiming nothing."""
        found = self._fits(call)
        return replace(call, behalf="") if found is None else _for(found, call)

    async def claimed(self, call: Call) -> Call:
        """Return a call to a one-time number as its owner's call to the target; this uses the number up."""
        found = self._fits(call)
        ours = False
        if found is not None:
            del self._given[found.number]
            with contextlib.suppress(StoreError):
                ours = await asyncio.to_thread(self._store.change, remove=[found], expect=[found])
        self.counts["called" if ours else "refused"] += 1
        if not ours and not decision.calling(call.caller, self._numbering):
            self._guesses = [*self._guesses[-MOST_GUESSES:], self._wall()]
        return _for(found, call) if ours and found is not None else replace(call, behalf="")

    def _fits(self, call: Call) -> OneTime | None:
        """Return what a call to a one-time number may claim: it is in time, and its owner calls."""
        found = self._given.get(self.number_of(call))
        if found is None or found.until_ms <= self._wall():
            return None
        caller = decision.calling(call.caller, self._numbering)
        owner = self._directory.identity(found.msisdn)
        if owner is None:
            return None
        if not caller:
            return found if self._beyond_guessing() else None
        return found if caller in (owner.msisdn, *owner.dids, *owner.shared) else None

    def _beyond_guessing(self) -> bool:
        """Return whether who is not shown can have a number only from its owner, not by guessing one.

        The call is paid for by the owner: one number of `GUESSES` at the most is open, and few were tried.
        """
        now = self._wall()
        opened = sum(one.until_ms > now for one in self._given.values())
        self._guesses = [at for at in self._guesses if at > now - GUESSES_KEPT_MS]
        return len(self._all) >= GUESSES * opened and len(self._guesses) < MOST_GUESSES


def _for(found: OneTime, call: Call) -> Call:
    return replace(call, to=found.to, caller=f"+{found.msisdn}", behalf=found.msisdn)
