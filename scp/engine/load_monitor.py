"""Samples the load of a node ten times a second, for `Admission` and for the log."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.engine.admission import Admission
    from scp.engine.scheduler import Timer, TimeSource

INTERVAL: Final = 0.1
"""Seconds between two looks."""
_MEMORY_EVERY: Final = 10
"""Looks between two at the memory, which is a read from the kernel."""
_STATM: Final = Path("/proc/self/statm")
_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")


@final
class LoadMonitor:
    """Samples the signals that `Admission` goes by.

    Args:
        source: the clock and its timers.
        admission: takes the samples.
        dialogues: returns the share of the most dialogues that is open.
        memory: returns the share of the memory that is taken.
        told: called with the level and its signals when the level changes.

    Attributes:
        memory: as given; may be another one from now on.
    """

    def __init__(
        self,
        source: TimeSource,
        admission: Admission,
        dialogues: Callable[[], float],
        memory: Callable[[], float],
        told: Callable[[int, str], None],
    ) -> None:
        self._source = source
        self._admission = admission
        self._dialogues = dialogues
        self.memory = memory
        self._told = told
        self._looks = 0
        self._taken = memory()
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to look."""
        self._due = self._source.time() + INTERVAL
        self._timer = self._source.call_at(self._due, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._source.time()
        if self._looks % _MEMORY_EVERY == 0:
            self._taken = self.memory()
        self._looks += 1
        admission = self._admission
        if admission.sample(now, now - self._due, self._dialogues(), self._taken):
            self._told(admission.level, ", ".join(admission.why))
        self.start()


def memory_share(limit: int) -> Callable[[], float]:
    """Return a function for the resident share of ``limit`` octets (0: what this process may have)."""
    page = os.sysconf("SC_PAGE_SIZE")
    most = limit or _given(page)

    def share() -> float:
        try:
            return int(_STATM.read_text(encoding="ascii").split()[1]) * page / most
        except OSError:
            return 0.0  # no such file on this system: then memory is no signal

    return share


def _given(page: int) -> float:
    """Return the octets that the control group allows, or that the machine has."""
    try:
        text = _CGROUP.read_text(encoding="ascii").strip()
    except OSError:
        text = ""
    if text.isdigit():
        return int(text)
    pages = os.sysconf("SC_PHYS_PAGES")
    return pages * page if pages > 0 else inf
