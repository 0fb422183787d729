"""The processes of a benchmark: the scenarios' servers on one processor, the load generator on another."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final, final

import uvloop
from msgspec.structs import replace

from scp.bench import server
from scp.bench.generator import Job, generator
from scp.bench.held_script import Then
from scp.bench.load import LoadPlan
from scp.bench.machine import busy_seconds, cpu_seconds, go_first
from scp.bench.monitored_call import MonitoredCall, install
from scp.bench.results import Saturation
from scp.bench.scenarios import fill, fund
from scp.bench.server import OWN
from scp.services.voip_forwarding import VoipForwarding

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from scp.bench.load import LoadReport
    from scp.bench.machine import Machine
    from scp.bench.results import Tally
    from scp.bench.scenarios import Scenario, Size
    from scp.bench.server import Server, Tree

_MICRO: Final = 1e6
_RECORDS_LIMIT: Final = 60.0
"""Seconds that the last CDRs may take to reach the disk."""
_POLL: Final = 0.05
_WARM_SECONDS: Final = 0.3
_DROPPED: Final = 'scp_cdrs_total{result="dropped"}'
_WAITING: Final = "scp_cdrs_waiting"


@final
class Testbed:
    """Servers of scenarios and the load generator.

    Args:
        machine: which processors.
        size: how much.
        folder: for the servers' files.
        tell: called with each step, in words.
        stack: ends all processes.
    """

    __test__ = False  # pytest: no test, whatever its name

    def __init__(
        self,
        machine: Machine,
        size: Size,
        folder: Path,
        tell: Callable[[str], None],
        stack: ExitStack,
    ) -> None:
        self._machine = machine
        self._size = size
        self._folder = folder
        self._tell = tell
        self._stack = stack
        self._redis: Server | None = None
        self._load = stack.enter_context(generator(machine.generator_core, realtime=machine.realtime))

    def start(self, name: str, scenario: Scenario, tree: Tree = OWN, *, console: bool = False) -> Server:
        """Start a scenario's server: ``name`` is unique, ``tree`` has its code."""
        self._tell(f"starting {name}")
        core = self._machine.node_core
        if not scenario.store:
            target = self._stack.enter_context(server.echo(self._folder / f"{name}.log", core, tree))
        else:
            store = self._sqlite(name) if scenario.store == "sqlite" else self._on_redis(scenario)
            target = self.node(name, store, scenario, tree, console=console)
        if self._machine.realtime:
            go_first(target.pid)
        return target

    def node(
        self, name: str, store: str, scenario: Scenario, tree: Tree = OWN, *, console: bool = False
    ) -> Server:
        """Start a node of a scenario, on another store than it says."""
        path = []
        if scenario.charged:
            self._tell("writing accounts")
            uvloop.run(fund(store, self._size.numbers))
        if scenario.held:
            path = [self._folder / f"{name}-services"]
            install(path[0])
        return self._stack.enter_context(
            server.node(
                self._folder,
                self._machine.node_core,
                name=name,
                store=store,
                codec=scenario.codec,
                service=MonitoredCall.name if scenario.held else VoipForwarding.name,
                path=path,
                records=scenario.records,
                charged=scenario.charged,
                api=console,
                tree=tree,
            )
        )

    def _on_redis(self, scenario: Scenario) -> str:
        """Return the URL of a Redis server with all subscribers; one for all nodes."""
        if self._redis is None:
            redis = server.redis(self._folder, self._machine.generator_core)
            self._redis = self._stack.enter_context(redis)
            if self._machine.realtime:
                go_first(self._redis.pid)
            self._tell(f"writing {self._size.subscribers:,} subscribers to Redis")
            uvloop.run(fill(f"redis://127.0.0.1:{self._redis.port}", self._size.subscribers))
        url = f"redis://127.0.0.1:{self._redis.port}"
        return f"{url}?cached=true" if scenario.store == "redis-cached" else url

    def _sqlite(self, name: str) -> str:
        """Return the URL of a file with all subscribers, one a node: its owner locks it."""
        master = self._folder / "subscribers.db"
        if not master.exists():
            self._tell(f"writing {self._size.subscribers:,} subscribers")
            uvloop.run(fill(f"sqlite:{master}", self._size.subscribers))
        copy = self._folder / f"{name}.db"
        shutil.copyfile(master, copy)
        return f"sqlite:{copy}"

    def run(self, scenario: Scenario, target: Server, plan: LoadPlan) -> LoadReport:
        """Have the generator make calls."""
        return self._load.run(self._job(scenario, target, plan))

    def _job(self, scenario: Scenario, target: Server, plan: LoadPlan) -> Job:
        return Job(
            ports=(target.port,),
            plan=plan,
            subscribers=self._size.subscribers,
            numbers=self._size.numbers,
            canned=not scenario.store,
            ended=not scenario.controlled,
            charged=scenario.charged,
        )

    def warm(self, scenario: Scenario, target: Server) -> None:
        """Have a server do everything once, and read every subscriber if it remembers what it reads."""
        plan = LoadPlan(window=scenario.window, duration=_WARM_SECONDS, then=then(scenario))
        job = self._job(scenario, target, plan)
        self._load.run(job)
        if scenario.store == "redis-cached":
            plan = LoadPlan(window=scenario.window, calls=job.numbers, duration=600.0)
            for first in range(0, job.subscribers, job.numbers):
                self._load.run(replace(job, first=first, plan=plan))

    def saturate(self, scenario: Scenario, target: Server, tally: Tally) -> Saturation:
        """Make as many calls as the window allows, for one round; they are noted in ``tally``."""
        core = self._machine.node_core
        plan = LoadPlan(window=scenario.window, duration=self._size.seconds, then=then(scenario))
        lost = target.metric(_DROPPED) if scenario.records else 0.0
        all_before, before = busy_seconds(core), cpu_seconds(target.pid)
        report = self.run(scenario, target, plan)
        tally.add(report)
        seconds = report.seconds
        if scenario.records:
            seconds += wait_for_records(target)
            tally.lost_records(int(target.metric(_DROPPED) - lost))
        used, all_used = cpu_seconds(target.pid) - before, busy_seconds(core) - all_before
        answered = max(report.answered, 1)
        found = Saturation(
            calls_per_s=report.calls_per_second * report.seconds / seconds,
            cpu_us_per_call=used / answered * _MICRO,
            node_busy=used / seconds,
            elsewhere_busy=max(0.0, all_used - used) / seconds,
            generator_busy=report.generator_cpu / report.seconds,
            generator_us_per_call=report.generator_cpu / answered * _MICRO,
        )
        tally.saturated(found)
        return found


def wait_for_records(target: Server) -> float:
    """Return the seconds until all CDRs are on the disk; they are counted with the calls that left them."""
    started = time.monotonic()
    while target.metric(_WAITING) and time.monotonic() - started < _RECORDS_LIMIT:
        time.sleep(_POLL)
    return time.monotonic() - started


def then(scenario: Scenario) -> Then:
    """Return what happens to the dialogues that the scenario's node holds open."""
    if scenario.charged:
        return Then.CHARGE
    return Then.REPORT if scenario.held else Then.END
