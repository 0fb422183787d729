"""Writing to a socket at once, where an event loop would write at the end of its turn.

uvloop gathers what is written in a turn of the loop and sends it when the turn is over. A batch of hundreds
of calls then keeps its first answer until its last one is made, and the other end idles meanwhile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    import asyncio

_NONE: Final = -1


@final
class EagerWriter:
    """Writes to one transport: what the socket takes at once, and the rest through the transport.

    The order holds, since nothing goes past what the transport still has. An error is left to the transport,
    which meets it as well and tells its protocol.

    Args:
        transport: of a TCP connection; with TLS everything goes through it.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        plain = transport.get_extra_info("sslcontext") is None
        raw = transport.get_extra_info("socket") if plain else None
        self._fd: int = _NONE if raw is None else raw.fileno()

    def write(self, octets: bytes) -> None:
        """Write ``octets``, which are not empty."""
        transport = self._transport
        if self._fd != _NONE and not transport.get_write_buffer_size() and not transport.is_closing():
            try:
                sent = os.write(self._fd, octets)
            except OSError:
                sent = 0
            if sent == len(octets):
                return
            octets = octets[sent:]
        transport.write(octets)
