"""The kernel's one-to-one SCTP sockets (RFC 6458 §4), through the standard library alone.

Python's own sockets carry SCTP on Linux: control messages for stream and payload protocol identifier, socket
options for the rest. The numbers and layouts are those of ``linux/sctp.h``; they are the kernel's ABI.

pysctp is used where the configuration asks for it (`scp.net.pysctp_socket`): its 0.7.3 leaks nine references
with each message received and a dict with each error, writes IPv6 addresses beyond their buffer on the stack,
and has 0 for the flags of heartbeats (``deploy/pysctp.md``).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from sys import byteorder
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, final

from scp.net.addresses import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

IPPROTO_SCTP: Final = 132
MSG_NOTIFICATION: Final = 0x8000
PPID_M3UA: Final = 3
"""Payload protocol identifier (RFC 4666 §7.2)."""

NO_SCTP: Final = (
    "this system has no SCTP: load it (modprobe sctp; in a container, on its host), "
    'or set transport = "tcp" if the peer offers M3UA over TCP'
)

READ_SIZE: Final = 64 * 1024
_ADDRESSES_SIZE: Final = 1024  # the most that Python asks the kernel for: thirty addresses
_BUFFER: Final = 1024 * 1024

# Socket options (level IPPROTO_SCTP).
_RTOINFO: Final = 0
_ASSOCINFO: Final = 1
_INITMSG: Final = 2
_NODELAY: Final = 3
_PEER_ADDR_PARAMS: Final = 9
_EVENTS: Final = 11
_STATUS: Final = 14
_RECVRCVINFO: Final = 32
_BINDX_ADD: Final = 100
_PEER_ADDRS: Final = 108
_CONNECTX: Final = 110

# Control messages.
_SNDINFO: Final = 2
_SNDRCV: Final = 1  # of a socket that pysctp was to read: begins as `_RCVINFO` does
_RCVINFO: Final = 3

_HB_ENABLE: Final = 1
_HB_DISABLE: Final = 2

_S_RTOINFO: Final = struct.Struct("=iIII")  # association, initial, max, min
_S_ASSOCINFO: Final = struct.Struct("=iHHIII")
_S_INITMSG: Final = struct.Struct("=HHHH")  # streams out, most in, attempts, timeout
_S_PEER_ADDR_PARAMS: Final = struct.Struct("=i128sIHIII4xBx")  # packed, aligned to 4
_S_EVENTS: Final = struct.Struct(
    "=8B"
)  # data, association, address, failure, error, shutdown, partial, adaptation
_S_STATUS: Final = struct.Struct(
    "=iiIHHHHI"
)  # association, state, rwnd, unacked, pending, streams in, out, point
_S_SNDINFO: Final = struct.Struct("=HHIII")  # stream, flags, PPID (network order), context, association
_S_RCVINFO: Final = struct.Struct("=HHH2xI")  # stream, SSN, flags, PPID; TSNs, context, association follow
_S_ASSOC_CHANGE: Final = struct.Struct(
    "=HHIHHHHi"
)  # type, flags, length, state, error, streams out, in, association
_S_ADDR_CHANGE: Final = struct.Struct(
    "=HHI128siii"
)  # type, flags, length, address, state, error, association

_ANY: Final = struct.pack("=H", socket.AF_INET)  # the wildcard address: every path
_ANCILLARY: Final = socket.CMSG_SPACE(32)


class Notification(IntEnum):
    """Types of notifications (RFC 6458 §6.1) that are subscribed to."""

    ASSOC_CHANGE = 0x8001
    PEER_ADDR_CHANGE = 0x8002
    SHUTDOWN_EVENT = 0x8005
    PARTIAL_DELIVERY = 0x8006


class AssocState(IntEnum):
    """What became of an association (RFC 6458 §6.1.1; Linux counts from 0)."""

    COMM_UP = 0
    COMM_LOST = 1
    RESTART = 2
    SHUTDOWN_COMP = 3
    CANT_START = 4


class PathChange(IntEnum):
    """What became of a path (RFC 6458 §6.1.2; Linux counts from 0)."""

    AVAILABLE = 0
    UNREACHABLE = 1
    REMOVED = 2
    ADDED = 3
    MADE_PRIMARY = 4
    CONFIRMED = 5
    POTENTIALLY_FAILED = 6


class AssocChange(NamedTuple):
    """SCTP_ASSOC_CHANGE; `aborted`: the peer's ABORT came with it."""

    state: int
    error: int
    streams: int
    aborted: bool


class AddrChange(NamedTuple):
    """SCTP_PEER_ADDR_CHANGE."""

    address: str
    state: int


class ShutdownEvent(NamedTuple):
    """SCTP_SHUTDOWN_EVENT: the peer shuts the association down."""


class PartialDeliveryAborted(NamedTuple):
    """SCTP_PARTIAL_DELIVERY_EVENT: the rest of a message whose beginning was read will not come."""


class Chunk(NamedTuple):
    """Octets of a message; `whole`: they end it (MSG_EOR)."""

    stream: int
    ppid: int
    octets: bytes
    whole: bool


class End(NamedTuple):
    """The peer has ended the association: no further message will be read."""


Received: TypeAlias = Chunk | AssocChange | AddrChange | ShutdownEvent | PartialDeliveryAborted | End | None


@final
@dataclass(frozen=True, slots=True)
class SctpSettings:
    """Protocol parameters (RFC 9260 §16), by default for signalling.

    RFC 9260's own values would take a minute to give up a path. With these, traffic leaves a silent path
    after one RTO, 0.3 s or so; the path is reported after four.

    Attributes:
        rto_initial: seconds.
        rto_min: seconds; above the peer's delay of SACKs, 0.2 s as a rule.
        rto_max: seconds.
        heartbeat: HB.interval in seconds; 0: no heartbeats.
        path_retransmissions: Path.Max.Retrans, after which a path counts as failed.
        association_retransmissions: Association.Max.Retrans, after which the association does.
        init_attempts: Max.Init.Retransmits.
        streams: that we ask for each way; the peer may grant fewer. 17: one for management, 16 for the SLSs.
        kind: class of the sockets; None: `SctpSocket`.
    """

    rto_initial: float = 1.0
    rto_min: float = 0.3
    rto_max: float = 3.0
    heartbeat: float = 10.0
    path_retransmissions: int = 3
    association_retransmissions: int = 6
    init_attempts: int = 8
    streams: int = 17
    kind: type[SctpSocket] | None = None

    def wrapped(self, raw: socket.socket) -> SctpSocket:
        """Return a socket of the system's as one of `kind`."""
        return (self.kind or SctpSocket)(raw)


class NoSctpError(OSError):
    """The kernel makes no SCTP sockets."""

    def __init__(self) -> None:
        super().__init__(errno.EPROTONOSUPPORT, NO_SCTP)


def family_of(addresses: Sequence[str]) -> socket.AddressFamily:
    """Return IPv6 if one of the numeric addresses is: such a socket takes IPv4 ones as well."""
    return socket.AF_INET6 if any(":" in address for address in addresses) else socket.AF_INET


def open_socket(family: socket.AddressFamily, settings: SctpSettings) -> SctpSocket:
    """Return a new socket, not blocking, with everything set that its associations will inherit.

    Raises:
        NoSctpError: there is no SCTP here.
        OSError: a parameter is beyond what the kernel takes.
    """
    try:
        raw = socket.socket(family, socket.SOCK_STREAM, IPPROTO_SCTP)
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            raise NoSctpError from None
        raise
    made = settings.wrapped(raw)
    try:
        made.configure(settings)
    except OSError:
        raw.close()
        raise
    return made


class SctpSocket:
    """One socket: an association, or a listener.

    Attributes:
        with_sender_information: messages are read with SCTP_SNDRCV (RFC 6458 §5.3.2), as pysctp does, and not
            with SCTP_RCVINFO.
    """

    with_sender_information = False

    def __init__(self, raw: socket.socket) -> None:
        raw.setblocking(False)
        self.raw = raw
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._targets = [self._buffer]
        self._about: dict[int, list[tuple[int, int, bytes]]] = {}

    # -- set-up --------------------------------------------------------------------------------------------

    def configure(self, settings: SctpSettings) -> None:
        """Set the parameters, subscribe to notifications, switch Nagle off.

        With Nagle every exchange would wait for the peer's delayed SACK (200 ms).
        """
        raw = self.raw
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        times = (settings.rto_initial, settings.rto_max, settings.rto_min)
        flags = _HB_ENABLE if settings.heartbeat else _HB_DISABLE
        older = self.with_sender_information
        heartbeat = _ms(settings.heartbeat), settings.path_retransmissions, 0, 0, flags, 0
        for option, value in (
            (_NODELAY, struct.pack("=i", 1)),
            (_RECVRCVINFO, struct.pack("=i", not older)),
            (_EVENTS, _S_EVENTS.pack(older, 1, 1, 0, 0, 1, 1, 0)),
            (_INITMSG, _S_INITMSG.pack(settings.streams, 0xFFFF, settings.init_attempts, 0)),
            (_RTOINFO, _S_RTOINFO.pack(0, *(_ms(seconds) for seconds in times))),
            (_ASSOCINFO, _S_ASSOCINFO.pack(0, settings.association_retransmissions, 0, 0, 0, 0)),
            (_PEER_ADDR_PARAMS, _S_PEER_ADDR_PARAMS.pack(0, _ANY, *heartbeat)),
        ):
            raw.setsockopt(IPPROTO_SCTP, option, value)

    def bind(self, addresses: Sequence[str], port: int) -> None:
        """Bind to numeric addresses, all with one port (0: the system chooses it); none: to any address."""
        if addresses:
            packed = b"".join(_pack(address, port) for address in addresses)
            self.raw.setsockopt(IPPROTO_SCTP, _BINDX_ADD, packed)
        elif port:
            self.raw.bind(("", port))

    def connect(self, addresses: Sequence[str], port: int) -> None:
        """Begin to set up an association with the host that has all these numeric addresses."""
        packed = b"".join(_pack(address, port) for address in addresses)
        try:
            self.raw.setsockopt(IPPROTO_SCTP, _CONNECTX, packed)
        except BlockingIOError:
            return

    def check(self) -> None:
        """Raise the error of a set-up that failed, as `OSError`."""
        reason = self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if reason:
            raise OSError(reason, os.strerror(reason))

    # -- state ---------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return self.raw.fileno()

    def streams(self) -> int:
        """Return the outbound streams that the peer granted; 0 where there is no association any more."""
        try:
            status = self.raw.getsockopt(IPPROTO_SCTP, _STATUS, 256)
        except OSError:
            return 0
        return int(_S_STATUS.unpack_from(status)[6])

    def peer_addresses(self) -> list[str]:
        """Return the peer's addresses, the primary path's first; none where there is no association."""
        try:
            raw = self.raw.getsockopt(IPPROTO_SCTP, _PEER_ADDRS, _ADDRESSES_SIZE)
        except OSError:
            return []
        return _unpack_all(raw[8:], int.from_bytes(raw[4:8], byteorder))

    # -- data ----------------------------------------------------------------------------------------------

    def send(self, stream: int, octets: bytes, *, more: bool = False) -> bool:
        """Send one message; False if there is no room for it now.

        Args:
            stream: of the association.
            octets: the message.
            more: another follows at once: the kernel bundles them into one packet (MSG_MORE).

        Raises:
            OSError: the association is gone.
        """
        about = self._about.get(stream)
        if about is None:
            info = _S_SNDINFO.pack(stream, 0, socket.htonl(PPID_M3UA), 0, 0)
            about = self._about[stream] = [(IPPROTO_SCTP, _SNDINFO, info)]
        try:
            self.raw.sendmsg((octets,), about, socket.MSG_MORE if more else 0)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> Received:
        """Return the next message or notification; None if none is waiting.

        Raises:
            OSError: the association is gone.
        """
        while True:
            try:
                size, about, flags, _ = self.raw.recvmsg_into(self._targets, _ANCILLARY)
            except BlockingIOError:
                return None
            octets = bytes(self._buffer[:size])
            if flags & MSG_NOTIFICATION:
                notification = read_notification(octets)
                if notification is None:
                    continue
                return notification
            if not size:
                return End()
            stream, ppid = 0, 0
            for level, kind, info in about:
                if level == IPPROTO_SCTP and kind in (_RCVINFO, _SNDRCV):
                    stream, _, _, ppid = _S_RCVINFO.unpack_from(info)
            return Chunk(stream, socket.ntohl(ppid), octets, bool(flags & socket.MSG_EOR))

    # -- end -----------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Have the kernel send SHUTDOWN once everything was acknowledged (RFC 9260 §9.2)."""
        self.raw.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Send ABORT (RFC 9260 §9.1) and close the descriptor."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        self.raw.close()

    def close(self) -> None:
        """Close the descriptor."""
        self.raw.close()


def read_notification(octets: bytes) -> Received:
    """Return a notification's contents; None for a kind that is not used."""
    if len(octets) < 2:
        return None
    kind = int.from_bytes(octets[:2], byteorder)
    if kind == Notification.ASSOC_CHANGE and len(octets) >= _S_ASSOC_CHANGE.size:
        _, _, _, state, error, streams, _, _ = _S_ASSOC_CHANGE.unpack_from(octets)
        return AssocChange(state, socket.ntohs(error), streams, len(octets) > _S_ASSOC_CHANGE.size)
    if kind == Notification.PEER_ADDR_CHANGE and len(octets) >= _S_ADDR_CHANGE.size:
        _, _, _, address, state, _, _ = _S_ADDR_CHANGE.unpack_from(octets)
        return AddrChange(_unpack(address), state)
    if kind == Notification.SHUTDOWN_EVENT:
        return ShutdownEvent()
    if kind == Notification.PARTIAL_DELIVERY:
        return PartialDeliveryAborted()
    return None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _pack(address: str, port: int) -> bytes:
    """Return a ``sockaddr``. A scope (``%eth0``) is resolved to its interface's index."""
    host, _, scope = address.partition("%")
    octets = ip_address(host).packed
    if len(octets) == 4:
        return struct.pack("=HH", socket.AF_INET, socket.htons(port)) + octets + bytes(8)
    index = socket.if_nametoindex(scope) if scope else 0
    return struct.pack("=HHI", socket.AF_INET6, socket.htons(port), 0) + octets + struct.pack("=I", index)


def _unpack(packed: bytes) -> str:
    """Return the address in a ``sockaddr``; an IPv4 one without its IPv6 wrapping."""
    if int.from_bytes(packed[:2], byteorder) != socket.AF_INET6:
        return str(ip_address(packed[4:8]))
    return plain(str(ip_address(packed[8:24])))


def _unpack_all(packed: bytes, count: int) -> list[str]:
    """Return the addresses of ``count`` ``sockaddr`` that stand one behind the other."""
    found: list[str] = []
    at = 0
    for _ in range(count):
        wide = int.from_bytes(packed[at : at + 2], byteorder) == socket.AF_INET6
        found.append(_unpack(packed[at : at + 28]))
        at += 28 if wide else 16
    return found
