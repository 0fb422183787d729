"""The benchmark: each node alone on one processor, the load generator on another; others can repeat it.

A scenario's server is a process of its own, pinned to the first processor this one may use; the load
generator is pinned to the second, where Redis is as well, and checks every answer. All servers are up at once
and take turns, a round each, so that what else the machine does meets all of them; a scenario's best round
counts. What is measured:

- saturation: as many calls as the window of outstanding ones allows, for some seconds; the node's CPU time;
- latency: at 50 % and at 80 % of that rate, from when a call was sent to when its answer came; how late the
  generator sent it is told apart.

Who may (root) has node, Redis and generator run before all other programs (`go_first`): else latency is
what the kernel's scheduler makes of everybody's timers.

All calls are InitialDP of CAP v2 (terminating, the subscriber abroad) in UDT over M3UA over TCP on the
loopback interface, to subscribers drawn at random; every second subscriber forwards, so that half of the
answers are Connect, the others Continue, all in TC-END.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import uvloop
from msgspec.structs import replace

from scp.bench import server
from scp.bench.generator import Job, generator
from scp.bench.held_script import Then
from scp.bench.load import LoadPlan
from scp.bench.machine import (
    Machine,
    busy_seconds,
    cpu_seconds,
    describe,
    go_first,
    private,
    resident,
)
from scp.bench.monitored_call import MonitoredCall, install
from scp.bench.replay import against_tshark, tshark_program
from scp.bench.results import Report, Result, Saturation, Tally, latency
from scp.bench.scale import scaled
from scp.bench.scenarios import CODEC, REPLAY, SCALE, SCENARIOS, SOAK, Scenario, Size, fill
from scp.bench.soak import soak
from scp.services.voip_forwarding import VoipForwarding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.bench.generator import Generator
    from scp.bench.load import LoadReport
    from scp.bench.server import Server

HALF: Final = 0.5
MOST: Final = 0.8
_MICRO: Final = 1e6
_MIB: Final = 1 << 20
_RECORDS_LIMIT: Final = 60.0
"""Seconds that the last CDRs may take to reach the disk."""
_POLL: Final = 0.05
_WARM_SHARE: Final = 5
"""For each so many dialogues that are counted one is opened before."""


def run(names: Sequence[str], size: Size, tell: Callable[[str], None], *, realtime: bool = False) -> Report:
    """Run scenarios.

    Args:
        names: some of `scp.bench.scenarios.NAMES`.
        size: how much.
        tell: told what goes on.
        realtime: whether node, Redis and generator run before all other programs if we may have them do so.

    Raises:
        ServerError: a server did not start, or a program is not installed; or as `run_load`.
    """
    if REPLAY in names:
        tshark_program()  # what can't be done is said before minutes of measuring
    machine = describe()
    machine = replace(machine, realtime=realtime and machine.realtime)
    report = Report(machine=machine, size=size, results={}, codec={}, parts={})
    chosen = {name: SCENARIOS[name] for name in SCENARIOS if name in names}
    with tempfile.TemporaryDirectory(prefix="camel-scp-bench-") as temporary:
        folder = Path(temporary)
        if chosen:
            report = replace(report, results=_Bench(machine, size, folder, tell).run(chosen))
        if CODEC in names:
            from scp.bench.codec import codec_times  # noqa: PLC0415 - half a second of pycrate
            from scp.bench.parts import part_times  # noqa: PLC0415 - only where asked for

            tell("codec, and a call's parts")
            codec, parts = codec_times(size.codec_seconds), part_times(size.codec_seconds * 10)
            report = replace(report, codec=codec, parts=parts)
        if SCALE in names:
            report = replace(report, scale=scaled(machine, size, folder, tell))
        if REPLAY in names:
            report = replace(report, replay=against_tshark(folder, size.replayed, tell))
        if SOAK in names:
            report = replace(report, soak=soak(machine, size, folder, tell))
    return report


@final
class _Bench:
    """One run of several scenarios with servers."""

    def __init__(self, machine: Machine, size: Size, folder: Path, tell: Callable[[str], None]) -> None:
        self._machine = machine
        self._size = size
        self._folder = folder
        self._tell = tell
        self._redis: list[Server] = []

    def run(self, scenarios: dict[str, Scenario]) -> dict[str, Result]:
        """Run them; results by name."""
        tell, size = self._tell, self._size
        with ExitStack() as stack:
            realtime = self._machine.realtime
            load = stack.enter_context(generator(self._machine.generator_core, realtime=realtime))
            servers = {name: self._start(stack, name, scenario) for name, scenario in scenarios.items()}
            if realtime:
                for each in (*servers.values(), *self._redis):
                    go_first(each.pid)
            empty = self._empty_node() if any(scenario.store for scenario in scenarios.values()) else 0
            tallies = {name: Tally() for name in scenarios}
            for name, scenario in scenarios.items():
                self._warm(load, scenario, servers[name])
            loaded = {name: resident(target.pid) - empty for name, target in servers.items()}
            for turn in range(size.rounds):
                tell(f"saturation, round {turn + 1} of {size.rounds}")
                for name, scenario in scenarios.items():
                    self._saturate(load, scenario, servers[name], tallies[name])
            slow = self._latencies(load, scenarios, servers, tallies)
            return {
                name: self._finish(load, scenario, servers[name], tallies[name], loaded[name], slow[name])
                for name, scenario in scenarios.items()
            }

    def _start(self, stack: ExitStack, name: str, scenario: Scenario) -> Server:
        self._tell(f"starting {name}")
        core = self._machine.node_core
        if not scenario.store:
            return stack.enter_context(server.echo(self._folder, core))
        path = []
        if scenario.held:
            path = [self._folder / "services"]
            install(path[0])
        store = self._sqlite(name) if scenario.store == "sqlite" else self._on_redis(stack, scenario)
        return stack.enter_context(
            server.node(
                self._folder,
                core,
                name=name,
                store=store,
                codec=scenario.codec,
                service=MonitoredCall.name if scenario.held else VoipForwarding.name,
                path=path,
                records=scenario.records,
            )
        )

    def _on_redis(self, stack: ExitStack, scenario: Scenario) -> str:
        """Return the URL of a Redis server with all subscribers; one for all nodes."""
        first = not self._redis
        if first:
            self._redis.append(stack.enter_context(server.redis(self._folder, self._machine.generator_core)))
        url = f"redis://127.0.0.1:{self._redis[0].port}"
        if first:
            self._tell(f"writing {self._size.subscribers:,} subscribers to Redis")
            uvloop.run(fill(url, self._size.subscribers))
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

    def _empty_node(self) -> int:
        """Return the octets of memory of a node without subscribers."""
        with server.node(
            self._folder, self._machine.node_core, name="empty", store="sqlite::memory:"
        ) as empty:
            return resident(empty.pid)

    def _job(self, scenario: Scenario, target: Server, plan: LoadPlan) -> Job:
        size = self._size
        return Job(
            ports=(target.port,),
            plan=plan,
            subscribers=size.subscribers,
            numbers=size.numbers,
            canned=not scenario.store,
            ended=not scenario.held,
        )

    def _warm(self, load: Generator, scenario: Scenario, target: Server) -> None:
        """Have a node do everything once, and read every subscriber if it remembers what it reads."""
        plan = LoadPlan(window=scenario.window, duration=0.3, then=_then(scenario))
        job = self._job(scenario, target, plan)
        load.run(job)
        if scenario.store == "redis-cached":
            plan = LoadPlan(window=scenario.window, calls=job.numbers, duration=600.0)
            for first in range(0, job.subscribers, job.numbers):
                load.run(replace(job, first=first, plan=plan))

    def _saturate(self, load: Generator, scenario: Scenario, target: Server, tally: Tally) -> None:
        core = self._machine.node_core
        plan = LoadPlan(window=scenario.window, duration=self._size.seconds, then=_then(scenario))
        lost = target.metric(_DROPPED) if scenario.records else 0.0
        all_before, before = busy_seconds(core), cpu_seconds(target.pid)
        report = load.run(self._job(scenario, target, plan))
        tally.add(report)
        seconds = report.seconds
        if scenario.records:
            seconds += _wait_for_records(target)
            tally.lost_records(int(target.metric(_DROPPED) - lost))
        used, all_used = cpu_seconds(target.pid) - before, busy_seconds(core) - all_before
        answered = max(report.answered, 1)
        tally.saturated(
            Saturation(
                calls_per_s=report.calls_per_second * report.seconds / seconds,
                cpu_us_per_call=used / answered * _MICRO,
                node_busy=used / seconds,
                elsewhere_busy=max(0.0, all_used - used) / seconds,
                generator_busy=report.generator_cpu / report.seconds,
                generator_us_per_call=report.generator_cpu / answered * _MICRO,
            )
        )

    def _latencies(
        self,
        load: Generator,
        scenarios: dict[str, Scenario],
        servers: dict[str, Server],
        tallies: dict[str, Tally],
    ) -> dict[str, dict[float, list[LoadReport]]]:
        """Return the reports of every round, by scenario and share of its best calls a second."""
        found: dict[str, dict[float, list[LoadReport]]] = {name: {HALF: [], MOST: []} for name in scenarios}
        for turn in range(self._size.rounds):
            self._tell(f"latency, round {turn + 1} of {self._size.rounds}")
            for name, scenario in scenarios.items():
                for share, reports in found[name].items():
                    plan = LoadPlan(
                        rate=share * _best(tallies[name]).calls_per_s,
                        window=1 << 14,
                        duration=self._size.latency_seconds,
                        then=_then(scenario),
                    )
                    report = load.run(self._job(scenario, servers[name], plan))
                    tallies[name].add(report)
                    reports.append(report)
                    if scenario.records:
                        _wait_for_records(servers[name])  # or they are written on the next one's time
        return found

    def _finish(
        self,
        load: Generator,
        scenario: Scenario,
        target: Server,
        tally: Tally,
        loaded: int,
        slow: dict[float, list[LoadReport]],
    ) -> Result:
        """Put all together; ``loaded`` is what the subscribers take."""
        best = _best(tally)
        return Result(
            saturation=best,
            half=latency(slow[HALF], HALF * best.calls_per_s),
            most=latency(slow[MOST], MOST * best.calls_per_s),
            memory_mib=resident(target.pid) / _MIB,
            bytes_per_subscriber=loaded / self._size.subscribers if scenario.remembers else None,
            bytes_per_dialogue=self._open_dialogues(load, scenario) if scenario.held else None,
            calls=tally.calls,
            faults=tally.faults,
        )

    def _open_dialogues(self, load: Generator, scenario: Scenario) -> float:
        """Leave dialogues open at a node that has done nothing else, and return the octets that each takes.

        The node has no subscribers: all calls are continued, and held like those that are steered.
        """
        self._tell("memory of open dialogues")
        count = self._size.dialogues
        with server.node(
            self._folder,
            self._machine.node_core,
            name="dialogues",
            store="sqlite::memory:",
            service=MonitoredCall.name,
            path=[self._folder / "services"],
        ) as target:
            memory = []
            for calls in (max(1, count // _WARM_SHARE), count):
                plan = LoadPlan(window=scenario.window, calls=calls, duration=600.0, then=Then.LEAVE)
                load.run(self._job(scenario, target, plan))
                memory.append(private(target.pid))
        return (memory[1] - memory[0]) / count


_DROPPED: Final = 'scp_cdrs_total{result="dropped"}'
_WAITING: Final = "scp_cdrs_waiting"


def _wait_for_records(target: Server) -> float:
    """Return the seconds until all CDRs are on the disk; they are counted with the calls that left them."""
    started = time.monotonic()
    while target.metric(_WAITING) and time.monotonic() - started < _RECORDS_LIMIT:
        time.sleep(_POLL)
    return time.monotonic() - started


def _best(tally: Tally) -> Saturation:
    if tally.best is None:
        raise ValueError("no rounds")
    return tally.best


def _then(scenario: Scenario) -> Then:
    return Then.REPORT if scenario.held else Then.END
