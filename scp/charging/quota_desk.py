"""Between calls and a charging system: a call asks and goes on; its answer comes from the event loop.

What a call owes is never forgotten because the system did not answer: a session that could not be settled is
tried again until it is (`QuotaDesk.settle_owed`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.domain.quota import ChargingFailure, QuotaDenial, QuotaGrant, Settled
from scp.ports import Denied, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from scp.charging.fault_state import FaultState
    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.ports import ChargingTelemetry, QuotaSystem, QuotaWaiter

_Key: TypeAlias = "tuple[str, str, int]"

MOST_OWED: Final = 100_000
"""Sessions that wait to be settled; beyond it the oldest is given up, counted and told."""
LEDGER_FAILED: Final = "ledger-failed"
UNSETTLED: Final = "unsettled"
"""The result of a session that is given up: what its call used is in its record, and charged by nobody."""
_UNAVAILABLE: Final = ChargingFailure("unavailable")


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
        self._asked: dict[_Key, list[QuotaWaiter]] = {}
        self._last: dict[str, asyncio.Task[None]] = {}  # of each session that something is asked for

    def reserve(self, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """See `scp.ports.QuotaPort`."""
        self._ask(("reserve", request.session, request.seconds), waiter, self._system.reserve, request)

    def extend(self, session: str, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """See `scp.ports.QuotaPort`."""
        if request.used.stretches:
            self._used[session] = request.used
        self._ask(("extend", session, request.seconds), waiter, self._system.extend, request)

    def settle(self, session: str, used: Usage | None, waiter: QuotaWaiter | None) -> None:
        """See `scp.ports.QuotaPort`."""
        told = self._used.pop(session, None)
        used = told if used is None else used
        key = ("settle", session, 0)
        waiting = self._asked.get(key)
        if waiting is None:
            self._asked[key] = [] if waiter is None else [waiter]
            self._run(session, self._settle(key, session, used))
        elif waiter is not None and waiter not in waiting:
            waiting.append(waiter)

    def _ask(
        self,
        key: _Key,
        waiter: QuotaWaiter,
        ask: Callable[[QuotaRequest], Coroutine[Any, Any, QuotaAnswer]],
        request: QuotaRequest,
    ) -> None:
        """Ask, unless the same is being asked: then its answer is this one's as well."""
        waiting = self._asked.get(key)
        if waiting is None:
            self._asked[key] = [waiter]
            self._run(request.session, self._answer(key, ask, request))
        elif waiter not in waiting:
            waiting.append(waiter)

    def _run(self, session: str, work: Coroutine[Any, Any, None]) -> None:
        """Do what is asked for a session, in the order in which it is asked."""
        before = self._last.get(session)
        task = asyncio.get_running_loop().create_task(work if before is None else self._after(before, work))
        self._last[session] = task
        task.add_done_callback(lambda done: self._done(session, done))

    async def _after(self, before: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        await asyncio.wait((before,))
        await work

    def _done(self, session: str, task: asyncio.Task[None]) -> None:
        if self._last.get(session) is task:
            del self._last[session]

    async def _answer(
        self,
        key: _Key,
        ask: Callable[[QuotaRequest], Coroutine[Any, Any, QuotaAnswer]],
        request: QuotaRequest,
    ) -> None:
        answer: QuotaAnswer
        try:
            answer = await ask(request)
        except StoreError as error:
            answer = self._failed(error)
        else:
            self._fault.report("")
            self._count(key[0], answer)
        self._tell(key, answer)

    async def _settle(self, key: _Key, session: str, used: Usage | None) -> None:
        self._tell(key, await self._settled(session, used))

    async def _settled(self, session: str, used: Usage | None) -> QuotaAnswer:
        """Settle a session; one that can't be settled now is owed."""
        try:
            answer = await self._system.settle(session, used)
        except StoreError as error:
            self._owe(session, used)
            return self._failed(error)
        self.owed.pop(session, None)
        self._fault.report("")
        self._count("settle", answer)
        if isinstance(answer, Settled) and answer.seconds:
            self._committed()
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

    def _count(self, asked: str, answer: QuotaAnswer) -> None:
        if self._telemetry is None:
            return
        if isinstance(answer, QuotaDenial):
            self._telemetry.reservation(str(answer.reason))
        elif isinstance(answer, QuotaGrant):
            self._telemetry.reservation("approved" if asked == "reserve" else "extended")
        elif isinstance(answer, Settled):
            self._telemetry.reservation("committed" if answer.seconds else "released")

    def _tell(self, key: _Key, answer: QuotaAnswer) -> None:
        for waiter in self._asked.pop(key, ()):
            waiter.charged(answer)

    async def settle_owed(self) -> None:
        """Try to settle what is owed, the oldest first, until one fails."""
        for session, used in list(self.owed.items()):
            answer = await self._settled(session, used)
            if isinstance(answer, ChargingFailure):
                return

    async def stop(self) -> None:
        """Wait for what is being asked, and try once more to settle what is owed."""
        while self._last:
            await asyncio.wait(self._last.values())
            await asyncio.sleep(0)
        await self.settle_owed()
        for session, used in self.owed.items():
            self._given_up(session, used)
