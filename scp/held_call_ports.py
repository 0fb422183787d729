"""Protocol between calls that outlive their node and where they are kept. No implementation here."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, Protocol


class Kept(StrEnum):
    """What came of writing a held call's record."""

    WRITTEN = "written"
    FENCED = "fenced"  # another node has claimed the call
    FAILED = "failed"  # whether it is written is not known


class KeptWaiter(Protocol):
    """What is told whether a record is written, or deleted."""

    def kept(self, outcome: Kept) -> None:
        """Take the outcome; called once, from the event loop, never from within `put` or `delete`."""
        ...


NOBODY: Final = 0xFFFF
"""The owner of a held call that no node serves now: whichever node needs it claims it."""


class HeldEntry(NamedTuple):
    """A held call as the store has it.

    Attributes:
        tid: our transaction id, 4 octets.
        fence: fencing number: it grows whenever the owner changes.
        owner: instance of the node that serves the call, or `NOBODY`.
        record: what a successor needs (`scp.engine.cap.held_record`); opaque here.
        left: TCAP messages that no node has served yet, the oldest first; `HeldCalls.claim` returns them.
    """

    tid: bytes
    fence: int
    owner: int
    record: bytes
    left: tuple[bytes, ...] = ()


class HeldCalls(Protocol):
    """Records of held calls, so that another node, or the next process, can go on with them.

    A record is changed only under the owner and fencing number that it has (compare and set). None expires:
    each is there until it is deleted, which comes after settling. Of one that was ever claimed the fencing
    number stays for an hour, so that an owner of before can't write it again.

    All but `put`, `delete` and `usable` may raise `StoreError`.
    """

    async def open(self) -> None:
        """Connect or open. As a `Ledger`'s: a server that is away is tried again and again."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go."""
        ...

    def usable(self) -> str:
        """Return "" if it can be used now, else in words why not."""
        ...

    def put(self, entry: HeldEntry, due_ms: int, waiter: KeptWaiter) -> None:
        """Write a record; it is made if there is none, and refused if its owner or fencing number differ.

        Args:
            entry: ``left`` is not looked at.
            due_ms: when somebody has to look after the call if its owner does not: milliseconds since 1970.
            waiter: told what came of it.
        """
        ...

    def delete(self, tid: bytes, fence: int, owner: int, waiter: KeptWaiter) -> None:
        """Delete a record of this owner and fencing number; FENCED: there is none."""
        ...

    async def get(self, tid: bytes) -> HeldEntry | None:
        """Return an entry, without what was left for it."""
        ...

    async def claim(self, tid: bytes, fence: int, owner: int) -> HeldEntry | None:
        """Make ``owner`` the owner of an entry with this fencing number; None: it has another one by now.

        The entry returned has the next number, and what was left, which is handed out only once.
        """
        ...

    async def release(self, tid: bytes, fence: int, owner: int, message: bytes = b"") -> bool:
        """Make `NOBODY` the owner of an entry, and its time due now if a message is left for the next one.

        False: the entry is not this owner's.
        """
        ...

    async def leave(self, tid: bytes, message: bytes) -> bool:
        """Leave a message of a call whose owner is dead: it becomes `NOBODY`'s, due now. False: no entry."""
        ...

    async def due(self, now_ms: int, most: int) -> list[HeldEntry]:
        """Return entries whose time has come, whoever owns them, as `get` does."""
        ...

    async def ids(self, instance: int) -> list[bytes]:
        """Return the transaction ids that begin with this instance."""
        ...

    async def count(self) -> int:
        """Return how many records there are."""
        ...
