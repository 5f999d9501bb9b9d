"""What the recognizer knows of each phrase: spelling, pronunciations, and when its words are said.

The knowledge is frozen in ``phrasebank.json`` beside this module (``selection`` writes it together
with the phrase bank), so that a start needs neither espeak-ng nor the big dictionary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FROZEN = Path(__file__).with_name("phrasebank.json")


@dataclass(frozen=True, slots=True)
class BankWord:
    """One word: spelling, pronunciations (phones), and its time in the phrase, in seconds."""

    text: str
    pronunciations: tuple[str, ...]
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class BankPhrase:
    """One phrase. The words' times are those the recognizer finds in the undamaged phrase."""

    id: str
    language: str
    words: tuple[BankWord, ...]

    @property
    def duration(self) -> float:
        """Seconds from the start of the first word to the end of the last."""
        return self.words[-1].end - self.words[0].start


class PhraseBank:
    """The phrases, and the dictionary and grammar that make pocketsphinx listen for them."""

    def __init__(self, phrases: tuple[BankPhrase, ...]) -> None:
        self.phrases = phrases

    def dictionary(self) -> str:
        """Return a pronouncing dictionary with one entry ``w<phrase>_<word>`` per word.

        The ids make each word its phrase's own; ``w1_0(2)`` is a second pronunciation.
        """
        lines: list[str] = []
        for number, phrase in enumerate(self.phrases):
            for index, word in enumerate(phrase.words):
                for variant, sounds in enumerate(word.pronunciations, 1):
                    mark = "" if variant == 1 else f"({variant})"
                    lines.append(f"w{number}_{index}{mark} {sounds}")
        return "\n".join(lines) + "\n"

    def grammar(self) -> str:
        """Return a JSGF grammar that accepts any one phrase."""
        alternatives = (
            " ".join(f"w{number}_{index}" for index in range(len(phrase.words)))
            for number, phrase in enumerate(self.phrases)
        )
        return f"#JSGF V1.0; grammar bank; public <s> = ( {' | '.join(alternatives)} );"

    @staticmethod
    def identify(word_id: str) -> tuple[int, int]:
        """Return phrase and word number of a dictionary id, ``w3_4(2)`` → ``(3, 4)``."""
        phrase, _, word = word_id.partition("(")[0].removeprefix("w").partition("_")
        return int(phrase), int(word)


def load_bank(path: Path = FROZEN) -> PhraseBank:
    """Read the frozen bank (written by ``save_bank``)."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return PhraseBank(
        tuple(
            BankPhrase(
                entry["id"],
                entry["language"],
                tuple(
                    BankWord(text, tuple(pronunciations), start, end)
                    for text, pronunciations, start, end in entry["words"]
                ),
            )
            for entry in entries
        )
    )


def save_bank(bank: PhraseBank, path: Path = FROZEN) -> None:
    """Write the bank, one phrase per line."""
    lines = (
        json.dumps(
            {
                "id": phrase.id,
                "language": phrase.language,
                "words": [
                    [word.text, word.pronunciations, round(word.start, 3), round(word.end, 3)]
                    for word in phrase.words
                ],
            },
            ensure_ascii=False,
        )
        for phrase in bank.phrases
    )
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
