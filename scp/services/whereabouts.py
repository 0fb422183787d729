"""When a service asks the HLR where a called subscriber is, and what the answer means for the decision."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs

from scp.domain.call import Trigger
from scp.domain.decision import Action, Decision, Step, judge, screen
from scp.domain.reason import Reason
from scp.domain.subscriber import Subscriber, When
from scp.domain.whereabouts import LocateFailure, Reach, Whereabouts

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.domain.lookup import Found
    from scp.domain.rules import Rules
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


class Asking(NamedTuple):
    """When a service asks where the called subscriber is, and what decides without an answer."""

    ask: Ask = Ask.OFF
    on_silence: OnSilence = OnSilence.STORED


def asking_of(service: object) -> Asking:
    """Return when a service asks; one that knows nothing of that never does."""
    ask, silence = getattr(service, "ask", Ask.OFF), getattr(service, "on_silence", OnSilence.STORED)
    return Asking(ask, silence) if isinstance(ask, Ask) and isinstance(silence, OnSilence) else Asking()


def path_with_place(
    found: Found, call: CallFacts, rules: Rules, asking: Asking, place: Located | None
) -> tuple[Decision, list[Step]]:
    """Return what a service decides that asks where the called subscriber is, with every step that led there.

    Args:
        found: what the store said of the called number.
        call: the facts of the call.
        rules: the operator's rules.
        asking: when the service asks.
        place: what the HLR said; None: it was not asked, which the steps say.
    """
    steps: list[Step] = []
    early = screen(call, rules, steps)
    if early is not None:
        return early, steps
    if asks(found, call, asking.ask):
        if place is None:
            steps.append(Step("place", f"ask_hlr is {asking.ask}", "the HLR was not asked"))
        else:
            call = with_place(call, place)
            steps.append(Step("place", _shown(place), call.not_located or "yes"))
            if call.not_located is not None and gives_up(call, asking.on_silence):
                return Decision(Action.CONTINUE, call.not_located), steps
    return judge(found, call, rules, steps), steps


def _shown(place: Located) -> str:
    if not isinstance(place, Whereabouts):
        return f"HLR: {place}"
    where = f"VLR {place.vlr}" if place.vlr else "no VLR"
    areas = f", {', '.join(place.areas)}" if place.areas else ""
    return f"{where}{areas}, {place.reach}, {place.age_s:.0f} s ago"
