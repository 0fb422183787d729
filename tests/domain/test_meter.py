"""Quotas of a call against an independent, naive model of it: a switch that counts every tenth of a second."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from scp.domain.meter import (
    Measured,
    Meter,
    Period,
    anew,
    answered,
    applied,
    assumed,
    granted,
    measured,
    measured_period,
    next_period,
    reported,
    wanted,
)
from scp.domain.quota import QuotaGrant, Usage
from scp.domain.tariff import Band, Tariff

NOON = 12 * 3600
DAY = 86_400


def naive_price(tariff: Tariff, second: int) -> int:
    """The price at a second of the clock, found band by band over three days."""
    for band in tariff.bands:
        for day in range(second // DAY - 1, second // DAY + 1):
            start = day * DAY + int(band.start[:2]) * 3600 + int(band.start[3:]) * 60
            end = day * DAY + int(band.end[:2]) * 3600 + int(band.end[3:]) * 60
            if end <= start:
                end += DAY
            if start <= second < end:
                return band.price
    return tariff.price


class NaiveSwitch:
    """Counts every tenth of a second from answer on, and what it costs."""

    def __init__(self, tariff: Tariff, answered: int) -> None:
        self.tariff = tariff
        self.now = answered * 10  # tenths of the tariff's clock
        self.costs: list[int] = []  # price of each tenth
        self.since = 0
        self.switch: int | None = None  # tenths of the clock
        self.interval: int | None = None
        self.switched = False

    def armed(self, switch_s: int) -> None:
        if switch_s:
            assert self.switch is None, "a second switch while one is pending: taskRefused"
            self.switch = self.now + switch_s * 10

    def ring(self, tenths: int) -> None:
        self.now += tenths
        if self.switch is not None and self.now >= self.switch:
            self.switched, self.switch = True, None

    def talk(self, tenths: int) -> None:
        for _ in range(tenths):
            if self.switch is not None and self.now >= self.switch:
                self.interval = self.since if self.costs else None
                self.since, self.switched, self.switch = 0, True, None
            self.costs.append(naive_price(self.tariff, self.now // 10))
            self.since += 1
            self.now += 1

    def report(self) -> Measured:
        if not self.switched:
            return Measured(len(self.costs))
        interval, self.interval = self.interval, None
        return Measured(self.since, True, interval)

    def cost(self) -> int:
        if not self.costs:
            return 0
        tenths = len(self.costs)
        billable = max(ceil(tenths / 10), self.tariff.minimum_seconds)
        step = self.tariff.increment_seconds
        billable = ceil(Fraction(billable, step)) * step
        total = Fraction(sum(self.costs) + (billable * 10 - tenths) * self.costs[-1], 10)
        return self.tariff.setup + ceil(total / self.tariff.per_seconds)


BANDS = st.lists(
    st.builds(
        Band,
        price=st.integers(0, 40),
        start=st.sampled_from(["11:58", "12:00", "12:01", "12:02", "12:03", "12:05"]),
        end=st.sampled_from(["12:01", "12:02", "12:03", "12:04", "12:05", "12:10"]),
    ),
    max_size=4,
)
TARIFFS = st.builds(
    Tariff,
    prefix=st.just("46"),
    price=st.integers(0, 40),
    per_seconds=st.sampled_from([1, 30, 60, 600]),
    setup=st.integers(0, 9),
    minimum_seconds=st.sampled_from([0, 0, 30]),
    increment_seconds=st.sampled_from([1, 1, 6, 60]),
    bands=BANDS.map(tuple),
)


@given(
    TARIFFS,
    st.integers(0, 200),
    st.one_of(st.integers(5, 90), st.integers(100, 600)),
    st.integers(0, 40),
    st.integers(0, 900),
    st.lists(st.integers(0, 25), min_size=1, max_size=12),
    st.integers(0, 899),
    st.data(),
)
def test_the_charge_is_what_a_naive_model_says(tariff, start, quota, withheld, ring, gaps, last, data):
    """Reports that come again, late, or in another order change nothing; the held amount covers the charge.

    The tariff changes as often as it likes: before the answer, within a period, while nothing is pending.
    """
    switch = NaiveSwitch(tariff, NOON + start)
    meter, old = Meter(), []
    withheld = min(withheld, quota - 1) * 10
    held = 0
    for gap in gaps:
        at = switch.now // 10
        switch_s, then_s = tariff.changes(at)
        total = wanted(meter, withheld, quota)
        held = max(held, tariff.most(meter.usage, total, at, 3 if meter.answered else 3 + ring // 10))
        grant = QuotaGrant("", total, False, at, switch_s, then_s)
        meter = granted(meter, grant)
        period = next_period(meter, grant, withheld)
        assert period is not None
        assert period.tenths >= 1
        assert not period.release
        switch.armed(period.switch_s)
        meter = applied(meter, period, at)
        # The clock of the service has whole seconds, and the switch's timer runs from when it was told.
        if period.switch_s:
            switch.switch = meter.switch_at * 10
        if not meter.answered:
            switch.ring(ring)
            meter = answered(meter, switch.now * 100)
        talked = period.tenths if gap is not gaps[-1] else min(period.tenths, last)
        switch.talk(talked)
        report = switch.report()
        old.append(report)
        meter = reported(measured(meter, report))
        for again in data.draw(st.lists(st.sampled_from(old), max_size=2)):
            meter = measured(meter, again)
        if gap is not gaps[-1]:
            switch.talk(gap)
    if not switch.costs:
        return
    final = switch.report()
    meter = reported(measured(measured(meter, final), final))
    assert meter.used == len(switch.costs)
    assert tariff.cost_of(meter.usage) == switch.cost()
    assert any(gaps) or switch.cost() <= held


def test_what_is_withheld_is_the_last_period_with_release():
    """Balance for 200 s, quotas of 60 s, 30 s withheld: 30, 60, 60, 20, and 30 s to the end."""
    meter, periods = Meter(), []
    for total, last in ((60, False), (120, False), (180, False), (200, True), (200, True)):
        grant = QuotaGrant("", total, last)
        assert not meter.allowed or total == min(200, wanted(meter, 300, 60))
        meter = granted(meter, grant)
        period = next_period(meter, grant, 300)
        periods.append((period.tenths, period.release))
        meter = reported(measured(applied(meter, period, 0), Measured(meter.used + period.tenths)))
    assert periods == [(300, False), (600, False), (600, False), (200, False), (300, True)]
    assert next_period(meter, grant, 300) is None


def test_a_tariff_switch_divides_the_time():
    tariff = Tariff("46", 6, bands=(Band(12, start="12:00", end="13:00"),))
    meter = granted(Meter(), QuotaGrant("", 120, at=NOON - 40, switch_s=40))
    meter = applied(meter, next_period(meter, QuotaGrant("", 60, switch_s=40), 0), NOON - 40)
    meter = reported(measured(meter, Measured(200, True, 400)))
    assert measured(meter, Measured(200, True, 400)) == meter
    meter = applied(meter, next_period(meter, QuotaGrant("", 120), 0), NOON + 20)
    assert measured(meter, Measured(200, True, 400)) == meter
    assert measured(meter, Measured(400)) == meter  # it is older than the switch
    meter = measured(meter, Measured(800, True))
    assert meter.usage == Usage(((400, NOON - 40), (800, NOON)))
    assert tariff.cost_of(meter.usage) == 20


def test_a_second_switch_as_long_after_the_first_as_that_after_the_answer_is_none_that_comes_again():
    """Both are reported alike, to the tenth: the second is that of which the gsmSSF was told last."""
    tariff = Tariff(
        "46", 6, bands=(Band(12, start="12:00", end="12:02"), Band(18, start="12:02", end="13:00"))
    )
    meter = granted(Meter(), QuotaGrant("", 600, at=NOON - 120, switch_s=120))
    meter = answered(applied(meter, Period(1201, switch_s=120), NOON - 120), (NOON - 120) * 1000)
    first = reported(measured(meter, Measured(1, True, 1200)))
    later = measured(applied(first, Period(1200, switch_s=120), NOON), Measured(1, True, 1200))
    assert later.usage == Usage(((1200, NOON - 120), (1200, NOON), (1, NOON + 120)))
    assert tariff.cost_of(later.usage) == 37
    much_later = applied(first, Period(1200, switch_s=900), NOON)
    assert measured(much_later, Measured(1, True, 1200)) == much_later  # the switch is not there yet
    short = applied(first, Period(500, switch_s=120), NOON)
    assert measured(short, Measured(1, True, 1200)) == short  # the gsmSSF has not counted as much
    told = applied(first, Period(1200, switch_s=120), NOON)
    assert measured(told, Measured(1, True, 1200), 1210) == told  # it has not been as long
    assert measured(told, Measured(1, True, 1200), 2330) == later  # the first came late, the clock began late


def test_the_missing_report_of_a_switch_that_comes_late_is_not_taken_for_the_next_switch_s():
    """The first is reported, the second by the clock, and the third was told when the second's report comes."""
    meter = answered(granted(Meter(), QuotaGrant("", 600, at=NOON - 40)), (NOON - 40) * 1000)
    first = reported(measured(applied(meter, Period(600, switch_s=40), NOON - 40), Measured(200, True, 400)))
    second = reported(assumed(applied(first, Period(600, switch_s=60), NOON + 20)))
    assert second.usage == Usage(((400, NOON - 40), (800, NOON))), "it is at 12:01:20, when the period ends"
    second = reported(assumed(applied(second, Period(600), NOON + 80)))
    assert second.usage == Usage(((400, NOON - 40), (800, NOON), (600, NOON + 80)))
    third = applied(second, Period(600, switch_s=900), NOON + 140)
    late = measured(third, Measured(590, True, 804))
    assert late.usage == Usage(((400, NOON - 40), (804, NOON), (596, NOON + 80)))
    assert (late.passed, late.switch_at) == (2, NOON + 1040)
    assert measured(late, Measured(590, True, 804)) == late
    assert measured(late, Measured(10, True, 9600)).usage.tenths == 400 + 804 + 9600 + 10


def test_a_report_after_the_missing_one_divides_the_call_and_the_missing_one_corrects_it():
    meter = answered(granted(Meter(), QuotaGrant("", 600, at=NOON - 40)), (NOON - 40) * 1000)
    missing = reported(assumed(applied(meter, Period(400, switch_s=40), NOON - 40)))
    after = reported(measured(applied(missing, Period(400), NOON), Measured(400, True)))
    assert after.usage == Usage(((400, NOON - 40), (400, NOON)))
    told = applied(after, Period(400, switch_s=900), NOON + 40)
    assert measured(told, Measured(0, True, 402)).usage == Usage(((402, NOON - 40), (398, NOON)))


def test_a_missing_report_that_comes_late_corrects_a_clock_that_heard_of_the_answer_late():
    meter = answered(granted(Meter(), QuotaGrant("", 600, at=NOON - 40)), (NOON - 30) * 1000)
    missing = reported(assumed(applied(meter, Period(400, switch_s=40), NOON - 40)))
    assert missing.usage == Usage(((300, NOON - 40), (100, NOON)))
    told = applied(missing, Period(400, switch_s=900), NOON + 20)
    assert measured(told, Measured(0, True, 400)).usage == Usage(((400, NOON - 40),))


def test_a_clock_that_is_an_hour_wrong_adds_nothing_to_a_period_whose_report_is_missing():
    meter = answered(granted(Meter(), QuotaGrant("", 600, at=NOON - 40)), (NOON - 3640) * 1000)
    missing = reported(assumed(applied(meter, Period(400, switch_s=40), NOON - 40)))
    after = measured(applied(missing, Period(400), NOON), Measured(400, True))
    assert after.usage == Usage(((400, NOON - 40), (400, NOON)))


def test_a_report_that_tells_of_no_switch_undoes_one_that_a_clock_had_assumed():
    """A gsmSSF tells of none until the first (§11.3.1.1)."""
    meter = answered(granted(Meter(), QuotaGrant("", 600, at=NOON - 200)), (NOON + 3400) * 1000)
    began = applied(meter, Period(400, switch_s=200), NOON - 200)
    missing = reported(assumed(began))
    assert missing.usage == Usage(((400, NOON),)), "the clock is an hour ahead"
    going = applied(missing, Period(600), NOON - 160)
    assert measured(going, Measured(399)) == going, "it is one before it"
    assert measured(going, Measured(400)).usage == Usage(((400, NOON - 200),)), "it is the missing one"
    after = measured(going, Measured(1000))
    assert after.usage == Usage(((1000, NOON - 200),))
    assert after.switch_at == NOON, "the gsmSSF was told of it, and has not reported it"
    told = applied(missing, Period(2000, switch_s=260), NOON - 160)
    assert measured(told, Measured(2400)) == told, "it has taken the second: the first is past"
    again = reported(assumed(told))
    further = measured(applied(again, Period(600), NOON - 100), Measured(3000))
    assert (further.usage, further.switch_at) == (Usage(((3000, NOON - 200),)), NOON), "it has heard of one"
    heard = reported(measured(began, Measured(100, True, 300)))
    going = applied(heard, Period(600), NOON - 160)
    assert measured(going, Measured(1000)) == going, "that one was reported"
    rang = reported(measured(began, Measured(400, True)))
    going = applied(
        reported(assumed(applied(rang, Period(900, switch_s=60), NOON + 40))), Period(600), NOON + 130
    )
    assert going.passed == 2
    assert measured(going, Measured(1900)) == going, "the first was reported, of the time before the answer"


def test_the_second_switch_comes_as_long_after_the_first_as_the_tariff_has_it_whatever_the_clock():
    meter = granted(Meter(), QuotaGrant("", 600, at=NOON - 40))
    for hours in (-1, 0, 1):
        began = applied(
            answered(meter, (NOON - 40 + 3600 * hours) * 1000), Period(600, switch_s=40), NOON - 40
        )
        first = reported(measured(began, Measured(200, True, 400)))
        missing = reported(assumed(applied(first, Period(500, switch_s=40), NOON + 20)))
        assert missing.usage == Usage(((400, NOON - 40), (600, NOON), (100, NOON + 60)))
        missing = reported(assumed(applied(first, Period(500, switch_s=900), NOON + 20)))
        assert missing.usage == Usage(((400, NOON - 40), (700, NOON)))
        late = reported(measured(applied(first, Period(402, switch_s=40), NOON + 20), Measured(602, True)))
        missing = reported(assumed(applied(late, Period(500), NOON + 60)))
        assert missing.usage == Usage(((400, NOON - 40), (602, NOON), (500, NOON + 60))), (
            "none was until then"
        )


def test_a_second_switch_is_found_by_the_clock_where_the_first_was_before_the_answer():
    meter = answered(granted(Meter(), QuotaGrant("", 600, at=NOON - 40)), (NOON + 10) * 1000)
    rang = reported(measured(applied(meter, Period(400, switch_s=40), NOON - 40), Measured(400, True)))
    missing = reported(assumed(applied(rang, Period(300, switch_s=10), NOON + 50)))
    assert missing.usage == Usage(((500, NOON), (200, NOON + 60)))


def test_a_switch_at_the_end_of_a_period_whose_report_is_missing_begins_the_count_anew():
    """What is reported next is less than the time since the switch before, or more than that can be."""
    meter = answered(granted(Meter(), QuotaGrant("", 600, at=NOON - 40)), (NOON - 40) * 1000)
    first = reported(measured(applied(meter, Period(400, switch_s=40), NOON - 40), Measured(0, True, 400)))
    missing = reported(assumed(applied(first, Period(600, switch_s=60), NOON)))
    assert missing.usage == Usage(((400, NOON - 40), (600, NOON)))
    for tenths in (300, 900):
        after = measured(applied(missing, Period(900), NOON + 60), Measured(tenths, True))
        assert after.usage == Usage(((400, NOON - 40), (600, NOON), (tenths, NOON + 60)))
    told = applied(reported(after), Period(900, switch_s=900), NOON + 150)
    late = measured(told, Measured(0, True, 604))
    assert late.usage == Usage(((400, NOON - 40), (604, NOON), (896, NOON + 60)))
    again = measured(applied(missing, Period(900), NOON + 60), Measured(600, True))
    assert again.usage == missing.usage, "it is the report of the period before"


def test_a_switch_before_the_answer_has_no_interval():
    meter = granted(Meter(), QuotaGrant("", 60, at=NOON - 5, switch_s=5))
    meter = applied(meter, next_period(meter, QuotaGrant("", 60, switch_s=5), 0), NOON - 5)
    meter = measured(meter, Measured(100, True))
    assert meter.usage == Usage(((100, NOON),))


def test_a_second_switch_waits_until_the_first_is_past():
    meter = granted(Meter(), QuotaGrant("", 60, at=NOON - 100, switch_s=100))
    meter = applied(meter, next_period(meter, QuotaGrant("", 60, switch_s=100), 0), NOON - 100)
    meter = reported(measured(meter, Measured(600)))
    grant = QuotaGrant("", 180, at=NOON - 40, switch_s=40, then_s=70)
    meter = granted(meter, grant)
    assert next_period(meter, grant, 0).switch_s == 0


def test_a_period_ends_before_a_second_switch_which_the_next_one_tells():
    grant = QuotaGrant("", 600, at=NOON, switch_s=100, then_s=160)
    meter = granted(Meter(), grant)
    assert next_period(meter, grant, 0) == (1580, False, 100)


def test_a_switch_that_was_reported_is_not_told_again_by_a_grant_from_before_it():
    meter = granted(Meter(), QuotaGrant("", 20, at=NOON - 20), (NOON - 20) * 1000)
    meter = answered(applied(meter, Period(190, switch_s=20), NOON - 20), (NOON - 19) * 1000)
    meter = reported(measured(meter, Measured(0, True, 190)), NOON * 1000)
    ahead = QuotaGrant("", 40, False, NOON - 1, 1, 3600)
    assert next_period(granted(meter, ahead), ahead, 10).switch_s == 3600


def test_an_attempt_that_failed_has_used_nothing():
    meter = granted(Meter(), QuotaGrant("", 60, at=NOON, switch_s=10))
    meter = applied(meter, next_period(meter, QuotaGrant("", 60, switch_s=10), 0), NOON)
    meter = measured(meter, Measured(0, True))
    meter = anew(meter)
    assert meter.used == 0
    meter = applied(meter, next_period(meter, QuotaGrant("", 60), 0), NOON + 20)
    assert measured(meter, Measured(70)).used == 70


def test_a_report_that_is_missing_is_assumed_to_be_the_whole_period():
    meter = applied(
        granted(Meter(), QuotaGrant("", 60)),
        next_period(granted(Meter(), QuotaGrant("", 60)), QuotaGrant("", 60), 0),
        0,
    )
    assert assumed(meter).used == 600
    assert assumed(assumed(meter)) == assumed(meter)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=8))
def test_a_switch_that_counts_each_period_anew_adds_up(periods):
    meter = granted(Meter(), QuotaGrant("", 10_000))
    for tenths in periods:
        meter = applied(meter, next_period(meter, QuotaGrant("", 10_000), 0), 0)
        meter = reported(measured_period(meter, Measured(tenths)))
        assert measured_period(meter, Measured(tenths)) == meter  # it comes again
    assert meter.used == sum(periods)
