import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport.client.load import Histogram

TIMES = st.lists(st.floats(2e-6, 100.0), min_size=1, max_size=200)


@given(TIMES, st.floats(0.1, 100))
def test_a_percentile_is_within_one_percent_of_the_exact_one(times, percent):
    histogram = Histogram()
    histogram.add(times)
    exact = sorted(times)[max(1, math.ceil(len(times) * percent / 100)) - 1]
    assert histogram.percentile(percent) == pytest.approx(exact, rel=0.01)


@given(TIMES, TIMES)
def test_merging_is_the_same_as_counting_all(one, other):
    together, first, second = Histogram(), Histogram(), Histogram()
    together.add(one + other)
    first.add(one)
    second.add(other)
    first.merge(second)
    assert first.count == together.count == len(one) + len(other)
    assert first.percentiles((1, 50, 99)) == together.percentiles((1, 50, 99))
    assert first.to_dict()["buckets"] == together.to_dict()["buckets"]


def test_the_extremes_and_the_mean_are_exact():
    histogram = Histogram()
    times = [random.Random(1).uniform(0.001, 2) for _ in range(100)]
    histogram.add(times[:50])
    histogram.add(times[50:])
    assert histogram.percentiles((50,))["max"] == max(times)
    assert histogram.percentile(0) >= min(times)
    assert histogram.mean == pytest.approx(statistics.fmean(times))


def test_nothing_counted_is_not_a_number():
    histogram = Histogram()
    histogram.add([])
    assert math.isnan(histogram.percentile(99))
    assert math.isnan(histogram.percentiles((50,))["max"])
    assert math.isnan(histogram.share_within(1))
    assert histogram.to_dict() == {"count": 0, "sum": 0.0, "buckets": []}


def test_times_beyond_the_range_are_kept_at_its_ends():
    histogram = Histogram()
    histogram.add([1e-9, 1e6])
    assert histogram.count == 2
    assert histogram.percentile(100) == pytest.approx(10_000, rel=0.02)
    assert histogram.percentiles(())["max"] == 1e6


def test_the_share_within_a_time():
    histogram = Histogram()
    histogram.add([0.1] * 90 + [1.0] * 10)
    assert histogram.share_within(0.5) == pytest.approx(0.9)
    assert histogram.share_within(2) == 1
    assert histogram.share_within(0.01) == 0
