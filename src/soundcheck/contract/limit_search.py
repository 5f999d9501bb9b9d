"""Finding the upload limit of a deployment, to the byte, and what it counts.

The search asks whether uploads of chosen sizes are accepted. It tries the documented numbers first,
counted each way, and halves what is left; two uploads of the largest accepted size, one with more
text beside the file and one with a longer file name, then tell what is counted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

MEGABYTES = (1_000_000, 2**20)
DOCUMENTED = (25, 20, 50, 100)
"""Limits in MB that providers document; each is tried in both meanings of MB."""

SMALLEST = 1_000_000
"""Bytes that any deployment must accept to have a limit worth finding."""

MOST_QUESTIONS = 48
"""Uploads that a search takes at most: halving 2^28 bytes takes 28, the rest at most 20."""

Counted: TypeAlias = Literal["file", "part", "request"]


class Shape(Enum):
    """An upload's shape: as usual, with more text beside the file, or with a longer file name."""

    USUAL = "usual"
    MORE_TEXT = "more text"
    LONGER_NAME = "longer name"


@dataclass(frozen=True, slots=True)
class Overhead:
    """What a usual upload has beside the bytes of its file: in its part, and in the request."""

    part: int
    request: int


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome: files up to ``file_bytes`` pass as usually sent.

    ``limit`` is the number of bytes that holds for what is ``counted``; both are ``None`` where
    even the largest file tried is accepted.
    """

    file_bytes: int
    limit: int | None
    counted: Counted | None


Accepts: TypeAlias = Callable[[int, Shape], bool]
"""Tells whether an upload of a file of so many bytes, in this shape, is accepted."""


class Contradiction(Exception):
    """A larger file is accepted although a smaller one is not: there is no limit to find."""


class NothingAccepted(Exception):
    """Not even a small file is accepted."""


def find_limit(
    accepts: Accepts, overhead: Overhead, claimed: tuple[int, int | None], largest: int
) -> Found:
    """Return the limit of the deployment that ``accepts`` asks, looked for up to ``largest`` bytes.

    ``claimed`` are a size in bytes that should be accepted and the smallest that should be refused.
    Raises :class:`Contradiction` or :class:`NothingAccepted`.
    """
    low, high = 0, largest + 1
    sizes = [claimed[0], claimed[1], *_guesses(overhead), SMALLEST, largest]
    for size in sizes:
        if size is not None and low < size < high:
            if accepts(size, Shape.USUAL):
                low = size
            else:
                high = size
    if not low:
        raise NothingAccepted
    while high - low > 1:
        middle = (low + high) // 2
        if accepts(middle, Shape.USUAL):
            low = middle
        else:
            high = middle
    _check_between(accepts, low, claimed[0])
    if low == largest:
        return Found(low, None, None)
    if accepts(low, Shape.MORE_TEXT):
        if accepts(low, Shape.LONGER_NAME):
            return Found(low, low, "file")
        return Found(low, low + overhead.part, "part")
    return Found(low, low + overhead.request, "request")


def _guesses(overhead: Overhead) -> Iterator[int]:
    """Yield the file sizes on both sides of each documented limit, counted each way."""
    for megabytes in DOCUMENTED:
        for unit in MEGABYTES:
            limit = megabytes * unit
            for beside in (0, overhead.part, overhead.request):
                yield limit - beside
                yield limit - beside + 1


def _check_between(accepts: Accepts, largest: int, claimed: int) -> None:
    """Look once in the middle of what should be accepted: a limit has nothing refused below it."""
    size = (largest + (claimed if claimed < largest else largest // 2)) // 2
    if not accepts(size, Shape.USUAL):
        raise Contradiction(f"{size:,} bytes are refused, {largest:,} bytes are accepted")
