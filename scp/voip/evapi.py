"""The link to one Kamailio: its evapi module over TCP, kept up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, Final, Protocol, cast, final

import msgspec

from scp.voip.messages import Hello, Kept, heard, said
from scp.voip.netstrings import NetstringError, NetstringReader, netstring

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.voip.messages import Heard, Said

RECONNECT_FIRST: Final = 0.1
SOON_SECONDS: Final = 0.05
"""How long what has time may wait for what comes after it."""
SOON_MOST: Final = 64
RECONNECT_MOST: Final = 5.0
"""Seconds between two attempts to connect."""


class LinkUser(Protocol):
    """What hears what a link brings."""

    def opened(self, link: Evapi) -> bool:
        """The connection is there. True: the user says `Evapi.hello` once it is ready to be asked."""
        ...

    def linked(self, link: Evapi) -> None:
        """Kamailio takes this brain's answers from now on."""
        ...

    def heard(self, link: Evapi, message: Heard) -> None:
        """A message came."""
        ...

    def unreadable(self, link: Evapi, why: str) -> None:
        """Something came that is no message."""
        ...

    def unlinked(self, link: Evapi, why: str) -> None:
        """The connection is gone, or could not be made."""
        ...


@final
class _Connection(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self._socket: socket.socket | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._socket = transport.get_extra_info("socket")
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge()

    def data_received(self, data: bytes) -> None:
        # The other end has Nagle's algorithm on: its next small message waits for our acknowledgement, which
        # the kernel would hold back for 40 ms. The option does not last (tcp(7)).
        self._acknowledge()
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(str(exc) if exc is not None else "closed by Kamailio")

    def _acknowledge(self) -> None:
        if self._socket is not None and hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


@final
class Evapi:
    """A link that connects, says which brain it is, and connects again.

    Args:
        host: of Kamailio's evapi.
        port: of it.
        name: ours, for Kamailio's log.
        user: see `LinkUser`.

    Attributes:
        up: whether messages can be sent.
        started: which start of Kamailio it is (see `Welcome`); empty: not known yet.
        lost: when the last connection ended, in seconds since 1970; 0: none has.
        number: ours among that Kamailio's brains; -1: not known yet.
    """

    def __init__(self, host: str, port: int, name: str, user: LinkUser) -> None:
        self.host = host
        self.port = port
        self.up = False
        self.started = ""
        self.lost = 0.0
        self.number = -1
        self._name = name
        self._user = user
        self._connection: _Connection | None = None
        self._kept: list[str] = []  # what is kept, which has time to be said; and when that is over
        self._timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """Where it goes."""
        return f"{self.host}:{self.port}"

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        wait = RECONNECT_FIRST
        try:
            while True:
                why, worked = await self._once()
                self._user.unlinked(self, why)
                wait = RECONNECT_FIRST if worked else min(wait * 2, RECONNECT_MOST)
                await asyncio.sleep(wait)
        finally:
            self._drop()

    async def _once(self) -> tuple[str, bool]:
        """Connect, and return when it ended: why, and whether it had worked."""
        loop = asyncio.get_running_loop()
        self._reader = NetstringReader()
        try:
            async with asyncio.timeout(RECONNECT_MOST):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._received), self.host, self.port
                )
        except (OSError, TimeoutError) as error:
            return str(error) or "no answer", False
        self._connection = connection
        self.up = True
        if not self._user.opened(self):
            self.hello()
        try:
            return await connection.lost, True
        finally:
            self.lost = time.time()
            self._drop()

    def hello(self) -> None:
        """Have Kamailio ask us from now on."""
        self.say(Hello(self._name))

    def _drop(self) -> None:
        self.up = False
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.abort()
        self._connection = None
        self._what_is_kept()

    def say(self, message: Said) -> bool:
        """Send a message; False if there is no connection any more."""
        transport = None if self._connection is None else self._connection.transport
        if transport is None or transport.is_closing():  # uvloop's raises then
            return False
        transport.write(self._what_is_kept() + netstring(said(message)))
        return True

    def say_kept(self, call: str) -> None:
        """Say that a call's end is kept, with the next message or in `SOON_SECONDS`: once for many.

        It is lost where the connection is before that.
        """
        self._kept.append(call)
        if len(self._kept) >= SOON_MOST:
            self._send_kept()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SOON_SECONDS, self._send_kept)

    def _send_kept(self) -> None:
        string = self._what_is_kept()
        transport = None if self._connection is None else self._connection.transport
        if string and transport is not None and not transport.is_closing():
            transport.write(string)

    def _what_is_kept(self) -> bytes:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, self._kept = self._kept, []
        return netstring(said(Kept(tuple(calls)))) if calls else b""

    def _received(self, data: bytes) -> None:
        try:
            strings = self._reader.feed(data)
        except NetstringError as error:
            self._user.unreadable(self, str(error))
            self._drop()
            return
        for octets in strings:
            try:
                message = heard(octets)
            except (msgspec.DecodeError, RecursionError) as error:  # the latter: nested too deep
                self._user.unreadable(self, str(error))
                continue
            self._user.heard(self, message)
