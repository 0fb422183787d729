"""A tap is there while somebody looks, and whatever goes wrong in it is no call's trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracles.waiting import until
from scp.app.event_log import EventLog
from scp.app.tracing import Tracing
from scp.bench.template import Template
from scp.config import Config, loads
from scp.simulator.idp import called_party_octets
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.telemetry.number_traces import Traces

CONFIG = """
[node]
name = "scp-1"
point_code = 185
[[m3ua.peers]]
name = "stp-a"
remote = ["127.0.0.1"]
[numbering]
country_code = "{country}"
"""
SCENARIO = Scenario(b_number="0701234567", b_nature=2)
CALL = [(1, Template(SCENARIO, Network()).message(b"abcd", called_party_octets(SCENARIO)))]


def config(extra: str = "", country: str = "46") -> Config:
    return loads(CONFIG.format(country=country) + extra, {})


def recording(folder: Path) -> str:
    return f'[recording]\nfolder = "{folder}"\nmask = false\n'


class Signalling:
    """As much of it as a tap knows."""

    tap: Any = None


class Log(EventLog):
    """What is said, and whether it is trouble; what is traced."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bool]] = []
        self.lines: list[str] = []
        self.broken = False

    def watching(self, what: str, *, trouble: bool = False, **fields: Any) -> None:
        self.said.append((what, trouble))

    def traced(self, msisdn: str, peer: str, message: dict[str, Any], *, sent: bool) -> None:
        if self.broken:
            raise ValueError("a bug")
        self.lines.append(msisdn)


class Room:
    """A node's tracing, and what they are told."""

    def __init__(self, extra: str = "") -> None:
        self.log, self.signalling, self.traces = Log(), Signalling(), Traces(time.time)
        self.tracing = Tracing(config(extra), self.traces, self.log)
        node: Any = self.signalling
        self.tracing.start(node)

    def trace(self, seconds: float = 60, messages: int = 10) -> None:
        self.traces.start("46701234567", seconds, messages, "operator")

    def call(self) -> None:
        if self.signalling.tap is not None:
            self.signalling.tap.heard("stp-a", CALL)


def inside(test: Callable[[], Any]) -> None:
    """Run a test in an event loop, which traces end by."""

    async def run() -> None:
        await asyncio.sleep(0)
        waiting = test()
        if waiting is not None:
            await waiting

    asyncio.run(run())


def test_a_node_that_nobody_looks_at_has_no_tap() -> None:
    def test() -> None:
        room = Room()
        assert room.signalling.tap is None
        room.trace()
        assert room.signalling.tap is room.tracing
        room.call()
        assert room.log.lines == ["46701234567"]
        room.traces.stop("46701234567")
        assert room.signalling.tap is None

    inside(test)


def test_a_trace_that_is_over_takes_the_tap_away_though_nobody_calls() -> None:
    async def wait(room: Room) -> None:
        await until(lambda: room.signalling.tap is None)
        assert room.log.said == [("a trace has ended", False)]

    def test() -> Any:
        room = Room()
        room.trace(seconds=0.05)
        return wait(room)

    inside(test)


def test_a_bug_in_a_trace_ends_traces_and_nothing_else(tmp_path: Path) -> None:
    def test() -> None:
        room = Room(recording(tmp_path))
        room.trace()
        room.log.broken = True
        room.call()
        room.call()
        assert room.log.said == [
            ("a recording has begun", False),
            ("traces have failed", True),
            ("a trace has ended", False),
        ]
        assert room.traces.all() == []
        assert room.signalling.tap is room.tracing, "the recording goes on"
        room.tracing.stop()

    inside(test)


def test_a_disk_that_fails_ends_the_recording_once(tmp_path: Path) -> None:
    def test() -> None:
        room = Room(recording(tmp_path / "absent"))
        room.call()
        room.call()
        assert room.log.said == [("a recording has begun", False), ("a recording has ended", True)]
        assert room.signalling.tap is None

    inside(test)


def test_a_recording_that_failed_is_tried_again_by_a_reload(tmp_path: Path) -> None:
    def test() -> None:
        folder = tmp_path / "absent"
        room = Room(recording(folder))
        assert room.tracing.recording().state == "running"
        room.call()
        failed = room.tracing.recording()
        assert (failed.state, failed.octets, failed.failed_at > 0) == ("failed", 0, True)
        assert "No such file" in failed.failure
        folder.mkdir()
        room.tracing.adopt(config(recording(folder)))
        room.call()
        room.call()
        running = room.tracing.recording()
        assert (running.state, running.messages["written"]) == ("running", 2)
        assert running.failure == failed.failure, "the last error stays"
        room.tracing.adopt(config(recording(folder) + "file_mb = 1\n"))
        room.call()
        assert room.tracing.recording().messages["written"] == 3, "counts go on"
        room.tracing.adopt(config())
        ended = room.tracing.recording()
        assert (ended.state, ended.messages["written"]) == ("off", 3)
        on_disk = sum(path.stat().st_size for path in folder.iterdir())
        assert on_disk / 2 < ended.octets < on_disk, "all but the heads of the files"

    inside(test)


def test_a_recording_that_failed_and_is_wanted_no_more_is_off(tmp_path: Path) -> None:
    def test() -> None:
        room = Room(recording(tmp_path / "absent"))
        room.call()
        room.tracing.adopt(config())
        assert room.tracing.recording().state == "off"

    inside(test)


@pytest.mark.parametrize(
    ("country", "again", "begun"), [("46", True, 1), ("47", True, 2), ("46", False, 1), ("47", False, 1)]
)
def test_another_configuration(tmp_path: Path, country: str, again: bool, begun: int) -> None:
    def test() -> None:
        room = Room(recording(tmp_path))
        room.trace()
        room.tracing.adopt(config(recording(tmp_path) if again else "", country))
        assert sum(what == "a recording has begun" for what, _ in room.log.said) == begun
        assert ("a recording has ended", False) in room.log.said or (again and country == "46")
        room.call()
        assert room.log.lines == (["46701234567"] if country == "46" else []), (
            "0701234567 is Norwegian in Norway"
        )
        room.tracing.stop()

    inside(test)
