"""Runs a capture's dialogues through the real TCAP, TC-user and services, on the capture's own clock.

Nothing of the network is simulated: what the capture's switches sent goes into `Tcap.receive` at the time at
which it was captured, and what comes out stands beside what the capture's SCP answered. Once both have said
something else, the switch's further messages were meant for another dialogue; they are still given to the
TC-user as long as its dialogue is open, with its own transaction id in place of the captured one.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Final, final

from scp.capture.initial_dp import read_initial_dp_sms
from scp.capture.wire.transaction import read_transaction, with_ids
from scp.domain.lookup import Pending
from scp.domain.whereabouts import LocateFailure
from scp.engine.cap.sms import CONTEXTS_SERVED
from scp.engine.cap.user import CapUser
from scp.engine.scheduler import Scheduler
from scp.replay.dialogues import MAX_MESSAGES, DialogueReplay, ReplayedDialogue, is_elsewhere
from scp.replay.places import CapturedPlaces, CapturedQuestion
from scp.replay.short_messages import control
from scp.stack.tcap import Tcap
from scp.stack.tcap_settings import TcapSettings
from scp.telemetry.null import NullTelemetry
from ss7.cap.codec import FAST
from ss7.cap.contexts import CALL_CONTROL

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Mapping

    from scp.domain.decision import Decision
    from scp.domain.whereabouts import Located
    from scp.engine.cap.sms import SmsControlUser
    from scp.map_ports import LocationWaiter
    from scp.ports import SubscriberLookup
    from scp.replay.places import HlrSettings
    from scp.replay.short_messages import MessageSettings
    from scp.services.api import Service
    from scp.stack.tcap import Dialogue, Indication
    from ss7.cap.types import InitialDPArg

_IDLE_LIMIT: Final = 93_600.0


@final
class CaptureClock:
    """The capture's time; a `scp.engine.scheduler.TimeSource` that the reader of the capture moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = itertools.count()

    def time(self) -> float:
        """Return the capture's time, in seconds since 1970."""
        return self.now

    def call_at(self, when: float, action: Callable[[], None]) -> _Timer:
        """See `scp.engine.scheduler.TimeSource`."""
        timer = _Timer(action)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_soon(self, action: Callable[[], None]) -> None:
        """See `scp.engine.scheduler.TimeSource`; the store here answers at once, so nothing is under way."""
        action()

    def move_to(self, now: float) -> None:
        """Let time pass; it never runs backwards, even where a capture's does."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            when, _, timer = heapq.heappop(timers)
            self.now = max(self.now, when)
            if timer.action is not None:
                timer.action()
        self.now = max(self.now, now)


@final
class _Timer:
    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Have it not come."""
        self.action = None


@final
class Replay(DialogueReplay):
    """Replays.

    Args:
        services: by service key.
        store: where subscribers are looked up; it has to answer at once.
        done: takes every dialogue once it is over in the capture.
        skipped: see `DialogueReplay`.
        ssns: likewise.
        store_deadline: as the node's.
        answer_deadline: likewise.
        strict: likewise.
        hlr: how the node asks HLRs where subscribers are: then the capture's MAP messages answer; None: it
            asks nobody.
        messages: how the node controls short messages; None: it does not.

    Attributes:
        places: what the capture's MAP messages say, None without ``hlr``.
    """

    def __init__(
        self,
        services: Mapping[int, Service],
        store: SubscriberLookup,
        done: Callable[[ReplayedDialogue], None],
        skipped: Counter[str],
        *,
        ssns: Collection[int] = (146,),
        store_deadline: float = 0.150,
        answer_deadline: float = 0.500,
        strict: bool = False,
        hlr: HlrSettings | None = None,
        messages: MessageSettings | None = None,
    ) -> None:
        super().__init__(skipped, ssns)
        self._served = CALL_CONTROL if messages is None else CALL_CONTROL | CONTEXTS_SERVED
        self.tcap = Tcap(TcapSettings(contexts=self._served, max_dialogues=1 << 20, idle_limit=_IDLE_LIMIT))
        self._done = done
        self._clock = CaptureClock()
        self._current: ReplayedDialogue | None = None
        self._scheduler = Scheduler(self._clock, self._tick)
        self._waits: dict[int, tuple[str, LocationWaiter]] = {}
        self.places: CapturedPlaces | None = None
        if hlr is not None:
            self.places = CapturedPlaces(store, hlr.numbering, self._clock, hlr.deadline, hlr.max_age)
            store = self.places
        self._cap = CapUser(
            self,
            services,
            store,
            FAST,
            NullTelemetry(),
            self._clock.time,
            store_deadline=store_deadline,
            answer_deadline=answer_deadline,
            strict=strict,
            on_bug=self._bug,
            observer=self,
        )
        self._sms: SmsControlUser | None = None
        if messages is not None:
            self._sms = control(self, messages, store, self._clock.time, store_deadline)
        if hlr is not None:
            self._cap.locator = self
            self._cap.place_deadline = hlr.deadline

    # -- what the capture has ------------------------------------------------------------------------------

    def _moved(self, now: float) -> None:
        self._clock.move_to(now)

    def _asked(self, replayed: ReplayedDialogue) -> bool:
        octets = replayed.begin.tcap
        if self._sms is not None:
            replayed.sms = read_initial_dp_sms(octets)
        self._receive(replayed, octets)
        return replayed.dialogue is not None or not is_elsewhere(octets, self._served)

    def _went_on(self, replayed: ReplayedDialogue, octets: bytes) -> None:
        dialogue = replayed.dialogue
        if dialogue is not None and not dialogue.closed:
            otid = read_transaction(octets).otid
            self._receive(replayed, with_ids(octets, otid, dialogue.local_tid))

    def _over(self, replayed: ReplayedDialogue) -> None:
        self._done(replayed)
        replayed.dialogue = None
        if self._waits:
            self._waits.pop(replayed.number, None)

    def _answered(self, replayed: ReplayedDialogue) -> None:
        if self.places is not None and replayed.number in self._waits:
            self.places.decided_there(*self._waits.pop(replayed.number))

    def locate(self, msisdn: str, waiter: LocationWaiter, now: float, version: int = 0) -> Located | Pending:
        """See `scp.map_ports.Locator`; the capture tells of every move itself, so no version matters."""
        del version
        if self.places is None:
            return LocateFailure.OFF
        place = self.places.locate(msisdn, waiter, now)
        if isinstance(place, Pending) and self._current is not None:
            self._waits[self._current.number] = (msisdn, waiter)
        return place

    def _beside(self, octets: bytes) -> object:
        return None if self.places is None else self.places.begun(octets)

    def _beside_went_on(self, user: object, octets: bytes, *, over: bool) -> None:
        if self.places is not None and isinstance(user, CapturedQuestion):
            self.places.answered(user, octets)
            if over:
                self.places.ended(user)

    # -- the node ------------------------------------------------------------------------------------------

    def _receive(self, replayed: ReplayedDialogue, octets: bytes) -> None:
        """Give a message to TCAP and what it indicates to the TC-user, as `Signalling` does."""
        now = self._clock.now
        self._current = replayed
        indication = self.tcap.receive(octets, replayed, now)
        if indication is not None:
            if replayed.dialogue is None:
                replayed.dialogue = indication.dialogue
            self._indicate(indication, now)
        if self.tcap.outbox:
            for path, answer in self.tcap.outbox:
                self.send(path, answer)
            self.tcap.outbox.clear()
        if self.tcap.events:
            self.tcap.events.clear()

    def _indicate(self, indication: Indication, now: float) -> None:
        """Give an indication to the TC-user of its application context."""
        if self._sms is not None and indication.dialogue.context in CONTEXTS_SERVED:
            self._sms.indication(indication, now)
        else:
            self._cap.indication(indication, now)

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        """Take what the TC-user sends; a `scp.engine.tc.TcProvider`."""
        del return_on_error
        if octets and isinstance(path, ReplayedDialogue) and len(path.ours) < MAX_MESSAGES:
            path.ours.append(octets)

    def keep(self, path: object) -> object:
        """See `TcProvider`."""
        return path

    def wake_at(self, due: float) -> None:
        """See `TcProvider`."""
        self._scheduler.at(due)

    def flush(self) -> None:
        """See `TcProvider`."""

    def discard(self, layer: str, reason: str) -> None:
        """See `TcProvider`: what is wrong shows in the answer."""

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """Note a decision; the `scp.engine.observers.AnswerObserver`."""
        del seconds
        replayed = dialogue.path
        if isinstance(replayed, ReplayedDialogue):
            replayed.service, replayed.idp, replayed.decision = service, idp, decision

    def _bug(self, service: str, error: Exception) -> None:
        if self._current is not None:
            self._current.bugs.append(f"{service}: {error!r}")

    def _tick(self, now: float) -> float:
        for indication in self.tcap.tick(now):
            self._indicate(indication, now)
        self._cap.tick(now)
        due = min(self.tcap.next_deadline(), self._cap.next_deadline())
        if self._sms is not None:
            self._sms.tick(now)
            due = min(due, self._sms.next_deadline())
        return due
