"""``camel-scp bench --against CHECKOUT``: is any scenario slower than with the code of another checkout?

Both trees' servers of a scenario are up at once, on one processor, and take turns round by round, in the
order A B, B A, …; so what else the machine does meets both. ``codec`` and ``replay`` take turns likewise, as
programs of each tree. Two rounds that follow each other are a pair, and the result is the median of the
pairs' ratios, with the least and the greatest. CPU time a call decides: calls a second depend more on what
other programs do.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from scp.bench.build import TRIED
from scp.bench.machine import Machine, describe
from scp.bench.replay import make_capture, replay_seconds
from scp.bench.results import Tally
from scp.bench.scenarios import CODEC, PARTS, REPLAY, SCENARIOS, Size
from scp.bench.server import OWN, ServerError, Tree, environment, other_tree, python
from scp.bench.testbed import Testbed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Measure: TypeAlias = "Callable[[Tree], dict[str, Round]]"
"""Measures a round with a tree's code; results by name."""
COMPARED: Final = (*SCENARIOS, CODEC, REPLAY)
TOLERANCE: Final = 1.02
"""A median of CPU time a call up to this is no difference that a run can show."""
_PAIRS_A_ROUND: Final = 2


class Spread(Struct, frozen=True, kw_only=True):
    """Ratios of this tree's figures to the other's: the median of all pairs, the least, the greatest."""

    median: float
    least: float
    most: float


class Round(Struct, frozen=True, kw_only=True):
    """The figures of one round; in ``codec`` and ``replay`` they are of a message."""

    calls_per_s: float
    cpu_us_per_call: float


class Compared(Struct, frozen=True, kw_only=True):
    """A scenario with both trees.

    Attributes:
        here: rounds of this tree.
        there: rounds of the other, each with the one of ``here`` at its place.
        faults: answers that were wrong or missing, in words.
    """

    here: tuple[Round, ...]
    there: tuple[Round, ...]
    faults: tuple[str, ...]

    @property
    def speed(self) -> Spread:
        """Calls a second: above 1 this tree is faster."""
        return _spread([ours.calls_per_s / theirs.calls_per_s for ours, theirs in self._pairs()])

    @property
    def cpu(self) -> Spread:
        """CPU time a call: above 1 this tree is slower."""
        return _spread([ours.cpu_us_per_call / theirs.cpu_us_per_call for ours, theirs in self._pairs()])

    @property
    def slower(self) -> bool:
        """Whether this tree took more CPU time in every pair, and in the median more than `TOLERANCE`."""
        return self.cpu.least > 1 and self.cpu.median > TOLERANCE

    def _pairs(self) -> zip[tuple[Round, Round]]:
        return zip(self.here, self.there, strict=True)


class Comparison(Struct, frozen=True, kw_only=True):
    """All scenarios, by name; ``against`` is the other checkout."""

    machine: Machine
    size: Size
    against: str
    scenarios: dict[str, Compared]

    @property
    def faults(self) -> list[str]:
        """Wrong and missing answers, each with its scenario."""
        return [f"{name}: {fault}" for name, each in self.scenarios.items() for fault in each.faults]


def compare(
    names: Sequence[str],
    size: Size,
    checkout: Path,
    tell: Callable[[str], None],
    *,
    realtime: bool = False,
) -> Comparison:
    """Run scenarios with this code and with another checkout's.

    Args:
        names: some of `COMPARED`.
        size: how much.
        checkout: the other; compiled if this code is.
        tell: called with each step, in words.
        realtime: as `scp.bench.benchmark.run`.

    Raises:
        ServerError: a server did not start, or the checkout can't be run; or as `run_load`.
    """
    machine = describe()
    machine = replace(machine, realtime=realtime and machine.realtime)
    trees = (OWN, other_tree(checkout.resolve(), compiled=machine.compiled))
    rounds: dict[str, dict[Tree, list[Round]]] = {}
    tallies = {name: Tally() for name in names if name in SCENARIOS}
    with tempfile.TemporaryDirectory(prefix="camel-scp-bench-") as folder, ExitStack() as stack:
        testbed = Testbed(machine, size, Path(folder), tell, stack)
        measures = [_with_servers(testbed, name, trees, tally) for name, tally in tallies.items()]
        if CODEC in names:
            measures.append(_codec)
        if REPLAY in names:
            measures.append(_replay(Path(folder), size.replayed))
        for turn in range(size.rounds * _PAIRS_A_ROUND):
            tell(f"pair {turn + 1} of {size.rounds * _PAIRS_A_ROUND}")
            for measure in measures:
                for tree in reversed(trees) if turn % 2 else trees:
                    for name, found in measure(tree).items():
                        rounds.setdefault(name, {each: [] for each in trees})[tree].append(found)
    return Comparison(
        machine=machine,
        size=size,
        against=str(checkout),
        scenarios={
            name: Compared(
                here=tuple(found[trees[0]]),
                there=tuple(found[trees[1]]),
                faults=tallies[name].faults if name in tallies else (),
            )
            for name, found in rounds.items()
        },
    )


def _with_servers(testbed: Testbed, name: str, trees: Sequence[Tree], tally: Tally) -> Measure:
    """Start a scenario's servers; return what measures a round of one."""
    scenario = SCENARIOS[name]
    places = zip(("here", "there"), trees, strict=True)
    servers = {tree: testbed.start(f"{name}-{place}", scenario, tree) for place, tree in places}
    for target in servers.values():
        testbed.warm(scenario, target)

    def measure(tree: Tree) -> dict[str, Round]:
        found = testbed.saturate(scenario, servers[tree], tally)
        return {name: Round(calls_per_s=found.calls_per_s, cpu_us_per_call=found.cpu_us_per_call)}

    return measure


def _codec(tree: Tree) -> dict[str, Round]:
    """Run the scenario ``codec`` of a tree: its codec, and its call path without a socket."""
    done = subprocess.run(  # noqa: S603 - an interpreter of this project
        python(tree, "scp.cli", "bench", "--quick", "--json", CODEC),
        env=os.environ | environment(tree.places) | {TRIED: "1"},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ServerError(f"{CODEC}: {done.stderr.decode(errors='replace').strip()[-1000:]}")
    found = msgspec.json.decode(done.stdout)["scenarios"]
    fast = found[CODEC]["fast"]
    return {
        CODEC: _micros(fast["decode"]["all"] + fast["encode"]["all"]),
        PARTS: _micros(found[PARTS]["all"]),
    }


def _replay(folder: Path, dialogues: int) -> Measure:
    """Make a capture; return what measures a replay of it."""
    arguments = make_capture(folder, dialogues)

    def measure(tree: Tree) -> dict[str, Round]:
        return {REPLAY: _micros(replay_seconds(tree, arguments, folder) / (2 * dialogues) * 1e6)}

    return measure


def _micros(micros: float) -> Round:
    return Round(calls_per_s=1e6 / micros, cpu_us_per_call=micros)


def comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    """Return what ``--against`` prints with ``--json``; each tree's figures are the medians of its rounds."""
    return {
        "machine": comparison.machine,
        "size": comparison.size,
        "against": comparison.against,
        "scenarios": {
            name: {
                "here": medians(each.here),
                "there": medians(each.there),
                "calls_per_s_ratio": each.speed,
                "cpu_ratio": each.cpu,
                "slower": each.slower,
                "faults": list(each.faults),
            }
            for name, each in comparison.scenarios.items()
        },
    }


def medians(rounds: tuple[Round, ...]) -> dict[str, float]:
    """Return the medians of one tree's rounds."""
    return {
        "calls_per_s": round(median(each.calls_per_s for each in rounds), 1),
        "cpu_us_per_call": round(median(each.cpu_us_per_call for each in rounds), 2),
    }


def _spread(ratios: list[float]) -> Spread:
    return Spread(median=round(median(ratios), 3), least=round(min(ratios), 3), most=round(max(ratios), 3))
