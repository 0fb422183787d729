"""Has tshark judge SIP messages: none of ours is malformed or suspicious to it."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

RAW_IPV4 = 228
"""Link type of a capture whose packets begin with the IP header."""
SIP = 5060


def complaints(messages: Iterable[bytes], folder: Path) -> list[str]:
    """Return what tshark finds malformed or worth a warning, a line for each finding."""
    file = folder / "sip.pcap"
    with file.open("wb") as output:
        output.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, RAW_IPV4))
        for number, message in enumerate(messages):
            packet = _ip(_udp(message))
            output.write(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    command = [
        "tshark",
        "-n",
        "-r",
        str(file),
        "-Y",
        "!sip || _ws.malformed || _ws.expert.severity >= 0x600000",
    ]
    command += ["-T", "fields", "-e", "frame.number", "-e", "sip.Request-Line", "-e", "sip.Status-Line"]
    command += ["-e", "_ws.expert.message", "-e", "_ws.malformed"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def _udp(payload: bytes) -> bytes:
    return struct.pack(">HHHH", SIP, SIP, 8 + len(payload), 0) + payload


def _ip(payload: bytes) -> bytes:
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\2"
    )
    return head + payload
