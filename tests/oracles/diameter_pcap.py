"""Has tshark judge what goes over a connection to a Diameter server, without a line of the project's own codecs."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from oracles import tshark

PORT: Final = 3868
"""Where tshark looks for Diameter."""
CLIENT, SERVER = bytes((127, 0, 0, 1)), bytes((127, 0, 0, 2))


@dataclass(frozen=True)
class Octets:
    """What one side wrote at once; ``connection`` tells connections apart."""

    octets: bytes
    sent: bool
    connection: int = 0


def pcap(writes: Iterable[Octets]) -> bytes:
    """Return a capture: each write a TCP segment, acknowledged by the next of the other side."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1)]
    at: dict[tuple[int, bool], int] = {}
    for number, write in enumerate(writes):
        ours, theirs = (write.connection, write.sent), (write.connection, not write.sent)
        ports = (20_000 + write.connection, PORT) if write.sent else (PORT, 20_000 + write.connection)
        tcp = struct.pack("!HHIIHHHH", *ports, at.get(ours, 1), at.get(theirs, 1), 0x5018, 65535, 0, 0)
        at[ours] = at.get(ours, 1) + len(write.octets)
        hosts = CLIENT + SERVER if write.sent else SERVER + CLIENT
        length = 20 + len(tcp) + len(write.octets)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, length, number & 0xFFFF, 0, 64, 6, 0) + hosts
        packet = bytes(12) + b"\x08\x00" + ip + tcp + write.octets
        out.append(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    return b"".join(out)


def problems(writes: list[Octets]) -> tuple[int, list[str]]:
    """Return how many Diameter messages there are, and what tshark says against any."""
    columns = (
        "frame.number",
        "diameter.cmd.code",
        "_ws.malformed",
        "_ws.expert.severity",
        "_ws.expert.message",
    )
    wanted = [word for column in columns for word in ("-e", column)]
    lines = tshark.run(pcap(writes), "-T", "fields", "-E", "separator=/t", "-E", "aggregator=,", *wanted)
    count, found = 0, []
    for line in lines.splitlines():
        number, codes, malformed, severities, messages = line.split("\t")
        count += len(codes.split(",")) if codes else 0
        serious = any(int(each, 0) >= tshark.WARNING for each in severities.split(",") if each)
        if malformed or serious or not codes:
            found.append(f"{malformed or messages or 'no Diameter'}: {writes[int(number) - 1].octets.hex()}")
    return count, found
