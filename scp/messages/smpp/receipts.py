"""What a deliver_sm says: a delivery receipt, or a message, perhaps a part of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from scp.domain.message import State
from scp.message_ports import Receipt
from scp.messages.smpp.pdu import HEADER, RECEIPT, UDHI, Tag, Text
from ss7.errors import DecodeError
from ss7.sms.parts import (
    DEFAULT,
    Coding,
    Concatenation,
    Languages,
    characters,
    languages_of,
    without_header,
)

if TYPE_CHECKING:
    from scp.messages.smpp.pdu import Pdu

_TYPE: Final = 0x3C  # of esm_class: bits 5 to 2 (§5.2.12)

# message_state (§5.2.28), and stat in a receipt's text (appendix B); None: it goes on.
_BY_NUMBER: Final = {
    1: None,
    2: State.DELIVERED,
    3: State.EXPIRED,
    4: State.FAILED,
    5: State.FAILED,
    6: None,
    7: State.UNKNOWN,
    8: State.FAILED,
}
_NUMBERS: Final = {
    "ENROUTE": 1,
    **dict.fromkeys(("DELIVRD", "DELIVERED"), 2),
    "EXPIRED": 3,
    "DELETED": 4,
    **dict.fromkeys(("UNDELIV", "UNDELIVERED", "UNDELIVERABLE"), 5),
    **dict.fromkeys(("ACCEPTD", "ACCEPTED"), 6),
    "UNKNOWN": 7,
    **dict.fromkeys(("REJECTD", "REJECTED"), 8),
}
"""Some SMSCs write the states out, as §5.2.28 has them, where appendix B has seven letters."""
_REASONS: Final = {3: "expired", 4: "deleted", 5: "undeliverable", 7: "unknown", 8: "rejected"}
_ID: Final = re.compile(r"\bid:\s*([!-~]{1,64})", re.IGNORECASE)
_STAT: Final = re.compile(r"\bstat:\s*([A-Z]{1,16})", re.IGNORECASE)
_ERROR: Final = re.compile(r"\berr:\s*([0-9A-Za-z]{1,8})", re.IGNORECASE)


_UCS2: Final = 8  # data_coding (§5.2.19)
_OWN_OCTETS: Final = 2  # user_message_reference (§5.3.2.17)
ANY: Final = "any"
_DECIMAL: Final = re.compile(r"[0-9]{1,19}\Z", re.ASCII).match
_HEX: Final = re.compile(r"[0-9A-Fa-f]{1,16}\Z", re.ASCII).match


class Incoming(NamedTuple):
    """A message, or a part of one, that came in."""

    sender: str
    recipient: str
    text: str
    part: Concatenation | None
    coding: Coding
    languages: Languages
    octets: bytes


def is_receipt(pdu: Pdu, text: Text) -> bool:
    """Whether a deliver_sm is a receipt, of whatever kind: some SMSCs say it by optional parameters only."""
    return text.esm_class & _TYPE != 0 or (
        pdu.tlv(Tag.RECEIPTED_MESSAGE_ID) is not None and pdu.tlv(Tag.MESSAGE_STATE) is not None
    )


def receipt_of(pdu: Pdu, text: Text, ids: str = ANY) -> Receipt | None:
    """Return a delivery receipt; None if it settles nothing: an intermediate one, an acknowledgement by hand.

    Optional parameters count before the text, whose form every SMSC has its own idea of (appendix B).

    Args:
        pdu: for its optional parameters.
        text: its fields.
        ids: how receipts write message ids: as the answer to submit_sm did ("same"), in "decimal" where that
            was hexadecimal, in "hex" where it was decimal; "any": whichever is known.

    Raises:
        DecodeError: it does not say of which message it is, or what became of that.
    """
    if text.esm_class & _TYPE not in (0, RECEIPT):
        return None
    octets = pdu.tlv(Tag.MESSAGE_PAYLOAD) or text.short_message
    words = octets.decode("utf-16-be" if text.data_coding == _UCS2 else "latin-1", "replace")
    given = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID)
    found = _ID.search(words)
    reference = given.rstrip(b"\0").decode("latin-1") if given else found[1] if found else ""
    number_tlv = pdu.tlv(Tag.MESSAGE_STATE)
    stat = _STAT.search(words)
    number = number_tlv[0] if number_tlv else _NUMBERS.get(stat[1].upper(), 0) if stat else 0
    own = pdu.tlv(Tag.USER_MESSAGE_REFERENCE)
    own_reference = int.from_bytes(own, "big") if own and len(own) == _OWN_OCTETS else -1
    if number not in _BY_NUMBER or (not reference and own_reference < 0):
        missing = "state" if number not in _BY_NUMBER else "id"
        raise DecodeError(f"a receipt without a known {missing}", HEADER, "SMPP 3.4 appendix B")
    state = _BY_NUMBER[number]
    if state is None:
        return None
    spellings = other_spellings(reference, ids)
    if spellings and ids != ANY:
        reference, *rest = spellings
        spellings = tuple(rest)
    reason = _reason(pdu, number, words)
    return Receipt(reference, own_reference, text.source.lstrip("+"), state, reason, spellings)


def other_spellings(reference: str, ids: str) -> tuple[str, ...]:
    """Return how the answer to submit_sm may have written an id that a receipt writes so.

    Many SMSCs count messages by a number, answer with it in hexadecimal, and put it in decimal into the text
    of the receipt, whose id field has ten digits (appendix B); others do the reverse. Zeros may lead either.
    """
    found: list[str] = []
    if ids in (ANY, "decimal") and _DECIMAL(reference):
        number = int(reference)
        found += [f"{number:{form}}" for form in ("X", "x", "08X", "08x")]
    if ids in (ANY, "hex") and _HEX(reference):
        number = int(reference, 16)
        found += [f"{number:{form}}" for form in ("d", "010d")]
    if ids == ANY:
        found += [reference.lstrip("0"), reference.lower(), reference.upper()]
    return tuple(dict.fromkeys(each for each in found if each and each != reference))


def _reason(pdu: Pdu, number: int, words: str) -> str:
    if number not in _REASONS:
        return ""
    network = pdu.tlv(Tag.NETWORK_ERROR_CODE)  # §5.3.2.31: which network's, and its code
    if network and len(network) == 3:
        return f"{_REASONS[number]}, network error {int.from_bytes(network[1:], 'big')}"
    error = _ERROR.search(words)
    return f"{_REASONS[number]}, error {error[1]}" if error and error[1].strip("0") else _REASONS[number]


def incoming_of(pdu: Pdu, text: Text, default: Coding) -> Incoming:
    """Return what a deliver_sm brings that is no receipt.

    Args:
        pdu: for its optional parameters.
        text: its fields.
        default: what data_coding 0, the SMSC's default alphabet, means there.

    Raises:
        DecodeError: its header or its text can't be read.
    """
    octets = pdu.tlv(Tag.MESSAGE_PAYLOAD) or text.short_message
    part: Concatenation | None = None
    languages = DEFAULT
    if text.esm_class & UDHI:
        header_and_text = octets
        part, octets = without_header(header_and_text)
        languages = languages_of(header_and_text)
    total, number = pdu.tlv(Tag.SAR_TOTAL_SEGMENTS), pdu.tlv(Tag.SAR_SEGMENT_SEQNUM)
    if part is None and total and number and 1 <= number[0] <= total[0]:
        reference = int.from_bytes(pdu.tlv(Tag.SAR_MSG_REF_NUM) or b"", "big")
        part = Concatenation(reference, total[0], number[0])
    coding = _coding(text.data_coding, default)
    said = characters(coding, octets, languages)
    sender, recipient = text.source.lstrip("+"), text.destination.lstrip("+")
    return Incoming(sender, recipient, said, part, coding, languages, octets)


def _coding(data_coding: int, default: Coding) -> Coding:
    """Return what data_coding says (§5.2.19; above 0xBF as TS 23.038 §4 has it)."""
    if data_coding == 8 or data_coding & 0xFC == 0x18 or data_coding & 0xF0 == 0xE0:
        return Coding.UCS2
    if data_coding in {1, 3, 4}:  # ASCII, Latin 1, 8 bit data
        return Coding.LATIN1
    return default
