"""The command: what there is, and that a start imports no more than it uses."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from scp.cli import COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: camel-scp {name}" in result.output


def test_all_are_listed() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(f" {name} " in result.output for name in COMMANDS)


def test_an_unknown_one_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["server"])
    assert result.exit_code == 2
    assert "No such command 'server'" in result.output


def test_a_start_imports_no_room() -> None:
    program = (
        "import sys, scp.cli; print(*(name for name in sys.modules if name.startswith(('scp.', 'ss7'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["scp.cli"]
