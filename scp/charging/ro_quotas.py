"""Quotas of calls under control from the operator's online charging system (Diameter Ro, TS 32.299).

Session based charging with unit reservation (SCUR, TS 32.299 §6.3.5): the initial request reserves the first
quota; each update tells what was used since the one before and asks for the next, the termination tells the
rest. What is granted counts from the time that an update tells of: the quota before it is over with it.
Seconds are told as whole ones, the begun one with the last.

The ledger here keeps each session with amounts of 0, as for the CHF: by it any node finds the session's
server, and a charge leaves one CDR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from msgspec.structs import replace

from scp.charging.ro_client import RoUnavailableError
from scp.charging.ro_messages import FailureHandling
from scp.charging.ro_sessions import Granted, Session, told_in
from scp.charging.unopened import UnopenedSessions
from scp.domain.quota import MOST_SWITCH, TENTHS, UNUSED, QuotaDenial, QuotaGrant, Settled
from scp.domain.reservation import MESSAGE, OPEN, Event, Reservation, State, Step
from scp.ports import Denied, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.ro_sessions import RoSessions
    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.ports import Ledger


@final
class RoQuotas:
    """`scp.ports.QuotaSystem` behind which an online charging system charges.

    Args:
        sessions: at the servers.
        ledger: keeps the reservations.
        wall: milliseconds since 1970-01-01 UTC.
        grace_ms: how long after its last second a reservation waits to be settled.
    """

    def __init__(
        self, sessions: RoSessions, ledger: Ledger, wall: Callable[[], int], *, grace_ms: int
    ) -> None:
        self._sessions = sessions
        self._ledger = ledger
        self._wall = wall
        self._grace_ms = grace_ms
        self._told: dict[str, int] = {}  # seconds that the server was told of, of sessions that are open
        self._unopened = UnopenedSessions()
        self._behind: dict[str, int] = {}  # the same of sessions that were granted more without asking

    async def reserve(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        before = await self._ledger.reservation(request.session)
        if before is not None:
            return await self.extend(request) if before.state in OPEN else QuotaDenial(Denied.CLOSED)
        new = Reservation(
            id=request.session,
            account=request.account,
            call_id=request.call_id,
            a_number=request.a_number,
            b_number=request.b_number,
            created_ms=self._wall(),
            fingerprint=MESSAGE if request.message else "",
        )
        try:
            session, answer = await self._sessions.begin(new, request.seconds)
        except RoUnavailableError as error:
            if not self._sessions.carry_on:
                self._unopened.add(request)
                raise _unavailable(error) from None
            session, answer = None, Granted(request.seconds)
        made = new if session is None else replace(new, reference=session.reference, steps=0)
        if isinstance(answer, Denied) or answer.seconds < request.least:
            if session is not None:
                await self._sessions.abandon(replace(made, steps=1))
            return QuotaDenial(answer if isinstance(answer, Denied) else Denied.INSUFFICIENT)
        step = self._step(Event.RESERVE, answer.seconds, answer.validity)
        outcome = await self._ledger.reserve(made, step)
        if session is None or request.used.tenths < TENTHS:
            return self._grant(request, answer.seconds, answer)
        # The call began without a session: of what it has used nobody was told.
        untold = replace(request, used=replace(request.used, told=0))
        if request.seconds <= request.used.seconds:
            self._behind[request.session] = 0
            return self._grant(request, answer.seconds, answer)
        return await self._more(outcome.reservation or replace(made, steps=1), untold)

    async def extend(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        found = await self._ledger.reservation(request.session)
        if found is None or found.state not in OPEN:
            return QuotaDenial(Denied.UNKNOWN_RESERVATION if found is None else Denied.CLOSED)
        if request.seconds <= found.granted_seconds:
            self._not_told(request)
            return QuotaGrant(request.session, found.granted_seconds)
        return await self._more(found, request)

    async def _more(self, found: Reservation, request: QuotaRequest) -> QuotaAnswer:
        """Tell what was used, and ask for more."""
        used = request.used.tenths // TENTHS
        if not found.reference:  # nothing of it is charged there
            return await self._extended(request, found, used, Granted(request.seconds - used))
        told = self._told_of(request.session, request.used)
        try:
            if self._sessions.unanswered(found):
                found, told = await self._caught_up(found, told)
            usage = told_in(request.used, told, used)
            told, answer = await self._sessions.update(found, usage, used, request.seconds - used)
        except RoUnavailableError as error:
            if Session.of(found.reference).handling is not FailureHandling.CONTINUE:
                raise _unavailable(error) from None
            self._behind[request.session] = told  # its use is told of later
            return QuotaGrant(request.session, request.seconds)
        self._told_now(request.session, told)
        if isinstance(answer, Denied):
            await self._answered(found, found.granted_seconds, None)
            return QuotaDenial(answer)
        return await self._extended(request, found, used, answer)

    async def settle(self, session: str, used: Usage | None) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        used = used or UNUSED
        found = await self._ledger.reservation(session)
        if found is None:
            denied = await self._unopened.opened(session, used, self.reserve)
            found = await self._ledger.reservation(session)
            if found is None:
                return denied
        takes_part = found.state in OPEN or (used.tenths and found.state is State.EXPIRED)
        if found.reference and takes_part:
            told = self._told_of(session, used)
            try:
                if self._sessions.unanswered(found):
                    found, told = await self._caught_up(found, told)
                await self._sessions.end(found, told_in(used, told, used.seconds))
            except RoUnavailableError as error:
                raise _unavailable(error) from None
        event = Event.SETTLE if used.tenths else Event.RELEASE
        await self._ledger.step(session, Step(event, self._wall(), 0, used.seconds))
        self._told.pop(session, None)
        self._behind.pop(session, None)
        return Settled(session, None, used.seconds)

    async def _caught_up(self, found: Reservation, told: int) -> tuple[Reservation, int]:
        """Repeat the update that was not answered; the reservation after it, and what it told of."""
        told, answer = await self._sessions.update(found, (), told, 1)
        self._told_now(found.id, told)
        granted = 0 if isinstance(answer, Denied) else told + answer.seconds
        return await self._answered(found, max(found.granted_seconds, granted), None), told

    async def _extended(
        self, request: QuotaRequest, found: Reservation, used: int, answer: Granted
    ) -> QuotaAnswer:
        total = max(used + answer.seconds, found.granted_seconds)
        await self._answered(found, total, answer.validity)
        return self._grant(request, total, answer)

    async def _answered(self, found: Reservation, seconds: int, validity: int | None) -> Reservation:
        """Note in the ledger that an update was answered: the next one has the next number."""
        step = self._step(Event.EXTEND, seconds, validity)
        outcome = await self._ledger.step(found.id, step)
        return found if outcome.reservation is None else outcome.reservation

    def _told_of(self, session: str, used: Usage) -> int:
        """Return how many seconds the server was told of: by this node, or by the one before it."""
        behind = self._behind.get(session)
        return max(self._told.get(session, 0), used.told) if behind is None else behind

    def _not_told(self, request: QuotaRequest) -> None:
        """Note that a grant tells of nothing, though who asks for it takes that its use is told."""
        told = self._told_of(request.session, request.used)
        if told < request.used.tenths // TENTHS:
            self._behind[request.session] = told

    def _told_now(self, session: str, told: int) -> None:
        self._told[session] = told
        self._behind.pop(session, None)

    def _grant(self, request: QuotaRequest, seconds: int, answer: Granted) -> QuotaGrant:
        now = self._wall() // 1000
        switch = 0 if answer.change is None else answer.change - now
        if not 0 < switch <= MOST_SWITCH:
            return QuotaGrant(request.session, seconds, last=answer.last)
        return QuotaGrant(request.session, seconds, last=answer.last, at=now, switch_s=switch)

    def _step(self, event: Event, seconds: int, validity: int | None) -> Step:
        now = self._wall()
        wait = max(seconds, validity or 0) * 1000 + self._grace_ms
        return Step(event, now, 0, seconds, now + wait)


def _unavailable(error: RoUnavailableError) -> StoreError:
    return StoreError(f"online charging system: {error}", Denied.UNAVAILABLE)
