"""How long a thing takes, on a machine that others use too."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

USUAL: Final = 0.0003
"""Seconds that `_some_work` takes on the machine that bounds were found on."""
LOOK: Final = 0.01


def slower() -> float:
    """Return how many times as long as usual this machine's processor takes for a piece of Python; 1 if it is faster."""
    return max(1.0, quickest(_some_work) / USUAL)


def _some_work() -> int:
    made = {number: (number, str(number)) for number in range(2000)}
    return sum(len(text) for _, text in made.values())


class Stall:
    """How long this process has stood still at the most.

    Attributes:
        worst: seconds by which a thread that slept was late.
    """

    worst = 0.0


@contextlib.contextmanager
def stalls() -> Iterator[Stall]:
    """Watch, while the block runs, for how long the machine lets this process stand still.

    Other processes of a test stand still at other times, but hardly longer: a bound has room for several such times.
    """
    stall, over = Stall(), threading.Event()

    def watch() -> None:
        while True:
            began = time.monotonic()
            if over.wait(LOOK):
                return
            stall.worst = max(stall.worst, time.monotonic() - began - LOOK)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stall
    finally:
        over.set()
        watcher.join()


def quickest(call: Callable[[], object], tries: int = 5) -> float:
    """Return the seconds of the quickest of some calls: of this thread's processor time, without garbage collection.

    What else the machine does then counts only as far as it empties the caches.
    """
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(tries):
            began = time.thread_time()
            call()
            best = min(best, time.thread_time() - began)
    finally:
        gc.enable()
    return best
