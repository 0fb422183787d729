"""Passes in a subscriber store: granted and withdrawn by the API, claimed by calls, each change atomic."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, final

from scp.domain.passes import claimed
from scp.domain.subscriber import Subscriber
from scp.ports import StoreError, VersionConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.ports import PassWaiter, SubscriberStore

ATTEMPTS: Final = 100
"""Writers that may overtake one change before it is given up."""


async def changed(
    store: SubscriberStore,
    msisdn: str,
    change: Callable[[Subscriber], Subscriber | None],
    *,
    create: bool = False,
) -> tuple[Subscriber | None, Subscriber | None]:
    """Change a record, whoever else does meanwhile.

    Args:
        store: where it is.
        msisdn: whose.
        change: from the record to what it shall be, None for no change.
        create: make the record where there is none; ``change`` gets an empty one then.

    Returns:
        The record before, None if there is none, and after, None if it was not changed.

    Raises:
        StoreError: the store could not do it.
    """
    before = await store.get(msisdn)
    for _attempt in range(ATTEMPTS):
        base = Subscriber(msisdn) if before is None and create else before
        wanted = None if base is None else change(base)
        if wanted is None:
            return before, None
        try:
            return before, await store.put(wanted)
        except VersionConflictError as conflict:
            before = conflict.current
    raise StoreError("others change the same number too fast")


@final
class StoredPasses:
    """`scp.ports.Passes` on a subscriber store.

    Args:
        store: where the passes are.
        failed: told in words of a claim that could not be written; the call goes on all the same.
        wall: milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        store: SubscriberStore,
        failed: Callable[[str], None],
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._failed = failed
        self._wall = wall
        self._claims: set[asyncio.Task[None]] = set()

    def claim(self, msisdn: str, caller: str, waiter: PassWaiter) -> None:
        """See `scp.ports.Passes`."""
        task = asyncio.ensure_future(self._claim(msisdn, caller, waiter))
        self._claims.add(task)
        task.add_done_callback(self._claims.discard)

    async def _claim(self, msisdn: str, caller: str, waiter: PassWaiter) -> None:
        try:
            _, after = await changed(
                self._store, msisdn, lambda record: claimed(record, caller, self._wall())
            )
        except StoreError as error:
            self._failed(str(error))
            waiter.passed(True)
        else:
            waiter.passed(after is not None)
