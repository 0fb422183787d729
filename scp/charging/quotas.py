"""Charging of calls under control by the node's own tariffs and ledger, in seconds.

The price of a quota is held for the dearest second that it may begin with and for the dearest price of its
time: what a switch then measures costs at most that. What it measures beyond (the time in which charging did
not answer) is charged as well, as far as there is money.

A request makes no task: it is an object that asks the ledger for one step and is told what came of it. What a
step needs of a session beside what is asked, its tariff, is remembered since the session was reserved; of
another node's it is read first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, final

from scp.domain.quota import QuotaDenial, QuotaGrant, Settled
from scp.domain.reservation import MESSAGE, OPEN, Event, Reservation, Result, State, Step, Stepped, shortened
from scp.ports import Denied, LedgerSteps, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.domain.tariff import Tariff, TariffTable
    from scp.ports import Ledger, StepWaiter

TRIES: Final = 5
"""How often a smaller grant is tried while others take from the same balance."""
MOST_REMEMBERED: Final = 1 << 20
"""Sessions whose tariff is remembered: of others, the oldest first, it is read when it is needed."""


class AnswerTaker(Protocol):
    """What takes the answer to a request."""

    def answered(self, answer: QuotaAnswer | StoreError) -> None:
        """Take it, or why there is none; called once, from the event loop, never from within the request."""
        ...


@final
class LocalQuotas:
    """`scp.ports.QuotaSystem` on a ledger; ``ask_…`` are the same without a task.

    Args:
        ledger: where the money is.
        tariffs: what calls cost.
        messages: what short messages cost; a message counts as an answered call of a second.
        wall: milliseconds since 1970-01-01 UTC.
        local: seconds of the clock that tariffs go by, for such milliseconds.
        grace_ms: how long after its last second a reservation waits to be settled.
        charged: shown each reservation that was charged; None: nobody looks.
    """

    def __init__(
        self,
        ledger: Ledger,
        tariffs: TariffTable,
        wall: Callable[[], int],
        local: Callable[[int], int],
        *,
        grace_ms: int,
        messages: TariffTable | None = None,
        charged: Callable[[Reservation], None] | None = None,
    ) -> None:
        self.wall = wall
        self.local = local
        self.charged = charged
        self.steps: LedgerSteps = ledger if isinstance(ledger, LedgerSteps) else _TaskSteps(ledger)
        self._ledger = ledger
        self._tariffs = tariffs
        self._messages = messages
        self._grace_ms = grace_ms
        self._remembered: dict[str, Tariff] = {}  # by session
        self._reads: set[asyncio.Task[None]] = set()

    async def reserve(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        asked = _Awaited()
        self.ask_reserve(request, asked)
        return await asked.answer

    async def extend(self, request: QuotaRequest) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        asked = _Awaited()
        self.ask_extend(request, asked)
        return await asked.answer

    async def settle(self, session: str, used: Usage | None) -> QuotaAnswer:
        """See `scp.ports.QuotaSystem`."""
        asked = _Awaited()
        self.ask_settle(session, used, asked)
        return await asked.answer

    def ask_reserve(self, request: QuotaRequest, taker: AnswerTaker) -> None:
        """Reserve the first quota."""
        tariffs = self._messages if request.message else self._tariffs
        tariff = None if tariffs is None else tariffs.find(request.b_number)
        if tariff is None:
            asyncio.get_running_loop().call_soon(taker.answered, QuotaDenial(Denied.NO_TARIFF))
            return
        _Asking(self, request, taker, tariff, new=True).begin()

    def ask_extend(self, request: QuotaRequest, taker: AnswerTaker) -> None:
        """Raise the total of seconds."""
        tariff = self._remembered.get(request.session)
        if tariff is None:
            self._read(request.session, _Extending(self, request, taker))
        else:
            _Asking(self, request, taker, tariff, new=False).begin()

    def ask_settle(self, session: str, used: Usage | None, taker: AnswerTaker) -> None:
        """Charge what was used."""
        if used is None or not used.tenths:
            settling = _Settling(self, session, taker)
            self.steps.ask_step(session, Step(Event.RELEASE, self.wall()), settling)
            return
        tariff = self._remembered.get(session)
        if tariff is None:
            self._read(session, _SettlingRead(self, session, used, taker))
        else:
            self.charge(session, used, tariff, taker)

    def charge(self, session: str, used: Usage, tariff: Tariff, taker: AnswerTaker) -> None:
        """Charge what was used by its tariff."""
        step = Step(Event.SETTLE, self.wall(), tariff.cost_of(used), used.seconds)
        self.steps.ask_step(session, step, _Settling(self, session, taker))

    def remember(self, session: str, tariff: Tariff) -> None:
        """Note the tariff of a session, which never changes."""
        remembered = self._remembered
        remembered[session] = tariff
        if len(remembered) > MOST_REMEMBERED:
            del remembered[next(iter(remembered))]

    def forget(self, session: str) -> None:
        """Note that a session is settled."""
        self._remembered.pop(session, None)

    def read_again(self, request: QuotaRequest, taker: AnswerTaker) -> None:
        """Answer a first request whose session is there already, perhaps another node's."""
        self._read(request.session, _Repeating(self, request, taker))

    def hold(self, event: Event, tariff: Tariff, request: QuotaRequest, seconds: int, now: int) -> Step:
        """Return the step that holds the most that a call of ``seconds`` may cost."""
        used = request.used.seconds
        rest = (seconds - used if seconds > used else 0) + request.slack
        amount = tariff.most(request.used, seconds, self.local(now), request.slack)
        return Step(event, now, amount, seconds, now + rest * 1000 + self._grace_ms)

    def _read(self, session: str, reader: _Reader) -> None:
        task = asyncio.get_running_loop().create_task(self._have_read(session, reader))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _have_read(self, session: str, reader: _Reader) -> None:
        try:
            found = await self._ledger.reservation(session)
        except StoreError as error:
            reader.taker.answered(error)
            return
        if found is not None and found.state in OPEN and found.tariff is not None:
            self.remember(session, found.tariff)
        reader.read(found)


@final
class _Asking:
    """One request for seconds; itself a `scp.ports.StepWaiter`.

    Args:
        quotas: whose it is.
        request: what is asked for.
        taker: takes the answer.
        tariff: of the session.
        new: whether it is a first request.
    """

    __slots__ = (
        "_at",
        "_event",
        "_new",
        "_now",
        "_quotas",
        "_request",
        "_seconds",
        "_taker",
        "_tariff",
        "_tries",
    )

    def __init__(
        self, quotas: LocalQuotas, request: QuotaRequest, taker: AnswerTaker, tariff: Tariff, *, new: bool
    ) -> None:
        self._quotas = quotas
        self._request = request
        self._taker = taker
        self._tariff = tariff
        self._now = quotas.wall()
        self._at = quotas.local(self._now)
        self._seconds = request.seconds
        self._tries = 0
        self._event = Event.RESERVE if new else Event.EXTEND
        self._new: Reservation | None = None
        if new:
            self._new = Reservation(
                id=request.session,
                account=request.account,
                call_id=request.call_id,
                a_number=request.a_number,
                b_number=request.b_number,
                created_ms=self._now,
                local_start=self._at,
                tariff=tariff,
                fingerprint=MESSAGE if request.message else "",
            )

    def begin(self) -> None:
        """Ask the ledger for as many seconds as are thought of now."""
        quotas, request = self._quotas, self._request
        step = quotas.hold(self._event, self._tariff, request, self._seconds, self._now)
        quotas.steps.ask_step(request.session, step, self, self._new)

    def stepped(self, outcome: Stepped | StoreError) -> None:
        """See `scp.ports.StepWaiter`."""
        if isinstance(outcome, StoreError):
            self._taker.answered(outcome)
        elif outcome.result is Result.DONE:
            self._granted(outcome)
        elif outcome.result is Result.INSUFFICIENT:
            self._try_less(outcome)
        elif self._new is not None:
            if outcome.result is Result.REPEATED:
                self._quotas.read_again(self._request, self._taker)
            else:
                self._taker.answered(QuotaDenial(Denied.UNKNOWN_ACCOUNT))
        elif outcome.result is Result.REPEATED:  # so much is granted already
            if self._request.seconds <= outcome.granted_seconds:
                self._granted(outcome)
            else:
                self._taker.answered(QuotaDenial(Denied.INSUFFICIENT))
        elif outcome.result is Result.UNKNOWN:
            self._taker.answered(QuotaDenial(Denied.UNKNOWN_RESERVATION))
        else:
            self._taker.answered(QuotaDenial(Denied.CLOSED))

    def _try_less(self, outcome: Stepped) -> None:
        """Ask for what the money is enough for, unless that is too little."""
        request = self._request
        most = self._seconds - 1
        seconds = self._tariff.affordable(outcome.spendable, request.used, most, self._at, request.slack)
        self._seconds = seconds
        self._tries += 1
        enough = seconds >= request.least if self._new is not None else seconds > outcome.granted_seconds
        if enough and self._tries < TRIES:
            self.begin()
        else:
            self._taker.answered(QuotaDenial(Denied.INSUFFICIENT))

    def _granted(self, outcome: Stepped) -> None:
        request, tariff = self._request, self._tariff
        if self._new is not None:
            self._quotas.remember(request.session, tariff)
        self._taker.answered(granted(request, tariff, outcome.granted_seconds, outcome.held, self._at))


def granted(request: QuotaRequest, tariff: Tariff, seconds: int, held: int, at: int) -> QuotaGrant:
    """Return what is granted: so many seconds in all, for which so much is held, when the clock is ``at``."""
    switch_s, then_s = tariff.changes(at)
    return QuotaGrant(
        request.session, seconds, seconds < request.seconds, at, switch_s, then_s, held, tariff.prefix
    )


@final
class _Settling:
    """One settlement; a `scp.ports.StepWaiter`."""

    __slots__ = ("_quotas", "_session", "_taker")

    def __init__(self, quotas: LocalQuotas, session: str, taker: AnswerTaker) -> None:
        self._quotas = quotas
        self._session = session
        self._taker = taker

    def stepped(self, outcome: Stepped | StoreError) -> None:
        """See `scp.ports.StepWaiter`: a session that was settled before came to the same."""
        if isinstance(outcome, StoreError):
            self._taker.answered(outcome)
            return
        quotas = self._quotas
        quotas.forget(self._session)
        if outcome.reservation is not None and quotas.charged is not None:
            quotas.charged(outcome.reservation)
        if outcome.state is State.NONE or outcome.result is Result.NO_ACCOUNT:
            self._taker.answered(QuotaDenial(Denied.UNKNOWN_RESERVATION))
        else:
            self._taker.answered(Settled(self._session, outcome.charged, outcome.used_seconds))


class _Reader:
    """Goes on with a request once the reservation was read.

    Args:
        quotas: whose it is.
        taker: takes the answer.
    """

    __slots__ = ("quotas", "taker")

    def __init__(self, quotas: LocalQuotas, taker: AnswerTaker) -> None:
        self.quotas = quotas
        self.taker = taker

    def read(self, found: Reservation | None) -> None:
        """Take the reservation, None if there is none."""
        raise NotImplementedError


@final
class _Extending(_Reader):
    """A request for more of a session that this node did not reserve."""

    __slots__ = ("_request",)

    def __init__(self, quotas: LocalQuotas, request: QuotaRequest, taker: AnswerTaker) -> None:
        super().__init__(quotas, taker)
        self._request = request

    def read(self, found: Reservation | None) -> None:
        """See `_Reader`."""
        if found is None or found.tariff is None:
            self.taker.answered(QuotaDenial(Denied.UNKNOWN_RESERVATION))
        elif found.state not in OPEN:
            self.taker.answered(QuotaDenial(Denied.CLOSED))
        else:
            _Asking(self.quotas, self._request, self.taker, found.tariff, new=False).begin()


@final
class _Repeating(_Reader):
    """A first request whose session is there: one that is open is extended, if more is asked for."""

    __slots__ = ("_request",)

    def __init__(self, quotas: LocalQuotas, request: QuotaRequest, taker: AnswerTaker) -> None:
        super().__init__(quotas, taker)
        self._request = request

    def read(self, found: Reservation | None) -> None:
        """See `_Reader`."""
        if found is not None and found.state is State.DENIED:
            self.taker.answered(QuotaDenial(found.denial or Denied.SERVICE_DENIED))
        elif found is None or found.state not in OPEN or found.tariff is None:
            self.taker.answered(QuotaDenial(Denied.CLOSED))
        else:
            _Asking(self.quotas, self._request, self.taker, found.tariff, new=False).begin()


@final
class _SettlingRead(_Reader):
    """A settlement of a session that this node did not reserve."""

    __slots__ = ("_session", "_used")

    def __init__(self, quotas: LocalQuotas, session: str, used: Usage, taker: AnswerTaker) -> None:
        super().__init__(quotas, taker)
        self._session = session
        self._used = used

    def read(self, found: Reservation | None) -> None:
        """See `_Reader`."""
        if found is None or found.tariff is None:
            self.taker.answered(QuotaDenial(Denied.UNKNOWN_RESERVATION))
        else:
            self.quotas.charge(self._session, self._used, found.tariff, self.taker)


@final
class _Awaited:
    """An answer as a future; an `AnswerTaker`."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[QuotaAnswer] = asyncio.get_running_loop().create_future()

    def answered(self, answer: QuotaAnswer | StoreError) -> None:
        """See `AnswerTaker`."""
        if self.answer.done():  # nobody waits for it any more
            return
        if isinstance(answer, StoreError):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


@final
class _TaskSteps:
    """`scp.ports.LedgerSteps` before a ledger that has none: each step is a task."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()

    def ask_step(
        self, reservation_id: str, step: Step, waiter: StepWaiter, new: Reservation | None = None
    ) -> None:
        """See `scp.ports.LedgerSteps`."""
        task = asyncio.get_running_loop().create_task(self._ask(reservation_id, step, waiter, new))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(
        self, reservation_id: str, step: Step, waiter: StepWaiter, new: Reservation | None
    ) -> None:
        outcome: Stepped | StoreError
        try:
            outcome = await self._stepped(reservation_id, step, new)
        except StoreError as error:
            outcome = error
        waiter.stepped(outcome)

    async def _stepped(self, reservation_id: str, step: Step, new: Reservation | None) -> Stepped:
        ledger = self._ledger
        if new is not None:
            return shortened(await ledger.reserve(new, step))
        if step.event is Event.EXTEND:
            found = await ledger.reservation(reservation_id)
            if found is not None and found.state in OPEN and step.seconds <= found.granted_seconds:
                return Stepped(
                    Result.REPEATED,
                    found.state,
                    held=found.held,
                    granted_seconds=found.granted_seconds,
                )
        return shortened(await ledger.step(reservation_id, step))
