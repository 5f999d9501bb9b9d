"""What a recipe is: the sound or content of one clip, and what is done to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from soundcheck.audio.formats import Format
from soundcheck.audio.phrases import Phrase
from soundcheck.errors import SoundcheckError


class RecipeError(SoundcheckError):
    """A recipe cannot be used, or no recipe has the name asked for."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Phrases of one language in a row; times in seconds.

    Without ``duration`` the passage is as long as it takes; with ``fill`` it holds as many of the
    phrases as fit, in order and again from the first.
    """

    phrases: tuple[Phrase, ...]
    duration: float | None = None
    fill: bool = False
    lead: float = 0.2
    pause: float = 0.6
    tail: float = 0.3

    @property
    def language(self) -> str:
        """The ISO-639-1 code of what is spoken."""
        return self.phrases[0].language


@dataclass(frozen=True, slots=True)
class Signal:
    """A sound that is not speech: ``duration`` in seconds, peak ``level`` in dB of full scale."""

    kind: str
    duration: float
    level: float
    options: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What is not made from a sound: bytes of some ``kind``, for readers to refuse."""

    kind: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def duration(self) -> float:
        """The seconds of audio in it, most often none."""
        return float(dict(self.options).get("seconds", 0.0))


Source: TypeAlias = Speech | Signal | Content


@dataclass(frozen=True, slots=True)
class Sized:
    """Filler brings the file to exactly ``size`` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Only the first ``cut`` of the file, a share of its bytes, is left."""

    cut: float


@dataclass(frozen=True, slots=True)
class Flipped:
    """A share ``flip`` of the file's bytes is changed, in its middle, at places that ``seed`` says.

    The first and the last quarter, where headers and indexes stand, stay as they are.
    """

    flip: float
    seed: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """The header of a WAV file says something else in these fields: name and number."""

    claim: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Edited:
    """The file's bytes are changed as each of the edits (``edits.py``) is written."""

    edits: tuple[str, ...]


Treatment: TypeAlias = Sized | Cut | Flipped | Claimed | Edited
Group: TypeAlias = Literal["speech", "signal", "variant", "size", "damaged", "hostile"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One clip to make. ``name`` has the extension; ``second`` is a second audio track.

    ``span`` is the part of the sound that is taken, in seconds from its start; ``gain`` (dB) makes
    it louder or quieter; ``side`` is the one channel of a stereo file that it is put on.
    """

    name: str
    group: Group
    source: Source
    format: Format
    second: Speech | Signal | None = None
    span: tuple[float, float] | None = None
    gain: float = 0.0
    side: str = ""
    title: str = ""
    cover: bool = False
    treatment: Treatment | None = None

    @property
    def duration(self) -> float | None:
        """The seconds of audio as far as the recipe says, None where that depends on the speech."""
        if self.span is not None:
            return self.span[1] - self.span[0]
        return self.source.duration

    def described(self) -> dict[str, Any]:
        """Return the recipe in values that JSON has; phrases by their ids."""
        told = {"group": self.group, **_described(self.source), "format": self.format.name}
        if self.second is not None:
            told["second"] = _described(self.second)
        if self.span is not None:
            told["from"], told["until"] = self.span
        if self.gain:
            told["gain"] = self.gain
        if self.side:
            told["side"] = self.side
        if self.title:
            told["title"] = self.title
        if self.cover:
            told["cover"] = True
        if isinstance(self.treatment, Claimed):
            told["claim"] = dict(self.treatment.claim)
        elif isinstance(self.treatment, Edited):
            told["edits"] = list(self.treatment.edits)
        elif self.treatment is not None:
            told |= asdict(self.treatment)
        return told


def _described(source: Source) -> dict[str, Any]:
    if isinstance(source, Content):
        return {"content": source.kind, **dict(source.options)}
    if isinstance(source, Signal):
        return {
            "signal": source.kind,
            "duration": source.duration,
            "level": source.level,
            **dict(source.options),
        }
    return {
        "phrases": [one.id for one in source.phrases],
        "duration": source.duration,
        "fill": source.fill,
        "lead": source.lead,
        "pause": source.pause,
        "tail": source.tail,
    }
