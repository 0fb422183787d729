"""TCAP dialogues of a capture: which message belongs to which dialogue, whichever way it took.

A dialogue is known by its two transaction ids, each of which is unique at its owner only. Where an STP
translates global titles, point codes and addresses differ from leg to leg and one message may be in the
capture twice; the ids and what follows them stay the same. So the ids lead to the dialogues that it can be,
and among several of them the addresses decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, final

from ss7.errors import DecodeError
from ss7.sccp_address import Address, address_of
from ss7.tcap import ABORT, BEGIN, END

if TYPE_CHECKING:
    from scp.capture.wire.messages import Message
    from scp.capture.wire.transaction import Transaction

MAX_OPEN: Final = 200_000
"""Dialogues that are followed at a time; beyond that the oldest is given up."""
SWEEP_EVERY: Final = 65_536
"""Dialogues that begin between two looks for those without end."""
MAX_NAMESAKES: Final = 64
"""Dialogues with one id that are told apart; switches do not make more."""
LINGER: Final = 2.0
"""Seconds for which a message can come again on another leg."""
GIVEN_UP: Final = 93_600.0
"""Seconds without end after which a dialogue is given up: above ApplyCharging's longest period, 24 h."""

FORWARD: Final = 1
"""From the side that began the dialogue."""
BACKWARD: Final = 2
COPY: Final = 3
"""The same message on another leg."""
STRAY: Final = 4
"""Of a dialogue whose BEGIN is not in the capture."""


@final
class Dialogue:
    """One dialogue.

    Attributes:
        begin: the message that opened it; of a stray one, the first in the capture.
        otid: id of the side that sent ``begin``; b"" if that is unknown.
        answer_tid: the other side's; b"" until it is known.
        stray: its BEGIN is not in the capture.
        opened: when.
        closed: when it ended; -1 while it is open.
        user: free for the owner of the tracker.
    """

    __slots__ = (
        "answer_tid",
        "begin",
        "closed",
        "heard",
        "last_backward",
        "last_forward",
        "opened",
        "otid",
        "stray",
        "user",
    )

    def __init__(self, begin: Message, otid: bytes, answer_tid: bytes = b"", *, stray: bool = False) -> None:
        self.begin = begin
        self.otid = otid
        self.answer_tid = answer_tid
        self.stray = stray
        self.opened: float = begin.signal.time
        self.heard: float = begin.signal.time
        self.closed: float = -1.0
        self.last_forward: Message = begin
        self.last_backward: Message | None = None
        self.user: object = None


Dialogues: TypeAlias = dict[bytes, list[Dialogue]]


@final
class DialogueTracker:
    """Follows dialogues.

    Attributes:
        over: dialogues that were given up without an end; the owner drains it.
    """

    def __init__(self) -> None:
        self.over: list[Dialogue] = []
        self._by_id: Dialogues = {}
        self._open: dict[Dialogue, None] = {}  # in the order in which they opened
        self._closed: list[Dialogue] = []  # likewise, in which they ended
        self._forgotten: int = 0
        self._until_sweep: int = SWEEP_EVERY

    def track(self, message: Message, transaction: Transaction) -> tuple[int, Dialogue | None]:
        """Return what a message with TCAP octets is (`FORWARD` …), and its dialogue.

        A message without transaction ids, TC-UNI, is `STRAY` and has none.
        """
        time = message.signal.time
        if self._closed and time - self._closed[self._forgotten].closed > LINGER:
            self._forget(time)
        if transaction.kind == BEGIN:
            return self._begun(message, transaction)
        dialogue = self._find(message, transaction.dtid)
        if dialogue is None:
            return STRAY, self._strayed(message, transaction)
        if dialogue.stray:
            self._went_on(message, transaction, dialogue)
            return STRAY, dialogue
        if transaction.dtid == dialogue.otid and self._is_backward(message, transaction, dialogue):
            if is_copy(message, dialogue.last_backward):
                return COPY, dialogue
            dialogue.last_backward = message
            if transaction.otid and not dialogue.answer_tid:
                dialogue.answer_tid = transaction.otid
                self._know(transaction.otid, dialogue)
            what = BACKWARD
        else:
            if is_copy(message, dialogue.last_forward):
                return COPY, dialogue
            dialogue.last_forward = message
            what = FORWARD
        dialogue.heard = time
        if transaction.kind in (END, ABORT):
            self._close(dialogue, time)
        return what, dialogue

    def finish(self) -> None:
        """The capture is at its end: what is open goes to `over`."""
        self.over.extend(self._open)
        self._open.clear()

    def __len__(self) -> int:
        return len(self._open)

    def _begun(self, message: Message, transaction: Transaction) -> tuple[int, Dialogue | None]:
        known = self._by_id.get(transaction.otid)
        if known is not None:
            for other in known:
                if other.otid == transaction.otid and is_copy(message, other.begin):
                    return COPY, other
        dialogue = Dialogue(message, transaction.otid)
        self._know(transaction.otid, dialogue)
        self._opened(dialogue, message.signal.time)
        return FORWARD, dialogue

    def _strayed(self, message: Message, transaction: Transaction) -> Dialogue | None:
        """Take the first message of a dialogue that began before the capture."""
        if not transaction.dtid:
            return None
        dialogue = Dialogue(message, transaction.otid, transaction.dtid, stray=True)
        for tid in (transaction.otid, transaction.dtid):
            if tid:
                self._know(tid, dialogue)
        self._opened(dialogue, message.signal.time)
        self._went_on(message, transaction, dialogue)
        return dialogue

    def _went_on(self, message: Message, transaction: Transaction, dialogue: Dialogue) -> None:
        dialogue.heard = message.signal.time
        if transaction.kind in (END, ABORT):
            self._close(dialogue, dialogue.heard)

    def _know(self, tid: bytes, dialogue: Dialogue) -> None:
        """Find a dialogue by one of its ids from now on."""
        known = self._by_id.get(tid)
        if known is None:
            self._by_id[tid] = [dialogue]
            return
        known.append(dialogue)
        if len(known) > MAX_NAMESAKES:
            del known[0]

    def _opened(self, dialogue: Dialogue, time: float) -> None:
        self._open[dialogue] = None
        self._until_sweep -= 1
        if self._until_sweep <= 0 or len(self._open) > MAX_OPEN:
            self._sweep(time)

    def _sweep(self, time: float) -> None:
        """Give the oldest dialogues up: those without end, and a sixteenth of all if they are too many.

        In one go, since looking for the oldest in a dict costs what has been removed before it.
        """
        self._until_sweep = SWEEP_EVERY
        surplus = len(self._open) - MAX_OPEN + MAX_OPEN // 16 if len(self._open) > MAX_OPEN else 0
        given_up: list[Dialogue] = []
        for dialogue in self._open:
            if len(given_up) >= surplus and time - dialogue.heard <= GIVEN_UP:
                break
            given_up.append(dialogue)
        for dialogue in given_up:
            self._close(dialogue, time)
            self.over.append(dialogue)

    def _find(self, message: Message, dtid: bytes) -> Dialogue | None:
        """Return the dialogue of which one side has this id; of several, the one whose addresses fit best."""
        known = self._by_id.get(dtid)
        if not known:
            return None
        if len(known) == 1:
            return known[0]
        best = known[-1]
        best_score = -1
        for dialogue in known:
            score = _fitting(message, dialogue, dtid == dialogue.otid)
            if score >= best_score:
                best = dialogue
                best_score = score
        return best

    def _is_backward(self, message: Message, transaction: Transaction, dialogue: Dialogue) -> bool:
        """Tell the direction by addresses where both sides happen to have the same id."""
        if transaction.dtid != dialogue.answer_tid:
            return True
        return _fitting(message, dialogue, backward=True) >= _fitting(message, dialogue, backward=False)

    def _close(self, dialogue: Dialogue, time: float) -> None:
        if dialogue.closed < 0:
            dialogue.closed = time
            self._closed.append(dialogue)
            self._open.pop(dialogue, None)

    def _forget(self, time: float) -> None:
        """Drop the ids of dialogues that ended long enough ago."""
        closed = self._closed
        at = self._forgotten
        while at < len(closed) and time - closed[at].closed > LINGER:
            dialogue = closed[at]
            for tid in (dialogue.otid, dialogue.answer_tid):
                if tid:
                    self._drop(tid, dialogue)
            at += 1
        if at == len(closed) or at > 1024:
            del closed[:at]
            at = 0
        self._forgotten = at

    def _drop(self, tid: bytes, dialogue: Dialogue) -> None:
        known = self._by_id.get(tid)
        if known is None:
            return
        if len(known) == 1:
            del self._by_id[tid]
        elif dialogue in known:
            known.remove(dialogue)


def is_copy(message: Message, earlier: Message | None) -> bool:
    """Whether a message is an earlier one on another leg: the same for TCAP, sent elsewhere, soon after."""
    if earlier is None or message.tcap != earlier.tcap:
        return False
    here, there = message.signal, earlier.signal
    if here.time - there.time > LINGER:
        return False
    if message.data is None or earlier.data is None:
        return here.way is not there.way
    return (
        here.way is not there.way
        or message.data.dpc != earlier.data.dpc
        or message.data.opc != earlier.data.opc
    )


def _fitting(message: Message, dialogue: Dialogue, backward: bool) -> int:
    """Return how well a message's addresses fit a dialogue: 0 not at all."""
    unit = message.unit
    begin = dialogue.begin.unit
    if unit is None or begin is None:
        return 0
    wanted, other = (
        (begin.calling_raw, begin.called_raw) if backward else (begin.called_raw, begin.calling_raw)
    )
    score = 0
    if unit.called_raw == wanted:
        score += 4
    elif _same_node(unit.called_raw, wanted):
        score += 3
    if unit.calling_raw == other or _same_node(unit.calling_raw, other):
        score += 2
    data, first = message.data, dialogue.begin.data
    if data is not None and first is not None and data.dpc == (first.opc if backward else first.dpc):
        score += 1
    return score


def _same_node(one: bytes, other: bytes) -> bool:
    """Whether two addresses are of one node: the same digits, or the same point code."""
    try:
        first, second = address_of(one), address_of(other)
    except DecodeError:
        return False
    return _identity(first) == _identity(second) and _identity(first) != ""


def _identity(address: Address) -> str:
    title = address.global_title
    if title is not None:
        return title.digits
    return f"={address.point_code}" if address.point_code >= 0 else ""


__all__ = [
    "BACKWARD",
    "COPY",
    "FORWARD",
    "STRAY",
    "Dialogue",
    "DialogueTracker",
    "is_copy",
]
