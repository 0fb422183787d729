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

from scp.charging.grants import granted, new_reservation, no_extension, repeated
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
from scp.charging.on_ledger import LedgerCharging
from scp.domain.reservation import Event, Reservation, Result
from scp.ports import Denied, Grant, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.nchf_http import ChfClient
    from scp.ports import ChargingRequest, Ledger

PATH: Final = "/nchf-convergedcharging/v3/chargingdata"

_decode: Final = msgspec.json.Decoder(ChargingDataResponse).decode


@final
class NchfCharging(LedgerCharging):
    """`scp.ports.ChargingSystem` behind which a CHF charges.

    Args:
        client: reaches the CHF.
        ledger, wall, grace_ms, max_seconds: see `LedgerCharging`.
        consumer: our identification at the CHF.
        rating_group: of these calls, agreed with the CHF's operator.
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
        super().__init__(ledger, wall, grace_ms=grace_ms, max_seconds=max_seconds)
        self._client = client
        self._consumer = consumer
        self._group = rating_group
        self._carry_on = carry_on

    async def _granted(self, request: ChargingRequest) -> Grant:
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

    async def _tell_end(self, found: Reservation, used_seconds: int | None) -> None:
        """See `LedgerCharging`; raises `StoreError` while the CHF can't be told."""
        try:
            await self._close(found, used_seconds)
        except ChfUnavailableError as error:
            raise StoreError(f"charging function: {error}", "charging-unavailable") from None

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


def session_path(reservation: Reservation) -> str:
    """Return the path of a session at the CHF."""
    return f"{PATH}/{quote(reservation.reference, safe='')}"


def read_response(octets: bytes) -> ChargingDataResponse:
    """Return the answer; raise `ChfUnavailableError` if it can't be read."""
    try:
        return _decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChfUnavailableError(f"the answer can't be read: {error}") from None
