"""Arithmetic on figures over time."""

import pytest

from soundcheck.load.telemetry.series import (
    Point,
    increase,
    integral,
    largest,
    mean,
    quotients,
    rates,
    thinned,
    total,
)

STEADY: list[Point] = [(float(at), 10.0 * at) for at in range(11)]
RESET: list[Point] = [(0, 100), (1, 110), (2, 5), (3, 15)]


def test_gauges_count_within_the_window_alone() -> None:
    """Mean and largest are of the points between begin and end, both included."""
    assert mean(STEADY, 2, 4) == 30
    assert largest(STEADY, 2.5, 4.4) == 40
    assert mean(STEADY, 20, 30) is None
    assert largest([], 0, 1) is None


def test_a_counter_grows_evenly_between_points() -> None:
    """Edges of the window that lie between two points are interpolated."""
    assert increase(STEADY, 2.5, 4.25) == pytest.approx(17.5)


def test_edges_without_points_grow_as_the_rest() -> None:
    """A window that is mostly covered is scaled up; one that is not has no figure."""
    assert increase(STEADY, 8, 10.5) == pytest.approx(25)
    assert increase(STEADY, 8, 14) is None
    assert increase(STEADY[:1], 0, 1) is None


def test_a_counter_that_fell_began_again() -> None:
    """A restart of the server loses what was counted before it, and nothing else."""
    assert increase(RESET, 0, 3) == 10 + 5 + 10
    assert rates(RESET) == [(1, 10), (3, 10)]


def test_a_sum_and_a_count_make_a_mean() -> None:
    """Where nothing was counted there is no mean, nor where the server began again."""
    sums: list[Point] = [(0, 0), (1, 6), (2, 6), (3, 1)]
    counts: list[Point] = [(0, 0), (1, 3), (2, 3), (3, 1)]
    assert quotients(sums, counts) == [(1, 2)]


def test_power_is_integrated_by_trapezia() -> None:
    """Watts over seconds are joules."""
    assert integral([(0, 100), (1, 200), (2, 200)], 0, 2) == pytest.approx(350)
    assert integral([(0, 100), (2, 100)], 0.5, 1.5) == pytest.approx(100)


def test_figures_of_several_places_are_added_up() -> None:
    """Each place counts as it was told last, from the time when all were."""
    assert total([[(0, 1), (2, 3)], [(1, 10), (3, 20)]]) == [(1, 11), (2, 13), (3, 23)]
    assert total([STEADY]) == STEADY


def test_long_series_are_thinned() -> None:
    """The number of points is bounded; the last is kept."""
    points: list[Point] = [(float(at), 0.0) for at in range(1001)]
    assert len(thinned(points, 100)) <= 101
    assert thinned(points, 100)[-1] == points[-1]
    assert thinned(STEADY, 100) == STEADY
