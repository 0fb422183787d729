"""Builds what a node does under overload, from its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from scp.engine.admission import Admission, Limits
from scp.engine.pressure import Pressure, memory_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.config import Config
    from scp.domain.decision import Decision
    from scp.engine.observers import AnswerObserver
    from scp.engine.ticker import TimeSource
    from scp.stack.tcap import Dialogue, Tcap
    from ss7.cap.types import InitialDPArg

MIB = 1 << 20


def admission_for(config: Config) -> Admission:
    """Return the admission of new calls as ``[overload]`` and ``[limits]`` want it."""
    overload, limits = config.overload, config.limits
    return Admission(
        Limits(
            delay=overload.delay_ms / 1000,
            refuse=overload.refuse_ms / 1000,
            store_deadline=config.store.deadline_ms / 1000,
            peer_rate=limits.peer_rate,
            peer_burst=limits.peer_burst or limits.peer_rate,
            caller_rate=limits.caller_rate,
            caller_burst=limits.caller_burst or limits.caller_rate,
            gap_duration=float(overload.call_gap_s),
        )
    )


def pressure_on(
    config: Config, source: TimeSource, admission: Admission, tcap: Tcap, told: Callable[[int, str], None]
) -> Pressure:
    """Return what looks at the signals, not started; ``told`` as for `Pressure`."""
    most = config.engine.max_dialogues
    memory = memory_share(config.overload.memory_mb * MIB)
    return Pressure(source, admission, lambda: len(tcap) / most, memory, told)


@final
class Sheddable:
    """Shows answers to an observer that no call needs (the call log), unless the node has too much to do."""

    def __init__(self, observer: AnswerObserver, admission: Admission) -> None:
        self._observer = observer
        self._admission = admission

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """See `scp.engine.observers.AnswerObserver`."""
        if not self._admission.sheds:
            self._observer.answered(dialogue, service, idp, decision, seconds)
