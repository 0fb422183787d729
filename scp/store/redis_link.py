"""A link to one Redis server: dialled, logged in, and dialled again whenever it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, final

from scp.ports import StoreError
from scp.store.redis_errors import TRANSIENT, checked
from scp.store.redis_wire import IGNORED, PING, Request, Wire, pack

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from scp.store.redis_url import Address
    from scp.store.redis_wire import Command, Reply

CONNECT_SECONDS: Final = 1.0
FIRST_DELAY: Final = 0.05
MOST_DELAY: Final = 2.0
SETTLED: Final = 1.0
"""Seconds after which a connection counts as one that worked: its loss starts the back-off anew."""


@dataclass(frozen=True)
class Login:
    """How to begin a conversation with a server."""

    user: str = ""
    password: str = ""
    database: int = 0
    tls: ssl.SSLContext | None = None

    def commands(self) -> list[Command]:
        """Return what is sent first."""
        auth: Command = ("AUTH", self.user or "default", self.password) if self.password else ()
        hello: Command = ("HELLO", 3, *auth, "SETNAME", "camel-scp")
        return [hello, ("SELECT", self.database)] if self.database else [hello]


@dataclass(frozen=True)
class Use:
    """What a link is for.

    Attributes:
        role: "master" or "slave" if the server has to be that, "" if it does not matter.
        first: commands sent after the login, before anybody else's.
        subscribe: a channel to subscribe to.
        pushed: takes pushes.
        acks: see `Wire`.
        ack_ms: see `Wire`.
        timed: see `Wire`.
    """

    role: str = ""
    first: tuple[Command, ...] = ()
    subscribe: str = ""
    pushed: Callable[[Sequence[Any]], None] | None = None
    acks: int = 0
    ack_ms: int = 0
    timed: Callable[[float], None] | None = field(default=None)


async def dial(address: Address, login: Login, use: Use) -> Wire:
    """Connect and log in.

    Raises:
        StoreError: kind "unreachable" if there is nobody, else what the server said (`redis_errors`).
    """
    loop = asyncio.get_running_loop()
    wire: Wire | None = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, wire = await loop.create_connection(
                lambda: Wire(loop, pushed=use.pushed, acks=use.acks, ack_ms=use.ack_ms, timed=use.timed),
                *address,
                ssl=login.tls,
            )
            await _log_in(wire, login, use)
    except (OSError, TimeoutError) as error:
        why = f"no answer within {CONNECT_SECONDS:g} s" if isinstance(error, TimeoutError) else str(error)
        if wire is not None:
            wire.abort(why)
        raise StoreError(f"redis {address}: {why}", "unreachable") from None
    except StoreError as error:
        if wire is not None:
            wire.abort(str(error))
        raise StoreError(f"redis {address}: {error}", error.kind) from None
    return wire


async def _log_in(wire: Wire, login: Login, use: Use) -> None:
    commands = [*login.commands(), *use.first]
    if use.role:
        commands.append(("ROLE",))
    requests = [request(wire, command) for command in commands]
    if use.subscribe:  # in RESP3 it is answered by a push; the one reply is PING's
        wire.send(pack(("SUBSCRIBE", use.subscribe)) + PING, IGNORED)
    await asyncio.wait([each.future for each in requests])
    replies = [checked(each.future.result()) for each in requests]
    if use.role and replies[-1][0].decode() != use.role:
        raise StoreError(f"the server is a {replies[-1][0].decode()}, not a {use.role}", "unreachable")


def request(wire: Wire, command: Command) -> Request:
    """Send a command whose reply is awaited."""
    made = Request(pack(command))
    wire.send(made.octets, made)
    return made


@final
class Link:
    """Keeps one connection up.

    Args:
        connect: dials once, wherever the server is now; raises `StoreError`.
        changed: called when the link came up or went down.

    Attributes:
        wire: the connection, None while there is none.
        error: why there is none.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Wire]], changed: Callable[[Link], None] | None = None
    ) -> None:
        self.wire: Wire | None = None
        self.error: StoreError | None = StoreError("redis: not connected yet", "unreachable")
        self._connect = connect
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._hurry = asyncio.Event()

    def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run())

    async def tried(self) -> None:
        """Return when the first attempt has succeeded or failed."""
        await self._tried.wait()

    async def close(self) -> None:
        """Let what was asked be answered, then hang up."""
        task, self._task = self._task, None
        if task is None:
            return
        wire = self.wire
        while wire is not None and wire.pending and not wire.lost.done():
            with contextlib.suppress(StoreError):  # replies come in order; a WAIT may follow what is sent now
                await request(wire, ("PING",)).future
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if wire is not None:
            wire.abort("the store was closed")
            await wire.lost
        self.wire = None

    def drop(self, reason: str) -> None:
        """Hang up and dial again: the server is not the right one any more."""
        self._hurry.set()
        if self.wire is not None:
            self.wire.abort(reason)

    async def ask(self, *command: str | bytes | int) -> Reply:
        """Send one command and return its reply; raises `StoreError`."""
        return checked(await request(self.up, command).future)

    @property
    def up(self) -> Wire:
        """The connection; raises `StoreError` if there is none."""
        if self.wire is None:
            raise self.why
        return self.wire

    @property
    def why(self) -> StoreError:
        """A fresh copy of the reason why the link is down: exceptions carry their traceback along."""
        return StoreError(str(self.error), self.error.kind if self.error else "unavailable")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            self._hurry.clear()
            try:
                wire = await self._connect()
            except StoreError as error:
                self.error = error
                failures += 1
                self._tell()
            else:
                since = loop.time()
                self._take(wire)
                await asyncio.shield(wire.lost)
                failures = 1 if loop.time() - since >= SETTLED else failures + 1
            await self._pause(failures)

    def _take(self, wire: Wire) -> None:
        wire.closed = self._closed
        if wire.lost.done():  # between the log-in and here
            self._closed(wire.lost.result())
            return
        self.wire = wire
        self.error = None
        self._tell()

    def _closed(self, reason: str) -> None:
        self.wire = None
        self.error = StoreError(f"redis: {reason}", "unreachable")
        self._tell()

    def _tell(self) -> None:
        self._tried.set()
        if self._changed is not None:
            self._changed(self)

    async def _pause(self, failures: int) -> None:
        """Back off: longer with each failure, at random so that a restarted server is not met by all at once.

        What needs somebody (a wrong password) is tried at the slowest rate: it may fill the server's log.
        """
        longest = MOST_DELAY
        if self.error is None or self.error.kind in TRANSIENT:
            longest = min(MOST_DELAY, FIRST_DELAY * 2 ** min(failures - 1, 16))
        with contextlib.suppress(TimeoutError):
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes along with what it waits for.
            async with asyncio.timeout(longest * random.uniform(0.5, 1.0)):  # noqa: S311
                await self._hurry.wait()
