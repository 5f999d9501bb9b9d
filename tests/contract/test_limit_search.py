"""A limit is found to the byte, with what it counts, whatever it is."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract.limit_search import (
    MOST_QUESTIONS,
    SMALLEST,
    Contradiction,
    Counted,
    Found,
    NothingAccepted,
    Overhead,
    Shape,
    find_limit,
)

LARGEST = 110_000_000
OVERHEAD = Overhead(part=90, request=400)
CLAIMED = (25_000_000, 26_214_401)
MORE = 500


def _server(limit: int, counted: Counted) -> tuple[Callable[[int, Shape], bool], list[int]]:
    asked: list[int] = []

    def accepts(size: int, shape: Shape) -> bool:
        asked.append(size)
        part = size + OVERHEAD.part + (MORE if shape is Shape.LONGER_NAME else 0)
        request = size + OVERHEAD.request + (0 if shape is Shape.USUAL else MORE)
        return {"file": size, "part": part, "request": request}[counted] <= limit

    return accepts, asked


@given(
    st.integers(SMALLEST + 400, LARGEST - 1),
    st.sampled_from(["file", "part", "request"]),
    st.tuples(st.integers(2**20, 2**26), st.none() | st.integers(2**20, 2**26)),
)
def test_any_limit_is_found(limit: int, counted: Counted, claimed: tuple[int, int | None]) -> None:
    """Whatever the limit, what it counts and what is claimed, it is found in bounded requests."""
    accepts, asked = _server(limit, counted)
    beside = {"file": 0, "part": OVERHEAD.part, "request": OVERHEAD.request}[counted]
    assert find_limit(accepts, OVERHEAD, claimed, LARGEST) == Found(limit - beside, limit, counted)
    assert len(asked) <= MOST_QUESTIONS


@pytest.mark.parametrize("counted", ["file", "part", "request"])
def test_the_documented_limit_is_found_quickly(counted: Counted) -> None:
    """Where the limit is what the documents may mean, few uploads are needed."""
    accepts, asked = _server(25 * 2**20, counted)
    assert find_limit(accepts, OVERHEAD, CLAIMED, LARGEST).limit == 25 * 2**20
    assert len(asked) <= 12


def test_no_limit() -> None:
    """A deployment that takes the largest file tried has no limit that was found."""
    accepts, _ = _server(2 * LARGEST, "file")
    assert find_limit(accepts, OVERHEAD, CLAIMED, LARGEST) == Found(LARGEST, None, None)


def test_nothing_is_accepted() -> None:
    """A deployment that refuses even a small file has no limit to be found."""
    with pytest.raises(NothingAccepted):
        find_limit(lambda size, shape: False, OVERHEAD, CLAIMED, LARGEST)


def test_a_gap_is_told() -> None:
    """Sizes that are refused below accepted ones are no limit."""
    with pytest.raises(Contradiction, match="are refused"):
        find_limit(
            lambda size, shape: size <= 25_100_000 or 26_100_000 < size <= 26_214_400,
            OVERHEAD,
            CLAIMED,
            LARGEST,
        )
