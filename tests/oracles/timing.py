"""How long a thing takes, on a machine that others use too."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


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
