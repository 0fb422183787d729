"""Between calls and a charging system: a call asks and goes on; its answer comes from the event loop.

What a call owes is never forgotten because the system did not answer: a session that could not be settled is
tried again until it is (`QuotaDesk.settle_owed`).

What is asked for a session is asked in its order, one after the other. The node's own ledger is asked without
a task (`scp.charging.quotas`), any other system in one for each request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from scp.charging.quotas import LocalQuotas
from scp.domain.quota import ChargingFailure, QuotaDenial, QuotaGrant, Settled
from scp.ports import Denied, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.fault_state import FaultState
    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.ports import ChargingTelemetry, QuotaSystem, QuotaWaiter

MOST_OWED: Final = 100_000
"""Sessions that wait to be settled; beyond it the oldest is given up, counted and told."""
LEDGER_FAILED: Final = "ledger-failed"
UNSETTLED: Final = "unsettled"
"""The result of a session that is given up: what its call used is in its record, and charged by nobody."""
_UNAVAILABLE: Final = ChargingFailure("unavailable")
_STOPPED: Final = "what came of a request to charging is not known"

_RESERVE: Final = 0
_EXTEND: Final = 1
_SETTLE: Final = 2
_DONE: Final = ("approved", "extended")


@final
class QuotaDesk:
    """`scp.ports.QuotaPort` before a `scp.ports.QuotaSystem`.

    Args:
        system: charges.
        telemetry: counts what came of requests; None: nobody does.
        fault: told what requests fail with, and when one went well again.
        committed: called when something was charged.
        given_up: told of a session that nothing is charged for any more.

    Attributes:
        owed: sessions that could not be settled yet, the oldest first, with what they used.
    """

    def __init__(
        self,
        system: QuotaSystem,
        telemetry: ChargingTelemetry | None,
        fault: FaultState,
        committed: Callable[[], None],
        given_up: Callable[[str, Usage | None], None],
    ) -> None:
        self.owed: dict[str, Usage | None] = {}
        self._system = system
        self._telemetry = telemetry
        self._fault = fault
        self._committed = committed
        self._given_up = given_up
        self._used: dict[str, Usage] = {}  # of open sessions that told of it
        self._asked: dict[str, _Request] = {}  # by session, the one that is being asked
        self._idle: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether something is being asked."""
        return bool(self._asked)

    def reserve(self, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """See `scp.ports.QuotaPort`."""
        self._ask(_Request(self, _RESERVE, request.session, request.seconds, request, None, waiter))

    def extend(self, session: str, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """See `scp.ports.QuotaPort`."""
        if request.used.stretches:
            self._used[session] = request.used
        self._ask(_Request(self, _EXTEND, session, request.seconds, request, None, waiter))

    def settle(self, session: str, used: Usage | None, waiter: QuotaWaiter | None) -> None:
        """See `scp.ports.QuotaPort`."""
        told = self._used.pop(session, None)
        self._ask(_Request(self, _SETTLE, session, 0, None, told if used is None else used, waiter))

    def _ask(self, request: _Request) -> None:
        """Ask, unless the same is being asked: then its answer is this one's as well."""
        asked = self._asked
        before = asked.get(request.session)
        if before is None:
            asked[request.session] = request
            self._begin(request)
        elif not before.takes(request):
            while before.further is not None:
                before = before.further
                if before.takes(request):
                    return
            before.further = request

    def _begin(self, request: _Request) -> None:
        system = self._system
        if not isinstance(system, LocalQuotas):
            task = asyncio.get_running_loop().create_task(self._in_task(request, system))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif request.request is None:
            system.ask_settle(request.session, request.used, request)
        elif request.kind == _RESERVE:
            system.ask_reserve(request.request, request)
        else:
            system.ask_extend(request.request, request)

    async def _in_task(self, request: _Request, system: QuotaSystem) -> None:
        answer: QuotaAnswer | StoreError = StoreError(_STOPPED, str(Denied.UNAVAILABLE))
        try:
            if request.request is None:
                answer = await system.settle(request.session, request.used)
            elif request.kind == _RESERVE:
                answer = await system.reserve(request.request)
            else:
                answer = await system.extend(request.request)
        except StoreError as error:
            answer = error
        finally:
            request.answered(answer)

    def answered(self, request: _Request, answer: QuotaAnswer | StoreError) -> None:
        """Hand out an answer, and ask what is to be asked next for the session."""
        session, further = request.session, request.further
        if further is None:
            del self._asked[session]
        else:
            self._asked[session] = further
        if request.kind == _SETTLE:
            told = self._settled(session, request.used, answer)
        elif isinstance(answer, StoreError):
            told = self._failed(answer)
        else:
            told = answer
            self._fault.report("")
            self._count(_DONE[request.kind], answer)
        if further is not None:
            self._begin(further)
        for waiter in request.waiters:
            waiter.charged(told)
        if self._idle is not None and not self._asked and not self._idle.done():
            self._idle.set_result(None)

    def _settled(self, session: str, used: Usage | None, answer: QuotaAnswer | StoreError) -> QuotaAnswer:
        """Take the answer to a settlement; what can't be settled now is owed."""
        if isinstance(answer, StoreError):
            self._owe(session, used)
            return self._failed(answer)
        self.owed.pop(session, None)
        self._fault.report("")
        self._count("", answer)
        if isinstance(answer, Settled) and answer.seconds and not isinstance(self._system, LocalQuotas):
            self._committed()  # of its own ledger the node knows already
        return answer

    def _owe(self, session: str, used: Usage | None) -> None:
        self.owed[session] = used
        if len(self.owed) > MOST_OWED:
            oldest = next(iter(self.owed))
            self._given_up(oldest, self.owed.pop(oldest))
            if self._telemetry is not None:
                self._telemetry.reservation(UNSETTLED)

    def _failed(self, error: StoreError) -> ChargingFailure:
        unavailable = error.kind == Denied.UNAVAILABLE
        if self._telemetry is not None:
            self._telemetry.reservation(str(Denied.UNAVAILABLE) if unavailable else LEDGER_FAILED)
        if not unavailable:
            self._fault.report(str(error))
        return _UNAVAILABLE

    def _count(self, done: str, answer: QuotaAnswer) -> None:
        if self._telemetry is None:
            return
        if isinstance(answer, QuotaDenial):
            self._telemetry.reservation(str(answer.reason))
        elif isinstance(answer, QuotaGrant):
            self._telemetry.reservation(done)
        elif isinstance(answer, Settled):
            self._telemetry.reservation("committed" if answer.seconds else "released")

    async def settle_left(self, session: str, used: Usage | None) -> None:
        """Settle a session that another node has left; what can't be settled now is owed."""
        answer: QuotaAnswer | StoreError
        try:
            answer = await self._system.settle(session, used)
        except StoreError as error:
            answer = error
        self._settled(session, used, answer)

    async def settle_owed(self) -> None:
        """Try to settle what is owed, the oldest first, until one fails."""
        for session, used in list(self.owed.items()):
            answer: QuotaAnswer | StoreError
            try:
                answer = await self._system.settle(session, used)
            except StoreError as error:
                answer = error
            if isinstance(self._settled(session, used, answer), ChargingFailure):
                return

    async def stop(self) -> None:
        """Wait for what is being asked, and try once more to settle what is owed."""
        while self._asked:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        await self.settle_owed()
        for session, used in self.owed.items():
            self._given_up(session, used)


@final
class _Request:
    """One request; a `scp.charging.quotas.AnswerTaker`.

    Args:
        desk: whose it is.
        kind: what is asked.
        session: for which.
        seconds: that are asked for in all.
        request: to reserve or extend; None: to settle.
        used: what is to be charged.
        waiter: takes the answer; None: nobody does.

    Attributes:
        waiters: all that take the answer.
        further: what is asked next for the session; None: nothing yet.
    """

    __slots__ = ("_desk", "further", "kind", "request", "seconds", "session", "used", "waiters")

    def __init__(
        self,
        desk: QuotaDesk,
        kind: int,
        session: str,
        seconds: int,
        request: QuotaRequest | None,
        used: Usage | None,
        waiter: QuotaWaiter | None,
    ) -> None:
        self._desk = desk
        self.kind = kind
        self.session = session
        self.seconds = seconds
        self.request = request
        self.used = used
        self.waiters: tuple[QuotaWaiter, ...] = () if waiter is None else (waiter,)
        self.further: _Request | None = None

    def takes(self, other: _Request) -> bool:
        """Whether another request is the same one: then its waiter gets this one's answer."""
        if other.kind != self.kind or other.seconds != self.seconds:
            return False
        for waiter in other.waiters:
            if waiter not in self.waiters:
                self.waiters += (waiter,)
        return True

    def answered(self, answer: QuotaAnswer | StoreError) -> None:
        """See `scp.charging.quotas.AnswerTaker`."""
        self._desk.answered(self, answer)
