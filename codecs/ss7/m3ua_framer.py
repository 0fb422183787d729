"""Whole M3UA messages out of a TCP stream, by the length in their common header (RFC 4666 §3.1.4)."""

from __future__ import annotations

from typing import Final, final

from ss7.m3ua_parameters import ErrorCode, M3uaError

HEADER_LENGTH: Final = 8


@final
class Framer:
    """Cuts a TCP stream into messages by the length in their common header.

    A sender may leave the last parameter's padding out of the length and yet send it (§3.1.4). As a message
    begins with its version, which is not 0, up to three zero octets after a length that is no multiple of
    four are such padding.

    Args:
        limit: longest message taken, in octets.

    Attributes:
        error: set once the stream can't be followed any more; the connection is of no use then.
    """

    def __init__(self, limit: int = 131_072) -> None:
        self._limit: int = limit
        self._parts: list[bytes] = []
        self._have: int = 0
        self._need: int = HEADER_LENGTH
        self._padding: int = 0
        self.error: M3uaError | None = None

    @property
    def held(self) -> int:
        """Octets that came of a message that is not whole yet."""
        return self._have

    @property
    def rest(self) -> bytes:
        """The octets that `held` counts."""
        return b"".join(self._parts)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take what was read; return the messages it completes, in order.

        Raises:
            M3uaError: a length that can't be. What is complete before it is returned first: the call that
                finds it raises only if it has nothing to return, later ones always. `error` is set at once.
        """
        if self.error is not None:
            raise self.error
        if self._parts:
            self._parts.append(chunk)
            self._have += len(chunk)
            if self._have < self._need:
                return []  # nothing is joined before the message is whole: a slow sender costs no copies
            chunk = b"".join(self._parts)
        messages: list[bytes] = []
        rest = self._cut(chunk, messages)
        self._parts = [chunk[rest:]] if rest < len(chunk) else []
        self._have = len(chunk) - rest
        return self._checked(messages)

    def _checked(self, messages: list[bytes]) -> list[bytes]:
        if self.error is not None and not messages:
            raise self.error
        return messages

    def _cut(self, chunk: bytes, messages: list[bytes]) -> int:
        """Append the whole messages of ``chunk``, return where the rest begins; sets what the rest needs."""
        pos = 0
        size = len(chunk)
        while True:
            while self._padding and pos < size and chunk[pos] == 0:
                pos += 1
                self._padding -= 1
            if size - pos < HEADER_LENGTH:
                self._need = HEADER_LENGTH
                return pos
            self._padding = 0
            length = int.from_bytes(chunk[pos + 4 : pos + 8], "big")
            if not HEADER_LENGTH <= length <= self._limit:
                reason = f"message length {length}: the stream can't be followed"
                self.error = M3uaError(ErrorCode.PROTOCOL_ERROR, reason, pos + 4, "RFC 4666 §3.1.4")
                return size
            if size - pos < length:
                self._need = length
                return pos
            messages.append(chunk[pos : pos + length])
            pos += length
            self._padding = -length & 3
