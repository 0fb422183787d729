"""What the MAP messages of a capture say of subscribers' places, for the calls that are replayed beside them.

The capture's own SCP asked its HLR (anyTimeInterrogation) and heard from VLRs (noteMM-Event). A replayed call
that asks for a place gets the answer that stands in the capture, at its time; one for which nobody was asked
there goes on as if this node asked no HLR. A VLR's event that was answered with a result sets the roaming
flag of the replayed calls that follow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, final

from msgspec.structs import replace

from scp.domain.lookup import PENDING, Pending
from scp.domain.map_results import Outcome
from scp.domain.subscriber import Subscriber
from scp.domain.whereabouts import LocateFailure, Reach, Whereabouts
from scp.engine.enquiries import Answer
from scp.engine.whereabouts import located_of
from scp.services.idp import address_e164, area_ids, vlr_e164
from ss7 import tcap
from ss7.errors import DecodeError
from ss7.map.codec import FAST
from ss7.map.contexts import BY_OCTETS
from ss7.map.location import MS_INITIATED_IMSI_DETACH, NETWORK_INITIATED_IMSI_DETACH
from ss7.map.operations import Opcode
from ss7.rose import Invoke, ReturnError, ReturnResult
from ss7.tcap_dialogue import Aarq

if TYPE_CHECKING:
    from scp.domain.lookup import Found
    from scp.domain.numbers import Numbering
    from scp.domain.whereabouts import Located
    from scp.engine.scheduler import TimeSource
    from scp.map_ports import LocationWaiter
    from scp.ports import SubscriberLookup, Waiter
    from ss7.map.location import NoteMMEventArg

_ASKED_WITHIN: float = 0.9
"""Of the time that a call waits for a place: if nobody asked the HLR by then, nobody did."""
_DETACHES = frozenset({MS_INITIATED_IMSI_DETACH, NETWORK_INITIATED_IMSI_DETACH})
_MINUTE = 60.0


class HlrSettings(NamedTuple):
    """How a node asks HLRs where subscribers are: `[map]`.

    Attributes:
        numbering: of the node.
        deadline: seconds that a call waits.
        max_age: seconds for which a place is remembered.
    """

    numbering: Numbering
    deadline: float
    max_age: float


@final
class CapturedQuestion:
    """A MAP dialogue of the capture: a question about a subscriber, or what a VLR tells of one."""

    __slots__ = ("event", "msisdn", "version")

    def __init__(self, msisdn: str, version: int, event: NoteMMEventArg | None) -> None:
        self.msisdn = msisdn
        self.version = version
        self.event = event


@final
class CapturedPlaces:
    """The capture's places, for a `scp.map_ports.Locator`, and a `SubscriberLookup` before the store.

    Args:
        store: has the records.
        numbering: of the node.
        clock: the capture's.
        deadline: seconds that a call waits for a place.
        max_age: seconds for which a place is remembered.

    Attributes:
        answers: of HLRs that were read.
        events: of VLRs that were read.
    """

    def __init__(
        self,
        store: SubscriberLookup,
        numbering: Numbering,
        clock: TimeSource,
        deadline: float,
        max_age: float,
    ) -> None:
        self.answers = 0
        self.events = 0
        self._store = store
        self._numbering = numbering
        self._clock = clock
        self._deadline = deadline
        self._max_age = max_age
        self._known: dict[str, tuple[Whereabouts, float]] = {}
        self._moved: dict[str, tuple[bool, str]] = {}
        self._asked: dict[str, int] = {}
        self._waiting: dict[str, list[LocationWaiter]] = {}

    # -- what the capture has ------------------------------------------------------------------------------

    def begun(self, octets: bytes) -> CapturedQuestion | None:
        """Return what a BEGIN asks or tells of a place; None: nothing."""
        try:
            message = tcap.decode(octets)
        except DecodeError:
            return None
        portion = message.dialogue
        context = BY_OCTETS.get(portion.context) if isinstance(portion, Aarq) else None
        first = message.components[0] if message.components else None
        if context is None or not isinstance(first, Invoke):
            return None
        if first.opcode not in (Opcode.ANY_TIME_INTERROGATION, Opcode.NOTE_MM_EVENT):
            return None
        try:
            argument: Any = FAST.decode_argument(int(first.opcode), first.parameter, context.version)
        except DecodeError:
            return None
        if first.opcode == Opcode.NOTE_MM_EVENT:
            msisdn = address_e164(argument.msisdn, self._numbering)
            return CapturedQuestion(msisdn, context.version, argument) if msisdn else None
        identity = argument.subscriber_identity
        msisdn = address_e164(identity.value, self._numbering) if identity.name == "msisdn" else ""
        if not msisdn:
            return None
        self._asked[msisdn] = self._asked.get(msisdn, 0) + 1
        return CapturedQuestion(msisdn, context.version, None)

    def answered(self, question: CapturedQuestion, octets: bytes) -> None:
        """Take a later message of such a dialogue."""
        try:
            components = tcap.decode(octets).components
        except DecodeError:
            return
        for component in components:
            if question.event is not None:
                if isinstance(component, ReturnResult):
                    self._told(question.msisdn, question.event)
            elif isinstance(component, ReturnResult | ReturnError):
                self._located(question.msisdn, located_of(self._answer(question, component), self._numbering))

    def ended(self, question: CapturedQuestion) -> None:
        """Note that a dialogue is over."""
        if question.event is None and (left := self._asked.get(question.msisdn, 0)):
            self._asked[question.msisdn] = left - 1

    def _answer(self, question: CapturedQuestion, component: ReturnResult | ReturnError) -> Answer:
        if isinstance(component, ReturnError):
            code = component.error if isinstance(component.error, int) else -1
            return Answer(Outcome.ERROR, None, code, question.version)
        try:
            value = FAST.decode_result(Opcode.ANY_TIME_INTERROGATION, component.parameter, question.version)
        except DecodeError:
            return Answer(Outcome.UNREADABLE, version=question.version)
        return Answer(Outcome.RESULT, value, version=question.version)

    def _told(self, msisdn: str, event: NoteMMEventArg) -> None:
        """Take a VLR's event, as `scp.engine.mobility` does one that it accepts."""
        self.events += 1
        location = event.location_information
        vlr = "" if location is None else vlr_e164(location, self._numbering)
        areas = () if location is None else area_ids(location)
        age = 0.0 if location is None else (location.age_of_location_information or 0) * _MINUTE
        detached = event.event_met in _DETACHES
        if detached or vlr or areas:
            reach = Reach.DETACHED if detached else Reach.IDLE
            self._known[msisdn] = Whereabouts(vlr, areas, reach, age), self._clock.time()
        roaming = self._numbering.roaming(vlr)
        if not detached and roaming is not None:
            self._moved[msisdn] = roaming, vlr

    def _located(self, msisdn: str, place: Located) -> None:
        self.answers += 1
        if isinstance(place, Whereabouts):
            self._known[msisdn] = place, self._clock.time()
        for waiter in self._waiting.pop(msisdn, ()):
            waiter.located(place)

    # -- what calls ask ------------------------------------------------------------------------------------

    def locate(self, msisdn: str, waiter: LocationWaiter, now: float) -> Located | Pending:
        """Return a place that is known, or tell it when the capture does."""
        known = self._known.get(msisdn)
        if known is not None and now - known[1] <= self._max_age:
            place, since = known
            return Whereabouts(place.vlr, place.areas, place.reach, place.age_s + now - since)
        self._waiting.setdefault(msisdn, []).append(waiter)
        self._clock.call_at(now + self._deadline * _ASKED_WITHIN, lambda: self._unasked(msisdn, waiter))
        return PENDING

    def _unasked(self, msisdn: str, waiter: LocationWaiter) -> None:
        """Let a call go on for which the capture's SCP did not ask."""
        if not self._asked.get(msisdn):
            self.decided_there(msisdn, waiter)

    def decided_there(self, msisdn: str, waiter: LocationWaiter) -> None:
        """Let a call go on that the capture's SCP has answered: without a place, if none came before."""
        waiting = self._waiting.get(msisdn)
        if waiting is None or waiter not in waiting:
            return
        waiting.remove(waiter)
        waiter.located(LocateFailure.TIMEOUT if self._asked.get(msisdn) else LocateFailure.OFF)

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:
        """See `scp.ports.SubscriberLookup`: the record, with what VLRs have told since."""
        found = self._store.find(msisdn, waiter)
        moved = self._moved.get(msisdn)
        if moved is None or not isinstance(found, Subscriber):
            return found
        return replace(found, roaming=moved[0], vlr=moved[1] or None)

    def usable(self) -> str:
        """See `scp.ports.SubscriberLookup`."""
        return self._store.usable()
