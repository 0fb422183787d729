"""What requests for minutes get, whoever charges: repeated, refused without asking, granted, settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.domain.reservation import OPEN, Reservation, Result, State
from scp.domain.tariff import MINUTE
from scp.ports import Denied, Grant

if TYPE_CHECKING:
    from scp.domain.reservation import Outcome
    from scp.domain.tariff import Tariff
    from scp.ports import ChargingRequest

_DENIALS: Final = {
    Result.INSUFFICIENT: Denied.INSUFFICIENT,
    Result.REFUSED: Denied.CLOSED,
    Result.UNKNOWN: Denied.UNKNOWN_RESERVATION,
    Result.NO_ACCOUNT: Denied.UNKNOWN_ACCOUNT,
}


def new_reservation(
    request: ChargingRequest, now: int, local_start: int, tariff: Tariff | None, reference: str = ""
) -> Reservation:
    """Return the reservation that a request asks for, not made yet."""
    return Reservation(
        id=request.id,
        account=request.account,
        call_id=request.call_id,
        a_number=request.a_number,
        b_number=request.b_number,
        created_ms=now,
        local_start=local_start,
        tariff=tariff,
        reference=reference,
        fingerprint=request.fingerprint,
    )


def without_asking(before: Reservation | None, request: ChargingRequest, max_minutes: int) -> Grant | None:
    """Return what a request gets that was made before, or is for too many minutes; None: neither."""
    if before is not None:
        return repeated(before, request.fingerprint)
    return Grant(None, Denied.TOO_LONG) if request.minutes > max_minutes else None


def no_extension(found: Reservation | None, minutes: int, max_minutes: int) -> Grant | None:
    """Return what a request for a total of minutes gets that extends nothing."""
    if found is None:
        return Grant(None, Denied.UNKNOWN_RESERVATION)
    if found.state not in OPEN:
        return Grant(found, Denied.CLOSED)
    if minutes > max_minutes:
        return Grant(found, Denied.TOO_LONG)
    return Grant(found) if minutes * MINUTE <= found.granted_seconds else None


def repeated(before: Reservation, fingerprint: str) -> Grant:
    """Return what a request with the id of an earlier one gets: the same, if it is the same request."""
    return Grant(before, None if before.fingerprint == fingerprint else Denied.MISMATCH)


def granted(outcome: Outcome) -> Grant:
    """Return what came of a step."""
    return Grant(outcome.reservation, _DENIALS.get(outcome.result))


def settled(outcome: Outcome, used_seconds: int) -> Grant:
    """Return what came of a commit; one that was settled before has to have been the same."""
    found = outcome.reservation
    if outcome.result is Result.REPEATED and found is not None and found.used_seconds != used_seconds:
        return Grant(found, Denied.MISMATCH)
    if found is not None and found.state is State.COMMITTED:
        return Grant(found)
    return granted(outcome)
