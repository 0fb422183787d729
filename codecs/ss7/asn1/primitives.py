"""Nodes of the types whose contents octets are no elements: strings, numbers, NULL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from ss7.asn1.node import Declined, Node
from ss7.ber import MAX_DEPTH, REASONS, encode_integer, read_element, read_integer
from ss7.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from mypy_extensions import i64

_CONSTRUCTED: Final = 0x20


class _BoundedNode(Node):
    """A type with a least and a most: octets, characters, bits, or the value itself."""

    def __init__(self, low: int, high: int, clause: str) -> None:
        super().__init__(clause)
        self.low: i64 = low
        self.high: i64 = high


@final
class OctetsNode(_BoundedNode):
    """OCTET STRING (and OBJECT IDENTIFIER), ``low``..``high`` octets."""

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the octets."""
        if not self.low <= stop - start <= self.high:
            raise DecodeError(f"octet string of {stop - start} octets", start, self.clause)
        return octets[start:stop]

    def encode(self, value: Any) -> bytes:
        """Return the octets."""
        if not isinstance(value, bytes) or not self.low <= len(value) <= self.high:
            raise EncodeError(f"not an octet string of {self.low} to {self.high} octets", self.clause)
        return value


@final
class TextNode(_BoundedNode):
    """IA5String, ``low``..``high`` characters."""

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the characters."""
        if not self.low <= stop - start <= self.high:
            raise DecodeError(f"text of {stop - start} characters", start, self.clause)
        text = octets[start:stop]
        if not text.isascii():
            raise DecodeError("text with other than IA5 characters", start, "X.680 §41")
        return text.decode("ascii")

    def encode(self, value: Any) -> bytes:
        """Return the octets."""
        if not isinstance(value, str) or not self.low <= len(value) <= self.high or not value.isascii():
            raise EncodeError(f"not {self.low} to {self.high} IA5 characters", self.clause)
        return value.encode("ascii")


@final
class BitsNode(_BoundedNode):
    """BIT STRING of ``low``..``high`` bits, as its contents octets (X.690 §8.6)."""

    def _bits(self, octets: bytes, start: i64, stop: i64) -> i64:
        """Return how many bits there are, or -1 if the contents octets are bad."""
        if stop <= start or octets[start] > 7:
            return -1
        bits = 8 * (stop - start - 1) - octets[start]
        return bits if self.low <= bits <= self.high else -1

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the contents octets, with unused bits at 0."""
        if self._bits(octets, start, stop) < 0:
            raise DecodeError("bad bit string", start, self.clause)
        unused: i64 = octets[start]
        last: i64 = octets[stop - 1]
        if last & ((1 << unused) - 1) != 0:
            raise Declined
        return octets[start:stop]

    def encode(self, value: Any) -> bytes:
        """Return the contents octets."""
        if not isinstance(value, bytes) or self._bits(value, 0, len(value)) < 0:
            raise EncodeError(f"not a bit string of {self.low} to {self.high} bits", self.clause)
        if value[-1] & ((1 << value[0]) - 1):
            raise EncodeError("unused bits of a bit string are not 0", "X.690 §11.2.1")
        return value


@final
class IntegerNode(_BoundedNode):
    """INTEGER (``low``..``high``)."""

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the integer."""
        if not 0 < stop - start <= 7:
            if stop == start:
                raise DecodeError("integer without octets", start, "X.690 §8.3.1")
            raise Declined
        value: i64 = read_integer(octets, start, stop)
        if not self.low <= value <= self.high:
            raise DecodeError("integer out of range", start, self.clause)
        return value

    def encode(self, value: Any) -> bytes:
        """Return two's complement octets."""
        if not isinstance(value, int) or not self.low <= value <= self.high:
            raise EncodeError(f"not an integer of {self.low} to {self.high}", self.clause)
        return encode_integer(value)


@final
class EnumeratedNode(Node):
    """ENUMERATED: a member, or the (not negative) int itself where the type is extensible."""

    def __init__(self, members: dict[int, object], extensible: bool, clause: str) -> None:
        super().__init__(clause)
        self.members = members
        self.extensible = extensible

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the member, or an int."""
        if not 0 < stop - start <= 7:
            if stop == start:
                raise DecodeError("enumerated without octets", start, "X.690 §8.4")
            raise Declined
        value = read_integer(octets, start, stop)
        member = self.members.get(value)
        if member is not None:
            return member
        if self.extensible and value >= 0:
            return value
        raise DecodeError("unknown enumerated value", start, self.clause)

    def encode(self, value: Any) -> bytes:
        """Return the value's octets."""
        if not isinstance(value, int) or not ((self.extensible and value >= 0) or value in self.members):
            raise EncodeError("not a value of the enumerated type", self.clause)
        return encode_integer(int(value))


@final
class BooleanNode(Node):
    """BOOLEAN."""

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return whether the octet is not 0 (X.690 §8.2)."""
        if stop - start != 1:
            raise DecodeError(f"boolean of {stop - start} octets", start, "X.690 §8.2.1")
        return octets[start] != 0

    def encode(self, value: Any) -> bytes:
        """Return FF or 00 (X.690 §11.1)."""
        if not isinstance(value, bool):
            raise EncodeError("not a boolean", self.clause)
        return b"\xff" if value else b"\x00"


@final
class NullNode(Node):
    """NULL: True."""

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:  # noqa: ARG002 - there are none
        """Return True."""
        if stop != start:
            raise DecodeError("null with contents octets", start, "X.690 §8.8.2")
        return True

    def encode(self, value: Any) -> bytes:
        """Return no octets."""
        if value is not True:
            raise EncodeError("not a null", self.clause)
        return b""


@final
class OpaqueNode(Node):
    """Contents octets as they are."""

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the octets."""
        return octets[start:stop]

    def encode(self, value: Any) -> bytes:
        """Return the octets."""
        if not isinstance(value, bytes):
            raise EncodeError("not octets", self.clause)
        return value


def joined(octets: bytes, start: int, stop: int, *, bits: bool, depth: int = 0) -> bytes:
    """Return the contents of a string in constructed form (X.690 §8.6.4, §8.7.3), as in primitive form.

    Args:
        octets: that it is in.
        start: offset of its contents.
        stop: their end.
        bits: whether it is a BIT STRING.
        depth: in how many strings in constructed form it is.

    Raises:
        DecodeError: its contents are no strings of its kind, or nested deeper than anybody writes.
    """
    if depth == MAX_DEPTH:
        raise DecodeError("strings in constructed form nested too deep", start, "X.690 §8.7.3")
    universal = 0x03 if bits else 0x04
    segments: list[bytes] = []
    offset = start
    while offset < stop:
        tag, begin, end, after = element_at(octets, offset, stop)
        if tag == universal:
            segments.append(octets[begin:end])
        elif tag == universal | _CONSTRUCTED:
            segments.append(joined(octets, begin, end, bits=bits, depth=depth + 1))
        else:
            raise DecodeError("constructed string of something else", offset, "X.690 §8.7.3")
        offset = after
    if not bits:
        return b"".join(segments)
    if not segments or not all(segments) or any(segment[0] for segment in segments[:-1]):
        raise DecodeError("bad constructed bit string", start, "X.690 §8.6.4")
    return segments[-1][:1] + b"".join([segment[1:] for segment in segments])


def element_at(octets: bytes, offset: i64, stop: i64) -> tuple[i64, i64, i64, i64]:
    """Do `ss7.ber.read_element`; raise `DecodeError` if there is none that can be read."""
    tag, start, end, after = read_element(octets, offset, stop)
    if after < 0:
        raise bad_element(after, offset)
    return tag, start, end, after


def bad_element(code: i64, offset: i64) -> DecodeError:
    """Return the error of a negative offset of `ss7.ber`."""
    reason, clause = REASONS[code]
    return DecodeError(reason, offset, clause)
