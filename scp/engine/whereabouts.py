"""Where subscribers are: asked of their HLR by anyTimeInterrogation, remembered for a while.

A place is as old as the HLR says (ageOfLocationInformation) and the time since; what is older than
`Places.max_age` is asked again. A VLR that tells of a subscriber (`scp.engine.mobility`) makes it new, at the
node that it tells. Other nodes see it by the version of the subscriber's record, which each event raises: a
place that was asked when the record had another version is asked again.

An HLR that is silent costs every call that asks it the whole of its patience. So after some failures in a row
nothing more is asked for a while (`scp.domain.breaker`), and the policy decides at once. Where no link leads
to it nothing is asked either, until one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.domain.breaker import Breaker, Circuit
from scp.domain.map_results import Outcome
from scp.domain.whereabouts import LocateFailure, Reach, Whereabouts
from scp.engine.enquiries import Answer, Question
from scp.services.idp import area_ids, vlr_e164
from ss7.address import AddressString
from ss7.map.common import SubscriberIdentity
from ss7.map.errors import ErrorCode
from ss7.map.location import AnyTimeInterrogationArg, RequestedInfo
from ss7.map.operations import Opcode

if TYPE_CHECKING:
    from typing import Any

    from scp.domain.lookup import Pending
    from scp.domain.numbers import Numbering
    from scp.domain.whereabouts import Located
    from scp.engine.enquiries import Enquiries
    from scp.map_ports import LocationWaiter, MapTelemetry
    from ss7.cap.common import SubscriberState
    from ss7.map.location import SubscriberInfo

HLR_SSN: Final = 6  # TS 23.003 §8.1
_MINUTE: Final = 60.0
_REACH: Final[dict[str, Reach]] = {
    "assumedIdle": Reach.IDLE,
    "camelBusy": Reach.BUSY,
    "netDetNotReachable": Reach.DETACHED,
    "notProvidedFromVLR": Reach.UNKNOWN,
}
_FAILURES: Final[dict[Outcome, LocateFailure]] = {
    Outcome.TIMEOUT: LocateFailure.TIMEOUT,
    Outcome.UNDELIVERABLE: LocateFailure.UNDELIVERABLE,
    Outcome.UNREACHABLE: LocateFailure.UNREACHABLE,
    Outcome.LIMITED: LocateFailure.LIMITED,
    Outcome.UNREADABLE: LocateFailure.UNREADABLE,
}
_SILENCES: Final = frozenset({LocateFailure.TIMEOUT, LocateFailure.UNDELIVERABLE})
_UNASKED: Final = frozenset({LocateFailure.UNREACHABLE, LocateFailure.LIMITED})
_WANTED: Final = RequestedInfo(location_information=True, subscriber_state=True)


def place_of(info: SubscriberInfo, numbering: Numbering) -> Located:
    """Return what an HLR or VLR says of a subscriber."""
    reach = reach_of(info.subscriber_state)
    location = info.location_information
    if location is None:
        return Whereabouts(reach=reach) if reach is Reach.DETACHED else LocateFailure.UNREADABLE
    place = Whereabouts(
        vlr_e164(location, numbering),
        area_ids(location),
        reach,
        (location.age_of_location_information or 0) * _MINUTE,
    )
    if not (place.vlr or place.areas) and reach is not Reach.DETACHED:
        return LocateFailure.UNREADABLE
    return place


def located_of(answer: Answer, numbering: Numbering) -> Located:
    """Return what the answer to anyTimeInterrogation says."""
    if answer.outcome is Outcome.RESULT:
        result: Any = answer.value
        return place_of(result.subscriber_info, numbering)
    if answer.outcome is Outcome.ERROR:
        if answer.code == ErrorCode.UNKNOWN_SUBSCRIBER:
            return LocateFailure.UNKNOWN_SUBSCRIBER
        if answer.code in (ErrorCode.ABSENT_SUBSCRIBER, ErrorCode.ABSENT_SUBSCRIBER_SM):
            return Whereabouts(reach=Reach.DETACHED)
        return LocateFailure.REFUSED
    return _FAILURES.get(answer.outcome, LocateFailure.REFUSED)


def reach_of(state: SubscriberState | None) -> Reach:
    """Return what a subscriber state says."""
    return Reach.UNKNOWN if state is None else _REACH.get(state.name, Reach.UNKNOWN)


@final
class _Asked:
    """The `scp.engine.enquiries.Asker` of one enquiry, for all that wait for it."""

    __slots__ = ("_places", "_version", "_waiter", "msisdn")

    def __init__(self, places: Places, msisdn: str, version: int, waiter: LocationWaiter) -> None:
        self._places = places
        self.msisdn = msisdn
        self._version = version
        self._waiter = waiter

    def answered(self, answer: Answer, now: float) -> None:
        """Remember the place, and hand it to the call."""
        self._waiter.located(self._places.learnt(self.msisdn, answer, now, self._version))


@final
class Places:
    """The places of subscribers; a `scp.map_ports.Locator`.

    Args:
        enquiries: ask.
        numbering: of the node.
        telemetry: counts.
        max_age: seconds after which a place is asked again.
        patience: seconds that an enquiry is waited for; its answer still counts after the call is gone.
        most: places remembered; the oldest goes.
        hlr: E.164 digits of one HLR that knows all; "": each is found by the subscriber's own number.
        breaker: when a silent HLR is left alone.
    """

    def __init__(
        self,
        enquiries: Enquiries,
        numbering: Numbering,
        telemetry: MapTelemetry,
        *,
        max_age: float = 60.0,
        patience: float = 2.0,
        most: int = 100_000,
        hlr: str = "",
        breaker: Breaker | None = None,
    ) -> None:
        self._enquiries = enquiries
        self.numbering = numbering
        self._telemetry = telemetry
        self.max_age = max_age
        self._patience = patience
        self._most = most
        self._hlr = hlr
        self._breaker = breaker or Breaker(failures=20, rest=5.0)
        self._silent_since = 0.0
        self._known: dict[str, tuple[Whereabouts, float, int]] = {}
        self._own = AddressString(enquiries.title).encode()

    def __len__(self) -> int:
        """How many places are remembered."""
        return len(self._known)

    @property
    def silent(self) -> bool:
        """Whether the HLR has been silent for so long that it is left alone."""
        return self._breaker.state is not Circuit.CLOSED

    def silent_for(self, now: float) -> float:
        """Return for how many seconds it has been left alone, 0 if it is not."""
        return now - self._silent_since if self.silent else 0.0

    def locate(self, msisdn: str, waiter: LocationWaiter, now: float, version: int = 0) -> Located | Pending:
        """See `Locator`."""
        known = self.remembered(msisdn, now, version)
        if known is not None:
            self._telemetry.located("fresh")
            return known
        if not self._breaker.allows(now):
            return self._failed(LocateFailure.SILENT)
        identity = SubscriberIdentity("msisdn", AddressString(msisdn).encode())
        argument = AnyTimeInterrogationArg(identity, _WANTED, self._own)
        question = Question(
            Opcode.ANY_TIME_INTERROGATION,
            argument,
            self._hlr or msisdn,
            HLR_SSN,
            msisdn,
            self._patience,
        )
        answer = self._enquiries.ask(question, _Asked(self, msisdn, version, waiter), now)
        if isinstance(answer, Answer):
            return self.learnt(msisdn, answer, now, version)
        self._telemetry.located("asked")
        return answer

    def remembered(self, msisdn: str, now: float, version: int = 0) -> Whereabouts | None:
        """Return a place that is fresh enough, with its age now; ``version`` as of `Locator.locate`."""
        known = self._known.get(msisdn)
        if known is None:
            return None
        place, since, noted = known
        if now - since > self.max_age or (version and noted and version != noted):
            del self._known[msisdn]
            return None
        return Whereabouts(place.vlr, place.areas, place.reach, place.age_s + now - since)

    def note(self, msisdn: str, place: Whereabouts, now: float, version: int = 0) -> None:
        """Remember a place, and the version of the subscriber's record at that time (0: not known)."""
        self._known.pop(msisdn, None)
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[msisdn] = (place, now, version)

    def forget(self, msisdn: str) -> None:
        """Forget a place: it is another one by now."""
        self._known.pop(msisdn, None)

    def learnt(self, msisdn: str, answer: Answer, now: float, version: int = 0) -> Located:
        """Return what an answer says, and remember it."""
        place = located_of(answer, self.numbering)
        if isinstance(place, Whereabouts):
            self._breaker.succeeded(now)
            self.note(msisdn, place, now, version)
            return place
        if place in _SILENCES:
            was = self.silent
            self._breaker.failed(now)
            if self.silent and not was:
                self._silent_since = now
        elif place not in _UNASKED:
            self._breaker.succeeded(now)
        return self._failed(place)

    def _failed(self, failure: LocateFailure) -> LocateFailure:
        self._telemetry.located(failure)
        return failure
