"""When a service asks the HLR where a called subscriber is, and what the answer means for the decision."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import structs

from scp.domain.call import Trigger
from scp.domain.reason import Reason
from scp.domain.subscriber import Subscriber, When
from scp.domain.whereabouts import LocateFailure, Reach, Whereabouts

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.domain.lookup import Found
    from scp.domain.whereabouts import Located


class Ask(StrEnum):
    """Whose place is asked for."""

    OFF = "off"  # nobody's
    NEEDED = "needed"  # of those whose condition depends on it: `roaming` and `locations`
    ON = "on"  # of everybody whose calls are forwarded: one that is detached is found out


class OnSilence(StrEnum):
    """What decides where the HLR does not tell."""

    STORED = "stored"  # what another system or a VLR said last; if nothing did, the call continues
    CONTINUE = "continue"


_REASONS: Final[dict[LocateFailure, Reason]] = {
    LocateFailure.TIMEOUT: Reason.LOCATION_TIMEOUT,
    LocateFailure.UNREACHABLE: Reason.LOCATION_UNREACHABLE,
    LocateFailure.UNDELIVERABLE: Reason.LOCATION_UNAVAILABLE,
    LocateFailure.SILENT: Reason.LOCATION_UNAVAILABLE,
    LocateFailure.REFUSED: Reason.LOCATION_UNAVAILABLE,
    LocateFailure.LIMITED: Reason.LOCATION_UNAVAILABLE,
    LocateFailure.UNKNOWN_SUBSCRIBER: Reason.LOCATION_UNAVAILABLE,
    LocateFailure.UNREADABLE: Reason.LOCATION_UNAVAILABLE,
}


def asks(found: Found, call: CallFacts, ask: Ask) -> bool:
    """Whether the place of the called subscriber is worth a question: it decides, and the call has none."""
    if not isinstance(found, Subscriber) or call.unreadable_location:
        return False
    if not (found.forwarding and found.authorized and found.registered):
        return False
    if ask is Ask.OFF or (ask is Ask.NEEDED and found.when is When.ALWAYS):
        return False
    return call.trigger is not Trigger.TERMINATING or not (call.vlr or call.areas)


def with_place(call: CallFacts, place: Located) -> CallFacts:
    """Return the facts of a call with what the HLR said of the called subscriber's place."""
    if not isinstance(place, Whereabouts):
        return structs.replace(call, not_located=_REASONS.get(place))
    if place.reach is Reach.DETACHED:
        return structs.replace(call, not_located=Reason.DETACHED)
    return structs.replace(call, located=True, vlr=place.vlr, areas=place.areas)


def gives_up(call: CallFacts, on_silence: OnSilence) -> bool:
    """Whether a call continues since its place is not known, whatever is stored."""
    return (
        on_silence is OnSilence.CONTINUE
        and call.not_located is not None
        and call.not_located is not Reason.DETACHED
    )
