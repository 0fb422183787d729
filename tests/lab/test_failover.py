"""What a network does to its nodes, over kernel SCTP and osmo-stp. Runs in the lab (test_lab.py)."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any

import hostile
import network
import pytest
import wire
from msgspec.structs import replace
from network import DIALLED, STEERED, UNKNOWN, Lab, Node, wait

from oracles import servers
from scp.simulator.expect import Action
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.result import CallResult
from scp.simulator.scenario import Attempt, Scenario

pytestmark = pytest.mark.sctp
ASPUP = b"\3\1"
"""Class and type (RFC 4666 §3.1.2)."""

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
def nodes() -> dict[str, Node]:
    """Those that were started last."""
    return {}


@pytest.fixture
def pair(lab: Lab, nodes: dict[str, Node]) -> dict[str, Node]:
    """Both nodes, active; those that the test before has ended are started again."""
    for name in ("a", "b"):
        if name not in nodes or nodes[name].process.poll() is not None:
            nodes[name] = lab.start_node(name)
    for node in nodes.values():
        node.become_active()
    return nodes


def perfect(report: dict[str, Any]) -> bool:
    """Whether every call was answered, once, as expected."""
    print(report)
    return report["sent"] > 0 and not (report["wrong"] or report["missing"] or report["stray"])


def under_way(nodes: dict[str, Node], load: network.Load) -> network.Load:
    """Return the load once every node has had ten of its calls."""
    before = {name: node.calls for name, node in nodes.items()}
    for name, node in nodes.items():
        wait(f"calls at {name}", lambda node=node, name=name: node.calls >= before[name] + 10, 40)
    return load


def test_calls_are_steered_and_continued(lab: Lab, pair: dict[str, Node]) -> None:
    call = [*network.MSC, "--b", DIALLED, "--expect", "connect", "--expect-number", STEERED]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = asyncio.run(call_it(UNKNOWN, 4, replace(network.MSC_NETWORK, scp_point_code=188)))
    assert [result.answer.action for result in results] == [Action.CONTINUE] * 4, "from the AS of 0-23-4"
    assert perfect(under_way(pair, lab.load(numbers=(DIALLED, UNKNOWN))).stop())


def test_a_path_that_dies_loses_no_message(lab: Lab, pair: dict[str, Node]) -> None:
    load = under_way(pair, lab.load())
    subprocess.run(["ip", "address", "del", "10.23.0.1/32", "dev", "lo"], check=True)
    try:
        for node in pair.values():
            wait("noticed", lambda node=node: node.said("path to 10.23.0.1 is down"))
        command = [*network.COMMAND, "status", "-c", str(pair["a"].config)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        subprocess.run(["ip", "address", "add", "10.23.0.1/32", "dev", "lo"], check=True)
    assert perfect(under_way(pair, load).stop())
    (path,) = [line for line in told.stdout.splitlines() if "10.23.0.1" in line and "path" in line]
    assert "down" in path, told.stdout
    assert told.returncode == 0, "it still takes calls"
    for node in pair.values():
        wait("back", lambda node=node: node.said("path to 10.23.0.1 is up"))
        assert not node.said("association lost")


def test_a_hostile_peer_costs_nobody_s_call(lab: Lab, pair: dict[str, Node]) -> None:
    victim = pair["a"]
    load = under_way(pair, lab.load())
    rounds = hostile.attack(victim.guests, 200)
    print(f"{rounds} associations with garbage")
    assert perfect(under_way(pair, load).stop())
    assert victim.process.poll() is None
    wait("active", lambda: victim.is_active("stp"))

    def counted() -> (
        bool
    ):  # of the attack nothing may have been read: an ABORT takes back what was said before it
        hostile.say_garbage(victim.guests)
        layers = (victim.metric(f'scp_discards_total{{layer="{layer}"') for layer in ("sctp", "m3ua"))
        return sum(layers) > 0

    wait("garbage is counted", counted)
    assert not victim.said("Traceback")


def test_a_gateway_that_comes_back_after_a_power_cut_is_taken_after_a_second(pair: dict[str, Node]) -> None:
    """The first association's end is open and acknowledged by the kernel, but nobody reads there."""
    victim = pair["b"]
    why = "no answer to BEAT in 1 s, while a new connection from 127.0.0.1 waits"
    with hostile.connected(victim.guests) as before:
        assert before.recv(4096)[2:4] == ASPUP
        began = time.monotonic()
        with hostile.connected(victim.guests) as again:
            assert again.recv(4096)[2:4] == ASPUP
            assert time.monotonic() - began >= 1.0
            wait("association lost", lambda: victim.said(f"association lost: {why}"))
            assert not victim.said("refused")


def test_twice_the_capacity_costs_no_call(lab: Lab, pair: dict[str, Node]) -> None:
    # A call takes its node 40 ms, so that both together serve less than 50 a second; what STP and MSC do with the
    # one processor that all have is little beside that, on a busy machine as well.
    report = lab.load("--service-key", "102", rate=100, seconds=4).report()
    ended = time.monotonic()
    assert perfect(report)
    shed = sum(node.metric('scp_calls_total{action="continue",reason="overload"') for node in pair.values())
    served = report["sent"] - shed
    print(
        f"{served} of {report['sent']} calls served in {report['seconds']:.1f} s, {shed} continued by policy"
    )
    assert shed > 0
    assert served > 0
    for node in pair.values():
        wait("normal", lambda node=node: not node.metric("scp_overload_level"), 10)
    print(f"normal {time.monotonic() - ended:.1f} s after the load")


def call_it(
    number: str, at_once: int = 1, to: Network = network.MSC_NETWORK, **scenario: Any
) -> Coroutine[Any, Any, list[CallResult]]:
    """Make calls at once, to 0-23-2 if not said otherwise, and see what becomes of each."""
    call = PlannedCall(Scenario(b_number=number, b_nature=2, **scenario))
    return run_calls(
        [call] * at_once,
        network=to,
        endpoint=network.MSC_ENDPOINT,
        random=Random(3),
        at_once=at_once,
        give_up=30.0,
    )


async def killed_while_it_rings(node: Node) -> list[CallResult]:
    """Twenty calls that the node holds, and its end before anything else happens in them."""
    before = node.calls
    ringing = Attempt(ring=4.0, talk=0.5)
    making = asyncio.create_task(call_it(DIALLED, 20, service_key=101, attempts=(ringing,)))
    await asyncio.to_thread(wait, "calls", lambda: node.calls >= before + 20 or making.done())
    network.kill(node)
    return await making


def test_calls_in_progress_are_answered_when_their_node_is_killed(lab: Lab, pair: dict[str, Node]) -> None:
    # The node that takes over does not know their transactions and says so (Q.774 §3.3), where nobody has said
    # anything before; the switch lets the calls go on by itself. The AS is in override, so that dialogues stay at
    # one node: osmo-stp 1.6 shares every message by itself, where STPs share by SLS.
    wait("one active", lambda: any(node.is_active("stp-held") for node in pair.values()))
    name = next(name for name, node in pair.items() if node.is_active("stp-held"))
    heir = pair["ab".replace(name, "")]
    results = asyncio.run(killed_while_it_rings(pair[name]))
    ends = Counter(
        (result.routed_to, result.steps[-1].outward, result.steps[-1].message) for result in results
    )
    print(ends)
    assert {result.routed_to for result in results} == {STEERED}
    assert not any(result.steps[-1].outward for result in results), (
        "something of the switch's was not answered"
    )
    wait("taken over", lambda: heir.is_active("stp-held"))


def test_new_calls_go_to_the_other_node_when_one_is_killed(lab: Lab, pair: dict[str, Node]) -> None:
    load = under_way(pair, lab.load(rate=80))
    before = pair["a"].calls
    network.kill(pair["b"])
    wait("calls at a", lambda: pair["a"].calls >= before + 160, 40)
    assert perfect(load.stop()), "what it had read, its guardian answers"


def test_a_restart_of_the_stp_is_survived_without_help(lab: Lab, pair: dict[str, Node]) -> None:
    lab.stop_stp()
    for node in pair.values():
        wait("inactive", lambda node=node: not node.active)
    lab.start_stp()
    for node in pair.values():
        took = node.become_active(15)
        print(f"{node.name} active {took:.1f} s after the STP")
        assert node.process.poll() is None
    assert perfect(under_way(pair, lab.load()).stop())


def test_a_drain_under_load_loses_nothing(lab: Lab, pair: dict[str, Node]) -> None:
    with wire.Wire() as seen:
        load = under_way(pair, lab.load())
        pair["a"].process.send_signal(signal.SIGTERM)
        assert pair["a"].process.wait(120) == 0
        report = load.stop()
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
    assert "< DATA" not in ours[ours.index("< ASPIA ACK") :]
    # what came just before the acknowledgement may be answered after it, where the node is slower than the wire
    assert "> DATA" not in ours[ours.index("> ASPDN") :]
