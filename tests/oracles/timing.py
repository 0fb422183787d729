"""How long a thing takes, on a machine that others use too."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def quickest(call: Callable[[], object], tries: int = 5) -> float:
    """Return the seconds of the quickest of some calls, without garbage collection: the others met somebody else."""
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(tries):
            began = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - began)
    finally:
        gc.enable()
    return best
