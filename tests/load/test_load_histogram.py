"""Histograms of times: percentiles within 0.5 %, and merges that lose nothing."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.load.histogram import Histogram

TIMES = st.lists(st.integers(0, 10**13), min_size=1, max_size=200)


def histogram(times: list[int]) -> Histogram:
    one = Histogram()
    for time in times:
        one.record(time)
    return one


@given(times=TIMES, share=st.floats(0, 1))
def test_percentiles_are_those_of_the_values_within_half_a_percent(
    times: list[int], share: float
) -> None:
    """A percentile is at most 0.5 % from the nearest rank's own value."""
    exact = sorted(times)[max(0, math.ceil(share * len(times) - 1e-9) - 1)] / 1e9
    found = histogram(times).percentile(share)
    assert found == pytest.approx(exact, rel=0.005, abs=1e-12)


@given(times=TIMES, cuts=st.lists(st.integers(0, 3), min_size=200, max_size=200))
def test_parts_merge_to_the_whole_in_any_order(times: list[int], cuts: list[int]) -> None:
    """The histograms of parts add up to that of the whole, whichever comes first."""
    parts = [
        histogram([time for time, cut in zip(times, cuts, strict=False) if cut == part])
        for part in range(4)
    ]
    assert Histogram.merged(parts) == Histogram.merged(parts[::-1]) == histogram(times)


@given(times=st.lists(st.integers(-5, 10**15), max_size=200))
def test_values_counted_together_are_as_if_counted_one_by_one(times: list[int]) -> None:
    """Many values at once give the very histogram that they give one after the other."""
    together = Histogram()
    together.record_all(np.array(times, np.int64))
    assert together == histogram(times)
    assert together.total == histogram(times).total


@given(times=TIMES)
def test_a_message_gives_the_histogram_back(times: list[int]) -> None:
    """What a worker sends as JSON is the histogram."""
    one = histogram(times)
    assert Histogram.from_message(json.loads(json.dumps(one.to_message()))) == one


def test_least_greatest_mean_and_count_are_exact() -> None:
    """What needs no bucket is not rounded to one."""
    one = histogram([1_000_001, 2_000_003, 3_000_008])
    assert (one.count, one.minimum, one.maximum) == (3, 0.001000001, 0.003000008)
    assert one.mean == pytest.approx(0.002000004, rel=1e-12)
    assert one.total == pytest.approx(0.006000012, rel=1e-12)


def test_nothing_counted_has_no_numbers() -> None:
    """An empty histogram says None instead of 0, and is false."""
    one = Histogram()
    assert not one
    assert one.cumulative() == []
    assert set(one.summary().values()) == {0, None}


def test_negative_values_count_as_zero() -> None:
    """A time before its beginning is 0: clocks of two cores may differ by a little."""
    assert histogram([-5]).maximum == 0


@pytest.mark.parametrize(
    ("count", "told"), [(999, ()), (1_000, ("p99",)), (9_999, ("p99",)), (10_000, ("p99", "p999"))]
)
def test_few_values_have_no_high_percentiles(count: int, told: tuple[str, ...]) -> None:
    """p99 takes 1,000 values and p99.9 takes 10,000."""
    one = Histogram()
    one.record(1_000_000, count)
    summary = one.summary()
    assert tuple(name for name in ("p99", "p999") if summary[name] is not None) == told


def test_how_many_are_above_a_limit_is_known() -> None:
    """Values clearly above are counted, those clearly below are not."""
    assert histogram([10**6] * 5 + [10**7] * 3).above(0.005) == 3


@given(times=TIMES, points=st.integers(3, 50))
def test_the_curve_for_plots_rises_from_the_least_to_the_greatest(
    times: list[int], points: int
) -> None:
    """Points are few, rise in both directions and end at the greatest value with all of them."""
    curve = histogram(times).cumulative(points)
    assert 1 <= len(curve) <= points
    assert curve == sorted(curve)
    assert [share for _, share in curve] == sorted(share for _, share in curve)
    assert curve[-1] == [max(times) / 1e9, 1.0]


def test_the_curve_for_plots_shows_the_tail() -> None:
    """Of 30,000 values those beyond 99.9 % are drawn, and no part of the curve is left out."""
    curve = histogram([10**6 * 1000**2 // rank for rank in range(1, 30_001)]).cumulative(200)
    shares = [share for _, share in curve]
    assert sum(0.999 < share < 1 for share in shares) >= 10
    assert max(share for share in shares if share < 1) > 0.9998
    assert max(after - before for before, after in pairwise(shares)) < 0.03
