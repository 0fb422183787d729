"""Serves the API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, final

import anyio
import anyio.lowlevel

from scp.api.app import build_app
from scp.api.serving import serve, url_of
from scp.api.shared_changes import SharedChanges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar import Litestar
    from litestar.types import ControllerRouterHandler
    from litestar.types.asgi_types import HTTPRequestEvent

    from scp.api.context import Context, NodeView
    from scp.api.shared_changes import Stream
    from scp.common.http_server import HttpServer
    from scp.config import Api


@final
class ApiServer:
    """The API while it is served.

    Attributes:
        address: where it listens, ``(host, port)``.
        url: its base URL.
    """

    def __init__(self, server: HttpServer, context: Context) -> None:
        self._server = server
        self._context = context
        self.address = server.address
        self.url = url_of(server, context.config.tls)

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
    app = build_app(config, node, routers)
    server = await serve(config.listen, config.tls, app, partial(_warm_up, app))
    return ApiServer(server, app.state["context"])


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
