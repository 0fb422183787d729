"""What a network does to its nodes, over kernel SCTP and osmo-stp. Runs in the lab (test_lab.py)."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import network
import pytest
import wire
from network import DIALLED, STEERED, UNKNOWN, Lab, Node, wait

from oracles import servers

pytestmark = pytest.mark.sctp

# The gateway as an operator would tune it: the kernel's own values give a path up after a minute.
KERNEL = {
    "rto_initial": "500",
    "rto_min": "250",
    "rto_max": "2000",
    "path_max_retrans": "3",
    "hb_interval": "1000",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """osmo-stp and nothing else yet."""
    missing = servers.stp_unavailable()
    if missing:
        pytest.skip(missing)
    for name, value in KERNEL.items():
        Path("/proc/sys/net/sctp", name).write_text(value, encoding="ascii")
    with Lab(tmp_path_factory.mktemp("lab")) as made:
        made.start_stp()
        yield made


@pytest.fixture(scope="module")
def pair(lab: Lab) -> dict[str, Node]:
    """Both nodes, active; who ends one starts it again."""
    nodes = {name: lab.start_node(name) for name in ("a", "b")}
    for node in nodes.values():
        node.become_active()
    return nodes


def perfect(report: dict[str, Any]) -> bool:
    """Whether every call was answered, once, as expected."""
    print(report)
    return report["sent"] > 0 and not (report["wrong"] or report["missing"] or report["stray"])


def under_way(nodes: dict[str, Node], load: network.Load) -> network.Load:
    """Return the load once every node has had twenty of its calls."""
    before = {name: node.calls for name, node in nodes.items()}
    for name, node in nodes.items():
        wait(f"calls at {name}", lambda node=node, name=name: node.calls >= before[name] + 20, 40)
    return load


def test_calls_are_steered_and_continued(lab: Lab, pair: dict[str, Node]) -> None:
    for number, expected in ((DIALLED, ["connect", "--expect-number", STEERED]), (UNKNOWN, ["continue"])):
        call = [*network.MSC, "--b", number, "--expect", *expected]
        done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    before = {name: node.calls for name, node in pair.items()}
    assert perfect(lab.load(4, numbers=(DIALLED, UNKNOWN)).report())
    for name, node in pair.items():
        assert node.calls > before[name], f"loadshare left {name} without a call"


def test_a_path_that_dies_loses_no_message(lab: Lab, pair: dict[str, Node]) -> None:
    load = under_way(pair, lab.load(10))
    subprocess.run(["ip", "address", "del", "10.23.0.1/32", "dev", "lo"], check=True)
    try:
        for node in pair.values():
            wait("noticed", lambda node=node: node.said("path to 10.23.0.1 is down"))
        command = [*network.COMMAND, "status", "-c", str(pair["a"].config)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        subprocess.run(["ip", "address", "add", "10.23.0.1/32", "dev", "lo"], check=True)
    assert perfect(load.report())
    (path,) = [line for line in told.stdout.splitlines() if "10.23.0.1" in line and "path" in line]
    assert "down" in path, told.stdout
    assert told.returncode == 0, "it still takes calls"
    for node in pair.values():
        wait("back", lambda node=node: node.said("path to 10.23.0.1 is up"))
        assert not node.said("association lost")


def test_new_calls_go_to_the_other_node_when_one_is_killed(lab: Lab, pair: dict[str, Node]) -> None:
    load = under_way(pair, lab.load(8))
    before = pair["a"].calls
    network.kill(pair["b"])
    report = load.report()
    print(report)
    # Half of 20 calls a second went to it: within the second that failover may take, ten. What it had read and
    # not answered when it died is one or two; the switch's own timer (Tssf) ends those.
    assert report["missing"] <= 2
    assert not report["wrong"]
    assert not report["stray"]
    assert pair["a"].calls - before >= 20 * 3, "all calls of the load's second half"
    pair["b"] = lab.start_node("b")
    pair["b"].become_active()


def test_a_restart_of_the_stp_is_survived_without_help(lab: Lab, pair: dict[str, Node]) -> None:
    lab.stop_stp()
    for node in pair.values():
        wait("inactive", lambda node=node: not node.active)
    lab.start_stp()
    for node in pair.values():
        took = node.become_active(15)
        print(f"{node.name} active {took:.1f} s after the STP")
        assert node.process.poll() is None
    assert perfect(lab.load(3).report())


def test_a_drain_under_load_loses_nothing(lab: Lab, pair: dict[str, Node]) -> None:
    with wire.Wire() as seen:
        load = under_way(pair, lab.load(6))
        pair["a"].process.send_signal(signal.SIGTERM)
        assert pair["a"].process.wait(30) == 0
        report = load.report()
    assert perfect(report)
    ours = seen.of(2911)
    end = [each for each in ours if each not in ("> DATA", "< DATA", "< NTFY", "> other", "< other")]
    assert end[:4] == ["> ASPIA", "< ASPIA ACK", "> ASPDN", "< ASPDN ACK"]
    assert [each for each in end if "SHUTDOWN" in each or "ABORT" in each] == [
        "> SHUTDOWN",
        "< SHUTDOWN ACK",
        "> SHUTDOWN COMPLETE",
    ]
    assert ours.count("< DATA") == ours.count("> DATA") > 0
    after = ours[ours.index("< ASPIA ACK") :]
    assert "> DATA" not in after
