"""Has VLRs tell of the moves of whoever forwards calls while roaming, once a subscriber is provisioned.

The HLR is asked (anyTimeModification: activate the M-CSI) once for each such subscriber: when the record is
written by the API, and when a scan of the store finds it, at the node's start and every ``scan_s``. What it
said is kept in a file. Its refusals are asked again a day later, its silences after pauses that double. When
an HLR tells that an M-CSI is switched off (noteSubscriberDataModified) it is asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, final

from scp.common.tasks import end_tasks
from scp.common.token_buckets import TokenBuckets
from scp.domain.armed import Armed, ArmState, after, wanted
from scp.engine.arming import not_active, refusal
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from scp.config.map import Arming
    from scp.domain.subscriber import Subscriber
    from scp.engine.enquiries import Answer
    from scp.ports import SubscriberStore
    from scp.store.armed_sqlite import SqliteArmed

_SLICE: Final = 250
_PACE_SECONDS: Final = 0.1
"""How long results gather before they are written."""
_RETRY_SECONDS: Final = 5.0
OWN_CHANGE_MS: Final = 60_000
"""What the HLR tells so soon after it was asked is the echo of that."""


@final
class ArmingKeeper:
    """Keeps M-CSIs armed; see the module's text.

    Args:
        settings: ``[map.arming]``.
        store: has the subscribers.
        file: what is known.
        ask: asks the HLR to switch a subscriber's M-CSI on or off.
        failed: told what the file or the store begins to fail with.
        wall: seconds since 1970-01-01 UTC.
        steady: seconds that nobody sets.

    Attributes:
        counts: subscribers by state.
        last_refusal: in words, "" if there was none.
    """

    def __init__(
        self,
        settings: Arming,
        store: SubscriberStore,
        file: SqliteArmed,
        ask: Callable[[str, bool], Awaitable[Answer]],
        failed: Callable[[str], None],
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[ArmState] = Counter()
        self.last_refusal = ""
        self.fault = ""
        self._settings = settings
        self._store = store
        self._file = file
        self._ask = ask
        self._failed = failed
        self._wall = wall
        self._steady = steady
        self._bucket = TokenBuckets(settings.rate, max(1.0, settings.rate))
        self._known: dict[str, Armed] = {}
        self._due: list[tuple[int, str]] = []
        self._asking: set[str] = set()
        self._changed: dict[str, Armed | None] = {}
        self._came = asyncio.Event()
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._questions: set[asyncio.Task[None]] = set()

    # --- what is wanted ---

    def noted(self, records: Iterable[Subscriber]) -> None:
        """Take records that were written, or found."""
        now = self._now()
        for record in records:
            known = self._known.get(record.msisdn)
            if wanted(record):
                if known is None or not known.on:
                    self._set(Armed(record.msisdn, at_ms=now, due_ms=now))
            elif known is not None and known.on:
                self._drop(record.msisdn, now)

    def told(self, msisdn: str, active: bool | None) -> None:
        """Take what an HLR tells of an M-CSI (None: nothing): one that is switched off is armed again."""
        known, now = self._known.get(msisdn), self._now()
        if active is not False or known is None or not known.on or known.state is not ArmState.ARMED:
            return
        if now - known.at_ms >= OWN_CHANGE_MS:
            self._set(Armed(msisdn, True, ArmState.WAITING, "switched off at the HLR", 0, now, now))

    def of(self, msisdn: str) -> Armed | None:
        """Return what is known of a subscriber."""
        return self._known.get(msisdn)

    def asked_by_hand(self, msisdn: str, answer: Answer, *, on: bool) -> None:
        """Take what came of a question that somebody else asked; it counts as ours."""
        if on or msisdn in self._known:
            self._result(Armed(msisdn, on), answer)

    def _drop(self, msisdn: str, now: int) -> None:
        """Forget who is not wanted any more; with ``disarm`` the HLR is told first."""
        known = self._known[msisdn]
        if self._settings.disarm and known.state is ArmState.ARMED:
            self._set(Armed(msisdn, False, ArmState.WAITING, "", 0, now, now))
        else:
            self._forget(msisdn)

    def _set(self, armed: Armed) -> None:
        before = self._known.get(armed.msisdn)
        if before is not None:
            self.counts[before.state] -= 1
        self.counts[armed.state] += 1
        self._known[armed.msisdn] = armed
        self._changed[armed.msisdn] = armed
        self._dirty.set()
        self._schedule(armed)

    def _schedule(self, armed: Armed) -> None:
        if armed.due_ms:
            heappush(self._due, (armed.due_ms, armed.msisdn))
            self._came.set()

    def _forget(self, msisdn: str) -> None:
        before = self._known.pop(msisdn, None)
        if before is not None:
            self.counts[before.state] -= 1
            self._changed[msisdn] = None
            self._dirty.set()

    def _now(self) -> int:
        return int(self._wall() * 1000)

    # --- the work ---

    async def start(self) -> None:
        """Open the file and begin; raises `StoreError`."""
        await self._file.open()
        for armed in await self._file.load():
            self._known[armed.msisdn] = armed
            self.counts[armed.state] += 1
            self._schedule(armed)
        self._tasks = [asyncio.create_task(each) for each in (self._scan(), self._work(), self._write())]

    async def stop(self) -> None:
        """End, and keep what is known."""
        await end_tasks(*self._tasks, *self._questions)
        self._tasks = []
        with contextlib.suppress(StoreError):
            await self._written()
        await self._file.close()

    async def _scan(self) -> None:
        """Look through all records, now and again."""
        while True:
            pause = self._settings.scan_s
            try:
                await self.scan()
            except StoreError as error:
                self._fails(f"subscribers can't be read: {error}")
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def scan(self) -> None:
        """Look through all records; raises `StoreError`."""
        found: set[str] = set()
        number = 0
        async for record in self._store.scan():
            if wanted(record):
                found.add(record.msisdn)
                self.noted((record,))
            number += 1
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        now = self._now()
        for msisdn in [each.msisdn for each in self._known.values() if each.on and each.msisdn not in found]:
            now_there = await self._store.get(msisdn)  # it may have been written behind the scan
            if now_there is None or not wanted(now_there):
                self._drop(msisdn, now)

    async def _work(self) -> None:
        """Ask what is due, no faster than the rate, so many at a time."""
        while True:
            wait = self._next_wait()
            if wait > 0:
                self._came.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if wait == _FOREVER else wait):
                        await self._came.wait()
                continue
            if not self._bucket.take("", self._steady()):
                await asyncio.sleep(1 / self._settings.rate)
                continue
            _, msisdn = heappop(self._due)
            armed = self._known.get(msisdn)
            if armed is not None and 0 < armed.due_ms <= self._now() and msisdn not in self._asking:
                self._asking.add(msisdn)
                task = asyncio.create_task(self._ask_one(armed))
                self._questions.add(task)
                task.add_done_callback(self._questions.discard)

    def _next_wait(self) -> float:
        """Return how many seconds there is nothing to do: until somebody comes, if it is `_FOREVER`."""
        if not self._due or len(self._asking) >= self._settings.window:
            return _FOREVER
        return (self._due[0][0] - self._now()) / 1000

    async def _ask_one(self, armed: Armed) -> None:
        try:
            answer = await self._ask(armed.msisdn, armed.on)
        finally:
            self._asking.discard(armed.msisdn)
            self._came.set()
        known = self._known.get(armed.msisdn)
        if known is None or known.on is not armed.on:
            if known is not None:
                self._schedule(known)  # somebody has changed his mind meanwhile
            return
        self._result(known, answer)

    def _result(self, armed: Armed, answer: Answer) -> None:
        reason = refusal(answer) or (not_active(answer.value) if armed.on else "")
        settings = self._settings
        new = after(
            armed,
            answer.outcome,
            answer.code,
            reason,
            self._now(),
            most_pause_ms=int(settings.most_pause_s * 1000),
            refused_ms=int(settings.refused_s * 1000),
        )
        if new.state is ArmState.REFUSED:
            self.last_refusal = reason
        if not new.on and new.state is not ArmState.WAITING:
            self._forget(new.msisdn)  # it is switched off, or the HLR does not do that
        else:
            self._set(new)

    async def _write(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_PACE_SECONDS)
            self._dirty.clear()
            try:
                await self._written()
            except StoreError as error:
                self._fails(str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                self._dirty.set()
            else:
                self._fails("")

    async def _written(self) -> None:
        changed, self._changed = self._changed, {}
        try:
            await self._file.put(
                [each for each in changed.values() if each is not None],
                [msisdn for msisdn, each in changed.items() if each is None],
            )
        except StoreError:
            self._changed = {**changed, **self._changed}
            raise

    def _fails(self, why: str) -> None:
        if why != self.fault:
            self.fault = why
            if why:
                self._failed(why)


_FOREVER: Final = 1e9
