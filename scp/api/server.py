"""Serves the API."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, final

import anyio
import anyio.lowlevel
import uvicorn

from scp.api.app import build_app
from scp.api.connections import Connection
from scp.api.http_semantics import HttpSemantics
from scp.api.shared_changes import SharedChanges
from scp.api.tls import tls_faults
from scp.common.http_server import HttpServer, listen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar import Litestar
    from litestar.types import ControllerRouterHandler
    from litestar.types.asgi_types import HTTPRequestEvent

    from scp.api.context import Context, NodeView
    from scp.api.shared_changes import Stream
    from scp.config import Api

GRACE: Final = 5
"""Seconds that requests in progress have when the API closes."""


@final
class ApiServer:
    """The API while it is served.

    Attributes:
        address: where it listens, ``(host, port)``.
        url: its base URL.
    """

    def __init__(self, server: HttpServer, context: Context, *, tls: bool) -> None:
        self._server = server
        self._context = context
        self.address = server.address
        host, port = self.address
        self.url = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"

    def adopt(self, config: Api) -> None:
        """Take over the keys and rates of ``config``."""
        self._context.adopt(config)

    def share(self, stream: Stream, node: str) -> None:
        """Tell other nodes of changes, and show theirs; ``node`` is this one's name."""
        self._context.shared = SharedChanges(self._context.audit.changes, stream, node)

    async def close(self) -> None:
        """Take no more requests, answer those in progress, and stop."""
        await self._server.close()
        if self._context.shared is not None:
            await self._context.shared.stop()


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
        HttpSemantics(app, app.state["direct"]),
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
    try:
        listener = listen(config.listen.host, config.listen.port)
    except OSError as error:
        raise OSError(f"api.listen: {error}") from None
    server = HttpServer(settings, listener)
    await server.started()
    return ApiServer(server, app.state["context"], tls=tls is not None)


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
