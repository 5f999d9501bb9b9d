"""The crossing of a share with its target, from windows that scatter."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundcheck.load.curve import Window, crossing


def windows(
    rates: list[float], at: float, *, steepness: float = 15.0, count: int = 500, seed: int = 0
) -> list[Window]:
    """Return windows whose misses follow the curve with target 0.95, scattered if seeded."""
    chance = random.Random(seed)
    found = []
    for rate in rates:
        missing = 1 / (1 + 19 * math.exp(-steepness * math.log(rate / at)))
        if seed:
            share = min(max(chance.gauss(missing, 0.04 * missing**0.5), 0.0), 1.0)
            found.append(Window(rate, count - round(share * count), count))
        else:
            found.append(Window(rate, count - round(missing * count), count))
    return found


@settings(max_examples=12)
@given(at=st.floats(0.5, 2000), steepness=st.floats(8, 60), off=st.floats(-0.08, 0.08))
def test_a_curve_without_scatter_is_found(at: float, steepness: float, off: float) -> None:
    """Windows on both sides that lie on a curve give its crossing, wherever the look begins."""
    rates = [at * (0.9 + 0.025 * step) for step in range(9)]
    seen = windows(rates, at, steepness=steepness, count=100_000)
    assert crossing(seen, 0.95, at * (1 + off)).rate == pytest.approx(at, rel=0.015)


def test_the_deviation_is_honest() -> None:
    """Of twenty scattered sets at most a few crossings are beyond two deviations of the truth."""
    beyond = 0
    for seed in range(1, 21):
        rates = [100 * (0.94 + 0.01 * step) for step in range(12)]
        found = crossing(windows(rates, 100, seed=seed), 0.95, 97)
        assert 0 < found.deviation < 0.06
        beyond += abs(math.log(found.rate / 100)) > 2 * found.deviation
    assert beyond <= 3


def test_more_windows_know_more() -> None:
    """The deviation shrinks with the number of windows."""
    rates = [100 * (0.96 + 0.02 * step) for step in range(5)]
    few, many = windows(rates, 100, seed=1), windows(rates * 6, 100, seed=1)
    assert crossing(many, 0.95, 100).deviation < 0.6 * crossing(few, 0.95, 100).deviation


def test_windows_far_away_say_nothing() -> None:
    """Without a window near it, the crossing stays a guess where it was."""
    found = crossing([Window(10, 100, 100), Window(10, 0, 0)], 0.95, 100)
    assert found.rate == 100
    assert found.deviation > 0.1


@pytest.mark.parametrize(("kept", "lower"), [(500, False), (0, True)])
def test_all_or_nothing_pushes_the_crossing_away(kept: int, lower: bool) -> None:
    """Windows that all pass, or all fail, move the crossing to their other side."""
    seen = [Window(rate, kept, 500) for rate in (98.0, 100.0, 102.0)]
    assert (crossing(seen, 0.95, 100).rate < 100) is lower
