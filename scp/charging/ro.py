"""Minutes for the VoIP service from the operator's online charging system, over Diameter Ro (TS 32.299).

The system holds the money; the ledger here keeps each reservation with amounts of 0, by the same table as
our own charging, as for the CHF (`scp.charging.nchf`), and in the same order: the system first.

The VoIP service tells what was used at the call's end alone. So an update tells of no use, and asks for the
total: what is granted takes the place of what was granted before (RFC 8506 §5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from msgspec.structs import replace

from scp.charging.grants import granted, new_reservation, no_extension, repeated
from scp.charging.on_ledger import LedgerCharging
from scp.charging.ro_client import RoUnavailableError
from scp.charging.ro_messages import FailureHandling, Used
from scp.charging.ro_sessions import Granted, Session
from scp.domain.reservation import Event, Reservation, Result
from scp.ports import Denied, Grant, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.ro_sessions import RoSessions
    from scp.ports import ChargingRequest, Ledger

_NOTHING = (Used(0),)


@final
class RoCharging(LedgerCharging):
    """`scp.ports.ChargingSystem` behind which an online charging system charges.

    Args:
        sessions: at the servers.
        ledger, wall, grace_ms, max_seconds: see `LedgerCharging`.
    """

    def __init__(
        self,
        sessions: RoSessions,
        ledger: Ledger,
        wall: Callable[[], int],
        *,
        grace_ms: int,
        max_seconds: int,
    ) -> None:
        super().__init__(ledger, wall, grace_ms=grace_ms, max_seconds=max_seconds)
        self._sessions = sessions

    async def _granted(self, request: ChargingRequest) -> Grant:
        new = new_reservation(request, self._wall(), 0, None)
        try:
            session, answer = await self._sessions.begin(new, request.seconds)
        except RoUnavailableError:
            if not self._sessions.carry_on:
                return Grant(None, Denied.UNAVAILABLE)
            session, answer = None, Granted(request.seconds)
        if session is not None:
            new = replace(new, reference=session.reference)
        if isinstance(answer, Denied):
            if session is not None:
                await self._sessions.abandon(replace(new, steps=1))
            return Grant(None, answer)
        outcome = await self._ledger.reserve(
            new, self._step(Event.RESERVE, new, answer.seconds, answer.validity)
        )
        if outcome.result is Result.REPEATED and outcome.reservation is not None:
            return repeated(outcome.reservation, request.fingerprint)
        return granted(outcome)

    async def update(self, reservation_id: str, seconds: int, step: int = 1) -> Grant:  # noqa: ARG002
        """See `scp.ports.ChargingSystem`. The system grants as it likes: ``step`` is nothing to it."""
        found = await self._ledger.reservation(reservation_id)
        known = no_extension(found, seconds, self._max_seconds)
        if known is not None or found is None:
            return known or Grant(None, Denied.UNKNOWN_RESERVATION)
        answer: Granted | Denied = Granted(seconds)
        if found.reference:
            try:
                _, answer = await self._sessions.update(found, _NOTHING, 0, seconds)
            except RoUnavailableError:
                if Session.of(found.reference).handling is not FailureHandling.CONTINUE:
                    return Grant(found, Denied.UNAVAILABLE)
        total, validity = found.granted_seconds, None
        if isinstance(answer, Granted):
            total, validity = max(total, answer.seconds), answer.validity
        outcome = await self._ledger.step(reservation_id, self._step(Event.EXTEND, found, total, validity))
        if isinstance(answer, Denied):
            return Grant(outcome.reservation or found, answer)
        return granted(outcome)

    async def _tell_end(self, found: Reservation, used_seconds: int | None) -> None:
        """See `LedgerCharging`; raises `StoreError` while no server can be told."""
        if not found.reference:
            return
        try:
            await self._end(found, used_seconds or 0)
        except RoUnavailableError as error:
            raise StoreError(f"online charging system: {error}", Denied.UNAVAILABLE) from None

    async def _end(self, found: Reservation, used_seconds: int) -> None:
        if self._sessions.unanswered(found):
            await self._sessions.update(found, _NOTHING, 0, 1)
            step = self._step(Event.EXTEND, found, found.granted_seconds)
            outcome = await self._ledger.step(found.id, step)
            found = outcome.reservation or found
        await self._sessions.end(found, (Used(used_seconds),))
