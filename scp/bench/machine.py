"""The machine's processors, and CPU time and memory of a process, read from /proc."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

from msgspec import Struct

import ss7.ber

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME: Final = 11
"""Index of utime in /proc/PID/stat after the name in parentheses; stime follows (proc(5))."""
_IDLE: Final = (3, 4)
"""Columns of /proc/stat that are no work: idle and iowait."""


class Machine(Struct, frozen=True, kw_only=True):
    """Where the figures are from.

    Attributes:
        cpu: its model.
        cores: processors that the benchmark could use.
        node_core: the processor of the node.
        generator_core: that of the load generator; the same if there is one only.
        system: kernel and architecture.
        python: version.
        compiled: whether ss7, stack and domain run compiled by mypyc.
        load: run queue length of the last minute when the benchmark began; above 0, other programs ran.
        realtime: whether node, Redis and generator may have real-time priority.
    """

    cpu: str
    cores: int
    node_core: int
    generator_core: int
    system: str
    python: str
    compiled: bool
    load: float
    realtime: bool = False


def describe() -> Machine:
    """Describe this machine and this process's code."""
    cores = sorted(os.sched_getaffinity(0))
    return Machine(
        cpu=_cpu_model(),
        cores=len(cores),
        node_core=cores[0],
        generator_core=cores[-1] if len(cores) == 1 else cores[1],
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        compiled=not ss7.ber.__file__.endswith(".py"),
        load=os.getloadavg()[0],
        realtime=_realtime_allowed(),
    )


def go_first(pid: int) -> None:
    """Give a process's threads, and the threads that they start, real-time priority (SCHED_RR).

    Else the kernel gives each other program that wakes up on the same processor some milliseconds, and these
    are measured as the node's latency. For a process that has a processor to itself, or waits most of the
    time: among several busy ones the kernel changes every 100 ms only (sched(7)).

    Raises:
        PermissionError: it takes CAP_SYS_NICE; `Machine.realtime` says whether we have it.
    """
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


def _realtime_allowed() -> bool:
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, before, os.sched_param(0))
    return True


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds, user and system, that all threads of a process have had."""
    fields = (
        Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    )
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / _TICKS


def resident(pid: int) -> int:
    """Return the octets of memory that a process has."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def private(pid: int) -> int:
    """Return the octets of memory that a process shares with no other.

    Shared memory does not grow with the number of dialogues: the guardian's journal, of 8 MiB, becomes
    resident page by page as it is written.
    """
    resident_pages, shared = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1:3]
    return (int(resident_pages) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def busy_seconds(core: int) -> float:
    """Return the seconds since boot that a processor worked, for all processes."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *columns = line.split()
        if name == f"cpu{core}":
            return sum(int(column) for n, column in enumerate(columns[:8]) if n not in _IDLE) / _TICKS
    return 0.0


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"
