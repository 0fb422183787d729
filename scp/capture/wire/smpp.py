"""SMPP in a TCP stream: where a PDU begins, and whole PDUs (SMPP 3.4)."""

from __future__ import annotations

from typing import Final, final

from scp.messages.smpp.pdu import HEADER, LONGEST, RESPONSE, Command, length_of
from ss7.errors import DecodeError

_COMMANDS: Final = frozenset(int(command) for command in Command)
_LAST_SEQUENCE: Final = 0x7FFF_FFFF


def begins_pdu(octets: bytes) -> bool:
    """Whether a segment begins with the header of a PDU (§3.2): a request has no status (§5.1.3)."""
    if len(octets) < HEADER or not HEADER <= int.from_bytes(octets[:4], "big") <= LONGEST:
        return False
    command = int.from_bytes(octets[4:8], "big")
    if command not in _COMMANDS and command & ~RESPONSE not in _COMMANDS:
        return False
    status, sequence = int.from_bytes(octets[8:12], "big"), int.from_bytes(octets[12:16], "big")
    return (status == 0 or command >= RESPONSE) and sequence <= _LAST_SEQUENCE


@final
class PduFramer:
    """Cuts a TCP stream into PDUs by command_length (§5.1.1).

    Attributes:
        error: set once the stream can't be followed any more.
    """

    def __init__(self) -> None:
        self._rest: bytearray = bytearray()
        self.error: DecodeError | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take what is next in the stream; return the PDUs that it completes, in order.

        Raises:
            DecodeError: a command_length that can't be, and no PDU ahead of it; `error` is set.
        """
        rest = self._rest
        rest += chunk
        pdus: list[bytes] = []
        start = 0
        try:
            while True:
                length = length_of(rest, start)
                if not length or len(rest) - start < length:
                    break
                pdus.append(bytes(rest[start : start + length]))
                start += length
        except DecodeError as error:
            self.error = error
            if not pdus:
                raise
        del rest[:start]
        return pdus
