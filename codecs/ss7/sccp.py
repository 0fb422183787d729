"""SCCP connectionless messages (Q.713): `UnitData` for UDT XUDT LUDT, `UnitDataService` for UDTS XUDTS LUDTS.

The octets of both party addresses stay on the value as they came, so that an answer can send them back
without decoding them; `UnitData.called` and `UnitData.calling` decode them, from a memo.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias, final

from ss7.digits import names_of, shown
from ss7.errors import DecodeError, EncodeError
from ss7.sccp_address import Address, GlobalTitle, GlobalTitleNature, address_of
from ss7.sccp_parts import MAX_LONG_DATA, Segmentation, Unit, layout_of, read_parts, written

__all__ = [
    "MAX_LONG_DATA",
    "Address",
    "GlobalTitle",
    "GlobalTitleNature",
    "Message",
    "MessageType",
    "ReturnCause",
    "Segmentation",
    "UnitData",
    "UnitDataService",
    "address_of",
    "decode",
    "return_words",
    "udt",
]


class MessageType(IntEnum):
    """The connectionless message types of Q.713 table 1."""

    UDT = 0x09
    UDTS = 0x0A
    XUDT = 0x11
    XUDTS = 0x12
    LUDT = 0x13
    LUDTS = 0x14


class ReturnCause(IntEnum):
    """Why a message comes back (Q.713 §3.12)."""

    NO_TRANSLATION_FOR_NATURE = 0
    NO_TRANSLATION_FOR_ADDRESS = 1
    SUBSYSTEM_CONGESTION = 2
    SUBSYSTEM_FAILURE = 3
    UNEQUIPPED_USER = 4
    MTP_FAILURE = 5
    NETWORK_CONGESTION = 6
    UNQUALIFIED = 7
    ERROR_IN_MESSAGE_TRANSPORT = 8
    ERROR_IN_LOCAL_PROCESSING = 9
    DESTINATION_CANNOT_REASSEMBLE = 10
    SCCP_FAILURE = 11
    HOP_COUNTER_VIOLATION = 12
    SEGMENTATION_NOT_SUPPORTED = 13
    SEGMENTATION_FAILURE = 14


_RETURN_WORDS: Final[dict[int, str]] = {
    ReturnCause.NO_TRANSLATION_FOR_NATURE: "no translation for an address of such nature",
    ReturnCause.NO_TRANSLATION_FOR_ADDRESS: "no translation for this specific address",
    ReturnCause.SUBSYSTEM_CONGESTION: "subsystem congestion",
    ReturnCause.SUBSYSTEM_FAILURE: "subsystem failure",
    ReturnCause.UNEQUIPPED_USER: "unequipped user",
    ReturnCause.MTP_FAILURE: "MTP failure",
    ReturnCause.NETWORK_CONGESTION: "network congestion",
    ReturnCause.UNQUALIFIED: "unqualified",
    ReturnCause.ERROR_IN_MESSAGE_TRANSPORT: "error in message transport",
    ReturnCause.ERROR_IN_LOCAL_PROCESSING: "error in local processing",
    ReturnCause.DESTINATION_CANNOT_REASSEMBLE: "destination cannot perform reassembly",
    ReturnCause.SCCP_FAILURE: "SCCP failure",
    ReturnCause.HOP_COUNTER_VIOLATION: "hop counter violation",
    ReturnCause.SEGMENTATION_NOT_SUPPORTED: "segmentation not supported",
    ReturnCause.SEGMENTATION_FAILURE: "segmentation failure",
}


def return_words(cause: int) -> str:
    """Return why SCCP brought a message back, as Q.713 §3.12 has it, with the return cause."""
    return f"{_RETURN_WORDS.get(cause, 'reserved')} (return cause {cause}, Q.713 §3.12)"


_UDT: Final = 0x09
_XUDT: Final = 0x11
_SERVICE_OF: Final = {0x09: 0x0A, 0x11: 0x12, 0x13: 0x14}
_TYPE_NAMES: Final = {int(kind): kind.name for kind in MessageType}
_CAUSE_NAMES: Final = names_of(ReturnCause)
_RETURN_ON_ERROR: Final = 0x80


@final
@dataclass(init=False)
class UnitData(Unit):
    """A UDT, XUDT or LUDT.

    Attributes:
        kind: `MessageType.UDT`, ``XUDT`` or ``LUDT``.
        protocol_class: 0 or 1.
        return_on_error: the sender wants the message back if it can't be delivered.
        called_raw: called party address without its length octet.
        calling_raw: calling party address without its length octet.
        data: the user's octets, at least one.
        hop_counter: 1 to 15; -1 in a UDT. One that breaks this rule comes as it is, 0 or 16 to 255: it is
            for the routing function to say so (Q.714 §2.3.1).
        segmentation: None if it is not there.
        importance: 0 to 7; -1 if it is not there.
    """

    protocol_class: int
    return_on_error: bool

    def __init__(
        self,
        kind: int,
        protocol_class: int,
        return_on_error: bool,
        called_raw: bytes,
        calling_raw: bytes,
        data: bytes,
        hop_counter: int = -1,
        segmentation: Segmentation | None = None,
        importance: int = -1,
    ) -> None:
        super().__init__(kind, called_raw, calling_raw, data, hop_counter, segmentation, importance)
        self.protocol_class = protocol_class
        self.return_on_error = return_on_error

    def encode(self) -> bytes:
        """Return the message; raises `EncodeError` for a value out of its range or too long for its type."""
        if self.kind not in _SERVICE_OF:
            raise EncodeError(f"message type {self.kind} carries no unit data", "Q.713 §2.1")
        if self.protocol_class not in {0, 1}:
            raise EncodeError(f"protocol class {self.protocol_class} is not connectionless", "Q.713 §3.6")
        second = self.protocol_class | (_RETURN_ON_ERROR if self.return_on_error else 0)
        return written(self, second)

    def returned(self, cause: int) -> UnitDataService:
        """Return the service message that takes this message back to who sent it (Q.714 §4.2)."""
        kind = _SERVICE_OF[self.kind]
        hops = -1 if self.kind == _UDT else 15
        return UnitDataService(
            kind,
            cause,
            self.calling_raw,
            self.called_raw,
            self.data,
            hops,
            self.segmentation,
            self.importance,
        )

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows, without the data."""
        shows: dict[str, object] = {
            "type": shown(self.kind, _TYPE_NAMES),
            "class": self.protocol_class,
            "return_on_error": self.return_on_error,
        }
        return _with_rest(shows, self)


@final
@dataclass(init=False)
class UnitDataService(Unit):
    """A UDTS, XUDTS or LUDTS: ``cause`` (`ReturnCause`, 0 to 255), the rest as in `UnitData`."""

    cause: int

    def __init__(
        self,
        kind: int,
        cause: int,
        called_raw: bytes,
        calling_raw: bytes,
        data: bytes,
        hop_counter: int = -1,
        segmentation: Segmentation | None = None,
        importance: int = -1,
    ) -> None:
        super().__init__(kind, called_raw, calling_raw, data, hop_counter, segmentation, importance)
        self.cause = cause

    def encode(self) -> bytes:
        """Return the message; raises `EncodeError` for a value out of its range or too long for its type."""
        if self.kind not in _SERVICE_OF.values():
            raise EncodeError(f"message type {self.kind} returns no unit data", "Q.713 §2.1")
        if not 0 <= self.cause <= 255:
            raise EncodeError(f"return cause {self.cause}", "Q.713 §3.12")
        return written(self, self.cause)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows, without the data."""
        shows: dict[str, object] = {
            "type": shown(self.kind, _TYPE_NAMES),
            "cause": shown(self.cause, _CAUSE_NAMES),
        }
        return _with_rest(shows, self)


Message: TypeAlias = UnitData | UnitDataService


def decode(octets: bytes) -> Message:
    """Return the message.

    Args:
        octets: a whole SCCP message, from its type octet on. Octets that no pointer leads to are ignored.

    Raises:
        DecodeError: another message type, or octets that break the cited clause.
    """
    if len(octets) < 11:
        return _decode_any(octets)
    kind = octets[0]
    if kind == _UDT:
        at, end = 2, 5
    elif kind == _XUDT and not octets[6]:
        at, end = 3, 7
    else:
        return _decode_any(octets)
    # the ordinary message: addresses and data in this order, nothing between and nothing optional after them
    data_at = at + 2 + octets[at + 2]
    calling_at = at + 1 + octets[at + 1]
    second = octets[1]
    if octets[at] == end - at and end + 1 < calling_at == end + 1 + octets[end] and data_at < len(octets):
        data_end = data_at + 1 + octets[data_at]
        if (
            calling_at + 1 < data_at == calling_at + 1 + octets[calling_at]
            and data_at + 1 < data_end <= len(octets)
            and second & 0x0F <= 1
        ):
            return UnitData(
                kind,
                second & 0x0F,
                second >= _RETURN_ON_ERROR,
                octets[end + 1 : calling_at],
                octets[calling_at + 1 : data_at],
                octets[data_at + 1 : data_end],
                -1 if kind == _UDT else octets[2],
            )
    return _decode_any(octets)


def udt(called_raw: bytes, calling_raw: bytes, data: bytes, class_octet: int) -> bytes:
    """Return a UDT of parts that are known to fit: each address 1 to 124 octets long, data 1 to 255 octets.

    ``class_octet`` is the protocol class, with 0x80 for return on error (Q.713 §3.6).
    """
    called = len(called_raw)
    calling = len(calling_raw)
    head = bytes((_UDT, class_octet, 3, 3 + called, 3 + called + calling, called))
    return b"%b%b%c%b%c%b" % (head, called_raw, calling, calling_raw, len(data), data)


def _decode_any(octets: bytes) -> Message:
    """Decode every message type, from its layout; what `decode` does not do in one go."""
    layout = layout_of(octets)
    kind, second = octets[0], octets[1]
    if not layout.service and second & 0x0F > 1:
        raise DecodeError(f"protocol class {second & 0x0F} in a connectionless message", 1, "Q.713 §3.6")
    called, calling, data, hops, segmentation, importance = read_parts(octets, layout)
    if layout.service:
        return UnitDataService(kind, second, called, calling, data, hops, segmentation, importance)
    wanted = second >= _RETURN_ON_ERROR
    return UnitData(kind, second & 0x0F, wanted, called, calling, data, hops, segmentation, importance)


def _with_rest(shows: dict[str, object], message: Unit) -> dict[str, object]:
    """Add to ``shows`` what all messages have; an address that can't be decoded is shown as octets."""
    for name, octets in (("called", message.called_raw), ("calling", message.calling_raw)):
        try:
            shows[name] = address_of(octets).as_dict()
        except DecodeError as error:
            shows[name] = {"octets": octets.hex(), "error": str(error)}
    if message.hop_counter >= 0:
        shows["hop_counter"] = message.hop_counter
    if message.segmentation is not None:
        shows["segmentation"] = message.segmentation.as_dict()
    if message.importance >= 0:
        shows["importance"] = message.importance
    return shows
