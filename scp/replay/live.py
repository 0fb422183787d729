"""Replay of a capture to a live node: the switch's messages as captured, with transaction ids of their own.

The switch's later messages in a dialogue were answers to the capture's SCP. So they are sent only when the
node has answered as often as that SCP, and alike; a node that answers otherwise gets no more: the dialogue,
if it is still open, is aborted.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import deque
from typing import TYPE_CHECKING, Final, final

from scp.capture.initial_dp import read_initial_dp, read_initial_dp_sms
from scp.capture.wire.messages import Message
from scp.capture.wire.transaction import read_transaction, with_ids
from scp.engine.cap.sms import CONTEXTS_SERVED
from scp.replay.compare import between
from scp.replay.dialogues import MAX_MESSAGES, DialogueReplay, is_elsewhere
from scp.replay.pace import Start
from scp.replay.replay_transport import ReplayTransport
from ss7 import tcap
from ss7.cap.contexts import CALL_CONTROL
from ss7.errors import DecodeError, EncodeError
from ss7.sccp import return_words
from ss7.tcap_dialogue import Abrt, encode_dialogue

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterator
    from random import Random

    from scp.capture.source import Capture, Item
    from scp.replay.dialogues import ReplayedDialogue
    from scp.replay.pace import Pace
    from scp.replay.replay_transport import Label, Machine

_SWEEP: Final = 0.02
_BATCH: Final = 64
"""Messages that are taken between two looks at what came in."""
_SLS_VALUES: Final = 16
_ENDS: Final = (tcap.END, tcap.ABORT)


@final
class _LiveDialogue:
    """One dialogue under way.

    Attributes:
        pending: messages that the switch has yet to send: (answers that come before it, octets).
        settled: answers that were found alike.
        asked: when the request left, in seconds of the clock.
        moved: when a message was last sent or due.
        captured: it is over in the capture.
        ended: neither side sends anything more.
    """

    __slots__ = (
        "asked",
        "captured",
        "dtid",
        "ended",
        "moved",
        "otid",
        "pending",
        "replayed",
        "settled",
        "sls",
    )

    def __init__(self, replayed: ReplayedDialogue, otid: bytes, now: float) -> None:
        self.replayed = replayed
        self.otid = otid
        self.dtid = b""
        self.sls = replayed.number % _SLS_VALUES
        self.pending: deque[tuple[int, bytes]] = deque()
        self.settled = 0
        self.asked = self.moved = now
        self.captured = False
        self.ended = False

    @property
    def owed(self) -> bool:
        """Whether the node owes a message: it has to send as many as the capture's SCP, and at least one."""
        replayed = self.replayed
        return len(replayed.ours) < max(len(replayed.theirs), int(self.captured))


@final
class LiveReplay(DialogueReplay):
    """Replays to a node. To be made where an event loop runs.

    Args:
        machine: M3UA, the switch's side or its STP's.
        label: of all that is sent.
        done: takes every dialogue once it is over in the capture and with the node.
        skipped: see `DialogueReplay`.
        random: for the first transaction id.
        ssns: subsystems of the dialogues that are replayed.
        within: seconds that an answer may take.

    Attributes:
        link: the user of the association.
        times: seconds from each request to its first answer.
    """

    def __init__(
        self,
        machine: Machine,
        label: Label,
        done: Callable[[ReplayedDialogue], None],
        skipped: Counter[str],
        *,
        random: Random,
        ssns: Collection[int] = (146,),
        within: float = 2.0,
    ) -> None:
        super().__init__(skipped, ssns)
        self.link = ReplayTransport(machine, label, self._heard, self._returned)
        self.times: array[float] = array("d")
        self._done = done
        self._within = within
        self._clock: Callable[[], float] = time.monotonic
        self._tid = random.getrandbits(32)
        self._by_tid: dict[bytes, _LiveDialogue] = {}
        self._by_replayed: dict[ReplayedDialogue, _LiveDialogue] = {}
        self._drained = asyncio.Event()  # no dialogue is under way
        self._watched: dict[_LiveDialogue, None] = {}  # what is owed or has to end, the longest wait first

    async def run(self, capture: Capture, pace: Pace, connect: float, moved: Callable[[int], None]) -> None:
        """Replay all of a capture, which is read as it goes: memory holds the dialogues that are open.

        Args:
            capture: from its beginning.
            pace: see `Pace`.
            connect: seconds to wait for the association to become active, also when it was lost.
            moved: called with the number of messages so far, now and then.

        Raises:
            TimeoutError: the association did not become active.
        """
        sweeper = asyncio.create_task(self._sweep())
        try:
            await self.link.until_active(connect)
            started, batches, done = Start(self._clock(), pace), capture.batches(), False
            while not done:
                items, done = await asyncio.to_thread(_next, batches)
                await self._say_all(items, started, connect, moved)
            self.finish()
            if self._by_replayed:
                await self._drained.wait()
        finally:
            sweeper.cancel()
            self.link.flush()

    def stop(self) -> None:
        """Report what is under way as it is."""
        self.link.stop()
        for live in list(self._by_replayed.values()):
            live.replayed.notes.append("the replay was stopped before it was over")
            live.ended = live.captured = True
            self._settle(live)

    async def _say_all(
        self, items: list[Item], started: Start, connect: float, moved: Callable[[int], None]
    ) -> None:
        for number, item in enumerate(items, 1):
            if isinstance(item, Message) and item.tcap:
                wait = started.due(item, self._count) - self._clock()
                if wait > 0 or number % _BATCH == 0:
                    self.link.flush()
                    moved(self.messages)
                    await asyncio.sleep(max(0.0, wait))
                if not self.link.active:
                    await self.link.until_active(connect)
            self.take(item)
        self.link.flush()
        moved(self.messages)

    # -- what the capture has ------------------------------------------------------------------------------

    def _asked(self, replayed: ReplayedDialogue) -> bool:
        octets = replayed.begin.tcap
        if is_elsewhere(octets, CALL_CONTROL | CONTEXTS_SERVED):
            return False
        self._tid = (self._tid + 1) & 0xFFFF_FFFF
        live = _LiveDialogue(replayed, self._tid.to_bytes(4, "big"), self._clock())
        replayed.idp, replayed.sms = read_initial_dp(octets), read_initial_dp_sms(octets)
        self._drained.clear()
        self._by_tid[live.otid] = self._by_replayed[replayed] = live
        self._say(live, octets)
        return True

    def _went_on(self, replayed: ReplayedDialogue, octets: bytes) -> None:
        live = self._by_replayed[replayed]
        if live.ended or len(live.pending) >= MAX_MESSAGES:
            self._left_out(live, 1)
            return
        live.pending.append((len(replayed.theirs), octets))
        self._advance(live)

    def _answered(self, replayed: ReplayedDialogue) -> None:
        live = self._by_replayed[replayed]
        live.moved = self._clock()
        self._advance(live)

    def _over(self, replayed: ReplayedDialogue) -> None:
        live = self._by_replayed[replayed]
        live.captured = True
        self._advance(live)

    # -- what the node sends -------------------------------------------------------------------------------

    def _heard(self, octets: bytes) -> None:
        transaction = read_transaction(octets)
        live = self._by_tid.get(transaction.dtid)
        if live is None or live.ended:
            self.skipped["of the node's, in no dialogue that is open"] += 1
            return
        replayed, now = live.replayed, self._clock()
        if replayed.seconds < 0:
            replayed.seconds = now - live.asked
            self.times.append(replayed.seconds)
        live.moved = now
        if len(replayed.ours) < MAX_MESSAGES:
            replayed.ours.append(octets)
        if transaction.otid:
            live.dtid = transaction.otid
        if transaction.kind in _ENDS:
            live.ended = True
        self._advance(live)

    def _returned(self, octets: bytes, cause: int) -> None:
        """SCCP returned a message of ours (UDTS)."""
        live = self._by_tid.get(read_transaction(octets).otid)
        if live is not None and not live.ended:
            live.replayed.notes.append(f"returned by SCCP: {return_words(cause)}")
            live.ended = True
            self._advance(live)

    # -- a dialogue ----------------------------------------------------------------------------------------

    def _advance(self, live: _LiveDialogue) -> None:
        """Send what is due in a dialogue, as long as the node answers as the capture's SCP did."""
        replayed, pending = live.replayed, live.pending
        while pending and not live.ended:
            after, octets = pending[0]
            while live.settled < min(after, len(replayed.ours)):
                index = live.settled
                if between(replayed.theirs[index], replayed.ours[index], replayed.version):
                    self._part(live, "the node answers otherwise")
                    return
                live.settled += 1
            if live.settled < after or not live.dtid:
                break
            pending.popleft()
            self._say(live, octets)
        self._settle(live)

    def _say(self, live: _LiveDialogue, octets: bytes) -> None:
        message = with_ids(octets, live.otid, live.dtid)
        live.moved = self._clock()
        try:
            why = "" if self.link.send(message, live.sls) else "there was no association"
        except EncodeError as error:
            why = str(error)
        if why:
            live.replayed.notes.append(f"not sent: {why}")
            live.ended = True
        if octets[0] in _ENDS:
            live.ended = True
        self._watch(live)

    def _part(self, live: _LiveDialogue, why: str) -> None:
        """Send no more in a dialogue, and abort it where the node has it open (Q.771 §3.1.2.2.2.3)."""
        replayed = live.replayed
        if why:
            replayed.notes.append(why)
        if live.dtid and not live.ended:
            portion = encode_dialogue(Abrt(0)) if _is_structured(replayed.begin.tcap) else b""
            self.link.send(tcap.build_abort(live.dtid, portion), live.sls)
        live.ended = True
        self._settle(live)

    def _settle(self, live: _LiveDialogue) -> None:
        """Report a dialogue that is over on both sides; see to one that is not."""
        replayed = live.replayed
        if live.ended and live.pending:
            self._left_out(live, len(live.pending))
            live.pending.clear()
        if live.captured and not live.ended and not live.owed:
            self._part(live, "")
            return
        if not (live.captured and live.ended):
            self._watch(live)
            return
        self._watched.pop(live, None)
        if self._by_replayed.pop(replayed, None) is not None:
            del self._by_tid[live.otid]
            self._done(replayed)
        if not self._by_replayed:
            self._drained.set()

    @staticmethod
    def _left_out(live: _LiveDialogue, count: int) -> None:
        """Note that messages of the switch were left out, all of a dialogue's in one note."""
        notes, words = live.replayed.notes, "messages of the switch not sent: "
        if notes and notes[-1].startswith(words):
            count += int(notes.pop()[len(words) :])
        notes.append(f"{words}{count}")

    # -- time ----------------------------------------------------------------------------------------------

    def _watch(self, live: _LiveDialogue) -> None:
        """Have the clock run for a dialogue in which the node owes something; else stop it."""
        self._watched.pop(live, None)
        if live.owed and not live.ended:
            self._watched[live] = None

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            before = self._clock() - self._within
            while self._watched:
                live = next(iter(self._watched))
                if live.moved > before:
                    break
                self._part(live, f"no answer of the node's within {self._within:g} s")
            self.link.flush()


def _is_structured(octets: bytes) -> bool:
    """Whether a BEGIN has a dialogue portion: then an ABORT has one as well (Q.773 §4.2.3)."""
    try:
        return tcap.decode(octets).dialogue is not None
    except DecodeError:
        return False


def _next(batches: Iterator[list[Item]]) -> tuple[list[Item], bool]:
    """Return what a capture yields next, and whether that was all; a pipe may take its time."""
    items = next(batches, None)
    return ([], True) if items is None else (items, False)
