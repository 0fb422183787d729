"""Values that the layers of a capture pass on: packets, faults, signals, ways."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from ss7.errors import DecodeError


class Adaptation(IntEnum):
    """What carries MTP's user messages; and SMPP, which carries text messages beside them."""

    M3UA = 0
    M2UA = 1
    M2PA = 2
    MTP3 = 3
    SCCP = 4
    SMPP = 5


ADAPTATION_NAMES: Final = ("m3ua", "m2ua", "m2pa", "mtp3", "sccp", "smpp")
"""By the value of `Adaptation`, as JSON has them."""


@final
class Frame:
    """One packet of a capture file.

    Attributes:
        number: counted from 1, as Wireshark does.
        time: seconds since 1970.
        link: link type (the LINKTYPE_ registry of pcap).
        octets: what was captured of it.
        missing: octets that were on the wire and not captured (the snapshot length).
    """

    __slots__ = ("link", "missing", "number", "octets", "time")

    def __init__(self, number: int, time: float, link: int, octets: bytes, missing: int) -> None:
        self.number = number
        self.time = time
        self.link = link
        self.octets = octets
        self.missing = missing


@final
class Fault:
    """Something in a capture that can't be read. It is kept and shown, never passed over silently.

    Attributes:
        frame: number of the packet.
        time: its time.
        layer: "capture", "link", "ip", "sctp", "tcp", "m3ua", "m2ua", "m2pa", "mtp3", "sccp", "smpp"
            or "tcap".
        reason: in words.
        offset: octet within what ``octets`` is.
        clause: of the standard, "" if none is broken.
        octets: the message at fault, b"" where it is not at hand.
    """

    __slots__ = ("clause", "frame", "layer", "octets", "offset", "reason", "time")

    def __init__(
        self,
        frame: int,
        time: float,
        layer: str,
        reason: str,
        offset: int = 0,
        clause: str = "",
        octets: bytes = b"",
    ) -> None:
        self.frame = frame
        self.time = time
        self.layer = layer
        self.reason = reason
        self.offset = offset
        self.clause = clause
        self.octets = octets

    def __str__(self) -> str:
        where = f" ({self.clause})" if self.clause else ""
        return f"{self.layer}: {self.reason} at octet {self.offset}{where}"


def fault_of(frame: Frame, layer: str, error: DecodeError, octets: bytes = b"") -> Fault:
    """Return the fault that a decoder found in a packet."""
    return Fault(frame.number, frame.time, layer, error.reason, error.offset, error.clause, octets)


@final
class Way:
    """One direction between two sockets.

    Attributes:
        source: IP address octets, b"" in a capture without IP.
        destination: likewise.
        source_port: of SCTP or TCP; -1 without.
        destination_port: likewise.
    """

    __slots__ = ("destination", "destination_port", "source", "source_port")

    def __init__(self, source: bytes, destination: bytes, source_port: int, destination_port: int) -> None:
        self.source = source
        self.destination = destination
        self.source_port = source_port
        self.destination_port = destination_port


@final
class Signal:
    """One message of an adaptation layer, or PDU of SMPP.

    Attributes:
        frame: number of the packet that carried the end of it.
        time: and when that was.
        way: source and destination.
        stream: SCTP stream; -1 if it did not come over SCTP.
        adaptation: `Adaptation`.
        octets: the message.
    """

    __slots__ = ("adaptation", "frame", "octets", "stream", "time", "way")

    def __init__(
        self, frame: int, time: float, way: Way, stream: int, adaptation: int, octets: bytes
    ) -> None:
        self.frame = frame
        self.time = time
        self.way = way
        self.stream = stream
        self.adaptation = adaptation
        self.octets = octets
