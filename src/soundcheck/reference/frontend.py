"""Before recognition: find where somebody speaks, bring it to level, measure the voice's pitch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from pocketsphinx import Endpointer

SAMPLE_RATE = 16_000
LEVEL = 12_000.0
"""Where the 99.5th percentile of a signal's magnitude is brought to, of 32 767."""
NOISE = 8.0
"""Standard deviation of the noise added after levelling: digital silence misleads the features."""
_FRAME = SAMPLE_RATE // 100
_BLOCK = 60 * SAMPLE_RATE  # long files are worked on by the minute: floats take twice the room
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


def regions(samples: Samples, longest: float = math.inf) -> Iterator[Region]:
    """Yield the stretches of speech in ``samples`` (16 kHz mono), each levelled by itself.

    Stretches of more than ``longest`` seconds are left out.
    """
    for start, stop, at_end in _bounds(samples, _overall_gain(samples)):
        part = samples[start:stop]
        if len(part) <= longest * SAMPLE_RATE and part.any():
            yield Region(_level(part, _gain(_magnitudes(part))), start / SAMPLE_RATE, at_end)


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


def _overall_gain(samples: Samples) -> float:
    """Return the gain by the frames within 30 dB of the loudest: long pauses do not count."""
    whole = len(samples) // _FRAME * _FRAME
    if not whole:
        return _gain(_magnitudes(samples))
    frames = samples[:whole].reshape(-1, _FRAME)
    step = _BLOCK // _FRAME
    blocks = [frames[at : at + step] for at in range(0, len(frames), step)]
    power = [np.square(block, dtype=np.float32).mean(axis=1) for block in blocks]
    least = max(float(part.max()) for part in power) * _ACTIVE**2
    active = zip(blocks, power, strict=True)
    counts = (_magnitudes(block[part >= least].ravel()) for block, part in active)
    return _gain(sum(counts, start=np.zeros(32_769, np.int64)))


def _magnitudes(samples: Samples) -> npt.NDArray[np.int64]:
    """Return how often each magnitude from 0 to 32 768 occurs."""
    counts = np.zeros(32_769, np.int64)
    for at in range(0, len(samples), _BLOCK):
        magnitudes = np.abs(samples[at : at + _BLOCK].astype(np.int32))
        counts += np.bincount(magnitudes, minlength=len(counts))
    return counts


def _gain(magnitudes: npt.NDArray[np.int64]) -> float:
    count = int(magnitudes.sum())
    if not count:
        return 1.0
    place = min(count - 1, int(count * 0.995))
    loud = int(np.searchsorted(np.cumsum(magnitudes), place, side="right"))
    return LEVEL / max(1.0, float(loud))


def _level(samples: Samples, gain: float) -> Samples:
    scaled = samples * np.float32(gain)
    scaled += np.resize(_noise(), len(scaled))
    levelled: Samples = np.clip(np.rint(scaled), -32_768, 32_767).astype(np.int16)
    return levelled


@cache
def _noise() -> npt.NDArray[np.float32]:
    """Return one second of the noise; the same each time."""
    return np.random.default_rng(1).standard_normal(SAMPLE_RATE, dtype=np.float32) * np.float32(
        NOISE
    )


def _bounds(samples: Samples, gain: float) -> Iterator[tuple[int, int, bool]]:
    """Yield ``(start, stop, at_end)`` in samples of each region as the endpointer finds it."""
    endpointer = Endpointer(window=_WINDOW, sample_rate=SAMPLE_RATE)
    size = endpointer.frame_bytes // samples.itemsize
    whole = len(samples) // size * size
    # Blocks of whole frames and of whole seconds: the noise repeats with each second.
    block = math.lcm(size, SAMPLE_RATE)
    inside = False
    for begin in range(0, whole, block):
        data = _level(samples[begin : min(begin + block, whole)], gain).tobytes()
        for at in range(0, len(data), endpointer.frame_bytes):
            endpointer.process(data[at : at + endpointer.frame_bytes])
            if inside and not endpointer.in_speech:
                start, stop = endpointer.speech_start, endpointer.speech_end
                yield round(start * SAMPLE_RATE), round(stop * SAMPLE_RATE), False
            inside = endpointer.in_speech
    if inside:
        yield round(endpointer.speech_start * SAMPLE_RATE), len(samples), True
