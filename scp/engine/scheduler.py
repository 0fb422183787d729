"""The clock, and the one timer that all deadlines of a node share."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Final, Protocol, final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_SLACK: Final = 0.001
"""Seconds by which a tick may be late: deadlines this close to each other share one wake-up."""


class Timer(Protocol):
    """One scheduled call."""

    def cancel(self) -> object:
        """Cancel it."""
        ...


class TimeSource(Protocol):
    """A clock with timers."""

    def time(self) -> float:
        """Return now, in monotonic seconds."""
        ...

    def call_at(self, when: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` at ``when``, in seconds of the same clock."""
        ...

    def call_soon(self, action: Callable[[], None]) -> object:
        """Call ``action`` once, when what is under way is done."""
        ...


@final
class LoopTime:
    """The time of a running event loop.

    Not the loop's own ``time()``: uvloop's is in whole milliseconds and stands still while callbacks run, no
    clock for answers that take microseconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.time: Callable[[], float] = time.monotonic

    def call_at(self, when: float, action: Callable[[], None]) -> Timer:
        """See `TimeSource`."""
        return self._loop.call_later(max(0.0, when - self.time()), action)

    def call_soon(self, action: Callable[[], None]) -> object:
        """See `TimeSource`."""
        return self._loop.call_soon(action)


@final
class Scheduler:
    """Calls ``tick(now)`` when the earliest deadline is due.

    Args:
        source: the clock of all deadlines.
        tick: does what is due and returns the next deadline (``inf``: none).
    """

    def __init__(self, source: TimeSource, tick: Callable[[float], float]) -> None:
        self._source = source
        self._tick = tick
        self._due = inf
        self._timer: Timer | None = None

    def at(self, due: float) -> None:
        """Make sure that there is a tick at ``due`` or before."""
        if due >= self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._source.call_at(due + _SLACK, self._run)

    def stop(self) -> None:
        """Call no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._due = -inf

    def _run(self) -> None:
        self._timer = None
        self._due = inf
        self.at(self._tick(self._source.time()))
