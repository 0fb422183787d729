"""What VLRs and HLRs tell this node: noteMM-Event and noteSubscriberDataModified (TS 29.002 §8.1.8, §8.8.3).

A noteMM-Event says that a subscriber has come to a VLR, is attached or detached. It changes the stored
roaming flag, so that calls are steered abroad and not at home, and the remembered place. The VLR gets its
result once that is written.

What must not happen is that an event changes something by mistake:

- a sender that is not allowed (``[map] allowed_callers``; ``[sccp] allowed_callers`` has refused others
  before) gets an abort;
- an event that names another VLR than one of its sender's network is a forgery, and gets an abort; a sender
  without a global title is known within the home network only (Q.713 §3.4.2.1), and speaks for its VLRs;
- an event that names no VLR can't be held against its sender: nothing that it says of the place is
  believed, and the HLR is asked again;
- the same message again (same sender, transaction and argument) changes nothing and is answered as before;
- an event that is older than the last one of its subscriber changes nothing. It has no time of its own but
  the age of its location information, in minutes; without one it is as new as its coming.

The store decides on the last two, in the write itself (`scp.domain.moves`): so they hold for all nodes that
share it, and after a restart.
"""

from __future__ import annotations

from hashlib import blake2b
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from scp.domain.map_results import Result
from scp.domain.moves import IDENTITY, Move, Moved
from scp.domain.whereabouts import Reach, Whereabouts
from scp.engine.arming import m_csi_active
from scp.engine.return_path import ReturnPath
from scp.engine.tc import owed
from scp.services.idp import address_e164, area_ids, vlr_e164
from scp.stack import tcap_dialogue as tc
from ss7.errors import DecodeError
from ss7.map.codec import FAST
from ss7.map.contexts import BY_NUMBER as CONTEXTS
from ss7.map.contexts import MM_EVENT_REPORTING, SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION
from ss7.map.errors import ErrorCode
from ss7.map.location import MM_NAMES, MS_INITIATED_IMSI_DETACH, NETWORK_INITIATED_IMSI_DETACH
from ss7.map.operations import Opcode
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    UNRECOGNIZED_OPERATION,
    Invoke,
    encode_reject,
    encode_return_error,
    encode_return_result,
)
from ss7.sccp_address import address_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.numbers import Numbering
    from scp.engine.tc import TcProvider
    from scp.engine.whereabouts import Places
    from scp.map_ports import MapTelemetry
    from scp.stack.tcap import Dialogue, Indication
    from ss7.map.location import NoteMMEventArg


class Written(Protocol):
    """What is told of a write."""

    def written(self, moved: Moved) -> None:
        """Take what came of it, NOT_WRITTEN if the store could not; called once, from the event loop."""
        ...


class MoveWriter(Protocol):
    """Writes what messages tell of subscribers."""

    def write(self, move: Move, done: Written) -> None:
        """Write and tell; several of one subscriber are written in their order."""
        ...


class SubscriptionListener(Protocol):
    """Is told what HLRs say of M-CSIs."""

    def told(self, msisdn: str, active: bool | None) -> None:
        """Take whether an M-CSI is active; None: that was not said."""
        ...


CONTEXTS_SERVED: Final = frozenset(
    CONTEXTS[number, 3].octets for number in (MM_EVENT_REPORTING, SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION)
)
_DETACHES: Final = frozenset({MS_INITIATED_IMSI_DETACH, NETWORK_INITIATED_IMSI_DETACH})
_NETWORK_DIGITS: Final = 4
"""Digits in which the numbers of one network's nodes agree."""
_MINUTE: Final = 60


@final
class _Event:
    """A message whose write is under way; the user of its dialogue.

    Attributes:
        came: when, the node's clock.
        place: what it says of the place; None: it can't be told any more.
        active: whether an M-CSI is active, of noteSubscriberDataModified.
    """

    __slots__ = ("_user", "active", "came", "dialogue", "invoke_id", "msisdn", "name", "place")

    def __init__(
        self, user: Mobility, dialogue: Dialogue, invoke_id: int, name: str, msisdn: str, came: float
    ) -> None:
        self._user = user
        self.dialogue = dialogue
        self.invoke_id = invoke_id
        self.name = name
        self.msisdn = msisdn
        self.came = came
        self.place: Whereabouts | None = None
        self.active: bool | None = None

    def written(self, moved: Moved) -> None:
        """See `Written`."""
        self._user.written(self, moved)


@final
class Mobility:
    """The TC-user for what VLRs and HLRs tell.

    Args:
        provider: where answers go.
        writer: of what messages tell.
        places: are made new by events.
        telemetry: counts.
        allowed: prefixes of senders' global titles; none: all that SCCP let pass.
        checks_sender: whether the VLR that an event names has to be of its sender's network.

    Attributes:
        numbering: says which VLRs are at home; may be replaced.
        subscriptions: told of noteSubscriberDataModified; None: nobody is.
    """

    def __init__(
        self,
        provider: TcProvider,
        writer: MoveWriter,
        places: Places,
        numbering: Numbering,
        telemetry: MapTelemetry,
        allowed: Sequence[str] = (),
        *,
        checks_sender: bool = True,
    ) -> None:
        self._provider = provider
        self._writer = writer
        self._places = places
        self.numbering = numbering
        self._telemetry = telemetry
        self._allowed = tuple(allowed)
        self._checks_sender = checks_sender
        self.subscriptions: SubscriptionListener | None = None

    # -- what comes ----------------------------------------------------------------------------------------

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication; after the BEGIN only the end of a dialogue matters."""
        if indication.kind != tc.BEGIN:
            if indication.kind in (tc.NOTICE, tc.CONTINUE):
                self._abort(indication.dialogue)
            return
        dialogue = indication.dialogue
        sender = _sender(dialogue)
        first = indication.components[0] if indication.components else None
        if not isinstance(first, Invoke) or indication.rejects:
            self._end(dialogue, owed(indication))
            return
        served = first.opcode in (Opcode.NOTE_MM_EVENT, Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED)
        if not served or CONTEXTS[_NUMBERS[first.opcode], 3].octets != dialogue.context:
            self._end(dialogue, [encode_reject(first.invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)])
            return
        try:
            argument = FAST.decode_argument(int(first.opcode), first.parameter, 3)
        except DecodeError:
            self._telemetry.mobility("other", Result.UNREADABLE)
            self._provider.discard("map", "undecodable-argument")
            self._end(dialogue, [encode_reject(first.invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER)])
            return
        name = _name(int(first.opcode), argument)
        msisdn = address_e164(argument.msisdn, self.numbering)
        event = _Event(self, dialogue, first.invoke_id, name, msisdn, now)
        if self._allowed and not sender.startswith(self._allowed):
            self._refuse(event, Result.FOREIGN)
        elif not msisdn:
            self._answer(event, Result.UNKNOWN_SUBSCRIBER)
        elif first.opcode == Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED:
            event.active = m_csi_active(argument.camel_subscription_info)
            self._write(event, Move(msisdn, _identity(dialogue, first.parameter), None))
        else:
            self._moved(event, argument, sender, _identity(dialogue, first.parameter))

    def _moved(self, event: _Event, argument: NoteMMEventArg, sender: str, identity: bytes) -> None:
        """Take a noteMM-Event of an allowed sender."""
        location = argument.location_information
        vlr = "" if location is None else vlr_e164(location, self.numbering)
        if self._checks_sender and vlr and not self._speaks_for(sender, vlr):
            self._refuse(event, Result.FORGED)
            return
        age = 0 if location is None else (location.age_of_location_information or 0) * _MINUTE
        detached = argument.event_met in _DETACHES
        areas = () if location is None else area_ids(location)
        told = detached or vlr or areas
        if told and (vlr or not self._checks_sender):
            event.place = Whereabouts(vlr, areas, Reach.DETACHED if detached else Reach.IDLE, float(age))
        roaming = None if detached else self.numbering.roaming(vlr)
        self._write(event, Move(event.msisdn, identity, age, roaming, "" if roaming is None else vlr))

    def _speaks_for(self, sender: str, vlr: str) -> bool:
        """Whether a VLR is of its sender's network."""
        if not sender:
            return self.numbering.roaming(vlr) is False
        return vlr[:_NETWORK_DIGITS] == sender[:_NETWORK_DIGITS]

    def _write(self, event: _Event, move: Move) -> None:
        event.dialogue.user = event
        self._writer.write(move, event)

    def written(self, event: _Event, moved: Moved) -> None:
        """Take what came of a message: remember the place, and answer."""
        result = moved.result
        if result is Result.NOT_WRITTEN:
            self._refuse(event, result)
        else:
            if result in _NEW:
                result = self._heed(event, moved)
            self._answer(event, result)
        self._provider.flush()

    def _heed(self, event: _Event, moved: Moved) -> Result:
        """Take what is new; return what is counted."""
        place = event.place
        if event.name == _DATA_MODIFIED:
            if self.subscriptions is not None:
                self.subscriptions.told(event.msisdn, event.active)
        elif place is None:
            self._places.forget(event.msisdn)
        else:
            self._places.note(event.msisdn, place, event.came, moved.version)
        if moved.result is not Result.TAKEN or event.name == _DATA_MODIFIED:
            return moved.result
        return Result.TAKEN if place is not None and place.reach is Reach.DETACHED else Result.NO_PLACE

    # -- what goes -----------------------------------------------------------------------------------------

    def _answer(self, event: _Event, result: Result) -> None:
        """Answer with a result, or with the error that says what is wrong."""
        self._telemetry.mobility(event.name, result)
        if result is Result.UNKNOWN_SUBSCRIBER:
            self._end(event.dialogue, [encode_return_error(event.invoke_id, ErrorCode.UNKNOWN_SUBSCRIBER)])
        else:
            self._end(event.dialogue, [encode_return_result(event.invoke_id)])

    def _refuse(self, event: _Event, result: Result) -> None:
        self._telemetry.mobility(event.name, result)
        self._provider.discard("map", result.value)
        self._abort(event.dialogue)

    def _end(self, dialogue: Dialogue, components: list[bytes]) -> None:
        dialogue.user = None
        if not dialogue.closed:
            self._provider.send(dialogue.path, self._provider.tcap.end(dialogue, components))

    def _abort(self, dialogue: Dialogue) -> None:
        dialogue.user = None
        if not dialogue.closed:
            self._provider.send(dialogue.path, self._provider.tcap.abort(dialogue))

    # -- time ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """Return ``inf``: nothing here has a time of its own."""
        return inf

    def tick(self, now: float) -> None:
        """Do nothing."""


_NEW: Final = frozenset({Result.WRITTEN, Result.UNCHANGED, Result.TAKEN})
_DATA_MODIFIED: Final = "subscriber-data-modified"
_NUMBERS: Final[dict[Any, int]] = {
    Opcode.NOTE_MM_EVENT: MM_EVENT_REPORTING,
    Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED: SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION,
}


def _name(opcode: int, argument: Any) -> str:
    """Return an event's name, bounded."""
    if opcode == Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED:
        return _DATA_MODIFIED
    return MM_NAMES.get(argument.event_met, "other")


def _identity(dialogue: Dialogue, argument: bytes) -> bytes:
    """Return what a message is known by when it comes again."""
    path = dialogue.path
    calling = path.called if isinstance(path, ReturnPath) else b""
    return blake2b(dialogue.remote_tid + b"|" + calling + b"|" + argument, digest_size=IDENTITY).digest()


def _sender(dialogue: Dialogue) -> str:
    """Return the digits of the global title that a dialogue came from, "" without one."""
    path = dialogue.path
    title = address_of(path.called).global_title if isinstance(path, ReturnPath) else None
    return "" if title is None else title.digits
