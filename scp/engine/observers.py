"""Read-only observers of calls: call log, call detail records, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, final

from scp.domain.reason import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.domain.cdr import Progress
    from scp.domain.decision import Decision
    from scp.domain.reason import Reason
    from scp.ports import Telemetry
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg


class AnswerObserver(Protocol):
    """Takes every call that was answered."""

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """Look at a call: dialogue, service ("none" if it reached none), InitialDP if it could be read.

        Called when the first answer is on its way, ``seconds`` after the request came in. ``dialogue.closed``
        says whether that was all, or the service holds the dialogue.
        """
        ...


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


OBSERVER: Final = "observer"
"""What ``on_bug`` is told in place of a service's name when an observer raised."""


@final
class ObserverHub:
    """Counts the first answer of every dialogue, and shows calls to the observers.

    An observer that raises costs no call: its exception would end the association that brought the message.

    Args:
        telemetry: counts calls.
        clock: monotonic seconds.
        observer: see below.
        watcher: see below.
        on_bug: told of an observer that raised.

    Attributes:
        observer: shown the first answer of every dialogue; None: nobody looks.
        watcher: shown how calls go on whose dialogues are held; None: nobody looks.
        sample: which first answers ``onlooker`` is shown; None: nobody looks.
        onlooker: see ``sample``.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        clock: Callable[[], float],
        observer: AnswerObserver | None,
        watcher: CallWatcher | None,
        on_bug: Callable[[str, Exception], None],
    ) -> None:
        self.observer = observer
        self.watcher = watcher
        self.sample: Sample | None = None
        self.onlooker: AnswerObserver | None = None
        self._telemetry = telemetry
        self._clock = clock
        self._on_bug = on_bug

    def tell(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, started: float
    ) -> None:
        """Tell of an answer to what came in at ``started``, in seconds; see `AnswerObserver.answered`."""
        seconds = self._clock() - started
        self._telemetry.call(service, decision, seconds)
        if self.observer is not None:
            try:
                self.observer.answered(dialogue, service, idp, decision, seconds)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)
        if self.sample is not None and self.sample.takes(decision.reason) and self.onlooker is not None:
            try:
                self.onlooker.answered(dialogue, service, idp, decision, seconds)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)

    def reported(self, dialogue: Dialogue, argument: Any) -> None:
        """Show what a gsmSSF reports in a dialogue that is held; see `CallWatcher.reported`."""
        if self.watcher is not None:
            try:
                self.watcher.reported(dialogue, argument)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)

    def decided(self, dialogue: Dialogue, decision: Decision) -> None:
        """Tell of another decision about a dialogue that is held; see `CallWatcher.decided`."""
        if self.watcher is not None:
            try:
                self.watcher.decided(dialogue, decision)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)

    def noted(self, dialogue: Dialogue, fact: object) -> None:
        """Hand over a fact about a call that is held; see `CallWatcher.noted`."""
        if self.watcher is not None:
            try:
                self.watcher.noted(dialogue, fact)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)

    def progress(self, dialogue: Dialogue) -> Progress | None:
        """Return how a held call has gone on so far; see `CallWatcher.progress`."""
        if self.watcher is not None:
            try:
                return self.watcher.progress(dialogue)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)
        return None

    def adopted(
        self,
        dialogue: Dialogue,
        answered: tuple[float, str, InitialDPArg | None, Decision, float],
        progress: Progress | None,
    ) -> None:
        """Tell of a held call that another process has answered; see `CallWatcher.adopted`."""
        if self.watcher is not None:
            try:
                self.watcher.adopted(dialogue, answered, progress)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)

    def forgotten(self, dialogue: Dialogue) -> None:
        """Tell that another node goes on with a held call; see `CallWatcher.forgotten`."""
        if self.watcher is not None:
            try:
                self.watcher.forgotten(dialogue)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)

    def over(self, dialogue: Dialogue) -> None:
        """Tell that a dialogue that was held is over, and so is its service."""
        if self.watcher is not None:
            try:
                self.watcher.over(dialogue)
            except Exception as bug:  # noqa: BLE001 - see above
                self._on_bug(OBSERVER, bug)


@final
class FanOut:
    """Shows every answer to two observers."""

    def __init__(self, first: AnswerObserver, second: AnswerObserver) -> None:
        self._first = first
        self._second = second

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """See `AnswerObserver`."""
        self._first.answered(dialogue, service, idp, decision, seconds)
        self._second.answered(dialogue, service, idp, decision, seconds)


class CallWatcher(Protocol):
    """Takes what happens in a call that a service holds, between its first answer and its end."""

    def reported(self, dialogue: Dialogue, argument: Any) -> None:
        """Look at an operation of the gsmSSF: its argument, a type of `ss7.cap.types`."""
        ...

    def decided(self, dialogue: Dialogue, decision: Decision) -> None:
        """Note that the service has decided otherwise since its first answer."""
        ...

    def noted(self, dialogue: Dialogue, fact: object) -> None:
        """Take a fact about the call from its service: of a type that both know; others are ignored."""
        ...

    def progress(self, dialogue: Dialogue) -> Progress | None:
        """Return how the call has gone on so far, for the node that may have to go on with it."""
        ...

    def adopted(
        self,
        dialogue: Dialogue,
        answered: tuple[float, str, InitialDPArg | None, Decision, float],
        progress: Progress | None,
    ) -> None:
        """Note a held call that another process has answered.

        Args:
            dialogue: that goes on here.
            answered: when (seconds since 1970), by which service, the request, the decision, after how many
                seconds.
            progress: of the call since.
        """
        ...

    def forgotten(self, dialogue: Dialogue) -> None:
        """Note that another node goes on with the call: it makes the record."""
        ...

    def over(self, dialogue: Dialogue) -> None:
        """Note that the dialogue is over, however it ended, and its service has nothing more to say of it.

        Called once.
        """
        ...


class Tap(Protocol):
    """Takes every M3UA message of the node and changes none: a trace, a recording."""

    def heard(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """Look at what came in, (stream, message) each, before anything is done with it."""
        ...

    def said(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """Look at what goes out."""
        ...
