"""Serves an API with uvicorn: what those of the node and of the VoIP service have in common."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from scp.api.audit import call
from scp.api.connections import Connection
from scp.api.http_semantics import HttpSemantics
from scp.api.openapi import CHANGES
from scp.api.tls import tls_faults
from scp.common.http_server import HttpServer, listen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar import Litestar, Request

    from scp.api.audit import Audit
    from scp.api.problems import ProblemError
    from scp.config import HostPort, Tls

GRACE: Final = 5
"""Seconds that requests in progress have when the API closes."""


async def serve(
    where: HostPort, tls: Tls | None, app: Litestar, warm_up: Callable[[], Awaitable[None]]
) -> HttpServer:
    """Serve an application in the running event loop; ``warm_up`` is awaited before anything listens.

    Raises:
        OSError: the address can't be listened on, or a certificate not used; the text names the key.
    """
    if tls is not None and (fault := next(tls_faults(tls), None)):
        raise OSError(f"api.tls.{fault}")
    settings = uvicorn.Config(
        HttpSemantics(app, app.state.get("direct")),
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
    settings.load()  # reads the certificates
    await warm_up()
    try:
        listener = listen(where.host, where.port)
    except OSError as error:
        raise OSError(f"api.listen: {error}") from None
    server = HttpServer(settings, listener)
    await server.started()
    return server


def url_of(server: HttpServer, tls: Tls | None) -> str:
    """Return the base URL of what is served."""
    host, port = server.address
    return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def audit_refusal(audit: Audit, who: str, request: Request[Any, Any, Any], error: ProblemError) -> None:
    """Write a line in the audit where a call that changes something is refused; ``who`` asked."""
    handler: Any = dict(request.scope).get("route_handler")  # not there at an unknown path
    if handler is not None and handler.opt.get(CHANGES):
        audit.refused(
            who,
            call(request.method, request.url.path),
            error.kind.status,
            error.kind.name,
            detail=error.detail,
            source=request.client.host if request.client else "",
        )
