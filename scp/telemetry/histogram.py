"""A histogram as Prometheus has it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, final

_INFINITY: Final = "+Inf"


@final
class Histogram:
    """Counts by bucket and the sum; ``buckets`` has one more than ``bounds``, for what is above them all."""

    __slots__ = ("bounds", "buckets", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count ``value``; a bound is the highest value of its bucket."""
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Return (bound, how many were at or below it), as Prometheus wants them."""
        total = 0
        found: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self.bounds), _INFINITY), self.buckets, strict=True):
            total += count
            found.append((bound, total))
        return found
