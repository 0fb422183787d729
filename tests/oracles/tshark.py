"""Has tshark judge messages: what is in them, and whether anything about them is malformed or suspicious.

tshark 4.0 needs no preference to find CAP here: its ``camel.tcap.ssn`` is 146 by default (PREFERENCES says it again, so
that a user's own profile can't change it), it reads the version from the dialogue's application context, and where a
message has none it follows the transaction ids. It relates transactions by SS7 point code, not by IP address.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from oracles.sigtran_pcap import Frame, pcap

PREFERENCES: Final = (
    "sctp.checksum:CRC-32c",
    "sctp.reassembly:TRUE",
    "sctp.ulp_dissection:TRUE",
    "camel.tcap.ssn:146",
    "sccp.defragment_xudt:TRUE",
    "sccp.set_addresses:FALSE",
)
SEVERITIES: Final = {
    0x0080_0000: "error",
    0x0060_0000: "warning",
}  # Wireshark's epan/proto.h: PI_ERROR, PI_WARN
WARNING: Final = min(SEVERITIES)
RETURNED_BY_SCCP: Final = {
    "0x0a",
    "0x12",
    "0x14",
}  # UDTS XUDTS LUDTS: their data are the peer's own octets, unchanged


def available() -> str:
    """Return "" if tshark is there, else why its tests can't run."""
    return "" if shutil.which("tshark") else "tshark is not installed"


@dataclass(frozen=True)
class Field:
    """A node of tshark's tree: its filter name, value as shown, octets in hex and line of text."""

    name: str
    show: str
    value: str
    text: str


@dataclass
class Dissection:
    """What tshark made of one frame.

    Attributes:
        frame: the frame.
        protocols: as in ``frame.protocols``, outermost first.
        fields: all fields, in their order.
    """

    frame: Frame
    protocols: list[str] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Return what every field of this name shows: ``all("camel.local")`` is ``["23", "20"]``."""
        return [entry.show for entry in self.fields if entry.name == name]

    def hex(self, name: str) -> list[str]:
        """Return the octets of every field of this name."""
        return [entry.value for entry in self.fields if entry.name == name]

    def first(self, name: str) -> str:
        """Return what the first field of this name shows, "" if there is none."""
        return next((entry.show for entry in self.fields if entry.name == name), "")

    def text(self) -> str:
        """Return the tree's lines, for a failing test to print."""
        return "\n".join(entry.text for entry in self.fields if entry.text)


@dataclass(frozen=True)
class Problem:
    """Something that tshark says against a frame."""

    frame: Frame
    severity: str
    message: str

    def __str__(self) -> str:
        origin = f" from {self.frame.origin}" if self.frame.origin else ""
        return f"{self.severity}: {self.message}{origin}: {self.frame.layer.value} {self.frame.octets.hex()}"


def run(capture: bytes, *arguments: str) -> str:
    """Run tshark once over a capture, with an empty profile, and return what it prints."""
    with tempfile.TemporaryDirectory(prefix="camel-scp-tshark-") as folder:
        path = Path(folder, "capture.pcap")
        path.write_bytes(capture)
        preferences = [word for preference in PREFERENCES for word in ("-o", preference)]
        command = ["tshark", "-n", "-r", str(path), *preferences, *arguments]
        environment = {**os.environ, "WIRESHARK_CONFIG_DIR": folder, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, check=False
        )
    if done.returncode:
        raise RuntimeError(f"tshark left with {done.returncode}: {done.stderr}")
    return done.stdout


def dissect(frames: Sequence[Frame]) -> list[Dissection]:
    """Return one dissection a frame, in their order."""
    capture, owners = pcap(frames)
    results = [Dissection(frame) for frame in frames]
    packets = ET.fromstring(run(capture, "-T", "pdml")).iterfind("packet")
    for owner, packet in zip(owners, packets, strict=True):
        fields = [
            Field(node.get("name", ""), node.get("show", ""), node.get("value", ""), node.get("showname", ""))
            for node in packet.iter("field")
        ]
        # of several packets the last has the reassembled message
        results[owner].fields = fields
        results[owner].protocols = next(f.show for f in fields if f.name == "frame.protocols").split(":")
    return results


def problems(frames: Sequence[Frame], allowed: Mapping[str, str] | None = None) -> list[Problem]:
    """Return what tshark says against the frames that the node sent; fast, for many frames.

    Args:
        frames: all frames; what the peer sent is there for its transactions, and not judged.
        allowed: messages of tshark (or a part of them) that are no fault, with the reason.
    """
    capture, owners = pcap(frames)
    wanted = [word for column in COLUMNS for word in ("-e", column)]
    lines = run(capture, "-T", "fields", "-E", "separator=/t", "-E", f"aggregator={AGGREGATOR}", *wanted)
    found = []
    for line in lines.splitlines():
        number, *rest = line.split("\t")
        frame = frames[owners[int(number) - 1]]
        found += [
            Problem(frame, severity, message)
            for severity, message in said_against(*rest)
            if frame.sent and not any(part in message for part in allowed or ())
        ]
    return found


COLUMNS: Final = (
    "frame.number",
    "frame.protocols",
    "sccp.message_type",
    "sccp.segmentation.remaining",
    "_ws.expert.severity",
    "_ws.expert.message",
)
AGGREGATOR: Final = "\x1f"


def said_against(
    protocols: str, sccp_types: str, segments_to_come: str, severities: str, messages: str
) -> Iterator[tuple[str, str]]:
    """Yield (severity, message) of one packet, from its columns after the first."""
    if not RETURNED_BY_SCCP.isdisjoint(sccp_types.split(AGGREGATOR)):
        return
    layers = protocols.split(":")
    if layers[-1] == "data" or (layers[-1] == "sccp" and segments_to_come in ("", "0x00")):
        yield "error", f"not understood, from {layers[-1]} on"
    if not severities:
        return
    for code, message in zip(severities.split(AGGREGATOR), messages.split(AGGREGATOR), strict=True):
        if int(code, 0) >= WARNING:
            yield SEVERITIES[int(code, 0)], message


def assert_clean(frames: Iterable[Frame], allowed: Mapping[str, str] | None = None) -> None:
    """Fail if tshark finds any sent frame malformed, suspicious or not understood."""
    found = problems(list(frames), allowed)
    assert not found, "tshark:\n" + "\n".join(map(str, found))
