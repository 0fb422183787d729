"""deploy/charged-calls.md: from nothing to a charged call, as the page has it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "deploy" / "charged-calls.md").read_text(encoding="utf-8")


def test_the_pages_lines_run_as_they_stand(tmp_path: Path) -> None:
    """Other ports are all that differs."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    msc, api, metrics = (each.getsockname()[1] for each in sockets)
    for each in sockets:
        each.close()
    (config,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (lines,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert lines.count("\n") == 10
    config = config.replace("127.0.0.1:8080", f"127.0.0.1:{api}").replace(
        'local = ["127.0.0.1"]', f'local = ["127.0.0.1"]\nport = {msc}'
    )
    config += f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n'
    (tmp_path / "scp.toml").write_text(config)
    lines = lines.replace("127.0.0.1:8080", f"127.0.0.1:{api}").replace(
        "camel-scp msc", f"camel-scp msc --to 127.0.0.1:{msc}"
    )
    program = tmp_path / "camel-scp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scp.cli "$@"\n')
    program.chmod(0o755)
    environ = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = ["bash", "-eu", "-c", f"trap 'kill $NODE' ERR\n{lines}"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "node.log").read_text()
    shown = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    balances = [each["balance"] for each in shown if "balance" in each]
    assert balances == [20, 17]
    records = {each["kind"]: each for each in shown if "kind" in each}
    call, charge = records["attempt"], records["charge"]
    assert 2_300 <= call["charged_ms"] <= 2_900  # a busy machine hangs up later, within the second
    assert (call["charge"], call["tariff"], call["release_cause"]) == (3, "46", 16)
    assert (charge["used_seconds"], charge["charged"]) == (3, 3)
    assert call["reservation"] == charge["reservation"]
