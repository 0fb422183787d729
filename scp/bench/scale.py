"""The scenario ``scale``: one, two and three nodes that share an application server and a Redis.

The generator shares the calls among them by SLS, as a signalling gateway does for an AS in loadshare mode
(RFC 4666 §4.3.4.3). Nodes are pinned to the processors in turn; the generator and Redis have the second one,
as in ``steer``. With fewer processors than processes the machine is the limit, which `Scaled.machine_busy`
shows.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import uvloop

from scp.bench import server
from scp.bench.generator import Job, generator
from scp.bench.load import LoadPlan
from scp.bench.machine import busy_seconds, cpu_seconds
from scp.bench.results import Scaled, Tally
from scp.bench.scenarios import SCALE, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scp.bench.generator import Generator
    from scp.bench.machine import Machine
    from scp.bench.scenarios import Size
    from scp.bench.server import Server

MOST_NODES: Final = 3
_WINDOW: Final = 240
"""Calls outstanding at each node."""
_WARM: Final = 0.3
_MICRO: Final = 1e6


def scaled(machine: Machine, size: Size, folder: Path, tell: Callable[[str], None]) -> dict[int, Scaled]:
    """Measure one, two and three nodes in turn, ``size.rounds`` times; return the best round of each.

    Raises:
        ServerError: a server did not start; or as `run_load`.
    """
    home = folder / SCALE
    home.mkdir()
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        store = stack.enter_context(server.redis(home, machine.generator_core))
        url = f"redis://127.0.0.1:{store.port}"
        tell(f"{SCALE}: writing {size.subscribers:,} subscribers to Redis")
        uvloop.run(fill(url, size.subscribers))
        load = stack.enter_context(generator(machine.generator_core))
        nodes = [
            stack.enter_context(
                server.node(home, cores[n % len(cores)], name=f"node-{n}", store=url, instance=n)
            )
            for n in range(MOST_NODES)
        ]
        best: dict[int, Scaled] = {}
        tallies = {count: Tally() for count in range(1, MOST_NODES + 1)}
        for turn in range(size.rounds):
            tell(f"{SCALE}, round {turn + 1} of {size.rounds}")
            for count, tally in tallies.items():
                found = _round(load, nodes[:count], store, size, tally, cores)
                if count not in best or found.calls_per_s > best[count].calls_per_s:
                    best[count] = found
        return best


def _round(
    load: Generator, nodes: Sequence[Server], store: Server, size: Size, tally: Tally, cores: Sequence[int]
) -> Scaled:
    """Have these nodes work for a while."""
    ports = tuple(node.port for node in nodes)
    plan = LoadPlan(window=_WINDOW * len(nodes), duration=_WARM)
    job = Job(ports=ports, plan=plan, subscribers=size.subscribers, numbers=size.numbers)
    load.run(job)
    processes = [store.pid, *(node.pid for node in nodes)]
    before = [cpu_seconds(pid) for pid in processes]
    machine, started = sum(busy_seconds(core) for core in cores), time.monotonic()
    plan = LoadPlan(window=_WINDOW * len(nodes), duration=size.seconds)
    report = load.run(Job(ports=ports, plan=plan, subscribers=size.subscribers, numbers=size.numbers))
    machine = sum(busy_seconds(core) for core in cores) - machine
    seconds = time.monotonic() - started
    redis, *used = [cpu_seconds(pid) - was for pid, was in zip(processes, before, strict=True)]
    tally.add(report)
    answered = max(report.answered, 1)
    return Scaled(
        calls_per_s=report.calls_per_second,
        cpu_us_per_call=sum(used) / answered * _MICRO,
        redis_us_per_call=redis / answered * _MICRO,
        generator_us_per_call=report.generator_cpu / answered * _MICRO,
        nodes_busy=tuple(round(each / report.seconds, 3) for each in used),
        machine_busy=min(1.0, machine / seconds / len(cores)),
        faults=tally.faults,
    )
