"""The dialogues of a capture between gsmSSF and gsmSCF: a base class that subclasses replay.

`Replay` runs them through the service on the capture's own clock, `live.LiveReplay` sends them to a node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.capture.cap_version import version_of_begin
from scp.capture.wire.dialogue_tracker import BACKWARD, COPY, STRAY, DialogueTracker
from scp.capture.wire.dialogue_tracker import Dialogue as Followed
from scp.capture.wire.messages import Message
from scp.engine.cap.sms import CONTEXTS_SERVED
from ss7 import tcap as tcap_codec
from ss7.cap.contexts import BY_OCTETS, CALL_CONTROL
from ss7.errors import DecodeError
from ss7.sccp import UnitData
from ss7.tcap_dialogue import Aarq

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection

    from scp.capture.source import Item
    from scp.domain.decision import Decision
    from scp.stack.tcap import Dialogue
    from ss7.cap.sms import InitialDPSMSArg
    from ss7.cap.types import InitialDPArg

_OTHERS: Final = "of another application context"
_MESSAGES: Final = "about short messages, without [sms_control] in the configuration"
MAX_MESSAGES: Final = 200
"""Messages of one dialogue that are kept."""


@final
class ReplayedDialogue:
    """One dialogue, replayed; the path of its messages.

    Attributes:
        number: counted from 1 in the order in which the dialogues began.
        begin: the message that opened it.
        messages: all of the dialogue in the capture, with whether the switch sent it; none that came twice.
        theirs: the TCAP messages of the capture's SCP.
        ours: those that the replay was answered.
        service: name of our service, "none" if none was reached, "" if nothing was answered.
        idp: what the switch asked about a call, if it can be read.
        sms: what it asked about a short message, likewise.
        decision: what was decided; None if nothing was, or a node decided.
        dialogue: the engine's dialogue; None if there is none.
        bugs: what a service raised.
        notes: remarks for the reader, in words.
        seconds: until the first answer of a live node; -1 where there is none.
    """

    __slots__ = (
        "begin",
        "bugs",
        "decision",
        "dialogue",
        "idp",
        "messages",
        "notes",
        "number",
        "ours",
        "seconds",
        "service",
        "sms",
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
        self.sms: InitialDPSMSArg | None = None
        self.decision: Decision | None = None
        self.dialogue: Dialogue | None = None
        self.bugs: list[str] = []
        self.notes: list[str] = []
        self.seconds = -1.0

    @property
    def version(self) -> int:
        """CAP version that the dialogue was opened with; 0 for a context that is none of CAP's."""
        return version_of_begin(self.begin.tcap)


def context_of(octets: bytes) -> bytes:
    """Return the application context that a BEGIN asks for, b"" if none can be read."""
    try:
        portion = tcap_codec.decode(octets).dialogue
    except DecodeError:
        return b""
    return portion.context if isinstance(portion, Aarq) else b""


def is_elsewhere(octets: bytes, served: Collection[bytes] = CALL_CONTROL) -> bool:
    """Whether a BEGIN asks for a known application context of CAP that is none of the ``served`` ones."""
    context = context_of(octets)
    return context not in served and context in BY_OCTETS


class DialogueReplay:
    """Follows the dialogues that switches open with our subsystem.

    Args:
        skipped: counts messages that belong to no replayed dialogue, by why.
        ssns: our subsystems: dialogues that are opened with another are not ours.

    Attributes:
        skipped: as given.
        messages: TCAP messages that were taken.
    """

    def __init__(self, skipped: Counter[str], ssns: Collection[int]) -> None:
        self.skipped = skipped
        self.messages = 0
        self._ssns = frozenset((*ssns, -1))
        self._ours = " or ".join(map(str, ssns))
        self._tracker = DialogueTracker()
        self._count = 0

    # -- of the subclass -----------------------------------------------------------------------------------

    def _moved(self, now: float) -> None:
        """The capture's time is ``now``, in seconds since 1970."""

    def _asked(self, replayed: ReplayedDialogue) -> bool:
        """A switch opens a dialogue; False if it is of an application context that is not ours."""
        raise NotImplementedError

    def _went_on(self, replayed: ReplayedDialogue, octets: bytes) -> None:
        """The switch sends a further message; ``octets`` have the capture's transaction ids."""
        raise NotImplementedError

    def _answered(self, replayed: ReplayedDialogue) -> None:
        """The capture's SCP has sent a message: the last of ``theirs``."""

    def _over(self, replayed: ReplayedDialogue) -> None:
        """The dialogue is over in the capture."""
        raise NotImplementedError

    def _beside(self, octets: bytes) -> object:
        """Return what follows a dialogue that is not replayed, None: nothing. ``octets`` are its BEGIN."""
        del octets
        return None

    def _beside_went_on(self, user: object, octets: bytes, *, over: bool) -> None:
        """A dialogue for which `_beside` returned something has a further message."""

    # -- what the capture has ------------------------------------------------------------------------------

    def take(self, item: Item) -> None:
        """Take what a capture yields, in its order."""
        if type(item) is not Message or not item.tcap:
            return
        if type(item.unit) is not UnitData:
            self.skipped["returned by SCCP"] += 1
            return
        if not item.kind:
            self.skipped["no TCAP message"] += 1
            return
        self.messages += 1
        self._moved(item.signal.time)
        what, followed = self._tracker.track(item, item.transaction)
        if self._tracker.over:
            self._given_up()
        if followed is None or what == STRAY:
            self.skipped["of a dialogue that began before the capture"] += 1
        elif what == COPY:
            self.skipped["the same message on another leg"] += 1
        elif followed.begin is item:
            self._begun(item, followed)
        else:
            self._followed(item, followed, from_switch=what != BACKWARD)

    def finish(self) -> None:
        """The capture is at its end: the dialogues that are still open in it are over."""
        self._tracker.finish()
        self._given_up()

    def _begun(self, message: Message, followed: Followed) -> None:
        unit = message.unit
        assert unit is not None
        try:
            ssn = unit.called.ssn
        except DecodeError:
            ssn = -1
        beside = self._beside(message.tcap)
        if beside is not None:
            followed.user = beside
            return
        if ssn not in self._ssns:
            self.skipped[f"for another subsystem: SSN {ssn}, not {self._ours}"] += 1
            return
        self._count += 1
        replayed = followed.user = ReplayedDialogue(self._count, message)
        if not self._asked(replayed):
            followed.user = None
            self.skipped[_OTHERS if is_elsewhere(message.tcap, CONTEXTS_SERVED) else _MESSAGES] += 1

    def _followed(self, message: Message, followed: Followed, *, from_switch: bool) -> None:
        replayed = followed.user
        if not isinstance(replayed, ReplayedDialogue):
            if replayed is not None:
                self._beside_went_on(replayed, message.tcap, over=followed.closed >= 0)
            return
        if len(replayed.messages) < MAX_MESSAGES:
            replayed.messages.append((from_switch, message))
        if from_switch:
            self._went_on(replayed, message.tcap)
        elif len(replayed.theirs) < MAX_MESSAGES:
            replayed.theirs.append(message.tcap)
            self._answered(replayed)
        if followed.closed >= 0:
            self._end(followed, replayed)

    def _given_up(self) -> None:
        for followed in self._tracker.over:
            if isinstance(followed.user, ReplayedDialogue):
                self._end(followed, followed.user)
        self._tracker.over.clear()

    def _end(self, followed: Followed, replayed: ReplayedDialogue) -> None:
        """Cut what points in circles, or collecting it takes a third of the time."""
        followed.user = None
        self._over(replayed)
