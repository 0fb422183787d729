"""HTTP/1.1 connections: adds time limits and problem details to uvicorn's.

- What is no HTTP is answered with problem details that say why.
- A slow client (header, body, or reading the response) is disconnected. An open connection costs its client
  nothing, and the node a file descriptor, which links and stores need too.
- When all connections are taken, the one that has been idle longest makes room for a new one.
- A plain request that comes in one piece is answered past h11 (`scp.api.direct`), which sees nothing of it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import h11
import msgspec
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol

from scp.api.direct import octets_of
from scp.api.limited_log import log_limited
from scp.api.problems import INTERNAL, MALFORMED, MEDIA_TYPE, Kind, define
from scp.telemetry.logs import get_logger

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    from scp.api.direct import Asked, DirectCalls

CONNECTIONS = 512
"""Connections at once, and so requests."""
REQUEST_SECONDS = 30.0
"""How long a client may owe something: a request, its body, reading the answer."""
BODY_RATE = 1000.0
"""Octets of a body that are worth a second of it."""
LOOK_SECONDS = 1.0
"""How often a connection is looked at."""

TOO_SLOW: Final = define(
    "request-timeout",
    408,
    "The request did not come in time",
    f"Send it whole, bodies at {BODY_RATE:.0f} octets a second or more.",
)
FULL: Final = define(
    "too-many-connections",
    503,
    "Too many requests are in progress",
    "Try again; keep one connection open and send requests over it one by one.",
)
ENDLESS: Final = "scp.endless"
"""Set in the ``state`` of a request's scope where the answer never ends, as server-sent events do not."""
_RETRY: Final = (b"retry-after", b"1")
_SAYABLE: Final = (h11.IDLE, h11.SEND_RESPONSE)
"""States in which an answer may begin."""

_encode: Final = msgspec.json.Encoder().encode


class Connection(H11Protocol):
    """One connection.

    It has a budget of seconds. Waiting for the client uses it up, octets of a body add to it, and it is whole
    again with every answer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base
        """Begin, or make room first."""
        super().connection_made(transport)
        self._direct: DirectCalls | None = getattr(self.config.loaded_app, "direct", None)
        self._behind: bytearray | None = None  # what came behind a request that is answered past h11
        self._last = False
        self._ended = False  # the client will send no more
        self._patience = REQUEST_SECONDS
        self._looked = self.loop.time()
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
        if len(self.connections) > CONNECTIONS and not self._make_room():
            self._say(FULL, "", _RETRY)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._behind is not None:
            self._behind += data
            if len(self._behind) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            return
        if self.conn.their_state is h11.MUST_CLOSE:
            return  # it is behind the last request, whose answer may still be due (RFC 9112 §9.6)
        if self.answering:
            self._patience = min(REQUEST_SECONDS, self._patience + len(data) / BODY_RATE)
        elif self._begin(data):
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:  # type: ignore[override] # as in asyncio's
        """Return whether to stay: a client that has sent all it will may wait for its answers.

        One that follows events has gone. TLS has no end of one direction alone (in asyncio).
        """
        self._ended = self._waits() and self.scheme != "https"
        return self._ended

    def _waits(self) -> bool:
        """Return whether a request has come whole whose answer is due, and will end."""
        if self._behind is not None or not self.answering:
            return self._behind is not None
        return not self.cycle.more_body and ENDLESS not in self.cycle.scope["state"]

    def _close_at_end(self) -> None:
        """Close behind the last answer to a client that sends no more."""
        if self._ended and not self._waits():
            self._hang_up()

    def _begin(self, data: bytes) -> bool:
        """Begin to answer a request past h11; return whether it is one that can be."""
        direct = self._direct
        if direct is None or self.flow.write_paused or not self._at_rest():
            return False
        asked = direct.read(data, self.client, self.scheme or "http")
        if asked is None:
            return False
        self._unset_keepalive_if_required()
        self._behind = bytearray()
        task = self.loop.create_task(self._answer(direct, asked))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        return True

    def _at_rest(self) -> bool:
        """Return whether h11 has all of what came before, and nothing of what comes now."""
        conn = self.conn
        return conn.our_state is h11.IDLE and conn.their_state is h11.IDLE and not conn.trailing_data[0]

    async def _answer(self, direct: DirectCalls, asked: Asked) -> None:
        try:
            status, headers, body = await direct.answer(asked)
            if self._last:
                headers.append(("connection", "close"))
            octets = octets_of(status, headers, body, self.server_state.default_headers)
        except BaseException as error:  # noqa: BLE001 - of ours, or the time to end is over: as uvicorn does
            self._behind = None
            get_logger().error("API call failed", path=asked.request.scope["path"], exc_info=error)
            self._say(INTERNAL, "")
            return
        behind, self._behind = self._behind, None
        self.server_state.total_requests += 1
        self._patience = REQUEST_SECONDS
        if self.transport.is_closing():
            return
        self.transport.write(octets)
        if self._last:
            self.transport.close()
            return
        self.flow.resume_reading()
        if behind:
            self.data_received(bytes(behind))
        elif not self._ended:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self._close_at_end()

    def shutdown(self) -> None:
        """Close, once the answer to a request in progress is sent."""
        if self._behind is not None:
            self._last = True
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        """Begin anew: uvicorn goes on with the next request, if it is here already."""
        self._patience = REQUEST_SECONDS
        super().on_response_complete()
        self._close_at_end()

    def resume_writing(self) -> None:
        """The client has read."""
        self._patience = REQUEST_SECONDS
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what h11 can't read; uvicorn calls it while it handles h11's error, which says why."""
        error = sys.exception()
        # Behind the colon h11 quotes what it could not read, which may be a token.
        reason = str(error).partition(":")[0] if isinstance(error, h11.RemoteProtocolError) else msg
        self._say(MALFORMED, reason)

    @property
    def answering(self) -> bool:
        """Whether a request came whose answer is not complete."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn leaves out that there may be none yet
        return self._behind is not None or (cycle is not None and not cycle.response_complete)

    def _owes(self) -> bool:
        """Return whether the client has to act now."""
        if self.flow.write_paused or not self.answering:
            return True
        if self._behind is not None:
            return False
        return self.cycle.more_body and not self.flow.read_paused

    def _look(self) -> None:
        now = self.loop.time()
        if self._owes():
            self._patience -= now - self._looked
        self._looked = now
        if self._patience > 0:
            self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
        elif self.flow.write_paused:
            self.transport.abort()  # there is no end of what waits to be read
        elif self.answering or self.conn.trailing_data[0]:
            self._say(TOO_SLOW, "")
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close; what was written has so long to be read."""
        self.transport.close()
        self._timer.cancel()
        self._timer = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _make_room(self) -> bool:
        """Close the connection that has been idle longest; return whether there is room then."""
        others = [each for each in self.connections if not each.transport.is_closing() and each is not self]
        if len(others) < CONNECTIONS:
            return True
        idle = [each for each in others if isinstance(each, Connection) and not each.answering]
        if idle:
            min(idle, key=lambda each: each._patience)._hang_up()  # noqa: SLF001 - of the same class
        return bool(idle)

    def _say(self, kind: Kind, detail: str, *headers: tuple[bytes, bytes]) -> None:
        """Answer with a problem, where that can still be done, and hang up."""
        source = self.client[0] if self.client else "?"
        log_limited("API connection refused", f"{source}: {kind.title} {detail}".rstrip(), trouble=False)
        if self.conn.our_state in _SAYABLE:
            body = _encode(kind.problem(detail))
            head = [
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *headers,
            ]
            for event in (
                h11.Response(status_code=kind.status, headers=head),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self._hang_up()
