"""A latency histogram with a bounded relative error: exact counts in buckets that widen with the value.

Each power of two is cut into 128 buckets, so that a percentile is off by less than 0.8 %, whatever the range;
recording is one list increment.
"""

from __future__ import annotations

from typing import Final, final

_SUB_BITS: Final = 7
_SUB: Final = 1 << _SUB_BITS
_LARGEST: Final = (1 << 40) - 1  # 12 days in µs


@final
class Histogram:
    """Counts of whole microseconds.

    Attributes:
        total: how many were recorded.
        largest: the largest of them, exact.
        sum: of all, exact.
    """

    __slots__ = ("_counts", "largest", "sum", "total")

    def __init__(self) -> None:
        self.total = 0
        self.largest = 0
        self.sum = 0
        self._counts = [0] * (_index(_LARGEST) + 1)

    def record(self, value: int) -> None:
        """Count one value; below 0 counts as 0, above 2**40 - 1 as that."""
        value = min(max(value, 0), _LARGEST)
        self._counts[_index(value)] += 1
        self.total += 1
        self.sum += value
        self.largest = max(self.largest, value)

    def percentile(self, percent: float) -> int:
        """Return a value that ``percent`` (0 to 100) of all don't exceed; 0 if there are none."""
        rank = max(1, -int(-self.total * percent // 100))
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= rank and count:
                return min(_upper(index), self.largest)
        return self.largest

    @property
    def mean(self) -> float:
        """The mean; 0 if there are none."""
        return self.sum / self.total if self.total else 0.0

    def add(self, other: Histogram) -> None:
        """Count all of another's values."""
        self.total += other.total
        self.sum += other.sum
        self.largest = max(self.largest, other.largest)
        self._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]


def _index(value: int) -> int:
    shift = max(0, value.bit_length() - _SUB_BITS - 1)
    return shift * _SUB + (value >> shift)


def _upper(index: int) -> int:
    """Return the largest value of a bucket."""
    shift = max(0, index // _SUB - 1)
    return ((index - shift * _SUB + 1) << shift) - 1
