"""From a recipe to the bytes of its clip.

This imports numpy, PyAV and soundfile: load it only where clips are made.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from soundcheck.audio import containers, passages, pcm, signals, tags
from soundcheck.audio.recipes import Recipe, RecipeError, Signal, Speech
from soundcheck.audio.sound import Samples, Sound, resample

# Each channel's loudness beside mono: 5.1 has the voice in the centre and none in the subwoofer.
_GAINS = {1: (1.0,), 2: (1.0, 1.0), 6: (0.5, 0.5, 1.0, 0.0, 0.25, 0.25)}


def make(recipe: Recipe) -> tuple[bytes, Sound]:
    """Return the file of a ``recipe``, and the sound it carries (its first track's).

    Raises RecipeError when the recipe's parts do not fit together, SpeechError without espeak-ng.
    """
    try:
        sound = render(recipe.source)
        second = None if recipe.second is None else render(recipe.second)
    except RecipeError as error:
        raise RecipeError(f"{recipe.name}: {error}") from None
    tracks = [_track(one, recipe) for one in (sound, second) if one is not None]
    if recipe.format.writer == "libsndfile":
        return pcm.write(tracks[0], recipe.format), sound
    data = containers.write(tracks, recipe.format)
    if recipe.title or recipe.cover:
        data = tags.tagged(data, recipe.title, recipe.cover)
    return data, sound


@lru_cache(maxsize=8)
def render(source: Speech | Signal) -> Sound:
    """Return the sound of a ``source`` at the rate it is made at."""
    return signals.render(source) if isinstance(source, Signal) else passages.render(source)


def _track(sound: Sound, recipe: Recipe) -> Samples:
    """Return the samples of one track, shape ``(n, channels)``, at the format's rate."""
    mono = resample(sound.samples, sound.rate, recipe.format.rate)
    gains = np.array(_GAINS[recipe.format.channels], dtype=np.float32)
    return mono[:, None] * gains[None, :]
