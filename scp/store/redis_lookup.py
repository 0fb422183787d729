"""The connection for lookups: hiredis on a socket that redis-py has dialled, secured and logged in.

Why redis-py does not carry the lookups themselves: a steered call costs 13 µs of CPU, a lookup through a
pipeline of redis-py 15 µs, through single commands of it 50 to 70 µs. Here it costs 2 µs. A lookup makes no
task and no future: it is some octets and an object that takes the reply (`Lookup`). The requests of one
turn of the event loop share a write (`scp.store.redis_requests`).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast, final

import hiredis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from scp.common.sockets import EagerWriter
from scp.common.tasks import end_tasks
from scp.ports import TRANSIENT, StoreError
from scp.store.redis_client import CONNECT_SECONDS
from scp.store.redis_errors import answered
from scp.store.redis_requests import Requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Connection

BEAT: Final = 0.5
"""Seconds between two looks at a connection: one with nothing to wait for is sent a PING, one that has been
waiting through `SILENT_BEATS` of them without any reply is given up."""
SILENT_BEATS: Final = 2
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
"""Seconds between two attempts to connect, at most; at random, so that nodes do not come all at once."""
MOST_FAILURES: Final = 16
"""More of them make no pause longer."""
SETTLED: Final = 1.0
"""Seconds after which a connection counts as one that worked: its loss starts the back-off anew."""

PING: Final = b"*1\r\n$4\r\nPING\r\n"
ASKING: Final = b"*1\r\n$6\r\nASKING\r\n"
TRACKING: Final = ("CLIENT", "TRACKING", "ON")
READONLY: Final = ("READONLY",)


async def dial(connection: Connection, *commands: tuple[str, ...], master: bool = False) -> Connection:
    """Let redis-py connect and log in, and switch to RESP3.

    Args:
        connection: where to; not connected yet.
        commands: sent next.
        master: whether the server has to be a master.

    Raises:
        RedisError: there is no such server, or what it said.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.connect()
            for command in (("HELLO", 3), *commands):
                await connection.send_command(*command)
                await connection.read_response()
            if master:
                await _check_master(connection)
    except TimeoutError:
        await connection.disconnect(nowait=True)
        where = f"{connection.host}:{connection.port}"
        raise RedisTimeoutError(f"no answer from {where} within {CONNECT_SECONDS:g} s") from None
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


async def _check_master(connection: Connection) -> None:
    await connection.send_command("ROLE")
    role, *_ = await connection.read_response()
    if role != b"master":
        raise RedisConnectionError(
            f"{connection.host}:{connection.port} is a {role.decode()}, not the master"
        )


@final
class LookupConnection(asyncio.Protocol):
    """One TCP or TLS connection.

    Args:
        dialled: a connection of redis-py that is logged in. Its socket is taken over; nothing else of it is
            used until it is told to disconnect.
        pushed: takes RESP3 pushes.
        timed: told now and then how many seconds a round trip took, from the write to the reply.
        closed: called with the reason when the connection is lost, before those that wait for replies.

    Attributes:
        requests: that were sent; `send` is theirs.
    """

    def __init__(
        self,
        dialled: Connection,
        pushed: Callable[[Sequence[Any]], None],
        timed: Callable[[float], None],
        closed: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._dialled = dialled
        self._timed = timed
        self._closed = closed
        self._reason = ""
        self._silent = 0
        self._answered_at_beat = 0
        self._sample_start = 0.0
        self._sample_end = -1
        self._beating = self._loop.call_later(BEAT, self._beat)
        streams = cast("asyncio.StreamWriter", dialled._writer)  # noqa: SLF001 - redis-py has no other way to it
        self._transport = cast("asyncio.Transport", streams.transport)  # uvloop's is no subclass
        self._transport.set_protocol(self)
        self._writer = EagerWriter(self._transport)
        self.requests = Requests(self._loop.call_soon, self._write, pushed)
        self.send = self.requests.send

    def _write(self, octets: bytes) -> None:
        """Write a turn's requests, and time some."""
        if self._sample_end < 0:
            self._sample_start = self._loop.time()
            self._sample_end = self.requests.answered + len(self.requests.pending)
        self._writer.write(octets)

    # --- asyncio.Protocol ---

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are whole."""
        try:
            wrong = self.requests.received(data)
        except hiredis.ProtocolError as error:
            wrong = f"what came is not RESP: {error}"
        if wrong:
            self.abort(wrong)
            return
        if 0 <= self._sample_end <= self.requests.answered:
            self._timed(self._loop.time() - self._sample_start)
            self._sample_end = -1

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all that wait."""
        self._beating.cancel()
        reason = self._reason or (str(exc) if exc else "") or "the server closed the connection"
        self._closed(reason)
        self.requests.lost()

    # --- ending ---

    def abort(self, reason: str) -> None:
        """Hang up; those that wait are told ``reason``."""
        self._reason = self._reason or reason
        self._transport.abort()

    def _beat(self) -> None:
        """See whether the server still answers (a host that is gone closes no connection)."""
        self._beating = self._loop.call_later(BEAT, self._beat)
        requests = self.requests
        if requests.answered != self._answered_at_beat or not requests.pending:
            self._answered_at_beat = requests.answered
            self._silent = 0
            if not requests.pending:
                requests.send(PING, None)
            return
        self._silent += 1
        if self._silent >= SILENT_BEATS:
            self.abort(f"no answer for {BEAT * SILENT_BEATS:g} s")


def _nothing(*_told: object) -> None:
    """Nobody needs to know."""


@dataclass(frozen=True)
class Watchers:
    """What is called when something happens to the links of a store; a ledger, without lookups, needs none.

    Attributes:
        changed: a link came up or went down; or slots of a cluster were given to other links.
        pushed: takes RESP3 pushes.
        timed: takes the seconds that a round trip took.
    """

    changed: Callable[[LookupLink], None] = _nothing
    pushed: Callable[[Sequence[Any]], None] = _nothing
    timed: Callable[[float], None] = _nothing


@final
class LookupLink:
    """Keeps one connection for lookups up.

    Args:
        dial: returns a connection of redis-py that is logged in, to wherever the server is now.
        watchers: told when the link comes up or goes down, of pushes and of round trips.

    Attributes:
        connection: None while there is none.
        tried: set when the first attempt to connect is over.
    """

    def __init__(self, dial: Callable[[], Awaitable[Connection]], watchers: Watchers) -> None:
        self.connection: LookupConnection | None = None
        self._dial = dial
        self._watchers = watchers
        self._error = StoreError("redis: not connected yet", "unreachable")
        self._backoff = ExponentialWithJitterBackoff(base=FIRST_PAUSE, cap=LONGEST_PAUSE)
        self._task: asyncio.Task[None] | None = None
        self.tried = asyncio.Event()
        self._hurry = asyncio.Event()
        self._down = asyncio.Event()

    @property
    def error(self) -> StoreError | None:
        """Why the link is down, None if it is up; a fresh copy: exceptions carry their traceback along."""
        return None if self.connection else StoreError(str(self._error), self._error.kind)

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        self._task = asyncio.create_task(self._keep_up())

    async def close(self) -> None:
        """Hang up; lookups that wait fail."""
        task, self._task = self._task, None
        await end_tasks(task)

    def drop(self, reason: str) -> None:
        """Hang up and dial again at once: the server is not the right one any more."""
        self._hurry.set()
        if self.connection is not None:
            self.connection.abort(reason)

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            self._hurry.clear()
            try:
                dialled = await answered(self._dial())
            except StoreError as error:
                self._changed(None, error)
                failures += 1
            else:
                since = loop.time()
                await self._use(dialled)
                failures = 1 if loop.time() - since >= SETTLED else failures + 1
            await self._pause(failures)

    async def _use(self, dialled: Connection) -> None:
        """Send lookups over a connection until it is lost."""
        self._down.clear()
        connection = LookupConnection(dialled, self._watchers.pushed, self._watchers.timed, self._closed)
        self._changed(connection, None)
        try:
            await self._down.wait()
        finally:
            connection.abort("the store was closed")
            await self._down.wait()
            await dialled.disconnect(nowait=True)

    def _closed(self, reason: str) -> None:
        self._changed(None, StoreError(f"redis: {reason}", "unreachable"))
        self._down.set()

    def _changed(self, connection: LookupConnection | None, error: StoreError | None) -> None:
        self.connection = connection
        self._error = error or self._error
        self.tried.set()
        self._watchers.changed(self)

    async def _pause(self, failures: int) -> None:
        """Back off; what needs somebody (a wrong password) is tried at the slowest rate: servers log it."""
        pause = LONGEST_PAUSE
        if self._error.kind in TRANSIENT:
            pause = self._backoff.compute(min(failures, MOST_FAILURES))
        with contextlib.suppress(TimeoutError):
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes along with what it waits for.
            async with asyncio.timeout(pause):
                await self._hurry.wait()
