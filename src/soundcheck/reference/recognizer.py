"""The reference's recognizer: real recognition of the closed phrase bank.

decode → find speech → level → decode with a grammar of all phrases → accept or stay silent. The
text is the words that were heard, in the phrase's spelling. It knows nothing of file names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pocketsphinx import Decoder

from soundcheck.audio.clip import Word
from soundcheck.audio.phrases import join_words
from soundcheck.reference.decoding import SAMPLE_RATE, decode
from soundcheck.reference.frontend import Region, Samples, pitch, regions
from soundcheck.reference.phrasebank import BankPhrase, PhraseBank, load_bank
from soundcheck.reference.transcript import (
    Segment,
    TooLong,
    Transcript,
    Undecodable,
    language_of,
)

__all__ = ["Recognizer", "Segment", "TooLong", "Transcript", "Undecodable", "accept"]

LIMIT_SECONDS = 1500.0
LEAST_WORDS = 3
LARGEST_DEVIATION = 0.040
STARTS_OF_INCOMPLETE = 0.75
LEAST_COVERAGE = 0.75
LONGEST_REST = 0.75
TOLERANCE = 0.30
SHORT_TOLERANCE = 0.15
_FRAMES_PER_SECOND = 100
# A region this much longer than the longest phrase is no phrase; decoding it would cost real time.
_LONGEST_REGION = 1.25
_MARGIN = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """The first words of one phrase as ``(start, end)``, in seconds from the region's start."""

    phrase: int
    words: tuple[tuple[float, float], ...]


class Recognizer:
    """A decoder that listens for the phrases of one bank; answers do not depend on their order."""

    def __init__(self, bank: PhraseBank | None = None) -> None:
        self._bank = load_bank() if bank is None else bank
        with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".dict") as dictionary:
            dictionary.write(self._bank.dictionary())
            dictionary.flush()
            # "batch": levels of the features come from the utterance, not from those before it.
            self._decoder = Decoder(lm=None, dict=dictionary.name, cmn="batch", loglevel="FATAL")
        self._decoder.add_jsgf_string("bank", self._bank.grammar())
        self._decoder.activate_search("bank")
        longest = max((phrase.duration for phrase in self._bank.phrases), default=0.0)
        self._longest = longest * _LONGEST_REGION + _MARGIN

    def transcribe(self, path: Path, limit_seconds: float = LIMIT_SECONDS) -> Transcript:
        """Return what is said in the audio file at ``path``, whatever its name.

        Raises Undecodable when it is no audio, TooLong above ``limit_seconds``.
        """
        return self.recognize(decode(path, limit_seconds))

    def recognize(self, samples: Samples) -> Transcript:
        """Return what is said in ``samples`` (int16, mono, 16 kHz, shape ``(n,)``)."""
        segments = tuple(self.segments(samples))
        return Transcript(len(samples) / SAMPLE_RATE, language_of(segments), segments)

    def segments(self, samples: Samples) -> Iterator[Segment]:
        """Yield what is said in ``samples`` (as for ``recognize``), phrase by phrase, in order."""
        for region in regions(samples, self._longest):
            segment = self._segment(region)
            if segment is not None:
                yield segment

    def hear(self, samples: Samples) -> Heard | None:
        """Return the phrase (or its beginning) that fits ``samples`` best, None if none does."""
        decoder = self._decoder
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        partial = self._read()
        decoder.end_utt()
        final = self._read()
        if final is None or partial is None:
            return final or partial
        if partial.phrase == final.phrase and len(partial.words) == len(final.words):
            return partial  # the same words; the final path lets the last one swallow the silence
        return final

    def _read(self) -> Heard | None:
        phrase = -1
        words: list[tuple[float, float]] = []
        for part in self._decoder.seg() or ():
            if part.word.startswith("w"):
                phrase, _ = self._bank.identify(part.word)
                words.append(
                    (
                        part.start_frame / _FRAMES_PER_SECOND,
                        (part.end_frame + 1) / _FRAMES_PER_SECOND,
                    )
                )
        return Heard(phrase, tuple(words)) if words else None

    def _segment(self, region: Region) -> Segment | None:
        heard = self.hear(region.samples)
        if heard is None:
            return None
        phrase = self._bank.phrases[heard.phrase]
        accepted = accept(phrase, heard.words, region.end - region.start, region.at_end)
        if accepted is None:
            return None
        count, confidence = accepted
        words = tuple(
            Word(word.text, round(region.start + start, 3), round(region.start + end, 3))
            for word, (start, end) in zip(phrase.words[:count], heard.words, strict=False)
        )
        first, last = (
            round(at * SAMPLE_RATE) for at in (heard.words[0][0], heard.words[count - 1][1])
        )
        return Segment(
            start=words[0].start,
            end=words[-1].end,
            text=join_words([word.text for word in words]),
            language=phrase.language,
            words=words,
            pitch=round(pitch(region.samples[first:last]), 1),
            confidence=round(confidence, 4),
        )


def accept(
    phrase: BankPhrase, words: tuple[tuple[float, float], ...], length: float, at_end: bool
) -> tuple[int, float] | None:
    """Decide whether the first words of ``phrase``, heard at ``(start, end)``, were really said.

    ``length`` is that of the region of speech in which they were heard (times in seconds from its
    start); ``at_end`` tells that the file ends with it and may have been cut. Returns how many of
    the words count and a confidence in (0, 1], or None.

    The rule is the design's (*The reference's recognizer*), drawn tighter where other sentences
    still passed: at least min(3, phrase length) words, of which half (three quarters, if the
    phrase's end was not heard) start within 40 ms of the phrase's own times after removing the
    offset; words that take as long as the phrase's own, within 30 %, or 15 % for a phrase of one
    or two words, which needs them all; three quarters of the words, where a cut excuses those that
    the phrase's own times place behind it; and no more speech after the last word than the
    beginning of another.
    """
    own = phrase.words
    offset = float(median(start - word.start for (start, _), word in zip(words, own, strict=False)))
    expected = len(own)
    count = len(words)
    if at_end:
        expected = sum(word.end + offset <= length for word in own)
        count = min(count, sum(word.start + offset < length for word in own))
    if count < min(LEAST_WORDS, len(own)) or count < LEAST_COVERAGE * expected:
        return None
    if length - words[-1][1] > LONGEST_REST:
        return None
    deviations = sorted(abs(words[i][0] - own[i].start - offset) for i in range(count))
    counted = 0.5 if count == len(own) else STARTS_OF_INCOMPLETE
    deviation = deviations[int(counted * count)]
    if deviation > LARGEST_DEVIATION:
        return None
    duration = words[count - 1][1] - words[0][0]
    own_duration = own[count - 1].end - own[0].start
    tolerance = SHORT_TOLERANCE if len(own) < LEAST_WORDS else TOLERANCE
    if abs(duration - own_duration) > tolerance * own_duration:
        return None
    coverage = min(1.0, count / max(expected, 1))
    return count, coverage * (1.0 - deviation / (2 * LARGEST_DEVIATION))
