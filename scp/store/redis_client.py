"""Commands to Redis through redis-py: connections as a store's URL describes them, and shared pipelines.

What is asked of a server while a pipeline is on its way waits, and goes out as the next pipeline. A write is
**acknowledged** when the master has carried it out and ``acks`` replicas have it: WAIT stands at the end of
the same pipeline. Nothing is sent twice: a compare-and-set that is repeated meets its own first attempt.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast, final

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.driver_info import DriverInfo
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from scp.ports import StoreError
from scp.store.redis_errors import translate

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Sequence

    from redis.asyncio.connection import ConnectionPool

    from scp.store.redis_url import RedisUrl

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 1.0
COMMAND_SECONDS: Final = 0.1
"""How long a pipeline may take, and how much longer for each of its commands."""
MOST_AT_ONCE: Final = 500
"""Commands in one pipeline: bounds how long the first of them waits for the last."""


class PlainConnection(Connection):
    """A TCP connection that packs commands in C: 0.5 µs a record of an import, redis-py's Python takes 2."""

    def pack_command(self, *words: Any) -> list[bytes]:
        """Return a command as RESP; redis-py has the first two words of some commands in one string."""
        if " " in words[0]:
            words = (*words[0].split(), *words[1:])
        return [cast("bytes", hiredis.pack_command(words))]


class TlsConnection(PlainConnection, SSLConnection):
    """A TLS connection.

    Args:
        tls: what secures it. It is made once, since that takes 30 ms, and trusts the URL's certificates only.
        options: of redis-py's `SSLConnection`.
    """

    def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = tls


class SentinelConnection(SentinelManagedConnection, PlainConnection):
    """A TCP connection to the master that sentinels name."""


class SentinelTlsConnection(SentinelManagedConnection, TlsConnection):
    """A TLS connection to the master that sentinels name."""


_DRIVER: Final = DriverInfo()
"""Tells servers which library we use; a connection without it reads redis-py's version from a file."""


def connection_options(url: RedisUrl) -> dict[str, Any]:
    """Return how redis-py's pools connect to the servers of a URL.

    They speak RESP2: with RESP3 redis-py 8.1 asks for maintenance notifications, and its pools then hand out
    connections that the server has closed.

    Raises:
        StoreError: kind "config": a TLS file can't be read or holds no certificate or key.
    """
    tls = url.tls_context()
    return {
        **({"connection_class": TlsConnection, "tls": tls} if tls else {"connection_class": PlainConnection}),
        "username": url.user or None,
        "password": url.password or None,
        "db": url.database,
        "client_name": "camel-scp",
        "protocol": 2,
        "driver_info": _DRIVER,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": None,  # a limit for each reply costs as much as the reply: see `ServerClient`
        "retry": Retry(NoBackoff(), 0),
    }


class Client:
    """Sends commands. Errors are redis-py's: see `redis_errors.answered`.

    Attributes:
        closed: why it can't be used: "not open", "closed"; "" if it can.
    """

    closed = "not open"

    def execute_command(self, *words: Any) -> Awaitable[Any]:
        """Send a command; raises `StoreError` (kind "closed") if it can't be used."""
        if self.closed:
            raise StoreError(f"redis: the store is {self.closed}", "closed")
        return self.send(words)

    def send(self, words: Sequence[Any]) -> Awaitable[Any]:
        """Send a command."""
        raise NotImplementedError

    def script(self, text: str) -> AsyncScript:
        """Return a Lua script as a function of keys and arguments.

        redis-py calls it by its digest, and sends the text to a server that does not have it.
        """
        return AsyncScript(cast("Any", self), text.encode())

    def evalsha(self, digest: str, number: int, *keys_and_arguments: Any) -> Awaitable[Any]:
        """Call a script; for `AsyncScript`."""
        return self.execute_command("EVALSHA", digest, number, *keys_and_arguments)

    def script_load(self, text: bytes) -> Awaitable[Any]:
        """Send a script's text; for `AsyncScript`."""
        return self.execute_command("SCRIPT LOAD", text)


class _Command(NamedTuple):
    words: Sequence[Any]
    asking: bool
    done: asyncio.Future[Any]


@final
class ServerClient(Client):
    """Commands to one server, or to the one that sentinels name.

    Args:
        pool: connections to it.
        acks: replicas that must have what was sent before a reply counts.
        ack_ms: how long to wait for them.
    """

    def __init__(self, pool: ConnectionPool, acks: int = 0, ack_ms: int = 0) -> None:
        self._redis = Redis(connection_pool=pool)
        self._acks = acks
        self._ack_ms = ack_ms
        self._waiting: list[_Command] = []
        self._sender: asyncio.Task[None] | None = None

    def send(self, words: Sequence[Any], *, asking: bool = False) -> Awaitable[Any]:
        """See `Client`; ``asking``: a slot of a cluster is on its way to this server (ASKING goes before)."""
        command = _Command(words, asking, asyncio.get_running_loop().create_future())
        self._waiting.append(command)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_waiting())
        return command.done

    async def close(self) -> None:
        """Let what was asked be answered, and take nothing more."""
        self.closed = "closed"
        while self._sender is not None:
            await asyncio.wait([self._sender])

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                try:
                    replies = await self._exchange(batch)
                except (RedisError, OSError) as error:
                    for command in batch:
                        _settle(command.done, translate(error))  # each its own: tracebacks grow
                else:
                    self._hand_out(batch, replies)
        finally:
            self._sender = None

    async def _exchange(self, batch: Sequence[_Command]) -> list[Any]:
        """Send commands as one pipeline; return the replies, errors among them."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in batch:
            if command.asking:
                pipeline.execute_command("ASKING")
            pipeline.execute_command(*command.words)
        if self._acks:
            pipeline.execute_command("WAIT", self._acks, self._ack_ms)
        seconds = ANSWER_SECONDS + COMMAND_SECONDS * len(batch) + self._ack_ms / 1000
        try:
            async with asyncio.timeout(seconds):
                return await pipeline.execute(raise_on_error=False)
        except TimeoutError:
            raise RedisTimeoutError(f"no answer within {seconds:g} s") from None

    def _hand_out(self, batch: Sequence[_Command], replies: list[Any]) -> None:
        have = replies.pop() if self._acks else 0
        acknowledged = isinstance(have, int) and have >= self._acks
        found = iter(replies)
        for words, asking, done in batch:
            if asking:
                next(found)
            reply = next(found)
            if not (acknowledged or isinstance(reply, RedisError) or words[0] == "SCRIPT LOAD"):
                reply = StoreError(
                    f"only {have} of {self._acks} replicas have the write: it was not acknowledged, and may "
                    "be lost in a failover",
                    "unacknowledged",
                )
            _settle(done, reply)


def _settle(done: asyncio.Future[Any], reply: Any) -> None:
    if done.done():  # nobody waits for it any more
        return
    if isinstance(reply, Exception):
        done.set_exception(reply)
    else:
        done.set_result(reply)
