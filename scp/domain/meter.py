"""The arithmetic of quotas: what was used by a switch's reports, and which period it is given next.

A gsmSSF measures the time since answer. Its reports say (TS 29.078 §11.3.1.1):

- without a switch of the tariff: the time since answer, which only grows: a report that comes twice, or
  late, changes nothing, since the greatest counts;
- with one: the time since the last switch, which only grows likewise; and, in the report of the period of the
  switch alone, the time from answer, or from the switch before, to it.

So what was used is the sum of the intervals and the time since. A gsmSSF can be told of one switch of the
tariff in a period (§11.2.2.2). A period ends before a second one, as far as is known when it is given. Where
there is one all the same (it rang for long, or charging took long), the time of the switch that was reported
says when each tenth was, and the price of each is known. Rounding: everything here is in whole tenths
of a second, as the switch gives it; the one rounding of a call is `scp.domain.tariff.Tariff.cost_of`. Nothing
that rang is in it: a switch counts from answer on.

A period that is given to the switch is shorter than what is granted, by the seconds that are *withheld*: they
let the next quota be late, and are the last period of a call whose money ends, the one that the switch ends
by a warning tone and by releasing the call. What the switch counts between a report and the next period is in
its next report (§11.2.2.1), so that nothing is free.
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

from scp.domain.quota import TENTHS, QuotaGrant, Usage, whole_seconds

MOST_PERIOD: Final = 864_000
"""The longest period of ApplyCharging, in 100 ms (TS 29.078 §5.1)."""
EDGE: Final = 2
"""A period ends so many seconds before a second switch of the tariff, of which the next period tells."""
_TENTH_MS: Final = 100
ZONES: Final = 900
"""Clocks of the world are whole multiples of so many seconds apart."""


_TIMER: Final = 50
"""Tenths by which a gsmSSF may measure a stretch of a tariff longer or shorter than the tariff's clock: that
has whole seconds, and the gsmSSF counts from when it was told (§11.2.1.1)."""
_UNTOLD: Final = -1
"""`Meter.mark` where no report has told of the last switch."""
_AWAY: Final = 18_000
"""Tenths that a gsmSSF may count after a period, while no node is there: a clock that has more is wrong."""
_GAP: Final = 600
"""Tenths that a gsmSSF may count beyond a period, until it is given the next."""


@final
class Meter:
    """What a switch has measured of a call, and what it may: a value, of which changed ones are made.

    Attributes:
        granted: tenths of a second since answer that are paid for.
        last: there is no money for more.
        at: a second of the clock that tariffs go by, whose price counts for `since`.
        since: tenths since answer, or since the last switch of the tariff.
        before: the stretches that ended with a switch of the tariff, as in `Usage`.
        mark: `since` in the report that told of the last switch; negative: none did.
        passed: how many switches of the tariff the reports have told of.
        switch_at: when the tariff switches that the gsmSSF was told of and did not report yet; 0: none is.
        allowed: tenths since answer that the gsmSSF may count until it reports.
        pending: a period is running, or begins with the answer: its report is due.
        releasing: at the end of the period the gsmSSF releases the call.
        answered: when the call was answered, in milliseconds since 1970-01-01 UTC by the node's clock, set
            right by each report; 0: it was not, or nobody knows when.
        zone: seconds that the tariff's clock is ahead of UTC.
    """

    __slots__ = (
        "allowed",
        "answered",
        "at",
        "before",
        "granted",
        "last",
        "mark",
        "passed",
        "pending",
        "releasing",
        "since",
        "switch_at",
        "zone",
    )

    def __init__(
        self,
        granted: int = 0,
        last: bool = False,
        at: int = 0,
        since: int = 0,
        before: tuple[tuple[int, int], ...] = (),
        mark: int = -1,
        passed: int = 0,
        switch_at: int = 0,
        allowed: int = 0,
        pending: bool = False,
        releasing: bool = False,
        answered: int = 0,
        zone: int = 0,
    ) -> None:
        # Single octets beside each other: there are as many of these as calls are charged.
        self.last = last
        self.pending = pending
        self.releasing = releasing
        self.granted = granted
        self.at = at
        self.since = since
        self.before = before
        self.mark = mark
        self.passed = passed
        self.switch_at = switch_at
        self.allowed = allowed
        self.answered = answered
        self.zone = zone

    def values(self) -> tuple[object, ...]:
        """Return all attributes, in the order of the arguments: what is journalled."""
        return (
            self.granted,
            self.last,
            self.at,
            self.since,
            self.before,
            self.mark,
            self.passed,
            self.switch_at,
            self.allowed,
            self.pending,
            self.releasing,
            self.answered,
            self.zone,
        )

    def copy(self) -> Meter:
        """Return one like it, to be changed before anybody sees it."""
        return Meter(
            self.granted,
            self.last,
            self.at,
            self.since,
            self.before,
            self.mark,
            self.passed,
            self.switch_at,
            self.allowed,
            self.pending,
            self.releasing,
            self.answered,
            self.zone,
        )

    def __eq__(self, other: object) -> bool:
        """Compare all attributes."""
        return isinstance(other, Meter) and self.values() == other.values()

    def __hash__(self) -> int:
        """Hash them."""
        return hash(self.values())

    def __repr__(self) -> str:
        """Show them, for a test that fails."""
        return f"Meter{self.values()}"

    @property
    def used(self) -> int:
        """Tenths since answer."""
        used = self.since
        for tenths, _ in self.before:
            used += tenths
        return used

    @property
    def usage(self) -> Usage:
        """What was used."""
        return Usage(self.stretches)

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """See `Usage`."""
        since, at = self.since, self.at
        if not self.before and not self.passed:
            return ((since, at),) if since else ()
        stretches = self.before
        if self.passed and not self.before and self.answered:  # the tariff switched while it rang
            begins = max(at * TENTHS, _tenths(self.answered) + self.zone * TENTHS)
            lead = min(since, -begins % TENTHS)  # up to the next second
            since, at = since - lead, -(-begins // TENTHS)
            stretches = ((lead, at if since else at - 1),)
        return tuple([each for each in (*stretches, (since, at)) if each[0]])


class Measured(NamedTuple):
    """The times in an ApplyChargingReport, in 100 ms.

    Attributes:
        since: since answer, or, if ``switched``, since the last switch of the tariff.
        switched: whether the tariff has switched since the first ApplyCharging.
        interval: up to the switch in this period; None: there was none.
    """

    since: int
    switched: bool = False
    interval: int | None = None


class Period(NamedTuple):
    """What ApplyCharging says.

    Attributes:
        tenths: how long, 1 to `MOST_PERIOD`.
        release: the gsmSSF releases the call at its end, after a warning tone.
        switch_s: seconds until the tariff switches, 1 to 86400; 0: nothing is said of it.
    """

    tenths: int
    release: bool = False
    switch_s: int = 0


def granted(meter: Meter, grant: QuotaGrant, now: int = 0, longest: int = 0) -> Meter:
    """Take a grant: what it says in all counts.

    Args:
        meter: of the call.
        grant: what is granted.
        now: milliseconds since 1970-01-01 UTC.
        longest: seconds of the longest call, for which nothing more will be granted; 0: any.
    """
    at, zone = meter.at, meter.zone
    if not at and grant.at:
        at = grant.at
        zone = (at - now // 1000 + ZONES // 2) // ZONES * ZONES if now else 0
    seconds = max(meter.granted, grant.seconds * TENTHS)
    after = meter.copy()
    after.granted = seconds
    after.last = meter.last or grant.last or 0 < longest <= grant.seconds
    after.at = at
    after.zone = zone
    return after


def paid(meter: Meter, tenths: int, *, last: bool = False) -> Meter:
    """Return the meter with so many tenths since answer at the least, the ``last``, or as it was before."""
    after = meter.copy()
    after.granted = max(meter.granted, tenths)
    after.last = meter.last or last
    return after


def answered(meter: Meter, now: int) -> Meter:
    """Note that the switch's count stands where it stands at ``now``, in milliseconds since 1970."""
    after = meter.copy()
    after.answered = now - meter.used * _TENTH_MS
    return after


def _counted(meter: Meter, since: int) -> Meter:
    """Return the meter with `Meter.since`."""
    after = meter.copy()
    after.since = since
    return after


def _switched(meter: Meter, before: tuple[tuple[int, int], ...], since: int, mark: int) -> Meter:
    """Return the meter once the tariff has switched as the gsmSSF was told; see `Meter` for the rest."""
    after = meter.copy()
    after.before = before
    after.since = since
    after.mark = mark
    after.at = meter.switch_at
    after.passed = meter.passed + 1
    after.switch_at = 0
    return after


def _tenths(ms: int) -> int:
    """Return milliseconds in whole tenths of a second, the nearest."""
    return (ms + _TENTH_MS // 2) // _TENTH_MS


def _switch_ms(meter: Meter) -> int:
    """Return when the tariff switches that the gsmSSF was told of, in milliseconds since 1970-01-01 UTC."""
    return (meter.switch_at - meter.zone) * 1000


def until(meter: Meter, now: int) -> Meter:
    """Return the meter of a call that went on to ``now``, where no report tells of the time since the last.

    A gsmSSF reports what it was given a period for (§11.2.2.2). Between a report and the next ApplyCharging
    it counts, but a call that ends there is not reported; so the clock that saw both says how long it was.

    Args:
        meter: of the call.
        now: milliseconds since 1970-01-01 UTC.
    """
    if not meter.answered:
        return meter
    reached = meter.answered + meter.used * _TENTH_MS
    more = _tenths(now - reached)
    if more <= 0:
        return meter
    if meter.switch_at:
        if meter.before:  # what was used since the last switch counts from there
            first = max(0, (meter.switch_at - meter.at) * TENTHS - meter.since)
        else:
            first = max(0, _tenths(_switch_ms(meter) - reached))
        if first < more:
            before = (*meter.before, (meter.since + first, meter.at))
            return _switched(meter, before, more - first, _UNTOLD)
    return _counted(meter, meter.since + more)


def measured(meter: Meter, report: Measured, elapsed: int = 0) -> Meter:
    """Take a report of a gsmSSF that counts from answer (§11.3.1.1).

    One ApplyCharging has one report: without a period that is pending it came before.

    Args:
        meter: of the call.
        report: what it says.
        elapsed: tenths since answer by the node's clock; 0: it does not know.
    """
    if not meter.pending:
        return meter
    if not report.switched:
        if meter.passed:
            return _unswitched(meter, report)
        return _counted(meter, max(meter.since, report.since))
    if not (meter.passed or meter.switch_at):  # the gsmSSF was told of none: all of it counts
        return _counted(meter, max(meter.since, report.since + (report.interval or 0)))
    if not meter.switch_at or _repeated(meter, report, elapsed):
        return _divided(meter, report)
    if report.interval is not None:
        return _switched(meter, (*meter.before, (report.interval, meter.at)), report.since, report.since)
    if meter.passed and not _unheard(meter, report):  # the switch that it speaks of is the one before
        return _counted(meter, max(meter.since, report.since))
    if meter.passed:
        return _switched(meter, (*meter.before, (meter.since, meter.at)), report.since, _UNTOLD)
    if meter.since and 0 < meter.answered < _switch_ms(meter):
        until_then = _tenths(_switch_ms(meter) - meter.answered)
        if not meter.since <= until_then <= meter.since + _AWAY:
            until_then = meter.since
        return _switched(meter, ((until_then, meter.at),), report.since, _UNTOLD)
    return _switched(meter, meter.before, report.since, report.since)  # it came before the answer


def _unswitched(meter: Meter, report: Measured) -> Meter:
    """Take a report that tells of no switch, where one has passed: it is older, or the clock was wrong.

    A gsmSSF tells of no switch until the first (§11.3.1.1). Where that was assumed, and the report has all
    that was used, the first is still to come.
    """
    before = meter.before
    assumed = meter.mark == _UNTOLD and len(before) == meter.passed and not meter.switch_at
    if not assumed or report.since < meter.used:
        return meter
    after = _counted(meter, report.since)
    after.before, after.passed = (), 0
    after.at, after.switch_at = [*[at for _, at in before], meter.at][:2]
    return after


def _divided(meter: Meter, report: Measured) -> Meter:
    """Take a report after the last switch; one that was missing, and comes late, says when that was."""
    since, mark, before = meter.since, meter.mark, meter.before
    if mark == _UNTOLD and before and report.interval is not None:
        since += before[-1][0] - report.interval
        before, mark = (*before[:-1], (report.interval, before[-1][1])), report.since
    after = _counted(meter, max(since, report.since))
    after.before, after.mark = before, mark
    return after


def _unheard(meter: Meter, report: Measured) -> bool:
    """Return whether a report without an interval speaks of the next switch, whose own report is missing.

    From the switch before to it, it is as long as the tariff's clock has it, whatever the node's clock says.
    All of that counted as used. The report says less than that, which only grows; or more than the stretch
    can be, and what was used with it is what the gsmSSF was allowed, or less.
    """
    stretch = (meter.switch_at - meter.at) * TENTHS
    if not -_TIMER <= meter.since - stretch <= _TIMER:
        return False
    beyond = report.since > stretch + _TIMER and meter.used + report.since <= meter.allowed + TENTHS
    return report.since < meter.since or beyond


def _repeated(meter: Meter, report: Measured, elapsed: int) -> bool:
    """Return whether a report of a switch is the one that came before, or was missing, and comes late.

    The next switch may be reported alike, to the tenth: its interval is then as long as the tariff's clock
    has it, and what was used with it is what the gsmSSF was allowed, or less (§11.3.1.1), and has passed.
    """
    interval = report.interval
    if interval is None or not meter.before:
        return False
    late = interval - (meter.switch_at - meter.at) * TENTHS
    fits = -_TIMER <= late <= _TIMER
    if meter.mark == _UNTOLD:
        if not fits:
            return True
        alike = -_TIMER <= interval - meter.before[-1][0] <= _TIMER
    else:
        alike = (interval, report.since) == (meter.before[-1][0], meter.mark)
    used = meter.used - meter.since + interval + report.since
    return alike and (not fits or used > meter.allowed + _GAP or 0 < elapsed < used - interval // 2)


def measured_period(meter: Meter, report: Measured) -> Meter:
    """Take a report of a gsmSSF that counts each period anew: one for each period, which adds up."""
    if not meter.pending:
        return meter
    if report.switched and report.interval is not None and meter.switch_at:
        before = (*meter.before, (meter.since + report.interval, meter.at))
        return _switched(meter, before, report.since, report.since)
    return _counted(meter, meter.since + report.since)


def reported(meter: Meter, now: int = 0) -> Meter:
    """Note that the period's report has come: the gsmSSF may be given another.

    Args:
        meter: of the call, the report taken.
        now: milliseconds since 1970-01-01 UTC, if the call goes on.
    """
    at = now - meter.used * _TENTH_MS if now and meter.used else meter.answered
    after = meter.copy()
    after.pending = False
    after.releasing = False
    after.answered = at
    return after


def next_period(meter: Meter, grant: QuotaGrant, withheld: int, most: int = MOST_PERIOD) -> Period | None:
    """Return the period that the switch is given now, None: nothing is left, the call is to be released.

    Args:
        meter: of the call, the grant taken.
        grant: the last; what it says of the tariff's next switches is from now on.
        withheld: tenths that are kept back until there is no money for more.
        most: the longest that a period may be, in tenths.
    """
    rest = meter.granted - meter.used
    if rest <= 0:
        return None
    final = meter.last and rest <= max(withheld, 1)
    tenths = rest if final or rest <= withheld or (meter.last and not withheld) else rest - withheld
    final = final or (meter.last and tenths == rest)
    switch = 0 if meter.switch_at else grant.switch_s
    limit = min(most, MOST_PERIOD)
    second = grant.then_s
    if switch and meter.passed and grant.at + switch <= meter.at:  # it is reported: seconds are rounded down
        switch, second = second, 0
    if meter.switch_at and grant.at >= meter.switch_at:  # it is past, and its report is due
        second = grant.switch_s
    if second and (switch or meter.switch_at):
        limit = min(limit, max(TENTHS, (second - EDGE) * TENTHS))
    if tenths > limit:
        return Period(limit, switch_s=switch)
    return Period(tenths, final, switch)


def applied(meter: Meter, period: Period, at: int) -> Meter:
    """Note that a period was given to the switch, when the tariff's clock was ``at``."""
    after = meter.copy()
    after.allowed = meter.used + period.tenths
    after.pending = True
    after.releasing = period.release
    if period.switch_s:
        after.switch_at = at + period.switch_s
    return after


def anew(meter: Meter) -> Meter:
    """Return the meter for another attempt to reach a party: nothing was used, what is granted stays.

    The gsmSSF has reported the period of the attempt that failed, and forgotten it (§11.2.2.1).
    """
    return Meter(meter.granted, meter.last, meter.at, zone=meter.zone)


def wanted(meter: Meter, withheld: int, more: int) -> int:
    """Return how many seconds are to be asked for in all: what was used, what is withheld, a further quota.

    Args:
        meter: of the call.
        withheld: tenths.
        more: seconds.
    """
    return whole_seconds(meter.used + withheld) + more


def ahead(meter: Meter, withheld: int, more: int) -> int:
    """Return as `wanted`, for what will have been used at the end of the running period."""
    return whole_seconds(meter.allowed + withheld) + more


def later(grant: QuotaGrant, passed: int) -> QuotaGrant | None:
    """Return a grant as it is so many seconds later; None: it grants nothing, or the tariff has switched."""
    if not grant.seconds or 0 < grant.switch_s <= passed:
        return None
    switch = grant.switch_s and grant.switch_s - passed
    then = grant.then_s and max(1, grant.then_s - passed)
    at = grant.at and grant.at + passed
    return QuotaGrant(grant.session, grant.seconds, grant.last, at, switch, then, grant.held, grant.tariff)


def pending(before: Meter, now: Meter) -> Meter:
    """Return the meter from before a period counted as used, which is pending all the same."""
    after = before.copy()
    after.granted, after.last = now.granted, now.last
    return after


def assumed(meter: Meter) -> Meter:
    """Return the meter of a period whose report is missing, or can't be read: all of it was used.

    A gsmSSF tells once how long it was until a switch of the tariff (§11.3.1.1): where that report is
    missing, the time of the switch divides the period.
    """
    missing = meter.allowed - meter.used
    if meter.answered and meter.switch_at:
        return until(meter, meter.answered + meter.allowed * _TENTH_MS)
    return _counted(meter, meter.since + missing) if missing > 0 else meter
