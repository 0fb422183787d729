"""The latest call attempts and their messages, kept while somebody looks at them.

A node may answer 50,000 calls a second, and nobody reads as many. So failed calls are kept up to a rate of
their own, and of the others `RATE` a second. While nobody looks nothing is kept, and nothing is called:
neither observer nor tap is set.

Kept with a call is what the node asked the HLR for it: a MAP dialogue that began after the call did, and
names the called subscriber. Short messages under control are kept like calls.

A call that is not kept is not told (`scp.engine.observers.Sample`, which a timer fills again). Messages are
not decoded before somebody opens their call. A kept call's BEGIN comes with its return path, what follows is
found by its DTID. No other message is kept, unless the node asks an HLR.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, final

from scp.capture.cap_version import map_version, protocol_of_begin
from scp.capture.finder import Signals
from scp.capture.octet_tree import octet_tree
from scp.capture.tracer import shown
from scp.capture.wire.messages import Reader
from scp.capture.wire.transaction import read_transaction
from scp.domain.cdr import ATTEMPT_ROW, CallAttempt, attempt_of
from scp.engine.observers import Sample
from scp.engine.return_path import ReturnPath
from scp.services.cdr_row import attempt_row
from scp.services.idp import read_call
from scp.stack.tcap_dialogue import CLOSED
from ss7.address import AddressString
from ss7.tcap import ABORT, BEGIN, CONTINUE, END

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scp.capture.wire.messages import Message
    from scp.domain.cdr import Row
    from scp.domain.decision import Decision
    from scp.domain.numbers import Numbering
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg

RATE: Final = 20
"""Calls a second that are kept of those with which nothing was wrong."""
FAILURE_RATE: Final = 200
"""Failed calls a second that are kept."""
MOST: Final = 2000
"""Calls that are kept; the oldest is forgotten for a new one."""
MOST_MESSAGES: Final = 200
"""Messages that are kept of one call; what comes after them is counted only."""
LOOK_BACK: Final = 2048
"""Messages among which an answer of the HLR is looked for, where the node asks one."""
_SENT: Final = 256
"""Batches of sent messages among which a question to the HLR is looked for."""

_REASON: Final = ATTEMPT_ROW.index("reason")
_OTID: Final = 0x48  # tags of transaction ids (Q.773 §3.1)
_DTID: Final = 0x49
_HEADERS: Final = 24  # octets of M3UA's common header and of Protocol Data's routing label, at the least


@final
class KeptCall:
    """One call attempt and its messages.

    Attributes:
        attempt: as its record has it (`scp.domain.cdr.CallAttempt`).
        seconds: from the request to the first answer.
        messages: (seconds since 1970, link, octets of M3UA, sent by us) each, in their order.
        left_out: how many more there were.
        over: no message of it is to come.
    """

    __slots__ = ("attempt", "left_out", "local_tid", "messages", "over", "remote_tid", "seconds")

    def __init__(self, attempt: CallAttempt, seconds: float, local_tid: bytes, remote_tid: bytes) -> None:
        self.attempt = attempt
        self.seconds = seconds
        self.local_tid = local_tid
        self.remote_tid = remote_tid
        self.messages: list[tuple[float, str, bytes, bool]] = []
        self.left_out = 0
        self.over = False

    def add(self, now: float, link: str, octets: bytes, *, sent: bool) -> None:
        """Keep one message."""
        if len(self.messages) < MOST_MESSAGES:
            self.messages.append((now, link, octets, sent))
        else:
            self.left_out += 1


@final
class RecentCalls:
    """An `scp.engine.observers.AnswerObserver` of a sample and an `scp.app.tracing.BatchTaker`.

    Args:
        node: the node's name, for the records.
        numbering: the home numbering plan.
        wall: seconds since 1970.
        asks: whether the node asks an HLR for calls.

    Attributes:
        sample: how many more calls are to be kept.
    """

    def __init__(
        self, node: str, numbering: Numbering, wall: Callable[[], float], *, asks: bool = False
    ) -> None:
        self.numbering = numbering
        self.sample = Sample()
        self.sample.others, self.sample.failed = RATE, FAILURE_RATE
        self._node = node
        self._wall = wall
        self._calls: deque[KeptCall] = deque(maxlen=MOST)
        self._count = 0
        self._heard: deque[tuple[float, str, Sequence[tuple[int, bytes]]]] = deque()
        self._heard_messages = 0
        self._open: dict[bytes, KeptCall] = {}  # by both transaction ids
        self._asks = asks
        self._sent: deque[tuple[float, str, Sequence[tuple[int, bytes]]]] = deque(maxlen=_SENT)

    @property
    def count(self) -> int:
        """How many calls were kept so far, those that are forgotten by now too."""
        return self._count

    @property
    def unseen(self) -> int:
        """How many calls were answered but not kept, since the node started."""
        return self.sample.left_out

    @property
    def kept(self) -> int:
        """How many calls are kept now."""
        return len(self._calls)

    def refill(self, seconds: float) -> None:
        """Allow what ``seconds`` of time allow; called by a timer."""
        sample = self.sample
        sample.others = min(RATE, sample.others + max(1, round(RATE * seconds)))
        sample.failed = min(FAILURE_RATE, sample.failed + max(1, round(FAILURE_RATE * seconds)))

    def forget(self) -> None:
        """Keep nothing: nobody looks any more."""
        self._calls.clear()
        self._heard.clear()
        self._heard_messages = 0
        self._sent.clear()
        self._open.clear()

    # -- scp.engine.observers.AnswerObserver -------------------------------------------------------------

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """Keep a call of the sample."""
        row = attempt_row((self._wall(), service, idp, decision, seconds), self.numbering)
        kept = self._keep(dialogue, row, seconds)
        if self._asks and idp is not None:
            self._find_question(kept, read_call(idp, self.numbering).e164)
        self._follow(kept, dialogue)

    def message(self, dialogue: Dialogue, row: Row, seconds: float) -> None:
        """Keep a short message as a call if it is of the sample."""
        if self.sample.takes(row[_REASON]):
            self._follow(self._keep(dialogue, row, seconds), dialogue)

    def _keep(self, dialogue: Dialogue, row: Row, seconds: float) -> KeptCall:
        self._count += 1
        attempt = attempt_of(f"{self._count:x}", self._node, row)
        kept = KeptCall(attempt, seconds, dialogue.local_tid, dialogue.remote_tid)
        if len(self._calls) == MOST:
            self._close(self._calls[0])
        self._calls.append(kept)
        path = dialogue.path
        if isinstance(path, ReturnPath) and path.message:
            kept.add(self._came(path.message, seconds), path.link.name, path.message, sent=False)
        return kept

    def _came(self, begin: bytes, seconds: float) -> float:
        """Return when a BEGIN came in: as it was heard, else by how long its answer took.

        The engine's clock stands still during a turn of the loop: the latter may be some milliseconds late,
        later than a question to the HLR.
        """
        for when, _, messages in reversed(self._heard):
            for _, octets in messages:
                if octets is begin:
                    return when
        return self._wall() - seconds

    def _follow(self, kept: KeptCall, dialogue: Dialogue) -> None:
        # Its answer has not left yet: a dialogue that is closed by now has that one message to come.
        kept.over = dialogue.state == CLOSED
        self._open[kept.remote_tid] = kept
        if not kept.over:
            self._open[kept.local_tid] = kept

    def _find_question(self, kept: KeptCall, e164: str) -> None:
        """Look for what the node asked the HLR since the call began, and for what it was told."""
        if not e164 or not kept.messages:
            return
        began = kept.messages[0][0]
        number = AddressString(e164).encode()
        for when, link, messages in self._sent:
            for _, octets in messages if when >= began else ():
                at = octets.find(_OTID, _HEADERS)
                if number in octets and at >= 0:
                    kept.add(when, link, octets, sent=True)
                    self._find_told(kept, octets[at + 2 : at + 2 + octets[at + 1]], when)

    def _find_told(self, kept: KeptCall, tid: bytes, asked: float) -> None:
        needle = bytes((_DTID, len(tid))) + tid
        for when, link, messages in self._heard:
            for _, octets in messages if when >= asked else ():
                if needle in octets:
                    kept.add(when, link, octets, sent=False)

    # -- the tap -----------------------------------------------------------------------------------------

    def heard(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """Keep what is of open calls; remember what came in where an answer of the HLR may be among it."""
        if self._asks:
            self._heard.append((self._wall(), link, messages))
            self._heard_messages += len(messages)
            while self._heard_messages > LOOK_BACK and len(self._heard) > 1:
                self._heard_messages -= len(self._heard.popleft()[2])
        if self._open:
            now = self._wall()
            for _, octets in messages:
                self._take(now, link, octets, sent=False)

    def said(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """Keep what is said in calls that are kept; ``messages`` is the sender's, and changes afterwards."""
        if self._asks:
            self._sent.append((self._wall(), link, messages[:]))
        if self._open:
            now = self._wall()
            for _, octets in messages:
                self._take(now, link, octets, sent=True)

    def _take(self, now: float, link: str, octets: bytes, *, sent: bool) -> None:
        """Keep a message if its DTID is an open call's (two peers' ids may meet: one in 10^6, of `MOST`)."""
        at = octets.find(_DTID, _HEADERS)
        while at >= 0 and at + 2 < len(octets):
            end = at + 2 + octets[at + 1]
            kept = self._open.get(octets[at + 2 : end])
            if kept is not None and sent == (octets[at + 2 : end] == kept.remote_tid):
                kept.add(now, link, octets, sent=sent)
                if kept.over or ends_dialogue(octets, at):
                    kept.over = True
                    self._close(kept)
                return
            at = octets.find(_DTID, at + 1)

    def _close(self, kept: KeptCall) -> None:
        for tid in (kept.local_tid, kept.remote_tid):
            if self._open.get(tid) is kept:
                del self._open[tid]

    # -- what is shown -------------------------------------------------------------------------------------

    def since(self, number: int) -> list[KeptCall]:
        """Return the calls that were kept after the first ``number`` of them, oldest first."""
        new = min(self._count - number, len(self._calls))
        return [self._calls[at] for at in range(len(self._calls) - new, len(self._calls))] if new > 0 else []

    def latest(self) -> Iterator[KeptCall]:
        """Yield what is kept, the latest first."""
        return reversed(self._calls)

    def get(self, call_id: str) -> KeptCall | None:
        """Return a call by its record's id."""
        return next((each for each in self._calls if each.attempt.id == call_id), None)


def ends_dialogue(octets: bytes, dtid_at: int) -> bool:
    """Whether a message whose DTID is at an offset ends its dialogue (END, ABORT).

    The message's tag stands before the DTID, behind it the length in one to three octets; in a CONTINUE the
    OTID stands between, whose value may look like any tag (Q.773 §3.1).
    """
    for size in (1, 2, 3, 4):
        otid = dtid_at - size - 2
        if octets[otid] == _OTID and octets[otid + 1] == size and _begins(octets, otid, (CONTINUE,)):
            return False
    return _begins(octets, dtid_at, (END, ABORT))


def _begins(octets: bytes, first: int, kinds: tuple[int, ...]) -> bool:
    """Whether a message of one of these kinds has its first element at an offset."""
    return any(octets[first - back] in kinds for back in (2, 3, 4))


def decoded(kept: KeptCall) -> list[dict[str, Any]]:
    """Return a call's messages as ``camel-scp decode --json`` has them, with time, link and direction."""
    signals = Signals()
    reader = Reader(Counter())
    found: list[dict[str, Any]] = []
    versions: dict[bytes, int] = {}
    for when, link, octets, sent in kept.messages:
        message = reader.read(signals.of(link, 0, octets, when, sent=sent))
        reader.faults.clear()
        line: dict[str, Any] = {"time_ms": round(when * 1000, 3), "link": link, "sent": sent}
        version = 0
        if message is not None and message.tcap:
            transaction = read_transaction(message.tcap)
            if transaction.kind == BEGIN:
                versions[transaction.otid] = protocol_of_begin(message.tcap)
            version = versions.get(transaction.otid) or versions.get(transaction.dtid, 0)
            line |= _readable(message, version)
        if map_version(version):
            line["party"] = "HLR"
        found.append(line | {"octets": octets.hex(), "parts": octet_tree(octets, version)})
    return found


def _readable(message: Message, version: int) -> dict[str, Any]:
    return shown(message, version) if message.data is not None and message.unit is not None else {}
