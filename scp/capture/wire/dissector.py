"""From captured packets to messages of the adaptation layers and of SMPP: IP, SCTP, SCTP over UDP, TCP."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, final

from scp.capture.wire import association, ip, link, tcp
from scp.capture.wire.values import Adaptation, Fault, Frame, Signal, Way, fault_of
from ss7.errors import DecodeError
from ss7.sctp import HEADER_LENGTH, PPID_M2PA, PPID_M2UA, PPID_M3UA, DataChunk, read_chunks

if TYPE_CHECKING:
    from mypy_extensions import i64

_TCP: Final = 6
_UDP: Final = 17
_SCTP: Final = 132
_MAX_WAYS: Final = 65_536

ENCAPSULATION_PORT: Final = 9899
"""UDP port of SCTP (RFC 6951 §5.1)."""
M3UA_PORT: Final = 2905
"""RFC 4666 §1.4.8, for SCTP and for TCP."""
SMPP_PORT: Final = 2775
"""The service names registry of IANA: SMPP over TCP."""

_PPIDS: Final[dict[int, int]] = {
    PPID_M3UA: Adaptation.M3UA,
    PPID_M2UA: Adaptation.M2UA,
    PPID_M2PA: Adaptation.M2PA,
    # as nodes write them that forget the network's byte order
    PPID_M3UA << 24: Adaptation.M3UA,
    PPID_M2UA << 24: Adaptation.M2UA,
    PPID_M2PA << 24: Adaptation.M2PA,
}
_PORTS: Final[dict[int, int]] = {M3UA_PORT: Adaptation.M3UA, 2904: Adaptation.M2UA, 3565: Adaptation.M2PA}
"""For messages with payload protocol identifier 0 (unspecified): RFC 4666, RFC 3331 §1.6.2, RFC 4165 §1."""
_TCP_PORTS: Final[dict[int, int]] = {M3UA_PORT: Adaptation.M3UA, SMPP_PORT: Adaptation.SMPP}


@final
class _Path:
    """What is known of one direction between two SCTP sockets by their addresses, ports and tag."""

    __slots__ = ("direction", "way")

    def __init__(self, way: Way, direction: association.Direction) -> None:
        self.way = way
        self.direction = direction


@final
class Dissector:
    """Reads packets.

    Attributes:
        signals: what was read; the owner drains it.
        faults: what could not be read; the owner drains it.
        counts: of what is no fault and no signal: "retransmission", "not-ip", "other-protocol" …
    """

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()
        self._ip = ip.Reader()
        self._paths: dict[bytes, _Path] = {}
        self._directions: dict[bytes, tuple[association.Direction, Way]] = {}
        self._connections: dict[bytes, tuple[tcp.Direction, Way]] = {}
        self._chunks: list[DataChunk] = []
        self._latest: tuple[int, float] = (0, 0.0)
        self._nowhere = Way(b"", b"", -1, -1)

    def packet(self, frame: Frame) -> None:
        """Read one packet."""
        self._latest = (frame.number, frame.time)
        at = link.ip_offset(frame.link, frame.octets)
        if at < 0:
            self._not_ip(frame, at)
            return
        try:
            packet = self._ip.read(frame.octets, at)
        except DecodeError as error:
            self.faults.append(fault_of(frame, "ip", error, frame.octets))
            return
        if packet is None:
            return
        protocol = packet.protocol
        if protocol == _SCTP:
            self._sctp(frame, packet, packet.start)
        elif protocol == _TCP:
            self._tcp(frame, packet)
        elif protocol == _UDP:
            self._udp(frame, packet)
        else:
            self.counts["other-protocol"] += 1

    def finish(self) -> None:
        """Hand out what still waits for packets that the capture does not have."""
        frame, time = self._latest
        for direction, way in self._directions.values():
            direction.flush()
            self._hand_out(direction, way)
        for connection, way in self._connections.values():
            connection.flush()
            self._hand_out_connection(connection, way, frame, time)
        if self._ip.dropped:
            self.counts["ip-fragments-lost"] += self._ip.dropped

    def _not_ip(self, frame: Frame, what: i64) -> None:
        """Take the link types that carry SS7 without IP; count or report the others."""
        if frame.link == link.MTP3:
            self.signals.append(self._bare(frame, Adaptation.MTP3))
        elif frame.link in {link.MTP2, link.MTP2_WITH_PHDR}:
            self._mtp2(frame)
        elif frame.link == link.SCCP:
            self.signals.append(self._bare(frame, Adaptation.SCCP))
        elif frame.link == link.SCTP:
            packet = ip.Packet(b"", b"", _SCTP, frame.octets, 0, len(frame.octets))
            self._sctp(frame, packet, 0)
        elif what == link.NOT_IP:
            self.counts["not-ip"] += 1
        elif what == link.UNKNOWN_LINK:
            self._fault(frame, "link", f"link type {frame.link} is not read", 0)
        else:
            self._fault(frame, "link", "frame ends within its link layer's header", len(frame.octets))

    def _mtp2(self, frame: Frame) -> None:
        message = link.mtp3_in(frame.link, frame.octets)
        if message:
            self.signals.append(self._bare(frame, Adaptation.MTP3, message))
        else:
            self.counts["mtp2-link-management"] += 1

    def _bare(self, frame: Frame, adaptation: int, octets: bytes = b"") -> Signal:
        return Signal(frame.number, frame.time, self._nowhere, -1, adaptation, octets or frame.octets)

    def _fault(self, frame: Frame, layer: str, reason: str, offset: int) -> None:
        self.faults.append(Fault(frame.number, frame.time, layer, reason, offset, "", frame.octets))

    # -- SCTP ----------------------------------------------------------------------------------------------

    def _sctp(self, frame: Frame, packet: ip.Packet, start: int) -> None:
        octets = packet.octets
        chunks = self._chunks
        fault = read_chunks(octets, start, packet.end, chunks)
        if fault is not None:
            if frame.missing:
                fault = DecodeError(fault.reason + " (cut short by the snapshot length)", fault.offset, "")
            self.faults.append(fault_of(frame, "sctp", fault, frame.octets))
        if not chunks:
            return
        path = self._path(packet, octets[start : start + 8])
        direction = path.direction
        for chunk in chunks:
            direction.receive(chunk, frame.number, frame.time)
        chunks.clear()
        if direction.ready or direction.notes:
            self._hand_out(direction, path.way)

    def _path(self, packet: ip.Packet, ports_and_tag: bytes) -> _Path:
        """Return the path; an association has the same ports and tag on all its paths (multi-homing)."""
        key = packet.source + packet.destination + ports_and_tag
        path = self._paths.get(key)
        if path is None:
            way = Way(packet.source, packet.destination, *_ports(ports_and_tag))
            known = self._directions.get(ports_and_tag)
            if known is None:
                if len(self._directions) >= _MAX_WAYS:
                    self.finish()
                    self._directions.clear()
                    self._paths.clear()
                known = self._directions[ports_and_tag] = (association.Direction(), way)
            if len(self._paths) >= _MAX_WAYS:
                self._paths.clear()
            path = self._paths[key] = _Path(way, known[0])
        return path

    def _hand_out(self, direction: association.Direction, way: Way) -> None:
        for message in direction.ready:
            adaptation = _PPIDS.get(message.ppid, -1)
            if adaptation < 0:
                adaptation = _PORTS.get(way.source_port, _PORTS.get(way.destination_port, -1))
                if message.ppid != 0 or adaptation < 0:
                    self.counts["other-payload"] += 1
                    continue
            self.signals.append(
                Signal(message.frame, message.time, way, message.stream, adaptation, message.data)
            )
        direction.ready.clear()
        if direction.notes:
            for note, count in direction.notes:
                self.counts[note] += count
            direction.notes.clear()

    # -- UDP and TCP ---------------------------------------------------------------------------------------

    def _udp(self, frame: Frame, packet: ip.Packet) -> None:
        """SCTP over UDP (RFC 6951 §4)."""
        start = packet.start
        if packet.end - start < 8 + HEADER_LENGTH:
            self.counts["other-protocol"] += 1
            return
        source, destination = _ports(packet.octets[start : start + 4])
        if ENCAPSULATION_PORT in (source, destination):
            self._sctp(frame, packet, start + 8)
        else:
            self.counts["other-protocol"] += 1

    def _tcp(self, frame: Frame, packet: ip.Packet) -> None:
        octets = packet.octets
        start: i64 = packet.start
        if packet.end - start < 20:
            self._fault(frame, "tcp", "segment ends within its header", packet.end)
            return
        ports = octets[start : start + 4]
        source, destination = _ports(ports)
        header: i64 = (octets[start + 12] >> 4) * 4
        carries = _TCP_PORTS.get(source, _TCP_PORTS.get(destination, -1))
        if header < 20 or start + header > packet.end:
            if carries >= 0:
                self._fault(frame, "tcp", "header shorter than 20 octets, or cut short", start + 12)
            else:
                self.counts["other-protocol"] += 1
            return
        key = packet.source + packet.destination + ports
        known = self._connections.get(key)
        if known is None:
            if carries < 0:
                carries = tcp.carried_by(octets[start + header : packet.end])
            if carries < 0:
                self.counts["other-protocol"] += 1
                return
            if len(self._connections) >= _MAX_WAYS:
                self._connections.clear()
            way = Way(packet.source, packet.destination, source, destination)
            known = self._connections[key] = (tcp.Direction(carries), way)
        connection = known[0]
        sequence = int.from_bytes(octets[start + 4 : start + 8], "big")
        connection.receive(sequence, octets[start + 13], octets[start + header : packet.end], frame.time)
        if connection.ready or connection.notes:
            self._hand_out_connection(connection, known[1], frame.number, frame.time)

    def _hand_out_connection(self, connection: tcp.Direction, way: Way, frame: int, time: float) -> None:
        for message in connection.ready:
            self.signals.append(Signal(frame, time, way, -1, connection.carries, message))
        connection.ready.clear()
        if connection.notes:
            for note, count in connection.notes:
                self.counts[note] += count
            connection.notes.clear()


def _ports(octets: bytes) -> tuple[int, int]:
    """Return source and destination port, which UDP, TCP and SCTP begin with."""
    return octets[0] << 8 | octets[1], octets[2] << 8 | octets[3]
