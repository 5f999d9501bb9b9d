"""Text cut into tokens: a word with the blank before it, or a single Chinese character."""

import math
import re
from dataclasses import replace

from soundcheck.audio.phrases import join_words, split_words
from soundcheck.reference.transcript import Segment, Transcript

_IDEOGRAPH = "\u3400-\u9fff"
_TOKEN = re.compile(rf"\s*(?:[{_IDEOGRAPH}][^\w\s]*|[^\s{_IDEOGRAPH}]+)|\s+")

# Speech models of the GPT-4o family count ten tokens for a second of audio.
AUDIO_TOKENS_PER_SECOND = 10


def tokens(text: str) -> list[str]:
    """Return the tokens of ``text``; joined they are ``text`` again."""
    return _TOKEN.findall(text)


def audio_tokens(duration: float) -> int:
    """Return how many tokens ``duration`` seconds of audio count for."""
    return math.ceil(duration * AUDIO_TOKENS_PER_SECOND)


def segment_texts(transcript: Transcript) -> list[str]:
    """Return the segments' texts, each with the blank before it: joined they are the text."""
    pieces: list[str] = []
    before: list[str] = []
    joined = ""
    for segment in transcript.segments:
        before.append(segment.text)
        longer = join_words(before)
        pieces.append(longer[len(joined) :])
        joined = longer
    return pieces


def first_tokens(transcript: Transcript, most: int) -> Transcript:
    """Return the transcript ended after ``most`` tokens, its times and words with it."""
    kept: list[Segment] = []
    for segment in transcript.segments:
        pieces = tokens(segment.text)
        if most <= 0:
            break
        kept.append(segment if len(pieces) <= most else _cut(segment, "".join(pieces[:most])))
        most -= len(pieces)
    return replace(transcript, segments=tuple(kept))


def _cut(segment: Segment, text: str) -> Segment:
    words = segment.words[: len(split_words(text))]
    end = words[-1].end if words else segment.end
    return replace(segment, text=text, words=words, end=min(end, segment.end))
