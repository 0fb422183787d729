"""PDUs of SMPP as JSON: names of SMPP 3.4, what a message says and passwords masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.messages.smpp.pdu import RESPONSE, UDHI, Bind, Command, Name, Octets, Status, Tag, Text
from scp.messages.smpp.receipts import is_receipt, receipt_of
from ss7.errors import DecodeError
from ss7.sms.parts import without_header

if TYPE_CHECKING:
    from scp.messages.smpp.pdu import Pdu

_COMMANDS: Final = {int(command): command.name.lower() for command in Command}
_STATUSES: Final = {int(status): f"ESME_{status.name}" for status in Status}
_TAGS: Final = {int(tag): tag.name.lower() for tag in Tag}
_TYPES: Final = ("unknown", "international", "national", "network-specific", "subscriber", "alphanumeric")
"""TON (§5.2.5)."""
_ALPHANUMERIC: Final = 5


def smpp_json(pdu: Pdu) -> dict[str, Any]:
    """Return a PDU: its command, sequence_number and fields by their names; a response has a status.

    Of a body that is not read here there is its length: it may have a text or a password.
    """
    shown: dict[str, Any] = {"command": command_name(pdu.command), "sequence": pdu.sequence}
    if pdu.is_response or pdu.status:
        shown["status"] = _STATUSES.get(pdu.status, f"0x{pdu.status:08x}")
    body = pdu.body
    if isinstance(body, Text):
        shown |= _text_json(pdu, body)
    elif isinstance(body, Bind):
        shown |= body._asdict() | {"password": "masked" if body.password else ""}
    elif isinstance(body, Name):
        of_bind = pdu.command & ~RESPONSE not in {Command.SUBMIT_SM, Command.DELIVER_SM}
        shown["system_id" if of_bind else "id"] = body.text
    elif isinstance(body, Octets):
        shown["body"] = _masked(body.octets)
    if pdu.tlvs:
        shown["optional"] = [_optional(tag, value) for tag, value in pdu.tlvs]
    return shown


def command_name(command: int) -> str:
    """Return the name of command_id (§5.1.2.1), its number in hex if it has none."""
    request = command & ~RESPONSE
    if command in _COMMANDS or request not in _COMMANDS:
        return _COMMANDS.get(command, f"0x{command:08x}")
    return f"{_COMMANDS[request]}_resp"


def _text_json(pdu: Pdu, text: Text) -> dict[str, Any]:
    shown: dict[str, Any] = {
        name: value
        for name, value in text._asdict().items()
        if value != "" and not name.startswith(("source", "destination"))
    }
    shown = {
        "source": _address(text.source_ton, text.source_npi, text.source),
        "destination": _address(text.destination_ton, text.destination_npi, text.destination),
        **shown,
        "short_message": _masked(text.short_message),
    }
    try:
        if is_receipt(pdu, text):
            receipt = receipt_of(pdu, text)
            if receipt is not None:
                shown["receipt"] = {"id": receipt.reference, "state": str(receipt.state)}
        elif text.esm_class & UDHI:
            part, _ = without_header(pdu.tlv(Tag.MESSAGE_PAYLOAD) or text.short_message)
            if part is not None:
                shown["part"] = part._asdict()
    except DecodeError as error:
        shown["note"] = str(error)
    return shown


def _address(ton: int, npi: int, address: str) -> dict[str, Any]:
    name = "name" if ton == _ALPHANUMERIC else "digits"
    return {name: address, "ton": _TYPES[ton] if ton < len(_TYPES) else ton, "npi": npi}


def _masked(octets: bytes) -> dict[str, Any]:
    return {"octets": len(octets), "text": "masked"} if octets else {"octets": 0}


def _optional(tag: int, value: bytes) -> dict[str, Any]:
    shown: Any = value.hex()
    if tag == Tag.MESSAGE_PAYLOAD:
        shown = _masked(value)
    elif tag == Tag.RECEIPTED_MESSAGE_ID:
        shown = value.rstrip(b"\0").decode("latin-1")
    return {"tag": _TAGS.get(tag, f"0x{tag:04x}"), "value": shown}
