"""Calls on subscribers, dry runs, and the node's health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from scp.client.call import NOTHING, Call, FieldError, Reader, json_call, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

When: TypeAlias = Literal["always", "roaming", "locations"]
Trigger: TypeAlias = Literal["originating", "terminating", "forwarded"]


# --- answers ---


class Authorization(Struct, frozen=True):
    """The operator lets this number use the service."""

    msisdn: str
    imsi: str | None = None


class Registration(Struct, frozen=True):
    """The VoIP service has registered this number."""

    msisdn: str
    aor: str
    forwarding_number: str | None = None


class Forwarding(Struct, frozen=True):
    """Whether a number's calls are forwarded, and under which condition."""

    msisdn: str
    enabled: bool
    when: When = "always"
    locations: tuple[str, ...] = ()
    rescue: bool | None = None
    rescue_number: str | None = None


class Roaming(Struct, frozen=True):
    """Where a subscriber is."""

    msisdn: str
    roaming: bool | None = None
    vlr: str | None = None


class Subscriber(Struct, frozen=True):
    """The whole record of a number."""

    msisdn: str
    authorized: bool
    imsi: str | None
    registered: bool
    aor: str | None
    forwarding_number: str | None
    forwarding: bool
    when: When
    locations: tuple[str, ...]
    roaming: bool | None
    vlr: str | None
    version: int
    rescue: bool | None = None
    rescue_number: str | None = None


class Condition(Struct, frozen=True):
    """One condition of a decision: its name, what it looked at, "yes" or why it does not hold."""

    condition: str
    value: str
    outcome: str


class Decision(Struct, frozen=True):
    """What would happen to a call, and why."""

    action: Literal["connect", "continue", "release", "error"]
    number: str | None
    nature: str | None
    reason: str
    explanation: str
    path: tuple[Condition, ...]


class LineResult(Struct, frozen=True):
    """What came of one line of an import."""

    line: int
    result: Literal["stored", "refused", "failed"]
    msisdn: str = ""
    errors: tuple[FieldError, ...] = ()


class Imported(Struct, frozen=True):
    """What came of an import; ``lines`` are those that were not stored."""

    stored: int
    refused: int
    failed: int
    lines: tuple[LineResult, ...] = ()


class Readiness(Struct, frozen=True):
    """Whether the node takes calls, and why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


class _ImportReader(Reader[Imported]):
    def __init__(self) -> None:
        super().__init__(Imported)

    def __call__(self, body: bytes) -> Imported:
        *lines, last = body.splitlines()
        summary = super().__call__(last)
        results = (_line_result(line) for line in lines)
        return msgspec.structs.replace(summary, lines=tuple(one for one in results if one.result != "stored"))


_line_result: Final = msgspec.json.Decoder(LineResult).decode
_encode: Final = msgspec.json.Encoder().encode
_AUTHORIZATION: Final = Reader(Authorization)
_REGISTRATION: Final = Reader(Registration)
_FORWARDING: Final = Reader(Forwarding)
_ROAMING: Final = Reader(Roaming)
_SUBSCRIBER: Final = Reader(Subscriber)
_DECISION: Final = Reader(Decision)
_READINESS: Final = Reader(Readiness)
_IMPORTED: Final = _ImportReader()


# --- calls ---


def authorization(msisdn: str) -> Call[Authorization]:
    """Return the call that reads a number's authorization."""
    return Call("GET", path_of("authorizations", msisdn), _AUTHORIZATION)


def authorize(msisdn: str, imsi: str | None = None) -> Call[Authorization]:
    """Return the call that lets a number use the service."""
    return json_call("PUT", path_of("authorizations", msisdn), _AUTHORIZATION, {"imsi": imsi})


def withdraw(msisdn: str) -> Call[None]:
    """Return the call that ends a number's authorization, registration and forwarding."""
    return Call("DELETE", path_of("authorizations", msisdn), NOTHING)


def registration(msisdn: str) -> Call[Registration]:
    """Return the call that reads a number's registration."""
    return Call("GET", path_of("registrations", msisdn), _REGISTRATION)


def register(msisdn: str, aor: str, forwarding_number: str | None = None) -> Call[Registration]:
    """Return the call that registers a number, which has to be authorized."""
    body = {"aor": aor, "forwarding_number": forwarding_number}
    return json_call("PUT", path_of("registrations", msisdn), _REGISTRATION, body)


def deregister(msisdn: str) -> Call[None]:
    """Return the call that ends a number's registration and forwarding."""
    return Call("DELETE", path_of("registrations", msisdn), NOTHING)


def forwarding(msisdn: str) -> Call[Forwarding]:
    """Return the call that reads whether a number is forwarded."""
    return Call("GET", path_of("forwarding", msisdn), _FORWARDING)


def set_forwarding(
    msisdn: str,
    *,
    enabled: bool,
    when: When = "always",
    locations: Sequence[str] = (),
    rescue: bool | None = None,
    rescue_number: str | None = None,
) -> Call[Forwarding]:
    """Return the call that switches forwarding, and says whether and where to calls are rescued."""
    body = {
        "enabled": enabled,
        "when": when,
        "locations": list(locations),
        "rescue": rescue,
        "rescue_number": rescue_number,
    }
    return json_call("PUT", path_of("forwarding", msisdn), _FORWARDING, body)


def roaming(msisdn: str) -> Call[Roaming]:
    """Return the call that reads where a subscriber is."""
    return Call("GET", path_of("roaming", msisdn), _ROAMING)


def set_roaming(msisdn: str, roaming: bool, vlr: str | None = None) -> Call[Roaming]:
    """Return the call that says where a subscriber is."""
    return json_call("PUT", path_of("roaming", msisdn), _ROAMING, {"roaming": roaming, "vlr": vlr})


def forget_roaming(msisdn: str) -> Call[None]:
    """Return the call that removes the reported place of a subscriber."""
    return Call("DELETE", path_of("roaming", msisdn), NOTHING)


def subscriber(msisdn: str) -> Call[Subscriber]:
    """Return the call that reads all of a number."""
    return Call("GET", path_of("subscribers", msisdn), _SUBSCRIBER)


def import_subscribers(records: Iterable[Mapping[str, Any]]) -> Call[Imported]:
    """Return the call that loads records; each has ``msisdn`` and any of the fields of `Subscriber`."""
    body = b"".join(_encode(record) + b"\n" for record in records)
    headers = (("Content-Type", "application/x-ndjson"),)
    return Call("POST", "/v1/subscribers:import?results=refused", _IMPORTED, body, headers)


def decide(
    b_number: str,
    *,
    a_number: str | None = None,
    trigger: Trigger = "originating",
    vlr: str | None = None,
    redirecting_number: str | None = None,
    redirections: int = 0,
    service_key: int | None = None,
    ask_hlr: bool = False,
) -> Call[Decision]:
    """Return the call that asks what would happen to a call.

    ``redirecting_number`` diverted it last, ``redirections`` is how often it was diverted. With ``ask_hlr``
    the node asks the HLR where the subscriber is, if it would for a call.
    """
    body = {
        "b_number": b_number,
        "a_number": a_number,
        "trigger": trigger,
        "vlr": vlr,
        "redirecting_number": redirecting_number,
        "redirections": redirections,
        "service_key": service_key,
        "ask_hlr": ask_hlr,
    }
    return json_call("POST", "/v1/decisions", _DECISION, body)


def readiness() -> Call[Readiness]:
    """Return the call that asks whether the node takes calls."""
    return Call("GET", "/readyz", _READINESS, also=(503,))


class Pass(Struct, frozen=True):
    """A pass: the next call from this caller (None: any) goes on unsteered, until then."""

    id: str
    caller: str | None
    expires_ms: int


class Passes(Struct, frozen=True):
    """The passes of a number."""

    passes: tuple[Pass, ...]


_PASS: Final = Reader(Pass)
_PASSES: Final = Reader(Passes)


def grant_pass(msisdn: str, pass_id: str, *, caller: str | None = None, seconds: int = 30) -> Call[Pass]:
    """Return the call that lets the next call to a number go on unsteered.

    Args:
        msisdn: the called number.
        pass_id: the grantor's own id of it; sent again, it is the same pass.
        caller: whose call, E.164 digits; None: whoever calls.
        seconds: how long, 1 to 600.
    """
    return json_call("PUT", path_of("passes", msisdn, pass_id), _PASS, {"caller": caller, "seconds": seconds})


def passes(msisdn: str) -> Call[Passes]:
    """Return the call that reads the passes of a number."""
    return Call("GET", path_of("passes", msisdn), _PASSES)


class OneTimeNumber(Struct, frozen=True):
    """A number that stands for the next call of this caller, until then."""

    number: str
    caller: str
    expires_ms: int


_ONE_TIME: Final = Reader(OneTimeNumber)


def set_one_time_number(number: str, caller: str, *, seconds: int = 30) -> Call[OneTimeNumber]:
    """Return the call that lets the next call to a number, which is no subscriber's, pass uncharged.

    Args:
        number: E.164 digits.
        caller: whose call, E.164 digits.
        seconds: how long, 1 to 600.
    """
    body = {"caller": caller, "seconds": seconds}
    return json_call("PUT", path_of("one-time-numbers", number), _ONE_TIME, body)


def one_time_number(number: str) -> Call[OneTimeNumber]:
    """Return the call that reads whose call a number stands for; a 404 says nobody's."""
    return Call("GET", path_of("one-time-numbers", number), _ONE_TIME)


def end_one_time_number(number: str) -> Call[None]:
    """Return the call by which a number stands for no call any more."""
    return Call("DELETE", path_of("one-time-numbers", number), NOTHING)


def withdraw_pass(msisdn: str, pass_id: str) -> Call[None]:
    """Return the call that withdraws a pass."""
    return Call("DELETE", path_of("passes", msisdn, pass_id), NOTHING)
