"""Runs the benchmark's scenarios and measures them.

Each scenario's server is a process of its own, pinned to the first processor that this process may use. The
load generator is pinned to the second, as Redis is, and checks every answer. All servers are up at once and
take turns, a round each, so that other load on the machine affects all of them alike. The best round of a
scenario counts. Measured are:

- saturation: calls a second with a fixed number of calls outstanding, and the node's CPU time;
- latency: the time from sending a call to its answer, at 50 % and at 80 % of the saturation rate. The delay
  with which the generator sent the call is a figure of its own.

With root's rights, node, Redis and generator run with real-time priority (`go_first`): with ordinary priority
the latencies measure the kernel's scheduler.

All calls are InitialDP of CAP v2 (terminating, the subscriber abroad) in UDT over M3UA over TCP on the
loopback interface, to subscribers drawn at random; every second subscriber forwards, so that half of the
answers are Connect, the others Continue, all in TC-END.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from msgspec.structs import replace

from scp.bench import server
from scp.bench.held_script import Then
from scp.bench.load import LoadPlan
from scp.bench.machine import Machine, describe, private, resident
from scp.bench.replay import against_tshark, tshark_program
from scp.bench.results import Report, Result, Saturation, Tally, latency
from scp.bench.scale import scaled
from scp.bench.scenarios import CODEC, REPLAY, SCALE, SCENARIOS, SOAK, Scenario, Size
from scp.bench.soak import soak
from scp.bench.testbed import Testbed, then, wait_for_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.bench.load import LoadReport
    from scp.bench.server import Server

HALF: Final = 0.5
MOST: Final = 0.8
_MIB: Final = 1 << 20
_WARM_SHARE: Final = 5
"""One dialogue is opened to warm up for each five that are measured."""


def run(names: Sequence[str], size: Size, tell: Callable[[str], None], *, realtime: bool = False) -> Report:
    """Run scenarios.

    Args:
        names: some of `scp.bench.scenarios.NAMES`.
        size: how much.
        tell: called with each step, in words.
        realtime: whether node, Redis and generator run with real-time priority, where that is permitted.

    Raises:
        ServerError: a server did not start, or a program is not installed; or as `run_load`.
    """
    if REPLAY in names:
        tshark_program()  # fail before minutes of measuring
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

    def run(self, scenarios: dict[str, Scenario]) -> dict[str, Result]:
        """Run them; results by name."""
        with ExitStack() as stack:
            testbed = Testbed(self._machine, self._size, self._folder, self._tell, stack)
            servers = {name: testbed.start(name, scenario) for name, scenario in scenarios.items()}
            empty = self._empty_node() if any(scenario.store for scenario in scenarios.values()) else 0
            tallies = {name: Tally() for name in scenarios}
            for name, scenario in scenarios.items():
                testbed.warm(scenario, servers[name])
            loaded = {name: resident(target.pid) - empty for name, target in servers.items()}
            for turn in range(self._size.rounds):
                self._tell(f"saturation, round {turn + 1} of {self._size.rounds}")
                for name, scenario in scenarios.items():
                    testbed.saturate(scenario, servers[name], tallies[name])
            slow = self._latencies(testbed, scenarios, servers, tallies)
            return {
                name: self._finish(testbed, scenario, servers[name], tallies[name], loaded[name], slow[name])
                for name, scenario in scenarios.items()
            }

    def _empty_node(self) -> int:
        """Return the octets of memory of a node without subscribers."""
        with server.node(
            self._folder, self._machine.node_core, name="empty", store="sqlite::memory:"
        ) as empty:
            return resident(empty.pid)

    def _latencies(
        self,
        testbed: Testbed,
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
                        then=then(scenario),
                    )
                    report = testbed.run(scenario, servers[name], plan)
                    tallies[name].add(report)
                    reports.append(report)
                    if scenario.records:
                        wait_for_records(servers[name])  # or they are written on the next one's time
        return found

    def _finish(
        self,
        testbed: Testbed,
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
            bytes_per_dialogue=self._open_dialogues(testbed, scenario) if scenario.controlled else None,
            calls=tally.calls,
            faults=tally.faults,
        )

    def _open_dialogues(self, testbed: Testbed, scenario: Scenario) -> float:
        """Leave dialogues open at a node that has done nothing else, and return the octets that each takes.

        The node has no subscribers: all calls are continued, and held like those that are steered. Charged
        ones are answered: a call is talked in for minutes, and rings for seconds.
        """
        self._tell("memory of open dialogues")
        count = self._size.dialogues
        if scenario.charged:  # its accounts are in a file, and the node opens that
            store = f"sqlite:{self._folder / 'charged-dialogues.db'}"
            target = testbed.node("charged-dialogues", store, scenario)
        else:
            target = testbed.node("dialogues", "sqlite::memory:", scenario)
        memory = []
        what = Then.TALK if scenario.charged else Then.LEAVE
        for calls in (max(1, count // _WARM_SHARE), count):
            plan = LoadPlan(window=scenario.window, calls=calls, duration=600.0, then=what)
            testbed.run(scenario, target, plan)
            memory.append(private(target.pid))
        return (memory[1] - memory[0]) / count


def _best(tally: Tally) -> Saturation:
    if tally.best is None:
        raise ValueError("no rounds")
    return tally.best
