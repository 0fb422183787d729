"""The console's page: files that the node serves, and the headers that keep it to itself."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from scp.api.problems import NO_SUCH_PATH, ProblemError

_FILES: Final = {
    "index.html": "text/html",
    "console.js": "text/javascript",
    "parts.js": "text/javascript",
    "overview.js": "text/javascript",
    "calls.js": "text/javascript",
    "subscriber.js": "text/javascript",
    "health.js": "text/javascript",
    "captures.js": "text/javascript",
    "ladder.js": "text/javascript",
    "octets.js": "text/javascript",
    "replays.js": "text/javascript",
    "story.js": "text/javascript",
    "api.js": "text/javascript",
    "preact.js": "text/javascript",
    "console.css": "text/css",
    "licences.txt": "text/plain",
}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Of the page: it loads from the node alone, and nothing that stands in the data can run."""


@get("/console", include_in_schema=False)
async def page() -> Response[bytes]:
    """The page."""
    return _served("index.html")


@get("/console/{name:str}", include_in_schema=False)
async def part(name: FromPath[str]) -> Response[bytes]:
    """A file that the page loads."""
    if name not in _FILES:
        raise ProblemError(NO_SUCH_PATH, f"/console/{name}")
    return _served(name)


HANDLERS: Final[tuple[Any, ...]] = (page, part)


def read_files() -> None:
    """Read every file now: later none is."""
    for name in _FILES:
        _file(name)


@cache
def _file(name: str) -> bytes:
    return resources.files("scp.console").joinpath("static", name).read_bytes()


def _served(name: str) -> Response[bytes]:
    return Response(_file(name), media_type=_FILES[name], headers=HEADERS)
