"""What every `scp.ports.ChargingSystem` here does alike: it keeps its reservations on the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.charging.grants import answered_once, granted, settled, without_asking
from scp.domain.reservation import OPEN, Event, Reservation, State, Step
from scp.ports import Denied, Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.ports import ChargingRequest, Ledger

EXPIRE_AT_ONCE: Final = 500


class LedgerCharging:
    """A charging system, but for what grants and charges: own tariffs, or a function of the operator's.

    Args:
        ledger: keeps the reservations.
        wall: milliseconds since 1970-01-01 UTC.
        grace_ms: how long after its last second a reservation waits to be committed.
        max_seconds: the most that one reservation may grant.
    """

    def __init__(self, ledger: Ledger, wall: Callable[[], int], *, grace_ms: int, max_seconds: int) -> None:
        self._ledger = ledger
        self._wall = wall
        self._grace_ms = grace_ms
        self._max_seconds = max_seconds

    async def create(self, request: ChargingRequest) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        known = without_asking(await self._ledger.reservation(request.id), request, self._max_seconds)
        grant = await self._granted(request) if known is None else known
        return await answered_once(self._ledger, request, grant, self._wall())

    async def _granted(self, request: ChargingRequest) -> Grant:
        """Return what a request gets that is not known and asks for no more than may be granted."""
        raise NotImplementedError

    async def release(self, reservation_id: str, used_seconds: int | None) -> Grant:
        """See `scp.ports.ChargingSystem`; raises `StoreError` while what charges can't be told."""
        found = await self._ledger.reservation(reservation_id)
        if found is None:
            return Grant(None, Denied.UNKNOWN_RESERVATION)
        if found.state in OPEN or (used_seconds is not None and found.state is State.EXPIRED):
            await self._tell_end(found, used_seconds)
        if used_seconds is None:
            return granted(await self._ledger.step(reservation_id, Step(Event.RELEASE, self._wall())))
        cost = 0 if found.tariff is None else found.tariff.cost(used_seconds, found.local_start)
        step = Step(Event.COMMIT, self._wall(), cost, used_seconds)
        return settled(await self._ledger.step(reservation_id, step), used_seconds)

    async def _tell_end(self, found: Reservation, used_seconds: int | None) -> None:
        """Tell what charges how much was used; None: nothing. Raises `StoreError` if that can't be."""

    async def expire(self, now_ms: int) -> int:
        """See `scp.ports.ChargingSystem`. A function of the operator's ends its sessions by its own clock."""
        due = await self._ledger.due(now_ms, EXPIRE_AT_ONCE)
        for each in due:
            await self._ledger.step(each, Step(Event.EXPIRE, now_ms))
        return len(due)

    def _step(
        self, event: Event, of: Reservation, seconds: int, validity: int | None = None, *, cost: int = 0
    ) -> Step:
        """Return a step to a total of so many seconds, which are valid for ``validity`` seconds at least."""
        now = self._wall()
        until = of.created_ms + seconds * 1000 + self._grace_ms
        return Step(
            event, now, cost, seconds, until if validity is None else max(until, now + validity * 1000)
        )
