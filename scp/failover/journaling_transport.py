"""A transport that records what passes, and gives the guardian a copy of its descriptor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, final, runtime_checkable

from scp.failover.traffic_ring import Kind
from scp.ports import ProbedUser
from ss7.m3ua_framer import Framer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scp.failover.traffic_ring import TrafficRing
    from scp.ports import Transport, TransportUser
    from ss7.m3ua_parameters import M3uaError

_KIND: Final = slice(2, 4)
_PASSING: Final = (b"\x01\x01", b"\x03\x03", b"\x03\x06")
"""Class and type of DATA, BEAT and BEAT ACK (RFC 4666 §3.1.2): they change no state."""
# In Python 3.11 a member looked up through its class costs ten times what a global does.
_SENDING: Final = Kind.SENDING
_SENT: Final = Kind.SENT
_UNSENT: Final = Kind.UNSENT


@runtime_checkable
class Wire(Protocol):
    """What the guardian needs of a transport, beside `scp.ports.Transport`."""

    @property
    def unsent(self) -> int:
        """Octets that the kernel has not taken yet."""
        ...

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        ...


class AssociationListener(Protocol):
    """Told of associations: the guardian's end in the node."""

    def begun(self, link: int, descriptor: int, name: str) -> None:
        """An association is up."""
        ...

    def ended(self, link: int) -> None:
        """It is gone."""
        ...

    def management(self, link: int, stream: int, octets: bytes) -> None:
        """A message came that is not DATA: what it says of the ASP, of servers and destinations holds on."""
        ...


@final
class JournalingTransport:
    """The user of a transport, and the transport of that user.

    Args:
        link: the link's number.
        user: the link.
        ring: where it is written down.
        listener: told of the association.
    """

    def __init__(
        self, link: int, user: TransportUser, ring: TrafficRing, listener: AssociationListener
    ) -> None:
        self.name = ""
        self._link = link
        self._user = user
        self._ring = ring
        self._listener = listener
        self._transport: Transport | None = None
        self._wire: Wire | None = None
        self._framed = False

    def framer(self) -> JournalingFramer:
        """Return what cuts a stream of octets into messages and writes them down, before anybody has them."""
        self._framed = True
        return JournalingFramer(self)

    def read(self, messages: Iterable[bytes], rest: bytes = b"") -> None:
        """Write down what came: whole messages, and the beginning of the next."""
        now = time.monotonic()
        self._ring.write(self._link, Kind.READ, b"".join(messages), now)
        if rest:
            self._ring.write(self._link, Kind.REST, rest, now)

    # the `TransportUser`

    def connected(self, transport: Transport) -> None:
        """See `TransportUser`."""
        self._transport = transport
        self.name = transport.name
        if isinstance(transport, Wire):
            self._wire = transport
            self._ring.write(self._link, Kind.BEGUN, b"", time.monotonic())
            self._listener.begun(self._link, transport.fileno(), transport.name)
        self._user.connected(self)

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """See `TransportUser`."""
        if not self._framed:
            self.read([octets for _, octets in messages])
        for stream, octets in messages:
            if octets[_KIND] not in _PASSING:
                self._listener.management(self._link, stream, octets)
        self._user.received(messages)

    def disconnected(self, reason: str) -> None:
        """See `TransportUser`."""
        self._transport = self._wire = None
        self._listener.ended(self._link)
        self._user.disconnected(reason)

    def probe(self) -> None:
        """See `ProbedUser`."""
        if isinstance(self._user, ProbedUser):
            self._user.probe()

    def give_up(self, why: str) -> None:
        """See `ProbedUser`."""
        if isinstance(self._user, ProbedUser):
            self._user.give_up(why)

    # the `Transport`

    @property
    def streams(self) -> int:
        """See `Transport`."""
        return 1 if self._transport is None else self._transport.streams

    @property
    def more(self) -> bool:
        """See `Transport`."""
        return self._transport is not None and self._transport.more

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """See `Transport`. It is written down before it is sent, and afterwards what the kernel took.

        In between it is not known: then a call that was let go is answered twice, which does no harm, and one
        that was to be held is left to the node that adopts it (`scp.failover.takeover.Unanswered`).
        """
        transport, wire = self._transport, self._wire
        if transport is None:
            return
        sent = list(messages)
        ring = self._ring
        written = b"".join([octets for _, octets in sent])
        at = ring.write(self._link, _SENDING, written, time.monotonic())
        transport.send(sent)
        ring.mark(at, _SENT if wire is None or not wire.unsent else _UNSENT)

    def close(self, *, abort: bool = False) -> None:
        """See `Transport`."""
        if self._transport is not None:
            self._transport.close(abort=abort)


@final
class JournalingFramer:
    """A framer (`scp.net.tcp.Framer`) whose messages a transport writes down."""

    def __init__(self, transport: JournalingTransport) -> None:
        self._journal = transport
        self._inner = Framer()

    @property
    def error(self) -> M3uaError | None:
        """See `Framer`."""
        return self._inner.error

    @property
    def held(self) -> int:
        """See `Framer`."""
        return self._inner.held

    def feed(self, chunk: bytes) -> list[bytes]:
        """See `Framer`."""
        messages = self._inner.feed(chunk)
        self._journal.read(messages, self._inner.rest)
        return messages
