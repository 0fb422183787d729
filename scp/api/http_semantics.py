"""HTTP rules that hold for every path: Host, HEAD, OPTIONS, request targets with a host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

import msgspec

from scp.api.direct import is_host
from scp.api.problems import MALFORMED, MEDIA_TYPE

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import HTTPScope, Receive, Send

    from scp.api.direct import DirectCalls

_AUTHORITY: Final = re.compile(r"https?://[^/]*", re.IGNORECASE)
_ANYTHING: Final = "*"
"""The target of an OPTIONS that is for the server as a whole (RFC 9112 §3.2.4)."""


@final
class HttpSemantics:
    """An ASGI application before the API's own.

    - A Host that is none is refused (RFC 9112 §3.2), before anything is done: Litestar would fail at it
      where somebody asks for the URL, which is perhaps behind a change and before its line in the audit.
    - HEAD is GET, and uvicorn keeps the body back (RFC 9110 §9.3.2: every GET has its HEAD).
    - OPTIONS names the methods of a path (§9.3.7); Litestar has those of one handler only.
    - A target in absolute form has to be taken by every server (RFC 9112 §3.2.2).

    Args:
        app: the API's own.
        direct: what a `scp.api.connections.Connection` may answer past this; None: nothing.
    """

    def __init__(self, app: Litestar, direct: DirectCalls | None = None) -> None:
        self._app = app
        self.direct = direct

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Refuse bad hosts, answer OPTIONS, pass everything else on."""
        if not all(is_host(value) for name, value in scope["headers"] if name == b"host"):
            body = _encode(MALFORMED.problem("Host: expected a host, and perhaps a port"))
            about = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": MALFORMED.status, "headers": about})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        method, path = scope["method"], scope["path"]
        if path[:1] != "/":
            path = _AUTHORITY.sub("", path, count=1) or "/"
        if method == "OPTIONS" and (allowed := methods_at(self._app, path)):
            headers = [(b"allow", ", ".join(allowed).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if method == "HEAD":
            method = "GET"
        if method != scope["method"] or path != scope["path"]:
            scope = {**scope, "method": method, "path": path}
        await self._app(scope, receive, send)


def methods_at(app: Litestar, path: str) -> list[str]:
    """Return the methods that a path knows, in order; none for one that is not there."""
    asked = [part for part in path.split("/") if part]
    methods: set[str] = set()
    for route in app.routes:
        parts = route.path_components
        if path == _ANYTHING or (
            len(parts) == len(asked)
            and all(not isinstance(part, str) or part == one for part, one in zip(parts, asked, strict=True))
        ):
            methods.update(route.methods)
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


_encode: Final = msgspec.json.Encoder().encode
