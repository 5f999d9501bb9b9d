"""An exchange ends after a silence, not after the time that its upload takes."""

import pytest

from soundcheck.http import patience
from soundcheck.http.limits import SLOWEST_UPLOAD
from soundcheck.http.patience import Patience


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that patience goes by."""
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


def test_silence_ends_it(clock: Clock) -> None:
    """Without progress an exchange has its limit, however long its body is."""
    waiting = Patience(120.0, 60_000_000)
    clock.now += 121
    assert waiting.left < 0


def test_an_upload_that_goes_on_is_no_silence(clock: Clock) -> None:
    """Every piece that goes out begins the limit anew: 60 MB may take longer than it."""
    waiting = Patience(120.0, 60_000_000)
    for _ in range(9):
        clock.now += 100
        assert waiting.left > 0
        waiting.progress()
    clock.now += 119
    assert waiting.left > 0
    clock.now += 2
    assert waiting.left < 0


def test_a_trickle_is_given_up_on(clock: Clock) -> None:
    """A body that goes up more slowly than the slowest way is not waited for without end."""
    waiting = Patience(120.0, 60_000_000)
    pieces = 0
    while waiting.left > 0:
        clock.now += 100
        pieces += 1
        waiting.progress()
    assert pieces <= (60_000_000 / SLOWEST_UPLOAD + 120) / 100 + 1
