"""Locust's tables are rounded to three digits, so that they agree with the report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.load.rounding import three_digits


@given(st.floats(1, 10**7))
def test_three_digits_are_kept(milliseconds: float) -> None:
    """Whatever the size, the error is at most half a unit of the third digit: 0.5 %."""
    assert three_digits(milliseconds) == pytest.approx(milliseconds, rel=0.00501)


@pytest.mark.parametrize(
    ("milliseconds", "rounded"),
    [(0.0, 0), (1.236, 1.24), (12.36, 12.4), (123.6, 124), (1236.0, 1240), (12_360.0, 12_400)],
)
def test_there_are_few_different_values(milliseconds: float, rounded: float) -> None:
    """What is kept has three digits and no more, or Locust's messages would grow with a run."""
    assert three_digits(milliseconds) == rounded
