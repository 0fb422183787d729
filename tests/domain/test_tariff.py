"""Prices: by hand, second by second, and as properties."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.domain.tariff import DAY, DAYS, Band, Tariff, TariffTable

MONDAY = 4 * DAY  # 1970-01-05

times = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
bands = st.builds(
    Band,
    price=st.integers(0, 500),
    start=times,
    end=times | st.just("24:00"),
    days=st.frozensets(st.sampled_from(DAYS)),
)
tariffs = st.builds(
    Tariff,
    prefix=st.just("46"),
    price=st.integers(0, 500),
    per_seconds=st.sampled_from([1, 7, 60, 600, 3600]),
    setup=st.integers(0, 100),
    minimum_seconds=st.sampled_from([0, 1, 30, 60]),
    increment_seconds=st.sampled_from([1, 6, 60]),
    bands=st.lists(bands, max_size=3).map(tuple),
)
starts = st.integers(0, 30 * DAY)


@pytest.mark.parametrize(
    ("tariff", "seconds", "cost"),
    [
        (Tariff("46", 12), 0, 0),
        (Tariff("46", 12), -5, 0),
        (Tariff("46", 12), 60, 12),
        (Tariff("46", 12), 61, 13),  # 12.2, rounded up
        (Tariff("46", 12, setup=5), 0, 0),  # not answered
        (Tariff("46", 12, setup=5), 1, 6),
        (Tariff("46", 12, minimum_seconds=60), 1, 12),
        (Tariff("46", 12, minimum_seconds=60, increment_seconds=60), 61, 24),
        (Tariff("46", 12, increment_seconds=6), 61, 14),  # 66 s: 13.2
        (Tariff("46", 5, per_seconds=600), 60, 1),  # half a cent a minute
        (Tariff("46", 5, per_seconds=600), 1200, 10),
    ],
)
def test_by_hand(tariff: Tariff, seconds: int, cost: int) -> None:
    assert tariff.cost(seconds) == cost


def test_a_call_through_a_change_of_price() -> None:
    tariff = Tariff("46", 60, bands=(Band(120, "08:00", "18:00", frozenset(DAYS[:5])),))
    assert tariff.cost(120, MONDAY + 8 * 3600 - 60) == 60 + 120
    assert tariff.cost(120, MONDAY + 18 * 3600 - 60) == 120 + 60
    assert tariff.cost(120, MONDAY - DAY + 12 * 3600) == 120  # Sunday


def test_a_band_over_midnight_belongs_to_the_day_it_starts_on() -> None:
    night = Band(0, "22:00", "06:00", frozenset({"fri"}))
    tariff = Tariff("46", 60, bands=(night,))
    friday = MONDAY + 4 * DAY
    assert tariff.cost(60, friday + 23 * 3600) == 0
    assert tariff.cost(60, friday + DAY + 5 * 3600) == 0
    assert tariff.cost(60, friday + 5 * 3600) == 60
    assert tariff.cost(60, friday + DAY + 23 * 3600) == 60


def test_equal_start_and_end_is_a_whole_day() -> None:
    assert Band(1, "08:00", "08:00").length == DAY
    assert Band(1).length == DAY


@given(tariffs, st.integers(1, 5000), starts)
def test_second_by_second(tariff: Tariff, seconds: int, start: int) -> None:
    """The price is the exact sum over the billable seconds, each at its band's price, rounded up once."""

    def price(now: int) -> int:
        for band in tariff.bands:
            for day in (now // DAY, now // DAY - 1):
                begin = day * DAY + band.first
                if DAYS[(day + 3) % 7] in band.days and begin <= now < begin + band.length:
                    return band.price
        return tariff.price

    exact = sum(Fraction(price(start + n), tariff.per_seconds) for n in range(tariff.billable(seconds)))
    assert tariff.cost(seconds, start) == tariff.setup + -(-exact.numerator // exact.denominator)


@given(tariffs, st.integers(0, 100_000), st.integers(0, 100_000), starts)
def test_a_longer_call_never_costs_less(tariff: Tariff, one: int, other: int, start: int) -> None:
    short, long = sorted((one, other))
    assert 0 <= tariff.cost(short, start) <= tariff.cost(long, start)
    assert tariff.billable(short) >= short
    assert tariff.billable(short) % tariff.increment_seconds == 0


@given(tariffs, st.integers(0, 3000), st.integers(0, 14_400), starts, st.sampled_from([1, 7, 60]))
def test_affordable_seconds_are_the_most_that_can_be_paid(tariff, amount, most, start, step) -> None:
    seconds = tariff.affordable_seconds(amount, most, start, step)
    assert 0 <= seconds <= most
    assert seconds % step == 0
    assert seconds == 0 or tariff.cost(seconds, start) <= amount
    assert seconds > most - step or tariff.cost(seconds + step, start) > amount


@given(
    st.lists(st.text("0123456789", max_size=6), unique=True), st.text("0123456789", min_size=5, max_size=15)
)
def test_longest_prefix(prefixes: list[str], number: str) -> None:
    table = TariffTable(Tariff(prefix, 1) for prefix in prefixes)
    fitting = [prefix for prefix in prefixes if number.startswith(prefix)]
    found = table.find(number)
    assert (found.prefix if found else None) == (max(fitting, key=len) if fitting else None)
