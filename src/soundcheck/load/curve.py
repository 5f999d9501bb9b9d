"""Where a share falls below a target as the rate grows, from windows that scatter widely.

Near the capacity of a queue latencies of neighbouring arrivals go together: a window of 20 s in
which 95 % are in time on average may have 99 % or 85 %. To find the rate at which the average is
just the target, all windows near it have to be taken together. Their misses are described by a
logistic curve over the logarithm of the rate,

    logit(misses) = logit(1 - target) + steepness * ln(rate / crossing),

which is what the exponential tails of waiting times come to near the crossing. Both numbers are
tried on a grid, with a broad prior for the steepness; the likeliest pair is the result.
How much windows scatter says what an arrival counts for: with a correlation c among the n of a
window, as much as 1 / (1 + (n - 1) c) independent ones (quasi-likelihood, Williams 1982).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NEAR = 0.2
"""Windows within so much of the crossing, in the logarithm of the rate, are taken together."""

_SPAN, _POINTS = 0.3, 121
_STEEPNESS = (3.0, 5.0, 8.0, 12.0, 18.0, 27.0, 40.0, 60.0, 90.0, 140.0, 220.0)
# From queues with 1 to 64 servers and limits of 1.2 to 20 times the service time: 3 to over 100.
_PRIOR_MEAN, _PRIOR_DEVIATION = math.log(15.0), 1.0
# Correlation of arrivals within a window; a few windows cannot tell it alone.
_TOGETHER, _TOGETHER_WEIGHT = 0.1, 4.0


class Window(NamedTuple):
    """How many of the arrivals at a rate kept a limit."""

    rate: float
    kept: int
    arrivals: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """The rate at which the share is the target, and its relative standard deviation."""

    rate: float
    deviation: float


def crossing(windows: Sequence[Window], target: float, start: float) -> Crossing:
    """Return where the share of ``windows`` falls below ``target``, looking around ``start``.

    The search follows the crossing as long as it moves, at most a few times, and not beyond the
    windows. Without any near it, ``start`` is as good a guess as any.
    """
    rate, together = start, _TOGETHER
    found = Crossing(start, _SPAN / math.sqrt(3))
    for _ in range(4):
        near = [one for one in windows if one.arrivals and abs(math.log(one.rate / rate)) <= NEAR]
        if not near:
            break
        found, steepness = _fit(near, target, rate, together)
        together = _together(near, target, found.rate, steepness)
        moved = abs(math.log(found.rate / rate))
        rate = found.rate
        if moved < 0.005:
            break
    return found


def _fit(
    windows: Iterable[Window], target: float, middle: float, together: float
) -> tuple[Crossing, float]:
    """Return the likeliest crossing with the posterior's deviation, and its steepness."""
    step = 2 * _SPAN / (_POINTS - 1)
    shifts = [-_SPAN + step * point for point in range(_POINTS)]
    offset = math.log((1 - target) / target)
    seen = []
    for one in windows:
        place = math.log(one.rate / middle)
        # The curve is a good likeness only close to the crossing: what is farther counts for less.
        counts = (1 - (place / NEAR) ** 2) / (1 + (one.arrivals - 1) * together)
        seen.append((place, one.kept * counts, (one.arrivals - one.kept) * counts))
    likely: list[tuple[float, float, float]] = []
    for steepness in _STEEPNESS:
        prior = -0.5 * ((math.log(steepness) - _PRIOR_MEAN) / _PRIOR_DEVIATION) ** 2
        for shift in shifts:
            value = prior
            for place, kept, missed in seen:
                logit = offset + steepness * (place - shift)
                tail = math.log1p(math.exp(-abs(logit)))
                # the logarithms of both shares, without overflow on either side
                value -= missed * (tail - min(logit, 0)) + kept * (tail + max(logit, 0))
            likely.append((value, shift, steepness))
    most = max(value for value, _, _ in likely)
    weighed = [(math.exp(value - most), shift, steepness) for value, shift, steepness in likely]
    whole = sum(weight for weight, _, _ in weighed)
    mean = sum(weight * shift for weight, shift, _ in weighed) / whole
    spread = sum(weight * (shift - mean) ** 2 for weight, shift, _ in weighed) / whole
    # The mean leans to the side of flat curves, of which a few windows cannot rule out many.
    _, best, steepness = max(likely)
    return Crossing(middle * math.exp(best), math.sqrt(spread)), steepness


def _together(windows: Sequence[Window], target: float, rate: float, steepness: float) -> float:
    """Return the correlation of arrivals within a window, by the windows' scatter about the curve.

    A window's squared deviation, relative to that of independent arrivals, is 1 + (n - 1) c.
    """
    offset = math.log((1 - target) / target)
    total, weight = _TOGETHER * _TOGETHER_WEIGHT, _TOGETHER_WEIGHT
    for one in windows:
        missing = 1 / (1 + math.exp(-offset - steepness * math.log(one.rate / rate)))
        expected = missing * one.arrivals
        # Where hardly any arrival should miss, a single one would look like a great deal.
        variance = max(expected * (1 - missing), 1.0)
        square = (one.arrivals - one.kept - expected) ** 2 / variance
        total += min(max(square - 1, 0.0) / max(one.arrivals - 1, 1), 0.5)
        weight += 1
    return total / weight
