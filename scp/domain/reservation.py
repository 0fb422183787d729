"""Reservations of money for a call: their states and events as a table, with the effect on the account.

An account has a balance and, of it, an amount that open reservations hold. What can be spent is the rest, the
*available* amount, and never falls below 0. A reservation holds its price from `RESERVE` on, and is settled
once: what was used is charged, never more than is held; the rest is free again.

Every store applies the same table: SQLite through `advance`, Redis through a script made of `TABLE`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from msgspec import Struct, structs

from scp.domain.tariff import Tariff  # noqa: TC001 - read as a type hint at run time

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """States of a reservation."""

    NONE = "none"  # there is none with this id
    RESERVED = "reserved"
    EXTENDED = "extended"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"
    DENIED = "denied"  # there never was one, and never will be


class Event(StrEnum):
    """Events of a reservation: requests, and the end of its time."""

    RESERVE = "reserve"
    EXTEND = "extend"
    COMMIT = "commit"
    SETTLE = "settle"
    RELEASE = "release"
    EXPIRE = "expire"
    DENY = "deny"


class Effect(StrEnum):
    """Effects of an event on the account."""

    HOLD = "hold"  # hold the given amount in all; only if what is missing is available
    CHARGE = "charge"  # take the given amount, at most what is held, off the balance; hold nothing more
    CHARGE_LATE = "charge-late"  # the same when nothing is held any more: at most what is available
    CHARGE_USED = "charge-used"  # as CHARGE, but beyond what is held also of what is available
    CHARGE_USED_LATE = "charge-used-late"  # the same when nothing is held any more
    FREE = "free"  # hold nothing more
    REPEAT = "repeat"  # it was done before: nothing


class Row(NamedTuple):
    """What an event does in a state."""

    effect: Effect
    next: State
    why: str


TABLE: Final[Mapping[tuple[State, Event], Row]] = {
    (State.NONE, Event.RESERVE): Row(Effect.HOLD, State.RESERVED, "minutes are asked for"),
    (State.RESERVED, Event.RESERVE): Row(Effect.REPEAT, State.RESERVED, "the request came again"),
    (State.EXTENDED, Event.RESERVE): Row(Effect.REPEAT, State.EXTENDED, "the first request came again"),
    (State.COMMITTED, Event.RESERVE): Row(Effect.REPEAT, State.COMMITTED, "the first request came again"),
    (State.RELEASED, Event.RESERVE): Row(Effect.REPEAT, State.RELEASED, "the first request came again"),
    (State.EXPIRED, Event.RESERVE): Row(Effect.REPEAT, State.EXPIRED, "the first request came again"),
    (State.DENIED, Event.RESERVE): Row(Effect.REPEAT, State.DENIED, "it was denied, which stands"),
    (State.NONE, Event.DENY): Row(Effect.FREE, State.DENIED, "the same request must not be granted later"),
    (State.DENIED, Event.DENY): Row(Effect.REPEAT, State.DENIED, "denied once"),
    (State.RESERVED, Event.DENY): Row(
        Effect.REPEAT, State.RESERVED, "the same request, at once, was granted"
    ),
    (State.EXTENDED, Event.DENY): Row(Effect.REPEAT, State.EXTENDED, "the same request was granted"),
    (State.COMMITTED, Event.DENY): Row(Effect.REPEAT, State.COMMITTED, "the same request was granted"),
    (State.RELEASED, Event.DENY): Row(Effect.REPEAT, State.RELEASED, "the same request was granted"),
    (State.EXPIRED, Event.DENY): Row(Effect.REPEAT, State.EXPIRED, "the same request was granted"),
    (State.RESERVED, Event.EXTEND): Row(Effect.HOLD, State.EXTENDED, "the total of minutes is raised"),
    (State.EXTENDED, Event.EXTEND): Row(Effect.HOLD, State.EXTENDED, "the total of minutes is raised again"),
    (State.RESERVED, Event.COMMIT): Row(Effect.CHARGE, State.COMMITTED, "the call is over"),
    (State.EXTENDED, Event.COMMIT): Row(Effect.CHARGE, State.COMMITTED, "the call is over"),
    (State.EXPIRED, Event.COMMIT): Row(
        Effect.CHARGE_LATE, State.COMMITTED, "the call took place, its end was reported late: not forgotten"
    ),
    (State.COMMITTED, Event.COMMIT): Row(Effect.REPEAT, State.COMMITTED, "charged once"),
    (State.RESERVED, Event.SETTLE): Row(
        Effect.CHARGE_USED, State.COMMITTED, "a switch has measured the call: nothing of it is free"
    ),
    (State.EXTENDED, Event.SETTLE): Row(Effect.CHARGE_USED, State.COMMITTED, "the same"),
    (State.EXPIRED, Event.SETTLE): Row(Effect.CHARGE_USED_LATE, State.COMMITTED, "the same, late"),
    (State.COMMITTED, Event.SETTLE): Row(Effect.REPEAT, State.COMMITTED, "charged once"),
    (State.RELEASED, Event.SETTLE): Row(Effect.REPEAT, State.RELEASED, "it was given back"),
    (State.DENIED, Event.SETTLE): Row(Effect.REPEAT, State.DENIED, "it never held anything"),
    (State.RESERVED, Event.RELEASE): Row(Effect.FREE, State.RELEASED, "there was no call"),
    (State.EXTENDED, Event.RELEASE): Row(Effect.FREE, State.RELEASED, "nothing is to be charged"),
    (State.RELEASED, Event.RELEASE): Row(Effect.REPEAT, State.RELEASED, "released once"),
    (State.EXPIRED, Event.RELEASE): Row(Effect.REPEAT, State.EXPIRED, "it holds nothing any more"),
    (State.DENIED, Event.RELEASE): Row(Effect.REPEAT, State.DENIED, "it never held anything"),
    (State.RESERVED, Event.EXPIRE): Row(Effect.FREE, State.EXPIRED, "nobody said how the call ended"),
    (State.EXTENDED, Event.EXPIRE): Row(Effect.FREE, State.EXPIRED, "nobody said how the call ended"),
}
"""Whatever has no row is refused: extending or releasing what is settled, settling what is released."""

_LATE: Final = frozenset({Effect.CHARGE_LATE, Effect.CHARGE_USED_LATE})
_USED: Final = frozenset({Effect.CHARGE_USED, Effect.CHARGE_USED_LATE})

OPEN: Final = frozenset({State.RESERVED, State.EXTENDED})
"""States in which money is held."""


MESSAGE: Final = "message"
"""The fingerprint of a short message's reservation: it counts in messages, not in seconds."""

BUCKETS: Final = 64
"""Accounts are spread over so many buckets; what belongs to one account lies in one bucket, and so on one
server of a cluster, where it changes at once."""


def bucket_of(msisdn: str) -> int:
    """Return the bucket of an account."""
    return crc32(msisdn.encode()) % BUCKETS


def reservation_id(msisdn: str, seed: bytes) -> str:
    """Return a reservation's id: the bucket of its account as two hex digits, then those of ``seed``."""
    return f"{bucket_of(msisdn):02x}{seed.hex()}"


class Account(Struct, frozen=True):
    """An account; amounts in minor units.

    Attributes:
        msisdn: whose it is.
        balance: what was credited less what was charged.
        held: what open reservations hold of it.
    """

    msisdn: str
    balance: int = 0
    held: int = 0

    @property
    def available(self) -> int:
        """What can be reserved."""
        return self.balance - self.held


class Reservation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reservation. All times are milliseconds since 1970-01-01 UTC.

    Attributes:
        id: unique among all.
        account: MSISDN of the subscriber that pays.
        call_id: the VoIP service's id of the call.
        a_number: calling number, E.164.
        b_number: called number, E.164.
        created_ms: when it was made.
        local_start: the local clock then, in seconds, which the tariff's bands go by.
        tariff: as it was then; None where another system prices the call.
        reference: that other system's id of it, "" if there is none.
        fingerprint: of the request that made it: another one with the same id is refused.
        denial: why it was denied, "" if it was not.
        state: where it stands.
        held: the amount held, or last held.
        granted_seconds: how long the call may last.
        expires_ms: when it expires.
        used_seconds: how long the call lasted, once committed.
        charged: what was charged, once committed.
        ended_ms: when it was settled, released or expired; 0: it was not.
        steps: how many rows but `Effect.REPEAT` were applied.
    """

    id: str
    account: str
    call_id: str
    a_number: str
    b_number: str
    created_ms: int
    local_start: int = 0
    tariff: Tariff | None = None
    reference: str = ""
    fingerprint: str = ""
    denial: str = ""
    state: State = State.NONE
    held: int = 0
    granted_seconds: int = 0
    expires_ms: int = 0
    used_seconds: int = 0
    charged: int = 0
    ended_ms: int = 0
    steps: int = 0


class Step(Struct, frozen=True):
    """An event with what it brings.

    Attributes:
        event: what is asked for.
        at_ms: when.
        amount: minor units: to hold in all, or to charge.
        seconds: granted in all, or used.
        expires_ms: the new expiry, for `Event.RESERVE` and `Event.EXTEND`.
    """

    event: Event
    at_ms: int
    amount: int = 0
    seconds: int = 0
    expires_ms: int = 0


class Result(StrEnum):
    """Results of a step."""

    DONE = "done"
    REPEATED = "repeated"  # it had been done before; the reservation is as it was left
    INSUFFICIENT = "insufficient"  # too little is available; nothing changed
    REFUSED = "refused"  # the state does not allow it; nothing changed
    UNKNOWN = "unknown"  # there is no such reservation
    NO_ACCOUNT = "no-account"  # there is no such account


class Outcome(Struct, frozen=True):
    """A result, and the account and the reservation as they are now; None where there is none."""

    result: Result
    account: Account | None = None
    reservation: Reservation | None = None


class Stepped(Struct, frozen=True, gc=False):
    """What came of a step, in short: for who makes thousands of them a second.

    Attributes:
        result: of the step.
        state: of the reservation, `State.NONE` if there is none.
        spendable: what the reservation may hold in all: what it holds and what is available beside it.
        held: what it holds, or held last.
        granted_seconds, used_seconds, charged: as in `Reservation`.
        reservation: the whole of one that the step has charged; else None.
    """

    result: Result
    state: State = State.NONE
    spendable: int = 0
    held: int = 0
    granted_seconds: int = 0
    used_seconds: int = 0
    charged: int = 0
    reservation: Reservation | None = None


def shortened(outcome: Outcome) -> Stepped:
    """Return an outcome in short; of one that charged nothing the reservation is left out."""
    found, account = outcome.reservation, outcome.account
    available = 0 if account is None else account.available
    if found is None:
        return Stepped(outcome.result, spendable=available)
    charges = outcome.result is Result.DONE and found.state is State.COMMITTED
    return Stepped(
        outcome.result,
        found.state,
        available + (found.held if found.state in OPEN else 0),
        found.held,
        found.granted_seconds,
        found.used_seconds,
        found.charged,
        found if charges else None,
    )


def advance(account: Account | None, found: Reservation, step: Step) -> Outcome:
    """Apply one step.

    Args:
        account: the one that pays; None: there is none, which only matters to what takes or holds money.
        found: the reservation as it stands, or with `State.NONE` the one to be made.
        step: what is to be done.
    """
    row = TABLE.get((found.state, step.event))
    if row is None:
        missing = found.state is State.NONE
        return Outcome(Result.UNKNOWN if missing else Result.REFUSED, account, None if missing else found)
    if row.effect is Effect.REPEAT:
        return Outcome(Result.REPEATED, account, found)
    if account is None:
        if step.amount or found.held:
            return Outcome(Result.NO_ACCOUNT)
        account = Account(found.account)  # nothing is to be paid here: no account is needed
    changed = structs.replace(found, state=row.next, steps=found.steps + 1)
    if row.effect is Effect.HOLD:
        return _hold(account, found, changed, step)
    if row.effect not in _LATE:
        account = structs.replace(account, held=account.held - found.held)
    changed = structs.replace(changed, ended_ms=step.at_ms)
    if row.effect is not Effect.FREE:
        charged = min(step.amount, max(account.available, 0))
        if row.effect not in _USED:
            charged = min(charged, found.held)
        account = structs.replace(account, balance=account.balance - charged)
        changed = structs.replace(changed, charged=charged, used_seconds=step.seconds)
    return Outcome(Result.DONE, account, changed)


def _hold(account: Account, found: Reservation, changed: Reservation, step: Step) -> Outcome:
    more = step.amount - found.held
    if more > account.available:
        return Outcome(Result.INSUFFICIENT, account, None if found.state is State.NONE else found)
    return Outcome(
        Result.DONE,
        structs.replace(account, held=account.held + more),
        structs.replace(changed, held=step.amount, granted_seconds=step.seconds, expires_ms=step.expires_ms),
    )
