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

__all__ = [
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


_UDT: Final = 0x09
_XUDT: Final = 0x11
_SERVICE_OF: Final = {0x09: 0x0A, 0x11: 0x12, 0x13: 0x14}
_TYPE_NAMES: Final = {int(kind): kind.name for kind in MessageType}
_CAUSE_NAMES: Final = names_of(ReturnCause)
_RETURN_ON_ERROR: Final = 0x80
MAX_LONG_DATA: Final = 3952  # Q.713 §3.20


@final
@dataclass(frozen=True)
class Segmentation:
    """The segmentation parameter (Q.713 §3.17).

    Attributes:
        first: this is the first segment.
        remaining: how many segments follow, 0 to 15.
        local_reference: what the segments of one message have in common, 0 to 0xFFFFFF.
        in_sequence: class 1 was asked for the message; its segments are class 1 in any case.
    """

    first: bool
    remaining: int
    local_reference: int
    in_sequence: bool = True

    def encode(self) -> bytes:
        """Return the four octets; raises `EncodeError` for a value out of its range."""
        if not (0 <= self.remaining <= 15 and 0 <= self.local_reference <= 0xFFFFFF):
            raise EncodeError("remaining segments or local reference out of range", "Q.713 §3.17")
        first = (0x80 if self.first else 0) | (0x40 if self.in_sequence else 0) | self.remaining
        return bytes((first,)) + self.local_reference.to_bytes(3, "little")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {
            "first": self.first,
            "remaining": self.remaining,
            "local_reference": self.local_reference,
            "in_sequence": self.in_sequence,
        }


@final
@dataclass(init=False)
class UnitData:
    """A UDT, XUDT or LUDT.

    Attributes:
        kind: `MessageType.UDT`, ``XUDT`` or ``LUDT``.
        protocol_class: 0 or 1.
        return_on_error: the sender wants the message back if it can't be delivered.
        called_raw: called party address without its length octet.
        calling_raw: calling party address without its length octet.
        data: the user's octets, at least one.
        hop_counter: 1 to 15; 0 to 255 on the wire; -1 in a UDT.
        segmentation: None if it is not there.
        importance: 0 to 7; -1 if it is not there.
    """

    kind: int
    protocol_class: int
    return_on_error: bool
    called_raw: bytes
    calling_raw: bytes
    data: bytes
    hop_counter: int
    segmentation: Segmentation | None
    importance: int

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
        self.kind = kind
        self.protocol_class = protocol_class
        self.return_on_error = return_on_error
        self.called_raw = called_raw
        self.calling_raw = calling_raw
        self.data = data
        self.hop_counter = hop_counter
        self.segmentation = segmentation
        self.importance = importance

    @property
    def called(self) -> Address:
        """The called party address; raises `DecodeError`, with the offset counted in ``called_raw``."""
        return address_of(self.called_raw)

    @property
    def calling(self) -> Address:
        """The calling party address; raises `DecodeError`, with the offset counted in ``calling_raw``."""
        return address_of(self.calling_raw)

    def encode(self) -> bytes:
        """Return the message; raises `EncodeError` for a value out of its range or too long for its type."""
        if self.kind not in _SERVICE_OF:
            raise EncodeError(f"message type {self.kind} carries no unit data", "Q.713 §2.1")
        if self.protocol_class not in {0, 1}:
            raise EncodeError(f"protocol class {self.protocol_class} is not connectionless", "Q.713 §3.6")
        second = self.protocol_class | (_RETURN_ON_ERROR if self.return_on_error else 0)
        return _written(self, second)

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
class UnitDataService:
    """A UDTS, XUDTS or LUDTS: ``cause`` (`ReturnCause`, 0 to 255), the rest as in `UnitData`."""

    kind: int
    cause: int
    called_raw: bytes
    calling_raw: bytes
    data: bytes
    hop_counter: int
    segmentation: Segmentation | None
    importance: int

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
        self.kind = kind
        self.cause = cause
        self.called_raw = called_raw
        self.calling_raw = calling_raw
        self.data = data
        self.hop_counter = hop_counter
        self.segmentation = segmentation
        self.importance = importance

    @property
    def called(self) -> Address:
        """The called party address; raises `DecodeError`, with the offset counted in ``called_raw``."""
        return address_of(self.called_raw)

    @property
    def calling(self) -> Address:
        """The calling party address; raises `DecodeError`, with the offset counted in ``calling_raw``."""
        return address_of(self.calling_raw)

    def encode(self) -> bytes:
        """Return the message; raises `EncodeError` for a value out of its range or too long for its type."""
        if self.kind not in _SERVICE_OF.values():
            raise EncodeError(f"message type {self.kind} returns no unit data", "Q.713 §2.1")
        if not 0 <= self.cause <= 255:
            raise EncodeError(f"return cause {self.cause}", "Q.713 §3.12")
        return _written(self, self.cause)

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


@final
@dataclass(frozen=True)
class _Layout:
    """Where things are in a message type: all of Q.713 §4.10, 4.11 and 4.18 to 4.21."""

    service: bool  # octet 1 is the return cause, else the protocol class
    hops: bool  # octet 2 is the hop counter
    pointers: int  # how many
    width: int  # octets of a pointer
    clause: str


_LAYOUTS: Final = {
    0x09: _Layout(service=False, hops=False, pointers=3, width=1, clause="Q.713 §4.10"),
    0x0A: _Layout(service=True, hops=False, pointers=3, width=1, clause="Q.713 §4.11"),
    0x11: _Layout(service=False, hops=True, pointers=4, width=1, clause="Q.713 §4.18"),
    0x12: _Layout(service=True, hops=True, pointers=4, width=1, clause="Q.713 §4.19"),
    0x13: _Layout(service=False, hops=True, pointers=4, width=2, clause="Q.713 §4.20"),
    0x14: _Layout(service=True, hops=True, pointers=4, width=2, clause="Q.713 §4.21"),
}
_END: Final = 0
_SEGMENTATION: Final = 0x10
_IMPORTANCE: Final = 0x12
_POINTERS: Final = "Q.713 §2.3"


def _decode_any(octets: bytes) -> Message:
    """Decode every message type, from its layout; what `decode` does not do in one go."""
    layout = _LAYOUTS.get(octets[0]) if octets else None
    if layout is None:
        raise DecodeError("not a connectionless message type", 0, "Q.713 §2.1")
    at = 3 if layout.hops else 2
    if len(octets) < at + layout.pointers * layout.width:
        raise DecodeError("message ends before its pointers do", len(octets), layout.clause)
    second = octets[1]
    if not layout.service and second & 0x0F > 1:
        raise DecodeError(f"protocol class {second & 0x0F} in a connectionless message", 1, "Q.713 §3.6")
    starts = _pointed_at(octets, at, layout)
    called, calling, data = (
        _delimited(octets, starts[index], 2 if index == 2 and layout.width == 2 else 1) for index in range(3)
    )
    _no_overlap([called, calling, data])
    hops = octets[2] if layout.hops else -1
    segmentation, importance = None, -1
    if layout.pointers == 4 and starts[3]:
        ends = max(called[1], calling[1], data[1])
        segmentation, importance = _optional_part(octets, starts[3], ends)
    called_raw, calling_raw = octets[called[0] : called[1]], octets[calling[0] : calling[1]]
    user = octets[data[0] : data[1]]
    if layout.service:
        return UnitDataService(
            octets[0], second, called_raw, calling_raw, user, hops, segmentation, importance
        )
    wanted = second >= _RETURN_ON_ERROR
    return UnitData(
        octets[0], second & 0x0F, wanted, called_raw, calling_raw, user, hops, segmentation, importance
    )


def _pointed_at(octets: bytes, at: int, layout: _Layout) -> list[int]:
    """Return the offsets that the pointers from ``at`` on lead to; 0 for a null pointer to the optional part.

    A pointer counts from itself; one of two octets has the less significant first, and counts from the other.
    """
    end = at + layout.pointers * layout.width
    starts = []
    for index in range(layout.pointers):
        origin = at + (index + 1) * layout.width - 1
        pointer = octets[origin]
        if layout.width == 2:
            pointer = pointer << 8 | octets[origin - 1]
        if not pointer and index == 3:
            starts.append(0)
            continue
        start = origin + pointer
        if not end <= start < len(octets):
            raise DecodeError("pointer leads out of the message or into its fixed part", origin, _POINTERS)
        starts.append(start)
    return starts


def _delimited(octets: bytes, start: int, width: int) -> tuple[int, int, int]:
    """Return where a parameter's contents begin and end, and where its length (``width`` octets) is."""
    if len(octets) < start + width:
        raise DecodeError("message ends within a length", start, "Q.713 §1.5")
    length = octets[start] if width == 1 else octets[start + 1] << 8 | octets[start]
    end = start + width + length
    if not length:
        raise DecodeError("parameter without contents", start, "Q.713 §1.5")
    if end > len(octets):
        raise DecodeError("parameter is longer than the message", start, "Q.713 §1.5")
    return start + width, end, start


def _no_overlap(areas: list[tuple[int, int, int]]) -> None:
    """Raise `DecodeError` if two of the ``(begin, end, start)`` share an octet. Their order is free."""
    end = 0
    for area in sorted(areas):
        if area[2] < end:
            raise DecodeError("parameters overlap", area[2], _POINTERS)
        end = area[1]


def _optional_part(octets: bytes, at: int, ends: int) -> tuple[Segmentation | None, int]:
    """Return segmentation and importance from the optional part, from ``at`` on; others are passed over.

    It has to come last: nothing says where it ends but its own end mark.
    """
    if at < ends:
        raise DecodeError("optional part overlaps a parameter or precedes it", at, _POINTERS)
    segmentation = None
    importance = -1
    while at < len(octets):
        name = octets[at]
        if name == _END:
            return segmentation, importance
        if at + 2 > len(octets) or at + 2 + octets[at + 1] > len(octets):
            raise DecodeError("optional parameter is longer than the message", at, "Q.713 §1.6")
        length = octets[at + 1]
        if name == _SEGMENTATION:
            if length != 4:
                raise DecodeError("segmentation of other than 4 octets", at + 1, "Q.713 §3.17")
            first = octets[at + 2]
            reference = int.from_bytes(octets[at + 3 : at + 6], "little")
            segmentation = Segmentation(first >= 0x80, first & 0x0F, reference, bool(first & 0x40))
        elif name == _IMPORTANCE:
            if length != 1:
                raise DecodeError("importance of other than 1 octet", at + 1, "Q.713 §3.19")
            importance = octets[at + 2] & 0x07
        at += 2 + length
    raise DecodeError("optional part without its end", len(octets), "Q.713 §3.1")


def _written(message: Message, second: int) -> bytes:
    """Return the message with ``second`` as its second octet; parameters in the order of their pointers."""
    layout = _LAYOUTS[message.kind]
    called, calling, data = message.called_raw, message.calling_raw, message.data
    limit = 255 if layout.width == 1 else MAX_LONG_DATA
    if not (0 < len(called) <= 255 and 0 < len(calling) <= 255 and 0 < len(data) <= limit):
        raise EncodeError("address or data empty or too long for the message type", layout.clause)
    head = bytes((message.kind, second))
    if layout.hops:
        if not 0 < message.hop_counter <= 15:
            raise EncodeError(f"hop counter {message.hop_counter}", "Q.713 §3.18")
        head += bytes((message.hop_counter,))
    elif message.segmentation is not None or message.importance >= 0 or message.hop_counter >= 0:
        raise EncodeError("hop counter or optional parameters in a message that has none", layout.clause)
    parts = [bytes((len(called),)) + called, bytes((len(calling),)) + calling]
    parts.append(len(data).to_bytes(layout.width, "little") + data)
    optional = _optional_octets(message)
    sizes = [0, len(parts[0]), len(parts[0]) + len(parts[1]), sum(map(len, parts))]
    pointers = b""
    for index in range(layout.pointers):
        pointer = (layout.pointers - index - 1) * layout.width + 1 + sizes[index]
        if index == 3 and not optional:
            pointer = 0
        if pointer >= 1 << 8 * layout.width:
            raise EncodeError("addresses and data too long for the pointers", _POINTERS)
        pointers += pointer.to_bytes(layout.width, "little")
    return head + pointers + b"".join(parts) + optional


def _optional_octets(message: Message) -> bytes:
    """Return the optional part with its end, or nothing."""
    optional = b""
    if message.segmentation is not None:
        optional = bytes((_SEGMENTATION, 4)) + message.segmentation.encode()
    if message.importance >= 0:
        if message.importance > 7:
            raise EncodeError(f"importance {message.importance}", "Q.713 §3.19")
        optional += bytes((_IMPORTANCE, 1, message.importance))
    return optional + bytes((_END,)) if optional else b""


def _with_rest(shows: dict[str, object], message: Message) -> dict[str, object]:
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
