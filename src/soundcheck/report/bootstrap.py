"""Intervals for ratios of two runs, by resampling blocks of time.

Requests of one moment wait in the same queue, so they are no independent observations: whole
blocks of time are drawn again (block bootstrap; Künsch 1989; Efron and Tibshirani 1993, chapter 8).
Few blocks make bootstrap intervals too narrow, so these are widened by Student's t over the normal
quantile and by the square root of n / (n - 1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Places = NDArray[np.int64]

RESAMPLES = 2000
FEWEST_BLOCKS = 8
_BIN = 0.001  # of a value: quantiles of resamples are exact to half of it
_LEAST = 1e-12  # instead of nothing, for a division or a logarithm
_NORMAL = 1.959964  # quantile of 97.5 %
_TAIL = 2.5  # percent on either side


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of each run, how they compare (``ratio`` or difference), and the 95 % interval."""

    old: float
    new: float
    ratio: float
    low: float
    high: float


def quantile(values: "Numbers", share: float) -> float:
    """Return the smallest of ``values`` that at least ``share`` of them do not exceed."""
    import numpy as np

    return float(np.quantile(values, share, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class Draws:
    """How often each block of OLD and of NEW is taken in each resample: two matrices."""

    old: "Places"
    new: "Places"


def draws(old: int, new: int, seed: int, *, paired: bool, resamples: int = RESAMPLES) -> Draws:
    """Return which blocks make up each resample, of runs with ``old`` and ``new`` blocks.

    Runs are ``paired`` if a block of one was offered the same arrivals as that of the other: then
    the same blocks are drawn of both, and what differs is the deployments alone.
    """
    import numpy as np

    chances = [np.random.default_rng((seed, number)) for number in (0, 0 if paired else 1)]
    counts = [
        chance.multinomial(number, np.full(number, 1 / number), resamples)
        for chance, number in zip(chances, (old, new), strict=True)
    ]
    return Draws(*counts)


def quantile_ratios(
    old: "tuple[Numbers, Places]",
    new: "tuple[Numbers, Places]",
    shares: Sequence[float],
    drawn: Draws,
) -> list[Estimate]:
    """Return NEW/OLD of the quantiles at ``shares``.

    A run is its positive values and the block of each.
    """
    import numpy as np

    first = _resampled_quantiles(*old, shares, drawn.old)
    second = _resampled_quantiles(*new, shares, drawn.new)
    found = []
    for place, share in enumerate(shares):
        before, after = quantile(old[0], share), quantile(new[0], share)
        logs = np.log(second[:, place]) - np.log(first[:, place])
        low, high = _interval(logs, math.log(after / before), _blocks(drawn))
        found.append(Estimate(before, after, after / before, math.exp(low), math.exp(high)))
    return found


def sum_ratio(
    old: "tuple[Numbers, Numbers]", new: "tuple[Numbers, Numbers]", drawn: Draws
) -> Estimate | None:
    """Return NEW/OLD of a sum over a sum, both given by block; ``None`` where one is zero."""
    import numpy as np

    before, after = (float(run[0].sum() / run[1].sum()) for run in (old, new))
    if before <= 0 or after <= 0:
        return None
    first, second = _resampled_sums(old, drawn.old), _resampled_sums(new, drawn.new)
    logs = np.log(np.maximum(second, _LEAST)) - np.log(np.maximum(first, _LEAST))
    low, high = _interval(logs, math.log(after / before), _blocks(drawn))
    return Estimate(before, after, after / before, math.exp(low), math.exp(high))


def share_difference(
    old: "tuple[Numbers, Numbers]", new: "tuple[Numbers, Numbers]", drawn: Draws
) -> Estimate:
    """Return NEW less OLD of a share, its parts and wholes given by block."""
    before, after = (float(run[0].sum() / run[1].sum()) for run in (old, new))
    found = _resampled_sums(new, drawn.new) - _resampled_sums(old, drawn.old)
    low, high = _interval(found, after - before, _blocks(drawn))
    return Estimate(before, after, after - before, low, high)


def _blocks(drawn: Draws) -> int:
    return min(len(drawn.old[0]), len(drawn.new[0]))


def _resampled_sums(run: "tuple[Numbers, Numbers]", times: "Places") -> "Numbers":
    import numpy as np

    parts, wholes = run
    return np.asarray((times @ parts) / np.maximum(times @ wholes, _LEAST), dtype=np.float64)


def _resampled_quantiles(
    values: "Numbers", blocks: "Places", shares: Sequence[float], times: "Places"
) -> "Numbers":
    """Return the quantiles of resamples, a row each, from counts by block and bin of values."""
    import numpy as np

    bins, places = np.unique(np.rint(np.log(values) / _BIN), return_inverse=True)
    counts = np.zeros((len(bins), times.shape[1]), dtype=np.int64)
    np.add.at(counts, (places, blocks), 1)
    reached = counts.cumsum(axis=0)
    totals = (times * reached[-1]).sum(axis=1)
    found = np.empty((len(times), len(shares)))
    for column, share in enumerate(shares):
        wanted = np.maximum(share * totals, 0.5)
        low, high = np.zeros_like(totals), np.full_like(totals, len(bins) - 1)
        while (low < high).any():  # the first bin by which enough values are reached, by halves
            middle = (low + high) // 2
            enough = (times * reached[middle]).sum(axis=1) >= wanted
            low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
        found[:, column] = np.exp(bins[low] * _BIN)
    return found


def _interval(draws: "Numbers", estimate: float, blocks: int) -> tuple[float, float]:
    """Return the percentile interval of ``draws``, widened for few blocks."""
    import numpy as np

    low, high = np.percentile(draws, [_TAIL, 100 - _TAIL])
    scale = _student(blocks - 1) / _NORMAL * math.sqrt(blocks / (blocks - 1))
    return (
        estimate - scale * max(0.0, estimate - float(low)),
        estimate + scale * max(0.0, float(high) - estimate),
    )


def _student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t, by the series of Cornish and Fisher."""
    z = _NORMAL
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
