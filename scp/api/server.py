"""Runs uvicorn in the node's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final, final

import anyio
import anyio.lowlevel
import uvicorn

from scp.api.app import build_app
from scp.api.connections import Connection
from scp.api.http_semantics import HttpSemantics
from scp.api.tls import tls_faults

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from litestar import Litestar
    from litestar.types import ControllerRouterHandler
    from litestar.types.asgi_types import HTTPRequestEvent

    from scp.api.context import Context, NodeView
    from scp.config import Api

GRACE: Final = 5
"""Seconds that requests in progress have when the API closes."""


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
class ApiServer:
    """The API while it is served.

    Attributes:
        address: where it listens, ``(host, port)``.
        url: its base URL.
    """

    def __init__(self, server: _Server, listener: socket.socket, context: Context, *, tls: bool) -> None:
        self._server = server
        self._context = context
        self.address: tuple[str, int] = listener.getsockname()[:2]
        host, port = self.address
        self.url = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"
        self._task = asyncio.ensure_future(server.serve(sockets=[listener]))

    async def started(self) -> None:
        """Return when requests are answered."""
        ready = asyncio.ensure_future(self._server.ready.wait())
        await asyncio.wait((ready, self._task), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            await self._task

    def adopt(self, config: Api) -> None:
        """Take over the keys and rates of ``config``."""
        self._context.adopt(config)

    async def close(self) -> None:
        """Take no more requests, answer those in progress, and stop."""
        self._server.should_exit = True
        await self._task


async def serve_api(
    config: Api, node: NodeView, routers: Sequence[ControllerRouterHandler] = ()
) -> ApiServer:
    """Serve the API in the running event loop.

    Args:
        config: ``[api]``.
        node: the node that it runs in.
        routers: beside those that every node has.

    Raises:
        OSError: the address can't be listened on, or a file (audit, certificate) not opened; `ssl.SSLError`,
            for a certificate that is none, is one of these.
    """
    tls = config.tls
    if tls is not None and (fault := next(tls_faults(tls), None)):
        raise OSError(f"api.tls.{fault}")
    app = build_app(config, node, routers)
    settings = uvicorn.Config(
        HttpSemantics(app),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what clients do wrong, `Connection` says
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_ca_certs=tls.client_ca if tls else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.client_ca else ssl.CERT_NONE,
    )
    settings.load()  # reads the certificates, before anything listens
    await _warm_up(app)
    server = ApiServer(
        _Server(settings),
        _listen(config.listen.host, config.listen.port),
        app.state["context"],
        tls=tls is not None,
    )
    await server.started()
    return server


async def _warm_up(app: Litestar) -> None:
    """Have Litestar make now what it makes for the first request that needs it: that would hold up calls.

    It is the OpenAPI document and its page, 70 ms of processor time, and what anyio imports, 15 ms.
    """
    await anyio.lowlevel.checkpoint()
    for path in ("/docs", "/schema/openapi.json"):
        scope: Any = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "client": None,
            "server": None,
        }
        await app(scope, _no_body, _to_nobody)


async def _no_body() -> HTTPRequestEvent:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _to_nobody(_message: object) -> None:
    """Take a response."""


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; "" is every address, of both families where the system can.

    An answer is two small writes, head and body: without TCP_NODELAY, which connections inherit, the second
    would wait 40 ms for the client's delayed ACK.
    """
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise OSError(f"api.listen: {error}") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
