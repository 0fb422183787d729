"""Point codes in text: ITU international ``zone-area-point`` (3-8-3 bits, Q.708 §2) or an integer."""

from __future__ import annotations

from typing import Final

from ss7.errors import EncodeError

_CLAUSE: Final = "Q.708 §2"
_FIELDS: Final = (7, 255, 7)
MAX_ITU: Final = 0x3FFF


def parse_point_code(text: str | int) -> int:
    """Read a point code: ``"0-23-1"``, ``"185"`` or ``185``; 0…16383.

    Raises:
        EncodeError: it is none of these, or out of range.
    """
    if isinstance(text, int):
        return _within(text, MAX_ITU)
    parts = text.strip().split("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
        raise EncodeError(f"{text!r} is not a point code: write zone-area-point or an integer", _CLAUSE)
    if len(parts) == 1:
        return _within(int(parts[0]), MAX_ITU)
    if len(parts) != len(_FIELDS):
        raise EncodeError(f"{text!r} has {len(parts)} parts, a point code has 3", _CLAUSE)
    zone, area, point = (_within(int(part), limit) for part, limit in zip(parts, _FIELDS, strict=True))
    return zone << 11 | area << 3 | point


def format_point_code(point_code: int) -> str:
    """Write a point code as ``zone-area-point``; one of more than 14 bits (ANSI, China) as an integer."""
    if not 0 <= point_code <= MAX_ITU:
        return str(point_code)
    return f"{point_code >> 11}-{point_code >> 3 & 255}-{point_code & 7}"


def _within(number: int, limit: int) -> int:
    if not 0 <= number <= limit:
        raise EncodeError(f"{number} is not within 0..{limit}", _CLAUSE)
    return number
