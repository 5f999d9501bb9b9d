"""Two clocks as one: the kernel stamps what arrives by CLOCK_REALTIME, we by CLOCK_MONOTONIC.

The distance between them changes only when the time of day is set, but then by any amount: so it
is measured again every second, and at once when a stamp cannot be.
"""

import sys
from time import monotonic_ns, time_ns

READINGS = 50
VALID_NS = 10**9
"""Nanoseconds for which one measurement holds."""

SLACK_NS = 100_000
"""Nanoseconds by which a stamp may be later than we read it: what the measurement may be off."""


def distance(readings: int = READINGS) -> int:
    """Return by how many nanoseconds CLOCK_REALTIME is ahead: the best of so many readings.

    Each is taken between two of the other clock; the closer these are, the better it is.
    """
    best, least = 0, sys.maxsize
    for _ in range(readings):
        before = monotonic_ns()
        real = time_ns()
        width = monotonic_ns() - before
        if width < least:
            best, least = real - before - width // 2, width
    return best


class Clock:
    """Turns the kernel's stamps into monotonic time."""

    __slots__ = ("_distance", "_until")

    def __init__(self) -> None:
        self._distance = 0
        self._until = 0

    def monotonic(self, real_ns: int, earliest_ns: int, now_ns: int) -> int | None:
        """Return the monotonic time of ``real_ns``, None if it is not in the interval given.

        ``now_ns`` is when the stamp was read; ``earliest_ns`` a time that it cannot precede.
        """
        if now_ns >= self._until:
            self._measure(now_ns)
        stamp = real_ns - self._distance
        if not earliest_ns <= stamp <= now_ns + SLACK_NS:
            self._measure(now_ns)
            stamp = real_ns - self._distance
            if not earliest_ns <= stamp <= now_ns + SLACK_NS:
                return None
        return stamp if stamp < now_ns else now_ns

    def _measure(self, now_ns: int) -> None:
        self._distance = distance()
        self._until = now_ns + VALID_NS


CLOCK = Clock()
"""The clock of this process."""
