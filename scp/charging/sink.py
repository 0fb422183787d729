"""From calls to call detail records, off the call path.

A call leaves one tuple in a list (`CdrSink.answered`). Every `PACE_SECONDS` rows are made of what has
gathered, between turns of the loop: a call is not read before its turn, so calls can't come faster than their
records are made. Of a held call the row is made at once, 200 octets of JSON in place of its request (a sixth
of its size), and waits until the dialogue is over. Another task has the store write the rows, all that there
are by then. Calls never wait for a disk: while it is slow, full or fails, rows wait, up to `MOST_WAITING`;
beyond it records are dropped and counted.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, final

from scp.charging.bundles import TOGETHER, Bundles, HeldRecord, ended, held, redecided
from scp.charging.fault_state import FaultState
from scp.common.tasks import end_tasks
from scp.domain.cdr import Charge, Cleared, Talking
from scp.ports import StoreError
from scp.services.call_progress import CallProgress
from scp.services.cdr_row import attempt_row
from scp.stack.tcap_dialogue import CLOSED
from ss7.cap.types import CallInformationReportArg, EventReportBCSMArg

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.cdr import Progress, Row
    from scp.domain.decision import Decision
    from scp.domain.numbers import Numbering
    from scp.ports import CdrStore, ChargingTelemetry
    from scp.services.cdr_row import Answered
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg

PACE_SECONDS: Final = 0.01
"""How long calls gather. With the time of one write it is what a `kill -9` may cost, beside the records of
calls whose dialogues are held."""
RETRY_SECONDS: Final = 1.0
STOP_TRIES: Final = 5
"""How often a node that stops tries to write what waits: somebody may make room on a full disk meanwhile."""
MOST_WAITING: Final = 500_000
"""8 seconds of a node at its limit, 107 MB; minutes of an ordinary one, up to 185 MB."""
SLICE: Final = 64
"""Rows that are made between two turns of the loop; or a quarter of what waits, if that is more."""


@final
class CdrSink:
    """Keeps a record of every call attempt; an `AnswerObserver` and `CallWatcher` of `scp.engine.observers`.

    Args:
        store: where they go; open from `start` to `stop`.
        node: the node's name.
        numbering: for the MSC's address and the called number.
        failed: told in words when the store began to fail, and with "" when it works again.
        wall: seconds since 1970-01-01 UTC.
        telemetry: told how many were written and dropped.

    Attributes:
        written: how many records were written.
        dropped: how many were not, because too many waited.
        dropped_at: when the last of them was, in seconds since 1970; 0: never.
        numbering: as given; a reload may set another.
        fault: what the store fails with.
        on_written: called after a write with how many records are done with: written or dropped.
    """

    def __init__(
        self,
        store: CdrStore,
        node: str,
        numbering: Numbering,
        failed: Callable[[str], None],
        wall: Callable[[], float] = time.time,
        telemetry: ChargingTelemetry | None = None,
    ) -> None:
        self.written = 0
        self.dropped = 0
        self.dropped_at = 0.0
        self.numbering = numbering
        self.fault = FaultState(failed, wall)
        self.on_written: Callable[[int], None] | None = None
        self._store = store
        self._wall = wall
        self._telemetry = telemetry
        self._failed = failed
        self._waiting: list[Answered] = []
        self._since = 0.0
        self._held: dict[bytes, bytes] = {}  # records by our transaction id
        self._progress: dict[bytes, CallProgress] = {}  # how those went on of which something was reported
        self._over: list[HeldRecord] = []
        self._bundles = Bundles(node, wall())
        self._rows = 0  # made and not yet written
        self._came = asyncio.Event()
        self._made = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    # --- the call path ---

    def answered(
        self,
        dialogue: Dialogue,
        service: str,
        idp: InitialDPArg | None,
        decision: Decision,
        seconds: float,
    ) -> None:
        """Note that a call was answered; one whose dialogue is held gets its record at its end."""
        now = self._wall()
        if dialogue.state != CLOSED:
            row = attempt_row((now, service, idp, decision, seconds), self.numbering)
            self._held[dialogue.local_tid] = held(row)
            return
        if not self._waiting:
            self._wake(now)
        self._waiting.append((now, service, idp, decision, seconds))

    def reported(self, dialogue: Dialogue, argument: Any) -> None:
        """Note an operation of the gsmSSF: what an event or call information report says of the call."""
        tid = dialogue.local_tid
        if type(argument) is EventReportBCSMArg and tid in self._held:
            self._progress_of(tid).reported(argument, self._wall())
        elif type(argument) is CallInformationReportArg and tid in self._held:
            self._progress_of(tid).informed(argument, self._wall())

    def decided(self, dialogue: Dialogue, decision: Decision) -> None:
        """Note that the service has decided otherwise: the record has the last decision."""
        record = self._held.get(dialogue.local_tid)
        if record is not None:
            self._held[dialogue.local_tid] = redecided(record, decision)

    def noted(self, dialogue: Dialogue, fact: object) -> None:
        """Take what a call cost, that it was released, or is talked in; other facts are in no record."""
        if dialogue.local_tid not in self._held:
            return
        if type(fact) is Charge:
            self._progress_of(dialogue.local_tid).charge = fact
        elif type(fact) is Cleared:
            self._progress_of(dialogue.local_tid).cleared(fact.cause, self._wall())
        elif type(fact) is Talking:
            self._progress_of(dialogue.local_tid).talking(fact.answered_ms)

    def _progress_of(self, tid: bytes) -> CallProgress:
        progress = self._progress.get(tid)
        if progress is None:
            progress = self._progress[tid] = CallProgress()
        return progress

    def progress(self, dialogue: Dialogue) -> Progress | None:
        """Return what was reported of a held call."""
        found = self._progress.get(dialogue.local_tid)
        return None if found is None else found.values()

    def adopted(self, dialogue: Dialogue, answered: Answered, progress: Progress | None) -> None:
        """Note a held call that another process has answered: its record is made here."""
        self._held[dialogue.local_tid] = held(attempt_row(answered, self.numbering))
        if progress is not None:
            self._progress[dialogue.local_tid] = CallProgress.of(progress)

    def forgotten(self, dialogue: Dialogue) -> None:
        """Note that another node goes on with a held call, and makes its record."""
        self._held.pop(dialogue.local_tid, None)
        self._progress.pop(dialogue.local_tid, None)

    def over(self, dialogue: Dialogue) -> None:
        """Note that a held dialogue is over."""
        if dialogue.local_tid in self._held:
            if not (self._waiting or self._over):
                self._wake(self._wall())
            self._over.append(self._taken(dialogue.local_tid))

    def row(self, row: Row) -> None:
        """Take the row of a record that is made elsewhere."""
        if not (self._waiting or self._over):
            self._wake(self._wall())
        self._over.append(ended(held(row), None))

    def _taken(self, tid: bytes) -> HeldRecord:
        """Take out a held call's record, with what is known of its progress."""
        return ended(self._held.pop(tid), self._progress.pop(tid, None))

    def _wake(self, now: float) -> None:
        self._since = now
        self._came.set()

    # --- beside it ---

    def start(self) -> None:
        """Begin to write."""
        self._tasks = tuple(asyncio.create_task(each) for each in (self._make_rows(), self._write_rows()))

    async def stop(self) -> None:
        """Write what waits and what is known of held calls, and end; after `STOP_TRIES` without it."""
        for task in self._tasks:
            await end_tasks(task)
        self._tasks = ()
        self._over.extend([self._taken(tid) for tid in list(self._held)])
        why = ""
        for left in reversed(range(STOP_TRIES)):
            try:
                await self.flush()
            except StoreError as error:
                why = str(error)
            else:
                return
            if left:
                self.fault.report(why)
                await asyncio.sleep(RETRY_SECONDS)
        self._failed(f"{self.waiting} call detail records are lost: {why}")

    @property
    def waiting(self) -> int:
        """How many records wait to be written."""
        return len(self._waiting) + len(self._over) + self._rows

    def position(self) -> int:
        """Return how many records there were so far: all of them are done with when `on_written` says so."""
        return self.done() + self.waiting

    def done(self) -> int:
        """Return how many were written or dropped."""
        return self.written + self.dropped

    @property
    def oldest_seconds(self) -> float:
        """For how many seconds a record has been waiting for the disk; 0 if none is."""
        since = self._bundles.since
        if since is None:
            since = self._since
        return max(0.0, self._wall() - since) if self.waiting else 0.0

    async def flush(self) -> None:
        """Write what waits; raises `StoreError`, and then it waits on."""
        while self._waiting or self._over:
            await self._make()
        await self._write()

    async def _make_rows(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            await asyncio.sleep(PACE_SECONDS)
            await self._make()
            self._made.set()

    async def _make(self) -> None:
        """Make rows of all that waits now, in slices that let the loop go on.

        Held calls are first: no record that came behind one is written before it (see `position`).
        """
        since, self._since = self._since, self._wall()
        over, self._over = self._over, []
        for start in range(0, len(over), TOGETHER):
            records = over[start : start + TOGETHER]
            if admitted := self._admitted(len(records)):
                self._bundles.add_encoded(records[:admitted], since)
        left = len(self._waiting)
        size = max(SLICE, left // 4)
        while left > 0:
            calls = self._waiting[:size]
            del self._waiting[:size]
            self._make_some(calls, since)
            left -= size
            if left > 0:
                await asyncio.sleep(0)
        if self._waiting or self._over:
            self._came.set()

    def _make_some(self, calls: list[Answered], since: float) -> None:
        """Make the rows of calls, or of the first of them if there is no room for more."""
        self._bundles.make(calls[: self._admitted(len(calls))], self.numbering, since)

    def _admitted(self, count: int) -> int:
        """Return for how many of so many records there is room; the others are dropped and counted."""
        admitted = min(count, max(0, MOST_WAITING - self._rows))
        self._rows += admitted
        if admitted < count:
            self._count("dropped", count - admitted)
            self.dropped += count - admitted
            self.dropped_at = self._wall()
        return admitted

    async def _write_rows(self) -> None:
        while True:
            await self._made.wait()
            self._made.clear()
            try:
                await self._write()
            except StoreError as error:
                self.fault.report(str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._made.set()
            else:
                self.fault.report("")

    async def _write(self) -> None:
        while bundles := self._bundles.next():
            await self._store.add_bundles(bundles)
            count = self._bundles.written()
            self._rows -= count
            self.written += count
            self._count("written", count)
            if self.on_written is not None:
                self.on_written(self.done())

    def _count(self, result: str, count: int) -> None:
        if self._telemetry is not None:
            self._telemetry.cdrs(result, count)
