"""What a clip is: one audio file made from a recipe, and what is known about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word; ``start`` and ``end`` in seconds from the start of the clip."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Clip:
    """One audio file in the cache.

    ``size`` is in bytes. ``duration`` is in seconds and counts the audio that the recipe holds: a
    codec may add padding. ``sample_rate`` (Hz) and ``channels`` are those of the file. All three
    are zero for a file without audio. ``language`` is the ISO-639-1 code of the speech; without
    speech it is None and ``transcript`` is empty. A damaged file is described as it was before.
    """

    name: str
    path: Path
    media_type: str
    size: int
    sha256: str
    duration: float
    sample_rate: int
    channels: int
    language: str | None
    transcript: str
    words: tuple[Word, ...]

    def chunks(self, size: int = 262_144) -> Iterator[bytes]:
        """Yield the bytes of the file in pieces of ``size``, the last as long as it comes."""
        with self.path.open("rb") as file:
            while chunk := file.read(size):
                yield chunk

    def read(self) -> bytes:
        """Return the bytes of the file."""
        return self.path.read_bytes()
