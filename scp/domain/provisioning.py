"""Changes that the operator and the VoIP service may make in a record, and their consequences.

A number is authorized by the operator, then registered by the VoIP service, then forwarded: each step needs
those before it, and ending one ends those after it. So every record that came about by `apply` keeps
*forwarding ⇒ registered ⇒ authorized*, in whatever order the two parties speak; `fault` says of a record from
elsewhere what breaks that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from scp.domain.numbers import is_msisdn
from scp.domain.subscriber import Subscriber, When


class Refusal(StrEnum):
    """Why an operation is refused; the record stays as it was."""

    NOT_AUTHORIZED = "not-authorized"
    NOT_REGISTERED = "not-registered"


class Authorize(Struct, frozen=True):
    """The operator lets the number use the service."""

    imsi: str | None = None


class Withdraw(Struct, frozen=True):
    """The operator no longer lets the number use the service."""


class Register(Struct, frozen=True):
    """The VoIP service registers the number, or changes its registration."""

    aor: str
    forwarding_number: str | None = None


class Deregister(Struct, frozen=True):
    """The VoIP service ends the registration."""


class EnableForwarding(Struct, frozen=True):
    """Calls are to be forwarded under a condition."""

    when: When = When.ALWAYS
    locations: tuple[str, ...] = ()
    rescue: bool | None = None
    rescue_number: str | None = None


class DisableForwarding(Struct, frozen=True):
    """Calls are not to be forwarded; the condition is kept for later."""

    when: When = When.ALWAYS
    locations: tuple[str, ...] = ()
    rescue: bool | None = None
    rescue_number: str | None = None


class SetRoaming(Struct, frozen=True):
    """Another system knows where the subscriber is."""

    roaming: bool
    vlr: str | None = None


class ForgetRoaming(Struct, frozen=True):
    """The other system no longer knows where the subscriber is."""


Operation: TypeAlias = (
    Authorize
    | Withdraw
    | Register
    | Deregister
    | EnableForwarding
    | DisableForwarding
    | SetRoaming
    | ForgetRoaming
)


class Rule(Struct, frozen=True):
    """What one operation needs and does, beside writing its own fields into the record.

    Attributes:
        needs: what must hold already, asked in this order.
        sets: fields that get a fixed value.
        ends: fields that go back to what they are in an empty record.
    """

    needs: tuple[Refusal, ...] = ()
    sets: tuple[tuple[str, bool], ...] = ()
    ends: tuple[str, ...] = ()


_FORWARDING: Final = ("forwarding", "when", "locations", "rescue", "rescue_number")
_REGISTRATION: Final = ("aor", "forwarding_number", "passes")
_AUTHORIZATION: Final = ("authorized", "imsi")

RULES: Final[dict[type[Operation], Rule]] = {
    Authorize: Rule(sets=(("authorized", True),)),
    Withdraw: Rule(ends=_AUTHORIZATION + _REGISTRATION + _FORWARDING),
    Register: Rule(needs=(Refusal.NOT_AUTHORIZED,)),
    Deregister: Rule(ends=_REGISTRATION + _FORWARDING),
    EnableForwarding: Rule(
        needs=(Refusal.NOT_AUTHORIZED, Refusal.NOT_REGISTERED), sets=(("forwarding", True),)
    ),
    DisableForwarding: Rule(sets=(("forwarding", False),)),
    SetRoaming: Rule(),
    ForgetRoaming: Rule(ends=("roaming", "vlr")),
}
"""All the rules between the flags."""

_EMPTY: Final = Subscriber("")


def apply(record: Subscriber, operation: Operation) -> Subscriber | Refusal:
    """Return the record after an operation, its version untouched, or why the operation is refused.

    Args:
        record: what the store has; ``Subscriber(msisdn)`` if it has nothing.
        operation: what somebody wants.
    """
    rule = RULES[type(operation)]
    for need in rule.needs:
        if not _MET[need](record):
            return need
    changes = {name: getattr(_EMPTY, name) for name in rule.ends}
    changes |= msgspec.structs.asdict(operation)
    changes |= rule.sets
    return msgspec.structs.replace(record, **changes)


def _authorized(record: Subscriber) -> bool:
    return record.authorized


def _registered(record: Subscriber) -> bool:
    return record.registered


_MET: Final = {Refusal.NOT_AUTHORIZED: _authorized, Refusal.NOT_REGISTERED: _registered}


def fault(record: Subscriber) -> str:
    """Return in words what an imported record has that no operation leads to; "" if nothing."""
    if not is_msisdn(record.msisdn):
        return "msisdn: 5 to 15 digits of E.164, country code first, are needed"
    if record.registered and not record.authorized:
        return "aor: a number is registered only while it is authorized"
    if record.forwarding and not record.registered:
        return "forwarding: a number is forwarded only while it is registered"
    if record.forwarding_number is not None and not record.registered:
        return "forwarding_number: it is part of a registration, and there is none"
    if record.rescue_number is not None and not record.rescue:
        return "rescue_number: it is for a number whose rescue is on"
    return condition_fault(record.when, record.locations)


def condition_fault(when: When, locations: tuple[str, ...]) -> str:
    """Return in words what is wrong with a condition for forwarding; "" if nothing is."""
    if when is When.LOCATIONS and not locations:
        return "locations: at least one is needed where forwarding depends on them"
    return ""
