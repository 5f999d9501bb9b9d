"""Sound in memory: samples with the words spoken in them, and the change of sample rate."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt

from soundcheck.audio.clip import Word
from soundcheck.audio.phrases import join_words
from soundcheck.audio.recipe import RecipeError

Samples = npt.NDArray[np.float32]

FULL_SCALE = 32_768


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono samples (float32, full scale 1.0, shape ``(n,)``) at ``rate`` Hz, and their words."""

    samples: Samples
    rate: int
    language: str | None = None
    transcript: str = ""
    words: tuple[Word, ...] = ()

    @property
    def duration(self) -> float:
        """The length in seconds."""
        return len(self.samples) / self.rate


def part(sound: Sound, start: float, end: float) -> Sound:
    """Return the ``sound`` from ``start`` to ``end`` (in seconds), with the words that lie inside.

    Raises RecipeError when there is no such part.
    """
    first, last = round(start * sound.rate), round(end * sound.rate)
    if last > len(sound.samples):
        raise RecipeError(f"cannot be cut until {end:g} s: the sound lasts {sound.duration:g} s")
    if first >= last:
        raise RecipeError(f"from {start:g} s until {end:g} s there is not one sample")
    words = tuple(
        Word(one.text, one.start - start, one.end - start)
        for one in sound.words
        if start <= one.start and one.end <= end
    )
    return Sound(
        sound.samples[first:last],
        sound.rate,
        sound.language if words else None,
        join_words([one.text for one in words]),
        words,
    )


def resample(samples: Samples, rate: int, to: int) -> Samples:
    """Return mono ``samples`` at ``to`` Hz: ``round(n * to / rate)`` of them, without delay."""
    if rate == to:
        return samples
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = rate
    frames = (*resampler.resample(frame), *resampler.resample(None))
    wanted = round(len(samples) * to / rate)
    joined = np.concatenate([one.to_ndarray()[0] for one in frames])[:wanted]
    out = np.zeros(wanted, dtype=np.float32)
    out[: len(joined)] = joined
    return out


def to_pcm16(samples: Samples) -> npt.NDArray[np.int16]:
    """Return ``samples`` as 16-bit integers, rounded and clipped at full scale."""
    scaled = np.rint(samples * np.float32(FULL_SCALE))
    whole: npt.NDArray[np.int16] = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return whole
