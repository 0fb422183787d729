"""The runbook's first commands, typed as they stand on the host of a node that has had a bad night."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from real_node import TOKEN, RealNode, eventually
from real_prometheus import DEPLOY

from scp.app import process

RUNBOOK = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
TYPED = re.findall(r"(?m)^### (\w+)\n(?:.*\n)+?\*\*Type\*\* `(.+)`$", RUNBOOK)
NAMES_NOBODY = {"ScpFilesNearLimit"}
"""What finds the node by the name of its process, which it has not where a test runs it."""
QUIET = {"ScpServiceFails", "ScpOverloaded", "ScpStoreWritesFail"}
"""What shows nothing of this night's node."""


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell on the node's host: systemd's programs answer with the node's log."""
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "node.log"
    for name, script in {
        "camel-scp": f'exec "{sys.executable}" -m scp.cli "$@"',
        "journalctl": f'cat "{log}"',
        "systemctl": 'echo "$@"',
    }.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CAMEL_SCP_TOKEN": TOKEN,
        "COLUMNS": "200",
    }


def bad_night(node: RealNode) -> None:
    """Have happen what the log is asked for: a death, a bad file, a change that waits, a guardian killed."""
    assert node.process is not None
    load = subprocess.Popen(node.msc("--load", "--rate", "20", "--duration", "60", "--service-key", "7"))
    try:
        eventually(lambda: node.scrape()['scp_m3ua_asp_state{peer="msc",state="active"}'] == 1)
        eventually(lambda: any('action="error"' in name and count for name, count in node.scrape().items()))
        node.write(extra="[nonsense]\n")
        node.signal(signal.SIGHUP)
        node.wait_said("reload refused, the configuration in use stays")
        node.write(engine="max_dialogues = 17")
        node.signal(signal.SIGHUP)
        node.wait_said("restart needed")
        children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        node.wait_said("guardian lost: calls in progress go unanswered if this process is killed")
    finally:
        load.terminate()
        load.wait()


def typed(command: str, node: RealNode, host: dict[str, str]) -> subprocess.CompletedProcess[str]:
    here = command.replace("/etc/camel-scp/scp.toml", str(node.file))
    here = here.replace("127.0.0.1:9464", f"127.0.0.1:{node.settings['metrics']}")
    assert here != command or "/etc" not in command
    return subprocess.run(
        ["bash", "-c", here], env=host, capture_output=True, text=True, check=False, timeout=120
    )


def test_every_first_command_runs_and_shows_something(tmp_path: Path, host: dict[str, str]) -> None:
    for tool in ("curl", "vmstat", "ss"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    assert len(TYPED) == RUNBOOK.count("\n### ")
    node = RealNode(tmp_path)
    with node.running():  # a process of it that is killed: the first line of "guardian"
        node.call("0011234567")
        node.signal(signal.SIGKILL)
        node.ended()
        node.wait_said("guardian")
    with node.running():
        bad_night(node)
        seen = {}
        for alert, command in TYPED:
            if alert == "ScpDrainStuck":
                continue
            if command not in seen:
                seen[command] = typed(command, node, host)
            done = seen[command]
            assert done.stderr == "", (alert, done.stderr)
            if alert not in NAMES_NOBODY | QUIET:
                assert done.returncode in ((0, 1) if "status" in command else (0,)), (alert, done)
                assert done.stdout.strip(), alert
        status = seen[dict(TYPED)["ScpCdrsWaiting"]].stdout
        node.signal(signal.SIGTERM)
        node.ended()
        stuck = typed(dict(TYPED)["ScpDrainStuck"], node, host)
    for words in ("CDRs", "none waits", "ledger", "guardian", "deaths of this node so far: 1"):
        assert words in status
    assert [line.split('"event":"')[1][:7] for line in stuck.stdout.splitlines()] == ["drainin", "stopped"]


def test_what_the_log_is_searched_for_is_what_the_node_says() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in Path(process.__file__).parents[1].rglob("*.py")
    )
    sought = [
        (alert, words)
        for alert, command in TYPED
        for pattern in re.findall(r"journalctl.*grep (?:-E )?'(.*?)'", command)
        for words in pattern.replace('"event":', "").strip('"(').rstrip('")').split("|")
    ]
    assert sought
    assert [each for each in sought if f'"{each[1]}' not in sources] == []
