"""How long a call is charged: the gsmSSF's control of call duration, without I/O (TS 29.078 §11.2, §11.3).

It counts from answer, on the clock that it is given, and knows nothing of money: what it counted
(`ChargedTime.connections`) is what a call costs by any tariff, whatever was reported of it.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple, final

_PENDING: Final = "a charged period is pending (TS 29.078 §11.2.2.2)"
_SWITCH_PENDING: Final = "a tariff switch is pending (TS 29.078 §11.2.2.2)"


class Period(NamedTuple):
    """What ApplyCharging asks for.

    Attributes:
        seconds: how long the call may last until the report.
        release: whether the call is released then.
        leg: the leg that is charged.
        switch: seconds, from the operation's receipt on, until the tariff changes; ``inf``: it doesn't.
    """

    seconds: float
    release: bool
    leg: int
    switch: float = inf


class Reported(NamedTuple):
    """The times of a report.

    Attributes:
        seconds: since answer, or since the last tariff switch where there was one.
        leg: the leg that is charged.
        switched: whether the tariff has changed since the first ApplyCharging of this connection.
        interval: seconds from answer, or the switch before, to the last switch; only in the report of the
            period in which that was; 0: absent.
    """

    seconds: float
    leg: int
    switched: bool = False
    interval: float = 0.0


@final
class ChargedTime:
    """The charged time of one call.

    Attributes:
        pending: the period whose report is due; None: no ApplyCharging waits.
        periods: how many ApplyChargings were accepted.
        connections: of each answered connection the seconds that were talked, in every tariff in turn; the
            last one is complete once it has been cleared.
    """

    def __init__(self, *, by_period: bool = False) -> None:
        """Begin before answer.

        Args:
            by_period: count each period from nothing, as some switches do, though reports are cumulative
                (§11.3.1.1).
        """
        self.pending: Period | None = None
        self.periods = 0
        self.connections: list[list[float]] = []
        self._by_period = by_period
        self._answered = False
        self._since = inf  # answer, or the last tariff switch
        self._from = inf  # what is reported counts from here
        self._expired = -inf  # when the last period ended while the call went on
        self._due = inf
        self._switch_at = inf
        self._switched = False
        self._interval = 0.0

    # What the gsmSCF wants

    def apply(self, period: Period, now: float) -> str:
        """Begin a period, at answer if there was none (§11.2.2.1); return why it is refused, else ""."""
        if self.pending is not None:
            return _PENDING
        if period.switch < inf and self._switch_at < inf:
            return _SWITCH_PENDING
        self.pending = period
        self.periods += 1
        if period.switch < inf:
            self._switch_at = now + period.switch
        if self._answered:
            self._start(now)
        return ""

    def cancel(self) -> None:
        """Report nothing any more (§11.8.3)."""
        self.pending, self._due = None, inf

    # What the call does

    def answered(self, now: float) -> None:
        """The connection is answered."""
        self._answered = True
        self._since = self._from = now
        self.connections.append([])
        if self.pending is not None:
            self._start(now)

    def _start(self, now: float) -> None:
        """Start the period: what passed since the last one's end is part of it (§11.2.2.1, DELTA)."""
        assert self.pending is not None
        begin = self._expired if self._expired > -inf else now
        self._expired = -inf
        self._due = max(now, begin + self.pending.seconds)

    def cleared(self, now: float) -> None:
        """The connection is released: an answer has not occurred any more (§11.2.2.1)."""
        if self._answered:
            self.connections[-1].append(max(0.0, now - self._since))
        self._answered, self._switched = False, False
        self._since = self._from = self._due = self._switch_at = inf
        self._expired = -inf
        self._interval = 0.0

    # Time passes

    def next_deadline(self) -> float:
        """Return when the period ends or the tariff changes, ``inf`` for never."""
        return min(self._due, self._switch_at)

    def tick(self, now: float) -> bool:
        """Let the tariff change if it is due; return whether the period is over."""
        if now >= self._switch_at and self._switch_at <= self._due:
            self._switch(self._switch_at)
        return now >= self._due

    def _switch(self, now: float) -> None:
        self._switch_at = inf
        self._switched = True
        if self._answered:
            seconds = now - self._since
            self.connections[-1].append(seconds)
            self._interval = now - self._from
            self._since = self._from = now

    def report(self, now: float, *, goes_on: bool) -> Reported | None:
        """Return what is reported, None if no report is due; the period is over with that.

        Args:
            now: the end of the period, or of the call.
            goes_on: whether the call does: the time until the next ApplyCharging counts as well.
        """
        period = self.pending
        if period is None:
            return None
        seconds = max(0.0, now - self._from) if self._answered else 0.0
        reported = Reported(seconds, period.leg, self._switched, self._interval)
        self.pending, self._due, self._interval = None, inf, 0.0
        if goes_on:
            self._expired = now
            if self._by_period:
                self._from = now
        return reported
