"""Reads the InitialDP or InitialDPSMS of a message, or finds an InitialDP in a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.capture.cap_version import version_of_begin
from scp.capture.wire.messages import Message
from scp.services.idp import called_number, calling_digits, trigger_of
from ss7 import tcap
from ss7.address import AddressString, CalledPartyBCDNumber, Imsi
from ss7.cap.codec import FAST
from ss7.cap.contexts import LATEST
from ss7.cap.lenient import read_argument
from ss7.cap.operations import Opcode
from ss7.errors import DecodeError
from ss7.rose import Invoke

if TYPE_CHECKING:
    from scp.capture.source import MessageSource
    from ss7.cap.sms import InitialDPSMSArg
    from ss7.cap.types import InitialDPArg

INITIAL_DP_SMS: Final = 60
MESSAGES_SINCE: Final = 3
"""CAP version that control of short messages began with."""


def find_initial_dp(
    capture: MessageSource, frame: int = 0, a_number: str = "", b_number: str = ""
) -> InitialDPArg | None:
    """Return the first InitialDP that fits; None if there is none.

    Args:
        capture: read until it is found.
        frame: number of its packet; 0: any.
        a_number: digits that its calling number contains.
        b_number: likewise, its called number.
    """
    for item in capture:
        if not isinstance(item, Message) or (frame and item.signal.frame != frame):
            continue
        idp = read_initial_dp(item.tcap) if item.tcap else None
        if idp is not None and _fits(idp, a_number.lstrip("+"), b_number.lstrip("+")):
            return idp
    return None


def read_initial_dp(octets: bytes) -> InitialDPArg | None:
    """Return the InitialDP of a TCAP message as far as it can be read; None if it can't, or there is none."""
    idp: InitialDPArg | None = _first_argument(octets, Opcode.INITIAL_DP)
    return idp


def read_initial_dp_sms(octets: bytes) -> InitialDPSMSArg | None:
    """Return the InitialDPSMS of a TCAP message, likewise."""
    idp: InitialDPSMSArg | None = _first_argument(octets, INITIAL_DP_SMS)
    return idp


def message_numbers(idp: InitialDPSMSArg) -> tuple[str, str, str]:
    """Return the digits of a message's sender, recipient and IMSI; "": not there, or it can't be read."""
    return (
        _digits(AddressString, idp.calling_party_number),
        _digits(CalledPartyBCDNumber, idp.destination_subscriber_number)
        or _digits(AddressString, idp.called_party_number),
        _digits(Imsi, idp.imsi),
    )


def _digits(kind: type[AddressString | CalledPartyBCDNumber | Imsi], octets: bytes | None) -> str:
    try:
        return "" if octets is None else kind.decode(octets).digits
    except DecodeError:
        return ""


def _first_argument(octets: bytes, opcode: int) -> Any:
    """Return the argument of the operation that a dialogue is opened with, None if it is another one."""
    try:
        message = tcap.decode(octets)
    except DecodeError:
        return None
    first = message.components[0] if message.components else None
    if message.kind != tcap.BEGIN or not isinstance(first, Invoke) or first.opcode != opcode:
        return None
    version = version_of_begin(octets)
    if opcode == INITIAL_DP_SMS and version < MESSAGES_SINCE:
        return None  # another protocol's operation 60: USSD of MAP
    try:
        return FAST.decode_argument(opcode, first.parameter, version or LATEST)
    except DecodeError:
        return read_argument(opcode, first.parameter, version or LATEST).value


def _fits(idp: InitialDPArg, a_number: str, b_number: str) -> bool:
    try:
        called = called_number(idp, trigger_of(idp))[0]
    except DecodeError:
        called = ""
    return a_number in calling_digits(idp) and b_number in called
