"""``/metrics`` over HTTP, in the node's own event loop, without holding up a call.

Rendering everything at once takes some milliseconds, in a thread as well: the interpreter lets only one run.
So it is done in pieces of `SAMPLES` with a turn of the loop between, which bounds what a call may wait.
uvicorn speaks HTTP; a connection has one request and little time, so that no client keeps the others out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from uvicorn.protocols.http.h11_impl import H11Protocol

from scp.common.http_server import HttpServer, listen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from prometheus_client.core import Metric
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

Scope: TypeAlias = "dict[str, Any]"
Send: TypeAlias = "Callable[[dict[str, Any]], Awaitable[None]]"

SAMPLES: Final = 50
"""Samples rendered between two turns of the event loop: about 0.5 ms."""
TIMEOUT: Final = 5.0
"""Seconds that a client has for its request, and to take the answer."""
MAX_CONNECTIONS: Final = 16
MAX_HEAD: Final = 8192
"""Octets of a request."""

_TEXT: Final = "text/plain; charset=utf-8"


class Collector(Protocol):
    """What prometheus_client's own collectors are to us; compiled classes can't be derived from its class."""

    def collect(self) -> Iterable[Metric]:
        """Return the families as they are now."""
        ...


@final
class _Piece:
    """A family, or part of one, in place of a registry, for `generate_latest`."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def process_collectors() -> tuple[Collector, ...]:
    """Return prometheus_client's collectors of the process (memory, CPU, files) and garbage collection."""
    registry = CollectorRegistry()  # they register themselves; the global registry stays as it is
    return (ProcessCollector(registry=registry), GCCollector(registry=registry))


def render(collectors: Iterable[Collector]) -> Iterator[bytes]:
    """Yield the exposition of every family (text format) in pieces of at most `SAMPLES` samples."""
    for collector in collectors:
        for family in collector.collect():
            samples = family.samples
            family.samples = samples[:SAMPLES]
            yield generate_latest(_Piece(family))
            for start in range(SAMPLES, len(samples), SAMPLES):
                family.samples = samples[start : start + SAMPLES]
                yield _without_head(generate_latest(_Piece(family)))


def _without_head(exposition: bytes) -> bytes:
    """Return a family's exposition without its HELP and TYPE, which stand before its first piece."""
    while exposition.startswith(b"# "):
        exposition = exposition.partition(b"\n")[2]
    return exposition


@final
class _OneRequest(H11Protocol):
    """A connection of a scraper: one request, `TIMEOUT` seconds, `MAX_CONNECTIONS` at a time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; where there are too many, the one that has been silent longest makes room, if one is."""
        super().connection_made(transport)
        self.since = self.loop.time()
        if len(self.connections) > MAX_CONNECTIONS:
            silent = [each for each in self.connections if isinstance(each, _OneRequest) and each.silent]
            min(silent, key=lambda each: (each is self, each.since)).transport.abort()
        self._limit = self.loop.call_later(TIMEOUT, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._limit.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override] # as in asyncio's
        """Return whether to stay: a scraper that has sent its request may wait for the answer."""
        waits = not self.silent and not self.cycle.response_complete
        if waits:
            self.shutdown()  # once it is answered
        return waits

    @property
    def silent(self) -> bool:
        """Whether no request has come."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn leaves out that there may be none yet
        return cycle is None and not self.transport.is_closing()


@final
class MetricsServer:
    """Answers ``GET /metrics``.

    Args:
        host: address to listen on, "" for all.
        port: 0: the system chooses.
        collectors: what is exposed.
    """

    def __init__(self, host: str, port: int, collectors: Sequence[Collector]) -> None:
        self._host = host
        self._port = port
        self._collectors = collectors
        self._server: HttpServer | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port if self._server is None else self._server.address[1]

    async def start(self) -> None:
        """Listen; raises OSError if the address can't be had, with the key that says which."""
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=_OneRequest,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # what scrapers do wrong is theirs
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        config.load()
        try:
            listener = listen(self._host, self._port)
        except OSError as error:
            raise OSError(f"telemetry.metrics: {error}") from None
        self._server = HttpServer(config, listener)
        await self._server.started()

    async def close(self) -> None:
        """Stop listening and drop the connections."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    async def _answer(self, scope: Scope, _receive: object, send: Send) -> None:
        """Answer one request (an ASGI application)."""
        if scope["method"] not in ("GET", "HEAD"):
            status, kind, body = 405, _TEXT, b"GET it\n"
        elif scope["path"] != "/metrics":
            status, kind, body = 404, _TEXT, b"metrics are at /metrics\n"
        else:
            status, kind, body = 200, CONTENT_TYPE_LATEST, await self._body()
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *([(b"allow", b"GET, HEAD")] * (status == 405)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _body(self) -> bytes:
        parts = []
        for part in render(self._collectors):
            parts.append(part)
            await asyncio.sleep(0)
        return b"".join(parts)


async def watch_loop(lag: Callable[[float], None], interval: float = 0.25) -> None:
    """Tell ``lag`` for ever how many seconds late the event loop woke this coroutine. Run it as a task."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        lag(max(0.0, loop.time() - due))
