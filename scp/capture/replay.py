"""Runs a capture's dialogues through the real TCAP, engine and services, on the capture's own clock.

Nothing of the network is simulated: what the capture's switches sent goes into `Tcap.receive` at the time at
which it was captured, and what comes out stands beside what the capture's SCP answered. Once both have said
something else, the switch's further messages were meant for another conversation; they are still given to the
engine as long as its dialogue is open, with its own transaction id in place of the captured one.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Final, final

from scp.capture.wire.follow import BACKWARD, COPY, STRAY, Follower, read_transaction
from scp.capture.wire.follow import Dialogue as Followed
from scp.capture.wire.messages import Message
from scp.capture.wire.transaction import with_ids
from scp.engine.engine import Engine
from scp.engine.ticker import Ticker
from scp.stack.tcap import Tcap
from scp.stack.tcap_settings import TcapSettings
from ss7 import tcap as tcap_codec
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_OCTETS, CAP_V1, CONTEXTS
from ss7.errors import DecodeError
from ss7.sccp import UnitData
from ss7.tcap_dialogue import Aarq

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from scp.capture.source import Item
    from scp.domain.decision import Decision
    from scp.ports import SubscriberLookup
    from scp.services.api import Service
    from scp.stack.tcap import Dialogue
    from ss7.cap.codec import Codec
    from ss7.cap.types import InitialDPArg

MAX_MESSAGES: Final = 200
"""Messages of one dialogue that are kept."""
_CALL_CONTROL: Final = frozenset(context.octets for context in CONTEXTS if context.call_control)
_IDLE_LIMIT: Final = 93_600.0


@final
class Replayed:
    """One dialogue, replayed; the path of its messages.

    Attributes:
        number: counted from 1 in the order in which the dialogues began.
        begin: the message that opened it.
        messages: all of the dialogue in the capture, with whether the switch sent it; none that came twice.
        theirs: the TCAP messages of the capture's SCP.
        ours: those of the engine.
        service: name of our service, "none" if none was reached, "" if nothing was answered.
        idp: what the switch asked, if it can be read.
        decision: what was decided; None if nothing was.
        dialogue: the engine's dialogue; None if there is none.
        bugs: what a service raised.
    """

    __slots__ = (
        "begin",
        "bugs",
        "decision",
        "dialogue",
        "idp",
        "messages",
        "number",
        "ours",
        "service",
        "theirs",
    )

    def __init__(self, number: int, begin: Message) -> None:
        self.number = number
        self.begin = begin
        self.messages: list[tuple[bool, Message]] = [(True, begin)]
        self.theirs: list[bytes] = []
        self.ours: list[bytes] = []
        self.service = ""
        self.idp: InitialDPArg | None = None
        self.decision: Decision | None = None
        self.dialogue: Dialogue | None = None
        self.bugs: list[str] = []

    @property
    def version(self) -> int:
        """CAP version that the dialogue was opened with; 0 for a context that is none of CAP's."""
        return version_of_begin(self.begin.tcap)


def version_of_begin(octets: bytes) -> int:
    """Return the CAP version that a BEGIN asks for; 0 if it can't be read or asks for something else."""
    try:
        portion = tcap_codec.decode(octets).dialogue
    except DecodeError:
        return 0
    if portion is None:
        return CAP_V1.version
    context = BY_OCTETS.get(portion.context) if isinstance(portion, Aarq) else None
    return 0 if context is None else context.version


@final
class CaptureClock:
    """The capture's time; a `scp.engine.ticker.TimeSource` that whoever reads the capture moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = itertools.count()

    def time(self) -> float:
        """Return the capture's time, in seconds since 1970."""
        return self.now

    def call_at(self, when: float, action: Callable[[], None]) -> _Timer:
        """See `scp.engine.ticker.TimeSource`."""
        timer = _Timer(action)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_soon(self, action: Callable[[], None]) -> None:
        """See `scp.engine.ticker.TimeSource`; the store here answers at once, so nothing is under way."""
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


class _Telemetry:
    """Nobody counts: the replay has its own summary. A `scp.ports.Telemetry`."""

    def call(self, service: str, decision: Decision, seconds: float) -> None:
        """See `Telemetry`."""

    def operation(self, opcode: int, direction: str) -> None:
        """See `Telemetry`."""

    def dialogue_opened(self) -> None:
        """See `Telemetry`."""

    def dialogue_closed(self, outcome: str) -> None:
        """See `Telemetry`."""

    def discard(self, layer: str, reason: str) -> None:
        """See `Telemetry`."""

    def m3ua_message(self, peer: str, direction: str, kind: str, count: int = 1) -> None:
        """See `Telemetry`."""

    def asp_state(self, peer: str, state: str) -> None:
        """See `Telemetry`."""

    def overload(self, level: int) -> None:
        """See `Telemetry`."""

    def store(self, operation: str, seconds: float, error: str = "") -> None:
        """See `Telemetry`."""


@final
class Replay:
    """Replays.

    Args:
        services: by service key.
        store: where subscribers are looked up; it has to answer at once.
        done: takes every dialogue once it is over in the capture.
        ssn: our subsystem: dialogues that are opened with another are not ours.
        codec: of CAP arguments.
        store_deadline: as the engine's.
        answer_deadline: likewise.

    Attributes:
        skipped: messages that belong to no replayed dialogue, by why.
        messages: TCAP messages that were taken.
    """

    def __init__(
        self,
        services: Mapping[int, Service],
        store: SubscriberLookup,
        done: Callable[[Replayed], None],
        skipped: Counter[str],
        *,
        ssn: int = 146,
        codec: Codec = FAST,
        store_deadline: float = 0.150,
        answer_deadline: float = 0.500,
    ) -> None:
        self.skipped = skipped
        self.messages = 0
        self.tcap = Tcap(TcapSettings(contexts=_CALL_CONTROL, max_dialogues=1 << 20, idle_limit=_IDLE_LIMIT))
        self._ssn = ssn
        self._done = done
        self._clock = CaptureClock()
        self._follower = Follower()
        self._count = 0
        self._current: Replayed | None = None
        self._ticker = Ticker(self._clock, self._tick)
        self._engine = Engine(
            self,
            services,
            store,
            codec,
            _Telemetry(),
            self._clock.time,
            store_deadline=store_deadline,
            answer_deadline=answer_deadline,
            on_bug=self._bug,
            observer=self,
        )

    # -- what the capture has ------------------------------------------------------------------------------

    def take(self, item: Item) -> None:
        """Take what a capture yields, in its order."""
        if type(item) is not Message or not item.tcap:
            return
        unit = item.unit
        if type(unit) is not UnitData:
            self.skipped["returned by SCCP"] += 1
            return
        transaction = read_transaction(item.tcap)
        if not transaction.kind:
            self.skipped["no TCAP message"] += 1
            return
        self.messages += 1
        self._clock.move_to(item.signal.time)
        what, followed = self._follower.follow(item, transaction)
        if self._follower.over:
            self._given_up()
        if followed is None or what == STRAY:
            self.skipped["of a dialogue that began before the capture"] += 1
        elif what == COPY:
            self.skipped["the same message on another leg"] += 1
        elif what == BACKWARD:
            self._answered(item, followed)
        elif followed.begin is item:
            self._begun(item, followed)
        else:
            self._went_on(item, followed)

    def finish(self) -> None:
        """The capture is at its end: report the dialogues that are still open in it."""
        self._follower.finish()
        self._given_up()

    def _begun(self, message: Message, followed: Followed) -> None:
        unit = message.unit
        assert unit is not None
        try:
            ssn = unit.called.ssn
        except DecodeError:
            ssn = -1
        if ssn not in (self._ssn, -1):
            self.skipped["for another subsystem"] += 1
            return
        self._count += 1
        replayed = followed.user = Replayed(self._count, message)
        self._receive(replayed, message.tcap)
        if replayed.dialogue is None and self._elsewhere(message):
            followed.user = None
            self.skipped["of another application context"] += 1

    @staticmethod
    def _elsewhere(message: Message) -> bool:
        """Whether a BEGIN that TCAP refused asks for a known context that no gsmSCF serves for calls."""
        try:
            portion = tcap_codec.decode(message.tcap).dialogue
        except DecodeError:
            return False
        if not isinstance(portion, Aarq) or portion.context in _CALL_CONTROL:
            return False
        return portion.context in BY_OCTETS

    def _went_on(self, message: Message, followed: Followed) -> None:
        replayed = followed.user
        if not isinstance(replayed, Replayed):
            return
        self._keep(replayed, message, from_switch=True)
        dialogue = replayed.dialogue
        if dialogue is not None and not dialogue.closed:
            self._receive(replayed, with_ids(message.tcap, followed.otid, dialogue.local_tid))
        if followed.closed >= 0:
            self._over(followed, replayed)

    def _answered(self, message: Message, followed: Followed) -> None:
        replayed = followed.user
        if not isinstance(replayed, Replayed):
            return
        self._keep(replayed, message, from_switch=False)
        if len(replayed.theirs) < MAX_MESSAGES:
            replayed.theirs.append(message.tcap)
        if followed.closed >= 0:
            self._over(followed, replayed)

    def _keep(self, replayed: Replayed, message: Message, *, from_switch: bool) -> None:
        if len(replayed.messages) < MAX_MESSAGES:
            replayed.messages.append((from_switch, message))

    def _given_up(self) -> None:
        for followed in self._follower.over:
            if isinstance(followed.user, Replayed):
                self._over(followed, followed.user)
        self._follower.over.clear()

    def _over(self, followed: Followed, replayed: Replayed) -> None:
        """Report a dialogue, and cut what points in circles, or collecting it takes a third of the time."""
        followed.user = None
        self._done(replayed)
        replayed.dialogue = None

    # -- the node ------------------------------------------------------------------------------------------

    def _receive(self, replayed: Replayed, octets: bytes) -> None:
        """Give a message to TCAP and what it indicates to the engine, as `Signalling` does."""
        now = self._clock.now
        self._current = replayed
        indication = self.tcap.receive(octets, replayed, now)
        if indication is not None:
            if replayed.dialogue is None:
                replayed.dialogue = indication.dialogue
            self._engine.indication(indication, now)
        if self.tcap.outbox:
            for path, answer in self.tcap.outbox:
                self.send(path, answer)
            self.tcap.outbox.clear()
        if self.tcap.events:
            self.tcap.events.clear()

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        """Take what the engine sends; a `scp.engine.provider.TcProvider`."""
        del return_on_error
        if octets and isinstance(path, Replayed) and len(path.ours) < MAX_MESSAGES:
            path.ours.append(octets)

    def wake_at(self, due: float) -> None:
        """See `TcProvider`."""
        self._ticker.at(due)

    def flush(self) -> None:
        """See `TcProvider`."""

    def discard(self, layer: str, reason: str) -> None:
        """See `TcProvider`: what is wrong shows in the answer."""

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """Note a decision; the `scp.engine.engine.AnswerObserver`."""
        del seconds
        replayed = dialogue.path
        if isinstance(replayed, Replayed):
            replayed.service, replayed.idp, replayed.decision = service, idp, decision

    def _bug(self, service: str, error: Exception) -> None:
        if self._current is not None:
            self._current.bugs.append(f"{service}: {error!r}")

    def _tick(self, now: float) -> float:
        for indication in self.tcap.tick(now):
            self._engine.indication(indication, now)
        self._engine.tick(now)
        return min(self.tcap.next_deadline(), self._engine.next_deadline())
