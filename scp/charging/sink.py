"""From calls to call detail records, off the call path.

A call leaves one tuple in a list (`CdrSink.answered`), one whose dialogue is held when that is over. Ten
times a second what has gathered is made into records and written as one batch, in the store's thread. Calls
never wait for a disk: while it is full or fails, what waits grows to `MOST_WAITING`; beyond it records are
dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import msgspec

from scp.charging.trouble import Trouble
from scp.domain.cdr import CallAttempt
from scp.ports import StoreError
from scp.services.course import Course
from scp.services.record import call_attempt
from scp.stack.tcap_dialogue import CLOSED
from ss7.cap.types import EventReportBCSMArg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.domain.decision import Decision
    from scp.domain.numbers import Numbering
    from scp.ports import CdrStore, ChargingTelemetry
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg

Answered: TypeAlias = "tuple[float, str, InitialDPArg | None, Decision, float, Course | None]"

FLUSH_SECONDS: Final = 0.1
"""What a `kill -9` may cost: the attempts of so long, and those of calls whose dialogues are held."""
RETRY_SECONDS: Final = 1.0
BATCH: Final = 5_000
MOST_WAITING: Final = 100_000
SLICE: Final = 16
"""Records that are made between two offers of Python's lock to the thread that answers calls."""

_encode: Final = msgspec.json.Encoder().encode


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
        trouble: what the store fails with.
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
        self._store = store
        self._node = node
        self.numbering = numbering
        self._wall = wall
        self._telemetry = telemetry
        self._failed = failed
        self.trouble = Trouble(failed, wall)
        self._waiting: list[Answered] = []
        self._held: dict[bytes, Answered] = {}
        self._room = MOST_WAITING
        self._number = 0
        self._mark = (0, wall())
        self._written_before = self._mark[1]
        self._boot = f"{node}-{int(wall() * 1000):x}-"
        self._task: asyncio.Task[None] | None = None

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
        if dialogue.state != CLOSED:
            self._held[dialogue.local_tid] = (self._wall(), service, idp, decision, seconds, Course())
        elif self._room:
            self._room -= 1
            self._waiting.append((self._wall(), service, idp, decision, seconds, None))
        else:
            self._drop()

    def reported(self, dialogue: Dialogue, argument: Any) -> None:
        """Note an operation of the gsmSSF: what an event report says of the call."""
        held = self._held.get(dialogue.local_tid)
        course = None if held is None else held[-1]
        if course is not None and type(argument) is EventReportBCSMArg:
            course.reported(argument, self._wall())

    def over(self, dialogue: Dialogue) -> None:
        """Note that a held dialogue is over."""
        held = self._held.pop(dialogue.local_tid, None)
        if held is not None:
            self._keep(held)

    def _keep(self, answered: Answered) -> None:
        if self._room:
            self._room -= 1
            self._waiting.append(answered)
        else:
            self._drop()

    def _drop(self) -> None:
        self.dropped += 1
        if self._telemetry is not None:
            self._telemetry.cdrs("dropped", 1)

    # --- beside it ---

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, if the store takes it, and what is known of held calls, and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for held in self._held.values():
            self._keep(held)
        self._held.clear()
        try:
            await self.flush()
        except StoreError as error:
            self._failed(f"{self.waiting} call detail records are lost: {error}")

    @property
    def waiting(self) -> int:
        """How many records wait to be written."""
        return MOST_WAITING - self._room

    @property
    def oldest_seconds(self) -> float:
        """For how many seconds, at the most, a record has been waiting; 0 if none is."""
        return max(0.0, self._wall() - self._written_before) if self.waiting else 0.0

    async def flush(self) -> None:
        """Write what waits; raises `StoreError`, and then it waits on."""
        self._note_progress()
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._store.add_made(partial(self._made, batch, self._number))
            except BaseException:
                self._waiting = batch + self._waiting
                raise
            self._number += len(batch)
            self._room += len(batch)
            self.written += len(batch)
            if self._telemetry is not None:
                self._telemetry.cdrs("written", len(batch))
            self._note_progress()

    def _note_progress(self) -> None:
        """Move the mark once all is written that waited when it was set: what came before is on the disk."""
        number, at = self._mark
        if self.written >= number:
            self._written_before = at
            self._mark = (self.written + self.waiting, self._wall())

    async def _run(self) -> None:
        dropped = 0
        while True:
            await asyncio.sleep(RETRY_SECONDS if self.trouble.now else FLUSH_SECONDS)
            if self.dropped != dropped:
                dropped, self.dropped_at = self.dropped, self._wall()
            try:
                await self.flush()
            except StoreError as error:
                self.trouble.report(str(error))
            else:
                self.trouble.report("")

    # --- in the store's thread ---

    def _made(self, batch: Sequence[Answered], number: int) -> bytes:
        """Return the records as a JSON array; the same each time, so that a batch may be written again."""
        parts: list[bytes] = []
        for start in range(0, len(batch), SLICE):
            parts.extend(
                _encode(self._record(each, number + at))
                for at, each in enumerate(batch[start : start + SLICE], start)
            )
            time.sleep(0)  # calls first
        return b"[" + b",".join(parts) + b"]"

    def _record(self, answered: Answered, number: int) -> CallAttempt:
        when, service, idp, decision, seconds, course = answered
        record_id = f"{self._boot}{number:x}"
        decided_ms = int(when * 1000)
        received_ms = int((when - seconds) * 1000)
        if idp is not None:
            return call_attempt(
                idp,
                decision,
                service,
                self.numbering,
                received_ms=received_ms,
                decided_ms=decided_ms,
                record_id=record_id,
                node=self._node,
                course=course,
            )
        return CallAttempt(
            id=record_id,
            node=self._node,
            received_ms=received_ms,
            decided_ms=decided_ms,
            service=service,
            service_key=-1,
            trigger=None,
            action=decision.action,
            reason=decision.reason,
        )
