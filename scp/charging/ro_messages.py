"""The messages of Diameter's credit control as far as seconds of calls need them.

RFC 8506 is credit control (it succeeds RFC 4006 and changes nothing of this), TS 32.299 §6.4.2 the AVPs of a
3GPP online charging system, §7.2 what stands in Service-Information.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from scp.ports import Denied
from ss7.diameter import (
    PROXIABLE,
    REQUEST,
    Message,
    address_octets,
    decode_avps,
    encode_avp,
    encode_message,
    find,
    read_text,
    read_time,
    read_u32,
    time_octets,
    u32,
)
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ss7.diameter import Avp

CREDIT_CONTROL: Final = 4
"""The application (RFC 8506 §1.2), and Auth-Application-Id."""
RELAY: Final = 0xFFFF_FFFF
"""A relay's Auth-Application-Id: every application (RFC 6733 §2.4)."""
TGPP: Final = 10_415

SUCCESS: Final = 2001
LIMITED_SUCCESS: Final = 2002
UNSUPPORTED_COMMAND: Final = 3001
MOVE: Final = frozenset({3002, 3004, 3005})
"""UNABLE_TO_DELIVER, TOO_BUSY, LOOP_DETECTED: another server may be asked (RFC 6733 §7.1.3)."""
NOT_APPLICABLE: Final = 4011
"""DIAMETER_CREDIT_CONTROL_NOT_APPLICABLE: nothing of it is charged (RFC 8506 §9)."""
UNKNOWN_SESSION: Final = 5002
DENIALS: Final = {
    4010: Denied.SERVICE_DENIED,  # DIAMETER_END_USER_SERVICE_DENIED
    4012: Denied.INSUFFICIENT,  # DIAMETER_CREDIT_LIMIT_REACHED
    5003: Denied.SERVICE_DENIED,  # DIAMETER_AUTHORIZATION_REJECTED
    UNKNOWN_SESSION: Denied.CLOSED,
    5030: Denied.UNKNOWN_ACCOUNT,  # DIAMETER_USER_UNKNOWN
    5031: Denied.NO_TARIFF,  # DIAMETER_RATING_FAILED
}
"""Result-Code to why (RFC 8506 §9, RFC 6733 §7.1); any other is `Denied.SERVICE_DENIED`."""


class Command(IntEnum):
    """Commands."""

    CAPABILITIES = 257
    RE_AUTH = 258
    CREDIT_CONTROL = 272
    WATCHDOG = 280
    DISCONNECT = 282


class Code(IntEnum):
    """Codes of AVPs that the IETF has given."""

    EVENT_TIMESTAMP = 55
    HOST_IP_ADDRESS = 257
    AUTH_APPLICATION_ID = 258
    VENDOR_SPECIFIC_APPLICATION_ID = 260
    SESSION_ID = 263
    ORIGIN_HOST = 264
    SUPPORTED_VENDOR_ID = 265
    VENDOR_ID = 266
    RESULT_CODE = 268
    PRODUCT_NAME = 269
    DISCONNECT_CAUSE = 273
    ORIGIN_STATE_ID = 278
    ERROR_MESSAGE = 281
    DESTINATION_REALM = 283
    DESTINATION_HOST = 293
    TERMINATION_CAUSE = 295
    ORIGIN_REALM = 296
    CC_REQUEST_NUMBER = 415
    CC_REQUEST_TYPE = 416
    CC_SESSION_FAILOVER = 418
    CC_SERVICE_SPECIFIC_UNITS = 417
    CC_TIME = 420
    FAILURE_HANDLING = 427
    FINAL_UNIT_INDICATION = 430
    GRANTED_SERVICE_UNIT = 431
    RATING_GROUP = 432
    REQUESTED_SERVICE_UNIT = 437
    SERVICE_IDENTIFIER = 439
    SUBSCRIPTION_ID = 443
    SUBSCRIPTION_ID_DATA = 444
    USED_SERVICE_UNIT = 446
    VALIDITY_TIME = 448
    FINAL_UNIT_ACTION = 449
    SUBSCRIPTION_ID_TYPE = 450
    TARIFF_TIME_CHANGE = 451
    TARIFF_CHANGE_USAGE = 452
    MULTIPLE_SERVICES_INDICATOR = 455
    MULTIPLE_SERVICES = 456
    SERVICE_CONTEXT_ID = 461


class Tgpp(IntEnum):
    """Codes of AVPs that 3GPP has given (TS 32.299 §7.2)."""

    ROLE_OF_NODE = 829
    USER_SESSION_ID = 830
    CALLING_PARTY_ADDRESS = 831
    CALLED_PARTY_ADDRESS = 832
    NODE_FUNCTIONALITY = 862
    REPORTING_REASON = 872
    SERVICE_INFORMATION = 873
    IMS_INFORMATION = 876


class RequestType(IntEnum):
    """CC-Request-Type (RFC 8506 §8.3)."""

    INITIAL = 1
    UPDATE = 2
    TERMINATION = 3


class Reason(IntEnum):
    """Reporting-Reason (TS 32.299 §7.2.175)."""

    FINAL = 2
    QUOTA_EXHAUSTED = 3


class FailureHandling(IntEnum):
    """Credit-Control-Failure-Handling (RFC 8506 §8.14): what becomes of a call whose server is away."""

    TERMINATE = 0
    CONTINUE = 1
    RETRY_AND_TERMINATE = 2


BEFORE, AFTER = 0, 1
"""Tariff-Change-Usage (RFC 8506 §8.27); left out: the tariff has not changed."""
_AS: Final = 6
"""Node-Functionality of an application server (TS 32.299 §7.2.116)."""


class Identity(NamedTuple):
    """The identity of this node, and what it asks of a server.

    Attributes:
        host: our Origin-Host.
        realm: our Origin-Realm.
        destination_realm: the servers'.
        context: Service-Context-Id, as agreed with their operator.
        rating_group: of these calls.
        message_group: of short messages.
        service: Service-Identifier; None: none is sent.
        state: our Origin-State-Id: it grows with each start (RFC 6733 §8.16).
    """

    host: str
    realm: str
    destination_realm: str
    context: str
    rating_group: int
    message_group: int
    service: int | None
    state: int


class Party(NamedTuple):
    """Who pays, and who calls whom; all E.164 without +."""

    account: str
    calling: str
    called: str
    call_id: str


class Used(NamedTuple):
    """Seconds that were used; ``change`` is `BEFORE` or `AFTER`, None: the tariff did not change."""

    seconds: int
    change: int | None = None


class Request(NamedTuple):
    """One Credit-Control-Request.

    Attributes:
        session: Session-Id.
        type: its CC-Request-Type.
        number: its CC-Request-Number.
        party: whose call it is.
        messages: what is counted is short messages, not seconds.
        asked: seconds that are wanted; None: none.
        used: since the request before.
        reason: why ``used`` is told.
        at: seconds since 1970.
    """

    session: str
    type: RequestType
    number: int
    party: Party
    messages: bool
    asked: int | None
    used: tuple[Used, ...]
    reason: Reason | None
    at: int


class Unit(NamedTuple):
    """Multiple-Services-Credit-Control of an answer: what is granted of one rating group.

    Attributes:
        group: its Rating-Group; None: it has none.
        result: its Result-Code; None: the answer's counts.
        seconds: CC-Time that is granted, or CC-Service-Specific-Units: messages.
        tariff_change: when the tariff changes, in seconds since 1970.
        validity: seconds that it may wait.
        final: its Final-Unit-Action; None: it is not the last.
    """

    group: int | None
    result: int | None
    seconds: int | None
    tariff_change: int | None
    validity: int | None
    final: int | None


class Answer(NamedTuple):
    """A Credit-Control-Answer.

    Attributes:
        result: its Result-Code.
        text: its Error-Message.
        host: its Origin-Host.
        type: its CC-Request-Type; None: it has none, as an error of a relay.
        moves: its CC-Session-Failover: another server may be asked.
        handling: its Credit-Control-Failure-Handling.
        units: what it says of each rating group.
    """

    result: int
    text: str
    host: str
    type: int | None
    moves: bool | None
    handling: int | None
    units: tuple[Unit, ...]


def text(code: int, value: str, vendor: int = 0) -> bytes:
    """Return an AVP with a text."""
    return encode_avp(code, value.encode(), vendor)


def number(code: int, value: int, vendor: int = 0) -> bytes:
    """Return an AVP with an Unsigned32 or an Enumerated."""
    return encode_avp(code, u32(value), vendor)


def group(code: int, *parts: bytes, vendor: int = 0) -> bytes:
    """Return a grouped AVP."""
    return encode_avp(code, b"".join(parts), vendor)


def origin(identity: Identity) -> bytes:
    """Return Origin-Host and Origin-Realm."""
    return text(Code.ORIGIN_HOST, identity.host) + text(Code.ORIGIN_REALM, identity.realm)


def capabilities(identity: Identity, hop: int, end: int, addresses: Iterable[str]) -> bytes:
    """Return Capabilities-Exchange-Request (RFC 6733 §5.3.1): credit control, as 3GPP has it."""
    avps = origin(identity) + b"".join(
        encode_avp(Code.HOST_IP_ADDRESS, address_octets(each)) for each in addresses
    )
    avps += number(Code.VENDOR_ID, 0)
    avps += encode_avp(Code.PRODUCT_NAME, b"camel-scp", mandatory=False)
    avps += number(Code.ORIGIN_STATE_ID, identity.state)
    avps += number(Code.SUPPORTED_VENDOR_ID, TGPP)
    avps += number(Code.AUTH_APPLICATION_ID, CREDIT_CONTROL)
    return encode_message(REQUEST, Command.CAPABILITIES, 0, hop, end, avps)


def watchdog(identity: Identity, hop: int, end: int) -> bytes:
    """Return Device-Watchdog-Request (RFC 6733 §5.5.1)."""
    avps = origin(identity) + number(Code.ORIGIN_STATE_ID, identity.state)
    return encode_message(REQUEST, Command.WATCHDOG, 0, hop, end, avps)


def disconnect(identity: Identity, hop: int, end: int) -> bytes:
    """Return Disconnect-Peer-Request: we are going (RFC 6733 §5.4.1, REBOOTING: we come back)."""
    avps = origin(identity) + number(Code.DISCONNECT_CAUSE, 0)
    return encode_message(REQUEST, Command.DISCONNECT, 0, hop, end, avps)


def answer_to(request: Message, identity: Identity, result: int, flags: int = 0) -> bytes:
    """Return an answer that has a Result-Code and says who gives it."""
    session = find(request.avps, Code.SESSION_ID)
    avps = b"" if session is None else encode_avp(Code.SESSION_ID, session.data)
    avps += number(Code.RESULT_CODE, result) + origin(identity)
    if request.command == Command.WATCHDOG:
        avps += number(Code.ORIGIN_STATE_ID, identity.state)
    return encode_message(
        request.flags & PROXIABLE | flags,
        request.command,
        request.application,
        request.hop_by_hop,
        request.end_to_end,
        avps,
    )


def credit_control(request: Request, identity: Identity, destination: str) -> bytes:
    """Return the AVPs of a Credit-Control-Request (TS 32.299 §6.4.2); ``destination`` "": any server's."""
    avps = text(Code.SESSION_ID, request.session) + origin(identity)
    avps += text(Code.DESTINATION_REALM, identity.destination_realm)
    avps += number(Code.AUTH_APPLICATION_ID, CREDIT_CONTROL)
    avps += text(Code.SERVICE_CONTEXT_ID, identity.context)
    avps += number(Code.CC_REQUEST_TYPE, request.type) + number(Code.CC_REQUEST_NUMBER, request.number)
    if destination:
        avps += text(Code.DESTINATION_HOST, destination)
    avps += number(Code.ORIGIN_STATE_ID, identity.state)
    avps += encode_avp(Code.EVENT_TIMESTAMP, time_octets(request.at))
    avps += group(
        Code.SUBSCRIPTION_ID,
        number(Code.SUBSCRIPTION_ID_TYPE, 0),  # END_USER_E164
        text(Code.SUBSCRIPTION_ID_DATA, request.party.account),
    )
    if request.type is RequestType.TERMINATION:
        avps += number(Code.TERMINATION_CAUSE, 1)  # DIAMETER_LOGOUT
    elif request.type is RequestType.INITIAL:
        avps += number(Code.MULTIPLE_SERVICES_INDICATOR, 1)
    return avps + _multiple_services(request, identity) + _service_information(request)


def _multiple_services(request: Request, identity: Identity) -> bytes:
    """Reporting-Reason is the quota's own where it ran out, else the whole service's (TS 32.299 §7.2.175)."""
    parts = []
    if request.asked is not None:
        parts.append(group(Code.REQUESTED_SERVICE_UNIT, _units(request.asked, messages=request.messages)))
    exhausted = (
        number(Tgpp.REPORTING_REASON, Reason.QUOTA_EXHAUSTED, TGPP)
        if request.reason is Reason.QUOTA_EXHAUSTED
        else b""
    )
    for used in request.used:
        change = b"" if used.change is None else number(Code.TARIFF_CHANGE_USAGE, used.change)
        parts.append(
            group(Code.USED_SERVICE_UNIT, change, _units(used.seconds, messages=request.messages), exhausted)
        )
    if identity.service is not None:
        parts.append(number(Code.SERVICE_IDENTIFIER, identity.service))
    parts.append(
        number(Code.RATING_GROUP, identity.message_group if request.messages else identity.rating_group)
    )
    if request.reason is Reason.FINAL:
        parts.append(number(Tgpp.REPORTING_REASON, Reason.FINAL, TGPP))
    return group(Code.MULTIPLE_SERVICES, *parts)


def _units(amount: int, *, messages: bool) -> bytes:
    """Return CC-Time, or CC-Service-Specific-Units, an Unsigned64 (RFC 8506 §8.26)."""
    if messages:
        return encode_avp(Code.CC_SERVICE_SPECIFIC_UNITS, amount.to_bytes(8, "big"))
    return number(Code.CC_TIME, amount)


def _service_information(request: Request) -> bytes:
    party = request.party
    ims = group(
        Tgpp.IMS_INFORMATION,
        number(Tgpp.ROLE_OF_NODE, 0 if party.account == party.calling else 1, TGPP),
        number(Tgpp.NODE_FUNCTIONALITY, _AS, TGPP),
        text(Tgpp.USER_SESSION_ID, party.call_id, TGPP),
        text(Tgpp.CALLING_PARTY_ADDRESS, f"tel:+{party.calling}", TGPP),
        text(Tgpp.CALLED_PARTY_ADDRESS, f"tel:+{party.called}", TGPP),
        vendor=TGPP,
    )
    return group(Tgpp.SERVICE_INFORMATION, ims, vendor=TGPP)


def credit_control_request(avps: bytes, hop: int, end: int, flags: int = 0) -> bytes:
    """Return Credit-Control-Request with these AVPs; ``flags`` beside those that it always has."""
    return encode_message(REQUEST | PROXIABLE | flags, Command.CREDIT_CONTROL, CREDIT_CONTROL, hop, end, avps)


def optional(avps: Sequence[Avp], code: int) -> int | None:
    """Return the value of an Unsigned32, None if it is not there."""
    found = find(avps, code)
    return None if found is None else read_u32(found)


def string(avps: Sequence[Avp], code: int) -> str:
    """Return the text of an AVP, "" if it is not there."""
    found = find(avps, code)
    return "" if found is None else read_text(found)


def read_answer(message: Message) -> Answer:
    """Return what a Credit-Control-Answer says; raises `ss7.errors.DecodeError`."""
    avps = message.avps
    moves = optional(avps, Code.CC_SESSION_FAILOVER)
    return Answer(
        optional(avps, Code.RESULT_CODE) or 0,
        string(avps, Code.ERROR_MESSAGE),
        string(avps, Code.ORIGIN_HOST),
        optional(avps, Code.CC_REQUEST_TYPE),
        None if moves is None else moves == 1,
        optional(avps, Code.FAILURE_HANDLING),
        tuple(_unit(decode_avps(avp.data)) for avp in avps if avp.code == Code.MULTIPLE_SERVICES),
    )


def _unit(avps: Sequence[Avp]) -> Unit:
    granted = find(avps, Code.GRANTED_SERVICE_UNIT)
    inside = () if granted is None else decode_avps(granted.data)
    change = find(inside, Code.TARIFF_TIME_CHANGE)
    final = find(avps, Code.FINAL_UNIT_INDICATION)
    action = None if final is None else optional(decode_avps(final.data), Code.FINAL_UNIT_ACTION)
    return Unit(
        optional(avps, Code.RATING_GROUP),
        optional(avps, Code.RESULT_CODE),
        _amount(inside),
        None if change is None else read_time(change),
        optional(avps, Code.VALIDITY_TIME),
        action if final is None or action is not None else 0,
    )


def _amount(granted: Sequence[Avp]) -> int | None:
    messages = find(granted, Code.CC_SERVICE_SPECIFIC_UNITS)
    if messages is None:
        return optional(granted, Code.CC_TIME)
    if len(messages.data) != 8:
        raise DecodeError(f"an Unsigned64 of {len(messages.data)} octets", messages.offset, "RFC 6733 §4.2")
    return int.from_bytes(messages.data, "big")


def unit_of(answer: Answer, rating_group: int) -> Unit | None:
    """Return what an answer says of a rating group, None if it says nothing."""
    for unit in answer.units:
        if unit.group == rating_group or unit.group is None:
            return unit
    return None


def denial(result: int) -> Denied | None:
    """Return why a Result-Code grants nothing, None if it does."""
    if result in (SUCCESS, LIMITED_SUCCESS):
        return None
    return DENIALS.get(result, Denied.SERVICE_DENIED)
