"""A queue of deadlines. Most are forgotten before they are due, so that to add and to forget cost little."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SLOT: Final = 16.0
"""Seconds: deadlines that are further off than twice as many are kept by slots of this length."""
_WORTH_SWEEPING: Final = 1024
_SHARE: Final = 4
"""Of so many entries one may be forgotten: each keeps all that its owner has, which for a call is 1 KB."""


class Deadlines(Generic[T]):
    """Owners by due time.

    What is due soon is in a heap. What is far off, as the patience of a service with a call that is held, is
    in a list for its slot of time, at the cost of one reference, and goes to the heap when the slot begins.

    An entry is not removed when its owner moves on: `forget` only counts it, and once a quarter of them
    are such, one sweep drops them, and all but one of an owner that is due again when it was before. That
    costs O(1) amortised, and memory stays within 4/3 of what is live.

    Args:
        due_of: says when an owner is due (seconds), ``inf`` if it waits for nothing. An entry that was made
            for another time is one that its owner has left.
    """

    def __init__(self, due_of: Callable[[T], float]) -> None:
        self._due_of = due_of
        self._heap: list[tuple[float, int, T]] = []
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []  # a heap of their numbers
        self._far = 0  # entries in slots
        self._added = 0
        self._forgotten = 0

    def add(self, due: float, owner: T, now: float) -> None:
        """Remember that ``owner`` is due at ``due`` (seconds; ``inf``: never), as ``due_of`` says of it."""
        if due == inf:
            return  # an entry would look as if its owner still waited when it is gone
        if due - now < 2 * SLOT:
            self._push(due, owner)
            return
        slot = int(due / SLOT)
        owners = self._slots.get(slot)
        if owners is None:
            self._slots[slot] = [owner]
            heappush(self._order, slot)
        else:
            owners.append(owner)
        self._far += 1

    def _push(self, due: float, owner: T) -> None:
        self._added += 1  # so that no two entries compare by their owners
        heappush(self._heap, (due, self._added, owner))

    def forget(self) -> None:
        """Note that one entry's owner no longer waits."""
        self._forgotten += 1
        entries = len(self)
        if self._forgotten <= _WORTH_SWEEPING or _SHARE * self._forgotten <= entries:
            return
        due_of = self._due_of
        self._heap = [entry for entry in self._heap if due_of(entry[2]) == entry[0]]
        for slot, owners in list(self._slots.items()):
            self._keep(slot, [owner for owner in owners if _slot(due_of(owner)) == slot])
        if entries - len(self) < self._forgotten:
            self._keep_once()
        heapify(self._heap)
        self._forgotten = 0

    def _keep(self, slot: int, owners: list[T]) -> None:
        self._far += len(owners) - len(self._slots[slot])
        self._slots[slot] = owners

    def _keep_once(self) -> None:
        """Drop what looks as if its owner still waited: it does so again, for the same time or slot."""
        self._heap = list({entry[2]: entry for entry in self._heap}.values())
        for slot, owners in list(self._slots.items()):
            self._keep(slot, list(dict.fromkeys(owners)))

    def next(self) -> float:
        """Return when to look for what is due, ``inf`` for never; that may have been forgotten."""
        due = self._heap[0][0] if self._heap else inf
        return min(due, self._order[0] * SLOT) if self._order else due

    def due(self, now: float) -> list[T]:
        """Take out all that is due and return the owners that still wait, the earliest first."""
        while self._order and self._order[0] * SLOT <= now:
            self._begin(heappop(self._order))
        heap, due_of = self._heap, self._due_of
        taken: list[T] = []
        while heap and heap[0][0] <= now:
            due, _, owner = heappop(heap)
            if due_of(owner) == due:
                taken.append(owner)
            elif self._forgotten:
                self._forgotten -= 1
        # An owner that was due in a slot, moved on and is due in it again is there twice.
        return taken if len(taken) < 2 else list(dict.fromkeys(taken))

    def _begin(self, slot: int) -> None:
        """Move the owners of a slot that still wait to the heap."""
        owners = self._slots.pop(slot)
        self._far -= len(owners)
        for owner in owners:
            due = self._due_of(owner)
            if _slot(due) == slot:
                self._push(due, owner)
            elif self._forgotten:
                self._forgotten -= 1

    def __len__(self) -> int:
        return len(self._heap) + self._far


def _slot(due: float) -> int:
    return -1 if due == inf else int(due / SLOT)
