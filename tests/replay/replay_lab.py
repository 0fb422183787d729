"""What tests of a replay to a live node share: the command, a node with two subscribers, captures made to measure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scp.bench.replay_capture import generate, subscriber
from scp.capture.write import Association, PcapWriter
from scp.cli import app
from scp.simulator.network import Network
from ss7 import m3ua
from ss7.sccp import udt

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "simulator"), str(TESTS / "deploy")]  # scripted_scf.py, real_node.py
PCAPS = TESTS.parent / "pcaps"
MSC, SCP = b"\xc0\0\x02\x0a", b"\xc0\0\x02\x1e"

__all__ = ["PCAPS", "generate", "impatient", "objects", "run", "subscriber", "write"]
START = 1_700_000_000.0
NETWORK = Network()


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    assert done.exit_code == code, done.output
    return done.output


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in output.splitlines() if text.startswith("{")]


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


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an association that does not come up given up soon."""
    monkeypatch.setattr("scp.replay.replay_command._CONNECT", 0.3)
