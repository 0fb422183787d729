"""What every test may ask for: oracles, real servers, published vectors; and which examples hypothesis makes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import ss7.ber
from oracles import examples, servers, timing, tshark, vectors, waiting
from oracles.recorder import Recorder

COMPILED = ss7.ber.__file__.endswith((".so", ".pyd"))
DISSECTED = pytest.StashKey[int]()
KEPT_BY_A_NODE = (".db", ".cdr", ".guardian", ".messages", ".held", ".armed", ".lock")

# What a user's terminal, or a CI's, asks of programs would be in the output that tests read; and a proxy has no way here.
for _name in ("COLUMNS", "TERMINAL_WIDTH", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
    os.environ.pop(_name, None)
for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost", "::1")))

examples.choose_profile()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test plain code where compiled code was meant, which would pass and show nothing."""
    if os.environ.get("CAMEL_SCP_TESTED") == "compiled" and not COMPILED:
        raise pytest.UsageError(f"compiled code is to be tested, but ss7 comes from {ss7.ber.__file__}")
    config.addinivalue_line(
        "markers", "alone: holds a time that is promised; runs after the others, by itself"
    )
    config.addinivalue_line("markers", "sctp: needs SCTP in the kernel and a network of its own: the lab")
    config.stash[DISSECTED] = 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what needs SCTP to the lab (tests/lab/test_lab.py): it takes addresses away and tunes the kernel."""
    if os.environ.get("CAMEL_SCP_LAB"):
        return
    elsewhere = [item for item in items if item.get_closest_marker("sctp")]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what is tested and with which examples (a report header of pytest's own is not shown with -q)."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        seed = session.config.getoption("--hypothesis-seed")
        reporter.write_line(f"ss7 and the stack are {'compiled' if COMPILED else 'plain Python'}")
        reporter.write_line(examples.described(seed))


@pytest.fixture(scope="session")
def everything_sent(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """Takes whatever a node sends (``everything_sent.sent(message, stream=…)``); tshark judges it all at the end.

    What it finds fails the run, as an error of the process's last test; the text names the test that it came from.
    """
    recorder = Recorder()
    yield recorder
    if tshark.available():
        return
    found = recorder.problems()
    request.config.stash[DISSECTED] = len(recorder)
    assert not found, f"tshark, on {len(recorder)} messages that nodes sent:\n" + "\n".join(map(str, found))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's count to the controller (xdist)."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["dissected"] = session.config.stash[DISSECTED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up the workers' counts (xdist)."""
    node.config.stash[DISSECTED] += getattr(node, "workeroutput", {}).get("dissected", 0)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how much tshark has seen."""
    missing = tshark.available()
    if missing:
        terminalreporter.write_line(f"{missing}: nobody has looked at what the nodes sent")
    elif config.stash[DISSECTED]:
        terminalreporter.write_line(f"tshark dissected {config.stash[DISSECTED]} messages that nodes sent")


@pytest.fixture(autouse=True, scope="session")
def files_of_nodes_are_in_folders_of_their_own() -> Iterator[None]:
    """No node keeps its files where the tests were started: another test's node of that name would be refused."""
    here = Path.cwd()
    before = set(here.iterdir())
    yield
    left = [file.name for file in set(here.iterdir()) - before if file.name.endswith(KEPT_BY_A_NODE)]
    assert not left, f"a test's node ran where the tests were started, and left {sorted(left)}"


@pytest.fixture(autouse=True)
def log_as_at_the_start() -> None:
    """Undo what another test's node has configured: what is logged must not depend on which tests ran before."""
    structlog.reset_defaults()


@pytest.fixture
def slowdown() -> float:
    """By how much to stretch a bound on time: tracing, and a slow or busy machine, are no fault of the code."""
    return (15.0 if sys.gettrace() else 3.0) * timing.slower() * waiting.seconds_for_one_of_work()


@pytest.fixture
def free_tcp_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    return servers.free_tcp_port()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """An empty Redis of the test's own."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    with servers.redis_server(tmp_path) as url:
        yield url


@pytest.fixture
def osmo_stp(tmp_path: Path) -> Iterator[servers.Stp]:
    """An osmo-stp of the test's own, over SCTP."""
    missing = servers.stp_unavailable()
    if missing:
        pytest.skip(missing)
    with servers.osmo_stp(tmp_path) as stp:
        yield stp


@pytest.fixture(scope="session", name="vectors")
def published_vectors() -> list[vectors.Vector]:
    """The published PDUs."""
    found = vectors.load()
    if not found:
        pytest.skip(vectors.MISSING)
    return found


@pytest.fixture(scope="session")
def dissect() -> Any:
    """`oracles.tshark.dissect`, where tshark is."""
    missing = tshark.available()
    if missing:
        pytest.skip(missing)
    return tshark.dissect
