"""One-time numbers in a subscriber store: granted and withdrawn by the API, cleared away when they are over.

A call to one is found by the lookup of its called number, and claims it (`scp.common.passes`).
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Final, final

from scp.common.passes import changed
from scp.domain.passes import ONE_TIME, granted, is_bare, one_time, withdrawn
from scp.ports import StoreError, VersionConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.subscriber import Subscriber
    from scp.ports import SubscriberStore

KEPT_MS: Final = 60_000
"""How long a record stays when it is over: longer than any claim of it, which goes by its version, takes."""
CLEARED_AT_ONCE: Final = 4
"""Records that one grant clears away: more than it makes."""


class TakenError(Exception):
    """The number is a subscriber's."""


@final
class OneTimeNumbers:
    """See the module.

    Args:
        store: returns where they are.
        wall: milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        store: Callable[[], SubscriberStore],
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._wall = wall
        self._over: deque[tuple[int, str]] = deque()

    async def grant(self, number: str, caller: str, seconds: int) -> int:
        """Have a number stand for the next call of this caller; return until when, in ms.

        A number that stands for another call stands for this one from now on.

        Raises:
            TakenError: it is a subscriber's.
            StoreError: it can't be kept.
        """
        store, now = self._store(), self._wall()
        until = now + seconds * 1000
        _, after = await changed(
            store,
            number,
            lambda record: granted(record, ONE_TIME, caller, until, now) if is_bare(record) else None,
            create=True,
        )
        if after is None:
            raise TakenError
        self._over.append((until + KEPT_MS, number))
        for _ in range(CLEARED_AT_ONCE):
            if self._over[0][0] > now:
                break
            await self._clear(self._over.popleft()[1])
        return until

    async def shown(self, number: str) -> tuple[str, int] | None:
        """Return whose call a number stands for, and until when (ms), None if it stands for none."""
        return one_time(await self._store().get(number), self._wall())

    async def withdraw(self, number: str) -> bool:
        """Have a number stand for no call any more; return whether it did."""
        now = self._wall()

        def without(record: Subscriber) -> Subscriber | None:
            return None if one_time(record, now) is None else withdrawn(record, ONE_TIME, now)

        return (await changed(self._store(), number, without))[1] is not None

    async def _clear(self, number: str) -> None:
        """Remove the record of a number that is over; if that fails, the next grant of the number uses it."""
        with contextlib.suppress(StoreError, VersionConflictError):
            record = await self._store().get(number)
            if record is not None and is_bare(record) and one_time(record, self._wall() - KEPT_MS) is None:
                await self._store().delete(number, record.version)
