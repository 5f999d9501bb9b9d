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


class Joiner:
    """Segments' texts joined one by one, as ``Transcript.text`` joins them."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> str:
        """Return what a segment adds to the text: its own, with the blank before it if any."""
        before = len(self.text)
        if text:
            self.text = join_words([self.text, text]) if self.text else text
        return self.text[before:]


class TokenLimit:
    """Ends a text after ``most`` tokens (None: never), segment by segment."""

    def __init__(self, most: int | None) -> None:
        self._left = most

    @property
    def reached(self) -> bool:
        """Whether no further token is allowed."""
        return self._left is not None and self._left <= 0

    def take(self, segment: Segment) -> Segment | None:
        """Return the segment as far as it is allowed, None if nothing of it is."""
        if self._left is None:
            return segment
        if self._left <= 0:
            return None
        pieces = tokens(segment.text)
        kept = pieces[: self._left]
        self._left -= len(kept)
        return segment if len(kept) == len(pieces) else _cut(segment, "".join(kept))


def segment_texts(transcript: Transcript) -> list[str]:
    """Return the segments' texts, each with the blank before it: joined they are the text."""
    joiner = Joiner()
    return [joiner.add(segment.text) for segment in transcript.segments]


def first_tokens(transcript: Transcript, most: int) -> Transcript:
    """Return the transcript ended after ``most`` tokens, its times and words with it."""
    limit = TokenLimit(most)
    taken = (limit.take(segment) for segment in transcript.segments)
    return replace(transcript, segments=tuple(one for one in taken if one is not None))


def _cut(segment: Segment, text: str) -> Segment:
    words = segment.words[: len(split_words(text))]
    end = words[-1].end if words else segment.end
    return replace(segment, text=text, words=words, end=min(end, segment.end))
