"""A text as the parts of a concatenated short message, and back (TS 23.040 §9.2.3.24.1, TS 23.038).

A part has at most 140 octets of user data: 160 septets or 70 UCS-2 units, less the user data header that
tells the parts apart. No part ends within a character: neither behind an escape nor between two surrogates.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from ss7.errors import DecodeError
from ss7.sms.alphabet import ESCAPE, from_septets, to_septets

OCTETS: Final = 140
_HEADER_8BIT: Final = 0x00  # information elements of TS 23.040 §9.2.3.24
_HEADER_16BIT: Final = 0x08
_SINGLE_SHIFT: Final = 0x24
_LOCKING_SHIFT: Final = 0x25


class Coding(StrEnum):
    """How a text's characters are coded."""

    GSM7 = "gsm7"  # a septet an octet: whoever sends it over the air packs it
    LATIN1 = "latin1"  # ISO 8859-1
    UCS2 = "ucs2"  # UTF-16, for what lies beyond the first plane is sent as surrogates


_WHOLE: Final = {Coding.GSM7: 160, Coding.LATIN1: 140, Coding.UCS2: 140}
_PART: Final = {Coding.GSM7: 153, Coding.LATIN1: 134, Coding.UCS2: 134}
"""Octets (septets for GSM 7 bit) of user data, without and with the header of six octets."""


class Concatenation(NamedTuple):
    """Which part of which message: ``number`` counts from 1."""

    reference: int
    total: int
    number: int


def coded(text: str) -> tuple[Coding, bytes]:
    """Return a text's octets in the 7 bit alphabet, or in UCS-2 if that has not all of its characters."""
    septets = to_septets(text)
    if septets is not None:
        return Coding.GSM7, septets
    return Coding.UCS2, text.encode("utf-16-be", "replace")


class Languages(NamedTuple):
    """National languages of the 7 bit alphabet's tables (TS 23.038 table 6.2.1.2.4.1); 0: the default."""

    locking: int = 0
    single: int = 0


DEFAULT: Final = Languages()


def characters(coding: Coding, octets: bytes, languages: Languages = DEFAULT) -> str:
    """Return the text of octets; lone surrogates and half units are shown as U+FFFD.

    Raises:
        DecodeError: an octet above 127 in the 7 bit alphabet.
    """
    if coding is Coding.GSM7:
        return from_septets(octets, languages.locking, languages.single)
    if coding is Coding.LATIN1:
        return octets.decode("latin-1")
    return octets.decode("utf-16-be", "replace")


def coding_words(coding: Coding, languages: Languages) -> str:
    """Return in words how octets are coded; `from_words` reads it."""
    return coding.value if languages == DEFAULT else f"{coding.value} {languages.locking} {languages.single}"


def from_words(words: str, octets: bytes) -> str:
    """Return the text of octets that are coded as `coding_words` says; raises as `characters`."""
    coding, _, numbers = words.partition(" ")
    return characters(Coding(coding), octets, Languages(*map(int, numbers.split())))


def split(coding: Coding, octets: bytes) -> list[bytes]:
    """Return the user data of each part; one that needs no header if all of it fits into one message."""
    if len(octets) <= _WHOLE[coding]:
        return [octets]
    size = _PART[coding]
    parts: list[bytes] = []
    start = 0
    while start < len(octets):
        end = min(start + size, len(octets))
        if end < len(octets):
            end -= _cut_short(coding, octets, start, end)
        parts.append(octets[start:end])
        start = end
    return parts


def _cut_short(coding: Coding, octets: bytes, start: int, end: int) -> int:
    """Return how many octets before ``end`` a part has to stop, so that it ends with a whole character."""
    if coding is Coding.GSM7:
        escapes = 0
        while end - 1 - escapes >= start and octets[end - 1 - escapes] == ESCAPE:
            escapes += 1
        return escapes & 1
    if coding is Coding.UCS2 and 0xD8 <= octets[end - 2] <= 0xDB:
        return 2
    return 0


def header(part: Concatenation) -> bytes:
    """Return the user data header of a part, its length octet first (TS 23.040 §9.2.3.24.1)."""
    return bytes((5, _HEADER_8BIT, 3, part.reference & 0xFF, part.total, part.number))


def languages_of(octets: bytes) -> Languages:
    """Return the languages that user data with a header name; to be called behind `without_header`."""
    locking = single = 0
    at, end = 1, octets[0] + 1
    while at < end:
        kind, length = octets[at], octets[at + 1]
        if length == 1 and kind == _LOCKING_SHIFT:
            locking = octets[at + 2]
        elif length == 1 and kind == _SINGLE_SHIFT:
            single = octets[at + 2]
        at += 2 + length
    return Languages(locking, single)


def without_header(octets: bytes) -> tuple[Concatenation | None, bytes]:
    """Return which part user data with a header are, None if no element says, and the data behind it.

    Elements that are not about concatenation are skipped; one that says the impossible (part 0, or 4 of 3) is
    ignored, as TS 23.040 §9.2.3.24.1 has it.

    Raises:
        DecodeError: the header, or an element of it, is longer than the octets that are there.
    """
    clause = "TS 23.040 §9.2.3.24"
    if not octets:
        raise DecodeError("user data header without a length", 0, clause)
    end = octets[0] + 1
    if end > len(octets):
        raise DecodeError("the user data header is longer than the user data", 0, clause)
    part: Concatenation | None = None
    at = 1
    while at < end:
        if at + 2 > end or at + 2 + octets[at + 1] > end:
            raise DecodeError("an information element is longer than its header", at, clause)
        kind, value = octets[at], octets[at + 2 : at + 2 + octets[at + 1]]
        if kind == _HEADER_8BIT and len(value) == 3:
            part = _possible(Concatenation(value[0], value[1], value[2])) or part
        elif kind == _HEADER_16BIT and len(value) == 4:
            part = _possible(Concatenation(value[0] << 8 | value[1], value[2], value[3])) or part
        at += 2 + len(value)
    return part, octets[end:]


def _possible(part: Concatenation) -> Concatenation | None:
    return part if 1 <= part.number <= part.total else None
