"""Protocols between engine, stores, transports, charging and telemetry. No implementation here."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

    from scp.domain.cdr import Bundle, Record
    from scp.domain.decision import Decision
    from scp.domain.lookup import Found, Pending
    from scp.domain.moves import Move, Moved
    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.domain.reservation import Account, Outcome, Reservation, Step, Stepped
    from scp.domain.subscriber import Subscriber


class Waiter(Protocol):
    """What takes the answer of a lookup that came later."""

    def found(self, result: Found) -> None:
        """Take the answer; called at most once, from the event loop, never from within `find`."""
        ...


class SubscriberLookup(Protocol):
    """What the call path needs of a store: one read, at once or later, no exception for any outcome."""

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:
        """Return the record (None if there is none) now, or `PENDING` and call ``waiter.found`` later.

        The deadline is the engine's: an answer that comes after it is ignored by the waiter.
        """
        ...

    def usable(self) -> str:
        """Return "" if lookups can be answered now, else in words why not (``/readyz`` shows it)."""
        ...


class PassWaiter(Protocol):
    """What is told whether a call may pass."""

    def passed(self, yes: bool) -> None:
        """Take the answer; called at most once, from the event loop, never from within `claim`."""
        ...


class Passes(Protocol):
    """What the call path needs of passes (`scp.domain.passes`): a claim, answered later; it never raises."""

    def claim(self, msisdn: str, caller: str, waiter: PassWaiter) -> None:
        """Use a pass of a subscriber up for a call from this caller, E.164 digits, "" if not known."""
        ...


class VersionConflictError(Exception):
    """A write expected another version of the record; ``current`` is what the store has (None: no record)."""

    def __init__(self, msisdn: str, current: Subscriber | None) -> None:
        super().__init__(f"record of {msisdn[:4]}… changed meanwhile")
        self.current = current


class StoreError(Exception):
    """The store could not do it; nothing was acknowledged. ``kind`` is a metric label."""

    def __init__(self, reason: str, kind: str = "unavailable") -> None:
        super().__init__(reason)
        self.kind = kind


TRANSIENT: Final = frozenset({"unreachable", "unavailable", "read-only", "unacknowledged"})
"""Kinds of a shared store's `StoreError` that may be over with the next attempt; the others need somebody."""


class SubscriberStore(SubscriberLookup, Protocol):
    """A subscriber store: the call path's read and the administration's reads and writes.

    Every write is durable when its coroutine returns, and the same process's `find` sees it from then on.
    """

    async def open(self) -> None:
        """Connect or open and load; raises `StoreError`."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go."""
        ...

    async def get(self, msisdn: str) -> Subscriber | None:
        """Read one record."""
        ...

    async def put(self, record: Subscriber) -> Subscriber:
        """Compare and set: write if the store has ``record.version`` (0: no record); return it with the next.

        Raises:
            VersionConflictError: another version is there.
            StoreError: the store could not do it.
        """
        ...

    async def delete(self, msisdn: str, version: int) -> None:
        """Remove the record if its version is ``version``; raises as `put`."""
        ...

    async def move(self, move: Move) -> Moved:
        """Set the roaming flag and the VLR as a message tells that is new and not late.

        What is known of messages (`scp.domain.moves`) and the record change together, for all who share the
        store. Whatever is told of a place gives the record its next version. Raises `StoreError`.
        """
        ...

    async def put_many(self, records: Sequence[Subscriber]) -> None:
        """Bulk load: overwrite what is there (version: the old one plus 1). All or nothing a call."""
        ...

    def scan(self, after: str = "") -> AsyncIterator[Subscriber]:
        """Iterate over all records once, in ascending MSISDN order where the store has one."""
        ...

    async def count(self) -> int:
        """Return how many records there are."""
        ...


class Totals(NamedTuple):
    """What a ledger's accounts and reservations add up to, in minor units.

    Money is neither made nor lost: ``credited - charged == balance``, and ``held`` is what open reservations
    hold.
    """

    balance: int
    held: int
    credited: int
    charged: int


class Ledger(Protocol):
    """Accounts and the reservations on them. Every change is atomic, and durable when its coroutine returns.

    Every method may raise `StoreError`: then it is not known whether the change was made, and asking again
    finds out, since no change is made twice.
    """

    async def open(self) -> None:
        """Connect or open."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go."""
        ...

    def usable(self) -> str:
        """Return "" if it can be used now, else in words why not."""
        ...

    async def account(self, msisdn: str) -> Account | None:
        """Return an account, None if there is none."""
        ...

    async def credit(self, msisdn: str, credit_id: str, amount: int, at_ms: int) -> Outcome:
        """Add ``amount`` (or take it off, if negative) once for this id; the first opens the account.

        The result is DONE, REPEATED, REFUSED (the id stands for another amount already) or INSUFFICIENT (less
        than that is available, or the balance would pass `MAX_AMOUNT`).
        """
        ...

    async def reservation(self, reservation_id: str) -> Reservation | None:
        """Return a reservation, None if there is none or it was forgotten."""
        ...

    async def reserve(self, reservation: Reservation, step: Step) -> Outcome:
        """Apply `Event.RESERVE` or `Event.DENY` to a new reservation.

        If there is one with its id the result is REPEATED, and the reservation that one.
        """
        ...

    async def step(self, reservation_id: str, step: Step) -> Outcome:
        """Apply any other event to a reservation."""
        ...

    async def due(self, now_ms: int, most: int) -> list[str]:
        """Return ids of open reservations whose time is up."""
        ...

    async def unrecorded(self, most: int, known: Collection[str] = ()) -> list[Reservation]:
        """Return committed reservations of this node that no CDR is known to be written for.

        Args:
            most: how many of them at most.
            known: ids of those that the caller has already: they are left out, and not read.
        """
        ...

    async def recorded(self, reservation_ids: Sequence[str]) -> None:
        """Note that the CDRs of these are written."""
        ...

    async def forget(self, before_ms: int, most: int) -> int:
        """Drop reservations that ended before, and are recorded; return how many."""
        ...

    async def totals(self) -> Totals:
        """Add everything up (slow: reads every account)."""
        ...


class StepWaiter(Protocol):
    """What takes what came of a step."""

    def stepped(self, outcome: Stepped | StoreError) -> None:
        """Take it, or why it is not known; called once, never from within the request."""
        ...


@runtime_checkable
class LedgerSteps(Protocol):
    """A ledger that takes steps without a task for each: one of the call path."""

    def ask_step(
        self, reservation_id: str, step: Step, waiter: StepWaiter, new: Reservation | None = None
    ) -> None:
        """Apply a step as `Ledger.step` does, or as `Ledger.reserve` to a ``new`` reservation.

        To extend to no more seconds than are granted changes nothing: that is REPEATED.
        """
        ...


class ChargingRequest(NamedTuple):
    """Seconds that are asked for: by the VoIP service in whole minutes, by a charged call as its quotas are.

    Attributes:
        id: the reservation's id; the same request sent again has the same.
        account: MSISDN of the subscriber that pays.
        call_id: the asking service's id of the call.
        a_number: calling party, E.164.
        b_number: called party, E.164.
        seconds: how many.
        fingerprint: of all of that.
        repeatable: whether the same request may come again; a denial of it is then kept.
        step: a smaller grant is a whole multiple of so many seconds.
    """

    id: str
    account: str
    call_id: str
    a_number: str
    b_number: str
    seconds: int
    fingerprint: str
    repeatable: bool = False
    step: int = 1


class Denied(StrEnum):
    """Why no seconds are granted, or a reservation can't be changed."""

    NO_TARIFF = "no-tariff"  # nothing says what a call to this number costs
    UNKNOWN_ACCOUNT = "unknown-account"
    INSUFFICIENT = "insufficient-balance"
    SERVICE_DENIED = "service-denied"  # the operator's charging system does not let this subscriber
    UNAVAILABLE = "charging-unavailable"  # the operator's charging system did not answer
    TOO_LONG = "too-many-minutes"  # more than [charging] max_minutes in all
    UNKNOWN_RESERVATION = "unknown-reservation"
    CLOSED = "closed"  # it is committed, released or expired
    MISMATCH = "another-request"  # the same id or settlement with other particulars


class Grant(NamedTuple):
    """What came of a request: the reservation as it is now, and if it is not what was asked for, why.

    Attributes:
        reservation: as it stands; None where there is none.
        denied: None if granted.
        done: whether this request charged it; False too for one that came again, at whatever node.
    """

    reservation: Reservation | None
    denied: Denied | None = None
    done: bool = False


class ChargingSystem(Protocol):
    """How calls are charged: by the ledger here, or by the operator's own system behind an adapter.

    The three operations of converged charging (TS 32.290 §5.2). Each may be sent again after a failure or a
    crash: nothing is held, charged or freed twice. `StoreError`: it is not known what came of it.
    """

    async def create(self, request: ChargingRequest) -> Grant:
        """Reserve seconds, perhaps fewer than asked for; the reservation says how many."""
        ...

    async def update(self, reservation_id: str, seconds: int, step: int = 1) -> Grant:
        """Raise the total of seconds; a total that is granted already changes nothing.

        Args:
            reservation_id: as given to `create`.
            seconds: from the start of the call.
            step: a smaller grant is a whole multiple of so many seconds.
        """
        ...

    async def release(self, reservation_id: str, used_seconds: int | None) -> Grant:
        """End a reservation: charge ``used_seconds``, or nothing if None: there was no call."""
        ...

    async def expire(self, now_ms: int) -> int:
        """Free what reservations hold whose time is up; return how many there were."""
        ...


class QuotaSystem(Protocol):
    """How calls under control are charged: quotas in seconds, with what was used at each step.

    Each may be asked again after a failure or a crash: nothing is held or charged twice. `StoreError`: it is
    not known what came of it.
    """

    async def reserve(self, request: QuotaRequest) -> QuotaAnswer:
        """Reserve the first quota, perhaps a smaller one."""
        ...

    async def extend(self, request: QuotaRequest) -> QuotaAnswer:
        """Raise the total of seconds; a total that is granted already changes nothing."""
        ...

    async def settle(self, session: str, used: Usage | None) -> QuotaAnswer:
        """Charge what was used, once; None, or nothing used: what is held is given back."""
        ...


class QuotaWaiter(Protocol):
    """What takes an answer of charging."""

    def charged(self, answer: QuotaAnswer) -> None:
        """Take it; called at most once, from the event loop, never from within the request."""
        ...


class QuotaPort(Protocol):
    """What the call path needs of charging: requests that return at once, and are answered later."""

    def reserve(self, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """Reserve a first quota."""
        ...

    def extend(self, session: str, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """Raise the total."""
        ...

    def settle(self, session: str, used: Usage | None, waiter: QuotaWaiter | None) -> None:
        """Charge what was used; what can't be settled now is settled later.

        Args:
            session: that was reserved.
            used: in all; None: what was told last.
            waiter: takes the answer; None: nobody does.
        """
        ...


@runtime_checkable
class ChargingTelemetry(Protocol):
    """What charging reports; label values are bounded."""

    def reservation(self, result: str) -> None:
        """One request came to this: "approved", "extended", "committed", "released", or a `Denied`."""
        ...

    def cdrs(self, result: str, count: int) -> None:
        """``count`` CDRs of call attempts were "written" or "dropped"."""
        ...


class StoredCdr(NamedTuple):
    """A call detail record as it is kept: its number, which later ones exceed, and its JSON."""

    seq: int
    json: str


class CdrStore(Protocol):
    """Call detail records of one node. Every method may raise `StoreError`."""

    async def open(self) -> None:
        """Open."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...

    async def add(self, records: Sequence[Record]) -> int:
        """Keep records, each once by its id; return how many were new. Durable when it returns."""
        ...

    async def add_bundles(self, bundles: Sequence[Bundle]) -> int:
        """Keep call attempts, each bundle once by its `boot` and `number`; otherwise as `add`."""
        ...

    async def get(self, record_id: str) -> StoredCdr | None:
        """Return one record."""
        ...

    async def page(self, after: int, most: int, *, since_ms: int = 0, until_ms: int = 0) -> list[StoredCdr]:
        """Return records above the number ``after``, oldest first, kept from ``since_ms`` to ``until_ms``."""
        ...

    async def related(self, record_id: str, most: int) -> list[StoredCdr]:
        """Return the records that belong to one call with this one, by their correlation ids; itself too."""
        ...

    async def forget(self, before_ms: int, most: int) -> int:
        """Drop the oldest records if they were kept before; return how many."""
        ...


class Transport(Protocol):
    """One association (or TCP connection) as the engine sees it. Knows nothing of what the messages say."""

    name: str

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """Queue ``(stream, message)`` pairs, in order, to be written in as few system calls as possible."""
        ...

    def close(self, *, abort: bool = False) -> None:
        """Shut down after what is queued was written, or at once with ``abort``."""
        ...

    @property
    def streams(self) -> int:
        """Outbound streams (1 for TCP)."""
        ...

    @property
    def more(self) -> bool:
        """Whether the read that brought the last batch took all it could, so that more may be waiting."""
        ...


class TransportUser(Protocol):
    """The user of a transport: the engine's link."""

    def connected(self, transport: Transport) -> None:
        """The association is up."""
        ...

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Whole M3UA messages with their streams, as many as one read brought, in order."""
        ...

    def disconnected(self, reason: str) -> None:
        """The association is gone; the transport reconnects by itself if it is the connecting side."""
        ...


@runtime_checkable
class ProbedUser(TransportUser, Protocol):
    """A transport's user that can have its peer prove that it is there."""

    def probe(self) -> None:
        """Send what a living peer answers."""
        ...

    def give_up(self, why: str) -> None:
        """Abort the association; ``why`` is the reason that is reported."""
        ...


class Telemetry(Protocol):
    """What the engine counts. Every method is cheap enough for every call; label values are bounded."""

    def call(self, service: str, decision: Decision, seconds: float) -> None:
        """One InitialDP was answered, ``seconds`` after it came in."""
        ...

    def operation(self, opcode: int, direction: str) -> None:
        """One CAP operation came ("in") or went ("out")."""
        ...

    def dialogue_opened(self) -> None:
        """A dialogue was opened."""
        ...

    def dialogue_closed(self, outcome: str) -> None:
        """A dialogue is over, by one of `scp.telemetry.label_values.OUTCOMES`."""
        ...

    def discard(self, layer: str, reason: str) -> None:
        """A message or part of it was thrown away, with a bounded ``reason``."""
        ...

    def m3ua_message(self, peer: str, direction: str, kind: str, count: int = 1) -> None:
        """``count`` M3UA messages came ("in") or went ("out"); ``kind`` as RFC 4666 abbreviates it (DATA)."""
        ...

    def asp_state(self, peer: str, state: str) -> None:
        """An ASP changed its state: "down", "inactive", "active"."""
        ...

    def overload(self, level: int) -> None:
        """The level of overload is another one: 0 to 3 (`scp.engine.admission`)."""
        ...

    def store(self, operation: str, seconds: float, error: str = "") -> None:
        """A store operation took ``seconds``; ``error`` is its kind, if it failed."""
        ...


class Clock(Protocol):
    """Monotonic seconds."""

    def __call__(self) -> float:
        """Return now."""
        ...
