"""A server whose answers are wrong: what is common to those of different protocols."""

from __future__ import annotations

import asyncio
import socket


class LyingServer:
    """Listens on a port of the system's choice, with little room for what it does not read.

    Attributes:
        port: known once it is up.
    """

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None

    async def up(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._server = await asyncio.start_server(self.serve, sock=listener)
        self.port = listener.getsockname()[1]

    def down(self) -> None:
        assert self._server is not None
        self._server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on one connection."""
        raise NotImplementedError
