"""Selects calls for the call log: those that failed, and of the others as many as a reader can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from scp.domain.reason import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.decision import Decision
    from scp.engine.admission import Admission
    from scp.engine.observers import AnswerObserver
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg


@final
class Sampled:
    """An `AnswerObserver` that passes some calls on to one that no call needs.

    A call that failed is never left out for being one of many; but a node that has too much to do
    (`Admission.sheds`) shows none.

    Args:
        observer: takes them.
        admission: says whether the node has too much to do.
        rate: calls a second that are shown although nothing is wrong, and as many at once; ``inf``: all.
        clock: seconds, which never go back.
    """

    def __init__(
        self, observer: AnswerObserver, admission: Admission, rate: float, clock: Callable[[], float]
    ) -> None:
        self._observer = observer
        self._admission = admission
        self._rate = rate
        self._most = max(rate, 1.0)
        self._clock = clock
        self._allowance = rate
        self._refilled = clock()

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """See `scp.engine.observers.AnswerObserver`."""
        if self._admission.sheds or not (decision.reason in FAILURES or self._take()):
            return
        self._observer.answered(dialogue, service, idp, decision, seconds)

    def _take(self) -> bool:
        if self._allowance < 1.0:
            now = self._clock()
            self._allowance = min(self._most, self._allowance + (now - self._refilled) * self._rate)
            self._refilled = now
            if self._allowance < 1.0:
                return False
        self._allowance -= 1.0
        return True
