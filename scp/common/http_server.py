"""Runs uvicorn in the node's own event loop, on a socket that listens already."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, final

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Generator


@final
class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the process's signals to the process and says when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture nothing."""
        yield


@final
class HttpServer:
    """An application while it is served.

    Args:
        config: of uvicorn, loaded.
        listener: see `listen`; closed with the server.

    Attributes:
        address: listening address, ``(host, port)``.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._server = _Server(config)
        self._task = asyncio.ensure_future(self._server.serve(sockets=[listener]))

    async def started(self) -> None:
        """Return when requests are answered."""
        ready = asyncio.ensure_future(self._server.ready.wait())
        await asyncio.wait((ready, self._task), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            await self._task

    async def close(self) -> None:
        """Take no more requests, answer those in progress, and stop."""
        self._server.should_exit = True
        await self._task


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; "" is every address, of both families where the system can.

    An answer is two small writes, head and body: without TCP_NODELAY, which connections inherit, the second
    would wait 40 ms for the client's delayed ACK.

    Raises:
        OSError: the address can't be listened on; its text has the address and why.
    """
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:  # create_server adds the address to strerror, as a Python tuple
        reason = error.strerror or str(error)
        if error.errno is not None and not isinstance(error, socket.gaierror):
            reason = os.strerror(error.errno)
        raise OSError(f"{host or '*'} port {port}: {reason.lower()}") from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
