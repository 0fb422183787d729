"""M3UA over TCP: whole messages in, batches out, back-pressure both ways.

A TCP connection has one stream: every message is handed over with stream 0, and the stream of what is sent
is of no account. What delimits messages is the framer's business; the default one reads M3UA's common header
(RFC 4666 §3.1).
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast, final

from scp.common.sockets import EagerWriter
from scp.net.accept import AccessControl
from scp.net.addresses import plain
from scp.net.reconnect import Backoff, DialError, Reconnect
from ss7.errors import DecodeError
from ss7.m3ua_framer import Framer as M3uaFramer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from random import Random

    from scp.net.accept import Contend
    from scp.ports import Transport, TransportUser

DEFAULT_PORT: Final = 2905  # RFC 4666 §9.2
KIB: Final = 1024
READ_SIZE: Final = 64 * KIB
"""Octets of one read, some 300 calls: what others send waits for no more than that."""
BACKLOG: Final = 256 * KIB
"""Octets read in full reads, one after the other, from which on the peer has more than we keep up with."""
_NOTHING: Final = memoryview(bytearray(1))


class Framer(Protocol):
    """Cuts a stream of octets into messages.

    Attributes:
        error: set once boundaries are lost, as soon as the messages before that were returned.
        held: octets that came of a message that is not whole yet.
    """

    @property
    def error(self) -> DecodeError | None:
        """Why the stream can't be followed any more, or None."""
        ...

    @property
    def held(self) -> int:
        """Octets of an unfinished message."""
        ...

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take what came and return the messages that are whole now; `DecodeError` if boundaries are lost."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one connection may hold.

    Attributes:
        high_water: unsent octets at which we stop reading from this peer until it has read half of them.
        max_unsent: unsent octets at which the connection is aborted: messages that no received one asked for
            (another link's answers, notifications) aren't held back by not reading.
        linger: seconds that a graceful close waits for the peer to take what is unsent.
    """

    high_water: int = 512 * KIB
    max_unsent: int = 8 * 1024 * KIB
    linger: float = 5.0


@final
class TcpConnection(asyncio.BufferedProtocol):
    """One connection, from either side; a `scp.ports.Transport`.

    It reads into a buffer of its own: asyncio would otherwise allocate 256 KiB for every read, which costs a
    third of the time of a short one.

    Attributes:
        name: the peer's name in logs and metrics.
        remote: the peer's address and port in words.
        lost: done when the connection is gone; the result is the reason that the user was given.
        congested: whether the peer is behind with reading, so that we don't read from it either.
        more: see `scp.ports.Transport`.
        pauses: how often that began.
    """

    def __init__(self, name: str, user: TransportUser, framer: Framer, limits: Limits) -> None:
        self.name = name
        self.remote = ""
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.congested = False
        self.more = False
        self.pauses = 0
        self._full = 0  # octets of the full reads up to now, one after the other
        self._user = user
        self._framer = framer
        self._limits = limits
        self._reason = ""
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._socket: asyncio.Transport
        self._writer: EagerWriter

    @property
    def transport(self) -> Transport:
        """The connection itself, for `scp.net.reconnect.Association`."""
        return self

    @property
    def streams(self) -> int:
        """Outbound streams: 1, TCP has no others."""
        return 1

    @property
    def unsent(self) -> int:
        """Octets that the kernel has not taken yet."""
        return self._socket.get_write_buffer_size()

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 once closed."""
        return int(self._socket.get_extra_info("socket").fileno())

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """Write the messages as one; what the peer does not take yet is queued. After a close: nothing."""
        if self._reason:
            return
        self._writer.write(b"".join([octets for _, octets in messages]))
        if self._socket.get_write_buffer_size() > self._limits.max_unsent:
            self._fail(f"peer reads nothing: more than {self._limits.max_unsent // KIB} KiB unsent")

    def close(self, *, abort: bool = False) -> None:
        """Shut down after what is queued was written, or at once; the user's ``disconnected`` follows."""
        if self.lost.done():
            return
        self._reason = self._reason or "closed by us"
        if abort:
            self._socket.abort()
            return
        self._socket.close()
        asyncio.get_running_loop().call_later(self._limits.linger, self._give_up)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket's options and tell the user that the connection is up."""
        self._socket = cast("asyncio.Transport", transport)
        self._writer = EagerWriter(self._socket)
        raw = transport.get_extra_info("socket")
        # An answer must not wait for the one before to be acknowledged (Nagle); dead peers must be noticed.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.set_write_buffer_limits(self._limits.high_water, self._limits.high_water // 2)
        peer = transport.get_extra_info("peername")
        self.remote = f"{peer[0]} port {peer[1]}" if peer else "gone"
        self._user.connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's hint, which nothing depends on
        """Return where to read to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process the octets that were read into the buffer."""
        if self._reason:
            return
        if nbytes == READ_SIZE:
            self._full += nbytes
            self._let_others_read()
        else:
            self._full = 0
        self.more = self._full >= BACKLOG
        self.feed(bytes(self._buffer[:nbytes]))

    def feed(self, chunk: bytes) -> None:
        """Take octets of the stream: cut them into messages and hand these over as one batch."""
        try:
            messages = self._framer.feed(chunk)
        except DecodeError as error:
            self._fail(f"message boundaries lost: {error}")
            return
        if messages:
            self._user.received([(0, octets) for octets in messages])
        if self._framer.error is not None:
            self._fail(f"message boundaries lost: {self._framer.error}")

    def _let_others_read(self) -> None:
        """Read on when the loop has looked at all sockets: libuv reads one up to 32 times before the next."""
        if not self._socket.is_closing():
            self._socket.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if not (self.congested or self._reason or self._socket.is_closing()):
            self._socket.resume_reading()

    def eof_received(self) -> bool:
        """Name the reason; False has the loop close our side as well."""
        if not self._reason:
            held = self._framer.held
            cut = f" in the middle of a message, after {held} octets of it" if held else ""
            self._reason = f"closed by peer{cut}"
        return False

    def pause_writing(self) -> None:
        """Stop reading from the peer, which has not read our answers."""
        self.congested = True
        self.pauses += 1
        if not self._socket.is_closing():
            self._socket.pause_reading()

    def resume_writing(self) -> None:
        """Read from the peer again: it has read what was queued for it."""
        self.congested = False
        if not self._socket.is_closing():
            self._socket.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the user why, once."""
        reason = self._reason or _error_text(exc)
        self._reason = reason
        self._buffer = _NOTHING  # what refers to this connection in a circle must not keep that as well
        self.lost.set_result(reason)
        self._user.disconnected(reason)

    def _fail(self, reason: str) -> None:
        self._reason = reason
        self._socket.abort()

    def _give_up(self) -> None:
        if not self.lost.done():
            self._socket.abort()


@final
class Connector(Reconnect[str]):
    """The connecting side: keeps one connection up, to the first of several remote addresses that answers.

    Args:
        name: the peer's name in logs and metrics.
        remotes: addresses (or host names), tried in turn.
        port: the port of all of them.
        user: is told of connections and messages; stays the same over reconnections.
        random: for the jitter of the back-off.
        local: addresses to connect from, the first of the remote's family; empty: the system's choice.
        failed: called with the reason, in words, of each attempt that failed.
        framer: makes the framer of each connection.
        connect_timeout: seconds that one attempt may take.
    """

    def __init__(
        self,
        name: str,
        remotes: Sequence[str],
        port: int,
        user: TransportUser,
        *,
        random: Random,
        local: Sequence[str] = (),
        backoff: Backoff | None = None,
        failed: Callable[[str], None] | None = None,
        framer: Callable[[], Framer] = M3uaFramer,
        connect_timeout: float = 5.0,
    ) -> None:
        self.name = name
        self._port = port
        self._user = user
        self._local = local
        self._framer = framer
        self._connect_timeout = connect_timeout
        super().__init__(list(remotes), self._connect, random, backoff=backoff, failed=failed)

    async def _connect(self, remote: str) -> TcpConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: TcpConnection(self.name, self._user, self._framer(), Limits()),
                    remote,
                    self._port,
                    local_addr=self._source(remote),
                )
        except TimeoutError:
            raise DialError(f"{remote} port {self._port}: no answer in {self._connect_timeout:g} s") from None
        except OSError as error:
            raise DialError(f"{remote} port {self._port}: {_error_text(error)}") from error
        return connection

    def _source(self, remote: str) -> tuple[str, int] | None:
        same_family = [address for address in self._local if (":" in address) == (":" in remote)]
        return (same_family[0], 0) if same_family else None


@final
class Listener:
    """The listening side: accepts connections and gives each its own user.

    Args:
        name: the name in logs and metrics; a connection is called ``name/address``.
        addresses: local addresses to listen on; empty: all.
        port: the port; 0 takes a free one, see `port`.
        user_factory: makes the user of a connection, given the remote address; None refuses it.
        allowed: addresses or host names that may connect; empty: all.
        refused: called with the remote address of each connection that was refused, and why.
        contend: see `AccessControl`.
        framer: makes the framer of each connection.
    """

    def __init__(
        self,
        name: str,
        addresses: Sequence[str],
        port: int,
        user_factory: Callable[[str], TransportUser | None],
        *,
        allowed: Sequence[str] = (),
        refused: Callable[[str, str], None] | None = None,
        contend: Contend | None = None,
        limits: Limits | None = None,
        framer: Callable[[], Framer] = M3uaFramer,
    ) -> None:
        self.name = name
        self._reception: AccessControl[TcpConnection] = AccessControl(user_factory, allowed, refused, contend)
        self._addresses = addresses
        self._port = port
        self._limits = limits or Limits()
        self._framer = framer
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> set[TcpConnection]:
        """The connections that are up."""
        return self._reception.present

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is not None and self._server.sockets:
            return int(self._server.sockets[0].getsockname()[1])
        return self._port

    async def start(self) -> None:
        """Bind the sockets and listen on them.

        Raises:
            OSError: the address or port can't be had, or a host that is allowed has no address.
        """
        await self._reception.open()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Accepting(self), list(self._addresses) or None, self._port, reuse_address=True
        )

    async def close(self, *, abort: bool = False) -> None:
        """Stop listening, close all connections and wait for their end."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reception.close(abort=abort)

    def decide(self, address: str, admit: Callable[[TransportUser], None], drop: Callable[[], None]) -> None:
        """See `AccessControl.decide`."""
        self._reception.decide(address, admit, drop)

    def connection(self, address: str, user: TransportUser) -> TcpConnection:
        """Return the connection for a user that was admitted."""
        connection = TcpConnection(f"{self.name}/{address}", user, self._framer(), self._limits)
        self._reception.add(connection)
        return connection


class _Accepting(asyncio.Protocol):
    """Stands in until it is decided about the connection, then gives way to a `TcpConnection`.

    What comes meanwhile is kept, one read of it; then the socket is not read.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._address = ""
        self._waits = False
        self._gone = False
        self._early = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if peer is None:
            self._transport.abort()  # it was gone before it was accepted
            return
        self._address = plain(peer[0])
        self._listener.decide(self._address, self._admit, self._transport.abort)
        self._waits = True

    def data_received(self, data: bytes) -> None:
        self._early += data
        self._transport.pause_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self._gone = True

    def _admit(self, user: TransportUser) -> None:
        """Hand the transport to the `TcpConnection`, unless the peer has gone."""
        if self._gone:
            return
        transport = self._transport
        reads = self._waits and not transport.is_closing()
        if reads:
            transport.pause_reading()  # uvloop chooses how it reads when it begins to
        connection = self._listener.connection(self._address, user)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if self._early:
            connection.feed(self._early)
        if reads and not transport.is_closing():
            transport.resume_reading()


def _error_text(error: BaseException | None) -> str:
    """Return the text of a system error."""
    if error is None:
        return "closed by peer"
    if isinstance(error, ConnectionResetError):
        return "connection reset by peer"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"{type(error).__name__}: {error}"
