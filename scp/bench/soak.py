"""The scenario ``soak``: many calls at full load, with the node's memory after each tenth of them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from scp.bench.load import LoadPlan
from scp.bench.machine import resident
from scp.bench.results import Soaked, Tally
from scp.bench.scenarios import SCENARIOS, SOAK
from scp.bench.testbed import Testbed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scp.bench.machine import Machine
    from scp.bench.scenarios import Size

TURNS: Final = 10
_WARM_SHARE: Final = 50
"""Of all calls one in so many is made before memory is looked at for the first time."""
_STEER: Final = SCENARIOS["steer"]
_FOREVER: Final = 3600.0
_MIB: Final = 1 << 20


def soak(machine: Machine, size: Size, folder: Path, tell: Callable[[str], None]) -> Soaked:
    """Make ``size.soaked`` calls to a node on Redis, in tenths.

    Raises:
        ServerError: a server did not start; or as `run_load`.
    """
    home = folder / SOAK
    home.mkdir()
    tally, seconds, memory = Tally(), 0.0, []
    with ExitStack() as stack:
        testbed = Testbed(machine, size, home, tell, stack)
        node = testbed.start(SOAK, _STEER)
        for turn, calls in enumerate([size.soaked // _WARM_SHARE] + [size.soaked // TURNS] * TURNS):
            plan = LoadPlan(window=_STEER.window, calls=calls, duration=_FOREVER)
            report = testbed.run(_STEER, node, plan)
            tally.add(report)
            seconds += report.seconds
            memory.append(resident(node.pid))
            tell(f"{SOAK}: {turn} of {TURNS} tenths, {memory[-1] / _MIB:.1f} MiB")
    middle = TURNS // 2
    return Soaked(
        calls=tally.calls,
        seconds=seconds,
        memory_mib=tuple(round(octets / _MIB, 2) for octets in memory),
        growth_bytes_per_call=(memory[-1] - memory[middle]) / (size.soaked // TURNS * (TURNS - middle)),
        faults=tally.faults,
    )
