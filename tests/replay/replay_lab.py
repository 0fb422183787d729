"""What tests of a replay to a live node share: the command, a node with two subscribers, captures made to measure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scp.bench.replay_capture import generate, subscriber
from scp.cli import app

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / folder) for folder in ("capture", "simulator", "deploy")]
from made_capture import MSC, NETWORK, SCP, write  # noqa: E402

PCAPS = TESTS.parent / "pcaps"

__all__ = ["MSC", "NETWORK", "PCAPS", "SCP", "generate", "impatient", "objects", "run", "subscriber", "write"]


def run(*arguments: object, code: int | None = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    assert code is None or done.exit_code == code, done.output
    return done.output


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in output.splitlines() if text.startswith("{")]


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an association that does not come up given up soon."""
    monkeypatch.setattr("scp.replay.replay_command._CONNECT", 0.3)
