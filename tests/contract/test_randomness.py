"""Random bytes are not accused, and what is not random is."""

import base64
import math
import random
from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundcheck.contract.randomness import (
    ALARM,
    BLOCK,
    FEWEST,
    CommonRun,
    bit_balance,
    common_run,
    compressed,
    repeated_block,
    statistics,
    value_spread,
)

SIZE = 60_000


def _random(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def _tone(size: int) -> bytes:
    times = np.arange(size // 2)
    return (9000 * np.sin(times / 7)).astype("<i2").tobytes()


def _xored(data: bytes, key: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, cycle(key), strict=False))


@pytest.mark.parametrize("size", [FEWEST, 1000, 16_383, 16_384, SIZE, 300_000])
def test_random_bytes_pass_every_test(size: int) -> None:
    """Of random data of any size each test says that it may be random, and how sure it is."""
    for seed in range(3):
        data = _random(size, seed)
        tests = list(statistics(data))
        assert len(tests) == 4
        assert all(test.holds for test in tests), [str(test) for test in tests]
        assert [test.size for test in tests] == [size] * 3 + [min(size, 65_536)]
        assert all(test.alarm <= ALARM for test in tests)
        assert repeated_block(data) is None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**64), size=st.integers(FEWEST, 40_000))
def test_no_random_bytes_are_accused(seed: int, size: int) -> None:
    """Whatever the seed and size."""
    data = _random(size, seed)
    assert all(test.holds for test in statistics(data))
    assert repeated_block(data) is None
    assert common_run(data, _random(size, seed + 1)) is None


@pytest.mark.parametrize("data", [b"", b"a", bytes(FEWEST - 1)])
def test_of_little_data_nothing_is_said(data: bytes) -> None:
    """Statistics of a few bytes would say nothing."""
    assert list(statistics(data)) == []


NOT_RANDOM: dict[str, Callable[[], bytes]] = {
    "constant": lambda: bytes(SIZE),
    "ones": lambda: b"\xff" * SIZE,
    "text": lambda: (b"The children are playing in the garden. " * SIZE)[:SIZE],
    "hex": lambda: _random(SIZE // 2).hex().encode(),
    "base64": lambda: base64.b64encode(_random(SIZE)),
    "sound": lambda: _tone(SIZE),
    "sound, repeating keystream": lambda: _xored(_tone(SIZE), _random(16)),
    "silence, repeating keystream": lambda: _xored(bytes(SIZE), _random(16)),
    "counter": lambda: bytes(range(256)) * (SIZE // 256),
    "random bytes that repeat": lambda: _random(SIZE // 2) * 2,
    "7 random bits": lambda: bytes(byte & 127 for byte in _random(SIZE)),
    "short text": lambda: (b"The children are playing in the garden. " * 9)[:300],
}


@pytest.mark.parametrize("kind", NOT_RANDOM)
def test_what_is_not_random_is_noticed(kind: str) -> None:
    """Plaintext, encodings of ciphertext and weak ciphers fail a test, which tells its bounds."""
    failed = [test for test in statistics(NOT_RANDOM[kind]()) if not test.holds]
    assert failed
    for test in failed:
        assert "where random is" in str(test)
        assert "false alarm at most" in str(test)


def test_too_even_a_spread_is_no_chance() -> None:
    """Values that all occur equally often are as improbable as values that do not."""
    assert not value_spread(NOT_RANDOM["counter"]()).holds


@pytest.mark.parametrize("degrees", [15, 255])
def test_the_bounds_lie_beyond_what_chance_reaches(degrees: int) -> None:
    """The tails by Laurent and Massart are wider than Wilson and Hilferty's approximation."""
    deviation = 7.13  # normal deviates beyond which 1e-12 lies on both sides
    spread = math.sqrt(2 / (9 * degrees))
    highest = degrees * (1 - 2 / (9 * degrees) + deviation * spread) ** 3
    data = _random(FEWEST if degrees == 15 else SIZE)
    statistic = value_spread(data)
    assert highest <= statistic.high <= 1.5 * highest
    assert statistic.low <= max(0.0, degrees * (1 - 2 / (9 * degrees) - deviation * spread) ** 3)


def test_one_bit_in_a_hundred_is_noticed() -> None:
    """A share of ones of 51 % is outside the bounds of 60,000 bytes."""
    generator = random.Random(1)
    biased = bytes(sum((generator.random() < 0.51) << bit for bit in range(8)) for _ in range(SIZE))
    assert not bit_balance(biased).holds


def test_compression_may_save_what_chance_saves() -> None:
    """Random data of any length is stored, not shrunk."""
    for method in ("zlib", "LZMA"):
        assert compressed(_random(FEWEST), method).value >= FEWEST


def test_a_single_repeated_block_is_found() -> None:
    """One block of random data that stands in it twice is told with both its places."""
    data = bytearray(_random(SIZE))
    data[4000 * BLOCK // 4 : 4000 * BLOCK // 4 + BLOCK] = data[32:48]
    found = repeated_block(bytes(data))
    assert found is not None
    assert (found.block, found.first, found.again, found.times) == (
        bytes(data[32:48]),
        32,
        SIZE // 60 * 16,
        2,
    )


@settings(max_examples=100, deadline=None)
@given(
    before=st.binary(max_size=40),
    shared=st.binary(min_size=BLOCK, max_size=60),
    after=st.binary(max_size=40),
    other=st.binary(max_size=40),
)
def test_a_common_run_is_found_wherever_it_lies(
    before: bytes, shared: bytes, after: bytes, other: bytes
) -> None:
    """Any 16 bytes in common are found, and what is told to be common is."""
    first, second = before + shared + after, other + shared
    found = common_run(first, second)
    assert found is not None
    assert found.length >= BLOCK
    one = first[found.first : found.first + found.length]
    assert one == second[found.second : found.second + found.length]


def test_fifteen_bytes_in_common_are_none() -> None:
    """A shorter run is no finding."""
    shared = _random(15, 3)
    assert common_run(b"a" + shared + b"b", b"c" + shared + b"d") is None
    assert common_run(shared, shared) is None


def test_the_run_is_told_to_its_end() -> None:
    """Equal texts have one run in common: all of them."""
    data = _random(5000)
    assert common_run(data, data) == CommonRun(0, 0, 5000)
    assert common_run(bytes(100_000), bytes(100_000)) == CommonRun(0, 0, 100_000)
