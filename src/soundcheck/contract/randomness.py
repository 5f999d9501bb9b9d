"""Statistics of bytes that should be random, and repetitions that they should not have.

Every test states the probability at which it would accuse truly random bytes. A whole run makes at
most three times five tests of ``ALARM`` or less, looks for repeated blocks and runs in fewer than
2^24 bytes (below 2^48 pairs, 2^-80 in all), and compares fewer than 2^20 IVs and nonces of 96 bits
(2^-57): together below 2e-11, where 1e-9 is allowed.
"""

import lzma
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ALARM = 1e-12
"""Probability at which one statistic accuses random bytes, at most."""

BLOCK = 16
"""Bytes of a block of AES, and of the shortest run that is looked for."""

FEWEST = 256
"""Bytes below which nothing is said of randomness."""

EXPECTED = 64
"""How often each value must be expected for its counts to be taken for normal."""

SLOW = 2**16
"""Bytes that LZMA is given, which takes ten times as long as the rest: its first ones."""

SAVED = 6
"""Bytes by which random data would have to shrink to be called compressible."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """One test of ``size`` bytes: its ``value`` is random between ``low`` and ``high``.

    ``alarm`` is the probability, at most, at which random bytes lie outside.
    """

    test: str
    size: int
    value: float
    low: float
    high: float
    alarm: float

    @property
    def holds(self) -> bool:
        """Tell whether the bytes may be random."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        bounds = (
            f"at least {self.low:,.6g}"
            if math.isinf(self.high)
            else f"{self.low:,.6g} to {self.high:,.6g}"
        )
        return (
            f"{self.test} of {self.size:,} bytes: {self.value:,.6g}, where random is {bounds} "
            f"(false alarm at most {self.alarm:.0e})"
        )


class Repeated(NamedTuple):
    """A block that occurs more than once: where first, where again, and how often in all."""

    block: bytes
    first: int
    again: int
    times: int


class CommonRun(NamedTuple):
    """Bytes that two texts share: where in the one, where in the other, and how many."""

    first: int
    second: int
    length: int


def statistics(data: bytes) -> Iterator[Statistic]:
    """Yield every test of ``data``; of less than ``FEWEST`` bytes none."""
    if len(data) < FEWEST:
        return
    yield bit_balance(data)
    yield value_spread(data)
    yield compressed(data, "zlib")
    yield compressed(data[:SLOW], "LZMA")


def bit_balance(data: bytes) -> Statistic:
    """Return the share of bits that are 1.

    By Hoeffding's inequality a share of n fair bits is off by t or more with a probability of at
    most 2 exp(-2 n t^2) (Hoeffding 1963, theorem 1).
    """
    bits = 8 * len(data)
    ones = int(np.bitwise_count(np.frombuffer(data, np.uint8)).sum(dtype=np.int64))
    off = math.sqrt(math.log(2 / ALARM) / (2 * bits))
    return Statistic(
        "share of bits that are 1", len(data), ones / bits, 0.5 - off, 0.5 + off, ALARM
    )


def value_spread(data: bytes) -> Statistic:
    """Return the chi-square statistic of the byte values, or half-byte values of short data.

    Its tails with k degrees of freedom: above k + 2 sqrt(k x) + 2 x, and below k - 2 sqrt(k x),
    lies at most exp(-x) each (Laurent and Massart 2000, lemma 1).
    """
    values = np.frombuffer(data, np.uint8)
    kind, cells = "bytes", 256
    if len(values) < EXPECTED * cells:
        values = np.concatenate([values >> 4, values & 15])
        kind, cells = "half-bytes", 16
    expected = len(values) / cells
    counts = np.bincount(values, minlength=cells)
    chi_square = float(((counts - expected) ** 2).sum() / expected)
    free, x = cells - 1, math.log(2 / ALARM)
    reach = 2 * math.sqrt(free * x)
    test = f"chi-square of the {kind}"
    low = max(0.0, free - reach)
    return Statistic(test, len(data), chi_square, low, free + reach + 2 * x, ALARM)


def compressed(data: bytes, method: str) -> Statistic:
    """Return how many bytes ``data`` takes compressed, by ``zlib`` or ``LZMA``.

    Whatever the method: fewer than 256^(n-k+1) / 255 texts are k or more bytes shorter than n, so
    that random data is one of those 256^n that shrink so with a probability below 256^(1-k) / 255.
    """
    small = zlib.compress(data, 6) if method == "zlib" else lzma.compress(data, preset=0)
    low = len(data) - SAVED + 1
    alarm = 256.0 ** (1 - SAVED) / 255
    return Statistic(f"{method}'s size", len(data), len(small), low, math.inf, alarm)


def repeated_block(data: bytes) -> Repeated | None:
    """Return the most frequent block of 16 bytes, at multiples of 16, that occurs again.

    Among n random blocks there is one with a probability of at most n^2 / 2^129.
    """
    count = len(data) // BLOCK
    if count < 2:
        return None
    blocks = np.frombuffer(data, f"V{BLOCK}", count)
    values, times = np.unique(blocks, return_counts=True)
    if int(times.max()) < 2:
        return None
    block = values[int(times.argmax())].tobytes()
    places = np.flatnonzero(blocks == values[int(times.argmax())])[:2]
    return Repeated(block, BLOCK * int(places[0]), BLOCK * int(places[1]), int(times.max()))


def common_run(first: bytes, second: bytes) -> CommonRun | None:
    """Return a run of 16 bytes or more that both texts hold, as long as it goes on.

    Random texts of n and m bytes share one with a probability of at most n m / 2^128. The time
    taken grows with n + m.
    """
    if min(len(first), len(second)) < BLOCK:
        return None
    known = {first[at : at + BLOCK]: at for at in range(len(first) - BLOCK, -1, -1)}
    for at in range(len(second) - BLOCK + 1):
        found = known.get(second[at : at + BLOCK])
        if found is not None:
            return CommonRun(found, at, _length(first, found, second, at))
    return None


def _length(first: bytes, begin: int, second: bytes, other: int) -> int:
    """Return how many bytes are equal from two places on."""
    most = min(len(first) - begin, len(second) - other)
    one = np.frombuffer(first, np.uint8, most, begin)
    differing = np.flatnonzero(one != np.frombuffer(second, np.uint8, most, other))
    return int(differing[0]) if len(differing) else most
