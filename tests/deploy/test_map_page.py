"""deploy/map.md: from a running node to "roaming is known by itself", as the page has it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "deploy" / "map.md").read_text(encoding="utf-8")


def test_the_pages_lines_run_as_they_stand(tmp_path: Path) -> None:
    """Other ports are all that differs."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    msc, hlr, metrics = (each.getsockname()[1] for each in sockets)
    for each in sockets:
        each.close()
    config = "".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
    (lines,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert lines.count("\n") == 10
    config = config.replace("port = 2906", f"port = {hlr}").replace(
        'destinations = ["0-23-3"]', f'port = {msc}\ndestinations = ["0-23-3"]'
    )
    config += f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n'
    (tmp_path / "scp.toml").write_text(config)
    lines = lines.replace("127.0.0.1:9464", f"127.0.0.1:{metrics}")
    lines = lines.replace("127.0.0.1:2906", f"127.0.0.1:{hlr}").replace(
        "camel-scp msc", f"camel-scp msc --to 127.0.0.1:{msc}"
    )
    program = tmp_path / "camel-scp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scp.cli "$@"\n')
    program.chmod(0o755)
    environ = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = ["bash", "-eu", "-c", f"trap 'kill $NODE; kill $HLR' ERR\n{lines}wait $NODE"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "node.log").read_text()
    assert "connect 990011234567" in done.stdout
    assert done.stdout.count(": result") == 1
    assert "1 anyTimeInterrogation" in (tmp_path / "hlr.log").read_text()
