"""What SCTP carries on the guest's loopback: chunks, and the M3UA messages in them."""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass
from typing import Final, Self

IPPROTO_SCTP: Final = 132
DATA: Final = 0
CHUNKS: Final = {
    1: "INIT",
    2: "INIT ACK",
    6: "ABORT",
    7: "SHUTDOWN",
    8: "SHUTDOWN ACK",
    14: "SHUTDOWN COMPLETE",
}
M3UA: Final = {
    (1, 1): "DATA",
    (3, 1): "ASPUP",
    (3, 4): "ASPUP ACK",
    (3, 2): "ASPDN",
    (3, 5): "ASPDN ACK",
    (4, 1): "ASPAC",
    (4, 3): "ASPAC ACK",
    (4, 2): "ASPIA",
    (4, 4): "ASPIA ACK",
    (0, 1): "NTFY",
}


@dataclass(frozen=True)
class Seen:
    """A chunk: ports, its name or that of the M3UA message in it."""

    source: int
    target: int
    name: str
    tsn: int = -1


class Wire:
    """Listens on ``lo`` from when the block is entered; a retransmitted chunk is shown once."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._socket.bind(("lo", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def of(self, port: int) -> list[str]:
        """Return what an association's end at ``port`` sent (>) and got (<), in order."""
        return [
            f"{'>' if each.source == port else '<'} {each.name}"
            for each in list(self.seen)
            if port in (each.source, each.target)
        ]

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                packet, address = self._socket.recvfrom(65535)
            except TimeoutError:
                continue
            if address[2] != socket.PACKET_OUTGOING:  # the loopback shows each packet going out and coming in
                self._packet(packet)

    def _packet(self, packet: bytes) -> None:
        if packet[9] != IPPROTO_SCTP:
            return
        sctp = packet[(packet[0] & 15) * 4 :]
        source, target = struct.unpack_from("!HH", sctp)
        at = 12
        while at + 4 <= len(sctp):
            kind, _, length = struct.unpack_from("!BBH", sctp, at)
            if length < 4:
                return
            chunk = sctp[at : at + length]
            at += length + 3 & ~3
            if kind == DATA and len(chunk) >= 24:
                (tsn,) = struct.unpack_from("!I", chunk, 4)
                found = Seen(source, target, M3UA.get((chunk[18], chunk[19]), "other"), tsn)
                if found not in self.seen[-200:]:
                    self.seen.append(found)
            elif kind in CHUNKS:
                self.seen.append(Seen(source, target, CHUNKS[kind]))
