"""A figure over time, and what can be said of a stretch of it: pure arithmetic.

Points are ``(seconds, value)`` in order of time. A stretch of which less than COVERED lies between
the first and the last point in it (or next to it) has no figure: None.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

COVERED = 0.7

Point = tuple[float, float]


def within(points: Sequence[Point], begin_s: float, end_s: float) -> list[float]:
    """Return the values from ``begin_s`` to ``end_s``."""
    first = bisect_left(points, begin_s, key=_time)
    last = bisect_right(points, end_s, key=_time)
    return [value for _, value in points[first:last]]


def mean(points: Sequence[Point], begin_s: float, end_s: float) -> float | None:
    """Return the mean of the values in a stretch, None without any."""
    values = within(points, begin_s, end_s)
    return fmean(values) if values else None


def largest(points: Sequence[Point], begin_s: float, end_s: float) -> float | None:
    """Return the largest value in a stretch, None without any."""
    return max(within(points, begin_s, end_s), default=None)


def increase(points: Sequence[Point], begin_s: float, end_s: float) -> float | None:
    """Return by how much a counter grew; where it fell it began again from 0.

    It is taken to grow evenly between two points, and at the edges that no point covers as in
    the rest of the stretch.
    """
    return _scaled(
        [(a[0], b[0], b[1] - a[1] if b[1] >= a[1] else b[1]) for a, b in pairwise(points)],
        begin_s,
        end_s,
    )


def integral(points: Sequence[Point], begin_s: float, end_s: float) -> float | None:
    """Return the integral over time (watts: joules) by trapezia, edges as in ``increase``."""
    return _scaled(
        [(a[0], b[0], (a[1] + b[1]) / 2 * (b[0] - a[0])) for a, b in pairwise(points)],
        begin_s,
        end_s,
    )


def rates(points: Sequence[Point]) -> list[Point]:
    """Return a counter's growth per second from each point to the next, at the later one."""
    return [
        (b[0], (b[1] - a[1]) / (b[0] - a[0]))
        for a, b in pairwise(points)
        if b[1] >= a[1] and b[0] > a[0]
    ]


def renewals(points: Sequence[Point]) -> list[Point]:
    """Return the points at which a figure that always moves was found to have moved.

    An exporter may look at its GPUs every 30 s only, and tell the same until it does again. How
    old the first value is, nobody knows.
    """
    return [b for a, b in pairwise(points) if a[1] != b[1]]


def quotients(sums: Sequence[Point], counts: Sequence[Point]) -> list[Point]:
    """Return by how much a sum grew per count from each point to the next: a running mean."""
    counted = dict(counts)
    return [
        (b[0], (b[1] - a[1]) / (counted[b[0]] - counted[a[0]]))
        for a, b in pairwise(sums)
        if a[0] in counted and b[0] in counted and counted[b[0]] > counted[a[0]] and b[1] >= a[1]
    ]


def total(many: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the sum of figures of several places, each as it was told last.

    It begins when all have been told.
    """
    if len(many) == 1:
        return list(many[0])
    told = sorted((at, place, value) for place, one in enumerate(many) for at, value in one)
    last: dict[int, float] = {}
    sums: list[Point] = []
    for at, place, value in told:
        last[place] = value
        if len(last) == len(many):
            sums.append((at, sum(last.values())))
    return sums


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most about ``most`` of the points, evenly chosen, the last among them."""
    step = -(-len(points) // most)
    return list(points) if step <= 1 else list(points[::-1][::step][::-1])


def _scaled(parts: Sequence[tuple[float, float, float]], begin: float, end: float) -> float | None:
    """Return the sum of what ``parts`` (begin, end, amount) have between two times."""
    covered = amount = 0.0
    for first, last, whole in parts:
        seconds = min(last, end) - max(first, begin)
        if seconds > 0:
            covered += seconds
            amount += whole * seconds / (last - first)
    if covered <= 0 or covered < COVERED * (end - begin):
        return None
    return amount * (end - begin) / covered


def _time(point: Point) -> float:
    return point[0]
