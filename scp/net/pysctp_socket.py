"""SCTP sockets whose associations and messages go through pysctp: ``sctp.library = "pysctp"``.

The parameters are set as `SctpSocket` sets them. pysctp tells less: not whether the peer's ABORT ended an
association, and messages are not bundled on request. Which versions are taken: `scp.config.m3ua`.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, final

import sctp

from scp.net.addresses import plain
from scp.net.sctp_socket import (
    MSG_NOTIFICATION,
    PPID_M3UA,
    READ_SIZE,
    AddrChange,
    AssocChange,
    Chunk,
    End,
    PartialDeliveryAborted,
    SctpSocket,
    ShutdownEvent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.net.sctp_socket import Received


@final
class PysctpSocket(SctpSocket):
    """See `SctpSocket`."""

    with_sender_information = True

    def __init__(self, raw: socket.socket) -> None:
        super().__init__(raw)
        self._library = sctp.sctpsocket_tcp(raw.family, sk=raw)

    def bind(self, addresses: Sequence[str], port: int) -> None:
        """See `SctpSocket`."""
        if addresses:
            self._library.bindx([(address, port) for address in addresses])
        else:
            super().bind(addresses, port)

    def connect(self, addresses: Sequence[str], port: int) -> None:
        """See `SctpSocket`."""
        try:
            self._library.connectx([(address, port) for address in addresses])
        except BlockingIOError:
            return

    def peer_addresses(self) -> list[str]:
        """See `SctpSocket`."""
        try:
            return [plain(address) for address, _ in self._library.getpaddrs()]
        except OSError:
            return []

    def send(self, stream: int, octets: bytes, *, more: bool = False) -> bool:
        """See `SctpSocket`; ``more`` can't be passed on."""
        del more
        try:
            self._library.sctp_send(octets, ppid=PPID_M3UA, stream=stream)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> Received:
        """See `SctpSocket`."""
        while True:
            try:
                _, flags, octets, about = self._library.sctp_recv(READ_SIZE)
            except BlockingIOError:
                return None
            if flags & MSG_NOTIFICATION:
                notification = _notification(about)
                if notification is None:
                    continue
                return notification
            if not octets:
                return End()
            return Chunk(about.stream, socket.ntohl(about.ppid), octets, bool(flags & socket.MSG_EOR))


def _notification(said: Any) -> Received:
    """Return what one of pysctp's notifications says; None for one that tells us nothing."""
    if isinstance(said, sctp.assoc_change):
        return AssocChange(said.state, socket.ntohs(said.error), said.outbound_streams, aborted=False)
    if isinstance(said, sctp.paddr_change):
        return AddrChange(plain(said.addr[0]), said.state)
    if isinstance(said, sctp.shutdown_event):
        return ShutdownEvent()
    return PartialDeliveryAborted() if isinstance(said, sctp.pdapi_event) else None
