"""One timer of the event loop for all deadlines of a node."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_SLACK: Final = 0.001
"""Seconds by which a tick may be late: deadlines this close to each other share one wake-up."""


class Ticker:
    """Calls ``tick(now)`` when the earliest deadline is due.

    Args:
        loop: the event loop; its ``time()`` is the clock of all deadlines.
        tick: does what is due and returns the next deadline (``inf``: none).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tick: Callable[[float], float]) -> None:
        self._loop = loop
        self._tick = tick
        self._due = inf
        self._handle: asyncio.TimerHandle | None = None

    def at(self, due: float) -> None:
        """Make sure that there is a tick at ``due`` or before."""
        if due >= self._due:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._due = due
        self._handle = self._loop.call_at(due + _SLACK, self._run)

    def stop(self) -> None:
        """Call no more."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._due = -inf

    def _run(self) -> None:
        self._handle = None
        self._due = inf
        self.at(self._tick(self._loop.time()))
