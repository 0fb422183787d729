"""``camel-scp bench --against CHECKOUT``: is any scenario slower than with the code of another checkout?

Both trees' servers of a scenario are up at once, on one processor, and take turns round by round, in the
order A B, B A, …; so what else the machine does meets both. Two rounds that follow each other are a pair, and
the result is the median of the pairs' ratios, with the least and the greatest. CPU time a call decides: calls
a second depend more on what other programs do.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from scp.bench.machine import Machine, describe
from scp.bench.results import Saturation, Tally
from scp.bench.scenarios import SCENARIOS, Size
from scp.bench.server import OWN, other_tree
from scp.bench.testbed import Testbed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOLERANCE: Final = 1.02
"""A median of CPU time a call up to this is no difference that a run can show."""
_PAIRS_A_ROUND: Final = 2


class Spread(Struct, frozen=True, kw_only=True):
    """Ratios of this tree's figures to the other's: the median of all pairs, the least, the greatest."""

    median: float
    least: float
    most: float


class Compared(Struct, frozen=True, kw_only=True):
    """A scenario with both trees.

    Attributes:
        here: rounds of this tree.
        there: rounds of the other, each with the one of ``here`` at its place.
        faults: answers that were wrong or missing, in words.
    """

    here: tuple[Saturation, ...]
    there: tuple[Saturation, ...]
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

    def _pairs(self) -> zip[tuple[Saturation, Saturation]]:
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
        names: some of `SCENARIOS`.
        size: how much.
        checkout: the other; compiled if this code is.
        tell: called with each step, in words.
        realtime: as `scp.bench.benchmark.run`.

    Raises:
        ServerError: a server did not start, or the checkout can't be run; or as `run_load`.
    """
    machine = describe()
    machine = replace(machine, realtime=realtime and machine.realtime)
    trees = {"here": OWN, "there": other_tree(checkout.resolve(), compiled=machine.compiled)}
    rounds: dict[str, dict[str, list[Saturation]]] = {name: {tree: [] for tree in trees} for name in names}
    tallies = {name: Tally() for name in names}
    with tempfile.TemporaryDirectory(prefix="camel-scp-bench-") as folder, ExitStack() as stack:
        testbed = Testbed(machine, size, Path(folder), tell, stack)
        servers = {
            (name, which): testbed.start(f"{name}-{which}", SCENARIOS[name], tree)
            for name in names
            for which, tree in trees.items()
        }
        for (name, _), target in servers.items():
            testbed.warm(SCENARIOS[name], target)
        for turn in range(size.rounds * _PAIRS_A_ROUND):
            tell(f"pair {turn + 1} of {size.rounds * _PAIRS_A_ROUND}")
            for name in names:
                for which in sorted(trees, reverse=bool(turn % 2)):
                    found = testbed.saturate(SCENARIOS[name], servers[name, which], tallies[name])
                    rounds[name][which].append(found)
    return Comparison(
        machine=machine,
        size=size,
        against=str(checkout),
        scenarios={
            name: Compared(
                here=tuple(rounds[name]["here"]),
                there=tuple(rounds[name]["there"]),
                faults=tallies[name].faults,
            )
            for name in names
        },
    )


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


def medians(rounds: tuple[Saturation, ...]) -> dict[str, float]:
    """Return the medians of one tree's rounds."""
    return {
        "calls_per_s": round(median(each.calls_per_s for each in rounds), 1),
        "cpu_us_per_call": round(median(each.cpu_us_per_call for each in rounds), 2),
    }


def _spread(ratios: list[float]) -> Spread:
    return Spread(median=round(median(ratios), 3), least=round(min(ratios), 3), most=round(max(ratios), 3))
