"""The VoIP service's own API: joining, identities, devices, rules, routes, calls, text messages.

Send these calls to the VoIP service's base URL, with a device's token or an operator's key.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct, to_builtins

from scp.client.call import NOTHING, Call, Reader, json_call, path_of

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Enrolment(Struct, frozen=True):
    """A PIN is on its way, if the number may join; ``secret`` goes with it."""

    id: str
    secret: str
    expires_ms: int


class Credentials(Struct, frozen=True):
    """What a device registers and asks with; shown once."""

    device: str
    msisdn: str
    domain: str
    aor: str
    user: str
    password: str
    proxies: tuple[str, ...]
    dids: tuple[str, ...]
    token: str
    token_expires_ms: int


class Identity(Struct, frozen=True):
    """An identity of the VoIP service."""

    msisdn: str
    dids: tuple[str, ...]
    shared: tuple[str, ...]
    aliases: tuple[str, ...]
    forwarding: str
    mobile: str
    payer: str | None
    zone: str
    barred: tuple[str, ...]
    presentation: str
    mode: str
    devices: tuple[str, ...]
    bindings: int


class Number(Struct, frozen=True):
    """A number of an identity: ``role`` own, did or shared."""

    number: str
    role: str


class Numbers(Struct, frozen=True):
    """The numbers of an identity."""

    numbers: tuple[Number, ...]


class Window(Struct, frozen=True):
    """When nothing rings, HH:MM in the user's zone."""

    begin: str
    end: str
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class UserRules(Struct, frozen=True):
    """Who may call, and when nothing rings; numbers are prefixes of E.164 digits."""

    let_in: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    only_let_in: bool = False
    block_unknown: bool = False
    quiet: bool = False
    windows: tuple[Window, ...] = ()


class Device(Struct, frozen=True):
    """A device; ``state`` active, off or revoked."""

    id: str
    identities: tuple[str, ...]
    label: str
    state: str


class Devices(Struct, frozen=True):
    """The devices of a number."""

    devices: tuple[Device, ...]


class Reachability(Struct, frozen=True):
    """``by`` "ps": devices ring, "cs": the mobile; ``ours``: it is a number of an identity here."""

    number: str
    by: Literal["ps", "cs"]
    devices: int
    ours: bool


class RouteCondition(Struct, frozen=True):
    """One condition of a decision, what it looked at, and "yes" or why it does not hold."""

    condition: str
    value: str
    outcome: str


class RouteStep(Struct, frozen=True):
    """One step of a call: whose devices ring, or where it goes."""

    rings: tuple[str, ...]
    uri: str
    seconds: int


class Route(Struct, frozen=True):
    """Where a call would go, and why; ``code`` is the SIP status where it is refused, else 0."""

    reason: str
    words: str
    path: tuple[RouteCondition, ...]
    steps: tuple[RouteStep, ...]
    code: int
    called: str
    caller: str
    payer: str


class OneTimeNumber(Struct, frozen=True):
    """A number that the identity's mobile dials once; its call goes on to ``to``."""

    number: str
    msisdn: str
    to: str
    expires_ms: int


class OneTimeNumbers(Struct, frozen=True):
    """The one-time numbers of an identity that are valid, the oldest first."""

    numbers: tuple[OneTimeNumber, ...]


class VoipCall(Struct, frozen=True):
    """One of the latest calls; times in milliseconds since 1970-01-01 UTC."""

    id: str
    state: str
    reason: str
    caller: str
    called: str
    source: str
    started_ms: int
    answered_ms: int | None
    ended_ms: int | None


class VoipCalls(Struct, frozen=True):
    """The latest calls, newest first."""

    calls: tuple[VoipCall, ...]


class TextAccepted(Struct, frozen=True):
    """A text that was accepted."""

    id: str


class WaitingText(Struct, frozen=True):
    """A text that waits for devices."""

    id: str
    sender: str
    text: str
    at_ms: int
    devices: tuple[str, ...]


class WaitingTexts(Struct, frozen=True):
    """What waits for devices of a number, oldest first."""

    messages: tuple[WaitingText, ...]


_ENROLMENT: Final = Reader(Enrolment)
_CREDENTIALS: Final = Reader(Credentials)
_IDENTITY: Final = Reader(Identity)
_NUMBER: Final = Reader(Number)
_NUMBERS: Final = Reader(Numbers)
_RULES: Final = Reader(UserRules)
_DEVICE: Final = Reader(Device)
_DEVICES: Final = Reader(Devices)
_REACHABILITY: Final = Reader(Reachability)
_ROUTE: Final = Reader(Route)
_ONE_TIME: Final = Reader(OneTimeNumber)
_ALL_ONE_TIME: Final = Reader(OneTimeNumbers)
_CALLS: Final = Reader(VoipCalls)
_TEXT: Final = Reader(TextAccepted)
_WAITING: Final = Reader(WaitingTexts)


def enrol(msisdn: str, label: str = "") -> Call[Enrolment]:
    """Return the call that asks for a PIN by text message; needs no token."""
    return json_call("POST", path_of("enrolments"), _ENROLMENT, {"msisdn": msisdn, "label": label})


def confirm_enrolment(enrolment: Enrolment, pin: str) -> Call[Credentials]:
    """Return the call that joins with the PIN that came; needs no token."""
    body = {"secret": enrolment.secret, "pin": pin}
    return json_call("POST", path_of("enrolments", enrolment.id, "confirmation"), _CREDENTIALS, body)


def identity(msisdn: str) -> Call[Identity]:
    """Return the call that reads an identity."""
    return Call("GET", path_of("identities", msisdn), _IDENTITY)


def put_identity(msisdn: str, **fields: Any) -> Call[Identity]:
    """Return the call that has an identity with these fields of `Identity`, the others by default."""
    return json_call("PUT", path_of("identities", msisdn), _IDENTITY, fields)


def delete_identity(msisdn: str) -> Call[None]:
    """Return the call that lets an identity go, with its devices."""
    return Call("DELETE", path_of("identities", msisdn), NOTHING)


def numbers(msisdn: str) -> Call[Numbers]:
    """Return the call that reads an identity's numbers."""
    return Call("GET", path_of("identities", msisdn, "numbers"), _NUMBERS)


def put_number(msisdn: str, number: str, role: Literal["did", "shared"]) -> Call[Number]:
    """Return the call that gives an identity a number."""
    return json_call("PUT", path_of("identities", msisdn, "numbers", number), _NUMBER, {"role": role})


def delete_number(msisdn: str, number: str) -> Call[None]:
    """Return the call that takes a number from an identity."""
    return Call("DELETE", path_of("identities", msisdn, "numbers", number), NOTHING)


def user_rules(msisdn: str) -> Call[UserRules]:
    """Return the call that reads who may call, and when nothing rings."""
    return Call("GET", path_of("identities", msisdn, "rules"), _RULES)


def set_user_rules(msisdn: str, rules: UserRules) -> Call[UserRules]:
    """Return the call that sets who may call, and when nothing rings."""
    return json_call("PUT", path_of("identities", msisdn, "rules"), _RULES, to_builtins(rules))


def devices(msisdn: str) -> Call[Devices]:
    """Return the call that reads the devices of a number."""
    return Call("GET", path_of("identities", msisdn, "devices"), _DEVICES)


def device(device_id: str) -> Call[Device]:
    """Return the call that reads a device."""
    return Call("GET", path_of("devices", device_id), _DEVICE)


def make_device(device_id: str, identities: tuple[str, ...], label: str = "") -> Call[Credentials]:
    """Return the call that makes a device, in place of one with this id."""
    body = {"identities": list(identities), "label": label}
    return json_call("PUT", path_of("devices", device_id), _CREDENTIALS, body)


def change_device(
    device_id: str, *, label: str | None = None, state: Literal["active", "off"] | None = None
) -> Call[Device]:
    """Return the call that renames a device, or switches it off or on."""
    return json_call(
        "POST", path_of("devices", device_id, "change"), _DEVICE, {"label": label, "state": state}
    )


def rotate_credentials(device_id: str) -> Call[Credentials]:
    """Return the call that gives a device a new password and token; the old ones end with it."""
    return Call("POST", path_of("devices", device_id, "credentials"), _CREDENTIALS)


def revoke_device(device_id: str) -> Call[None]:
    """Return the call that lets a device go for good."""
    return Call("DELETE", path_of("devices", device_id), NOTHING)


def reachability(msisdn: str) -> Call[Reachability]:
    """Return the call that asks whether a call to a number would ring devices."""
    return Call("GET", path_of("reachability", msisdn), _REACHABILITY)


def try_route(
    to: str,
    *,
    caller: str = "",
    trunk: str = "",
    device: str = "",
    diverted_by: tuple[str, ...] = (),
    at_ms: int | None = None,
) -> Call[Route]:
    """Return the call that asks where a call would go; see `decide` for the switch's side of it.

    Args:
        to: as dialled, for a trunk with the mark.
        caller: who calls.
        trunk: name of the trunk that it comes by; or
        device: id of the device that it comes from.
        diverted_by: who has diverted it, the last one first.
        at_ms: when; None: now.
    """
    body = {
        "to": to,
        "caller": caller,
        "trunk": trunk,
        "device": device,
        "diverted_by": list(diverted_by),
        "at_ms": at_ms,
    }
    return json_call("POST", path_of("routes"), _ROUTE, body)


def one_time_number(msisdn: str, to: str) -> Call[OneTimeNumber]:
    """Return the call that has a number given which the identity's mobile dials once, to get to a target."""
    return json_call("POST", path_of("one-time-numbers"), _ONE_TIME, {"msisdn": msisdn, "to": to})


def one_time_numbers(msisdn: str) -> Call[OneTimeNumbers]:
    """Return the call that reads an identity's one-time numbers."""
    return Call("GET", path_of("identities", msisdn, "one-time-numbers"), _ALL_ONE_TIME)


def withdraw_one_time_number(msisdn: str, number: str) -> Call[None]:
    """Return the call that takes a one-time number back."""
    return Call("DELETE", path_of("identities", msisdn, "one-time-numbers", number), NOTHING)


def voip_calls(msisdn: str | None = None, limit: int = 100) -> Call[VoipCalls]:
    """Return the call that reads the latest calls, of one number or of all that the token may see."""
    of = "" if msisdn is None else f"&msisdn={msisdn}"
    return Call("GET", f"{path_of('calls')}?limit={limit}{of}", _CALLS)


def send_text(sender: str, to: str, text: str) -> Call[TextAccepted]:
    """Return the call that sends a text from an identity to a number as dialled, or an alias."""
    return json_call("POST", path_of("messages"), _TEXT, {"sender": sender, "to": to, "text": text})


def waiting_texts(msisdn: str) -> Call[WaitingTexts]:
    """Return the call that reads what waits for devices of a number."""
    return Call("GET", path_of("identities", msisdn, "messages"), _WAITING)
