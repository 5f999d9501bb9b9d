"""Sounds that are not speech: silence, noise, tones, a chirp, clicks and a melody.

Every generator takes the number of samples, the rate in Hz and its own options, and returns
float32 samples of that shape whose peak is at most 1.0; ``render`` then scales to the level asked
for and fades the ends, so that no signal begins or ends with a step that would sound like a click.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from soundcheck.audio.recipe import Signal
from soundcheck.audio.sound import Sound

RATE = 16_000
_FADE = 0.005
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

Wave = npt.NDArray[np.float64]


def silence(count: int, rate: int) -> Wave:
    """Return digital silence: every sample is zero."""
    return np.zeros(count)


def noise(count: int, rate: int, seed: int) -> Wave:
    """Return white noise, uniform, from numpy's PCG64 generator."""
    return np.random.Generator(np.random.PCG64(seed)).uniform(-1.0, 1.0, count)


def tones(count: int, rate: int, frequencies: tuple[float, ...]) -> Wave:
    """Return sine waves of the ``frequencies`` (Hz) together, all equally loud."""
    time = np.arange(count) / rate
    mixed = sum((np.sin(2 * np.pi * one * time) for one in frequencies), np.zeros(count))
    return mixed / len(frequencies)


def chirp(count: int, rate: int, low: float, high: float) -> Wave:
    """Return a sine whose frequency rises linearly from ``low`` to ``high`` Hz."""
    time = np.arange(count) / rate
    slope = (high - low) / (count / rate)
    return np.sin(2 * np.pi * (low * time + slope / 2 * time**2))


def clicks(count: int, rate: int, interval: float) -> Wave:
    """Return one full-scale sample every ``interval`` seconds, the first half an interval in."""
    wave = np.zeros(count)
    wave[np.arange(round(interval / 2 * rate), count, round(interval * rate))] = 1.0
    return wave


def melody(count: int, rate: int, notes: tuple[str, ...], beat: float) -> Wave:
    """Return the ``notes`` ("A4", "C#5") in a row, ``beat`` seconds each, again and again.

    A note is three harmonics under a decaying envelope, like a plucked string.
    """
    length = round(beat * rate)
    time = np.arange(length) / rate
    envelope = np.exp(-4 * time / beat) * np.minimum(1.0, time / 0.01)
    bars = []
    for note in notes:
        pitch = frequency(note)
        bars.append(envelope * sum(np.sin(2 * np.pi * k * pitch * time) / k for k in (1, 2, 3)))
    tune = np.concatenate(bars)
    wave: Wave = np.resize(tune / np.max(np.abs(tune)), count)
    return wave


def frequency(note: str) -> float:
    """Return the frequency of a ``note`` in Hz: equal temperament, A4 = 440 Hz."""
    letter, accidental, octave = note[0], note[1:-1], note[-1]
    steps = _STEPS[letter] + {"#": 1, "b": -1, "": 0}[accidental] + 12 * int(octave) - 57
    return float(440.0 * 2 ** (steps / 12))


GENERATORS: dict[str, Callable[..., Wave]] = {
    one.__name__: one for one in (silence, noise, tones, chirp, clicks, melody)
}


def render(signal: Signal, rate: int = RATE) -> Sound:
    """Make the sound of a ``signal``: exactly ``signal.duration`` seconds of it at ``rate`` Hz."""
    count = round(signal.duration * rate)
    options: dict[str, Any] = dict(signal.options)
    wave = GENERATORS[signal.kind](count, rate, **options) * 10 ** (signal.level / 20)
    ramp = np.linspace(0.0, 1.0, round(_FADE * rate), endpoint=False)
    wave[: len(ramp)] *= ramp
    wave[count - len(ramp) :] *= ramp[::-1]
    return Sound(wave.astype(np.float32), rate)
