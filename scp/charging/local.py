"""Charging by the node's own tariffs and ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.charging.grants import answered_once, granted, new_reservation, no_extension, repeated, settled
from scp.charging.on_ledger import LedgerCharging
from scp.domain.reservation import Event, Reservation, Result, Step
from scp.ports import Denied, Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.tariff import Tariff, TariffTable
    from scp.ports import ChargingRequest, Ledger

REMEMBERED: Final = 20_000
"""Reservations whose price is kept in memory, some 200 octets each."""
TRIES: Final = 5
"""How often a smaller grant is tried while others take from the same balance."""


@final
class LocalCharging(LedgerCharging):
    """`scp.ports.ChargingSystem` by the node's own tariffs.

    Args:
        ledger: where the money is.
        tariffs: what calls cost.
        wall: milliseconds since 1970-01-01 UTC.
        local: seconds of the clock that tariffs go by, for such milliseconds.
        grace_ms, max_seconds: see `LedgerCharging`.
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
        super().__init__(ledger, wall, grace_ms=grace_ms, max_seconds=max_seconds)
        self._tariffs = tariffs
        self._local = local
        self._prices: dict[str, tuple[Tariff, int]] = {}  # of the latest reservations; neither ever changes

    async def create(self, request: ChargingRequest) -> Grant:
        """See `scp.ports.ChargingSystem`. The ledger knows in one step what was asked for before."""
        if request.seconds > self._max_seconds or self._tariffs.find(request.b_number) is None:
            return await super().create(request)
        return await answered_once(self._ledger, request, await self._granted(request), self._wall())

    async def release(self, reservation_id: str, used_seconds: int | None) -> Grant:
        """See `scp.ports.ChargingSystem`. What this node has granted lately need not be read before."""
        price = self._prices.pop(reservation_id, None)
        if price is None or used_seconds is None:
            return await super().release(reservation_id, used_seconds)
        tariff, local_start = price
        step = Step(Event.COMMIT, self._wall(), tariff.cost(used_seconds, local_start), used_seconds)
        return settled(await self._ledger.step(reservation_id, step), used_seconds)

    async def _granted(self, request: ChargingRequest) -> Grant:
        tariff = self._tariffs.find(request.b_number)
        if tariff is None:
            return Grant(None, Denied.NO_TARIFF)
        now = self._wall()
        new = new_reservation(request, now, self._local(now), tariff)
        seconds = request.seconds
        for _ in range(TRIES):
            outcome = await self._ledger.reserve(new, self._hold(Event.RESERVE, new, tariff, seconds))
            if outcome.result is Result.REPEATED and outcome.reservation is not None:
                return repeated(outcome.reservation, request.fingerprint)
            if outcome.result is not Result.INSUFFICIENT or outcome.account is None:
                if outcome.result is Result.DONE:
                    self._remember(new.id, tariff, new.local_start)
                return granted(outcome)
            available = outcome.account.available
            seconds = tariff.affordable_seconds(available, seconds - 1, new.local_start, request.step)
            if not seconds:
                break
        return Grant(None, Denied.INSUFFICIENT)

    def _remember(self, reservation_id: str, tariff: Tariff, local_start: int) -> None:
        self._prices[reservation_id] = (tariff, local_start)
        if len(self._prices) > REMEMBERED:
            del self._prices[next(iter(self._prices))]

    async def update(self, reservation_id: str, seconds: int, step: int = 1) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        found = await self._ledger.reservation(reservation_id)
        answer = no_extension(found, seconds, self._max_seconds)
        if answer is not None:
            return answer
        if found is None or found.tariff is None:  # made by a charging function, and it is gone
            return Grant(found, Denied.CLOSED)
        while seconds > found.granted_seconds:
            hold = self._hold(Event.EXTEND, found, found.tariff, seconds)
            outcome = await self._ledger.step(reservation_id, hold)
            if outcome.result is not Result.INSUFFICIENT or outcome.account is None:
                return granted(outcome)
            spendable = outcome.account.available + found.held
            seconds = found.tariff.affordable_seconds(spendable, seconds - 1, found.local_start, step)
        return Grant(found, Denied.INSUFFICIENT)

    def _hold(self, event: Event, of: Reservation, tariff: Tariff, seconds: int) -> Step:
        return self._step(event, of, seconds, cost=tariff.cost(seconds, of.local_start))
