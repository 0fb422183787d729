"""BER octets (X.690 §8): tags, lengths, integers. What the codecs above share, and no more.

All functions work on offsets into one `bytes` object and copy nothing. Errors of encoding are reported by a
negative offset, not raised: garbage is an ordinary input for a server. The caller, who knows the clause,
raises.

A tag is the integer that its identifier octets make: 0x82 is context 2 primitive, 0xA2 constructed, 0x9F33
is the two octets 9F 33 (context 51). The number of octets follows from the value, see `tag_width`.

Everywhere: ``0 <= offset`` and ``end <= len(octets)``; ``end`` is the first offset that must not be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

TRUNCATED: Final = -1
TAG_TOO_LONG: Final = -2
LENGTH_TOO_LONG: Final = -3
NO_END: Final = -4
TOO_DEEP: Final = -5
PRIMITIVE_INDEFINITE: Final = -6

REASONS: Final[dict[int, tuple[str, str]]] = {
    TRUNCATED: ("element reaches beyond the end of its surroundings", "X.690 §8.1.1"),
    TAG_TOO_LONG: ("tag of more than four octets, or one with a leading zero group", "X.690 §8.1.2.4"),
    LENGTH_TOO_LONG: ("length of more than four octets, or the reserved one", "X.690 §8.1.3.5"),
    NO_END: ("indefinite length without end-of-contents octets", "X.690 §8.1.5"),
    TOO_DEEP: ("indefinite lengths nested too deep", "X.690 §8.1.3.6"),
    PRIMITIVE_INDEFINITE: ("indefinite length of a primitive encoding", "X.690 §8.1.3.2"),
}
"""Reason in words and clause of each negative offset."""

INDEFINITE: Final = -1
"""The length that `read_length` gives for the indefinite form."""

MAX_DEPTH: Final = 32
"""Indefinite lengths nested in each other. CAP in TCAP needs about twelve at the very most."""

_TAG_OCTETS: Final = 4
_LENGTH_OCTETS: Final = 4


def tag_width(tag: i64) -> i64:
    """Return how many identifier octets ``tag`` has (1 to 4)."""
    if tag <= 0xFF:
        return 1
    if tag <= 0xFFFF:
        return 2
    return 3 if tag <= 0xFFFFFF else 4


def read_tag(octets: bytes, offset: i64, end: i64) -> i64:
    """Return the tag at ``offset``, or a negative code of `REASONS`. Its width is ``tag_width(tag)``."""
    if offset >= end:
        return TRUNCATED
    tag: i64 = octets[offset]
    if tag & 0x1F != 0x1F:
        return tag
    width: i64 = 1
    while True:
        if offset + width >= end:
            return TRUNCATED
        if width == _TAG_OCTETS:
            return TAG_TOO_LONG
        group: i64 = octets[offset + width]
        if width == 1 and group == 0x80:
            return TAG_TOO_LONG
        tag = tag << 8 | group
        width += 1
        if group < 0x80:
            return tag


def read_length(octets: bytes, offset: i64, end: i64) -> tuple[i64, i64]:
    """Read the length octets at ``offset``.

    Returns:
        The length (or `INDEFINITE`) and the offset of the first octet of contents; that offset is a negative
        code of `REASONS` if the length octets are bad, or if a definite length reaches beyond ``end``.
    """
    if offset >= end:
        return 0, TRUNCATED
    length: i64 = octets[offset]
    start = offset + 1
    if length == 0x80:
        return INDEFINITE, start
    if length == 0xFF:
        return 0, LENGTH_TOO_LONG
    if length > 0x80:
        stop = start + (length & 0x7F)
        if stop > end:
            return 0, TRUNCATED
        while start < stop and octets[start] == 0:
            start += 1
        if stop - start > _LENGTH_OCTETS:
            return 0, LENGTH_TOO_LONG
        length = 0
        while start < stop:
            length = length << 8 | octets[start]
            start += 1
    if length > end - start:
        return 0, TRUNCATED
    return length, start


def end_of_indefinite(octets: bytes, offset: i64, end: i64) -> i64:
    """Return where the end-of-contents octets stand that close the contents beginning at ``offset``.

    One pass over the octets, without recursion. A definite-length element is stepped over, so the time is
    linear in the number of elements. The neighbour is at the returned offset plus 2. Negative: code of
    `REASONS`.
    """
    depth: i64 = 1
    while True:
        if end - offset < 2:
            return NO_END
        if octets[offset] == 0 and octets[offset + 1] == 0:
            depth -= 1
            if depth == 0:
                return offset
            offset += 2
            continue
        tag = read_tag(octets, offset, end)
        if tag < 0:
            return tag
        length, start = read_length(octets, offset + tag_width(tag), end)
        if start < 0:
            return start
        if length != INDEFINITE:
            offset = start + length
            continue
        if octets[offset] & 0x20 == 0:
            return PRIMITIVE_INDEFINITE
        depth += 1
        if depth > MAX_DEPTH:
            return TOO_DEEP
        offset = start


def read_element(octets: bytes, offset: i64, end: i64) -> tuple[i64, i64, i64, i64]:
    """Read one tag, length, value.

    Returns:
        ``(tag, start, stop, after)``: contents are ``octets[start:stop]``, the neighbour is at ``after``
        (``stop`` for definite lengths, ``stop + 2`` for the indefinite form). On bad octets ``after`` is a
        negative code of `REASONS`, ``start`` the offset of the element, ``tag`` what was read of it (or 0).
    """
    start = offset + 2
    if start <= end:
        tag: i64 = octets[offset]
        length: i64 = octets[offset + 1]
        if length < 0x80 and tag & 0x1F != 0x1F:
            stop = start + length
            if stop <= end:
                return tag, start, stop, stop
            return tag, offset, offset, TRUNCATED
    return _read_element(octets, offset, end)


def _read_element(octets: bytes, offset: i64, end: i64) -> tuple[i64, i64, i64, i64]:
    """Do `read_element` for any tag and any form of length."""
    tag = read_tag(octets, offset, end)
    if tag < 0:
        return 0, offset, offset, tag
    length, start = read_length(octets, offset + tag_width(tag), end)
    if start < 0:
        return tag, offset, offset, start
    if length != INDEFINITE:
        stop = start + length
        return tag, start, stop, stop
    if octets[offset] & 0x20 == 0:
        return tag, offset, offset, PRIMITIVE_INDEFINITE
    stop = end_of_indefinite(octets, start, end)
    if stop < 0:
        return tag, offset, offset, stop
    return tag, start, stop, stop + 2


def read_integer(octets: bytes, start: i64, stop: i64) -> int:
    """Return the two's complement integer (§8.3) in ``octets[start:stop]``; no octets read as 0."""
    if stop - start == 1:
        value: i64 = octets[start]
        return value if value < 0x80 else value - 0x100
    return int.from_bytes(octets[start:stop], "big", signed=True)


def encode_tag(tag: int) -> bytes:
    """Return the identifier octets of ``tag`` (0 to 0xFFFFFFFF)."""
    return _OCTET[tag] if tag <= 0xFF else tag.to_bytes(tag_width(tag), "big")


def encode_length(length: int) -> bytes:
    """Return the shortest definite length octets (§8.1.3.4, §8.1.3.5)."""
    if length < 0x80:
        return _OCTET[length]
    if length <= 0xFF:
        return b"\x81" + _OCTET[length]
    width = (length.bit_length() + 7) >> 3
    return _OCTET[0x80 | width] + length.to_bytes(width, "big")


def encode_element(tag: int, contents: bytes) -> bytes:
    """Return tag, shortest definite length, contents."""
    length = len(contents)
    if tag <= 0xFF and length < 0x80:
        return _OCTET[tag] + _OCTET[length] + contents
    return encode_tag(tag) + encode_length(length) + contents


def encode_integer(value: int) -> bytes:
    """Return the contents octets of an INTEGER: two's complement, as few octets as hold it (§8.3.2)."""
    if -0x80 <= value < 0x80:
        return _OCTET[value & 0xFF]
    magnitude = value if value >= 0 else ~value
    return value.to_bytes((magnitude.bit_length() >> 3) + 1, "big", signed=True)


_OCTET: Final[list[bytes]] = [bytes((octet,)) for octet in range(256)]
