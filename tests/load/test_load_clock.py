"""The kernel's stamps in monotonic time."""

from time import monotonic_ns, time_ns

import pytest

from soundcheck.load import clock
from soundcheck.load.clock import SLACK_NS, VALID_NS, Clock

AHEAD = 10**18
"""By how much the time of day is ahead in these tests, in nanoseconds."""


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the distance between the clocks: tests may set it, as people set the time of day."""
    distances = [AHEAD]
    monkeypatch.setattr(clock, "distance", lambda: distances[-1])
    return distances


def test_a_stamp_is_turned_into_monotonic_time(ahead: list[int]) -> None:
    """The time is that of the stamp, and never after it was read."""
    own = Clock()
    assert own.monotonic(AHEAD + 500, 0, 1000) == 500
    assert own.monotonic(AHEAD + 1000 + SLACK_NS, 0, 1000) == 1000


@pytest.mark.parametrize("jump", [-(10**12), 10**12, 2 * SLACK_NS])
def test_setting_the_time_of_day_is_noticed(ahead: list[int], jump: int) -> None:
    """A stamp that cannot be has the clocks compared again, at once."""
    own = Clock()
    assert own.monotonic(AHEAD + 500, 0, 1000) == 500
    ahead.append(AHEAD + jump)
    assert own.monotonic(AHEAD + jump + 600, 0, 1000) == 600


def test_impossible_stamps_are_none(ahead: list[int]) -> None:
    """A stamp from before the request, or from the future, is none."""
    own = Clock()
    assert own.monotonic(AHEAD + 99, 100, 1000) is None
    assert own.monotonic(AHEAD + 1001 + SLACK_NS, 100, 1000) is None


def test_the_clocks_are_compared_every_second(ahead: list[int]) -> None:
    """A small change is noticed after a second at the latest."""
    own = Clock()
    assert own.monotonic(AHEAD + 500, 0, 1000) == 500
    ahead.append(AHEAD + 10)
    assert own.monotonic(AHEAD + 500, 0, 1000 + VALID_NS) == 490


def test_the_distance_is_between_two_readings() -> None:
    """What is measured lies between what can be read before and after it."""
    before = time_ns() - monotonic_ns()
    measured = clock.distance()
    after = time_ns() - monotonic_ns()
    assert abs(measured - before) <= 10**9
    assert abs(measured - after) <= 10**9
