"""Netstrings: ``5:hello,``. A reader of a stream, and a writer."""

from __future__ import annotations

from typing import Final, final

MAX_OCTETS: Final = 65_536
"""Of one string; Kamailio's own buffer is smaller."""


class NetstringError(ValueError):
    """The stream is no sequence of netstrings, and nothing behind this place can be read."""


@final
class NetstringReader:
    """Takes a stream's octets as they come, in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the strings that are whole now.

        Raises:
            NetstringError: with what was found in place of a length or of the comma.
        """
        rest = self._rest + data
        found: list[bytes] = []
        at = 0
        while True:
            colon = rest.find(b":", at, at + 8)
            if colon < 0:
                if len(rest) - at >= 8:
                    raise NetstringError(f"no length: {rest[at : at + 8]!r}")
                break
            digits = rest[at:colon]
            if not digits.isdigit() or int(digits) > MAX_OCTETS:
                raise NetstringError(f"not a length up to {MAX_OCTETS}: {digits!r}")
            end = colon + 1 + int(digits)
            if len(rest) <= end:
                break
            if rest[end : end + 1] != b",":
                raise NetstringError(f"no comma behind {int(digits)} octets: {rest[end : end + 1]!r}")
            found.append(rest[colon + 1 : end])
            at = end + 1
        self._rest = rest[at:]
        return found


def netstring(data: bytes) -> bytes:
    """Return ``data`` as a netstring."""
    return b"%d:%b," % (len(data), data)
