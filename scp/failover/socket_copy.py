"""The guardian's copy of an association: its descriptor, and the management messages of its peer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    import socket

MOST_KEPT: Final = 4096
"""Management messages kept of a link; a gateway may speak of very many destinations."""


@final
class SocketCopy:
    """An association that the node has: a copy of its descriptor, and what its peer sent beside DATA.

    Attributes:
        name: of its transport.
        endpoint: the socket.
        management: streams and messages, the oldest first.
    """

    def __init__(self, name: str, endpoint: socket.socket) -> None:
        self.name = name
        self.endpoint = endpoint
        self.management: deque[tuple[int, bytes]] = deque(maxlen=MOST_KEPT)
