"""Lifecycle of charging: ledger, CDR store, sweeper."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, final

from scp.charging.fault_state import FaultState
from scp.common.tasks import end_tasks
from scp.domain.cdr import charge_record
from scp.domain.quota import TENTHS, Usage
from scp.domain.reservation import MESSAGE, OPEN
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.charging.nchf_http import ChfClient
    from scp.charging.quota_desk import QuotaDesk
    from scp.charging.ro_client import RoClient
    from scp.charging.sink import CdrSink
    from scp.domain.reservation import Reservation
    from scp.ports import CdrStore, ChargingSystem, Ledger

SWEEP_SECONDS: Final = 1.0
GATHER_SECONDS: Final = 0.2
"""How long charges gather before their CDRs are written together; until then the ledger remembers them."""
FORGET_SECONDS: Final = 60.0
KEEP_MS: Final = 7 * 86_400_000
"""How long an ended reservation answers to repeated requests."""
LEAP_MS: Final = 3_600_000
"""A clock that goes so far ahead between two rounds of forgetting has been set, rightly or wrongly."""
SETTLE_SECONDS: Final = 86_400.0
"""Nothing is forgotten for so long after that: CDRs are money, and what is dropped does not come back."""
AT_ONCE: Final = 500
LATER: Final = frozenset({"unreachable", "unavailable"})
"""Kinds of failure with which a ledger goes on trying by itself: the node starts without it."""


@final
class ChargingService:
    """Charging in one node.

    Args:
        ledger: reservations and balances.
        cdrs: the node's call detail records.
        system: charges.
        sink: makes a CDR of every call attempt; None: nobody does.
        node: the node's name.
        currency: of all amounts.
        retention_ms: how long CDRs are kept.
        failed: told in words when the clock was set far ahead; and by default what `fault` and ``requests``
            tell: what began to fail, and "" when it works again.
        fault: what sweeping fails with.
        wall: milliseconds since 1970-01-01 UTC.
        requests: what requests to the ledger fail with.
        function: reaches the operator's charging function; None: there is none.
        servers: reaches the operator's online charging system; None: there is none.
        steady: seconds that nobody sets.
        charges_unreported: whether a short message is charged of which nothing was reported.

    Attributes:
        quotas: charges calls under control; None: nobody set it.
        fault: what sweeping fails with: the ledger, or the file of CDRs.
        requests: what requests to the ledger fail with.
        state: what `ledger_fault` said, and since when.
    """

    def __init__(
        self,
        ledger: Ledger,
        cdrs: CdrStore,
        system: ChargingSystem,
        sink: CdrSink | None,
        *,
        node: str,
        currency: str,
        retention_ms: int,
        failed: Callable[[str], None],
        wall: Callable[[], int] = lambda: int(time.time() * 1000),
        fault: FaultState | None = None,
        requests: FaultState | None = None,
        function: ChfClient | None = None,
        servers: RoClient | None = None,
        steady: Callable[[], float] = time.monotonic,
        charges_unreported: bool = False,
    ) -> None:
        self.ledger = ledger
        self.cdrs = cdrs
        self.system = system
        self.sink = sink
        self.node = node
        self.currency = currency
        self.wall = wall
        self._retention_ms = retention_ms
        self._steady = steady
        self._charges_unreported = charges_unreported
        self._clocks = (0, 0.0)
        self._forget_at = 0.0
        self._failed = failed
        self.fault = fault or FaultState(failed)
        self.requests = requests or FaultState(failed)
        self.state = FaultState(lambda _: None)
        self.function = function
        self.servers = servers
        self.quotas: QuotaDesk | None = None
        # By id; no CDR of them is written yet: the ledger has them as well.
        self._charged: dict[str, Reservation] = {}
        self._unknown = True  # whether the ledger may have others that have none
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open everything; raises `StoreError` for what will not mend by itself."""
        self._clocks = (self.wall(), self._steady())
        await self.cdrs.open()
        try:
            await self.ledger.open()
        except StoreError as error:
            if error.kind not in LATER:
                await self.cdrs.close()
                raise
        if self.servers is not None:
            await self.servers.start()
        if self.sink is not None:
            self.sink.start()
        self._task = asyncio.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        """Write what waits and let go."""
        await end_tasks(self._task)
        self._task = None
        if self.quotas is not None:
            await self.quotas.stop()
        if self.sink is not None:
            await self.sink.stop()
        with contextlib.suppress(StoreError):
            await self.record()
        for reached in (self.function, self.servers):
            if reached is not None:
                await reached.close()
        await self.ledger.close()
        await self.cdrs.close()

    def ledger_fault(self) -> str:
        """Return "" if the ledger did what was last asked of it, else in words why not."""
        found = self.ledger.usable() or self.requests.now or self.fault.now
        self.state.report(found)
        return found

    def committed(self) -> None:
        """A reservation was committed: write its CDR soon."""
        self._unknown = True
        self._due.set()

    def charged(self, reservation: Reservation, *, at_once: bool = False) -> None:
        """Take a reservation that was committed: as `committed`, and the ledger need not be asked for it.

        Args:
            reservation: as it is now.
            at_once: its CDR is written without waiting for others.
        """
        if at_once:
            self._due.set()
        elif not self._charged:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._due.set)
        self._charged[reservation.id] = reservation

    async def record(self) -> int:
        """Write the CDRs of what was charged and has none yet; return how many.

        The CDR first, then the note that it is written: after a crash in between it is written again, which
        its id makes nothing of.
        """
        total = await self._record_charged()
        charged = await self.ledger.unrecorded(AT_ONCE, self._charged)
        while charged:
            await self._recorded(charged)
            total += len(charged) + await self._record_charged()
            if len(charged) < AT_ONCE:
                break
            charged = await self.ledger.unrecorded(AT_ONCE, self._charged)
        return total

    async def _record_charged(self) -> int:
        """Do so for what this node has charged up to now; what fails is left to `Ledger.unrecorded`.

        What is charged meanwhile gathers for the next time: a write of few costs as much as one of many.
        """
        charged, self._charged = list(self._charged.values()), {}
        if charged:
            await self._recorded(charged)
        return len(charged)

    async def _recorded(self, charged: Sequence[Reservation]) -> None:
        await self.cdrs.add([charge_record(each, self.node, self.currency) for each in charged])
        await self.ledger.recorded([each.id for each in charged])

    async def sweep(self) -> None:
        """Settle messages that a node has left, expire what else is due, write the CDRs that are missing."""
        now = self.wall()
        if self.quotas is not None:
            await self._settle_messages(self.quotas, now)
        while await self.system.expire(now):
            pass
        if self.quotas is not None:
            await self.quotas.settle_owed()
        await self.record()

    async def _settle_messages(self, quotas: QuotaDesk, now: int) -> None:
        """Settle short messages whose node died before it heard what became of them.

        Their time is longer than a node waits for the report. What is done about one that nobody reports is
        done about them: nothing says more of them.
        """
        for each in await self.ledger.due(now, AT_ONCE):
            found = await self.ledger.reservation(each)
            if found is not None and found.fingerprint == MESSAGE and found.state in OPEN:
                used = Usage(((TENTHS, found.local_start),)) if self._charges_unreported else None
                await quotas.settle_left(each, used)

    async def forget(self) -> None:
        """Drop CDRs and reservations that are kept no longer."""
        now = self.wall()
        while await self.cdrs.forget(now - self._retention_ms, AT_ONCE):
            pass
        while await self.ledger.forget(now - KEEP_MS, AT_ONCE):
            pass

    async def _forget_in_turn(self) -> None:
        """Forget once a minute, but not by a clock that has just been set far ahead."""
        wall, steady = self.wall(), self._steady()
        if steady < self._forget_at:
            return
        ahead = wall - self._clocks[0] - (steady - self._clocks[1]) * 1000
        self._clocks = (wall, steady)
        if ahead > LEAP_MS:
            hours, rest = ahead // LEAP_MS, SETTLE_SECONDS // 3600
            self._failed(
                f"the clock went {hours:.0f} h ahead: no CDR is dropped for {rest:.0f} h, set it right"
            )
            self._forget_at = steady + SETTLE_SECONDS
            return
        self._forget_at = steady + FORGET_SECONDS
        await self.forget()

    async def _sweep_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        sweep_at = loop.time()
        while True:
            try:
                if self._unknown or loop.time() >= sweep_at:
                    self._unknown = False
                    sweep_at = loop.time() + SWEEP_SECONDS
                    await self.sweep()
                    await self._forget_in_turn()
                else:
                    await self._record_charged()
            except StoreError as error:
                self.fault.report(str(error))
            else:
                self.fault.report("")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(sweep_at):  # wait_for loses cancellations up to Python 3.11
                    await self._due.wait()
            self._due.clear()
