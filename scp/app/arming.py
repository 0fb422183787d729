"""Has HLRs arm M-CSIs, so that VLRs report the moves of subscribers that forward calls while roaming.

The HLR is asked (anyTimeModification: activate the M-CSI) once for each such subscriber: when the record is
written by the API, and when a scan of the store finds it, at the node's start and every ``scan_s``. What it
said is kept in a store. Its refusals are asked again a day later, its silences after pauses that double; if
there was no way to it, as soon as there is one. When an HLR tells that an M-CSI is switched off
(noteSubscriberDataModified) it is asked again.

**Several nodes** share the store. A node claims a subscriber before it asks, so that no other does; if it
dies, its claims end after `CLAIM_SECONDS`, and others ask. Together they claim no more than the rate: who
claims takes a token of a bucket in the store. (A rate divided by the living nodes would be wrong while one
comes or goes, and would leave the share of a node that has no link unused.)
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, final

from scp.common.tasks import end_tasks
from scp.common.token_buckets import TokenBuckets
from scp.domain.armed import Armed, ArmState, after, hastened, switched_off, wanted, wished
from scp.domain.map_results import Outcome
from scp.engine.arming import not_active, refusal
from scp.ports import TRANSIENT, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from scp.config.map import Arming
    from scp.domain.subscriber import Subscriber
    from scp.engine.enquiries import Answer
    from scp.map_ports import ArmedStore
    from scp.ports import SubscriberStore

_SLICE: Final = 250
_RETRY_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 5.0
"""How often it is asked what other nodes have left."""
_COUNT_SECONDS: Final = 1.0
_PATH_SECONDS: Final = 0.5
"""How often it is looked whether there is a way to the HLR again."""
_MOST_UNREACHABLE: Final = 10_000
_NOTE_SECONDS: Final = 1.0
"""How long the API waits until it is kept that a subscriber is to be armed."""
CLAIM_SECONDS: Final = 60.0
"""Longer than an HLR is waited for (TS 29.002 §17.1.2: 30 s)."""


@final
class ArmingKeeper:
    """Keeps M-CSIs armed; see the module's text.

    Args:
        settings: ``[map.arming]``.
        subscribers: all of them.
        store: what is known.
        ask: asks the HLR to switch a subscriber's M-CSI on or off.
        reachable: whether there is a way to a subscriber's HLR now.
        failed: told what a store begins to fail with.
        wall: seconds since 1970-01-01 UTC.
        steady: seconds that nobody sets.

    Attributes:
        counts: subscribers by state, of all nodes.
        last_refusal: in words, "" if there was none.
    """

    def __init__(
        self,
        settings: Arming,
        subscribers: SubscriberStore,
        store: ArmedStore,
        ask: Callable[[str, bool], Awaitable[Answer]],
        reachable: Callable[[str], bool],
        failed: Callable[[str], None],
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[ArmState] = Counter()
        self.last_refusal = ""
        self._faults: dict[str, str] = {}
        self._settings = settings
        self._subscribers = subscribers
        self._store = store
        self._ask = ask
        self._reachable = reachable
        self._failed = failed
        self._wall = wall
        self._steady = steady
        self._bucket = TokenBuckets(settings.rate, max(1.0, settings.rate))
        self._wishes: dict[str, bool] = {}
        self._off: set[str] = set()
        self._unreachable: set[str] = set()
        self._writing = asyncio.Lock()
        self._came = asyncio.Event()
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._questions: set[asyncio.Task[None]] = set()

    # --- what is wanted ---

    async def noted(self, records: Iterable[Subscriber]) -> None:
        """Take records that were written; who is to be armed is in the store when it returns.

        Where that can't be had now, the record stays written: it is done later, or found by the next scan.
        """
        waits = False
        for record in records:
            on = wanted(record)
            self._wish(record.msisdn, on=on)
            waits = waits or on
        if waits:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_NOTE_SECONDS):
                    await self._write_wishes()
            self._came.set()

    def told(self, msisdn: str, active: bool | None) -> None:
        """Take what an HLR tells of an M-CSI (None: nothing): one that is switched off is armed again."""
        if active is False:
            self._off.add(msisdn)
            self._dirty.set()

    async def of(self, msisdn: str) -> Armed | None:
        """Return what is known of a subscriber; raises `StoreError`."""
        [known] = await self._store.get([msisdn])
        return known

    async def asked_by_hand(self, msisdn: str, answer: Answer, *, on: bool) -> None:
        """Take what came of a question that somebody else asked; it counts as ours. Raises `StoreError`."""
        known = await self.of(msisdn)
        if on or known is not None:
            await self._store.change([(msisdn, known, self._result(Armed(msisdn, on), answer))])

    def _wish(self, msisdn: str, *, on: bool) -> None:
        self._wishes[msisdn] = on
        self._dirty.set()

    def _now(self) -> int:
        return int(self._wall() * 1000)

    # --- the work ---

    async def start(self) -> None:
        """Open the store and begin; raises `StoreError` for what will not mend by itself."""
        try:
            await self._store.open()
        except StoreError as error:
            if error.kind not in TRANSIENT:
                raise
        works = (self._scanned, self._worked, self._written, self._counted, self._hastened)
        self._tasks = [asyncio.create_task(self._repeated(each)) for each in works]

    async def stop(self) -> None:
        """End; what was asked and not answered is asked again, by another node or after the next start."""
        await end_tasks(*self._tasks, *self._questions)
        self._tasks = []
        if self._wishes or self._off:
            with contextlib.suppress(StoreError):
                await self._write_wishes()
        await self._store.close()

    async def _repeated(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do a piece of work again and again, after a pause where a store failed."""
        while True:
            try:
                await work()
            except StoreError as error:
                self._fails(work.__name__, str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._fails(work.__name__, "")

    async def _scanned(self) -> None:
        await self.scan()
        await asyncio.sleep(self._settings.scan_s)

    async def scan(self) -> None:
        """Look through all records; raises `StoreError`."""
        known = await self._store.wanted()
        number = 0
        async for record in self._subscribers.scan():
            if wanted(record) and not known.pop(record.msisdn, False):
                self._wish(record.msisdn, on=True)
            number += 1
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        for msisdn in [each for each, on in known.items() if on]:
            record_now = await self._subscribers.get(msisdn)  # it may have been written behind the scan
            if record_now is None or not wanted(record_now):
                self._wish(msisdn, on=False)

    async def _written(self) -> None:
        await self._dirty.wait()
        self._dirty.clear()
        try:
            await self._write_wishes()
        except StoreError:
            self._dirty.set()
            raise
        self._came.set()

    async def _write_wishes(self) -> None:
        """Write what is wanted, and what HLRs told, where that changes something."""
        async with self._writing:
            while self._wishes or self._off:
                await self._write_slice()

    async def _write_slice(self) -> None:
        names = list(dict.fromkeys([*self._wishes, *self._off]))[:_SLICE]
        known = dict(zip(names, await self._store.get(names), strict=True))
        now = self._now()
        wishes = {name: self._wishes.pop(name) for name in names if name in self._wishes}
        off = self._off.intersection(names)
        self._off -= off
        changes = []
        for name, before in known.items():
            new = before
            if name in wishes:
                disarm = self._settings.disarm
                new = wished(new, name, on=wishes[name], disarm=disarm, now_ms=now)
            if name in off:
                new = switched_off(new, now)
            if new != before:
                changes.append((name, before, new))
        again = {change[0] for change in changes}
        try:
            done = await self._store.change(changes)
            again -= {change[0] for change, each in zip(changes, done, strict=True) if each}
        finally:  # what another was quicker to change is looked at again; newer wishes stand
            self._wishes = {name: on for name, on in wishes.items() if name in again} | self._wishes
            self._off |= off & again

    async def _worked(self) -> None:
        """Claim what is due, so many at a time, and ask, no faster than the rate; wait if nothing is due."""
        room = self._settings.window - len(self._questions)
        wait, rate = _POLL_SECONDS, self._settings.rate
        self._came.clear()
        if room > 0:
            most, now = min(room, max(1, int(rate))), self._now()
            until = now + int((CLAIM_SECONDS + (most + 1) / rate) * 1000)
            claimed, next_due = await self._store.claim(now, until, most, rate)
            for armed in claimed:
                await self._token()
                task = asyncio.create_task(self._ask_one(armed))
                self._questions.add(task)
                task.add_done_callback(self._asked)
            if claimed:
                return
            if next_due:
                wait = min(wait, max(1 / rate, (next_due - now) / 1000))  # due already: the rate is used up
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._came.wait()

    async def _token(self) -> None:
        """Wait until the rate allows one more question."""
        while not self._bucket.take("", self._steady()):  # noqa: ASYNC110 - time brings it
            await asyncio.sleep(1 / self._settings.rate)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._questions.discard(task)
        self._came.set()

    async def _ask_one(self, armed: Armed) -> None:
        """Ask, and keep what came of it: while the store fails as long as the claim holds."""
        ends = self._steady() + CLAIM_SECONDS
        answer = await self._ask(armed.msisdn, armed.on)
        unserved = answer.outcome in _UNDELIVERED and not self._reachable(armed.msisdn)
        if unserved and len(self._unreachable) < _MOST_UNREACHABLE:
            self._unreachable.add(armed.msisdn)
        new = self._result(armed, answer)
        while self._steady() < ends:
            try:
                await self._store.change([(armed.msisdn, armed, new)])  # not done: a newer wish, due at once
            except StoreError as error:
                self._fails("_ask_one", str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._fails("_ask_one", "")
                return

    def _result(self, armed: Armed, answer: Answer) -> Armed | None:
        """Return what is known after an answer, None: nothing any more."""
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
            return None  # it is switched off, or the HLR does not do that
        return new

    async def _hastened(self) -> None:
        """Ask at once for what waited for a way to the HLR, now that there is one."""
        await asyncio.sleep(_PATH_SECONDS)
        names = [each for each in self._unreachable if self._reachable(each)][:_SLICE]
        if names:
            now = self._now()
            known = zip(names, await self._store.get(names), strict=True)
            changes = [(name, before, hastened(before, now)) for name, before in known]
            await self._store.change([each for each in changes if each[1] != each[2]])
            self._unreachable.difference_update(names)
            self._came.set()

    async def _counted(self) -> None:
        self.counts = Counter(await self._store.counts())
        await asyncio.sleep(_COUNT_SECONDS)

    def _fails(self, work: str, why: str) -> None:
        before = self.fault
        self._faults[work] = why
        if self.fault and self.fault != before:
            self._failed(self.fault)

    @property
    def fault(self) -> str:
        """What the stores fail with, "" if they do not."""
        return next(filter(None, self._faults.values()), "")


_UNDELIVERED: Final = frozenset({Outcome.UNREACHABLE, Outcome.UNDELIVERABLE})
