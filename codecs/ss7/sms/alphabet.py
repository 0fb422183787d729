"""The GSM 7 bit default alphabet with its extension table (TS 23.038 §6.2.1), as septets and packed.

Of the national language tables (§6.2.1.2, annex A) those of Turkish, Spanish and Portuguese are read: phones
use them by themselves. A text in another's is read by the default tables, as by a phone without it.

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


LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TURKISH: Final = (
    "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bŞşßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    f"İ{LETTERS}ÄÖÑÜ§ç{LETTERS.lower()}äöñüà"
)
_PORTUGUESE: Final = (
    "@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ !\"#º%&'()*+,-./0123456789:;<=>?"
    f"Í{LETTERS}ÃÕÚÜ§~{LETTERS.lower()}ãõ`üà"
)
_LOCKING: Final = {1: _TURKISH, 3: _PORTUGUESE}
"""By language (TS 23.038 table 6.2.1.2.4.1): what replaces the default alphabet (annex A.3)."""
_SINGLE: Final = {
    1: {**_EXTENSION, 0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"},  # noqa: RUF001
    2: {
        **_EXTENSION,
        0x09: "ç",
        0x41: "Á",
        0x49: "Í",
        0x4F: "Ó",
        0x55: "Ú",
        0x61: "á",
        0x69: "í",
        0x6F: "ó",
        0x75: "ú",
    },
    3: {
        **_EXTENSION,
        0x05: "ê",
        0x09: "ç",
        0x0B: "Ô",
        0x0C: "ô",
        0x0E: "Á",
        0x0F: "á",
        0x12: "Φ",
        0x13: "Γ",
        0x15: "Ω",
        0x16: "Π",
        0x17: "Ψ",
        0x18: "Σ",
        0x19: "Θ",
        0x1F: "Ê",
        0x41: "À",
        0x49: "Í",
        0x4F: "Ó",
        0x55: "Ú",
        0x5B: "Ã",
        0x5C: "Õ",
        0x61: "Â",
        0x69: "í",
        0x6F: "ó",
        0x75: "ú",
        0x7B: "ã",
        0x7C: "õ",
        0x7F: "â",
    },
}
"""… and what replaces the extension table (annex A.2)."""


def to_septets(text: str) -> bytes | None:
    """Return a text's septets; None if a character is not in the alphabet."""
    found = [_SEPTETS.get(character) for character in text]
    if None in found:
        return None
    return b"".join([each for each in found if each is not None])


def from_septets(septets: bytes, locking: int = 0, single: int = 0) -> str:
    """Return the text of septets.

    Args:
        septets: an octet each.
        locking: national language of the locking shift table, 0: the default one.
        single: likewise of the single shift table, which follows escapes.

    An escape before a septet that the extension table does not have shows that septet's character of the
    basic table, and one before another escape or at the end a space (TS 23.038 §6.2.1.1, note 1).

    Raises:
        DecodeError: an octet is no septet.
    """
    text: list[str] = []
    basic, extension = _LOCKING.get(locking, _BASIC), _SINGLE.get(single, _EXTENSION)
    escaped = False
    for offset, code in enumerate(septets):
        if code > 0x7F:
            raise DecodeError("an octet above 127 in the 7 bit alphabet", offset, "TS 23.038 §6.2.1")
        if escaped:
            text.append(" " if code == ESCAPE else extension.get(code, basic[code]))
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            text.append(basic[code])
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
