"""PDUs of SMPP as an anonymised capture has them: numbers replaced, texts, names and passwords masked.

Message ids, times and states stay, so that receipts are still those of their messages. Optional parameters
that are not known here are dropped; a PDU whose body is not read is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from scp.capture.disguise import NotUnderstoodError
from scp.messages.smpp.pdu import RECEIPT, RESPONSE, UDHI, Bind, Command, Name, Octets, Tag, Text

if TYPE_CHECKING:
    from scp.capture.disguise import Disguise
    from scp.messages.smpp.pdu import Pdu

_ALPHANUMERIC: Final = 5  # TON (§5.2.5)
_KEPT: Final = frozenset(int(tag) for tag in Tag if tag is not Tag.MESSAGE_PAYLOAD)
_RECEIPT: Final = re.compile(
    rb"id:[!-~]{1,64} sub:\d{3} dlvrd:\d{3} submit date:\d{10,12} done date:\d{10,12} "
    rb"stat:[A-Z]{7} err:\w{3} text:",
    re.IGNORECASE,
)
"""What a receipt says ahead of the message's own text (appendix B)."""


def disguised(pdu: Pdu, disguise: Disguise) -> Pdu:
    """Return what stands for a PDU.

    Raises:
        NotUnderstoodError: its body is not read.
    """
    body = pdu.body
    if isinstance(body, Octets):
        if body.octets:
            raise NotUnderstoodError("a PDU of SMPP whose body is not read")
    elif isinstance(body, Bind):
        body = body._replace(
            system_id=_x(body.system_id),
            password=_x(body.password),
            system_type=_x(body.system_type),
            address_range=_x(body.address_range),
        )
    elif isinstance(body, Text):
        body = _text(body, disguise)
    elif isinstance(body, Name) and pdu.command & ~RESPONSE not in {Command.SUBMIT_SM, Command.DELIVER_SM}:
        body = Name(_x(body.text))
    esm_class = pdu.body.esm_class if isinstance(pdu.body, Text) else 0
    tlvs = [
        (tag, value if tag in _KEPT else masked(value, esm_class))
        for tag, value in pdu.tlvs
        if tag in _KEPT or tag == Tag.MESSAGE_PAYLOAD
    ]
    return pdu._replace(body=body, tlvs=tuple(tlvs))


def masked(octets: bytes, esm_class: int) -> bytes:
    """Return zeros for what a message says; its user data header and the head of a receipt stay.

    Of a header there stays what tells the parts (TS 23.040 §9.2.3.24.1, .8).
    """
    kept = 0
    if esm_class & UDHI and octets:
        if octets[:3] not in _PARTS or len(octets) <= octets[0]:
            raise NotUnderstoodError("a message with another header than that of a part")
        kept = octets[0] + 1
    elif esm_class & RECEIPT:
        found = _RECEIPT.match(octets)
        kept = found.end() if found else 0
    return octets[:kept] + bytes(len(octets) - kept)


_PARTS: Final = (b"\x05\x00\x03", b"\x06\x08\x04")
"""How a header begins that has nothing but the number of a part, with a reference of 8 or 16 bits."""


def _text(text: Text, disguise: Disguise) -> Text:
    return text._replace(
        source=_address(text.source_ton, text.source, disguise),
        destination=_address(text.destination_ton, text.destination, disguise),
        short_message=masked(text.short_message, text.esm_class),
    )


def _address(ton: int, address: str, disguise: Disguise) -> str:
    plain = ton != _ALPHANUMERIC and re.fullmatch(r"\+?[0-9*#]*", address) is not None
    return disguise.number(address) if plain else _x(address)


def _x(name: str) -> str:
    return "x" * len(name)
