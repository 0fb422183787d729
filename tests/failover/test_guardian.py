"""A node that is killed: its guardian answers what it had read, and takes leave of the peers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvloop

from oracles.waiting import until, wait_until

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # room.py
sys.path.append(str(Path(__file__).parents[1] / "node"))  # test_node.py
sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from real_node import RealNode
from room import NETWORK, Answer, Switch
from test_node import Field, begin, heard

from oracles import redis_lab
from scp.bench.load import LoadCall, LoadPlan, LoadReport, run_load
from scp.bench.server import Server, node
from scp.domain.subscriber import Subscriber
from scp.failover.counters import FailoverCounters, FailoverCountersFile
from scp.failover.guardian import NAME
from scp.net.tcp import Connector
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings
from scp.store import open_store
from ss7.cap.operations import Opcode

ACTIVE = "ASP active"
KINDS = [LoadCall(b_number="0011234567", expected=Expectation(action=Action.CONNECT))]


async def provision(url: str) -> None:
    store = open_store(url)
    await store.open()
    alice = Subscriber("11234567", authorized=True, aor="sip:alice@voip.example", forwarding=True)
    await store.put(alice)
    await store.close()


def calls(port: int, plan: LoadPlan) -> LoadReport:
    return uvloop.run(
        run_load(
            Scenario(b_nature=2),
            KINDS,
            plan,
            network=Network(),
            endpoint=Endpoint(port=port),
            random=Random(1),
        )
    )


@contextlib.contextmanager
def killed(
    pid: int,
    log: Path,
    before: Callable[[], object] = lambda: None,
    once: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """Kill a node some time after its log says that calls may come, ``before`` was called, and ``once`` holds."""
    so_far = log.read_text().count(ACTIVE)

    def fail() -> None:
        wait_until(lambda: log.read_text().count(ACTIVE) > so_far)
        time.sleep(0.5)
        before()
        wait_until(once)
        os.kill(pid, signal.SIGKILL)

    failing = threading.Thread(target=fail)
    failing.start()
    yield
    failing.join()


def guardian_said(folder: Path) -> dict[str, Any]:
    """The guardian's line in the node's log."""
    log = folder / "node" / "log"

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        return [line for line in found if line["event"] == "guardian"]

    wait_until(lambda: bool(lines()))
    return lines()[-1]


def test_calls_that_waited_for_the_store_are_answered_when_the_node_is_killed(tmp_path: Path) -> None:
    """Redis stands still, so every call that came since is open when the node dies: each gets Continue."""
    core = min(os.sched_getaffinity(0))
    with redis_lab.single(tmp_path) as redis:
        asyncio.run(provision(redis.url))
        with node(tmp_path, core, name="node", store=redis.url) as server:
            process = redis.servers[0].process
            assert process is not None
            with killed(
                server.pid,
                tmp_path / "node" / "log",
                lambda: process.send_signal(signal.SIGSTOP),
                lambda: server.metric("scp_dialogues_open") >= 20,
            ):
                report = calls(server.port, LoadPlan(rate=500.0, duration=4.0, timeout=20.0))
            process.send_signal(signal.SIGCONT)
            said = guardian_said(tmp_path)
    print(f"\n{report.sent} calls, {report.missing} missing, {report.stray} stray, {report.wrong}; {said}")
    assert report.missing == 0
    assert set(report.wrong) == {"continue instead of connect"}
    assert (
        min(said["calls_answered"], sum(report.wrong.values())) >= 10
    )  # a busy node has answered some in time
    assert said["what"].endswith("associations taken down in good order: 1")


def test_a_node_that_is_killed_under_full_load_leaves_no_call_unanswered(tmp_path: Path) -> None:
    """Calls are outstanding all the time: in the socket, in the node, on their way back."""
    core = min(os.sched_getaffinity(0))
    asyncio.run(provision(f"sqlite:{tmp_path / 'store.db'}"))
    with (
        node(tmp_path, core, name="node", store=f"sqlite:{tmp_path / 'store.db'}") as server,
        killed(server.pid, tmp_path / "node" / "log"),
    ):
        report = calls(server.port, LoadPlan(window=100, duration=4.0, timeout=20.0))
    print(f"\n{report.sent} calls, {report.missing} missing, {report.stray} stray, {report.wrong}")
    print(guardian_said(tmp_path))
    # What the node had taken from the socket and not yet written down when it died: at most one read.
    assert report.missing <= 100
    assert sum(report.wrong.values()) >= 100


@pytest.mark.parametrize("ni", [0, 2])
def test_a_message_that_was_read_in_part_is_answered_when_the_rest_comes(tmp_path: Path, ni: int) -> None:
    """In its network: the node has another network indicator than the second question."""
    core = min(os.sched_getaffinity(0))

    async def half_a_call(server: Server) -> Answer:
        switch = Switch(Field(), "msc")
        connector = Connector("msc", ("127.0.0.1",), server.port, switch, random=Random(1))
        await connector.start()
        await until(lambda: switch.machine.state.value == "active")
        layer = Sccp(SccpSettings(), 1)
        layer.send(NETWORK.called(), NETWORK.calling(), begin(b"\1\2\3\4"), dpc=0, sls=5)
        ((_, _, payload),) = layer.outbox
        opc, dpc = NETWORK.point_code, NETWORK.scp_point_code
        switch.machine.send(payload=payload, opc=opc, dpc=dpc, ni=ni, sls=5)
        ((stream, octets),) = switch.machine.outbox
        switch.machine.outbox.clear()
        switch.transport.send([(stream, octets[:100])])
        await asyncio.sleep(0.5)
        os.kill(server.pid, signal.SIGKILL)
        switch.transport.send([(stream, octets[100:])])
        await until(lambda: heard(switch, b"\1\2\3\4"))
        await until(lambda: switch.transport is None)
        await connector.close(abort=True)
        return heard(switch, b"\1\2\3\4")[0]

    with node(tmp_path, core, name="node", store="sqlite::memory:") as server:
        answer = asyncio.run(half_a_call(server))
    assert answer.opcodes == [Opcode.CONTINUE]
    assert (answer.ni, answer.opc) == (ni, NETWORK.scp_point_code)
    assert guardian_said(tmp_path)["calls_answered"] == 1


def children(pid: int) -> list[int]:
    """The processes that a process has begun and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(each) for each in found]


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()


def test_a_node_that_ends_in_good_order_leaves_no_guardian(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with node(tmp_path, core, name="node", store="sqlite::memory:") as server:
        (guardian,) = children(server.pid)
        wait_until(lambda: name(guardian) == NAME)
        assert calls(server.port, LoadPlan(rate=50.0, duration=0.2)).missing == 0
        os.kill(guardian, signal.SIGTERM)  # as to the whole group: not for it
        os.kill(server.pid, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{guardian}").exists())
        wait_until(lambda: '"stopped"' in (tmp_path / "node" / "log").read_text())
    assert '"guardian"' not in (tmp_path / "node" / "log").read_text()


def test_a_node_goes_on_without_its_guardian_and_says_so(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with node(tmp_path, core, name="node", store="sqlite::memory:") as server:
        (guardian,) = children(server.pid)
        assert server.metric('scp_guardian_state{state="armed"}') == 1
        os.kill(guardian, signal.SIGKILL)
        wait_until(lambda: "guardian lost" in (tmp_path / "node" / "log").read_text())  # nobody has called
        wait_until(lambda: server.metric('scp_guardian_state{state="lost"}') == 1)
        for _ in range(2):
            report = calls(server.port, LoadPlan(rate=50.0, duration=0.2))
            assert report.sent > 0
            assert report.missing == 0
    log = (tmp_path / "node" / "log").read_text()
    assert log.count("guardian lost") == 1
    assert "its process was ended by signal 9" in log


def test_what_guardians_did_is_counted_over_all_deaths_of_a_node(tmp_path: Path) -> None:
    """Redis stands still when the node is killed, so that calls are open; the next process knows of them."""
    with redis_lab.single(tmp_path) as redis:
        asyncio.run(provision(redis.url))
        node = RealNode(tmp_path, store=redis.url)
        node.extra = f'[charging]\nrecords = "sqlite:{tmp_path / "calls.cdr"}"\n'
        answered = []
        for death in (1, 2):
            with node.running():
                assert node.scrape()["scp_guardian_kills_total"] == death - 1
                assert node.scrape()["scp_guardian_calls_answered_total"] == sum(answered)
                redis.servers[0].freeze()
                assert node.process is not None
                with killed(node.process.pid, node.log, once=lambda: node.scrape()["scp_dialogues_open"] > 0):
                    calls(int(node.settings["m3ua"]), LoadPlan(rate=200.0, duration=4.0, timeout=20.0))
                redis.servers[0].thaw()
                node.ended()
                answered.append(node.wait_said("guardian", death)["calls_answered"])
        assert min(answered) > 0
        with node.running():
            assert node.scrape()["scp_guardian_kills_total"] == 2
            assert node.scrape()["scp_guardian_calls_answered_total"] == sum(answered)
            ((part,),) = [json.loads(node.get("/health")[1])["checks"]["node:guardian"]]
            assert (
                part["status"],
                part["observedValue"].startswith("stands by; deaths of this node so far: 2"),
            ) == (
                "pass",
                True,
            )
            assert part["lastError"].endswith(f"calls answered: {answered[-1]}")
            node.signal(signal.SIGTERM)
            node.ended()
        with node.running():
            assert node.scrape()["scp_guardian_kills_total"] == 2, "an end in good order is no death"


def test_a_node_that_dies_without_any_association_has_died_all_the_same(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    with node.running():
        node.signal(signal.SIGKILL)
        node.ended()
        assert node.wait_said("guardian")["calls_answered"] == 0
    with node.running():
        assert node.scrape()["scp_guardian_kills_total"] == 1


def test_deeds_that_cant_be_noted_or_read_are_said_and_harm_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scp-1.guardian"
    deeds = FailoverCountersFile(path)
    assert deeds.read() == FailoverCounters()
    assert deeds.add(3, 10.0) == ""
    assert FailoverCountersFile(path).read() == deeds.read() == FailoverCounters(1, 3, 10.0, 3)
    assert path.read_bytes().startswith(b'{"kills":1,"answered":3,')
    size = path.stat().st_size
    path.unlink()  # the folder is being cleared: a dead node leaves nothing new in it
    assert deeds.add(4, 20.0) == ""
    assert deeds.read() == FailoverCounters(2, 7, 20.0, 4)
    assert not path.exists()
    deeds.close()
    deeds.close()
    for damaged in (b"{", b"", bytes(size), b"x" * 10_000):
        path.write_bytes(damaged)
        again = FailoverCountersFile(path)
        assert again.read() == FailoverCounters()
        assert again.add(1, 5.0) == ""
        assert FailoverCountersFile(path).read() == FailoverCounters(1, 1, 5.0, 1)
    assert FailoverCountersFile(None).add(3, 10.0) == ""
    absent = FailoverCountersFile(tmp_path / "absent" / "x")
    assert absent.read() == FailoverCounters()
    assert "No such file or directory" in absent.add(3, 10.0)


def test_it_can_be_done_without(tmp_path: Path) -> None:
    with RealNode(tmp_path).running() as real:
        assert real.process is not None
        assert len(children(real.process.pid)) == 1
    real.write()
    real.file.write_text(real.file.read_text().replace("[node]\n", "[node]\nguardian = false\n", 1))
    with real.running():
        assert real.process is not None
        assert children(real.process.pid) == []
