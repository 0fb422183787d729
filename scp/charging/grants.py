"""The answers to requests for seconds: repeated, refused, granted, settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from scp.domain.reservation import OPEN, Event, Reservation, Result, State, Step
from scp.ports import Denied, Grant

if TYPE_CHECKING:
    from scp.domain.reservation import Outcome
    from scp.domain.tariff import Tariff
    from scp.ports import ChargingRequest, Ledger

_DENIALS: Final = {
    Result.INSUFFICIENT: Denied.INSUFFICIENT,
    Result.REFUSED: Denied.CLOSED,
    Result.UNKNOWN: Denied.UNKNOWN_RESERVATION,
    Result.NO_ACCOUNT: Denied.UNKNOWN_ACCOUNT,
}
_FINAL: Final = frozenset(
    {
        Denied.NO_TARIFF,
        Denied.UNKNOWN_ACCOUNT,
        Denied.INSUFFICIENT,
        Denied.SERVICE_DENIED,
        Denied.TOO_LONG,
    }
)
"""Denials of new requests that are an answer. `Denied.UNAVAILABLE` is none: asking again gets one."""


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


def without_asking(before: Reservation | None, request: ChargingRequest, most: int) -> Grant | None:
    """Return what a request gets that was made before, or asks for more than ``most``; None: neither."""
    if before is not None:
        return repeated(before, request.fingerprint)
    return Grant(None, Denied.TOO_LONG) if request.seconds > most else None


def no_extension(found: Reservation | None, seconds: int, most: int) -> Grant | None:
    """Return what a request for a total of seconds gets that extends nothing; ``most`` may be granted."""
    if found is None:
        return Grant(None, Denied.UNKNOWN_RESERVATION)
    if found.state not in OPEN:
        return Grant(found, Denied.CLOSED)
    if seconds > most:
        return Grant(found, Denied.TOO_LONG)
    return Grant(found) if seconds <= found.granted_seconds else None


def repeated(before: Reservation, fingerprint: str) -> Grant:
    """Return what a request with the id of an earlier one gets: the same, if it is the same request."""
    if before.fingerprint != fingerprint:
        return Grant(before, Denied.MISMATCH)
    return Grant(None, Denied(before.denial)) if before.state is State.DENIED else Grant(before)


async def answered_once(ledger: Ledger, request: ChargingRequest, grant: Grant, now: int) -> Grant:
    """Return what a new request gets, from now on whenever it comes; ``grant`` is what it would get now.

    A denial is kept like a reservation, where the request may come again. Were it granted then, since there
    is more on the account by now, money would be held for a caller that was refused, and nobody would give
    them back. Payment APIs take a declined payment for a result likewise, and the draft on Idempotency-Key
    has results stand whatever they are (draft-ietf-httpapi-idempotency-key-header-07 §2.6).
    """
    if grant.denied not in _FINAL or not request.repeatable:
        return grant
    new = new_reservation(request, now, 0, None)
    outcome = await ledger.reserve(structs.replace(new, denial=grant.denied.value), Step(Event.DENY, now))
    before = outcome.reservation
    return repeated(before, request.fingerprint) if before is not None else grant


def granted(outcome: Outcome) -> Grant:
    """Return what came of a step."""
    return Grant(outcome.reservation, _DENIALS.get(outcome.result))


def settled(outcome: Outcome, used_seconds: int) -> Grant:
    """Return what came of a commit; one that was settled before has to have been the same."""
    found = outcome.reservation
    if outcome.result is Result.REPEATED and found is not None and found.used_seconds != used_seconds:
        return Grant(found, Denied.MISMATCH)
    if found is not None and found.state is State.COMMITTED:
        return Grant(found, done=outcome.result is Result.DONE)
    return granted(outcome)
