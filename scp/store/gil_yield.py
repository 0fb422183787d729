"""Yields Python's global interpreter lock (GIL) to a thread while the event loop never idles.

A thread that asks for the lock gets it when the holder waits for something, or has held it for the switch
interval (5 ms). A busy event loop releases the lock in each turn and takes it again before another thread has
woken up: with turns shorter than the interval a writing thread makes no progress for as long as that lasts.
CDRs and answers of the API wait for that thread, so the loop sleeps for a moment now and then. It does so
only if it has not waited for anything since the last look: if it has, the thread had its chance.
"""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    import asyncio

LOOK_SECONDS: Final = 0.003
MOMENT_SECONDS: Final = 20e-6
"""Time for the thread to take the lock; the kernel makes some 80 µs of it (timer slack)."""

# Linux has it; elsewhere every look is followed by a moment.
_THREAD: Final[int | None] = getattr(resource, "RUSAGE_THREAD", None)


@final
class GilYield:
    """Yields the lock from now on, until `stop`.

    Args:
        loop: the running loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waits = _waits()
        self._timer = loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """Yield no more."""
        self._timer.cancel()

    def _look(self) -> None:
        waits = _waits()
        if waits == self._waits:
            time.sleep(MOMENT_SECONDS)
            waits = _waits()
        self._waits = waits
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)


def _waits() -> int:
    """Return how often this thread has waited for anything (getrusage(2): voluntary context switches)."""
    return 0 if _THREAD is None else resource.getrusage(_THREAD).ru_nvcsw
