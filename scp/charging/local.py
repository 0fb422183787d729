"""Charging by the node's own tariffs and ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.charging.grants import (
    answered_once,
    granted,
    new_reservation,
    no_extension,
    repeated,
    settled,
    without_asking,
)
from scp.domain.reservation import Event, Reservation, Result, Step
from scp.ports import Denied, Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.tariff import Tariff, TariffTable
    from scp.ports import ChargingRequest, Ledger

TRIES: Final = 5
"""How often a smaller grant is tried while others take from the same balance."""
EXPIRE_AT_ONCE: Final = 500


@final
class LocalCharging:
    """`scp.ports.ChargingSystem` on a ledger.

    Args:
        ledger: where the money is.
        tariffs: what calls cost.
        wall: milliseconds since 1970-01-01 UTC.
        local: seconds of the clock that tariffs go by, for such milliseconds.
        grace_ms: how long after its last second a reservation waits to be committed.
        max_seconds: the most that one reservation may grant.
    """

    def __init__(
        self,
        ledger: Ledger,
        tariffs: TariffTable,
        wall: Callable[[], int],
        local: Callable[[int], int],
        *,
        grace_ms: int,
        max_seconds: int,
    ) -> None:
        self._ledger = ledger
        self._tariffs = tariffs
        self._wall = wall
        self._local = local
        self._grace_ms = grace_ms
        self._max_seconds = max_seconds

    async def create(self, request: ChargingRequest) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        return await answered_once(self._ledger, request, await self._create(request), self._wall())

    async def _create(self, request: ChargingRequest) -> Grant:
        before = await self._ledger.reservation(request.id)
        answer = without_asking(before, request, self._max_seconds)
        if answer is not None:
            return answer
        tariff = self._tariffs.find(request.b_number)
        if tariff is None:
            return Grant(None, Denied.NO_TARIFF)
        now = self._wall()
        new = new_reservation(request, now, self._local(now), tariff)
        seconds = request.seconds
        for _ in range(TRIES):
            outcome = await self._ledger.reserve(new, self._hold(Event.RESERVE, new, tariff, seconds, now))
            if outcome.result is Result.REPEATED and outcome.reservation is not None:
                return repeated(outcome.reservation, request.fingerprint)
            if outcome.result is not Result.INSUFFICIENT or outcome.account is None:
                return granted(outcome)
            available = outcome.account.available
            seconds = tariff.affordable_seconds(available, seconds - 1, new.local_start, request.step)
            if not seconds:
                break
        return Grant(None, Denied.INSUFFICIENT)

    async def update(self, reservation_id: str, seconds: int, step: int = 1) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        found = await self._ledger.reservation(reservation_id)
        answer = no_extension(found, seconds, self._max_seconds)
        if answer is not None:
            return answer
        if found is None or found.tariff is None:  # made by a charging function, and it is gone
            return Grant(found, Denied.CLOSED)
        while seconds > found.granted_seconds:
            hold = self._hold(Event.EXTEND, found, found.tariff, seconds, self._wall())
            outcome = await self._ledger.step(reservation_id, hold)
            if outcome.result is not Result.INSUFFICIENT or outcome.account is None:
                return granted(outcome)
            spendable = outcome.account.available + found.held
            seconds = found.tariff.affordable_seconds(spendable, seconds - 1, found.local_start, step)
        return Grant(found, Denied.INSUFFICIENT)

    async def release(self, reservation_id: str, used_seconds: int | None) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        found = await self._ledger.reservation(reservation_id)
        if found is None:
            return Grant(None, Denied.UNKNOWN_RESERVATION)
        if used_seconds is None:
            return granted(await self._ledger.step(reservation_id, Step(Event.RELEASE, self._wall())))
        cost = 0 if found.tariff is None else found.tariff.cost(used_seconds, found.local_start)
        outcome = await self._ledger.step(
            reservation_id, Step(Event.COMMIT, self._wall(), cost, used_seconds)
        )
        return settled(outcome, used_seconds)

    async def expire(self, now_ms: int) -> int:
        """See `scp.ports.ChargingSystem`."""
        due = await self._ledger.due(now_ms, EXPIRE_AT_ONCE)
        for each in due:
            await self._ledger.step(each, Step(Event.EXPIRE, now_ms))
        return len(due)

    def _hold(self, event: Event, of: Reservation, tariff: Tariff, seconds: int, now: int) -> Step:
        return Step(
            event,
            now,
            tariff.cost(seconds, of.local_start),
            seconds,
            of.created_ms + seconds * 1000 + self._grace_ms,
        )
