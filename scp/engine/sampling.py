"""Selects calls for who reads them: those that failed, and of the others as many as a reader can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from scp.domain.reason import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.decision import Decision
    from scp.domain.reason import Reason
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


@final
class Sample:
    """How many calls somebody who looks wants to be shown: a timer adds some, each that is shown takes one.

    A call that is not wanted costs a look at its reason and a comparison: it is not even told.

    Attributes:
        failed: how many more of those that failed.
        others: how many more of those with which nothing was wrong.
        left_out: calls that were not shown.
    """

    def __init__(self) -> None:
        self.failed = 0
        self.others = 0
        self.left_out = 0

    def takes(self, reason: Reason) -> bool:
        """Whether a call that ended with this reason is to be shown; if so it is counted as shown."""
        if reason in FAILURES:
            if self.failed > 0:
                self.failed -= 1
                return True
        elif self.others > 0:
            self.others -= 1
            return True
        self.left_out += 1
        return False
