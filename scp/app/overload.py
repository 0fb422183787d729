"""Builds a node's admission control from its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.engine.admission import Limits
from scp.engine.load_monitor import LoadMonitor, memory_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.config import Config
    from scp.engine.admission import Admission
    from scp.engine.scheduler import TimeSource
    from scp.stack.tcap import Tcap

MIB = 1 << 20


def limits_of(config: Config) -> Limits:
    """Return what ``[overload]`` and ``[limits]`` want of the admission of new calls."""
    overload, limits = config.overload, config.limits
    return Limits(
        delay=overload.delay_ms / 1000,
        refuse=overload.refuse_ms / 1000,
        store_deadline=config.store.deadline_ms / 1000,
        peer_rate=limits.peer_rate,
        peer_burst=limits.peer_burst or limits.peer_rate,
        caller_rate=limits.caller_rate,
        caller_burst=limits.caller_burst or limits.caller_rate,
        unusual_rate=limits.unusual_rate,
        gap_duration=float(overload.call_gap_s),
    )


def memory_of(config: Config) -> Callable[[], float]:
    """Return what says how much is taken of the memory that ``[overload] memory_mb`` allows, as a share."""
    return memory_share(config.overload.memory_mb * MIB)


def pressure_on(
    config: Config, source: TimeSource, admission: Admission, tcap: Tcap, told: Callable[[int, str], None]
) -> LoadMonitor:
    """Return what looks at the signals, not started; ``told`` as for `LoadMonitor`."""
    most = config.engine.max_dialogues
    return LoadMonitor(source, admission, lambda: len(tcap) / most, memory_of(config), told)
