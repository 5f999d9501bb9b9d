"""Passages of speech: phrases of the bank joined with pauses, to the sample as long as asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import numpy as np

from soundcheck.audio.clip import Word
from soundcheck.audio.formats import GRID
from soundcheck.audio.phrases import Phrase
from soundcheck.audio.recipe import RecipeError, Speech
from soundcheck.audio.sound import FULL_SCALE, Sound
from soundcheck.audio.speech import SAMPLE_RATE, Synthesizer, Utterance

_GRID = round(GRID * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the pieces of a passage start, and how long it is (all in samples)."""

    starts: tuple[int, ...]
    total: int


def arrange(
    lengths: Sequence[int], *, lead: int, pause: int, tail: int, total: int | None = None
) -> Layout:
    """Place pieces of the given ``lengths`` after one another; all numbers are samples.

    At least ``lead`` before the first, ``pause`` between two, ``tail`` after the last. Time left
    over up to ``total`` widens the pauses evenly, or the tail of a single piece. Without ``total``
    the passage ends at the next multiple of 20 ms. Raises ValueError when ``total`` is too short.
    """
    least = lead + sum(lengths) + pause * (len(lengths) - 1) + tail
    if total is None:
        total, spare = -(-least // _GRID) * _GRID, 0
    else:
        spare = total - least
    if spare < 0:
        raise ValueError(f"{-spare} samples too short")
    gaps = len(lengths) - 1
    wider, one_more = divmod(spare, gaps) if gaps else (0, 0)
    steps = [
        length + pause + wider + (index < one_more) for index, length in enumerate(lengths[:-1])
    ]
    return Layout(tuple(accumulate(steps, initial=lead)), total)


def choose(lengths: Sequence[int], *, lead: int, pause: int, tail: int, total: int) -> list[int]:
    """Return which pieces fill ``total`` samples: in order, then again from the first.

    A piece that no longer fits is passed over for the next one that does.
    """
    chosen: list[int] = []
    room = total - lead - tail
    turn = 0
    while True:
        order = [(turn + step) % len(lengths) for step in range(len(lengths))]
        fitting = next((one for one in order if lengths[one] <= room), None)
        if fitting is None:
            return chosen
        chosen.append(fitting)
        room -= lengths[fitting] + pause
        turn = fitting + 1


def render(speech: Speech) -> Sound:
    """Speak a passage. Raises RecipeError when its phrases do not fit into its duration."""
    spoken = [_speak(phrase) for phrase in speech.phrases]
    lead, pause, tail = (round(t * SAMPLE_RATE) for t in (speech.lead, speech.pause, speech.tail))
    total = None if speech.duration is None else round(speech.duration * SAMPLE_RATE)
    order = list(range(len(spoken)))
    lengths = [len(one.samples) for one in spoken]
    if speech.fill and total is not None:
        order = choose(lengths, lead=lead, pause=pause, tail=tail, total=total)
        lengths = [lengths[one] for one in order]
    try:
        if not order:
            raise ValueError("too short for any phrase")
        layout = arrange(lengths, lead=lead, pause=pause, tail=tail, total=total)
    except ValueError as error:
        raise RecipeError(f"a passage of {speech.duration} s is {error}") from None
    samples = np.zeros(layout.total, dtype=np.float32)
    words: list[Word] = []
    for start, index in zip(layout.starts, order, strict=True):
        utterance = spoken[index]
        samples[start : start + len(utterance.samples)] = utterance.samples
        at = start / SAMPLE_RATE
        words += [Word(one.text, at + one.start, at + one.end) for one in utterance.words]
    samples /= np.float32(FULL_SCALE)
    texts = [speech.phrases[index].text for index in order]
    joint = "" if speech.language == "zh" else " "
    return Sound(samples, SAMPLE_RATE, speech.language, joint.join(texts), tuple(words))


@cache
def _speak(phrase: Phrase) -> Utterance:
    return _synthesizer().synthesize(phrase.text, phrase.voice, phrase.rate)


@cache
def _synthesizer() -> Synthesizer:
    """Return the speech worker of this process; it ends with the process."""
    return Synthesizer()
