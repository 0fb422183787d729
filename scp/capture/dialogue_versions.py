"""The CAP version of each dialogue of a capture, from any application context in it.

A dialogue has the version that its BEGIN asks for, or that the answer accepts. Of a dialogue that began
before the capture, any context will do, of either side and also later in the file: so the first such dialogue
has the file read ahead, once. Where there is no context at all, the versions that fit all of its messages
are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.capture.cap_version import VERSIONS, version_by_subsystems, version_of_portion
from scp.capture.tcap_view import try_versions
from scp.capture.wire.dialogue_tracker import MAX_OPEN, Dialogue, DialogueTracker
from scp.capture.wire.messages import Message
from ss7 import tcap
from ss7.cap.contexts import CAP_V1
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scp.capture.source import Item, MessageSource

_DIALOGUE_PORTION: Final = 0x6B
_Key: TypeAlias = tuple[int, bytes, bytes]


@final
class KnownDialogue:
    """What is known of a dialogue.

    Attributes:
        version: its CAP version, `MAP` or `OTHER`; 0: no context was seen.
        among: the CAP versions that fit its messages so far, the latest first.
        wanted: free for the user.
    """

    __slots__ = ("among", "version", "wanted")

    def __init__(self, version: int) -> None:
        self.version = version
        self.among: Sequence[int] = VERSIONS
        self.wanted = False


@final
class DialogueVersions:
    """Follows the dialogues of a capture and knows their CAP versions.

    Args:
        capture: that is read ahead if need be; None, or a pipe: it is not.
        default: version of dialogues whose context is not in the capture; 0: what fits.
    """

    def __init__(self, capture: MessageSource | None, default: int = 0) -> None:
        self._capture = capture
        self._default = default
        self._tracker = DialogueTracker()
        self._ahead: dict[_Key, KnownDialogue] | None = None

    def follow(self, message: Message) -> KnownDialogue | None:
        """Take the next message with TCAP; return its dialogue, None if it belongs to none."""
        if not message.kind:
            return None
        _, dialogue = self._tracker.track(message, message.transaction)
        self._tracker.over.clear()
        if dialogue is None:
            return None
        known = dialogue.user
        if not isinstance(known, KnownDialogue):
            known = dialogue.user = self._begun(dialogue)
        own = _own_version(message)
        if own:
            known.version = own
        elif not known.version:
            _narrow(known, message)
        return known

    def _begun(self, dialogue: Dialogue) -> KnownDialogue:
        if dialogue.stray:
            known = self._strayed(dialogue.begin)
            known.version = known.version or self._default
            return known
        begin = dialogue.begin
        if _has_portion(begin):
            return KnownDialogue(0)  # `follow` reads it
        assert begin.unit is not None
        return KnownDialogue(version_by_subsystems(begin.unit) or CAP_V1.version)

    def _strayed(self, first: Message) -> KnownDialogue:
        if self._ahead is None:
            again = None if self._capture is None else self._capture.again()
            self._ahead = {} if again is None else _read_ahead(again)
        return self._ahead.get(_key(first)) or KnownDialogue(0)


def _read_ahead(items: Iterable[Item]) -> dict[_Key, KnownDialogue]:
    """Return what a capture has, anywhere, of dialogues that began before it, by their first messages."""
    tracker = DialogueTracker()
    found: dict[_Key, KnownDialogue] = {}
    by_id: dict[bytes, tuple[float, KnownDialogue]] = {}
    for message in items:
        if not isinstance(message, Message) or not message.kind:
            continue
        transaction = message.transaction
        own = _own_version(message)
        time, known = by_id.get(transaction.otid, (0.0, None))
        if known is not None and message.kind == tcap.BEGIN and message.signal.time <= time:
            known.version = own or CAP_V1.version  # a file that was put together out of order
        _, dialogue = tracker.track(message, transaction)
        tracker.over.clear()
        if dialogue is None or not dialogue.stray or len(found) >= MAX_OPEN:
            continue
        known = dialogue.user if isinstance(dialogue.user, KnownDialogue) else None
        if known is None:
            known = dialogue.user = found[_key(message)] = KnownDialogue(0)
            for tid in (transaction.otid, transaction.dtid):
                by_id[tid] = (message.signal.time, known)
        if own:
            known.version = own
        elif not known.version:
            _narrow(known, message)
    return found


def _key(message: Message) -> _Key:
    """Return what is the same of a message whenever the capture is read."""
    transaction = message.transaction
    return message.signal.frame, transaction.otid, transaction.dtid


def _has_portion(message: Message) -> bool:
    rest = message.transaction.rest
    return rest < len(message.tcap) and message.tcap[rest] == _DIALOGUE_PORTION


def _own_version(message: Message) -> int:
    """Return the version of a message's context; 0: it has none."""
    if not _has_portion(message):
        return 0
    try:
        return version_of_portion(tcap.decode(message.tcap).dialogue)
    except DecodeError:
        return 0


def _narrow(known: KnownDialogue, message: Message) -> None:
    """Leave the versions that fit a message as well; where none does, the message tells nothing."""
    try:
        components = tcap.decode(message.tcap).components
    except DecodeError:
        return
    known.among = try_versions(components, known.among).fitting or known.among
