"""Starts the servers under test, each a process of its own, pinned to one processor."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.request import urlopen

from msgspec import Struct

from scp.bench.build import fresh_build
from scp.bench.scenarios import HOME, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

START_LIMIT: Final = 120.0
"""Seconds that a node may take to load its store."""
_POLL: Final = 0.05

# The deadlines are long: where a machine is too slow, that shows as latency, not as calls that were continued
# by policy.
_CONFIG: Final = """\
[node]
name = "{name}"
instance = {instance}
point_code = "0-23-1"

[sccp]
global_title = "46700000001"

[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {port}

[store]
url = "{store}"
deadline_ms = 800

[numbering]
country_code = "46"
home_vlr = ["{home}"]

[engine]
codec = "{codec}"
answer_deadline_ms = 900

[overload]
{overload}

{services}

[charging]
call_records = {records}
{tariffs}

[telemetry]
metrics = "{metrics}"
{api}
"""
_API: Final = """
[api]
listen = "127.0.0.1:{port}"
rate = 1000000
burst = 1000000
audit = "audit.log"
[[api.keys]]
name = "bench"
sha256 = "{sha256}"
scopes = ["authorization", "registration", "forwarding", "charging", "read"]
"""
TOKEN: Final = "bench-api"  # noqa: S105 - of a node of ours, for as long as it is measured
"""Opens the API of a node that has one."""
_CHARGED: Final = """
[services.voip-forwarding.charging]
pays = ["roamer"]
first_s = 60
next_s = 60
withheld_s = 0
[journal]
enabled = true
"""
_TARIFFS: Final = """
[[charging.tariffs]]
prefix = "33"
price = 6
[[charging.tariffs]]
prefix = "468"
price = 60
"""
_PATIENT: Final = "delay_ms = 900\nrefuse_ms = 5000"
_SERVICE: Final = '[services.{name}]\nservice_keys = [100]\nprefix = "{prefix}"'


class ServerError(Exception):
    """A server did not start; the text has the end of its log."""


class Tree(Struct, frozen=True, kw_only=True):
    """The code that servers run.

    Attributes:
        python: the interpreter.
        places: folders of its packages; empty: those that this process uses.
    """

    python: str = sys.executable
    places: tuple[Path, ...] = ()


OWN: Final = Tree()


def other_tree(checkout: Path, *, compiled: bool) -> Tree:
    """Return the code of another checkout, its build if it is to be ``compiled``.

    Raises:
        ServerError: there is no checkout, or no build of it that is as new as its sources.
    """
    if not (checkout / "scp" / "bench").is_dir():
        raise ServerError(f"{checkout} is no checkout of camel-scp")
    places: tuple[Path, ...] = (checkout / "codecs", checkout)
    if compiled:
        build = fresh_build(checkout)
        if build is None:
            raise ServerError(f"{checkout} has no new build, and this code is compiled: make compiled there")
        places = (build,)
    python = checkout / ".venv" / "bin" / "python"
    return Tree(python=str(python) if python.exists() else sys.executable, places=places)


class Server:
    """A server that runs.

    Attributes:
        pid: of its process.
        port: where it listens for M3UA, or Redis for its clients, at 127.0.0.1.
        metrics: URL of its metrics page; "" if it has none.
        api: port of its API, which `TOKEN` opens; 0 if it has none.
    """

    def __init__(self, pid: int, port: int, metrics: str = "", api: int = 0) -> None:
        self.pid = pid
        self.port = port
        self.metrics = metrics
        self.api = api

    def metric(self, name: str) -> float:
        """Return the value of a metric: its sample ``name``, labels included.

        Raises:
            KeyError: there is none.
        """
        with urlopen(self.metrics, timeout=START_LIMIT) as page:  # noqa: S310 - our own node
            for line in page.read().decode().splitlines():
                sample, _, value = line.rpartition(" ")
                if sample == name:
                    return float(value)
        raise KeyError(name)


@contextmanager
def echo(log: Path, core: int, tree: Tree = OWN) -> Iterator[Server]:
    """Run `scp.bench.echo`."""
    port = free_port()
    command = python(tree, "scp.bench.echo", str(port))
    with _running(command, log, core, environment(tree.places)) as pid:
        yield Server(pid, port)


@contextmanager
def node(
    folder: Path,
    core: int,
    *,
    name: str,
    store: str,
    codec: str = "fast",
    service: str = "voip-forwarding",
    records: bool = False,
    charged: bool = False,
    sheds: bool = False,
    path: Sequence[Path] = (),
    instance: int = 0,
    api: bool = False,
    tree: Tree = OWN,
) -> Iterator[Server]:
    """Run ``camel-scp serve``.

    Args:
        folder: where it gets one of its own, for its configuration and all that it writes.
        core: the processor that it gets.
        name: of that folder.
        store: URL of the store.
        codec: ``engine.codec``.
        service: the name of the service.
        records: whether every call leaves a CDR.
        charged: whether subscribers pay for calls that they get abroad, and held calls are journalled.
        sheds: whether calls that waited too long are continued without a lookup: not where a generator keeps
            calls outstanding all the time.
        path: folders where more distributions are, with services in them.
        instance: ``node.instance``: nodes of one AS must differ in it.
        api: whether it has an API, with the console.
        tree: the code that it runs.
    """
    port, metrics = free_port(), f"127.0.0.1:{free_port()}"
    listens = free_port() if api else 0
    home = folder / name
    home.mkdir()
    config = home / "scp.toml"
    config.write_text(
        _CONFIG.format(
            name=name,
            port=port,
            store=store,
            home=HOME,
            codec=codec,
            services=_SERVICE.format(name=service, prefix=PREFIX) + (_CHARGED if charged else ""),
            tariffs=_TARIFFS if charged else "",
            metrics=metrics,
            instance=instance,
            overload="" if sheds else _PATIENT,
            records="true" if records else "false",
            api=_API.format(port=listens, sha256=hashlib.sha256(TOKEN.encode()).hexdigest()) if api else "",
        ),
        encoding="utf-8",
    )
    command = python(tree, "scp.cli", "serve", "-c", str(config))
    with _running(command, home / "log", core, environment([*path, *tree.places])) as pid:
        yield Server(pid, port, f"http://{metrics}/metrics", listens)


@contextmanager
def redis(folder: Path, core: int) -> Iterator[Server]:
    """Run a Redis server that keeps nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        raise ServerError("redis-server is not installed; the scenarios of SQLite do without")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(command, folder / "redis.log", core, {}, "Ready to accept connections") as pid:
        yield Server(pid, port)


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(tree: Tree, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of a tree's packages, not of the working directory."""
    return [tree.python, "-P", "-m", module, *arguments]


def environment(places: Sequence[Path]) -> dict[str, str]:
    """Return the variable that has Python look for packages in these folders before all others."""
    known = os.environ.get("PYTHONPATH")
    folders = [*map(str, places), *([known] if known else [])]
    return {"PYTHONPATH": os.pathsep.join(folders)} if folders else {}


@contextmanager
def _running(
    command: list[str], log: Path, core: int, environment: Mapping[str, str], sign: str = "started"
) -> Iterator[int]:
    """Run a command until the block ends; it has started once ``sign`` is in its log."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=log.parent,
            env=os.environ | environment,
        )
        try:
            os.sched_setaffinity(process.pid, {core})  # its threads, all made later, get the same
            _await_start(process, log, sign)
            yield process.pid
        finally:
            process.kill()
            process.wait()


def _await_start(process: subprocess.Popen[bytes], log: Path, sign: str) -> None:
    until = time.monotonic() + START_LIMIT
    while True:
        said = log.read_text(encoding="utf-8", errors="replace")
        if sign in said:
            return
        if process.poll() is not None or time.monotonic() > until:
            raise ServerError(
                f"{log.parent.name}/{log.name}: did not start: {said.strip()[-1000:] or 'its log is empty'}"
            )
        time.sleep(_POLL)
