"""Before recognition: find where somebody speaks, bring it to level, measure the voice's pitch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pocketsphinx import Endpointer

SAMPLE_RATE = 16_000
LEVEL = 12_000.0
"""Where the 99.5th percentile of a signal's magnitude is brought to, of 32 767."""
NOISE = 8.0
"""Standard deviation of the noise added after levelling: digital silence misleads the features."""
_FRAME = SAMPLE_RATE // 100
_ACTIVE = 10 ** (-30 / 20)  # frames this far below the loudest count as pauses
_WINDOW = 0.2  # seconds of speech or of silence that begin or end a region

_PITCH_FRAME = SAMPLE_RATE * 40 // 1000
_PITCH_HOP = SAMPLE_RATE * 20 // 1000
_PITCH_LOW, _PITCH_HIGH = 60.0, 450.0
_VOICED = 0.5  # normalised autocorrelation from which a frame counts as voiced
_OCTAVE = 0.85  # a peak this near the highest, at a shorter lag, is the period itself

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of speech, levelled; ``start`` in seconds, ``at_end`` when the file ends in it."""

    samples: Samples
    start: float
    at_end: bool

    @property
    def end(self) -> float:
        """Where the region ends, in seconds from the start of the file."""
        return self.start + len(self.samples) / SAMPLE_RATE


def regions(samples: Samples) -> list[Region]:
    """Return the stretches of speech in ``samples`` (16 kHz mono), each levelled by itself."""
    levelled = _level(samples, _gain(_active(samples)))
    return [
        Region(_level(part, _gain(part)), start / SAMPLE_RATE, at_end)
        for start, stop, at_end in _bounds(levelled)
        if len(part := samples[start:stop]) and part.any()
    ]


def pitch(samples: Samples) -> float:
    """Return the median pitch in Hz of the voiced frames, 0.0 when none is voiced.

    Per frame the highest peak of the normalised autocorrelation between 60 and 450 Hz.
    """
    if len(samples) < _PITCH_FRAME:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, _PITCH_FRAME)[::_PITCH_HOP]
    frames = frames.astype(np.float32)
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames * np.hanning(_PITCH_FRAME), 2 * _PITCH_FRAME)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:, :_PITCH_FRAME]
    # The window's own autocorrelation bends long lags down; divide it out again.
    window = np.abs(np.fft.rfft(np.hanning(_PITCH_FRAME), 2 * _PITCH_FRAME)) ** 2
    correlation /= np.maximum(correlation[:, :1], 1.0)
    decay = np.fft.irfft(window)[:_PITCH_FRAME]
    shortest, longest = int(SAMPLE_RATE / _PITCH_HIGH), int(SAMPLE_RATE / _PITCH_LOW)
    lags = slice(shortest, longest + 1)
    scores = correlation[:, lags] / (decay[lags] / decay[0])
    best = scores.max(axis=1)
    voiced = (best > _VOICED) & (np.square(frames).mean(axis=1) > LEVEL**2 / 1000)
    if not voiced.any():
        return 0.0
    scores, best = scores[voiced], best[voiced]
    left = np.pad(scores, ((0, 0), (1, 0)), constant_values=2.0)[:, :-1]
    right = np.pad(scores, ((0, 0), (0, 1)), constant_values=2.0)[:, 1:]
    peaks = (scores >= left) & (scores >= right) & (scores >= _OCTAVE * best[:, None])
    lag = np.where(peaks.any(axis=1), peaks.argmax(axis=1), scores.argmax(axis=1)) + shortest
    return float(SAMPLE_RATE / np.median(lag))


def _active(samples: Samples) -> Samples:
    """Return the frames within 30 dB of the loudest, so that long pauses do not set the level."""
    whole = len(samples) // _FRAME * _FRAME
    if not whole:
        return samples
    frames = samples[:whole].reshape(-1, _FRAME)
    power = np.square(frames, dtype=np.float32).mean(axis=1)
    active: Samples = frames[power >= power.max() * _ACTIVE**2].ravel()
    return active


def _gain(samples: Samples) -> float:
    if not len(samples):
        return 1.0
    magnitudes = np.abs(samples.astype(np.int32))
    place = min(len(magnitudes) - 1, int(len(magnitudes) * 0.995))
    return LEVEL / max(1.0, float(np.partition(magnitudes, place)[place]))


def _level(samples: Samples, gain: float) -> Samples:
    scaled = samples * np.float32(gain)
    scaled += np.resize(_noise(), len(scaled))
    levelled: Samples = np.clip(np.rint(scaled), -32_768, 32_767).astype(np.int16)
    return levelled


def _noise() -> npt.NDArray[np.float32]:
    """Return one second of the noise; the same each time."""
    return np.random.default_rng(1).standard_normal(SAMPLE_RATE, dtype=np.float32) * np.float32(
        NOISE
    )


def _bounds(samples: Samples) -> list[tuple[int, int, bool]]:
    """Return ``(start, stop, at_end)`` in samples of each region the endpointer finds."""
    endpointer = Endpointer(window=_WINDOW, sample_rate=SAMPLE_RATE)
    size = endpointer.frame_bytes
    data = samples.tobytes()
    whole = len(data) // size * size
    found: list[tuple[int, int, bool]] = []
    inside = False
    for at in range(0, whole, size):
        endpointer.process(data[at : at + size])
        if inside and not endpointer.in_speech:
            start, stop = endpointer.speech_start, endpointer.speech_end
            found.append((round(start * SAMPLE_RATE), round(stop * SAMPLE_RATE), False))
        inside = endpointer.in_speech
    if inside:
        found.append((round(endpointer.speech_start * SAMPLE_RATE), len(samples), True))
    return found
