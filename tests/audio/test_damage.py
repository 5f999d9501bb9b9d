"""Damage does what it says and no more, and the same each time."""

import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio import Library
from soundcheck.audio.damage import claiming, cut, flipped
from soundcheck.audio.formats import NINE
from soundcheck.audio.recipe_values import CLAIMS

LIBRARY = Library()


@given(st.binary(max_size=400), st.floats(0, 1))
def test_a_cut_leaves_the_beginning(data: bytes, share: float) -> None:
    """The first share of the bytes, rounded down, is left as it was."""
    left = cut(data, share)
    assert data.startswith(left)
    assert len(left) == int(len(data) * share)


@given(st.binary(max_size=2000), st.floats(0, 0.5), st.integers(0, 9))
def test_bytes_are_changed_in_the_middle_alone(data: bytes, share: float, seed: int) -> None:
    """As many bytes differ as the share says, none in the outer quarters, the same each time."""
    changed = flipped(data, share, seed)
    differing = [at for at, (a, b) in enumerate(zip(data, changed, strict=True)) if a != b]
    middle = range(len(data) // 4, len(data) * 3 // 4)
    assert len(differing) == min(int(len(data) * share), len(middle))
    assert all(at in middle for at in differing)
    assert flipped(data, share, seed) == changed


@pytest.mark.parametrize(
    ("field", "value", "at"),
    [
        ("riff_size", 0x01020304, 4),
        ("tag", 0x0102, 20),
        ("channels", 0x0102, 22),
        ("rate", 0x01020304, 24),
        ("bits", 0x0102, 34),
        ("data_size", 0x01020304, 40),
    ],
)
def test_a_header_field_is_overwritten(field: str, value: int, at: int) -> None:
    """Only the bytes of the field change, and hold the claim in little-endian order."""
    data = LIBRARY.clip("hello.wav").read()
    lying = claiming(data, {field: value})
    size = CLAIMS[field]
    assert lying[at : at + size] == value.to_bytes(size, "little")
    assert lying[:at] + data[at : at + size] + lying[at + size :] == data


@pytest.mark.parametrize("extension", NINE)
def test_the_damaged_clips_are_half_or_a_hundredth_different(extension: str) -> None:
    """The truncated clip is half of the whole, the corrupt one differs in 1 % of its bytes."""
    whole = LIBRARY.clip(f"speech-10s.{extension}")
    data = whole.read()
    truncated = LIBRARY.clip(f"truncated.{extension}")
    assert truncated.read() == data[: len(data) // 2]
    assert truncated.transcript == whole.transcript
    corrupt = LIBRARY.clip(f"corrupt.{extension}").read()
    assert sum(a != b for a, b in zip(data, corrupt, strict=True)) == len(data) // 100
    with av.open(io.BytesIO(corrupt)) as container:  # header and index are spared
        assert container.streams.audio[0].sample_rate == whole.sample_rate


@pytest.mark.parametrize("lie", ["size-zero", "size-max", "size-larger"])
def test_a_lie_about_the_size_leaves_the_sound(lie: str) -> None:
    """A tolerant decoder reads to the end of the file, whatever size the header claims."""
    with (
        av.open(str(LIBRARY.clip(f"lying-{lie}.wav").path)) as lying,
        av.open(str(LIBRARY.clip("sentence.wav").path)) as true,
    ):
        heard, expected = (
            np.concatenate([frame.to_ndarray() for frame in one.decode(audio=0)], axis=1)
            for one in (lying, true)
        )
    assert np.array_equal(heard, expected)


@pytest.mark.parametrize(
    ("name", "attribute", "claimed"),
    [
        ("lying-rate", "sample_rate", 384_000),
        ("lying-rate-one", "sample_rate", 1),
        ("lying-rate-max", "sample_rate", 2**31 - 1),
        ("lying-channels", "channels", 255),
    ],
)
def test_a_lie_is_believed_by_decoders(name: str, attribute: str, claimed: int) -> None:
    """FFmpeg opens the file and tells what the header claims."""
    with av.open(str(LIBRARY.clip(f"{name}.wav").path)) as container:
        assert getattr(container.streams.audio[0].codec_context, attribute) == claimed


@pytest.mark.parametrize("name", ["lying-rate-zero", "lying-channels-zero", "lying-bits-zero"])
def test_a_lie_about_nothing_makes_a_file_unreadable(name: str) -> None:
    """With no rate, no channels or no bits there is no sample to be had."""
    with pytest.raises((av.FFmpegError, ValueError)):  # noqa: PT012, SIM117
        with av.open(str(LIBRARY.clip(f"{name}.wav").path)) as container:
            if not list(container.decode(audio=0)):
                raise ValueError("no samples")
