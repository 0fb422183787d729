"""What decodes and encodes a type by tables: its node (X.690).

Made for what peers send: definite lengths, primitive strings, components in their order. What is unusual,
but may be legal, raises `Declined`, and the reference codec has the last word; what no reading of the
standard allows raises `DecodeError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ss7.ber import encode_length

if TYPE_CHECKING:
    from mypy_extensions import i64

_LENGTH: Final[list[bytes]] = [bytes((length,)) for length in range(0x80)]


class Declined(Exception):  # noqa: N818 - no error: the other codec's turn
    """An encoding that this codec leaves to the reference codec."""


class Node:
    """Decodes and encodes one type's contents octets: what follows tag and length.

    Args:
        clause: where the type is defined, for errors.
    """

    def __init__(self, clause: str) -> None:
        self.clause = clause

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the value of ``octets[start:stop]``; raise `DecodeError` or `Declined`."""
        raise NotImplementedError

    def encode(self, value: Any) -> bytes:
        """Return the contents octets of ``value``; raise `EncodeError`."""
        raise NotImplementedError

    def element(self, tag: bytes, value: Any) -> bytes:
        """Return tag, length and contents octets of ``value``."""
        contents = self.encode(value)
        length = len(contents)
        if length < 0x80:
            return tag + _LENGTH[length] + contents
        return tag + encode_length(length) + contents
