"""Axes have a few round marks, whatever their range."""

import pytest

from soundcheck.report.plot_axes import round_marks


@pytest.mark.parametrize(
    ("low", "high", "most", "marks"),
    [
        (0.03, 0.9, 7, [0.05, 0.1, 0.2, 0.5]),
        (0.001, 10, 7, [0.001, 0.01, 0.1, 1, 10]),
        (3e-5, 5, 4, [1e-4, 0.01, 1]),
        (0.38, 0.43, 4, [0.38, 0.4, 0.42]),
        (0.00354, 0.00445, 4, [0.00375, 0.004, 0.00425]),
    ],
)
def test_marks_are_round_and_few(low: float, high: float, most: int, marks: list[float]) -> None:
    """Digits 1, 2, 5 or decades over a wide range, equal steps over a narrow one."""
    assert round_marks(low, high, most) == pytest.approx(marks)
