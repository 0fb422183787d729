"""Reads the InitialDP of a message, or finds one in a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.capture.cap_version import version_of_begin
from scp.capture.wire.messages import Message
from scp.services.idp import called_number, calling_digits, trigger_of
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.contexts import LATEST
from ss7.cap.lenient import read_argument
from ss7.cap.operations import Opcode
from ss7.errors import DecodeError
from ss7.rose import Invoke

if TYPE_CHECKING:
    from scp.capture.source import MessageSource
    from ss7.cap.types import InitialDPArg


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
    try:
        message = tcap.decode(octets)
    except DecodeError:
        return None
    first = message.components[0] if message.components else None
    if message.kind != tcap.BEGIN or not isinstance(first, Invoke) or first.opcode != Opcode.INITIAL_DP:
        return None
    version = version_of_begin(octets) or LATEST
    try:
        idp: InitialDPArg | None = FAST.decode_argument(Opcode.INITIAL_DP, first.parameter, version)
    except DecodeError:
        idp = read_argument(Opcode.INITIAL_DP, first.parameter, version).value
    return idp


def _fits(idp: InitialDPArg, a_number: str, b_number: str) -> bool:
    try:
        called = called_number(idp, trigger_of(idp))[0]
    except DecodeError:
        called = ""
    return a_number in calling_digits(idp) and b_number in called
