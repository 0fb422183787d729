"""One connection to a Diameter server, kept up: capabilities, watchdog, disconnect (RFC 6733 §5).

It lives in the node's event loop: no thread, and no wait that another call could feel. PyPI's
python-diameter, a whole stack, would bring two threads a connection beside two of its own, select(), which
ends at file descriptor 1023, and 270 µs of processor time to write one request, ten times as long as here.
So it is the tests' server, and their judge of `ss7.diameter`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast, final

from scp.charging.fault_state import FaultState
from scp.charging.ro_messages import (
    CREDIT_CONTROL,
    LIMITED_SUCCESS,
    RELAY,
    SUCCESS,
    UNKNOWN_SESSION,
    UNSUPPORTED_COMMAND,
    Code,
    Command,
    answer_to,
    capabilities,
    disconnect,
    optional,
    string,
    watchdog,
)
from scp.charging.ro_watchdog import Action, Health, Row, Watchdog
from ss7.diameter import ERROR, REQUEST, decode_avps, decode_message, message_length, read_u32
from ss7.errors import DecodeError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from random import Random

    from scp.charging.ro_messages import Identity
    from ss7.diameter import Message

MOST_OCTETS: Final = 65_536
"""A longer message is no answer of credit control."""
MOST_WAITING: Final = 1 << 23
"""Octets that wait for a server that does not read, whatever it asks: then its connection is given up."""
UNWANTED: Final = 12
"""So many times as long as otherwise a server is left alone that wants no connection."""
_UNWANTED: Final = frozenset({1, 2})
"""Disconnect-Cause BUSY and DO_NOT_WANT_TO_TALK_TO_YOU: no connection is to be tried (RFC 6733 §5.4.3)."""
JITTER: Final = 2.0
"""Seconds that Tw varies by either way, so that servers are not asked by all at once (RFC 3539 §3.4.1)."""


class PeerLostError(Exception):
    """The connection is gone, or not trusted any more: what became of a request is not known."""


@final
class RoPeer:
    """A server.

    Args:
        address: its host and port.
        identity: of this node.
        random: spreads the watchdogs.
        next_end: returns an End-to-End id that no request has had lately.
        tw: seconds of silence after which it is asked whether it is there.
        connect: seconds that a connection and the exchange of capabilities may take.
        again: seconds until a lost connection is tried again (Tc).
        tls: what the connection is secured with; None: nothing.
        told: told why it is not connected, and when it is again.
        re_authorise: told of Re-Auth-Request's Session-Id; returns whether there is such a session.

    Attributes:
        name: its address, to be shown.
        host: the Origin-Host that it gave; "" until it did.
        fault: why it is not connected, in words; "": it is.
    """

    def __init__(
        self,
        address: tuple[str, int],
        identity: Identity,
        random: Random,
        next_end: Callable[[], int],
        *,
        tw: float,
        connect: float,
        again: float,
        tls: ssl.SSLContext | None = None,
        told: FaultState | None = None,
        re_authorise: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.address = address
        self.name = f"{address[0]}:{address[1]}"
        self.host = ""
        self.fault = "not connected yet"
        self._identity = identity
        self._random = random
        self._next_end = next_end
        self._tw = tw
        self._connect_s = connect
        self._again_s = again
        self._tls = tls
        self._told = told or FaultState(lambda _: None)
        self._re_authorise = re_authorise
        self._link: _Link | None = None
        self._leaving: _Link | None = None  # the server took leave, and has still to answer
        self._watchdog: Watchdog | None = None
        self._was_up = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._hop = random.getrandbits(32)
        self._stopped = False

    @property
    def health(self) -> Health:
        """How far it is trusted."""
        return Health.DOWN if self._watchdog is None else self._watchdog.health

    @property
    def missing(self) -> bool:
        """Whether it is not connected, or not trusted."""
        return self.health >= Health.SUSPECT

    @property
    def waits(self) -> bool:
        """Whether something is to come: a connection, or an answer."""
        if self._link is None:
            return self._task is not None and not self._task.done()
        return bool(self._link.waiting) or (self._watchdog is not None and self._watchdog.pending)

    def start(self) -> None:
        """Connect, and stay so; needs the event loop."""
        self._timer = None
        if not self._stopped:
            self._task = asyncio.get_running_loop().create_task(self._connect())

    async def stop(self) -> None:
        """Take leave, and hang up."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._link is not None and self._watchdog is not None:
            end = self._next_end()
            gone = self._link.ask(self._next_hop(), lambda hop: disconnect(self._identity, hop, end))
            await asyncio.wait((gone,), timeout=0.5)
            if not gone.cancel() and not gone.cancelled():
                gone.exception()  # the server hung up first, which is all the same
        if self._link is not None:
            self._down(self._link, "the node stops")
        if self._leaving is not None:
            self._abandon(self._leaving)

    def ask(self, encode: Callable[[int], bytes]) -> asyncio.Future[Message]:
        """Send a request, which ``encode`` makes for a hop-by-hop id; `PeerLostError`: no answer comes.

        It has to be up.
        """
        if self._link is None:
            raise PeerLostError(self.fault)
        return self._link.ask(self._next_hop(), encode)

    async def _connect(self) -> None:
        link = None
        try:
            async with asyncio.timeout(self._connect_s):
                _, link = await asyncio.get_running_loop().create_connection(
                    lambda: _Link(self), *self.address, ssl=self._tls
                )
                local, end = link.local, self._next_end()
                answer = await link.ask(
                    self._next_hop(), lambda hop: capabilities(self._identity, hop, end, (local,))
                )
                self._take(answer)
        except (OSError, TimeoutError, DecodeError, PeerLostError) as error:
            if link is not None:
                link.close()
            self._failed(str(error) or "no answer in time")
        except BaseException:  # the node stops
            if link is not None:
                link.close()
            raise
        else:
            self._up(link)

    def _take(self, answer: Message) -> None:
        """Read Capabilities-Exchange-Answer; raises `PeerLostError` if it is no server for us."""
        result = optional(answer.avps, Code.RESULT_CODE)
        if result != SUCCESS:
            said = string(answer.avps, Code.ERROR_MESSAGE)
            raise PeerLostError(f"capabilities refused: Result-Code {result} {said}".rstrip())
        applications = {read_u32(each) for each in answer.avps if each.code == Code.AUTH_APPLICATION_ID}
        for each in answer.avps:
            if each.code == Code.VENDOR_SPECIFIC_APPLICATION_ID:
                inside = optional(decode_avps(each.data), Code.AUTH_APPLICATION_ID)
                applications.add(-1 if inside is None else inside)
        if applications.isdisjoint((CREDIT_CONTROL, RELAY)):
            raise PeerLostError("it does not offer credit control (Auth-Application-Id 4)")
        self.host = string(answer.avps, Code.ORIGIN_HOST)

    def _up(self, link: _Link) -> None:
        if link.closed:
            self._failed("it hung up at once")
            return
        self._link = link
        self.fault = ""
        self._told.report("")
        self._watchdog = Watchdog(back=self._was_up)
        self._set_timer()
        if self._was_up:
            self._ask_watchdog()
        self._was_up = True

    def _failed(self, why: str, again: float | None = None) -> None:
        self.fault = why
        if not self._stopped:
            self._told.report(why)
            seconds = self._again_s if again is None else again
            self._timer = asyncio.get_running_loop().call_later(seconds, self.start)

    def _down(self, link: _Link, why: str) -> None:
        """Give a connection up, and try again in a while."""
        link.close()
        link.lose(why)
        if link is not self._link:
            return
        self._link = self._watchdog = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._failed(why)

    def _leave(self, link: _Link, cause: int) -> None:
        """Send nothing more by a connection whose server has taken leave (RFC 6733 §5.4, state Closing).

        It hangs up once it has our answer; until then it still answers what it was asked before.
        """
        if link.waiting:
            self._leaving = link
            asyncio.get_running_loop().call_later(self._connect_s, self._abandon, link)
        else:
            link.close()
        self._link = self._watchdog = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        again = self._again_s * (UNWANTED if cause in _UNWANTED else 1)
        self._failed("the server took leave (Disconnect-Peer-Request)", again)

    def _abandon(self, link: _Link) -> None:
        """Give up a connection that was to end."""
        if self._leaving is link:
            self._leaving = None
        link.close()
        link.lose("the server took leave (Disconnect-Peer-Request)")

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait = self._tw + self._random.uniform(-JITTER, JITTER) * min(1.0, self._tw / 30)
        self._timer = asyncio.get_running_loop().call_later(wait, self._silent)

    def _silent(self) -> None:
        self._timer = None
        if self._watchdog is not None:
            self._do(self._watchdog.timer())

    def _do(self, row: Row) -> None:
        link = self._link
        if link is None:
            return
        if row.timer:
            self._set_timer()
        if row.action is Action.ASK:
            self._ask_watchdog()
        elif row.action is Action.MOVE:
            link.lose("a watchdog is not answered")
        elif row.action is Action.CLOSE:
            self._down(link, "watchdogs are not answered")

    def _ask_watchdog(self) -> None:
        if self._link is not None:
            hop = self._next_hop()
            self._link.send(watchdog(self._identity, hop, self._next_end()))

    def _next_hop(self) -> int:
        self._hop = (self._hop + 1) & 0xFFFF_FFFF
        return self._hop

    def received(self, link: _Link, message: Message) -> None:
        """Take a message that is no awaited answer, and note that something was heard."""
        if message.flags & REQUEST:
            self._requested(link, message)
        if self._watchdog is None or link is not self._link:
            return
        if message.command == Command.WATCHDOG and not message.flags & REQUEST:
            self._do(self._watchdog.answered())
        else:
            self._do(self._watchdog.heard())

    def _requested(self, link: _Link, message: Message) -> None:
        if message.command == Command.WATCHDOG:
            link.send(answer_to(message, self._identity, SUCCESS))
        elif message.command == Command.DISCONNECT:
            link.send(answer_to(message, self._identity, SUCCESS))
            if link is self._link:
                self._leave(link, optional(message.avps, Code.DISCONNECT_CAUSE) or 0)
        elif message.command == Command.RE_AUTH:
            known = self._re_authorise(string(message.avps, Code.SESSION_ID))
            # An update follows, with what the switch reports at its period's end (RFC 8506 §5.5).
            link.send(answer_to(message, self._identity, LIMITED_SUCCESS if known else UNKNOWN_SESSION))
        else:
            link.send(answer_to(message, self._identity, UNSUPPORTED_COMMAND, ERROR))

    def lost(self, link: _Link, why: str) -> None:
        """Take that a connection is gone."""
        self._down(link, why)


@final
class _Link(asyncio.Protocol):
    """A TCP connection: cuts what comes into messages, and gives each answer to its request.

    Attributes:
        waiting: for an answer, by hop-by-hop id.
        closed: nothing goes or comes any more.
        local: our address.
    """

    def __init__(self, peer: RoPeer) -> None:
        self.waiting: dict[int, asyncio.Future[Message]] = {}
        self.closed = False
        self.local = "127.0.0.1"
        self._peer = peer
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.local = str(transport.get_extra_info("sockname")[0]).partition("%")[0]

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        at, end = 0, len(buffer)
        try:
            while end - at >= 4 and not self.closed:
                length = message_length(buffer[at : at + 4])
                if length > MOST_OCTETS:
                    self._peer.lost(self, f"it sends a message of {length} octets")
                    return
                if end - at < length:
                    break
                at += length
                self._take(decode_message(buffer[at - length : at]))
        except DecodeError as error:
            self._peer.lost(self, f"what it sends can't be read: {error}")
        self._buffer = buffer[at:]

    def _take(self, message: Message) -> None:
        waiting = None
        if not message.flags & REQUEST:
            waiting = self.waiting.pop(message.hop_by_hop, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
        self._peer.received(self, message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        why = str(exc) if exc is not None else "the server hung up"
        self.lose(why)
        self._peer.lost(self, why)

    def ask(self, hop: int, encode: Callable[[int], bytes]) -> asyncio.Future[Message]:
        """Send a request; its answer."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self.closed:
            future.set_exception(PeerLostError("the server hung up"))
            return future
        self.waiting[hop] = future
        future.add_done_callback(lambda _: self.waiting.pop(hop, None))
        self.send(encode(hop))
        return future

    def send(self, octets: bytes) -> None:
        """Send a message."""
        if self._transport is None or self.closed:
            return
        self._transport.write(octets)
        if self._transport.get_write_buffer_size() > MOST_WAITING:
            self._transport.abort()
            self._peer.lost(self, f"it leaves {MOST_WAITING} octets unread")

    def lose(self, why: str) -> None:
        """Tell all that wait that no answer comes."""
        waiting, self.waiting = self.waiting, {}
        for each in waiting.values():
            if not each.done():
                each.set_exception(PeerLostError(why))

    def close(self) -> None:
        """Hang up, once what was written is sent."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()
