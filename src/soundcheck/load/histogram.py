"""Histograms of times that merge exactly.

A value is counted under its exponent and its 8 highest bits, so that a bucket is at most 1/128 of
its value wide: the middle of one is at most 0.4 % from whatever was counted in it. Merging is
adding counts: the order makes no difference and nothing is lost, which t-digests and averaged
percentiles cannot say. Minimum, maximum, sum and count are exact.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
"""The percentiles of a summary: name to share."""
LEAST = {"p99": 1_000, "p999": 10_000}
"""How many values a percentile takes: with fewer, less than ten lie beyond it."""

_BITS = 8
_MASK = (1 << _BITS) - 1
_NONE = 1 << 62  # the least of no values: longer than any time
_AT_ONCE = 2**12  # values that are counted together: what that takes is their size, ten times


class Histogram:
    """Counts of integer nanoseconds by (exponent, top 8 bits): percentiles within 0.5 %."""

    __slots__ = ("_counts", "_maximum", "_minimum", "_total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._total = 0
        self._minimum = _NONE
        self._maximum = 0

    def record(self, nanoseconds: int, times: int = 1) -> None:
        """Count a value (negative ones count as 0)."""
        if nanoseconds < 0:
            nanoseconds = 0
        # Keys are in the order of their values: exponent first, then the bits below it.
        shift = nanoseconds.bit_length() - _BITS
        key = (shift << _BITS) + (nanoseconds >> shift) if shift > 0 else nanoseconds
        counts = self._counts
        counts[key] = counts.get(key, 0) + times
        self._total += nanoseconds * times
        if nanoseconds > self._maximum:
            self._maximum = nanoseconds
        if nanoseconds < self._minimum:
            self._minimum = nanoseconds

    def record_all(self, nanoseconds: NDArray[Any]) -> None:
        """Count each of many values, as ``record`` does, at a fraction of its cost.

        They may be of any type of number: what is behind the point is cut off.
        """
        for begin in range(0, nanoseconds.size, _AT_ONCE):
            values = nanoseconds[begin : begin + _AT_ONCE].astype(np.int64)
            self._record_some(np.maximum(values, 0))

    def _record_some(self, values: NDArray[np.int64]) -> None:
        # The exponent is the bit length: exactly, up to 2**53 ns, which is 104 days.
        lengths = np.frexp(values.astype(np.float64))[1].astype(np.int64)
        shifts = np.maximum(lengths - _BITS, 0)
        keys = (shifts << _BITS) + (values >> shifts)
        least = int(keys.min())
        times = np.bincount(keys - least)  # there are so few keys that sorting takes longer
        there = np.flatnonzero(times)
        counts = self._counts
        for key, count in zip((there + least).tolist(), times[there].tolist(), strict=True):
            counts[key] = counts.get(key, 0) + count
        self._total += int(values.sum())
        self._maximum = max(self._maximum, int(values.max()))
        self._minimum = min(self._minimum, int(values.min()))

    def merge(self, other: "Histogram") -> None:
        """Add another's counts; the order of merges makes no difference."""
        counts = self._counts
        for key, count in other._counts.items():
            counts[key] = counts.get(key, 0) + count
        self._total += other._total
        self._maximum = max(self._maximum, other._maximum)
        self._minimum = min(self._minimum, other._minimum)

    @classmethod
    def merged(cls, histograms: Iterable["Histogram"]) -> "Histogram":
        """Return the sum of histograms."""
        total = cls()
        for one in histograms:
            total.merge(one)
        return total

    @property
    def count(self) -> int:
        """Return how many values were counted."""
        return sum(self._counts.values())

    @property
    def minimum(self) -> float | None:
        """Return the least value in seconds, exactly; None where nothing was counted."""
        return self._minimum / NANOSECONDS if self._counts else None

    @property
    def maximum(self) -> float | None:
        """Return the greatest value in seconds, exactly; None where nothing was counted."""
        return self._maximum / NANOSECONDS if self._counts else None

    @property
    def mean(self) -> float | None:
        """Return the mean in seconds, exactly; None where nothing was counted."""
        count = self.count
        return self._total / count / NANOSECONDS if count else None

    @property
    def total(self) -> float:
        """Return the sum of all values in seconds."""
        return self._total / NANOSECONDS

    def percentile(self, share: float) -> float | None:
        """Return the value in seconds that ``share`` (0 to 1) of the values do not exceed.

        That is the nearest rank's: the least value with at least that share at or below it.
        """
        count = self.count
        if not count:
            return None
        # 0.07 * 100 is a little more than 7 in binary.
        rank = max(1, math.ceil(share * count - 1e-9))
        if rank == 1:
            return self.minimum
        if rank >= count:
            return self.maximum
        below = 0
        for key in sorted(self._counts):
            below += self._counts[key]
            if below >= rank:
                return self._within(_middle(key)) / NANOSECONDS
        return self.maximum

    def above(self, seconds: float) -> int:
        """Return how many values are greater, to the accuracy of a bucket."""
        limit = seconds * NANOSECONDS
        return sum(
            count for key, count in self._counts.items() if self._within(_middle(key)) > limit
        )

    def cumulative(self, points: int = 100) -> list[list[float]]:
        """Return at most ``points`` pairs [seconds, share of values up to there] for a plot.

        Half of them are spread evenly over the shares, half over the nines (log odds), by which
        plots show the tail. They begin and end with the least and the greatest.
        """
        count = self.count
        if not count:
            return []
        steps: list[list[float]] = [[self._minimum / NANOSECONDS, 1 / count]]
        below, last, room = 0, 1, max((points - 2) / 2, 1)
        span = 2 * math.log10(max(count - 1, 1))
        for key in sorted(self._counts):
            below += self._counts[key]
            if below < count and (
                (below - last) / count >= 1 / room
                or _log_odds(last, count) - _log_odds(below, count) >= span / room
            ):
                last = below
                steps.append([self._within(_middle(key)) / NANOSECONDS, last / count])
        if count > 1:
            steps.append([self._maximum / NANOSECONDS, 1.0])
        return steps

    def summary(self) -> dict[str, float | int | None]:
        """Return count, min, mean, max and percentiles in seconds, as a bench.json has them.

        A percentile is None where too few values were counted to speak of it.
        """
        count = self.count
        told: dict[str, float | int | None] = {"count": count}
        told["min"], told["mean"] = self.minimum, self.mean
        for name, share in PERCENTILES.items():
            told[name] = self.percentile(share) if count >= LEAST.get(name, 1) else None
        told["max"] = self.maximum
        return told

    def to_message(self) -> Mapping[str, Any]:
        """Return plain numbers for a message: keys and counts in two lists, and the exact ones."""
        keys = sorted(self._counts)
        return {
            "keys": keys,
            "counts": [self._counts[key] for key in keys],
            "sum": self._total,
            "min": self._minimum,
            "max": self._maximum,
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> "Histogram":
        """Return what ``to_message`` gave."""
        one = cls()
        one._counts = dict(zip(message["keys"], message["counts"], strict=True))
        one._total, one._minimum, one._maximum = message["sum"], message["min"], message["max"]
        return one

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (self._counts, self._total, self._minimum, self._maximum) == (
            other._counts,
            other._total,
            other._minimum,
            other._maximum,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Histogram({self.summary()})"

    def _within(self, nanoseconds: int) -> int:
        """Keep the middle of a bucket between the exact least and greatest values."""
        return min(max(nanoseconds, self._minimum), self._maximum)


def _log_odds(below: int, count: int) -> float:
    return math.log10((count - below) / below)


def _middle(key: int) -> int:
    shift = key >> _BITS
    return ((key & _MASK) << shift) + (1 << shift >> 1) if shift else key
