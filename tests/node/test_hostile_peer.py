"""A peer that connects, says garbage and goes, as fast as it can: it costs its own association and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvloop

from oracles import servers
from oracles.waiting import wait_until
from scp.bench.load import LoadCall, LoadPlan, LoadReport, run_load
from scp.bench.machine import resident
from scp.bench.server import free_port
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario

CONFIG = """\
[node]
point_code = "0-23-1"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {msc}
[[m3ua.peers]]
name = "hostile"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {hostile}
[store]
url = "sqlite::memory:"
[engine]
answer_deadline_ms = 900
[overload]
delay_ms = 900
refuse_ms = 5000
[numbering]
country_code = "46"
[telemetry]
metrics = "127.0.0.1:{metrics}"
"""

HOSTILE = """
import itertools, random, socket, struct, sys

ports = [int(each) for each in sys.argv[1:]]
up = bytes.fromhex("0100030400000008" "0100040300000008")  # ASPUP ACK, ASPAC ACK
data = bytes.fromhex("0100010100000020" "02100018000000bb000000b90300000501020304deadbeef")
random = random.Random(3)
says = [
    b"", b"\\1", up[:5], up, up + data * 50, up + random.randbytes(4000), random.randbytes(4000), b"\\1\\0\\1\\1\\xff\\xff\\xff\\xff",
    up + bytes.fromhex("0100030200000008") * 100, b"GET / HTTP/1.1\\r\\n\\r\\n", bytes(8), up + bytes.fromhex("0100000100000008") * 100,
]
print("begins", flush=True)
for count in itertools.count(1):
    peer = socket.create_connection(("127.0.0.1", random.choice(ports)))
    if random.random() < 0.7:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        peer.sendall(random.choice(says))
        if random.random() < 0.3:
            peer.settimeout(0.01)
            peer.recv(100)
    except OSError:
        pass
    peer.close()
    if not count % 50:
        print(count, flush=True)
"""


class Running:
    """A node, and what it is and was."""

    def __init__(self, pid: int, ports: list[int], log: Path) -> None:
        self.pid = pid
        self.msc, self.hostile, self.metrics = ports
        self.log = log

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    ports = [free_port() for _ in range(3)]
    config, log = tmp_path / "scp.toml", tmp_path / "log"
    config.write_text(CONFIG.format(msc=ports[0], hostile=ports[1], metrics=ports[2]), encoding="utf-8")
    command = [sys.executable, "-m", "scp.cli", "serve", "-c", str(config)]
    with servers.running(command, lambda: '"started"' in log.read_text(), log) as process:
        yield Running(process.pid, ports, log)


@contextmanager
def attacking(*ports: int) -> Iterator[Any]:
    """A process that does so; when the block ends, ``rounds`` says how often it did."""
    command = [sys.executable, "-c", HOSTILE, *map(str, ports)]

    class Attack:
        rounds = 0

    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield Attack
        finally:
            first = process.stdout.readline()  # on a slow machine they may take longer than the block
            process.terminate()
            Attack.rounds = 50 * len((first + process.stdout.read()).splitlines())


def calls(port: int, seconds: float) -> LoadReport:
    return uvloop.run(
        run_load(
            Scenario(b_nature=2),
            [LoadCall(b_number="0011234567", expected=Expectation(action=Action.CONTINUE))],
            LoadPlan(rate=100, window=10_000, duration=seconds, timeout=20.0),
            network=Network(),
            endpoint=Endpoint(port=port, listen=False),
            random=Random(3),
        )
    )


def test_other_peers_calls_are_answered_and_nothing_grows(node: Running) -> None:
    with attacking(node.hostile):  # what a first round costs once: modules, pools
        calls(node.msc, 1)
    before, log = resident(node.pid), node.log.stat().st_size
    with attacking(node.hostile, node.msc) as attack:
        report = calls(node.msc, 3)
    grown, said = resident(node.pid) - before, node.log.stat().st_size - log
    print(
        f"\n{attack.rounds} rounds; {report.sent} calls, ms {report.latency_us}; {grown >> 10} KiB, log {said}"
    )
    assert attack.rounds > 20
    assert report.sent > 50
    assert not report.missing
    assert not report.wrong
    assert grown < 16 << 20
    assert said < 100_000
    assert "Traceback" not in node.log.read_text()
    wait_until(lambda: node.descriptors < 40)
    assert not calls(node.hostile, 0.2).missing, "the next one there is served"
