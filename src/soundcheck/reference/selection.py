"""Make the phrase bank: ``python -m soundcheck.reference.selection [--keep | --check]``.

Out of the candidate sentences, keep those that are recognised exactly, end to end, in every format
of the clips and at many offsets; write them with the voice and rate found to the fixtures'
``phrases.toml`` and what the recognizer must know of them to ``phrasebank.json``. ``--keep`` tries
the phrases of the present bank first; ``--check`` tries nothing else and writes nothing. The bank
is frozen: make it again when espeak-ng or the recognizer changes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from soundcheck import suites
from soundcheck.audio import containers, pcm
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.audio.phrases import Phrase, load_phrases
from soundcheck.audio.sound import FULL_SCALE, Samples, resample
from soundcheck.audio.speech import SAMPLE_RATE, Synthesizer
from soundcheck.reference.decoding import decode
from soundcheck.reference.frontend import regions
from soundcheck.reference.phrasebank import (
    BankPhrase,
    BankWord,
    PhraseBank,
    load_bank,
    save_bank,
)
from soundcheck.reference.pronunciation import Phones, dictionary, pronunciations
from soundcheck.reference.recognizer import Recognizer

CANDIDATES = Path(__file__).with_name("candidates.toml")
BANK = "phrases.toml"
VOICES = {"en": "en-us", "de": "de", "fr": "fr", "es": "es", "ru": "ru", "zh": "cmn"}
WAYS = (("f5", 175), ("f5", 145), ("f2", 145), ("f3", 145), ("m1", 175))
WANTED = {"en": 30, "de": 5, "fr": 5, "es": 5, "ru": 5, "zh": 5}
LEAD = 0.25
CODECS = ("wav-8khz", "wav-8bit", "ogg-opus", "mpga-layer2", "mp3-vbr", *NINE)
OFFSETS = (0.0, 0.061, 1.037, *np.random.default_rng(7).uniform(0.0, 0.8, 13).round(4).tolist())
_HEADER = (
    "# The phrases of all speech clips, each recognised exactly as it is spoken here.\n"
    "# Frozen: made by `python -m soundcheck.reference.selection` from its candidates.\n"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that might enter the bank; ``variant`` fixes the voice, "" leaves it open."""

    id: str
    text: str
    language: str
    variant: str = ""

    def phrases(self) -> Iterator[Phrase]:
        """Yield the ways to speak it, the preferred first."""
        ways = [(self.variant, rate) for rate in (175, 145)] if self.variant else WAYS
        for variant, rate in ways:
            voice = f"{VOICES[self.language]}+{variant}"
            yield Phrase(self.id, self.text, self.language, voice, rate)


def load_candidates(path: Path = CANDIDATES) -> list[Candidate]:
    """Read the candidates, in order, language by language."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Candidate(name, **({"text": one} if isinstance(one, str) else one), language=language)
        for language, entries in document.items()
        for name, one in entries.items()
    ]


class Studio:
    """Speaks phrases and encodes them as clips are, so that the recognizer can be tried."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer

    @cached_property
    def _english(self) -> dict[str, list[Phones]]:
        return dictionary()

    def speak(self, phrase: Phrase, lead: float = LEAD) -> Samples:
        """Return the phrase as float32 samples (22 050 Hz) after ``lead`` seconds of silence."""
        spoken = self._synthesizer.synthesize(phrase.text, phrase.voice, phrase.rate).samples
        silence = np.zeros(round(lead * SAMPLE_RATE), np.int16)
        return np.concatenate([silence, spoken]).astype(np.float32) / np.float32(FULL_SCALE)

    def entry(self, phrase: Phrase) -> BankPhrase:
        """Return the phrase with its pronunciations, its times not yet measured."""
        sounds = pronunciations(phrase, self._synthesizer, self._english)
        return BankPhrase(
            phrase.id,
            phrase.language,
            tuple(
                BankWord(word, tuple(" ".join(phones) for phones in variants), 0.0, 0.0)
                for word, variants in zip(phrase.words, sounds, strict=True)
            ),
        )


def encode(samples: Samples, name: str) -> bytes:
    """Return mono ``samples`` (22 050 Hz) as a file in the clip format ``name``."""
    form = FORMATS[name]
    track = resample(samples, SAMPLE_RATE, form.rate)[:, None].repeat(form.channels, axis=1)
    if form.writer == "libsndfile":
        return pcm.write(track, form)
    return containers.write([track], form)


def measure(studio: Studio, phrases: list[Phrase]) -> tuple[PhraseBank, list[Phrase]]:
    """Return the bank of ``phrases`` with measured times, and the phrases it hears wrongly."""
    entries = [studio.entry(phrase) for phrase in phrases]
    recognizer = Recognizer(PhraseBank(tuple(entries)))
    wrong: list[Phrase] = []
    for number, phrase in enumerate(phrases):
        found = list(regions(_decoded(encode(studio.speak(phrase), "wav"))))
        heard = recognizer.hear(found[0].samples) if len(found) == 1 else None
        own = entries[number].words
        if heard is None or heard.phrase != number or len(heard.words) != len(own):
            wrong.append(phrase)
            continue
        origin = heard.words[0][0]
        times = [(start - origin, end - origin) for start, end in heard.words]
        entries[number] = replace(
            entries[number],
            words=tuple(
                replace(word, start=start, end=end)
                for word, (start, end) in zip(own, times, strict=True)
            ),
        )
    return PhraseBank(tuple(entries)), wrong


def trials(phrase: Phrase, studio: Studio) -> Iterator[tuple[str, bytes]]:
    """Yield each condition (codec, offset) with the phrase's file, the hard ones first."""
    for codec in CODECS:
        yield codec, encode(studio.speak(phrase), codec)
    for lead in OFFSETS:
        yield f"+{lead} s", encode(studio.speak(phrase, lead), "wav")


def failure(phrase: Phrase, bank: PhraseBank, studio: Studio) -> str:
    """Return the first condition under which the phrase is not recognised exactly, "" if none."""
    recognizer = Recognizer(bank)
    for condition, data in trials(phrase, studio):
        transcript = recognizer.recognize(_decoded(data))
        if (transcript.text, transcript.language) != (phrase.text, phrase.language):
            return condition
    return ""


def select(
    studio: Studio, candidates: list[Candidate], jobs: int, present: Collection[Phrase] = ()
) -> tuple[list[Phrase], PhraseBank]:
    """Return the selected phrases and their bank; those ``present`` come before all others.

    Each round listens among as many phrases as are wanted (with more, confusion is likelier) and
    replaces what was not exact by its next voice or by the next candidate. A bank in which all
    have passed is tried once more as a whole.
    """
    ways = {one.id: sorted(one.phrases(), key=lambda way: way not in present) for one in candidates}
    candidates = sorted(candidates, key=lambda one: ways[one.id][0] not in present)
    passed: set[Phrase] = set()
    while True:
        chosen = _choose(candidates, ways)
        bank, wrong = measure(studio, chosen)
        if not wrong:
            fresh = [one for one in chosen if one not in passed] or chosen
            tried = try_all(fresh, bank, jobs)
            wrong = [phrase for phrase, condition in tried if condition]
            passed |= set(fresh) - set(wrong)
            if not wrong and len(fresh) == len(chosen):
                return chosen, bank
        _report(f"{len(chosen)} phrases, not exact: {' '.join(p.id for p in wrong) or '-'}")
        for phrase in wrong:
            passed.discard(phrase)
            ways[phrase.id].pop(0)


def _choose(candidates: list[Candidate], ways: dict[str, list[Phrase]]) -> list[Phrase]:
    room = Counter(WANTED)
    chosen: list[Phrase] = []
    for candidate in candidates:
        if ways[candidate.id] and room[candidate.language] > 0:
            room[candidate.language] -= 1
            chosen.append(ways[candidate.id][0])
    return chosen


def try_all(phrases: list[Phrase], bank: PhraseBank, jobs: int) -> list[tuple[Phrase, str]]:
    """Return each phrase with the first condition it fails under, "" if none."""
    if jobs == 1:
        return [(phrase, _try(phrase, bank)) for phrase in phrases]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        return list(zip(phrases, pool.map(_try, phrases, [bank] * len(phrases)), strict=True))


def write_phrases(phrases: list[Phrase], path: Path) -> None:
    """Write the phrase bank as TOML."""
    tables = (
        f'[[phrase]]\nid = "{phrase.id}"\ntext = "{phrase.text}"\nlanguage = "{phrase.language}"\n'
        f'voice = "{phrase.voice}"\nrate = {phrase.rate}\n'
        for phrase in phrases
    )
    path.write_text("\n".join((_HEADER, *tables)), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 1 when a phrase of the bank is not exact."""
    parser = argparse.ArgumentParser(description="Select the phrase bank, or check the one there.")
    parser.add_argument("--check", action="store_true", help="only try the present bank")
    parser.add_argument("--keep", action="store_true", help="try the present bank's phrases first")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args(arguments)
    path = suites.folder("fixtures") / BANK
    if options.check:
        failed = try_all(list(load_phrases(path).values()), load_bank(), options.jobs)
        for phrase, condition in failed:
            if condition:
                _report(f"{phrase.id} is not exact: {condition}")
        return int(any(condition for _, condition in failed))
    with Synthesizer() as synthesizer:
        present = list(load_phrases(path).values()) if options.keep else []
        phrases, bank = select(Studio(synthesizer), load_candidates(), options.jobs, present)
    write_phrases(phrases, path)
    save_bank(bank)
    _report(f"wrote {len(phrases)} phrases to {path}")
    return 0


def _try(phrase: Phrase, bank: PhraseBank) -> str:
    with Synthesizer() as synthesizer:
        return failure(phrase, bank, Studio(synthesizer))


def _decoded(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return decode(Path(file.name), 60.0)


def _report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
