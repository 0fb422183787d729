"""Waiting for what comes about in its own time.

The bound only ends a hang: it is so long that no busy machine reaches it. A test that promises a time measures
it, and is marked ``alone``.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

PATIENCE: Final = 120.0  # seconds


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Return when the condition holds; fail when it does not within ``seconds``.

    Not for coroutines: an event loop that waits here serves nobody, and what it waits for may be its own work.
    """
    assert not _called_by_a_coroutine(), "this stops the event loop: await until() instead"
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come about within {seconds} s"
        time.sleep(0.02)


def _called_by_a_coroutine() -> bool:
    """Look at the callers: a running loop says nothing, playwright has one under tests that are no coroutines."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            return True
        frame = frame.f_back
    return False


async def until(look: Callable[[], Any], right: Callable[[Any], Any] = bool) -> None:
    """As `wait_until`, while the event loop goes on: look, until what is seen is right; ``look`` may be async."""
    end = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if right(await seen if inspect.isawaitable(seen) else seen):
            return
        assert time.monotonic() < end, f"it did not come about within {PATIENCE} s"
        await asyncio.sleep(0.002)


def seconds_for_one_of_work() -> float:
    """Return how many seconds one of work takes now: more than 1 where others want the processor, too."""
    began, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < 0.05:
        pass
    return max(1.0, (time.perf_counter() - began) / 0.05)
