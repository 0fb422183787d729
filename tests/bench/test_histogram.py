from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.bench.histogram import Histogram

values = st.lists(st.one_of(st.integers(0, 600), st.integers(0, 2**40 - 1)), min_size=1, max_size=200)


def filled(numbers):
    histogram = Histogram()
    for number in numbers:
        histogram.record(number)
    return histogram


@given(values, st.floats(0, 100))
def test_percentiles_are_those_of_the_sorted_list_within_one_part_in_128(numbers, percent):
    histogram = filled(numbers)
    exact = sorted(numbers)[max(1, ceil(len(numbers) * percent / 100)) - 1]
    assert exact <= histogram.percentile(percent) <= exact + exact / 128
    assert histogram.percentile(100) == histogram.largest == max(numbers)
    assert histogram.mean == pytest.approx(sum(numbers) / len(numbers))


@given(values, values)
def test_adding_is_recording_both(one, other):
    both, left = filled(one + other), filled(one)
    left.add(filled(other))
    for percent in (0, 10, 50, 90, 99.9, 100):
        assert left.percentile(percent) == both.percentile(percent)
    assert (left.total, left.sum, left.largest) == (both.total, both.sum, both.largest)


def test_the_ends():
    histogram = Histogram()
    assert (histogram.percentile(50), histogram.mean) == (0, 0.0)
    histogram.record(-5)
    histogram.record(1 << 50)
    assert histogram.percentile(50) == 0
    assert histogram.largest == (1 << 40) - 1
