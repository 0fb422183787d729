"""One SMPP connection, either end: framing, sequence numbers, timers (§2.7 to §2.9, §7.2).

A request is answered by the other end, or it fails: `LinkLostError` says whether it may have been received.
Any octet that comes in shows that the other end is alive; where none comes for `enquire_link` seconds it is
asked (enquire_link), and where it does not answer that the connection is closed.

Of an end that sends more than is taken `AT_ONCE` no more is read for as long as that took: it gets at most
half of the processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final, Protocol, cast, final

from scp.messages.smpp.pdu import (
    LONGEST,
    RESPONSE,
    WITHOUT_RESPONSE,
    Body,
    Command,
    Octets,
    Pdu,
    Status,
    Tlvs,
    decode,
    encode,
    length_of,
    sequence_of,
)
from ss7.errors import DecodeError

LAST_SEQUENCE: Final = 0x7FFF_FFFF  # §5.1.4
MOST_WAITING: Final = 1 << 20
"""Octets that wait for an end that does not read, whatever it asks: then its connection is given up."""
AT_ONCE: Final = 64
"""PDUs that are taken in one turn of the event loop."""


class LinkLostError(Exception):
    """A request was not answered: the connection is gone, or no response came in time."""


class NotSentError(LinkLostError):
    """A request was not even sent."""


class LinkUser(Protocol):
    """What takes the other end's requests."""

    def request(self, link: Link, pdu: Pdu) -> None:
        """Answer a request by ``link.respond``, now or later."""
        ...

    def closed(self, link: Link, reason: str) -> None:
        """The connection is gone."""
        ...

    def discarded(self, reason: str) -> None:
        """Something that came was thrown away; ``reason`` is one of the metric of discards, layer smpp."""
        ...


@final
class Link(asyncio.Protocol):
    """See the module.

    Args:
        user: takes requests.
        response: seconds that a response may take.
        enquire_link: seconds without an octet after which the other end is asked; 0: never.
    """

    def __init__(self, user: LinkUser, *, response: float, enquire_link: float) -> None:
        self._user = user
        self._response = response
        self._enquire_link = enquire_link
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: dict[int, tuple[asyncio.Future[Pdu], asyncio.TimerHandle, int]] = {}
        self._sequence = 0
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.reason = ""
        self.gone = asyncio.Event()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of a class of its own
        self._heard = self._loop.time()
        if self._enquire_link:
            self._timer = self._loop.call_later(self._enquire_link, self._idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self.reason = self.reason or (f"connection lost: {exc}" if exc else "the other end hung up")
        for timer in (self._timer, self._rest):
            if timer is not None:
                timer.cancel()
        waiting, self._waiting = self._waiting, {}
        for future, timer, _ in waiting.values():
            timer.cancel()
            if not future.done():
                future.set_exception(LinkLostError(self.reason))
        self._writable.set()
        self.gone.set()
        self._user.closed(self, self.reason)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard = self._loop.time()
        self._buffer += data
        if self._rest is None:
            self._take_some()

    def _take_some(self) -> None:
        """Take whole PDUs out of the stream; what is none ends the connection (§4.3.1: generic_nack)."""
        self._rest = None
        began, start, taken = time.thread_time(), 0, 0
        try:
            while self.up and taken < AT_ONCE:
                length = length_of(self._buffer, start)
                if not length or len(self._buffer) - start < length:
                    break
                octets = bytes(self._buffer[start : start + length])
                start += length
                taken += 1
                self._take(octets)
        except DecodeError as error:
            self._user.discarded("no-smpp")
            self._write(Pdu(Command.GENERIC_NACK, 0, Status.RINVCMDLEN))
            self.close(f"what came is no SMPP: {error}")
        if self._transport is None or not self.up:
            self._buffer.clear()
            return
        del self._buffer[:start]
        if taken < AT_ONCE:
            assert len(self._buffer) < LONGEST
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
        else:
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
            self._rest = self._loop.call_later(time.thread_time() - began, self._take_some)

    # --- this end ---

    @property
    def up(self) -> bool:
        """Whether something can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, pdu: Pdu) -> Pdu:
        """Send a request, its sequence number is set here; return the response, whatever its status.

        Raises:
            NotSentError: the connection is gone, or nothing is read there for as long as a response may take.
            LinkLostError: there was none. The request may have been received.
            EncodeError: it can't be sent, and was not.
        """
        try:
            async with asyncio.timeout(self._response):
                await self._writable.wait()
        except TimeoutError:
            self.abort("the other end reads nothing")
        if not self.up:
            raise NotSentError(self.reason or "not connected")
        self._sequence = self._sequence % LAST_SEQUENCE + 1
        sequence = self._sequence
        octets = encode(pdu._replace(sequence=sequence))
        future: asyncio.Future[Pdu] = self._loop.create_future()
        timer = self._loop.call_later(self._response, self._no_response, sequence)
        self._waiting[sequence] = (future, timer, pdu.command | RESPONSE)
        assert self._transport is not None
        self._transport.write(octets)
        return await future

    def respond(self, request: Pdu, status: int = Status.ROK, body: Body = None, tlvs: Tlvs = ()) -> None:
        """Answer a request."""
        self._write(Pdu(request.command | RESPONSE, request.sequence, status, body, tlvs))

    def nack(self, sequence: int, status: int) -> None:
        """Send generic_nack (§4.3.1)."""
        self._write(Pdu(Command.GENERIC_NACK, sequence, status))

    async def unbind(self) -> None:
        """Take leave (§4.2) and hang up."""
        with contextlib.suppress(LinkLostError):
            await self.ask(Pdu(Command.UNBIND, 0))
        self.close("unbound")

    def close(self, reason: str) -> None:
        """Hang up."""
        if self._transport is not None:
            self.reason = self.reason or reason
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Hang up without sending what waits."""
        if self._transport is not None:
            self.reason = self.reason or reason
            self._transport.abort()

    # --- inside ---

    def _write(self, pdu: Pdu) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(pdu))
            if self._transport.get_write_buffer_size() > MOST_WAITING:
                self.abort(f"the other end leaves {MOST_WAITING} octets unread")

    def _take(self, octets: bytes) -> None:
        command, sequence = sequence_of(octets)
        try:
            pdu = decode(octets)
        except DecodeError as error:
            self._user.discarded("unreadable")
            if command & RESPONSE:
                self._answered(sequence, LinkLostError(f"its response can't be read: {error}"))
            else:
                self._write(Pdu(command | RESPONSE, sequence, Status.RINVPARLEN))
            return
        if pdu.is_response:
            self._answered(sequence, pdu)
        elif pdu.command == Command.ENQUIRE_LINK:
            self.respond(pdu)
        elif pdu.command == Command.UNBIND:
            self.respond(pdu)
            self.close("the other end took leave (unbind)")
        elif isinstance(pdu.body, Octets) and pdu.command not in WITHOUT_RESPONSE:
            self._user.discarded("unknown-command")
            self.nack(sequence, Status.RINVCMDID)
        else:
            self._user.request(self, pdu)

    def _answered(self, sequence: int, answer: Pdu | LinkLostError) -> None:
        found = self._waiting.pop(sequence, None)
        if found is None:  # it came too late, or nobody asked
            self._user.discarded("unexpected-response")
            return
        future, timer, command = found
        timer.cancel()
        if future.done():
            return
        if isinstance(answer, LinkLostError):
            future.set_exception(answer)
        elif answer.command == command or (answer.command == Command.GENERIC_NACK and answer.status):
            future.set_result(answer)
        else:  # §3.2: a response has its request's sequence number and command; generic_nack is no consent
            self._user.discarded("unexpected-response")
            words = f"its response is of the command 0x{answer.command:08x}, status 0x{answer.status:02x}"
            future.set_exception(LinkLostError(words))

    def _no_response(self, sequence: int) -> None:
        future, *_ = self._waiting.pop(sequence)
        if not future.done():
            future.set_exception(LinkLostError(f"no response within {self._response:g} s"))

    def _idle(self) -> None:
        silent = self._loop.time() - self._heard
        if silent < self._enquire_link:
            self._timer = self._loop.call_later(self._enquire_link - silent, self._idle)
            return
        self._timer = self._loop.call_later(self._enquire_link, self._idle)
        task = self._loop.create_task(self._enquire())
        task.add_done_callback(lambda done: done.exception())

    async def _enquire(self) -> None:
        try:
            await self.ask(Pdu(Command.ENQUIRE_LINK, 0))
        except LinkLostError:
            self.abort("enquire_link was not answered")
