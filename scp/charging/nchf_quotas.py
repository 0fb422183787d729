"""Quotas of calls under control from the operator's charging function (TS 32.291), with the use of each.

ECUR as TS 32.290 §5.2.3 has it: Create reserves the first quota; each Update tells what was used since the
one before (trigger QUOTA_EXHAUSTED) and asks for the next, Release tells the rest (FINAL). What is granted
counts from the time that an Update tells of: the quota before it is over with it. Seconds are told as whole
ones, the begun one with the last.

The ledger here keeps each session with amounts of 0, as for minutes (`scp.charging.nchf`): by it any node
finds the function's reference, and a charge leaves one CDR.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from scp.charging.nchf import PATH, read_response, session_path
from scp.charging.nchf_http import GONE, ChfRefusedError, ChfUnavailableError
from scp.charging.nchf_messages import (
    DENIALS,
    FINAL,
    QUOTA_EXHAUSTED,
    ChargingDataRequest,
    ImsInformation,
    NfIdentification,
    Unit,
    UnitUsage,
    UsedUnit,
    granted_seconds,
    is_final,
)
from scp.domain.quota import TENTHS, UNUSED, QuotaDenial, QuotaGrant, Settled
from scp.domain.reservation import OPEN, Event, Reservation, State, Step
from scp.ports import Denied, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.nchf_http import ChfClient
    from scp.charging.nchf_messages import ChargingDataResponse
    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.ports import Ledger

MESSAGE: Final = "message"
"""The fingerprint of a short message's reservation: it says which units its session counts in."""


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
            raise StoreError(f"charging function: {error}", Denied.UNAVAILABLE) from None
        made = replace(new, reference=reference)
        answer = granted_seconds(read, group, request.seconds)
        if isinstance(answer, Denied) or answer[0] < request.least:
            await self._release(made, 0)
            return QuotaDenial(answer if isinstance(answer, Denied) else Denied.INSUFFICIENT)
        seconds = min(answer[0], request.seconds)
        await self._ledger.reserve(made, self._step(Event.RESERVE, seconds, answer[1]))
        last = seconds < request.seconds or is_final(read, group)
        return QuotaGrant(request.session, seconds, last)

    async def extend(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        found = await self._ledger.reservation(request.session)
        if found is None or found.state not in OPEN:
            return QuotaDenial(Denied.UNKNOWN_RESERVATION if found is None else Denied.CLOSED)
        if request.seconds <= found.granted_seconds:
            return QuotaGrant(request.session, found.granted_seconds)
        used = request.used.tenths // TENTHS
        more = request.seconds - used
        told = self._told_of(request.session, request.used)
        message = self._message(found, Unit(more), used - told, QUOTA_EXHAUSTED)
        try:
            response = await self._client.post(f"{session_path(found)}/update", message)
            read = read_response(response.content)
        except ChfRefusedError as refused:
            gone = refused.status in GONE
            return QuotaDenial(Denied.CLOSED if gone else DENIALS.get(refused.cause, Denied.SERVICE_DENIED))
        except ChfUnavailableError as error:
            raise StoreError(f"charging function: {error}", Denied.UNAVAILABLE) from None
        self._told[request.session] = used
        answer = granted_seconds(read, self._group, more)
        if isinstance(answer, Denied):
            return QuotaDenial(answer)
        total = used + min(answer[0], more)
        if total > found.granted_seconds:
            await self._ledger.step(request.session, self._step(Event.EXTEND, total, answer[1]))
        return self._grant(request, max(total, found.granted_seconds), read, request.seconds)

    async def settle(self, session: str, used: Usage | None) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        used = used or UNUSED
        found = await self._ledger.reservation(session)
        if found is None:
            return QuotaDenial(Denied.UNKNOWN_RESERVATION)
        if found.state in OPEN or (used.tenths and found.state is State.EXPIRED):
            try:
                await self._release(found, used.seconds - self._told_of(session, used))
            except ChfUnavailableError as error:
                raise StoreError(f"charging function: {error}", Denied.UNAVAILABLE) from None
        event = Event.SETTLE if used.tenths else Event.RELEASE
        await self._ledger.step(session, Step(event, self._wall(), 0, used.seconds))
        self._told.pop(session, None)
        return Settled(session, None, used.seconds)

    def _told_of(self, session: str, used: Usage) -> int:
        """Return how many seconds the function was told of: by this node, or by the one before it."""
        return max(self._told.get(session, 0), used.told)

    async def _release(self, reservation: Reservation, seconds: int) -> None:
        """Release the session; one that the function does not know any more is released."""
        try:
            await self._client.post(
                f"{session_path(reservation)}/release", self._message(reservation, None, seconds, FINAL)
            )
        except ChfRefusedError as refused:
            if refused.status not in GONE:
                raise ChfUnavailableError(str(refused)) from None

    def _group_of(self, of: Reservation) -> int:
        return self._message_group if of.fingerprint == MESSAGE else self._group

    def _message(
        self, of: Reservation, asked: Unit | None, used: int | None = None, trigger: str = ""
    ) -> ChargingDataRequest:
        messages = of.fingerprint == MESSAGE
        container = () if used is None else (UsedUnit.of(of.steps, used, trigger, messages=messages),)
        return ChargingDataRequest(
            f"msisdn-{of.account}",
            self._consumer,
            datetime.fromtimestamp(self._wall() / 1000, UTC).isoformat(timespec="milliseconds"),
            of.steps,
            (UnitUsage(self._group_of(of), asked, container),),
            ImsInformation((f"tel:+{of.a_number}",), f"tel:+{of.b_number}"),
        )

    def _grant(
        self, request: QuotaRequest, seconds: int, read: ChargingDataResponse, asked: int
    ) -> QuotaGrant:
        return QuotaGrant(request.session, seconds, last=seconds < asked or is_final(read, self._group))

    def _step(self, event: Event, seconds: int, validity: int | None) -> Step:
        now = self._wall()
        wait = max(seconds, validity or 0) * 1000 + self._grace_ms
        return Step(event, now, 0, seconds, now + wait)
