"""Benchmark scenarios that others can repeat: each node alone on one processor, the generator on another.

A scenario's server is a process of its own, pinned to the first processor this one may use; the load
generator is pinned to the second, and checks every answer. All servers are up at once and take turns, a round
each, so that what else the machine does meets all of them; a scenario's best round counts. What is measured:

- saturation: as many calls as the window of outstanding ones allows, for some seconds; the node's CPU time;
- latency: at 50 % and at 80 % of that rate, from when a call was due to when its answer came.

All calls are InitialDP of CAP v2 (terminating, the subscriber abroad) in UDT over M3UA over TCP on the
loopback interface, to subscribers drawn at random; every second subscriber forwards, so that half of the
answers are Connect, the others Continue, all in TC-END.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from msgspec import Struct
from msgspec.structs import replace

from scp.services.voip_forwarding import VoipForwarding
from scp.simulator import bench_server as server
from scp.simulator.bench_generator import Job, generator
from scp.simulator.bench_machine import Machine, busy_seconds, cpu_seconds, describe, resident
from scp.simulator.bench_subscribers import fill
from scp.simulator.followup import Then
from scp.simulator.held import Held, install
from scp.simulator.load import LoadPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.simulator.bench_generator import Generator
    from scp.simulator.bench_server import Server
    from scp.simulator.load import LoadReport

HALF: Final = 0.5
MOST: Final = 0.8
CODEC: Final = "codec"
PARTS: Final = "parts"
ECHO: Final = "echo"
_MICRO: Final = 1e6
_MIB: Final = 1 << 20
_NUMBER: Final = re.compile(r"[0-9]{5,}")


class Scenario(Struct, frozen=True, kw_only=True):
    """One scenario with a server.

    Attributes:
        summary: what it is, for people.
        store: "sqlite", "redis", "redis-cached", or "" for none.
        codec: ``engine.codec``.
        window: calls outstanding at saturation; 256 in one batch would look like a backlog to the node.
        held: whether the calls' dialogues are held open until they are over.
        records: whether every call leaves a CDR.
    """

    summary: str
    store: str = ""
    codec: str = "fast"
    window: int = 240
    held: bool = False
    records: bool = False

    @property
    def remembers(self) -> bool:
        """Whether the node has the subscribers in its own memory."""
        return self.store in ("sqlite", "redis-cached")


SCENARIOS: Final = {
    "steer": Scenario(
        summary="InitialDP to Connect or Continue in TC-END, each record read from Redis", store="redis"
    ),
    "steer-sqlite": Scenario(summary="the same, the records in the embedded SQLite store", store="sqlite"),
    "steer-recorded": Scenario(
        summary="as steer-sqlite, and every call leaves a CDR", store="sqlite", records=True
    ),
    "steer-cached": Scenario(
        summary="as steer, with cached=true, after every subscriber was called once", store="redis-cached"
    ),
    "held": Scenario(
        summary="InitialDP, RequestReport with Connect or Continue, answer, disconnect, Continue in TC-END",
        store="sqlite",
        held=True,
    ),
    "reference": Scenario(
        summary="as steer-sqlite, but pycrate decodes and encodes all of TCAP and CAP",
        store="sqlite",
        codec="reference",
        window=32,
    ),
    ECHO: Scenario(summary="the same loop, sockets and M3UA machine, a canned answer: the machine's limit"),
}
NAMES: Final = (*SCENARIOS, CODEC)


class Size(Struct, frozen=True, kw_only=True):
    """How long to measure.

    Attributes:
        subscribers: in the store.
        numbers: subscribers that are called.
        rounds: turns of each scenario at saturation.
        seconds: of one of them.
        latency_seconds: at each of the two rates.
        codec_seconds: for each step of the codec.
        dialogues: held open at once, to see what memory they take.
    """

    subscribers: int
    numbers: int
    rounds: int
    seconds: float
    latency_seconds: float
    codec_seconds: float
    dialogues: int


FULL: Final = Size(
    subscribers=1_000_000,
    numbers=100_000,
    rounds=5,
    seconds=4.0,
    latency_seconds=10.0,
    codec_seconds=0.5,
    dialogues=50_000,
)
QUICK: Final = Size(
    subscribers=100_000,
    numbers=20_000,
    rounds=3,
    seconds=1.0,
    latency_seconds=1.5,
    codec_seconds=0.1,
    dialogues=20_000,
)


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds from when a call was due to its answer, at ``rate`` calls a second."""

    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


class Saturation(Struct, frozen=True, kw_only=True):
    """The best round at saturation.

    Attributes:
        calls_per_s: answered.
        cpu_us_per_call: of the node, all its threads.
        node_busy: share of the time that the node had its processor.
        elsewhere_busy: share that others had it.
        generator_busy: share of the time that the generator worked: below 1, it was not the bottleneck.
        generator_us_per_call: its CPU time a call.
    """

    calls_per_s: float
    cpu_us_per_call: float
    node_busy: float
    elsewhere_busy: float
    generator_busy: float
    generator_us_per_call: float


class Result(Struct, frozen=True, kw_only=True):
    """What a scenario came to.

    Attributes:
        saturation: the best round.
        half, most: latencies at 50 % and at 80 % of it.
        memory_mib: of the node after it.
        bytes_per_subscriber: of the node's memory; None where it keeps none of them.
        bytes_per_dialogue: of the node's memory; None where dialogues are not held open.
        calls: that were made in all.
        faults: answers that were wrong or missing, in words.
    """

    saturation: Saturation
    half: Latency
    most: Latency
    memory_mib: float
    bytes_per_subscriber: float | None
    bytes_per_dialogue: float | None
    calls: int
    faults: tuple[str, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """All that a benchmark found out.

    Attributes:
        machine: where.
        size: how much.
        results: by scenario.
        codec: as `codec_times` returns it; empty if it was not asked for.
        parts: microseconds of a call above the socket, as `part_times` returns them; empty likewise.
    """

    machine: Machine
    size: Size
    results: dict[str, Result]
    codec: dict[str, dict[str, dict[str, float]]]
    parts: dict[str, float]


def run(names: Sequence[str], size: Size, tell: Callable[[str], None]) -> Report:
    """Run scenarios.

    Args:
        names: some of `NAMES`.
        size: how much.
        tell: told what goes on.

    Raises:
        ServerError: a server did not start; or as `run_load`.
    """
    machine = describe()
    chosen = {name: SCENARIOS[name] for name in SCENARIOS if name in names}
    with tempfile.TemporaryDirectory(prefix="camel-scp-bench-") as folder:
        bench = _Bench(machine, size, Path(folder), tell)
        results = bench.run(chosen) if chosen else {}
    codec: dict[str, dict[str, dict[str, float]]] = {}
    parts: dict[str, float] = {}
    if CODEC in names:
        from scp.simulator.bench_codec import codec_times  # noqa: PLC0415 - half a second of pycrate
        from scp.simulator.bench_parts import part_times  # noqa: PLC0415 - only where asked for

        tell("codec, and a call's parts")
        codec = codec_times(size.codec_seconds)
        parts = part_times(size.codec_seconds * 10)
    return Report(machine=machine, size=size, results=results, codec=codec, parts=parts)


class _Tally:
    """What a scenario's runs came to so far."""

    def __init__(self) -> None:
        self.best: Saturation | None = None
        self.calls = 0
        self._wrong: Counter[str] = Counter()
        self._trouble: dict[str, None] = {}

    def add(self, report: LoadReport) -> None:
        """Count a run's calls and note what was wrong."""
        self.calls += report.sent
        for reason, count in report.wrong.items():
            self._wrong[_NUMBER.sub("…", reason)] += count
        self._wrong["missing"] += report.missing
        self._trouble |= dict.fromkeys(report.trouble)

    @property
    def faults(self) -> tuple[str, ...]:
        """What was wrong, in words."""
        counted = [f"{count:,} times {reason}" for reason, count in self._wrong.items() if count]
        return (*counted, *self._trouble)


class _Bench:
    """One run of several scenarios."""

    def __init__(self, machine: Machine, size: Size, folder: Path, tell: Callable[[str], None]) -> None:
        self._machine = machine
        self._size = size
        self._folder = folder
        self._tell = tell
        self._redis = ""

    def run(self, scenarios: dict[str, Scenario]) -> dict[str, Result]:
        """Run them; results by name."""
        tell, size = self._tell, self._size
        with ExitStack() as stack:
            load = stack.enter_context(generator(self._machine.generator_core))
            servers = {name: self._start(stack, name, scenario) for name, scenario in scenarios.items()}
            empty = self._empty_node() if any(scenario.store for scenario in scenarios.values()) else 0
            tallies = {name: _Tally() for name in scenarios}
            for name, scenario in scenarios.items():
                self._warm(load, scenario, servers[name])
            for turn in range(size.rounds):
                tell(f"saturation, round {turn + 1} of {size.rounds}")
                for name, scenario in scenarios.items():
                    self._saturate(load, scenario, servers[name], tallies[name])
            return {
                name: self._finish(load, name, scenario, servers[name], tallies[name], empty)
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
                service=Held.name if scenario.held else VoipForwarding.name,
                path=path,
                records=scenario.records,
            )
        )

    def _on_redis(self, stack: ExitStack, scenario: Scenario) -> str:
        """Return the URL of a Redis server with all subscribers; one for all nodes."""
        if not self._redis:
            self._redis = stack.enter_context(server.redis(self._folder, self._machine.generator_core))
            self._tell(f"writing {self._size.subscribers:,} subscribers to Redis")
            uvloop.run(fill(self._redis, self._size.subscribers))
        return f"{self._redis}?cached=true" if scenario.store == "redis-cached" else self._redis

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
            port=target.port,
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

    def _saturate(self, load: Generator, scenario: Scenario, target: Server, tally: _Tally) -> None:
        core = self._machine.node_core
        plan = LoadPlan(window=scenario.window, duration=self._size.seconds, then=_then(scenario))
        all_before, before = busy_seconds(core), cpu_seconds(target.pid)
        report = load.run(self._job(scenario, target, plan))
        used, all_used = cpu_seconds(target.pid) - before, busy_seconds(core) - all_before
        tally.add(report)
        answered = max(report.answered, 1)
        found = Saturation(
            calls_per_s=report.calls_per_second,
            cpu_us_per_call=used / answered * _MICRO,
            node_busy=used / report.seconds,
            elsewhere_busy=max(0.0, all_used - used) / report.seconds,
            generator_busy=report.generator_cpu / report.seconds,
            generator_us_per_call=report.generator_cpu / answered * _MICRO,
        )
        if tally.best is None or found.calls_per_s > tally.best.calls_per_s:
            tally.best = found

    def _finish(
        self, load: Generator, name: str, scenario: Scenario, target: Server, tally: _Tally, empty: int
    ) -> Result:
        """Measure latencies and memory."""
        best = tally.best
        if best is None:
            raise ValueError("no rounds")
        self._tell(f"latency, {name}")
        half = self._latency(load, scenario, target, tally, best.calls_per_s * HALF)
        most = self._latency(load, scenario, target, tally, best.calls_per_s * MOST)
        memory = resident(target.pid)
        return Result(
            saturation=best,
            half=half,
            most=most,
            memory_mib=memory / _MIB,
            bytes_per_subscriber=(memory - empty) / self._size.subscribers if scenario.remembers else None,
            bytes_per_dialogue=self._open_dialogues(load, scenario, target) if scenario.held else None,
            calls=tally.calls,
            faults=tally.faults,
        )

    def _open_dialogues(self, load: Generator, scenario: Scenario, target: Server) -> float:
        """Leave dialogues open and return the octets of memory that each takes."""
        count = self._size.dialogues
        before = resident(target.pid)
        plan = LoadPlan(window=scenario.window, calls=count, duration=600.0, then=Then.LEAVE)
        load.run(self._job(scenario, target, plan))
        return (resident(target.pid) - before) / count

    def _latency(
        self, load: Generator, scenario: Scenario, target: Server, tally: _Tally, rate: float
    ) -> Latency:
        plan = LoadPlan(
            rate=max(rate, 1.0),
            window=1 << 14,
            duration=self._size.latency_seconds,
            then=_then(scenario),
        )
        report = load.run(self._job(scenario, target, plan))
        tally.add(report)
        times = report.latency_us
        return Latency(
            rate=rate, p50_ms=times["50"] / 1e3, p99_ms=times["99"] / 1e3, p999_ms=times["99.9"] / 1e3
        )


def _then(scenario: Scenario) -> Then:
    return Then.REPORT if scenario.held else Then.END


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as ``--json`` prints it."""
    scenarios: dict[str, Any] = {name: _flat(result) for name, result in report.results.items()}
    if report.codec:
        scenarios[CODEC] = report.codec
    if report.parts:
        scenarios[PARTS] = report.parts
    return {
        "machine": report.machine,
        "size": report.size,
        "scenarios": scenarios,
        "ratios": ratios(report),
        "cpu_ratios": ratios(report, of_cpu=True),
    }


def ratios(report: Report, *, of_cpu: bool = False) -> dict[str, float]:
    """Return calls a second of every scenario over those of ``reference`` and ``echo``, as far as they ran.

    Args:
        report: of one run.
        of_cpu: calls a second of CPU time instead, which other work on the machine does not take away.
    """

    def speed(name: str) -> float:
        saturation = report.results[name].saturation
        return _MICRO / max(saturation.cpu_us_per_call, 1e-3) if of_cpu else saturation.calls_per_s

    return {
        f"{name}/{base}": round(speed(name) / speed(base), 3)
        for base in ("reference", ECHO)
        if base in report.results
        for name in report.results
        if name not in (base, ECHO)
    }


def _flat(result: Result) -> dict[str, Any]:
    """Return what the scenarios of ``--json`` have: latencies without a name are those at half load."""
    best, half, most = result.saturation, result.half, result.most
    return {
        "calls_per_s": round(best.calls_per_s, 1),
        "cpu_us_per_call": round(best.cpu_us_per_call, 2),
        "p50_ms": half.p50_ms,
        "p99_ms": half.p99_ms,
        "p999_ms": half.p999_ms,
        "at_80": {"p50_ms": most.p50_ms, "p99_ms": most.p99_ms, "p999_ms": most.p999_ms},
        "node_busy": round(best.node_busy, 3),
        "elsewhere_busy": round(best.elsewhere_busy, 3),
        "generator_busy": round(best.generator_busy, 3),
        "generator_us_per_call": round(best.generator_us_per_call, 2),
        "memory_mib": round(result.memory_mib, 1),
        "bytes_per_subscriber": None
        if result.bytes_per_subscriber is None
        else round(result.bytes_per_subscriber),
        "bytes_per_dialogue": None if result.bytes_per_dialogue is None else round(result.bytes_per_dialogue),
        "calls": result.calls,
        "faults": list(result.faults),
    }
