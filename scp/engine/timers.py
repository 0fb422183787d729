"""Deadlines of the engine: many, mostly forgotten before they are due, so both must cost little."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_WORTH_SWEEPING: Final = 1024


class Deadlines(Generic[T]):
    """Owners by due time.

    An entry is not removed when its owner moves on: `forget` only counts it, and once most entries are such,
    one sweep drops them. That costs O(1) amortised, and memory stays within twice what is live.

    Args:
        live: says whether the owner still waits with the number that the entry was added with.
    """

    def __init__(self, live: Callable[[T, int], bool]) -> None:
        self._live = live
        self._heap: list[tuple[float, int, T]] = []
        self._added = 0
        self._forgotten = 0

    def add(self, due: float, owner: T) -> int:
        """Remember that ``owner`` is due at ``due`` (seconds); return the number of this wait."""
        self._added += 1
        heappush(self._heap, (due, self._added, owner))
        return self._added

    def forget(self) -> None:
        """Note that one entry's owner no longer waits."""
        self._forgotten += 1
        if self._forgotten > _WORTH_SWEEPING and 2 * self._forgotten > len(self._heap):
            live = self._live
            self._heap = [entry for entry in self._heap if live(entry[2], entry[1])]
            heapify(self._heap)
            self._forgotten = 0

    def next(self) -> float:
        """Return the earliest due time, ``inf`` if there is none; it may be one that was forgotten."""
        return self._heap[0][0] if self._heap else inf

    def due(self, now: float) -> list[T]:
        """Take out all that is due and return the owners that still wait, the earliest first."""
        heap = self._heap
        taken: list[T] = []
        while heap and heap[0][0] <= now:
            _, number, owner = heappop(heap)
            if self._live(owner, number):
                taken.append(owner)
            elif self._forgotten:
                self._forgotten -= 1
        return taken

    def __len__(self) -> int:
        return len(self._heap)
