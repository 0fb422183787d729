"""Charging by the operator's converged charging function (CHF) over Nchf_ConvergedCharging (TS 32.291).

The CHF holds the money. The ledger here keeps each reservation with amounts of 0, by the same table as our
own charging: that tells repeated requests apart, numbers the invocations, and leaves one CDR for each charge.
The order is always the CHF first, then the ledger:

- a crash in between is healed by the VoIP service's repeated request, which reaches the CHF with the same
  sequence number; a session that the CHF has closed already (404) is one that was charged;
- a session whose reference we lost is closed by the CHF itself when its validity ends, nothing charged.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final
from urllib.parse import quote, unquote, urlsplit

import msgspec

from scp.charging.grants import (
    answered_once,
    granted,
    new_reservation,
    no_extension,
    repeated,
    settled,
    without_asking,
)
from scp.charging.local import EXPIRE_AT_ONCE
from scp.charging.nchf_http import GONE, ChfRefusedError, ChfUnavailableError
from scp.charging.nchf_messages import (
    DENIALS,
    ChargingDataRequest,
    ChargingDataResponse,
    ImsInformation,
    NfIdentification,
    Unit,
    UnitUsage,
    UsedUnit,
    granted_seconds,
)
from scp.domain.reservation import OPEN, Event, Reservation, Result, State, Step
from scp.ports import Denied, Grant, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.nchf_http import ChfClient
    from scp.ports import ChargingRequest, Ledger

PATH: Final = "/nchf-convergedcharging/v3/chargingdata"

_decode: Final = msgspec.json.Decoder(ChargingDataResponse).decode


@final
class NchfCharging:
    """`scp.ports.ChargingSystem` behind which a CHF charges.

    Args:
        client: reaches the CHF.
        ledger: keeps the reservations.
        consumer: our identification at the CHF.
        rating_group: of these calls, agreed with the CHF's operator.
        wall: milliseconds since 1970-01-01 UTC.
        grace_ms: how long after its last second a reservation waits to be committed.
        max_seconds: the most that one reservation may grant.
        carry_on: grant what is asked for while the CHF can't be reached (FailureHandling CONTINUE, TS 32.290
            §5.2.2); such calls have a CDR without the CHF's reference, to be rated from that.
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
        max_seconds: int,
        carry_on: bool,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._consumer = consumer
        self._group = rating_group
        self._wall = wall
        self._grace_ms = grace_ms
        self._max_seconds = max_seconds
        self._carry_on = carry_on

    async def create(self, request: ChargingRequest) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        return await answered_once(self._ledger, request, await self._create(request), self._wall())

    async def _create(self, request: ChargingRequest) -> Grant:
        before = await self._ledger.reservation(request.id)
        known = without_asking(before, request, self._max_seconds)
        if known is not None:
            return known
        now = self._wall()
        seconds, reference = request.seconds, ""
        draft = new_reservation(request, now, 0, None)
        try:
            response = await self._client.post(PATH, self._message(draft, asked=seconds))
            reference = unquote(urlsplit(response.headers.get("location", "")).path.rpartition("/")[2])
            answer = granted_seconds(read_response(response.content), self._group, seconds)
            if not reference:
                raise ChfUnavailableError("no Location in the answer")  # noqa: TRY301 - as any other fault
        except ChfRefusedError as refused:
            return Grant(None, DENIALS.get(refused.cause, Denied.SERVICE_DENIED))
        except ChfUnavailableError:
            if not self._carry_on:
                return Grant(None, Denied.UNAVAILABLE)
            answer = (seconds, None)
        new = new_reservation(request, now, 0, None, reference)
        if isinstance(answer, Denied):
            await self._abandon(new)
            return Grant(None, answer)
        outcome = await self._ledger.reserve(
            new, self._step(Event.RESERVE, new, min(answer[0], seconds), answer[1])
        )
        if outcome.result is not Result.REPEATED or outcome.reservation is None:
            return granted(outcome)
        if outcome.reservation.reference != reference:  # the same request, at once, opened another session
            await self._abandon(new)
        return repeated(outcome.reservation, request.fingerprint)

    async def update(self, reservation_id: str, seconds: int, step: int = 1) -> Grant:  # noqa: ARG002
        """See `scp.ports.ChargingSystem`. The CHF grants as it likes: ``step`` is nothing to it."""
        found = await self._ledger.reservation(reservation_id)
        known = no_extension(found, seconds, self._max_seconds)
        if known is not None or found is None:
            return known or Grant(None, Denied.UNKNOWN_RESERVATION)
        more = seconds - found.granted_seconds
        answer: tuple[int, int | None] | Denied = (more, None)
        if found.reference:
            try:
                response = await self._client.post(
                    f"{session_path(found)}/update", self._message(found, asked=more)
                )
                answer = granted_seconds(read_response(response.content), self._group, more)
            except ChfRefusedError as refused:
                gone = refused.status in GONE
                return Grant(
                    found, Denied.CLOSED if gone else DENIALS.get(refused.cause, Denied.SERVICE_DENIED)
                )
            except ChfUnavailableError:
                if not self._carry_on:
                    return Grant(found, Denied.UNAVAILABLE)
        if isinstance(answer, Denied):
            return Grant(found, answer)
        total = found.granted_seconds + min(answer[0], more)
        return granted(
            await self._ledger.step(reservation_id, self._step(Event.EXTEND, found, total, answer[1]))
        )

    async def release(self, reservation_id: str, used_seconds: int | None) -> Grant:
        """See `scp.ports.ChargingSystem`; raises `StoreError` while the CHF can't be told."""
        found = await self._ledger.reservation(reservation_id)
        if found is None:
            return Grant(None, Denied.UNKNOWN_RESERVATION)
        takes_part = found.state in OPEN or (used_seconds is not None and found.state is State.EXPIRED)
        if takes_part:
            try:
                await self._close(found, used_seconds)
            except ChfUnavailableError as error:
                raise StoreError(f"charging function: {error}", "charging-unavailable") from None
        if used_seconds is None:
            return granted(await self._ledger.step(reservation_id, Step(Event.RELEASE, self._wall())))
        step = Step(Event.COMMIT, self._wall(), 0, used_seconds)
        return settled(await self._ledger.step(reservation_id, step), used_seconds)

    async def expire(self, now_ms: int) -> int:
        """See `scp.ports.ChargingSystem`. The CHF ends its sessions by its own clock."""
        due = await self._ledger.due(now_ms, EXPIRE_AT_ONCE)
        for each in due:
            await self._ledger.step(each, Step(Event.EXPIRE, now_ms))
        return len(due)

    async def _abandon(self, reservation: Reservation) -> None:
        """Release a session that nothing will be charged to; what can't be told, the CHF's clock ends."""
        with contextlib.suppress(ChfUnavailableError):
            await self._close(reservation, None)

    async def _close(self, reservation: Reservation, used_seconds: int | None) -> None:
        """Release the session at the CHF; one that it does not know any more is released."""
        if not reservation.reference:
            return
        try:
            await self._client.post(
                f"{session_path(reservation)}/release", self._message(reservation, used=used_seconds or 0)
            )
        except ChfRefusedError as refused:
            if refused.status not in GONE:
                raise ChfUnavailableError(str(refused)) from None

    def _message(
        self, reservation: Reservation, *, asked: int | None = None, used: int | None = None
    ) -> ChargingDataRequest:
        return ChargingDataRequest(
            f"msisdn-{reservation.account}",
            self._consumer,
            datetime.fromtimestamp(self._wall() / 1000, UTC).isoformat(timespec="milliseconds"),
            reservation.steps,
            (
                UnitUsage(
                    self._group,
                    None if asked is None else Unit(asked),
                    () if used is None else (UsedUnit(1, used),),
                ),
            ),
            ImsInformation((f"tel:+{reservation.a_number}",), f"tel:+{reservation.b_number}"),
        )

    def _step(self, event: Event, of: Reservation, seconds: int, validity: int | None) -> Step:
        wait = seconds * 1000 + self._grace_ms
        now = self._wall()
        expires = (
            of.created_ms + wait if validity is None else max(of.created_ms + wait, now + validity * 1000)
        )
        return Step(event, now, 0, seconds, expires)


def session_path(reservation: Reservation) -> str:
    """Return the path of a session at the CHF."""
    return f"{PATH}/{quote(reservation.reference, safe='')}"


def read_response(octets: bytes) -> ChargingDataResponse:
    """Return the answer; raise `ChfUnavailableError` if it can't be read."""
    try:
        return _decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChfUnavailableError(f"the answer can't be read: {error}") from None
