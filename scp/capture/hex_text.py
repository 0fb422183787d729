"""Octets written in hex, as programs and people write them: in a row, in groups, or as a hex dump."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_BETWEEN: Final = re.compile(r"[\s:;,.|_-]+")
_PREFIX: Final = re.compile(r"(?:0|\\)[xX]")
_NO_HEX: Final = re.compile(r"[^0-9A-Fa-f]")

_DUMP_LINE: Final = re.compile(r"\s*(?:0x)?([0-9A-Fa-f]{3,8}):?\s+(\S.*)")
_ROW: Final = 16
_OCTETS: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+(?=\s|$)")


def read_hex(text: str) -> bytes:
    r"""Return the octets that ``text`` has in hex.

    Case is free, and so are spaces, line ends and ``: - , . ; | _`` between octets, and ``0x`` or ``\x``
    before them. An octet that stands alone may be a single digit. Of a hex dump (Wireshark, tcpdump -X,
    hexdump -C, xxd), offsets and text are left out.

    Raises:
        ValueError: other characters, or half an octet.
    """
    rows = _dump_rows(text)
    if rows:
        return bytes.fromhex("".join(rows))
    words = [word for word in _BETWEEN.split(_PREFIX.sub(" ", text)) if word]
    if len(words) > 1 and all(len(word) <= 2 for word in words):
        words = [word.zfill(2) for word in words]
    digits = "".join(words)
    stray = _NO_HEX.search(digits)
    if stray:
        raise ValueError(f"{stray.group()!r} is no hex digit")
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} hex digits: half an octet is missing")
    return bytes.fromhex(digits)


def _dump_rows(text: str) -> list[str]:
    """Return the octets of each line of a hex dump; none if it is no dump.

    The offset of each line has to be the number of octets before it.
    """
    rows: list[str] = []
    size = 0
    for line in filter(str.strip, text.splitlines()):
        found = _DUMP_LINE.fullmatch(line)
        if found is None or int(found[1], 16) != size or size % _ROW:
            last = found is None and bool(rows) and _is_end(line, size)
            return rows if last else []
        row = "".join(_octets_of(found[2]))[: 2 * _ROW]
        rows.append(row)
        size += len(row) // 2
    return rows


def _is_end(line: str, size: int) -> bool:
    """Whether a line has nothing but the size of the dump, with which hexdump ends."""
    return bool(re.fullmatch(r"\s*[0-9A-Fa-f]+\s*", line)) and int(line, 16) == size


def _octets_of(row: str) -> Iterator[str]:
    """Yield the octets of a dump's line; before its text are two blanks and more, or a bar."""
    at = size = 0
    while found := _OCTETS.match(row, at):
        yield found[0]
        size += len(found[0])
        at = found.end()
        blanks = len(row[at:]) - len(row[at:].lstrip())
        if size >= 2 * _ROW or (
            blanks > 1 and size != _ROW
        ):  # in the middle of a line, hexdump has two blanks
            return
        at += blanks
