"""Charging of calls under control by the node's own tariffs and ledger, in seconds.

The price of a quota is held for the dearest second that it may begin with and for the dearest price of its
time: what a switch then measures costs at most that. What it measures beyond (the time in which charging did
not answer) is charged as well, as far as there is money.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.domain.quota import QuotaDenial, QuotaGrant, Settled
from scp.domain.reservation import OPEN, Event, Reservation, Result, State, Step
from scp.ports import Denied

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.domain.tariff import Tariff, TariffTable
    from scp.ports import Ledger

TRIES: Final = 5
"""How often a smaller grant is tried while others take from the same balance."""


@final
class LocalQuotas:
    """`scp.ports.QuotaSystem` on a ledger.

    Args:
        ledger: where the money is.
        tariffs: what calls cost.
        messages: what short messages cost; a message counts as an answered call of a second.
        wall: milliseconds since 1970-01-01 UTC.
        local: seconds of the clock that tariffs go by, for such milliseconds.
        grace_ms: how long after its last second a reservation waits to be settled.
    """

    def __init__(
        self,
        ledger: Ledger,
        tariffs: TariffTable,
        wall: Callable[[], int],
        local: Callable[[int], int],
        *,
        grace_ms: int,
        messages: TariffTable | None = None,
    ) -> None:
        self._ledger = ledger
        self._tariffs = tariffs
        self._messages = messages
        self._wall = wall
        self._local = local
        self._grace_ms = grace_ms

    async def reserve(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        tariffs = self._messages if request.message else self._tariffs
        tariff = None if tariffs is None else tariffs.find(request.b_number)
        if tariff is None:
            return QuotaDenial(Denied.NO_TARIFF)
        now = self._wall()
        at = self._local(now)
        new = Reservation(
            id=request.session,
            account=request.account,
            call_id=request.call_id,
            a_number=request.a_number,
            b_number=request.b_number,
            created_ms=now,
            local_start=at,
            tariff=tariff,
        )
        seconds = request.seconds
        for _ in range(TRIES):
            hold = self._hold(Event.RESERVE, tariff, request, seconds, now)
            outcome = await self._ledger.reserve(new, hold)
            found = outcome.reservation
            if outcome.result is Result.REPEATED and found is not None and found.state in OPEN:
                return await self.extend(request)  # which changes nothing unless it asks for more
            if outcome.result in (Result.DONE, Result.REPEATED) and found is not None:
                return self._granted(found, request, at)
            if outcome.result is not Result.INSUFFICIENT or outcome.account is None:
                return QuotaDenial(Denied.UNKNOWN_ACCOUNT)
            most = min(seconds - 1, request.seconds)
            seconds = tariff.affordable(outcome.account.available, request.used, most, at, request.slack)
            if seconds < request.least:
                break
        return QuotaDenial(Denied.INSUFFICIENT)

    async def extend(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        found = await self._ledger.reservation(request.session)
        if found is None or found.tariff is None:
            return QuotaDenial(Denied.UNKNOWN_RESERVATION)
        if found.state not in OPEN:
            return QuotaDenial(Denied.CLOSED)
        now = self._wall()
        at = self._local(now)
        seconds = request.seconds
        for _ in range(TRIES):
            if seconds <= found.granted_seconds:
                break
            hold = self._hold(Event.EXTEND, found.tariff, request, seconds, now)
            outcome = await self._ledger.step(request.session, hold)
            if outcome.result is Result.DONE and outcome.reservation is not None:
                return self._granted(outcome.reservation, request, at)
            if outcome.result is not Result.INSUFFICIENT or outcome.account is None:
                return QuotaDenial(Denied.CLOSED)
            spendable = outcome.account.available + found.held
            seconds = found.tariff.affordable(spendable, request.used, seconds - 1, at, request.slack)
        if request.seconds <= found.granted_seconds:  # the request came again
            return self._granted(found, request, at)
        return QuotaDenial(Denied.INSUFFICIENT)

    async def settle(self, session: str, used: Usage | None) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        now = self._wall()
        if used is None or not used.tenths:
            outcome = await self._ledger.step(session, Step(Event.RELEASE, now))
            return _settled(session, outcome.reservation)
        found = await self._ledger.reservation(session)
        if found is None or found.tariff is None:
            return QuotaDenial(Denied.UNKNOWN_RESERVATION)
        step = Step(Event.SETTLE, now, found.tariff.cost_of(used), used.seconds)
        outcome = await self._ledger.step(session, step)
        return _settled(session, outcome.reservation)

    def _hold(self, event: Event, tariff: Tariff, request: QuotaRequest, seconds: int, now: int) -> Step:
        """Return the step that holds the most that a call of ``seconds`` may cost."""
        rest = max(0, seconds - request.used.seconds) + request.slack
        amount = tariff.most(request.used, seconds, self._local(now), request.slack)
        return Step(event, now, amount, seconds, now + rest * 1000 + self._grace_ms)

    def _granted(self, found: Reservation, request: QuotaRequest, at: int) -> QuotaAnswer:
        """Return what a reservation grants, or why it does not any more."""
        if found.state is State.DENIED:
            return QuotaDenial(found.denial or Denied.SERVICE_DENIED)
        if found.state not in OPEN or found.tariff is None:
            return QuotaDenial(Denied.CLOSED)
        switch_s, then_s = found.tariff.changes(at)
        last = found.granted_seconds < request.seconds
        return QuotaGrant(
            found.id, found.granted_seconds, last, at, switch_s, then_s, found.held, found.tariff.prefix
        )


def _settled(session: str, found: Reservation | None) -> QuotaAnswer:
    """Return what a settled session came to, whether it was settled now or before."""
    if found is None:
        return QuotaDenial(Denied.UNKNOWN_RESERVATION)
    return Settled(session, found.charged, found.used_seconds)
