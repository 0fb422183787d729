"""Keeping one association up from the connecting side: address after address, back-off between rounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, final

from scp.common.tasks import end_tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from scp.ports import Transport

Target = TypeVar("Target")


class Association(Protocol):
    """A transport, as a function that dials returns it, with a future for its end."""

    @property
    def transport(self) -> Transport:
        """The transport that its user was given."""
        ...

    @property
    def lost(self) -> asyncio.Future[str]:
        """Done once the association is gone; the result says why."""
        ...


class DialError(Exception):
    """No association could be set up; the text says to whom and why, for the operator."""


@final
@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter, so that a restarted gateway isn't met by all its peers at once.

    Attributes:
        first: seconds before the second attempt, before jitter.
        ceiling: the most, in seconds.
        factor: growth from one failure to the next.
    """

    first: float = 0.5
    ceiling: float = 30.0
    factor: float = 2.0

    def delay(self, failures: int, random: Random) -> float:
        """Return the seconds to wait after ``failures`` (1 or more) in a row: half the full delay or more."""
        full = min(self.ceiling, self.first * self.factor ** min(failures - 1, 64))
        return full * (0.5 + 0.5 * random.random())


class Reconnect(Generic[Target]):
    """Dials targets in turn until one answers, and again when that association is lost.

    The target that worked last is the first to be tried again. An association that lived less than
    ``settled`` seconds counts as a failure: a peer that accepts and hangs up isn't dialled in a tight loop.

    Attributes:
        association: the one that is up, or None.
        last_failure: in words, why the last attempt failed or the last association was lost; "" at first.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        dial: Callable[[Target], Awaitable[Association]],
        random: Random,
        *,
        backoff: Backoff | None = None,
        settled: float = 5.0,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        if not targets:
            raise ValueError("no remote address to connect to")
        self.association: Association | None = None
        self.last_failure = ""
        self._targets = targets
        self._dial = dial
        self._random = random
        self._backoff = backoff or Backoff()
        self._settled = settled
        self._failed = failed
        self._next = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin dialling; returns at once. A second call changes nothing."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self, *, abort: bool = False) -> None:
        """Stop dialling, shut the association down and wait until it is gone."""
        association = self.association
        await end_tasks(self._task)
        self._task = None
        if association is not None and not association.lost.done():
            association.transport.close(abort=abort)
            await association.lost
        self.association = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            association = await self._dial_round()
            failures += 1
            if association is not None:
                since = loop.time()
                self.association = association
                self.last_failure = await asyncio.shield(association.lost)
                self.association = None
                if loop.time() - since >= self._settled:
                    failures = 1
            await asyncio.sleep(self._backoff.delay(failures, self._random))

    async def _dial_round(self) -> Association | None:
        """Try every target once, beginning with the one that is due."""
        for _ in self._targets:
            try:
                return await self._dial(self._targets[self._next])
            except DialError as error:
                self.last_failure = str(error)
                if self._failed is not None:
                    self._failed(self.last_failure)
                self._next = (self._next + 1) % len(self._targets)
        return None
