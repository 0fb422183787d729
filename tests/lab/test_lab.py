"""Runs the tests that are marked ``sctp`` in the lab: a guest, or where this kernel has SCTP a network of its own."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys

import pytest
import uml

from oracles import servers

TESTS = [
    sys.executable,
    "-m",
    "pytest",
    "-m",
    "sctp",
    "-p",
    "no:cacheprovider",
    "-rs",
    "--durations=12",
    "--tb=short",
    "-s",
    "tests/lab",
]
OWN_NETWORK = f"""
import os, socket
print(*[name for _, name in socket.if_nameindex()])
for address in {uml.ADDRESSES}:
    with socket.create_server((address, 0)) as server, socket.create_connection(server.getsockname()):
        print(address)
print(os.getcwd())
"""
DIRECTLY = servers.kernel_has_sctp()


@pytest.fixture(scope="module")
def guest() -> None:
    """Skip where there is no User Mode Linux that starts."""
    missing = uml.unavailable()
    if missing:
        pytest.skip(missing)
    trial = uml.run(["true"], seconds=30)
    if trial.status < 0 and "as init process" not in trial.console:
        pytest.skip(f"User Mode Linux does not start here: {trial.console.strip().rpartition(chr(10))[2]}")


@pytest.mark.usefixtures("guest")
def test_output_and_status_come_back() -> None:
    result = uml.run(["sh", "-c", 'echo "$SAID"; echo complained >&2; exit 7'], environment={"SAID": "it's"})
    assert (result.status, result.output) == (7, "it's\ncomplained\n"), result.console


@pytest.mark.usefixtures("guest")
def test_the_guest_cannot_write_to_the_host() -> None:
    result = uml.run(["sh", "-c", "touch README.md && echo written"])
    assert result.status != 0
    assert "Read-only file system" in result.output


@pytest.mark.usefixtures("guest")
def test_a_command_without_end_is_killed() -> None:
    result = uml.run(["sleep", "100"], seconds=2)
    assert result.status == -1
    assert result.seconds < 8


@pytest.mark.skipif(DIRECTLY, reason="this kernel has SCTP: a network of its own does")
@pytest.mark.usefixtures("guest")
def test_what_needs_sctp_holds_in_the_guest() -> None:
    for folder in (
        "codecs",
        "scp",
        "tests",
    ):  # the guest can't keep what it compiles: each process would anew
        compileall.compile_dir(uml.ROOT / folder, quiet=1)
    result = uml.run(TESTS, seconds=900, environment={"CAMEL_SCP_LAB": "guest"})
    print(result.output)
    assert result.status == 0, result.console if result.status < 0 else "its output says why"


def test_a_network_of_its_own_has_the_lab_s_addresses_and_no_other() -> None:
    if os.geteuid():
        pytest.skip("a network of its own takes root")
    done = subprocess.run(
        uml.on_own_network([sys.executable, "-c", OWN_NETWORK]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["lo", *uml.ADDRESSES, str(uml.ROOT)]


@pytest.mark.skipif(not DIRECTLY, reason="this kernel has no SCTP: the guest's does")
def test_what_needs_sctp_holds_on_a_network_of_its_own() -> None:
    if os.geteuid():
        pytest.skip("a network of its own takes root")
    result = subprocess.run(
        uml.on_own_network(TESTS), check=False, timeout=900, env={**os.environ, "CAMEL_SCP_LAB": "here"}
    )
    assert result.returncode == 0
