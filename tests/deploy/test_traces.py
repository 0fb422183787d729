"""What somebody may look at on a running node: a number's calls in the log, and recordings in files."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_node import TOKEN, RealNode

from oracles.waiting import wait_until
from scp import client
from scp.simulator.scenario import Scenario

TRACED, DIALLED, MARKED = "46701234567", "0701234567", "990701234567"
OTHER = "0709999999"
A_NUMBER = Scenario().a_number


def traces(node: RealNode) -> list[dict[str, Any]]:
    return node.said("trace")


def operations(lines: list[dict[str, Any]]) -> list[str]:
    return [component["operation"] for line in lines for component in line["components"]]


@pytest.mark.parametrize(
    ("mask", "unmask", "shown", "hidden"),
    [
        ("true", "false", ["4670xxxxxxx", "0701xxxxxx"], [TRACED, DIALLED, A_NUMBER]),
        ("true", "true", [DIALLED, MARKED], [A_NUMBER]),
        ("false", "false", [TRACED, DIALLED, MARKED, A_NUMBER], []),
    ],
)
def test_the_log_has_every_message_of_a_traced_number_and_of_no_other(
    tmp_path: Path, mask: str, unmask: str, shown: list[str], hidden: list[str]
) -> None:
    node = RealNode(tmp_path, mask=mask, log_level="error")
    node.write(extra=f"unmask_traced = {unmask}\n")
    with node.running():
        node.provision(TRACED)
        node.call(DIALLED)
        assert node.put(f"/v1/traces/+{TRACED}", {}) == 201
        assert node.call(DIALLED).routed_to == MARKED
        node.call(OTHER)
        lines = node.wait_said("trace", 2) and traces(node)
    assert operations(lines) == ["initialDP", "connect"]
    assert [line["direction"] for line in lines] == ["in", "out"]
    assert [line["tcap"]["type"] for line in lines] == ["begin", "end"]
    assert lines[0]["tcap"]["otid"] == lines[1]["tcap"]["dtid"], (
        "ids are no numbers, whatever digits they have"
    )
    said = json.dumps(lines)
    assert [each for each in shown if each not in said] == []
    assert [each for each in hidden if each in said] == []
    assert OTHER not in said


def test_a_call_is_traced_that_comes_from_the_number(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    with node.running():
        assert node.put(f"/v1/traces/{A_NUMBER}", {}) == 201
        node.call(OTHER)
        node.wait_said("trace", 2)
    assert operations(traces(node)) == ["initialDP", "continue"]


def test_a_trace_ends_by_itself_and_is_written_down(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    with node.running():
        node.provision(TRACED)
        assert node.put(f"/v1/traces/{TRACED}", {"messages": 1}) == 201
        node.call(DIALLED)
        assert node.wait_said("watching")["why"] == "it has written all its messages"
        assert len(traces(node)) == 1
        assert node.get(f"/v1/traces/{TRACED}", TOKEN)[0] == 404

        assert node.put(f"/v1/traces/{TRACED}", {"seconds": 1}) == 201
        ended = node.wait_said("watching", 2)
        assert (ended["what"], ended["why"]) == ("a trace has ended", "its time is over")
        node.call(DIALLED)

        assert node.put(f"/v1/traces/{TRACED}", {"seconds": 60}) == 201
        assert node.put(f"/v1/traces/{TRACED}", {"seconds": 90}) == 200
        listed = json.loads(node.get("/v1/traces", TOKEN)[1])["traces"]
        assert [(each["msisdn"], each["by"], each["written"]) for each in listed] == [(TRACED, "operator", 0)]
        assert node.ask("DELETE", f"/v1/traces/{TRACED}", token=TOKEN)[0] == 204
        node.call(DIALLED)
        assert node.wait_said("watching", 3)["why"] == "stopped"
        assert len(traces(node)) == 1
        audited = [line["what"].partition("/v1/")[2][:6] for line in node.said("audit")]
    assert audited.count("traces") == 5


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (TRACED, {"seconds": 0}, 422),
        (TRACED, {"messages": 1_000_000}, 422),
        (TRACED, {"minutes": 1}, 422),
        ("nobody", {}, 422),
    ],
)
def test_what_can_not_be_traced_is_refused(
    node: RealNode, path: str, body: dict[str, int], status: int
) -> None:
    assert node.put(f"/v1/traces/{path}", body) == status


def test_the_client_switches_traces(node: RealNode) -> None:
    with client.Client(f"http://127.0.0.1:{node.settings['api']}", TOKEN) as api:
        started = api.send(client.start_trace(TRACED, seconds=60))
        assert (started.msisdn, started.by, started.messages_left) == (TRACED, "operator", 1000)
        assert api.send(client.trace(TRACED)) == started
        assert api.send(client.traces()).traces == (started,)
        api.send(client.stop_trace(TRACED))
        assert api.send(client.traces()).traces == ()


def test_no_more_than_sixteen_numbers_are_traced(node: RealNode) -> None:
    paths = [f"/v1/traces/4670{number:07}" for number in range(17)]
    assert [node.put(path, {"seconds": 60}) for path in paths] == [201] * 16 + [409]
    assert {node.ask("DELETE", path, token=TOKEN)[0] for path in paths} == {204}, "there or not"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Any:
    node = RealNode(tmp_path_factory.mktemp("node"))
    with node.running():
        yield node


# --- recordings ---


def recording(folder: Path, *more: str) -> str:
    return "\n".join(("[recording]", f'folder = "{folder}"', *more, ""))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pcapng"))


def test_a_node_records_and_others_can_read_it(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    folder = tmp_path / "recordings"
    folder.mkdir()
    node.write(extra=recording(folder, 'peers = ["msc"]', "mask = false"))
    with node.running():
        node.provision(TRACED)
        for number in (DIALLED, OTHER, DIALLED):
            node.call(number)
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    ended = node.said("watching")[-1]
    assert (ended["what"], ended["dropped"]) == ("a recording has ended", {})
    [file] = files(folder)
    assert file.name == "scp-1-0001.pcapng"
    replayed = camel_scp("replay", str(file), "--json", "-c", str(node.file))
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    decoded = [json.loads(line) for line in camel_scp("decode", str(file), "--json").stdout.splitlines()]
    assert operations([each for each in decoded if "components" in each]) == [
        *("initialDP", "connect"),
        *("initialDP", "continue"),
        *("initialDP", "connect"),
    ]
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    command = [
        "tshark",
        "-r",
        str(file),
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-Y",
        "camel and not _ws.malformed",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == 6


def test_a_recording_is_switched_by_a_reload_and_masked_unless_told_otherwise(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    folder = tmp_path / "recordings"
    folder.mkdir()
    with node.running():
        node.provision(TRACED)
        node.call(DIALLED)
        node.write(extra=recording(folder, f'numbers = ["{TRACED}"]'))
        node.signal(signal.SIGHUP)
        assert node.wait_said("reloaded")["changed"] == ["recording"]
        node.call(DIALLED)
        node.call(OTHER)
        node.write()
        node.signal(signal.SIGHUP)
        node.wait_said("reloaded", 2)
        node.call(DIALLED)
    said = [(line["what"], line.get("written")) for line in node.said("watching")]
    assert said == [("a recording has begun", None), ("a recording has ended", 2)]
    [file] = files(folder)
    decoded = camel_scp("decode", str(file), "--json").stdout
    assert len(decoded.splitlines()) == 2
    for number in (TRACED[-9:], OTHER[-9:], A_NUMBER[-9:], Scenario().imsi):
        assert number not in decoded


def test_a_folder_that_is_not_there_costs_the_recording_and_no_call(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    node.write(extra=recording(tmp_path / "absent"))
    with node.running():
        node.provision(TRACED)
        assert node.call(DIALLED).routed_to == MARKED
        wait_until(lambda: len(node.said("watching")) == 2)
    ended = node.said("watching")[-1]
    assert ended["level"] == "error"
    assert "absent" in ended["why"]


def camel_scp(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scp.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
