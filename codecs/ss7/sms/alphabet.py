"""The GSM 7 bit default alphabet with its extension table (TS 23.038 §6.2.1), as septets and packed.

A septet is an octet with a value below 128. Packed, eight of them take seven octets (TS 23.038 §6.1.2.1.1).
"""

from __future__ import annotations

from typing import Final

from ss7.errors import DecodeError

ESCAPE: Final = 0x1B
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_SEPTETS: Final = {
    **{character: bytes((code,)) for code, character in enumerate(_BASIC) if code != ESCAPE},
    **{character: bytes((ESCAPE, code)) for code, character in _EXTENSION.items()},
}


def to_septets(text: str) -> bytes | None:
    """Return a text's septets; None if a character is not in the alphabet."""
    found = [_SEPTETS.get(character) for character in text]
    if None in found:
        return None
    return b"".join([each for each in found if each is not None])


def from_septets(septets: bytes) -> str:
    """Return the text of septets.

    An escape before a septet that the extension table does not have shows that septet's character of the
    basic table, and one before another escape or at the end a space (TS 23.038 §6.2.1.1, note 1).

    Raises:
        DecodeError: an octet is no septet.
    """
    text: list[str] = []
    escaped = False
    for offset, code in enumerate(septets):
        if code > 0x7F:
            raise DecodeError("an octet above 127 in the 7 bit alphabet", offset, "TS 23.038 §6.2.1")
        if escaped:
            text.append(" " if code == ESCAPE else _EXTENSION.get(code, _BASIC[code]))
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            text.append(_BASIC[code])
    if escaped:
        text.append(" ")
    return "".join(text)


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Return septets packed, after ``fill`` zero bits (0 to 6) that follow a user data header."""
    value, bits = 0, fill
    for code in septets:
        value |= code << bits
        bits += 7
    return value.to_bytes((bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> bytes:
    """Return ``count`` septets of packed octets, after ``fill`` bits.

    Raises:
        DecodeError: there are fewer octets than these take.
    """
    if (count * 7 + fill + 7) // 8 > len(octets):
        raise DecodeError(f"{count} septets in {len(octets)} octets", len(octets), "TS 23.040 §9.2.3.16")
    value = int.from_bytes(octets, "little") >> fill
    return bytes([value >> 7 * number & 0x7F for number in range(count)])
