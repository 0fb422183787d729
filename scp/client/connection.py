"""HTTP/1.1 over kept connections, as lean as an API client may be: 100 µs a request where httpx takes 2 ms.

One request at a time goes over a connection (no pipelining); so many connections are open at most, and who
finds none free waits in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, cast, final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

MOST_HEAD: Final = 65_536
MOST_BODY: Final = 64 << 20
"""Octets of a response's head and of its body."""
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})


class HttpError(Exception):
    """There was no response, or none that can be read."""


def in_words(error: BaseException) -> str:
    """Return why there was no response, without the number of a system's error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError) or "Errno 111" in str(cause):
            return "connection refused: nothing listens there"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


class Response(NamedTuple):
    """A response; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@final
class _Connection(asyncio.Protocol):
    """One connection: what comes on it is the response to what was sent last."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rest = b""
        self._answer: asyncio.Future[Response] | None = None
        self._head: tuple[int, dict[str, str]] | None = None
        self.transport: asyncio.Transport | None = None
        self.used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        if self._head is not None and self._length(*self._head) is None:
            self._done(self._rest)  # a body without a length ends with the connection (RFC 9112 §6.3)
        self._fail(f"the connection was closed{f': {exc}' if exc else ''}")

    def ask(self, octets: bytes) -> asyncio.Future[Response]:
        """Send a request; return its response to be."""
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._head = None
        self.transport.write(octets)
        return self._answer

    @property
    def silent(self) -> bool:
        """Whether nothing of the response has come."""
        return not self._rest and self._head is None

    def drop(self) -> None:
        """Close it at once."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        try:
            self._read()
        except ValueError as error:
            self._fail(f"no HTTP response: {error}")
            self.drop()

    def _read(self) -> None:
        while self._answer is not None:
            if self._head is None:
                end = self._rest.find(b"\r\n\r\n")
                if end < 0:
                    if len(self._rest) > MOST_HEAD:
                        raise ValueError(f"its head has more than {MOST_HEAD} octets")
                    return
                head, self._rest = self._rest[:end], self._rest[end + 4 :]
                status, headers = _head_of(head)
                if status < 200:
                    continue  # 1xx: the response is still to come
                self._head = status, headers
            length = self._length(*self._head)
            if length is None:
                if len(self._rest) > MOST_BODY:
                    raise ValueError(f"its body has more than {MOST_BODY} octets")
                return
            if length >= 0:
                if len(self._rest) < length:
                    return
                body, self._rest = self._rest[:length], self._rest[length:]
            else:
                found = _unchunked(self._rest)
                if found is None:
                    return
                body, self._rest = found
            self._done(body)

    @staticmethod
    def _length(status: int, headers: dict[str, str]) -> int | None:
        """Return the body's length (RFC 9112 §6.3); -1: chunked, None: until the connection is closed."""
        if status in (204, 304):
            return 0
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked":
                raise ValueError(f"transfer-encoding: {coding}")
            return -1
        given = headers.get("content-length")
        if given is None:
            return None
        if not given.isdecimal() or int(given) > MOST_BODY:
            raise ValueError(f"content-length: {given}")
        return int(given)

    def _done(self, body: bytes) -> None:
        answer, head = self._answer, self._head
        self._answer = self._head = None
        if answer is None or head is None:
            return
        status, headers = head
        closes = headers.get("connection", "").lower() == "close" or self._length(status, headers) is None
        if closes or self._rest:
            self.drop()
        else:
            self._pool.free(self)
        if not answer.done():
            answer.set_result(Response(status, headers, body))

    def _fail(self, why: str) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(HttpError(why))


def _head_of(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not (rest[:3].isdecimal() and rest[3:4] in ("", " ")):
        raise ValueError(repr(first[:40]))
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError(repr(line[:40]))
        headers[name.lower()] = value.strip(" \t")
    return int(rest[:3]), headers


def _unchunked(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the body of chunks (RFC 9112 §7.1) and what follows it; None: it is not whole yet."""
    parts: list[bytes] = []
    at = size = 0
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        digits = data[at:line].partition(b";")[0].strip()
        length = int(digits, 16)
        size += length
        if length < 0 or size > MOST_BODY:
            raise ValueError(f"its body has more than {MOST_BODY} octets")
        at = line + 2
        if not length:
            end = data.find(b"\r\n", at)
            while end > at:  # trailers
                at = end + 2
                end = data.find(b"\r\n", at)
            return None if end < 0 else (b"".join(parts), data[end + 2 :])
        if len(data) < at + length + 2:
            return None
        if data[at + length : at + length + 2] != b"\r\n":
            raise ValueError("a chunk is longer than it says")
        parts.append(data[at : at + length])
        at += length + 2


@final
class Pool:
    """Connections to one server.

    Args:
        host: name or address.
        port: TCP port.
        tls: what secures them; None: nothing.
        most: connections at most, and so requests under way.
        seconds: that a request may take, waiting for a connection included.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, most: int, seconds: float) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._most = most
        self._seconds = seconds
        self._idle: list[_Connection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._all: set[_Connection] = set()

    async def request(self, method: str, octets: bytes, *, repeatable: bool = False) -> Response:
        """Send a request and return its response.

        A kept connection may be closed by the server as the request is on its way: where nothing came back, a
        request that may be repeated is sent once more (RFC 9112 §9.3.1).

        Raises:
            HttpError: no response.
            TimeoutError: none in time.
        """
        async with asyncio.timeout(self._seconds):
            while True:
                connection = await self._connection()
                again = connection.used and (repeatable or method in _IDEMPOTENT)
                connection.used = True
                try:
                    return await connection.ask(octets)
                except HttpError:
                    if not (again and connection.silent):
                        raise
                except BaseException:
                    connection.drop()  # its response would be taken for the next request's
                    raise

    async def _connection(self) -> _Connection:
        while not self._idle:
            if self._open < self._most:
                return await self._connect()
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()
                raise
        return self._idle.pop()

    async def _connect(self) -> _Connection:
        self._open += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), self._host, self._port, ssl=self._tls
            )
        except BaseException as error:
            self._open -= 1
            self._next()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise HttpError(in_words(error)) from error
            raise
        self._all.add(connection)
        return connection

    def free(self, connection: _Connection) -> None:
        """Take a connection back."""
        self._idle.append(connection)
        self._next()

    def lost(self, connection: _Connection) -> None:
        """Forget a connection."""
        if connection in self._all:
            self._all.discard(connection)
            self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._next()

    def _next(self) -> None:
        """Let who waits longest have its turn."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._all):
            connection.drop()
