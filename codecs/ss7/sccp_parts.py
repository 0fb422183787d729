"""What SCCP's connectionless messages are made of, and where it stands in each (Q.713 §4.10 to §4.21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, final

from ss7.errors import DecodeError, EncodeError
from ss7.sccp_address import Address, address_of

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


@dataclass(init=False)
class Unit:
    """What every connectionless message has; `ss7.sccp.UnitData` has the attributes' meanings."""

    kind: int
    called_raw: bytes
    calling_raw: bytes
    data: bytes
    hop_counter: int
    segmentation: Segmentation | None
    importance: int

    def __init__(
        self,
        kind: int,
        called_raw: bytes,
        calling_raw: bytes,
        data: bytes,
        hop_counter: int,
        segmentation: Segmentation | None,
        importance: int,
    ) -> None:
        self.kind = kind
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


@final
@dataclass(frozen=True)
class Layout:
    """Where things are in a message type."""

    service: bool  # octet 1 is the return cause, else the protocol class
    hops: bool  # octet 2 is the hop counter
    pointers: int  # how many
    width: int  # octets of a pointer
    clause: str

    @property
    def first(self) -> int:
        """Offset of the first pointer."""
        return 3 if self.hops else 2


LAYOUTS: Final = {
    0x09: Layout(service=False, hops=False, pointers=3, width=1, clause="Q.713 §4.10"),
    0x0A: Layout(service=True, hops=False, pointers=3, width=1, clause="Q.713 §4.11"),
    0x11: Layout(service=False, hops=True, pointers=4, width=1, clause="Q.713 §4.18"),
    0x12: Layout(service=True, hops=True, pointers=4, width=1, clause="Q.713 §4.19"),
    0x13: Layout(service=False, hops=True, pointers=4, width=2, clause="Q.713 §4.20"),
    0x14: Layout(service=True, hops=True, pointers=4, width=2, clause="Q.713 §4.21"),
}
_END: Final = 0
_SEGMENTATION: Final = 0x10
_IMPORTANCE: Final = 0x12
_POINTERS: Final = "Q.713 §2.3"


Parts: TypeAlias = tuple[bytes, bytes, bytes, int, Segmentation | None, int]
"""Called address, calling address, data, hop counter, segmentation, importance: the end of a `Unit`."""


def layout_of(octets: bytes) -> Layout:
    """Return the layout of a message whose pointers are all there; raise `DecodeError`."""
    layout = LAYOUTS.get(octets[0]) if octets else None
    if layout is None:
        raise DecodeError("not a connectionless message type", 0, "Q.713 §2.1")
    if len(octets) < layout.first + layout.pointers * layout.width:
        raise DecodeError("message ends before its pointers do", len(octets), layout.clause)
    return layout


def read_parts(octets: bytes, layout: Layout) -> Parts:
    """Return what is in a message beside its first two octets; raise `DecodeError`."""
    starts = _pointed_at(octets, layout)
    called = _delimited(octets, starts[0], 1)
    calling = _delimited(octets, starts[1], 1)
    data = _delimited(octets, starts[2], layout.width)
    _no_overlap([called, calling, data])
    if data[1] - data[0] > MAX_LONG_DATA:
        raise DecodeError(f"more than {MAX_LONG_DATA} octets of data", data[2], "Q.713 §3.20")
    if layout.width == 1 and called[1] - called[2] + calling[1] - calling[2] > 0xFF - layout.pointers + 2:
        raise DecodeError("addresses too long for a pointer over both", called[2], _POINTERS)
    segmentation, importance = None, -1
    if layout.pointers == 4 and starts[3]:
        ends = max(called[1], calling[1], data[1])
        segmentation, importance = _optional_part(octets, starts[3], ends)
    return (
        octets[called[0] : called[1]],
        octets[calling[0] : calling[1]],
        octets[data[0] : data[1]],
        octets[2] if layout.hops else -1,
        segmentation,
        importance,
    )


def _pointed_at(octets: bytes, layout: Layout) -> list[int]:
    """Return the offsets that the pointers lead to; 0 for a null pointer to the optional part.

    A pointer counts from itself; one of two octets has the less significant first, and counts from the other.
    """
    at = layout.first
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


def written(message: Unit, second: int) -> bytes:
    """Return the message with ``second`` as its second octet; parameters in the order of their pointers.

    Raises:
        EncodeError: a value is out of its range, or too long for the message type.
    """
    layout = LAYOUTS[message.kind]
    called, calling, data = message.called_raw, message.calling_raw, message.data
    limit = 255 if layout.width == 1 else MAX_LONG_DATA
    if not (0 < len(called) <= 255 and 0 < len(calling) <= 255 and 0 < len(data) <= limit):
        raise EncodeError("address or data empty or too long for the message type", layout.clause)
    head = bytes((message.kind, second))
    if layout.hops:
        if not 0 <= message.hop_counter <= 0xFF:
            raise EncodeError(f"hop counter {message.hop_counter} is no octet", "Q.713 §3.18")
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


def _optional_octets(message: Unit) -> bytes:
    """Return the optional part with its end, or nothing."""
    optional = b""
    if message.segmentation is not None:
        optional = bytes((_SEGMENTATION, 4)) + message.segmentation.encode()
    if message.importance >= 0:
        if message.importance > 7:
            raise EncodeError(f"importance {message.importance}", "Q.713 §3.19")
        optional += bytes((_IMPORTANCE, 1, message.importance))
    return optional + bytes((_END,)) if optional else b""
