"""The benchmark's load generator: a process of its own, pinned to one processor."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from random import Random
from typing import TYPE_CHECKING, Final

import uvloop
from msgspec import Struct

from scp.bench.load import LoadPlan, run_load
from scp.bench.machine import go_first
from scp.bench.scenarios import ABROAD, calls
from scp.simulator.endpoint import Endpoint
from scp.simulator.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.bench.load import LoadCall, LoadReport

_SEED: Final = 29078
"""The same numbers are drawn in every run."""


class Job(Struct, frozen=True, kw_only=True):
    """One load test.

    Attributes:
        ports: of the servers, at 127.0.0.1; several share the calls by SLS.
        plan: how much.
        subscribers: how many there are.
        numbers: how many of them are called, again and again.
        canned: the server answers Continue whatever is asked.
        ended: the answers come in TC-END.
        charged: the calls are those of payers.
        first: None: numbers are drawn at random; else ``numbers`` subscribers from this one on.
    """

    ports: tuple[int, ...]
    plan: LoadPlan
    subscribers: int
    numbers: int
    canned: bool = False
    ended: bool = True
    charged: bool = False
    first: int | None = None


class Generator:
    """Runs jobs, one at a time."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def run(self, job: Job) -> LoadReport:
        """Run a job and return its report; raises as `run_load`."""
        return self._pool.submit(_run, job).result()


@contextmanager
def generator(core: int, *, realtime: bool = False) -> Iterator[Generator]:
    """Start the process, on processor ``core``; ``realtime``: as `go_first`."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_prepare, initargs=(core, realtime)
    ) as pool:
        yield Generator(pool)


def _prepare(core: int, realtime: bool) -> None:
    os.sched_setaffinity(0, {core})
    if realtime:
        go_first(os.getpid())
    gc.disable()  # its cases are millions of objects to look at, and it lives for minutes


def _run(job: Job) -> LoadReport:
    endpoint, *others = [Endpoint(port=port) for port in job.ports]
    return uvloop.run(
        run_load(
            ABROAD,
            _calls(job.subscribers, job.numbers, job.canned, job.ended, job.charged, job.first),
            job.plan,
            network=Network(),
            endpoint=endpoint,
            others=others,
            random=Random(_SEED),  # noqa: S311 - no secret
        )
    )


@lru_cache(maxsize=2)
def _calls(
    subscribers: int, numbers: int, canned: bool, ended: bool, charged: bool, first: int | None
) -> list[LoadCall]:
    random = Random(_SEED)  # noqa: S311 - no secret
    return calls(subscribers, numbers, random, canned=canned, ended=ended, charged=charged, first=first)
