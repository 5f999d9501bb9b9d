"""Requests that were sent at once, as their exchanges tell it."""

from collections.abc import Iterable
from datetime import datetime
from itertools import accumulate

from soundcheck.http.exchange import Exchange


def most_under_way(exchanges: Iterable[Exchange]) -> int:
    """Return how many of ``exchanges`` were under way at the same time, at most.

    Begins are recorded to the millisecond: those that touch count as overlapping.
    """
    changes: list[tuple[float, int]] = []
    for exchange in exchanges:
        begun = datetime.fromisoformat(exchange.started).timestamp()
        changes += [(begun, 1), (begun + exchange.timing.done_s, -1)]
    # Begins before ends where the times are equal.
    changes.sort(key=lambda change: (change[0], -change[1]))
    return max(accumulate(change for _, change in changes), default=0)
