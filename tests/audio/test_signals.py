"""Signals last exactly as long as asked and hold what their recipes say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio.recipes import Signal
from soundcheck.audio.signals import RATE, frequency, render

OPTIONS = {
    "silence": {},
    "noise": {"seed": 7},
    "tones": {"frequencies": (440.0, 1000.0)},
    "chirp": {"low": 200.0, "high": 4000.0},
    "clicks": {"interval": 0.25},
    "melody": {"notes": ("A4", "C5"), "beat": 0.5},
}


def signal(kind: str, duration: float = 2.0, level: float = -6.0, **options: object) -> Signal:
    return Signal(kind, duration, level, tuple((OPTIONS[kind] | options).items()))


def spectrum_peaks(samples: np.ndarray, count: int) -> list[float]:
    """Return the ``count`` strongest frequencies in Hz, rising."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    peaks = (spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] >= spectrum[2:])
    order = [place + 1 for place in np.argsort(spectrum[1:-1] * peaks)[::-1][:count]]
    return sorted(float(place * RATE / len(samples)) for place in order)


@pytest.mark.parametrize("kind", OPTIONS)
@given(steps=st.integers(1, 200), level=st.floats(-60, 0))
def test_a_signal_is_as_long_and_as_loud_as_asked(kind: str, steps: int, level: float) -> None:
    """The length is exact to the sample, and no sample is above the level."""
    sound = render(signal(kind, steps * 0.02, level))
    assert len(sound.samples) == steps * 320
    assert sound.duration == pytest.approx(steps * 0.02, abs=1e-9)
    assert np.max(np.abs(sound.samples)) <= 10 ** (level / 20) * (1 + 1e-6)
    assert (sound.transcript, sound.language, sound.words) == ("", None, ())


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_same_signal_has_the_same_samples(kind: str) -> None:
    """Rendering twice, with other signals between, gives the same samples."""
    first = render(signal(kind)).samples
    for other in OPTIONS:
        render(signal(other))
    assert np.array_equal(first, render(signal(kind)).samples)


def test_silence_is_digital_silence() -> None:
    """Silence holds nothing but zeros."""
    assert not render(signal("silence")).samples.any()


def test_noise_follows_its_seed_and_fills_the_band() -> None:
    """Another seed is another noise; no part of the spectrum stands out."""
    one, two = (render(signal("noise", seed=seed)).samples for seed in (1, 2))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.05
    power = np.abs(np.fft.rfft(one)) ** 2
    bands = [band.mean() for band in np.array_split(power, 16)]
    assert max(bands) / min(bands) < 1.5


def test_tones_are_at_their_frequencies() -> None:
    """The spectrum of tones has its peaks where the recipe says."""
    samples = render(signal("tones", frequencies=(697.0, 1209.0))).samples
    assert spectrum_peaks(samples, 2) == pytest.approx([697, 1209], abs=1)


def test_a_chirp_runs_from_low_to_high() -> None:
    """The first and the last tenth of a chirp are at its ends, the middle in the middle."""
    samples = render(signal("chirp", low=500.0, high=2500.0)).samples
    parts = np.array_split(samples, 10)
    assert spectrum_peaks(parts[0], 1)[0] == pytest.approx(600, abs=110)
    assert spectrum_peaks(parts[5], 1)[0] == pytest.approx(1600, abs=110)
    assert spectrum_peaks(parts[9], 1)[0] == pytest.approx(2400, abs=110)


def test_clicks_come_at_their_interval() -> None:
    """Every click is one sample, and they are evenly spaced."""
    places = np.flatnonzero(render(signal("clicks", interval=0.25)).samples)
    assert len(places) == 8
    assert set(np.diff(places)) == {RATE // 4}


def test_a_melody_plays_its_notes_again_and_again() -> None:
    """Each beat's strongest tone is its note's, and the tune starts over after the last."""
    samples = render(signal("melody", notes=("A4", "C5"), beat=0.5)).samples
    beats = np.array_split(samples, 4)
    heard = [spectrum_peaks(beat, 1)[0] for beat in beats]
    assert heard == pytest.approx([440, 523.25, 440, 523.25], abs=3)


@pytest.mark.parametrize(
    ("note", "hertz"),
    [("A4", 440.0), ("C4", 261.626), ("A5", 880.0), ("C#4", 277.183), ("Db4", 277.183)],
)
def test_notes_are_tempered_equally(note: str, hertz: float) -> None:
    """A4 is 440 Hz, and twelve equal steps are an octave."""
    assert frequency(note) == pytest.approx(hertz, abs=0.001)
