"""Digit strings as semi-octets: two a octet, the earlier one in the low half.

Two alphabets share that layout. ISUP and SCCP address signals (Q.763 §3.9, Q.713 §3.4.2.3.1) have code 11
and code 12 where TBCD (TS 29.002 §17.7.8, TS 24.008 §10.5.4.7) has ``*``, ``#`` and ``a`` to ``c``. In both,
``*`` and ``#`` stand for the keys of the telephone. The codes that ISUP leaves spare, and its ST, are capital
letters, so that every octet string comes back as it was and none looks like one of the other alphabet:

====  =====  ====
code  ISUP   TBCD
====  =====  ====
1010  ``A``  ``*``
1011  ``*``  ``#``
1100  ``#``  ``a``
1101  ``D``  ``b``
1110  ``E``  ``c``
1111  ``F``  filler
====  =====  ====
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ss7.errors import DecodeError, EncodeError


class NumberingPlan(IntEnum):
    """Numbering plans as Q.763 §3.9, TS 24.008 table 10.5.118 and TS 29.002 §17.7.8 agree on them."""

    UNKNOWN = 0
    ISDN = 1
    DATA = 3
    TELEX = 4
    LAND_MOBILE = 6
    NATIONAL = 8
    PRIVATE = 9


_SWAP: Final = bytes((octet & 0x0F) << 4 | octet >> 4 for octet in range(256))
_ISUP_FROM_HEX: Final = str.maketrans("abcdef", "A*#DEF")
_TBCD_FROM_HEX: Final = str.maketrans("abcde", "*#abc")
_ISUP_TO_HEX: Final = dict(zip("0123456789A*#DEF", "0123456789abcdef", strict=True))
_TBCD_TO_HEX: Final = dict(zip("0123456789*#abc", "0123456789abcde", strict=True))


def isup_digits(octets: bytes, start: int, odd: bool) -> str:
    """Return the address signals of ``octets[start:]`` in the ISUP alphabet.

    Args:
        octets: the whole parameter.
        start: where the address signals begin; nothing after it is an empty string.
        odd: the last half octet is filler. Its value does not matter: Q.763 says 0000, but some send 1111.

    Returns:
        The signals, ST (``F``) included where it was sent.
    """
    text = octets[start:].translate(_SWAP).hex()
    if odd:
        text = text[:-1]
    if text.isdigit():
        return text
    return text.translate(_ISUP_FROM_HEX)


def isup_octets(digits: str, clause: str = "Q.763 §3.9") -> bytes:
    """Return ``digits`` as semi-octets with the filler 0000 of Q.763 if their number is odd.

    Raises:
        EncodeError: a character that is not of the ISUP alphabet.
    """
    text = digits if digits.isascii() and digits.isdigit() else _to_hex(digits, _ISUP_TO_HEX, clause)
    if len(text) & 1:
        text += "0"
    return bytes.fromhex(text).translate(_SWAP)


def tbcd_digits(octets: bytes, start: int = 0, clause: str = "TS 29.002 §17.7.8") -> str:
    """Return the digits of ``octets[start:]`` in the TBCD alphabet, without filler.

    More than one filler at the end is let pass: some nodes pad numbers to a fixed length with it.

    Raises:
        DecodeError: a filler with a digit after it.
    """
    text = octets[start:].translate(_SWAP).hex()
    if text.isdigit():
        return text
    text = text.rstrip("f")
    if text.isdigit():
        return text
    inner = text.find("f")
    if inner >= 0:
        raise DecodeError("filler before the last digit", start + inner // 2, clause)
    return text.translate(_TBCD_FROM_HEX)


def tbcd_octets(digits: str, clause: str = "TS 29.002 §17.7.8") -> bytes:
    """Return ``digits`` as TBCD octets with the filler 1111 if their number is odd.

    Raises:
        EncodeError: a character that is not of the TBCD alphabet.
    """
    text = digits if digits.isascii() and digits.isdigit() else _to_hex(digits, _TBCD_TO_HEX, clause)
    if len(text) & 1:
        text += "f"
    return bytes.fromhex(text).translate(_SWAP)


def _to_hex(digits: str, alphabet: dict[str, str], clause: str) -> str:
    """Return the code of each character as a hex digit; raises `EncodeError` for one without a code."""
    codes = [alphabet.get(character, "") for character in digits]
    if "" in codes:
        raise EncodeError(f"no code for {digits[codes.index('')]!r} in a number", clause)
    return "".join(codes)


def names_of(kind: type[IntEnum]) -> dict[int, str]:
    """Return what JSON shows for the members of ``kind``: ``NETWORK_SPECIFIC`` is ``network-specific``."""
    return {int(member): member.name.lower().replace("_", "-") for member in kind}


def shown(value: int, names: dict[int, str]) -> str | int:
    """Return the name of ``value``, or the value itself where the standard gives it none."""
    return names.get(value, value)
