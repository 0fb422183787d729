"""The conditions for steering a call, as two tables in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from scp.domain.call import CallFacts, Diversion, Trigger
from scp.domain.numbers import Nature, is_msisdn
from scp.domain.reason import Reason
from scp.domain.rules import Rules
from scp.domain.subscriber import Subscriber, When

# In Python 3.11 a member looked up through its class costs ten times what a global does.
_ALWAYS: Final = When.ALWAYS
_TERMINATING: Final = Trigger.TERMINATING
_DETACHED: Final = Reason.DETACHED

LAI_HEX_DIGITS: Final = (
    10  # 29.002 LAIFixedLength: 5 octets; a cell global id begins with its location area's
)


# --- Conditions: each returns None where it holds, else the reason why the call is not steered. ---


def _not_marked(call: CallFacts, rules: Rules) -> Reason | None:
    return Reason.ALREADY_MARKED if rules.marked(call.digits) else None


def _has_number(call: CallFacts, _rules: Rules) -> Reason | None:
    return call.fault


def _not_returned(call: CallFacts, rules: Rules) -> Reason | None:
    """Hold for a call that the called subscriber has not diverted before, nor others too often.

    The VoIP side may send a call back to the number that was called, for want of an app to ring: the mark is
    gone then, and the same question comes again. What tells is the redirection data of its new call.
    """
    diversion = call.diversion
    if diversion is None:
        return None
    if any(_is_called(number, call, rules) for number in diversion.by) or _from_gateway(
        diversion, call, rules
    ):
        return Reason.DIVERTED_BACK
    return Reason.REDIRECTION_LIMIT if diversion.counter >= rules.max_redirections else None


def _is_called(number: tuple[str, Nature], call: CallFacts, rules: Rules) -> bool:
    """Return whether a number is the called subscriber's."""
    digits, nature = number
    return digits != "" and rules.numbering.normalise(digits, nature)[0] == call.e164


def _from_gateway(diversion: Diversion, call: CallFacts, rules: Rules) -> bool:
    """Return whether one of the numbers before is the called one with the mark, which nobody else gives.

    In which form it was marked depends on how it was dialled then; all of them end in the national number.
    Beginning with the mark's digits is not enough: other countries' numbers do.
    """
    ending = rules.numbering.national(call.e164) or call.e164
    return any(
        rules.unmarked(digits).endswith(ending) for digits, _ in (diversion.redirecting, diversion.original)
    )


def _authorized(subscriber: Subscriber, _call: CallFacts, _rules: Rules) -> Reason | None:
    return None if subscriber.authorized else Reason.NOT_AUTHORIZED


def _registered(subscriber: Subscriber, _call: CallFacts, _rules: Rules) -> Reason | None:
    return None if subscriber.registered else Reason.NOT_REGISTERED


def _forwarding(subscriber: Subscriber, _call: CallFacts, _rules: Rules) -> Reason | None:
    return None if subscriber.forwarding else Reason.FORWARDING_DISABLED


def _when(subscriber: Subscriber, call: CallFacts, rules: Rules) -> Reason | None:
    if subscriber.when is _ALWAYS:
        return None
    if call.unreadable_location:  # what is stored is older, and may be wrong by now
        return Reason.UNREADABLE_PARAMETER
    if call.not_located is _DETACHED:
        return _DETACHED
    return _WHEN[subscriber.when](subscriber, call, rules)


def _forwarding_number(subscriber: Subscriber, call: CallFacts, rules: Rules) -> Reason | None:
    number = subscriber.forwarding_number
    if number is None:
        return None
    if not is_msisdn(number):
        return Reason.BAD_FORWARDING_NUMBER
    if number == call.e164:
        return Reason.FORWARDING_LOOP
    before = call.diversion
    if before is not None and any(rules.numbering.normalise(*each)[0] == number for each in before.by):
        return Reason.DIVERTED_BACK
    return None


def _whereabouts(subscriber: Subscriber, call: CallFacts) -> tuple[str, tuple[str, ...]]:
    """Return the called subscriber's VLR number and areas: the call's own, or what was stored.

    What a terminating call carries was asked of the HLR for this very call, by the network or by this node;
    the record is as old as its last write.
    """
    if (call.trigger is _TERMINATING or call.located) and (call.vlr or call.areas):
        return call.vlr, call.areas
    return subscriber.vlr or "", ()


def _is_roaming(subscriber: Subscriber, call: CallFacts, rules: Rules) -> bool | None:
    """Return whether the called subscriber is roaming; None if nothing says so.

    The VLR number of a terminating call wins over the stored flag, being newer; the flag, which another
    system has set on purpose, wins over the VLR number stored with it.
    """
    theirs = call.trigger is _TERMINATING or call.located
    roaming = rules.numbering.roaming(call.vlr) if theirs else None
    if roaming is None:
        roaming = subscriber.roaming
    if roaming is None:
        roaming = rules.numbering.roaming(subscriber.vlr or "")
    return roaming


def _when_roaming(subscriber: Subscriber, call: CallFacts, rules: Rules) -> Reason | None:
    roaming = _is_roaming(subscriber, call, rules)
    if roaming is None:
        return call.not_located or Reason.ROAMING_UNKNOWN
    return None if roaming else Reason.AT_HOME


def _when_located(subscriber: Subscriber, call: CallFacts, _rules: Rules) -> Reason | None:
    vlr, areas = _whereabouts(subscriber, call)
    if not (vlr or areas):
        return call.not_located or Reason.LOCATION_UNKNOWN
    for location in subscriber.locations:
        if location and vlr.startswith(location):
            return None
        if len(location) >= LAI_HEX_DIGITS and any(area.startswith(location.lower()) for area in areas):
            return None
    return Reason.OUTSIDE_LOCATIONS


# --- What each step shows. ---


def _show_dialled(call: CallFacts, _rules: Rules) -> str:
    return call.digits


def _show_number(call: CallFacts, _rules: Rules) -> str:
    return f"{call.digits} ({call.nature})" + (f" = +{call.e164}" if call.e164 else "")


def _show_diversion(call: CallFacts, _rules: Rules) -> str:
    diversion = call.diversion
    if diversion is None:
        return ""
    known = {"redirecting": diversion.redirecting[0], "original": diversion.original[0]}
    return " ".join(
        (f"counter={diversion.counter}", *(f"{name}={known[name]}" for name in known if known[name]))
    )


def _show_authorized(subscriber: Subscriber, _call: CallFacts, _rules: Rules) -> str:
    return str(subscriber.authorized).lower()


def _show_aor(subscriber: Subscriber, _call: CallFacts, _rules: Rules) -> str:
    return subscriber.aor or ""


def _show_forwarding(subscriber: Subscriber, _call: CallFacts, _rules: Rules) -> str:
    return "on" if subscriber.forwarding else "off"


def _show_when(subscriber: Subscriber, call: CallFacts, rules: Rules) -> str:
    if subscriber.when is When.ALWAYS:
        return subscriber.when.value
    vlr, areas = _whereabouts(subscriber, call)
    known = {
        "flag": "" if subscriber.roaming is None else str(subscriber.roaming).lower(),
        "vlr": vlr,
        "home": ",".join(rules.numbering.home_vlr),
        "areas": ",".join(areas),
        "chosen": ",".join(subscriber.locations),
    }
    shown = ("flag", "vlr", "home") if subscriber.when is When.ROAMING else ("vlr", "areas", "chosen")
    return " ".join((subscriber.when.value, *(f"{name}={known[name]}" for name in shown if known[name])))


def _show_forwarding_number(subscriber: Subscriber, _call: CallFacts, _rules: Rules) -> str:
    return subscriber.forwarding_number or ""


# --- The tables: name, condition, what its step shows. ---

OnCall: TypeAlias = tuple[str, Callable[[CallFacts, Rules], Reason | None], Callable[[CallFacts, Rules], str]]
OnSubscriber: TypeAlias = tuple[
    str,
    Callable[[Subscriber, CallFacts, Rules], Reason | None],
    Callable[[Subscriber, CallFacts, Rules], str],
]

CALL_CONDITIONS: Final[tuple[OnCall, ...]] = (
    ("not-marked", _not_marked, _show_dialled),
    ("called-number", _has_number, _show_number),
    ("redirections", _not_returned, _show_diversion),
)
SUBSCRIBER_CONDITIONS: Final[tuple[OnSubscriber, ...]] = (
    ("authorized", _authorized, _show_authorized),
    ("registered", _registered, _show_aor),
    ("forwarding", _forwarding, _show_forwarding),
    ("when", _when, _show_when),
    ("forwarding-number", _forwarding_number, _show_forwarding_number),
)
_WHEN: Final = {When.ROAMING: _when_roaming, When.LOCATIONS: _when_located}
