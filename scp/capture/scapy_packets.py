"""Packets of scapy in, messages out, and the other way round; needs the extra ``capture``.

from scapy.utils import rdpcap, wrpcap
from scp.capture.decode import Decoder, Filter
from scp.capture.scapy_packets import from_scapy, to_scapy
from scp.capture.source import Capture

for shown in Decoder(Filter(number="0701234567")).show(from_scapy(rdpcap("trace.pcap"))):
    print(shown["components"])

wrpcap("m3ua.pcap", to_scapy(Capture("m2pa.pcapng")))
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final, final

from scp.capture.source import PacketReader
from scp.capture.wire import link
from scp.capture.wire.messages import Message
from scp.capture.wire.values import Adaptation, Frame
from ss7 import m3ua
from ss7.sctp import PPID_M2PA, PPID_M2UA, PPID_M3UA

try:
    from scapy.config import conf
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether
    from scapy.layers.sctp import SCTP, SCTPChunkData
    from scapy.packet import Raw
except ImportError as error:
    raise ImportError("scapy is not installed: the extra `capture` of camel-scp brings it") from error

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from scp.capture.source import Item
    from scp.capture.wire.values import Signal

_PPIDS: Final[dict[int, int]] = {
    Adaptation.M3UA: PPID_M3UA,
    Adaptation.M2UA: PPID_M2UA,
    Adaptation.M2PA: PPID_M2PA,
}
_NOWHERE: Final = b"\xc0\0\x02\x01", b"\xc0\0\x02\x02"  # RFC 5737: for messages that were captured without IP
# The frames' addresses, locally administered (IEEE 802): where one is not set, scapy asks the network by ARP
# when it builds the packet, and waits for 2 s.
_MAC_SOURCE: Final = "02:00:00:00:00:01"
_MAC_DESTINATION: Final = "02:00:00:00:00:02"
_M3UA_PORT: Final = 2905
_IPV4: Final = 4


# -- from scapy ------------------------------------------------------------------------------------------


@final
class ScapyCapture:
    """What scapy's packets bring; reads like a `scp.capture.source.Capture`.

    Args:
        packets: a `PacketList`, a list, or an iterator such as a reader of scapy's.

    Attributes:
        counts: see `PacketReader`.
    """

    def __init__(self, packets: Iterable[Any]) -> None:
        self._packets = packets
        self._reader = PacketReader()
        self.counts: Counter[str] = self._reader.counts

    def again(self) -> ScapyCapture | None:
        """Return the same packets from the first on; None for an iterator, which is read once."""
        return None if iter(self._packets) is self._packets else ScapyCapture(self._packets)

    def __iter__(self) -> Iterator[Item]:
        items: list[Item] = []
        for number, packet in enumerate(self._packets, 1):
            self.counts["packets"] = number
            self._reader.read((_frame(number, packet),), items)
            yield from items
            items.clear()
        self._reader.finish(items)
        yield from items


def from_scapy(packets: Iterable[Any]) -> ScapyCapture:
    """Return the messages and faults of scapy's packets, in their order.

    Args:
        packets: whole frames, or IP or SCTP packets; sniffed, read from a file, or made.

    Raises:
        ValueError: when a packet is reached whose outermost layer is none of those.
    """
    return ScapyCapture(packets)


def _frame(number: int, packet: Any) -> Frame:
    octets = bytes(packet)
    kind = link.SCTP if isinstance(packet, SCTP) else conf.l2types.layer2num.get(type(packet), -1)
    if kind < 0:
        raise ValueError(f"packet {number}: {type(packet).__name__} is no link layer, IP or SCTP")
    missing = (getattr(packet, "wirelen", None) or len(octets)) - len(octets)
    return Frame(number, float(packet.time), int(kind), octets, max(0, missing))


# -- to scapy --------------------------------------------------------------------------------------------


def to_scapy(items: Iterable[Item | Frame]) -> Iterator[Any]:
    """Yield scapy's packets for a capture's messages or frames.

    A frame becomes the packet that it is. A message becomes a packet of its own: Ethernet, IP, and SCTP with
    one DATA chunk (or TCP, if it came so), between the addresses and ports that it was captured with; one
    that was captured without them, on a link of MTP, is wrapped in M3UA. Faults are left out.

    Args:
        items: a `Capture`, messages picked from one, or what `Capture.frames` yields.
    """
    numbering = _Numbering()
    for item in items:
        if isinstance(item, Frame):
            yield _as_captured(item)
        elif isinstance(item, Message):
            packet = Ether(src=_MAC_SOURCE, dst=_MAC_DESTINATION) / _carried(item.signal, item, numbering)
            packet.time = item.signal.time
            yield packet


def _as_captured(frame: Frame) -> Any:
    layer = SCTP if frame.link == link.SCTP else conf.l2types.num2layer.get(frame.link, Raw)
    packet = layer(frame.octets)
    packet.time = frame.time
    packet.wirelen = len(frame.octets) + frame.missing
    return packet


@final
class _Numbering:
    """Tags and sequence numbers of the SCTP associations and TCP connections that are made, by direction."""

    def __init__(self) -> None:
        self._next: dict[tuple[Any, ...], int] = {}
        self._tags: dict[tuple[Any, ...], int] = {}

    def tag(self, key: tuple[Any, ...]) -> int:
        """Return the verification tag of a direction."""
        return self._tags.setdefault(key, len(self._tags) + 1)

    def take(self, key: tuple[Any, ...], count: int = 1) -> int:
        """Return the next number of a direction or a stream, and step over ``count``."""
        number = self._next.get(key, 0)
        self._next[key] = number + count
        return number


def _carried(signal: Signal, message: Message, numbering: _Numbering) -> Any:
    way = signal.way
    ends = way.source, way.destination, way.source_port, way.destination_port
    octets = signal.octets
    ppid = _PPIDS.get(signal.adaptation, PPID_M3UA)
    if signal.adaptation in {Adaptation.MTP3, Adaptation.SCCP}:
        if message.data is None or message.data.opc < 0:
            raise ValueError(f"frame {signal.frame}: SCCP without a routing label goes in no packet of IP")
        octets = m3ua.encode(message.data)
    if way.source_port < 0:
        return _network(*_NOWHERE) / _sctp(_M3UA_PORT, _M3UA_PORT, ppid, 0, octets, numbering, ends)
    network = _network(way.source, way.destination) if way.source else _network(*_NOWHERE)
    if signal.stream < 0:
        at = numbering.take(ends, len(octets))
        segment = TCP(sport=way.source_port, dport=way.destination_port, seq=at + 1, flags="PA")
        return network / segment / Raw(octets)
    return network / _sctp(
        way.source_port, way.destination_port, ppid, signal.stream, octets, numbering, ends
    )


def _network(source: bytes, destination: bytes) -> Any:
    layer = IP if len(source) == _IPV4 else IPv6
    return layer(src=str(ipaddress.ip_address(source)), dst=str(ipaddress.ip_address(destination)))


def _sctp(
    source: int,
    destination: int,
    ppid: int,
    stream: int,
    octets: bytes,
    numbering: _Numbering,
    ends: tuple[Any, ...],
) -> Any:
    chunk = SCTPChunkData(
        beginning=1,
        ending=1,
        tsn=numbering.take(ends) + 1,
        stream_id=stream,
        stream_seq=numbering.take((*ends, stream)) & 0xFFFF,
        proto_id=ppid,
        data=octets,
    )
    return SCTP(sport=source, dport=destination, tag=numbering.tag(ends)) / chunk
