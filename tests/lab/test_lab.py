"""Runs the tests that are marked ``sctp`` in the lab, where this kernel has no SCTP."""

from __future__ import annotations

import sys

import pytest
import uml

from oracles import servers


@pytest.fixture(scope="session", autouse=True)
def _needs_the_lab() -> None:
    missing = uml.unavailable()
    if missing:
        pytest.skip(missing)
    trial = uml.run(["true"], seconds=30)
    if trial.status < 0 and "as init process" not in trial.console:
        pytest.skip(f"User Mode Linux does not start here: {trial.console.strip().rpartition(chr(10))[2]}")


def test_output_and_status_come_back() -> None:
    result = uml.run(["sh", "-c", 'echo "$SAID"; echo complained >&2; exit 7'], environment={"SAID": "it's"})
    assert (result.status, result.output) == (7, "it's\ncomplained\n"), result.console


def test_the_guest_cannot_write_to_the_host() -> None:
    result = uml.run(["sh", "-c", "touch README.md && echo written"])
    assert result.status != 0
    assert "Read-only file system" in result.output


def test_a_command_without_end_is_killed() -> None:
    result = uml.run(["sleep", "100"], seconds=2)
    assert result.status == -1
    assert result.seconds < 8


@pytest.mark.skipif(servers.kernel_has_sctp(), reason="this kernel has SCTP: those tests run here")
def test_what_needs_sctp_holds_in_the_lab() -> None:
    result = uml.run(
        [sys.executable, "-m", "pytest", "-m", "sctp", "-p", "no:cacheprovider", "-rs", "tests/lab"],
        seconds=300,
    )
    print(result.output)
    assert result.status == 0, result.console
