"""Whom a MAP dialogue is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scp.services.idp import address_e164
from ss7 import tcap
from ss7.errors import DecodeError
from ss7.map.codec import FAST
from ss7.map.contexts import BY_OCTETS
from ss7.map.operations import BY_OPCODE
from ss7.rose import Invoke
from ss7.tcap_dialogue import Aarq

if TYPE_CHECKING:
    from scp.domain.numbers import Numbering


def subject_of_begin(octets: bytes, numbering: Numbering) -> str:
    """Return the MSISDN that the first operation of a BEGIN names, E.164 digits; "" without one."""
    try:
        message = tcap.decode(octets)
    except DecodeError:
        return ""
    first = message.components[0] if message.components else None
    portion = message.dialogue
    context = BY_OCTETS.get(portion.context) if isinstance(portion, Aarq) else None
    if context is None or not isinstance(first, Invoke) or first.opcode not in BY_OPCODE:
        return ""
    try:
        argument = FAST.decode_argument(int(first.opcode), first.parameter, min(context.version, 3))
    except DecodeError:
        return ""
    number = _number(argument)
    return "" if number is None else address_e164(number, numbering)


def _number(argument: Any) -> bytes | None:
    """Return the address string of the subscriber in an argument."""
    for name in ("subscriber_identity", "sm_rp_oa"):
        choice = getattr(argument, name, None)
        if choice is not None and choice.name == "msisdn":
            return bytes(choice.value)
    number = getattr(argument, "msisdn", None)
    return number if isinstance(number, bytes) else None
