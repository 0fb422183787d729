"""A process's life: what systemd hears, reload on SIGHUP, drain on SIGTERM."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from real_node import TOKEN, RealNode, eventually, sha256

from oracles.waiting import wait_until
from scp.app.reload import LIVE, plan
from scp.app.service_manager import READY, ServiceManager
from scp.config import EXAMPLE, Config, loads


class Manager:
    """The other end of ``NOTIFY_SOCKET``."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)
        self._heard: list[str] = []

    def heard(self) -> list[str]:
        while True:
            try:
                self._heard += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self._heard


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    return Manager(str(tmp_path / "notify"))


# --- what keeps it from starting ---


@pytest.mark.parametrize(
    ("setting", "key"), [("metrics", "telemetry.metrics"), ("m3ua", "m3ua.peers[0]"), ("api", "api.listen")]
)
def test_a_port_that_somebody_has_is_named_by_its_key(tmp_path: Path, setting: str, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        node = RealNode(tmp_path, **{setting: port})
        node.write()
        command = [sys.executable, "-m", "scp.cli", "serve", "-c", str(node.file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["event"]) == (1, "cannot start")
    assert last["reason"].startswith(f"{key}: ")
    assert "address already in use" in last["reason"].lower()
    assert "Errno" not in last["reason"]
    assert str(port) in last["reason"]


def test_a_node_whose_log_nobody_reads_serves_calls(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    node.write()
    command = [sys.executable, "-m", "scp.cli", "serve", "-c", str(node.file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            while b'"event":"started"' not in process.stdout.readline():
                assert process.poll() is None
            process.stdout.close()
            node.provision("11234567")
            assert node.call("0011234567").routed_to == "990011234567"
            wait_until(lambda: node.scrape()["scp_log_lines_lost_total"] > 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


# --- the service manager ---


def test_nothing_is_sent_where_nobody_listens(tmp_path: Path) -> None:
    ServiceManager({}).tell(READY)
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY)


def test_an_abstract_address_is_understood() -> None:
    manager = Manager("\0camel-scp-test-of-notify")
    ServiceManager({"NOTIFY_SOCKET": "@camel-scp-test-of-notify"}).status("two\nlines")
    assert manager.heard() == ["STATUS=two lines"]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_meant_for_this_process(environ: dict[str, str], seconds: float) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/run/x", **environ}).watchdog == seconds
    assert ServiceManager(environ).watchdog == 0.0


def test_systemd_hears_of_every_step(tmp_path: Path, manager: Manager) -> None:
    node = RealNode(tmp_path)
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
    with node.running(environ):
        wait_until(lambda: "READY=1" in manager.heard())
        wait_until(lambda: manager.heard().count("WATCHDOG=1") >= 3)
        wait_until(lambda: "STATUS=steers no calls: no ASP is active" in manager.heard())
        assert node.wait_said("not ready: it steers no calls")["reasons"] == ["no ASP is active"]
        node.signal(signal.SIGHUP)
        wait_until(lambda: manager.heard().count("READY=1") == 2)
        node.signal(signal.SIGSTOP)  # a process that does not turn over says nothing
        silent = len(manager.heard())
        with pytest.raises(AssertionError):
            wait_until(lambda: len(manager.heard()) > silent + 1, 1.0)
        node.signal(signal.SIGCONT)
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    steps = [each for each in manager.heard() if not each.startswith(("WATCHDOG", "STATUS", "MONOTONIC"))]
    assert steps == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


# --- what a reload takes over ---


def changed(**tables: dict[str, object]) -> Config:
    config = loads(EXAMPLE, {})
    return replace(
        config, **{name: replace(getattr(config, name), **fields) for name, fields in tables.items()}
    )


def test_a_plan_divides_what_changed() -> None:
    running = loads(EXAMPLE, {})
    wanted = changed(
        store={"deadline_ms": 99}, node={"name": "other"}, telemetry={"log_level": "debug"}, sccp={"ssn": 147}
    )
    found = plan(running, wanted)
    assert found.live == ("store.deadline_ms", "telemetry.log_level")
    assert found.restart == ("node.name", "sccp.ssn")
    assert found.config.store.deadline_ms == 99
    assert found.config.node.name == running.node.name
    again = plan(found.config, wanted)
    assert (again.live, again.restart) == ((), found.restart), "what waits for a restart is said again"


def test_what_can_be_taken_over_is_in_the_configuration() -> None:
    config: object = loads(EXAMPLE, {})
    for path in LIVE:
        value = config
        for name in path.split("."):
            value = getattr(value, name)


# --- the process ---


def test_a_reload_takes_over_what_it_can_and_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    with node.running():
        node.provision("11234567")
        assert node.call("0011234567").routed_to == "990011234567"

        node.write(prefix="88", sha256=sha256("another-token"), name="renamed", log_level="debug")
        node.signal(signal.SIGHUP)
        assert node.wait_said("reloaded")["changed"] == ["services", "api.keys", "telemetry.log_level"]
        assert node.wait_said("restart needed")["changed"] == ["node.name"]
        wait_until(lambda: node.scrape()["scp_overload_level"] == 0)  # an overloaded node logs no calls
        assert node.call("0011234567").routed_to == "880011234567"
        call = node.wait_said("call")
        assert call["number"].startswith("8800"), "debug has a line for each call"
        assert call["peer"] == "msc"
        assert node.get("/v1/subscribers/11234567", TOKEN)[0] == 401
        assert node.get("/v1/subscribers/11234567", "another-token")[0] == 200
        metrics = node.scrape()
        assert metrics['scp_config_reloads_total{result="success"}'] == 1
        assert metrics["scp_config_restart_needed"] == 1

        for count, bad in enumerate(
            ("[node", "[unknown]\nx = 1\n", "[services.nobody]\nservice_keys = [7]\n"), 1
        ):
            node.write(extra=bad)
            node.signal(signal.SIGHUP)
            refused = node.wait_said("reload refused, the configuration in use stays", count)
            assert refused["faults"]
            assert node.call("0011234567").routed_to == "880011234567"
            metrics = node.scrape()
            assert metrics["scp_config_last_reload_successful"] == 0
            assert metrics['scp_config_reloads_total{result="failure"}'] == count

        node.write(prefix="77", name="scp-1", log_level="info")
        node.signal(signal.SIGHUP)
        wait_until(lambda: node.scrape()["scp_config_last_reload_successful"] == 1)
        metrics = node.scrape()
        assert metrics["scp_config_restart_needed"] == 0
        assert metrics["scp_config_last_reload_success_timestamp_seconds"] > 1.7e9
        assert node.call("0011234567").routed_to == "770011234567"


def test_limits_and_what_the_log_has_of_calls_are_taken_over(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    node.write(extra="calls_per_second = 0\n")
    with node.running():
        node.provision("11234567")
        assert node.call("0011234567").routed_to == "990011234567"
        limited = "calls_per_second = 1000.0\n[limits]\npeer_rate = 0.01\npeer_burst = 1\n"
        node.write(limited, overload="memory_mb = 1")
        node.signal(signal.SIGHUP)
        changed = ["overload", "limits", "telemetry.calls_per_second"]
        assert node.wait_said("reloaded")["changed"] == changed
        assert not node.said("restart needed")
        wait_until(lambda: node.scrape()["scp_overload_level"] == 3)  # for memory: it has more than 1 MiB
        node.write(limited, overload="")
        node.signal(signal.SIGHUP)
        assert node.wait_said("reloaded", 2)["changed"] == ["overload"]
        wait_until(lambda: node.scrape()["scp_overload_level"] == 0)
        assert [node.call("0011234567").routed_to for _ in range(2)] == ["990011234567", ""]
        node.wait_said("call", 2)
        calls = [(line["reason"], line["level"]) for line in node.said("call")]
        assert calls == [("forwarded-always", "info"), ("rate-limited", "info")]


def test_a_drain_begins_with_not_ready_and_waits_for_the_peer(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    with node.running():
        load = subprocess.Popen(node.msc("--load", "--rate", "100", "--duration", "30", "--b", "0011234567"))
        try:
            eventually(lambda: node.get("/readyz")[0] == 200)
            load.send_signal(signal.SIGSTOP)  # a peer that acknowledges no ASPIA yet
            node.signal(signal.SIGTERM)
            eventually(lambda: node.get("/readyz")[0] == 503)
            status, body = node.get("/readyz")
            assert (status, json.loads(body)["reasons"][0]) == (503, "draining")
            assert node.get("/livez")[0] == 200
            assert node.scrape()["scp_draining"] == 1
            load.send_signal(signal.SIGCONT)
            assert node.ended() == 0
        finally:
            load.kill()
            load.wait()
        assert node.wait_said("stopped")["drained"] is True
