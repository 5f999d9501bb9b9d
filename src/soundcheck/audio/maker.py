"""From a recipe to the bytes of its clip.

This imports numpy, PyAV and soundfile: load it only where clips are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from soundcheck.audio import (
    containers,
    damage,
    edits,
    hostile,
    passages,
    pcm,
    signals,
    sizing,
    tags,
)
from soundcheck.audio.made import Made
from soundcheck.audio.pieces import Piece
from soundcheck.audio.recipe import (
    Claimed,
    Content,
    Cut,
    Edited,
    Flipped,
    Recipe,
    RecipeError,
    Signal,
    Sized,
    Speech,
)
from soundcheck.audio.sound import Samples, Sound, part, resample

# Each channel's loudness beside mono: 5.1 has the voice in the centre and none in the subwoofer.
_GAINS = {1: (1.0,), 2: (1.0, 1.0), 6: (0.5, 0.5, 1.0, 0.0, 0.25, 0.25)}
_SIDES = {"left": (1.0, 0.0), "right": (0.0, 1.0)}


def make(recipe: Recipe) -> Made:
    """Make the file of a ``recipe``.

    Raises RecipeError when the recipe's parts do not fit together, SpeechError without espeak-ng.
    """
    if isinstance(recipe.source, Content):
        return hostile.make(recipe.source, recipe.format)
    try:
        # What is done to a file afterwards has no part in encoding it, and neither has its name.
        data, sound = _encoded(replace(recipe, name="", group="variant", treatment=None))
        pieces = _treated(data, recipe)
    except (RecipeError, sizing.UnreachableSizeError) as error:
        raise RecipeError(f"{recipe.name}: {error}") from None
    return Made(
        pieces,
        sound.duration,
        sound.rate,
        recipe.format.channels,
        sound.language,
        sound.transcript,
        sound.words,
    )


@lru_cache(maxsize=9)  # the formats in which one sound is brought to several sizes
def _encoded(recipe: Recipe) -> tuple[bytes, Sound]:
    """Return the file before anything is done to it, and the sound of its first track."""
    assert not isinstance(recipe.source, Content)  # noqa: S101
    sources = [one for one in (recipe.source, recipe.second) if one is not None]
    sounds = [sounding(one, recipe) for one in sources]
    gains = _SIDES.get(recipe.side, _GAINS[recipe.format.channels])
    tracks = [_track(one, gains) for one in sounds]
    if recipe.format.writer == "libsndfile":
        data = pcm.write(tracks[0], recipe.format)
    else:
        data = containers.write(tracks, recipe.format)
    if recipe.title or recipe.cover:
        data = tags.tagged(data, recipe.title, recipe.cover)
    return data, sounds[0]


def _treated(data: bytes, recipe: Recipe) -> Sequence[Piece]:
    match recipe.treatment:
        case None:
            return [data]
        case Sized(size):
            return sizing.sized(data, recipe.format, size)
        case Cut(share):
            return [damage.cut(data, share)]
        case Flipped(share, seed):
            return [damage.flipped(data, share, seed)]
        case Claimed(fields):
            return [damage.claiming(data, dict(fields))]
        case Edited(changes):
            parsed = tuple(map(edits.parse, changes))
            return [edits.edited(data, parsed, recipe.format.container)]


def sounding(source: Speech | Signal, recipe: Recipe) -> Sound:
    """Return the part of a ``source`` that the ``recipe`` takes, at the rate of its format."""
    whole = render(source)
    rate = recipe.format.rate
    samples = resample(whole.samples, whole.rate, rate)
    if recipe.gain:
        samples = samples * np.float32(10 ** (recipe.gain / 20))
        if np.abs(samples).max() >= 1.0:
            raise RecipeError(f"{recipe.gain:+g} dB are too much: the loudest samples are clipped")
    sound = replace(whole, samples=samples, rate=rate)
    return sound if recipe.span is None else part(sound, *recipe.span)


@lru_cache(maxsize=8)
def render(source: Speech | Signal) -> Sound:
    """Return the sound of a ``source`` at the rate it is made at."""
    return signals.render(source) if isinstance(source, Signal) else passages.render(source)


def _track(sound: Sound, gains: tuple[float, ...]) -> Samples:
    """Return the samples of one track, shape ``(n, channels)``, by the gain of each channel."""
    return sound.samples[:, None] * np.array(gains, dtype=np.float32)[None, :]
