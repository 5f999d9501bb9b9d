"""Canaries: what a run hides in its requests, so that it is known when it shows on a wire.

They are made anew for each run, so nothing else can contain them by chance or by memory.
"""

import random
import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from soundcheck.audio import Clip, Library
from soundcheck.audio.marked import marked

CANARY = "{canary}"
"""Stands for a word of the run's own in a field's value, and for another in a file's name."""

CANARY_CLIP = "canary.wav"
"""The clip that each run makes for itself."""

SPOKEN = "speech-2s.wav"
"""What is said in the run's own clip."""

LETTERS = 24
"""Of each of the run's own words: 24 letters are 113 bits."""

SHORTEST = 16
"""Bytes of a text below which it could occur by chance."""

WINDOW, WINDOWS = 32, 16
"""Bytes of a piece of audio that is searched for, and how many of them, evenly over the file."""


@dataclass(frozen=True, slots=True)
class Canary:
    """Bytes that must not be readable; ``what`` they are of, as reports call it."""

    what: str
    data: bytes


class Canaries:
    """The canaries of one run; its clip is written to ``folder`` when it is first asked for."""

    def __init__(self, library: Library, folder: Path) -> None:
        self._library = library
        self._folder = folder
        self._clip: Clip | None = None
        self._word, self._name = _word(), _word()

    @property
    def clip(self) -> Clip:
        """Return the run's own clip: a sentence with noise and a length that no other run has."""
        if self._clip is None:
            spoken = self._library.clip(SPOKEN)
            self._folder.mkdir(parents=True, exist_ok=True)
            generator = random.Random(self._word)  # noqa: S311 - uniqueness, not secrecy
            self._clip = marked(spoken, self._folder / CANARY_CLIP, generator.randbytes)
        return self._clip

    def resolve(self, text: str) -> str:
        """Return a field's value with the run's own word in the place that was left for it."""
        return text.replace(CANARY, self._word)

    def resolve_name(self, name: str) -> str:
        """Return a file's name with the run's own word for names in the place left for it."""
        return name.replace(CANARY, self._name)

    def hidden(self) -> tuple[Canary, ...]:
        """Return what every request of the run may hide: its words, and pieces of its audio."""
        return (
            Canary("prompt", self._word.encode()),
            Canary("file name", self._name.encode()),
            *(Canary("audio", piece) for piece in _pieces(self.clip.read())),
        )


def spoken(texts: Iterable[str]) -> tuple[Canary, ...]:
    """Return canaries for what was answered: texts long enough not to occur by chance."""
    found = (text.strip().encode() for text in texts)
    return tuple(Canary("transcript", text) for text in found if len(text) >= SHORTEST)


def _word() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(LETTERS))


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yield pieces of the audio, none of them of the header that all such files begin with."""
    begin = min(64, max(0, len(data) - WINDOW))
    step = max(WINDOW, (len(data) - begin - WINDOW) // (WINDOWS - 1))
    for start in range(begin, len(data) - WINDOW + 1, step):
        yield data[start : start + WINDOW]
