"""One connection to a Redis server: requests of a loop tick share a write, replies go straight to who waits.

Redis answers in the order of the requests, so who waits is a queue. A lookup makes no task and no future: it
is some octets and an object that takes the reply (`Expected`). RESP3 pushes (invalidations, published
messages) come between replies and are handed to the connection's owner.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, final

import hiredis

from scp.common.sockets import EagerWriter
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Reply: TypeAlias = Any
"""bytes, int, None, bool, list, dict, or `hiredis.ReplyError`: an error is a value here, it is not raised."""
Command: TypeAlias = "tuple[str | bytes | int, ...]"

BEAT: Final = 0.5
"""Seconds between two looks at a connection: one with nothing to wait for is sent a PING, one that has been
waiting through `SILENT_BEATS` of them without any reply is given up."""
SILENT_BEATS: Final = 2

_MORE: Final = object()


def pack(command: Command) -> bytes:
    """Return a command as RESP."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # the stub knows one word only
    return packed


class Expected:
    """Who waits for one reply. ``octets`` is the request, to be sent again where a cluster node says so."""

    __slots__ = ("octets", "redirects")

    octets: bytes
    redirects: int

    def reply(self, value: Reply) -> None:
        """Take the reply; called once, from the event loop."""
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        """The connection went down first: whether the request was carried out is not known."""
        raise NotImplementedError


@final
class Ignored(Expected):
    """A reply that nobody needs."""

    __slots__ = ()

    def reply(self, value: Reply) -> None:
        """Drop it."""

    def lost(self, reason: str) -> None:
        """Nothing was expected."""


IGNORED: Final = Ignored()
PING: Final = pack(("PING",))


@final
class _Acknowledgement(Expected):
    """The reply of WAIT: how many replicas have what was sent before it on this connection."""

    __slots__ = ("needed", "writes")

    def __init__(self, writes: list[Write], needed: int) -> None:
        self.writes = writes
        self.needed = needed

    def reply(self, value: Reply) -> None:
        have = value if isinstance(value, int) else 0
        for write in self.writes:
            if have >= self.needed:
                write.acknowledge()
            elif not write.unanswered:
                write.fail(
                    StoreError(
                        f"only {have} of {self.needed} replicas have the write: it was not acknowledged, and "
                        "may be lost in a failover",
                        "unacknowledged",
                    )
                )

    def lost(self, reason: str) -> None:
        for write in self.writes:
            write.lost(reason)


class Request(Expected):
    """A request whose reply is awaited: ``await request.future``, which raises `StoreError`.

    ``redirect`` is shown errors first, and may send the request elsewhere: it then returns True.
    """

    __slots__ = ("future", "redirect")

    def __init__(self, octets: bytes, redirect: Callable[[Expected, str], bool] | None = None) -> None:
        self.octets = octets
        self.redirects = 0
        self.redirect = redirect
        self.future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def reply(self, value: Reply) -> None:
        """Resolve the future."""
        if type(value) is hiredis.ReplyError and self.redirect and self.redirect(self, str(value)):
            return
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: StoreError) -> None:
        """Raise ``error`` where the future is awaited."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # who gave up waiting needs no warning in the log

    def lost(self, reason: str) -> None:
        """Say that the answer will not come."""
        self.fail(StoreError(f"the connection was lost before the answer came: {reason}", "unavailable"))


@final
class Write(Request):
    """A write: its reply counts when enough replicas have it. What the server refused is known at once."""

    __slots__ = ("_value", "held")

    def __init__(self, octets: bytes, redirect: Callable[[Expected, str], bool] | None = None) -> None:
        super().__init__(octets, redirect)
        self.held = False
        self._value: Reply = _MORE

    @property
    def unanswered(self) -> bool:
        """Whether no reply was kept."""
        return self._value is _MORE

    def again(self) -> Write:
        """Return the same write for another server; the one this was for does not count any more."""
        write = Write(self.octets, self.redirect)
        write.future = self.future
        write.redirects = self.redirects
        return write

    def reply(self, value: Reply) -> None:
        """Take the reply; one that is `held` waits for the acknowledgement."""
        if self.held and not isinstance(value, hiredis.ReplyError):
            self._value = value
        else:
            super().reply(value)

    def acknowledge(self) -> None:
        """Resolve the future with the reply kept, if there is one."""
        if not self.unanswered and not self.future.done():
            self.future.set_result(self._value)


@final
class Wire(asyncio.Protocol):
    """One TCP or TLS connection.

    Args:
        loop: the event loop.
        pushed: takes RESP3 pushes.
        acks: replicas that must have a `Write` before it is acknowledged.
        ack_ms: how long to wait for them.
        timed: told now and then how many seconds a round trip took, from the write to the reply.

    Attributes:
        pending: who waits, in order.
        lost: done once the connection is gone; the result says why.
        closed: called with that reason before anybody who waits is told.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        pushed: Callable[[Sequence[Any]], None] | None = None,
        acks: int = 0,
        ack_ms: int = 0,
        timed: Callable[[float], None] | None = None,
    ) -> None:
        self.pending: deque[Expected] = deque()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.closed: Callable[[str], None] | None = None
        self._loop = loop
        self._pushed = pushed
        self._acks = acks
        self._wait = pack(("WAIT", acks, ack_ms)) if acks else b""
        self._written: list[Write] = []
        self._timed = timed
        self._out: list[bytes] = []
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._transport: asyncio.Transport | None = None
        self._writer: EagerWriter | None = None
        self._answered = 0
        self._reason = ""
        self._silent = 0
        self._answered_at_beat = 0
        self._beating: asyncio.TimerHandle | None = None
        self._sample_start = 0.0
        self._sample_end = -1

    def send(self, octets: bytes, expected: Expected) -> None:
        """Send a request with this tick's others: a server that gets them bit by bit answers bit by bit."""
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        out.append(octets)
        self.pending.append(expected)

    def write(self, octets: bytes, write: Write) -> None:
        """Send a request that changes something; one WAIT follows all those of a tick."""
        self.send(octets, write)
        if self._wait:
            write.held = True
            self._written.append(write)

    def _flush(self) -> None:
        writer = self._writer
        out = self._out
        if writer is None or not out:
            return
        if self._written:
            out.append(self._wait)
            self.pending.append(_Acknowledgement(self._written, self._acks))
            self._written = []
        if self._sample_end < 0 and self._timed is not None:
            self._sample_start = self._loop.time()
            self._sample_end = self._answered + len(self.pending)
        writer.write(b"".join(out))
        out.clear()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._writer = EagerWriter(self._transport)
        self._beating = self._loop.call_later(BEAT, self._beat)
        if self._out:
            self._flush()

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are whole."""
        reader = self._reader
        next_reply = reader.gets
        pending = self.pending
        try:
            reader.feed(data)
            while (value := next_reply()) is not _MORE:
                if type(value) is hiredis.PushNotification:
                    if self._pushed is not None:
                        self._pushed(value)
                elif pending:
                    self._answered += 1
                    pending.popleft().reply(value)
                else:
                    self.abort("the server sent a reply that nobody asked for")
                    return
        except hiredis.ProtocolError as error:
            self.abort(f"what came is not RESP: {error}")
            return
        if 0 <= self._sample_end <= self._answered and self._timed is not None:
            self._timed(self._loop.time() - self._sample_start)
            self._sample_end = -1

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self._transport = self._writer = None
        if self._beating is not None:
            self._beating.cancel()
        reason = self._reason or (str(exc) if exc else "") or "the server closed the connection"
        if not self.lost.done():
            self.lost.set_result(reason)
        if self.closed is not None:
            self.closed(reason)
        waiting = list(self.pending)
        self.pending.clear()
        self._out.clear()
        self._written.clear()
        for expected in waiting:
            expected.lost(reason)

    # --- ending ---

    def abort(self, reason: str) -> None:
        """Hang up; who waits is told ``reason``."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def _beat(self) -> None:
        """See whether the server still answers (a host that is gone closes no connection)."""
        self._beating = self._loop.call_later(BEAT, self._beat)
        if self._answered != self._answered_at_beat or not self.pending:
            self._answered_at_beat = self._answered
            self._silent = 0
            if not self.pending:
                self.send(PING, IGNORED)
            return
        self._silent += 1
        if self._silent >= SILENT_BEATS:
            self.abort(f"no answer for {BEAT * SILENT_BEATS:g} s")
