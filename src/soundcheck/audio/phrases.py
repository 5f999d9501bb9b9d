"""The phrase bank: the closed set of sentences that the speech clips are made of.

The bank is a frozen choice (``soundcheck.reference.selection`` makes it): each phrase was
recognised exactly in the voice and at the rate written beside it.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from soundcheck.errors import SoundcheckError

# Ideographs are words of their own; closing punctuation stays with the word before it.
_IDEOGRAPH = "\u3400-\u9fff"
_WORD = re.compile(rf"[{_IDEOGRAPH}][^\w\s]*|[^\s{_IDEOGRAPH}]+")
_FIELDS = {"id": str, "text": str, "language": str, "voice": str, "rate": int}


class PhraseError(SoundcheckError):
    """The phrase bank's file cannot be used; the message names the file and the entry."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One sentence: its spelling, ISO-639-1 language, espeak-ng voice and rate (words/minute)."""

    id: str
    text: str
    language: str
    voice: str
    rate: int

    @property
    def words(self) -> tuple[str, ...]:
        """The phrase's words in its own spelling, each with its punctuation."""
        return split_words(self.text)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of ``text``: split at blanks, and each Chinese character by itself."""
    return tuple(_WORD.findall(text))


def join_words(words: tuple[str, ...] | list[str]) -> str:
    """Return the running text of ``words``: no blank beside a Chinese character."""
    text = ""
    for word in words:
        glued = not text or _is_ideograph(word[0]) or _is_ideograph(_last_letter(text))
        text += word if glued else f" {word}"
    return text


def load_phrases(path: Path) -> dict[str, Phrase]:
    """Read a phrase bank (TOML, tables ``[[phrase]]``) into ``{id: Phrase}``, in file order.

    Raises PhraseError when the file cannot be read, has a key that is unknown, lacks one, or
    defines an id twice.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PhraseError(f"{path}: the phrase bank cannot be read: {error}") from None
    if unknown := sorted(document.keys() - {"phrase"}):
        raise PhraseError(f"{path}: unknown key {unknown[0]!r}; only [[phrase]] tables belong here")
    entries = document.get("phrase", [])
    if not isinstance(entries, list):
        raise PhraseError(f"{path}: write [[phrase]] (a list of tables), not [phrase]")
    phrases: dict[str, Phrase] = {}
    for number, entry in enumerate(entries, 1):
        phrase = _phrase(entry, f"{path}: phrase {number}")
        if phrase.id in phrases:
            raise PhraseError(f"{path}: phrase {number}: the id {phrase.id!r} is taken")
        phrases[phrase.id] = phrase
    return phrases


def _phrase(entry: Any, where: str) -> Phrase:
    if not isinstance(entry, dict):
        raise PhraseError(f"{where}: is not a table")
    names = [field.name for field in fields(Phrase)]
    if unknown := sorted(entry.keys() - set(names)):
        raise PhraseError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(names)}")
    for name in names:
        if name not in entry:
            raise PhraseError(f"{where}: the key {name!r} is missing")
        if type(entry[name]) is not _FIELDS[name] or not entry[name]:
            kind = "whole number" if _FIELDS[name] is int else "text"
            raise PhraseError(f"{where}: {name} must be a {kind} that is not empty")
    if not split_words(entry["text"]):
        raise PhraseError(f"{where}: the text has no words")
    return Phrase(**entry)


def _is_ideograph(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def _last_letter(text: str) -> str:
    return next((one for one in reversed(text) if one.isalnum()), " ")
