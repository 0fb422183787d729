"""A capture replayed to a live node over kernel SCTP. Runs in the lab (test_lab.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path.append(str(TESTS / "deploy"))  # real_node.py

from real_node import RealNode  # noqa: E402

pytestmark = pytest.mark.sctp


def test_a_capture_is_replayed_over_sctp(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    node.write()
    node.file.write_text(
        node.file.read_text().replace('transport = "tcp"', 'transport = "sctp"'), encoding="utf-8"
    )
    with node.running():
        to = f"127.0.0.1:{node.settings['m3ua']}"
        command = [
            sys.executable,
            "-m",
            "scp.cli",
            "replay",
            str(TESTS.parent / "pcaps" / "cap1-continue.pcapng"),
        ]
        done = subprocess.run(
            [*command, "--to", to, "--transport", "sctp", "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    [shown] = [json.loads(line) for line in done.stdout.splitlines()]
    assert shown["verdict"] == "same"
