"""Whom a MAP dialogue is about: an MSISDN, or the IMSI that an HLR has given for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.services.idp import address_e164
from ss7 import tcap
from ss7.errors import DecodeError
from ss7.map.codec import FAST
from ss7.map.contexts import BY_NUMBER, BY_OCTETS, SHORT_MSG_MO_RELAY
from ss7.map.operations import BY_OPCODE, Opcode
from ss7.rose import Invoke, ReturnResult
from ss7.tcap_dialogue import Aarq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scp.domain.numbers import Numbering


_RESULTS: Final = (3, 2)  # versions of a result that differ; v1's is v2's
_NO_PORTION: Final = Aarq(BY_NUMBER[SHORT_MSG_MO_RELAY, 1].octets)


def subject_of_begin(octets: bytes, numbering: Numbering, imsis: Mapping[bytes, str]) -> str:
    """Return the MSISDN that the first operation of a BEGIN names, E.164 digits; "" without one.

    Args:
        octets: of TCAP.
        numbering: how numbers become E.164.
        imsis: the MSISDNs of IMSIs, which a message's delivery names.
    """
    try:
        message = tcap.decode(octets)
    except DecodeError:
        return ""
    first = message.components[0] if message.components else None
    portion = message.dialogue or _NO_PORTION  # MAP v1 has none
    context = BY_OCTETS.get(portion.context) if isinstance(portion, Aarq) else None
    if context is None or not isinstance(first, Invoke) or first.opcode not in BY_OPCODE:
        return ""
    try:
        argument = FAST.decode_argument(int(first.opcode), first.parameter, min(context.version, 3))
    except DecodeError:
        return ""
    number = _number(argument)
    if number is not None:
        return address_e164(number, numbering)
    to = getattr(argument, "sm_rp_da", None)
    return imsis.get(bytes(to.value), "") if to is not None and to.name == "imsi" else ""


def imsi_told(octets: bytes) -> bytes:
    """Return the packed IMSI that a result of sendRoutingInfoForSM has, b"" if it is another message."""
    try:
        message = tcap.decode(octets)
    except DecodeError:
        return b""
    for each in message.components:
        if isinstance(each, ReturnResult) and each.opcode == Opcode.SEND_ROUTING_INFO_FOR_SM:
            for version in _RESULTS:
                try:
                    return bytes(FAST.decode_result(each.opcode, each.parameter, version).imsi)
                except DecodeError:
                    continue
    return b""


def _number(argument: Any) -> bytes | None:
    """Return the address string of the subscriber in an argument."""
    for name in ("subscriber_identity", "sm_rp_oa"):
        choice = getattr(argument, name, None)
        if choice is not None and choice.name == "msisdn":
            return bytes(choice.value)
    number = getattr(argument, "msisdn", None)
    return number if isinstance(number, bytes) else None
