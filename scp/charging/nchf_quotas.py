"""Quotas of calls under control from the operator's charging function (TS 32.291), with the use of each.

ECUR as TS 32.290 §5.2.3 has it: Create reserves the first quota; each Update tells what was used since the
one before (trigger QUOTA_EXHAUSTED) and asks for the next, Release tells the rest (FINAL). What is granted
counts from the time that an Update tells of: the quota before it is over with it. Seconds are told as whole
ones, the begun one with the last.

The ledger here keeps each session with amounts of 0, as for minutes (`scp.charging.nchf`): by it any node
finds the function's reference, and a charge leaves one CDR.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, final
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from scp.charging.nchf import PATH, read_response, session_path
from scp.charging.nchf_http import GONE, ChfRefusedError, ChfUnavailableError
from scp.charging.nchf_messages import (
    DENIALS,
    FINAL,
    QUOTA_EXHAUSTED,
    TARIFF_TIME_CHANGE,
    ChargingDataRequest,
    ImsInformation,
    NfIdentification,
    Unit,
    UnitUsage,
    UsedUnit,
    granted_seconds,
    is_final,
    tariff_change,
)
from scp.charging.unopened import UnopenedSessions
from scp.domain.quota import MOST_SWITCH, TENTHS, UNUSED, QuotaDenial, QuotaGrant, Settled, divided
from scp.domain.reservation import MESSAGE, OPEN, Event, Reservation, State, Step
from scp.ports import Denied, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.nchf_http import ChfClient
    from scp.charging.nchf_messages import ChargingDataResponse
    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.ports import Ledger


class _Update(NamedTuple):
    """An Update, and the seconds in all that are told with it."""

    message: ChargingDataRequest
    used: int


@final
class NchfQuotas:
    """`scp.ports.QuotaSystem` behind which a CHF charges; arguments as for `NchfCharging`.

    A short message is a service-specific unit of the rating group ``message_group``.
    """

    def __init__(
        self,
        client: ChfClient,
        ledger: Ledger,
        consumer: NfIdentification,
        rating_group: int,
        wall: Callable[[], int],
        *,
        grace_ms: int,
        message_group: int | None = None,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._consumer = consumer
        self._group = rating_group
        self._message_group = rating_group if message_group is None else message_group
        self._wall = wall
        self._grace_ms = grace_ms
        self._told: dict[str, int] = {}  # seconds that the function was told of, of sessions that are open
        self._unopened = UnopenedSessions()
        self._behind: dict[str, int] = {}  # the same of sessions that were granted more without telling
        self._unanswered: dict[str, _Update] = {}

    async def reserve(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        before = await self._ledger.reservation(request.session)
        if before is not None:
            return await self.extend(request) if before.state in OPEN else QuotaDenial(Denied.CLOSED)
        now = self._wall()
        new = Reservation(
            id=request.session,
            account=request.account,
            call_id=request.call_id,
            a_number=request.a_number,
            b_number=request.b_number,
            created_ms=now,
            fingerprint=MESSAGE if request.message else "",
        )
        group = self._group_of(new)
        message = self._message(new, Unit.of(request.seconds, messages=request.message))
        try:
            response = await self._client.post(PATH, message)
            reference = unquote(urlsplit(response.headers.get("location", "")).path.rpartition("/")[2])
            read = read_response(response.content)
            if not reference:
                raise ChfUnavailableError("no Location in the answer")  # noqa: TRY301 - as any other fault
        except ChfRefusedError as refused:
            return QuotaDenial(DENIALS.get(refused.cause, Denied.SERVICE_DENIED))
        except ChfUnavailableError as error:
            self._unopened.add(request)
            raise StoreError(f"charging function: {error}", Denied.UNAVAILABLE) from None
        made = replace(new, reference=reference)
        answer = granted_seconds(read, group, request.seconds)
        if isinstance(answer, Denied) or answer[0] < request.least:
            await self._release(made, self._used(made, UNUSED, 0, FINAL))
            return QuotaDenial(answer if isinstance(answer, Denied) else Denied.INSUFFICIENT)
        seconds = min(answer[0], request.seconds)
        outcome = await self._ledger.reserve(made, self._step(Event.RESERVE, seconds, answer[1]))
        self._told[request.session] = 0
        if request.used.tenths >= TENTHS:  # the call began without a session: of its use nobody was told
            untold = replace(request, used=replace(request.used, told=0))
            if request.seconds <= request.used.seconds:
                self._behind[request.session] = 0
                return self._grant(request, seconds, read)
            return await self._more(outcome.reservation or replace(made, steps=1), untold)
        return self._grant(request, seconds, read)

    async def extend(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        found = await self._ledger.reservation(request.session)
        if found is None or found.state not in OPEN:
            return QuotaDenial(Denied.UNKNOWN_RESERVATION if found is None else Denied.CLOSED)
        if request.seconds <= found.granted_seconds:
            told = self._told_of(request.session, request.used)
            if told < request.used.tenths // TENTHS:  # who asks takes that its use is told with this
                self._behind[request.session] = told
            return QuotaGrant(request.session, found.granted_seconds)
        return await self._more(found, request)

    async def _more(self, found: Reservation, request: QuotaRequest) -> QuotaAnswer:
        """Tell what was used, and ask for more."""
        try:
            if self._is_unanswered(found):
                found, _ = await self._update(found, self._unanswered[found.id])
            used = request.used.tenths // TENTHS
            asked = Unit.of(request.seconds - used, messages=False)
            used_units = self._used(found, request.used, used, QUOTA_EXHAUSTED)
            found, read = await self._update(found, _Update(self._message(found, asked, used_units), used))
        except ChfRefusedError as refused:
            gone = refused.status in GONE
            return QuotaDenial(Denied.CLOSED if gone else DENIALS.get(refused.cause, Denied.SERVICE_DENIED))
        except ChfUnavailableError as error:
            raise StoreError(f"charging function: {error}", Denied.UNAVAILABLE) from None
        answer = granted_seconds(read, self._group, request.seconds - used)
        if isinstance(answer, Denied):
            return QuotaDenial(answer)
        return self._grant(request, found.granted_seconds, read)

    async def _update(self, found: Reservation, update: _Update) -> tuple[Reservation, ChargingDataResponse]:
        """Send an Update; the reservation after it: by it the next one has another number.

        One that was sent and not answered goes as it was, before any other of its session, and says so: what
        it tells is told once (TS 32.291 §6.1.6.2.2, retransmissionIndicator).
        """
        taken_over = found.id not in self._told  # the node before may have sent one with this number
        repeated = taken_over or self._unanswered.get(found.id) is update
        self._unanswered[found.id] = update
        path = f"{session_path(found)}/update"
        try:
            response = await self._client.post(path, update.message, repeated=repeated)
            read = read_response(response.content)
        except ChfRefusedError:
            del self._unanswered[found.id]
            raise
        del self._unanswered[found.id]
        self._told[found.id] = update.used
        self._behind.pop(found.id, None)
        asked = update.message.usage[0].requested_unit
        most = 0 if asked is None else asked.amount or 0
        answer = granted_seconds(read, self._group, most)
        total, validity = found.granted_seconds, None
        if not isinstance(answer, Denied):
            total, validity = max(total, update.used + min(answer[0], most)), answer[1]
        outcome = await self._ledger.step(found.id, self._step(Event.EXTEND, total, validity))
        return outcome.reservation or found, read

    def _is_unanswered(self, found: Reservation) -> bool:
        update = self._unanswered.get(found.id)
        return update is not None and update.message.sequence_number == found.steps

    async def settle(self, session: str, used: Usage | None) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        used = used or UNUSED
        found = await self._ledger.reservation(session)
        if found is None:
            denied = await self._unopened.opened(session, used, self.reserve)
            found = await self._ledger.reservation(session)
            if found is None:
                return denied
        if found.state in OPEN or (used.tenths and found.state is State.EXPIRED):
            try:
                if self._is_unanswered(found):
                    with contextlib.suppress(ChfRefusedError):
                        found, _ = await self._update(found, self._unanswered[session])
                elif session not in self._told and used.tenths and found.fingerprint != MESSAGE:
                    # An update that the node before may have sent: the function tells, and counts it once.
                    told = self._used(found, used, used.seconds, QUOTA_EXHAUSTED)
                    update = _Update(self._message(found, None, told), used.seconds)
                    with contextlib.suppress(ChfRefusedError):
                        found, _ = await self._update(found, update)
                await self._release(found, self._used(found, used, used.seconds, FINAL))
            except ChfUnavailableError as error:
                raise StoreError(f"charging function: {error}", Denied.UNAVAILABLE) from None
        event = Event.SETTLE if used.tenths else Event.RELEASE
        await self._ledger.step(session, Step(event, self._wall(), 0, used.seconds))
        self._told.pop(session, None)
        self._behind.pop(session, None)
        self._unanswered.pop(session, None)
        return Settled(session, None, used.seconds)

    def _told_of(self, session: str, used: Usage) -> int:
        """Return how many seconds the function was told of: by this node, or by the one before it."""
        behind = self._behind.get(session)
        return max(self._told.get(session, 0), used.told) if behind is None else behind

    def _used(self, of: Reservation, usage: Usage, used: int, trigger: str) -> tuple[UsedUnit, ...]:
        """Return the containers of what was used and not told of; two where the tariff changed."""
        parts = divided(usage, self._told_of(of.id, usage), used)
        triggers = (trigger,) if len(parts) == 1 else (TARIFF_TIME_CHANGE, trigger)
        messages = of.fingerprint == MESSAGE
        return tuple(
            UsedUnit.of(2 * of.steps + index, part, why, messages=messages)
            for index, (part, why) in enumerate(zip(parts, triggers, strict=True), -1)
        )

    async def _release(self, reservation: Reservation, used: tuple[UsedUnit, ...]) -> None:
        """Release the session; one that the function does not know any more is released."""
        try:
            await self._client.post(
                f"{session_path(reservation)}/release", self._message(reservation, None, used)
            )
        except ChfRefusedError as refused:
            if refused.status not in GONE:
                raise ChfUnavailableError(str(refused)) from None

    def _group_of(self, of: Reservation) -> int:
        return self._message_group if of.fingerprint == MESSAGE else self._group

    def _message(
        self, of: Reservation, asked: Unit | None, used: tuple[UsedUnit, ...] = ()
    ) -> ChargingDataRequest:
        return ChargingDataRequest(
            f"msisdn-{of.account}",
            self._consumer,
            datetime.fromtimestamp(self._wall() / 1000, UTC).isoformat(timespec="milliseconds"),
            of.steps,
            (UnitUsage(self._group_of(of), asked, used),),
            ImsInformation((f"tel:+{of.a_number}",), f"tel:+{of.b_number}"),
        )

    def _grant(self, request: QuotaRequest, seconds: int, read: ChargingDataResponse) -> QuotaGrant:
        """Return a grant; one that is smaller than asked for is the last only if the function says so."""
        group = self._message_group if request.message else self._group
        last, change = is_final(read, group), tariff_change(read, group)
        now = self._wall() // 1000
        switch = 0 if change is None else change - now
        if not 0 < switch <= MOST_SWITCH:
            return QuotaGrant(request.session, seconds, last)
        return QuotaGrant(request.session, seconds, last, now, switch)

    def _step(self, event: Event, seconds: int, validity: int | None) -> Step:
        now = self._wall()
        wait = max(seconds, validity or 0) * 1000 + self._grace_ms
        return Step(event, now, 0, seconds, now + wait)
