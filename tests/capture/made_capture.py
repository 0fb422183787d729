"""Captures made to measure: TCAP messages between a switch and a gsmSCF."""

from __future__ import annotations

from pathlib import Path

from scp.capture.write import Association, PcapWriter
from scp.simulator.network import Network
from ss7 import m3ua
from ss7.sccp import udt

MSC, SCP = b"\xc0\0\x02\x0a", b"\xc0\0\x02\x1e"
START = 1_700_000_000.0
NETWORK = Network()


def write(path: Path, *messages: tuple[float, bool, bytes]) -> Path:
    """A capture of TCAP messages: seconds from the start, whether the switch says it, octets."""
    wire = Association(MSC, SCP)
    called, calling = NETWORK.called(), NETWORK.calling()
    with path.open("wb") as file:
        writer = PcapWriter(file)
        for at, from_switch, octets in messages:
            ends = (NETWORK.point_code, NETWORK.scp_point_code)[:: 1 if from_switch else -1]
            address = (called, calling)[:: 1 if from_switch else -1]
            data = m3ua.encode(m3ua.Data(*ends, 3, 0, 0, 5, udt(*address, octets, 1)))
            for packet in wire.packets(data, sent=from_switch):
                writer.write(START + at, packet)
    return path
