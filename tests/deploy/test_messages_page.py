"""The page on text messages: its ten lines deliver one, as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oracles.servers import free_ports
from scp.domain.message import State

PAGE = (Path(__file__).parents[2] / "deploy" / "messages.md").read_text(encoding="utf-8")


def test_a_message_is_delivered_by_the_pages_lines(tmp_path: Path) -> None:
    """Other ports are all that differs: those of the page may be taken here."""
    for tool in ("curl", "openssl"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    m3ua, api, metrics, smsc = free_ports(4)
    (lines,) = re.findall(r"```sh\n(TOKEN=.*?)```", PAGE, re.DOTALL)
    for text, by in (
        ('role = "asp-listen"\n', f'role = "asp-listen"\nport = {m3ua}\n'),
        ("[api]\n", f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n[api]\nlisten = "127.0.0.1:{api}"\n'),
        ("127.0.0.1:8080", f"127.0.0.1:{api}"),
        ("127.0.0.1:2775", f"127.0.0.1:{smsc}"),
        ("camel-scp smsc", f"camel-scp smsc --listen 127.0.0.1:{smsc}"),
    ):
        assert text in lines
        lines = lines.replace(text, by)
    program = tmp_path / "camel-scp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scp.cli "$@"\n')
    program.chmod(0o755)
    environ = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = ["bash", "-eu", "-c", f"trap 'kill $NODE $SMSC' ERR\n{lines}wait $NODE"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "node.log").read_text()
    assert "Hello: привет, 😀" in (tmp_path / "smsc.log").read_text(encoding="utf-8")
    page = json.loads(
        done.stdout.splitlines()[-1].partition('{"events"')[1] + done.stdout.rpartition('{"events"')[2]
    )
    assert [event["state"] for event in page["events"]] == ["queued", "sent", "delivered"]


def test_the_page_explains_every_state() -> None:
    assert set(re.findall(r"(?m)^\| `([a-z]+)` \|", PAGE)) - {"state"} == {str(state) for state in State}
