"""Speech is found where it is, at any level, and its pitch is measured."""

import numpy as np
import numpy.typing as npt
import pytest

from soundcheck.reference.frontend import LEVEL, SAMPLE_RATE, pitch, regions


def voice(frequency: float, seconds: float) -> npt.NDArray[np.int16]:
    """Return a pulse train through two resonances, which sounds and measures like a vowel."""
    count = round(seconds * SAMPLE_RATE)
    phase = np.arange(count) * frequency / SAMPLE_RATE
    pulses = np.diff(np.floor(phase), prepend=-1.0)
    time = np.arange(400) / SAMPLE_RATE
    tract = sum(np.exp(-time * 300) * np.cos(2 * np.pi * f * time) for f in (700, 1100))
    sound = np.convolve(pulses, tract)[:count]
    return (sound / np.abs(sound).max() * 12_000).astype(np.int16)


@pytest.mark.parametrize("frequency", [80, 100, 145, 205, 270, 350])
def test_pitch_is_that_of_the_voice(frequency: int) -> None:
    """The pitch of a vowel is found within 2 %, not an octave above or below."""
    assert pitch(voice(frequency, 0.5)) == pytest.approx(frequency, rel=0.02)


def test_no_voice_no_pitch() -> None:
    """Noise, silence and a few samples have no pitch."""
    noise = np.random.default_rng(1).normal(0, 3000, 8000).astype(np.int16)
    for samples in (noise, np.zeros(8000, np.int16), noise[:10], noise[:0]):
        assert pitch(samples) == 0.0


@pytest.mark.parametrize("gain", [0.01, 0.2, 1.0])
def test_regions_lie_where_the_voice_is(gain: float) -> None:
    """Two vowels with a pause between are two regions, each at the nominal level."""
    pause = np.zeros(SAMPLE_RATE // 2, np.int16)
    samples = np.concatenate([pause, voice(150, 0.8), pause, voice(150, 1.0), pause])
    first, second = regions((samples * gain).astype(np.int16))
    assert [first.start, first.end] == pytest.approx([0.5, 1.3], abs=0.25)
    assert [second.start, second.end] == pytest.approx([1.8, 2.8], abs=0.25)
    assert not first.at_end
    assert not second.at_end
    for region in (first, second):
        assert np.quantile(np.abs(region.samples), 0.995) == pytest.approx(LEVEL, rel=0.05)


def test_a_region_may_be_cut_by_the_end() -> None:
    """A voice that lasts to the end of the file is a region that ends with it."""
    samples = np.concatenate([np.zeros(SAMPLE_RATE // 2, np.int16), voice(150, 1.0)])
    (region,) = regions(samples)
    assert region.at_end
    assert region.end == len(samples) / SAMPLE_RATE


@pytest.mark.parametrize("count", [0, 1, 10, 479])
def test_almost_nothing_has_no_region(count: int) -> None:
    """Fewer samples than one frame hold no speech."""
    assert list(regions(np.full(count, 9000, np.int16))) == []
