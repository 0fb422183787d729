"""What VLRs and HLRs tell this node: noteMM-Event and noteSubscriberDataModified (TS 29.002 §8.1.8, §8.8.3).

A noteMM-Event says that a subscriber has come to a VLR, is attached or detached. It changes the stored
roaming flag, so that calls are steered abroad and not at home, and the remembered place. The VLR gets its
result once that is written.

What must not happen is that an event changes something by mistake:

- a sender that is not allowed (``[map] allowed_callers``; ``[sccp] allowed_callers`` has refused others
  before) gets an abort;
- an event that names another VLR than one of its sender's network is a forgery, and gets an abort;
- the same message again (same sender, transaction and argument) changes nothing and is answered as before;
- an event that is older than the last one of its subscriber changes nothing. It has no time of its own but
  the age of its location information, in minutes; without one it is as new as its coming.
"""

from __future__ import annotations

from hashlib import blake2b
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from scp.domain.map_results import Result
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
    from scp.ports import MapTelemetry
    from scp.stack.tcap import Dialogue, Indication
    from ss7.map.location import NoteMMEventArg


class Written(Protocol):
    """What is told of a write."""

    def written(self, result: Result) -> None:
        """Take it; called once, from the event loop."""
        ...


class RoamingWriter(Protocol):
    """Writes the roaming flag of a record that is there."""

    def write(self, msisdn: str, roaming: bool, vlr: str, done: Written) -> None:
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
_MOST: Final = 200_000
_REPLAY_SECONDS: Final = 3600.0
_TOLERANCE: Final = 60.0
"""Seconds: an age is in whole minutes."""
_MINUTE: Final = 60.0


@final
class _Event:
    """An event whose write is under way; the user of its dialogue."""

    __slots__ = ("_user", "dialogue", "invoke_id", "name")

    def __init__(self, user: Mobility, dialogue: Dialogue, invoke_id: int, name: str) -> None:
        self._user = user
        self.dialogue = dialogue
        self.invoke_id = invoke_id
        self.name = name

    def written(self, result: Result) -> None:
        """See `Written`."""
        self._user.written(self, result)


@final
class Mobility:
    """The TC-user for what VLRs and HLRs tell.

    Args:
        provider: where answers go.
        writer: of the roaming flag.
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
        writer: RoamingWriter,
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
        self._seen: dict[bytes, float] = {}
        self._times: dict[str, float] = {}

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
        event = _Event(self, dialogue, first.invoke_id, name)
        if self._allowed and not sender.startswith(self._allowed):
            self._refuse(event, Result.FOREIGN)
        elif self._again(dialogue, first.parameter, now):
            self._answer(event, Result.REPLAYED)
        elif not msisdn:
            self._answer(event, Result.UNKNOWN_SUBSCRIBER)
        elif first.opcode == Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED:
            self._answer(event, Result.TAKEN)
            if self.subscriptions is not None:
                self.subscriptions.told(msisdn, m_csi_active(argument.camel_subscription_info))
        else:
            self._moved(event, msisdn, argument, sender, now)

    def _moved(self, event: _Event, msisdn: str, argument: NoteMMEventArg, sender: str, now: float) -> None:
        """Take a noteMM-Event of an allowed sender."""
        location = argument.location_information
        vlr = "" if location is None else vlr_e164(location, self.numbering)
        if self._checks_sender and vlr and sender and vlr[:_NETWORK_DIGITS] != sender[:_NETWORK_DIGITS]:
            self._refuse(event, Result.FORGED)
            return
        age = 0 if location is None else (location.age_of_location_information or 0)
        at = now - age * _MINUTE
        if at + _TOLERANCE < self._times.get(msisdn, -inf):
            self._answer(event, Result.STALE)
            return
        self._note_time(msisdn, at)
        detached = argument.event_met in _DETACHES
        areas = () if location is None else area_ids(location)
        reach = Reach.DETACHED if detached else Reach.IDLE
        if detached or vlr or areas:
            self._places.note(msisdn, Whereabouts(vlr, areas, reach, age * _MINUTE), now)
        else:
            self._places.forget(msisdn)
        roaming = self.numbering.roaming(vlr)
        if detached or roaming is None:
            self._answer(event, Result.TAKEN if detached else Result.NO_PLACE)
            return
        event.dialogue.user = event
        self._writer.write(msisdn, roaming, vlr, event)

    def written(self, event: _Event, result: Result) -> None:
        """Answer an event whose write is done."""
        if result is Result.NOT_WRITTEN:
            self._refuse(event, result)
        else:
            self._answer(event, result)
        self._provider.flush()

    def _again(self, dialogue: Dialogue, argument: bytes, now: float) -> bool:
        """Whether this very message came before."""
        path = dialogue.path
        calling = path.called if isinstance(path, ReturnPath) else b""
        key = blake2b(dialogue.remote_tid + b"|" + calling + b"|" + argument, digest_size=12).digest()
        before = self._seen.pop(key, -inf)
        if len(self._seen) >= _MOST:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = now
        return now - before < _REPLAY_SECONDS

    def _note_time(self, msisdn: str, at: float) -> None:
        self._times.pop(msisdn, None)
        if len(self._times) >= _MOST:
            del self._times[next(iter(self._times))]
        self._times[msisdn] = at

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


_NUMBERS: Final[dict[Any, int]] = {
    Opcode.NOTE_MM_EVENT: MM_EVENT_REPORTING,
    Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED: SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION,
}


def _name(opcode: int, argument: Any) -> str:
    """Return an event's name, bounded."""
    if opcode == Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED:
        return "subscriber-data-modified"
    return MM_NAMES.get(argument.event_met, "other")


def _sender(dialogue: Dialogue) -> str:
    """Return the digits of the global title that a dialogue came from, "" without one."""
    path = dialogue.path
    title = address_of(path.called).global_title if isinstance(path, ReturnPath) else None
    return "" if title is None else title.digits
