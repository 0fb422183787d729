"""Which numbers are traced, since whose wish, until when, and how much of it is left.

A trace writes every message of one number's calls into the log, so it is bounded three ways: in time, in
messages, and all traces together in messages a second. It ends by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 16
"""Numbers that are traced at a time."""
RATE: Final = 50.0
"""Messages a second that are written, of all traces together: one takes about half a millisecond."""


class Trace(Struct):
    """One number that is traced.

    Attributes:
        msisdn: E.164 digits.
        by: who asked for it.
        began: seconds since 1970.
        until: when it ends by itself.
        left: messages that it may still write.
        written: messages that it wrote.
        skipped: messages that it did not write since too many came at once.
    """

    msisdn: str
    by: str
    began: float
    until: float
    left: int
    written: int = 0
    skipped: int = 0


class TooManyTracesError(Exception):
    """`MOST` numbers are traced already."""


@final
class Traces:
    """The traces of a node.

    Args:
        clock: seconds since 1970.

    Attributes:
        changed: called when a number is traced from now on, or is no more.
        ended: called with each trace that ends, and why.
        refused: how many were not begun, since `MOST` were running.
        written: messages that were written, of all traces so far.
        skipped: messages that were not, since too many came at once.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.changed: Callable[[], None] = _nothing
        self.ended: Callable[[Trace, str], None] = _nothing
        self.refused = 0
        self.written = 0
        self.skipped = 0
        self._clock = clock
        self._traces: dict[str, Trace] = {}
        self._allowance = RATE
        self._refilled = 0.0

    def start(self, msisdn: str, seconds: float, messages: int, by: str) -> tuple[Trace | None, Trace]:
        """Trace a number from now on; return what there was before, and what there is.

        Raises:
            TooManyTracesError: so many others are traced already.
        """
        self.expire()
        before = self._traces.get(msisdn)
        if before is None and len(self._traces) >= MOST:
            self.refused += 1
            raise TooManyTracesError
        now = self._clock()
        trace = self._traces[msisdn] = Trace(msisdn, by, now, now + seconds, messages)
        self.changed()
        return before, trace

    def stop(self, msisdn: str) -> Trace | None:
        """Trace a number no more; return its trace, None if it had none."""
        self.expire()
        return self._end(msisdn, "stopped")

    def get(self, msisdn: str) -> Trace | None:
        """Return a number's trace."""
        self.expire()
        return self._traces.get(msisdn)

    def all(self) -> list[Trace]:
        """Return every trace, in the order in which they began."""
        self.expire()
        return list(self._traces.values())

    def expire(self) -> float:
        """End what is due and return when the next is, in seconds since 1970; 0: none is left."""
        now = self._clock()
        for trace in [each for each in self._traces.values() if each.until <= now]:
            self._end(trace.msisdn, "its time is over")
        return min((each.until for each in self._traces.values()), default=0.0)

    def take(self, msisdn: str) -> Trace | None:
        """Count a message of a number that is to be written; None: it is not."""
        trace = self._traces.get(msisdn)
        if trace is None:
            return None
        now = self._clock()
        if trace.until <= now:
            self._end(msisdn, "its time is over")
            return None
        self._allowance = min(RATE, self._allowance + max(0.0, now - self._refilled) * RATE)
        self._refilled = now
        if self._allowance < 1.0:
            trace.skipped += 1
            self.skipped += 1
            return None
        self._allowance -= 1.0
        trace.written += 1
        self.written += 1
        trace.left -= 1
        return trace

    def wrote(self, trace: Trace) -> None:
        """A message that `take` counted is written: the trace ends if it was the last."""
        if trace.left <= 0:
            self._end(trace.msisdn, "it has written all its messages")

    def _end(self, msisdn: str, why: str) -> Trace | None:
        trace = self._traces.pop(msisdn, None)
        if trace is not None:
            self.ended(trace, why)
            self.changed()
        return trace


def _nothing(*_: object) -> None:
    """Nobody is told."""
