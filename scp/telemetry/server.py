"""``/metrics`` over HTTP, in the node's own event loop, without holding up a call.

Rendering everything at once takes some milliseconds, in a thread as well: the interpreter lets only one run.
So it is done in pieces of `SAMPLES` with a turn of the loop between, which bounds what a call may wait. The
HTTP is what a scraper needs and no more: GET and HEAD, one request a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Protocol, final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.core import Metric

MAX_REQUEST: Final = 8192
SAMPLES: Final = 50
"""Samples rendered between two turns of the event loop: about 0.5 ms."""
TIMEOUT: Final = 5.0
"""Seconds that a client has for its request, and to take the answer."""
MAX_CONNECTIONS: Final = 16

_TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


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
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is not None and self._server.sockets:
            return int(self._server.sockets[0].getsockname()[1])
        return self._port

    async def start(self) -> None:
        """Listen; raises OSError if the address can't be had, with the key that says which."""
        try:
            self._server = await asyncio.start_server(
                self._connected, self._host or None, self._port, limit=MAX_REQUEST
            )
        except OSError as error:
            raise OSError(f"telemetry.metrics: {error}") from None

    async def close(self) -> None:
        """Stop listening and drop the connections."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= MAX_CONNECTIONS:
                async with asyncio.timeout(TIMEOUT):
                    await self._answer(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client's loss, and the next scrape's chance
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            head = b""
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        target = rest.partition(b" ")[0].partition(b"?")[0]
        if not rest.endswith((b" HTTP/1.1", b" HTTP/1.0")):
            status, kind, body = 400, _TEXT, b"not an HTTP/1 request\n"
        elif method not in (b"GET", b"HEAD"):
            status, kind, body = 405, _TEXT, b"GET it\n"
        elif target != b"/metrics":
            status, kind, body = 404, _TEXT, b"metrics are at /metrics\n"
        else:
            status, kind, body = 200, CONTENT_TYPE_LATEST, await self._body()
        fields = [f"HTTP/1.1 {status} {_REASONS[status]}", f"Content-Type: {kind}"]
        fields += [
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(["Allow: GET, HEAD"] * (status == 405)),
        ]
        writer.write("\r\n".join([*fields, "", ""]).encode())
        if method != b"HEAD":
            writer.write(body)
        await writer.drain()

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
