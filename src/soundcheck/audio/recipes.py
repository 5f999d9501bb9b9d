"""Recipes: what the TOML files say, checked and expanded into one recipe per clip.

A table ``[NAME]`` says what sounds, by exactly one of

* ``phrases`` (ids of the phrase bank) or ``bank`` (a language: as many of its phrases as fit),
* ``signal`` (its kind; the kind's own options stand beside it),
* ``of`` (the name of another recipe whose sound this one carries),

and ``formats``: the names of the formats it is written in (``"all"``: the documented nine). The
clips are called NAME.EXT. A recipe other than ``of`` may be asked in any of the nine.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from soundcheck.audio.formats import FORMATS, GRID, NINE, Format
from soundcheck.audio.phrases import Phrase, load_phrases
from soundcheck.errors import SoundcheckError

BANK = "phrases.toml"
LONGEST = 3600.0


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
class Recipe:
    """One clip to make. ``name`` has the extension; ``second`` is a second audio track."""

    name: str
    group: Literal["speech", "signal", "variant"]
    source: Speech | Signal
    format: Format
    second: Speech | Signal | None = None
    title: str = ""
    cover: bool = False

    def described(self) -> dict[str, Any]:
        """Return the recipe in values that JSON has; phrases by their ids."""
        told = {"group": self.group, **_described(self.source), "format": self.format.name}
        if self.second is not None:
            told["second"] = _described(self.second)
        if self.title:
            told["title"] = self.title
        return told | ({"cover": True} if self.cover else {})


def _described(source: Speech | Signal) -> dict[str, Any]:
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


class _InvalidError(Exception):
    """Why a value of a recipe is refused; the caller knows file, recipe and key."""

    def __init__(self, why: str, key: str | None = None) -> None:
        super().__init__(why)
        self.key = key


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _InvalidError("must be text that is not empty")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise _InvalidError("must be a list of texts that is not empty")
    return tuple(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _InvalidError("must be true or false")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _InvalidError("must be a whole number of at least 0")
    return value


def _number(low: float, high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _InvalidError("must be a number")
        if not low <= value <= high:
            raise _InvalidError(f"must be from {low:g} to {high:g}")
        return float(value)

    return check


def _numbers(low: float, high: float) -> Callable[[Any], tuple[float, ...]]:
    def check(value: Any) -> tuple[float, ...]:
        if not isinstance(value, list) or not value:
            raise _InvalidError("must be a list of numbers that is not empty")
        return tuple(map(_number(low, high), value))

    return check


def _duration(value: Any) -> float:
    seconds = _number(GRID, LONGEST)(value)
    if not math.isclose(seconds / GRID, round(seconds / GRID), rel_tol=1e-9):
        raise _InvalidError(f"must be a multiple of {GRID} s, to be exact at every sample rate")
    return seconds


_NOTE = re.compile(r"[A-G][#b]?[0-8]")


def _notes(value: Any) -> tuple[str, ...]:
    notes = _texts(value)
    for note in notes:
        if not _NOTE.fullmatch(note):
            raise _InvalidError(
                f"{note!r} is no note: write a letter, # or b if needed, and the octave"
            )
    return notes


Check = Callable[[Any], Any]
_HEARD = _number(10, 7_900)  # Hz: below half of the 16 kHz that signals are made at

# Every option of a kind of signal must be given: recipes should say what is heard.
SIGNALS: dict[str, dict[str, Check]] = {
    "silence": {},
    "noise": {"seed": _whole},
    "tones": {"frequencies": _numbers(10, 7_900)},
    "chirp": {"low": _HEARD, "high": _HEARD},
    "clicks": {"interval": _number(0.01, 10)},
    "melody": {"notes": _notes, "beat": _number(0.05, 10)},
}
_KINDS = ("phrases", "bank", "signal", "of")
_ANY: dict[str, Check] = {"formats": lambda value: value}
_PAUSES: dict[str, Check] = {
    "lead": _number(0, 10),
    "pause": _number(0.5, 60),
    "tail": _number(0, 10),
}
_KEYS: dict[str, dict[str, Check]] = {
    "phrases": {"phrases": _texts, "duration": _duration, **_PAUSES},
    "bank": {"bank": _text, "duration": _duration, **_PAUSES},
    "signal": {"signal": _text, "duration": _duration, "level": _number(-96, 0)},
    "of": {"of": _text, "second": _text, "title": _text, "cover": _flag},
}


class _File:
    """One recipe file: its tables, and where a table or key stands, for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
            self.tables = tomllib.loads(self._text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RecipeError(f"{path}: the recipes cannot be read: {error}") from None

    def error(self, name: str, key: str | None, why: str) -> RecipeError:
        where = f"[{name}]" if key is None else f"[{name}] {key}"
        return RecipeError(f"{self.path}:{self._line(name, key)}: {where}: {why}")

    def _line(self, name: str, key: str | None) -> int:
        found = 1
        inside = False
        for number, line in enumerate(self._text.splitlines(), 1):
            head = re.match(r"\s*\[+\s*[\"']?(.*?)[\"']?\s*\]", line)
            if head and "=" not in line.partition("]")[0]:
                inside = head[1] == name
                found = number if inside else found
            elif re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line) and not inside:
                found = number
            if inside and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
        return found


def load_recipes(folder: Path) -> dict[str, Recipe]:
    """Read every recipe of ``folder`` and return one per clip, by clip name.

    Raises RecipeError (or PhraseError) naming file, line, recipe and key.
    """
    files = [_File(path) for path in sorted(folder.glob("*.toml")) if path.name != BANK]
    if not files:
        raise RecipeError(f"{folder}: there are no recipes (*.toml) in this folder")
    bank = load_phrases(folder / BANK) if (folder / BANK).is_file() else {}
    homes: dict[str, _File] = {}
    sources: dict[str, Speech | Signal] = {}
    tables: dict[str, tuple[str, dict[str, Any]]] = {}
    for file in files:
        for name, table in file.tables.items():
            if name in homes:
                raise file.error(name, None, f"is also in {homes[name].path.name}")
            homes[name] = file
            try:
                kind, values = _read(name, table)
                tables[name] = kind, values
                if kind != "of":
                    sources[name] = _source(kind, values, bank)
            except _InvalidError as error:
                raise file.error(name, error.key, str(error)) from None
    recipes: dict[str, Recipe] = {}
    for name, (kind, values) in tables.items():
        try:
            for recipe in _expand(name, kind, values, sources):
                if recipe.name in recipes:
                    raise _InvalidError(f"makes {recipe.name} a second time", "formats")
                recipes[recipe.name] = recipe
        except _InvalidError as error:
            raise homes[name].error(name, error.key, str(error)) from None
    return recipes


def plain(recipes: Mapping[str, Recipe], name: str) -> Recipe | None:
    """Return the recipe of the clip ``name``: a listed one, or a source in another of the nine."""
    if name in recipes:
        return recipes[name]
    stem, _, extension = name.rpartition(".")
    if extension not in NINE:
        return None
    for other in NINE:
        listed = recipes.get(f"{stem}.{other}")
        if listed is not None and listed.group != "variant":
            return Recipe(name, listed.group, listed.source, FORMATS[extension])
    return None


def _read(name: str, table: Any) -> tuple[str, dict[str, Any]]:
    """Check a table's keys and values; return its kind and its values."""
    if not isinstance(table, dict):
        raise _InvalidError("must be a table")
    if not re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", name):
        raise _InvalidError("a name is made of small letters, digits, '-' and '.'")
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) != 1:
        raise _InvalidError(f"needs exactly one of the keys {', '.join(_KINDS)}")
    kind = kinds[0]
    checks = _ANY | _KEYS[kind]
    if kind == "signal":
        if table["signal"] not in list(SIGNALS):  # whatever type it has
            raise _InvalidError(f"must be one of {', '.join(SIGNALS)}", "signal")
        checks = checks | SIGNALS[table["signal"]]
    if unknown := [key for key in table if key not in checks]:
        raise _InvalidError(f"unknown key; known here are {', '.join(checks)}", unknown[0])
    values: dict[str, Any] = {}
    for key, value in table.items():
        try:
            values[key] = checks[key](value)
        except _InvalidError as error:
            raise _InvalidError(str(error), key) from None
    required = ["formats"]
    if kind == "bank":
        required.append("duration")
    if kind == "signal":
        required += ["duration", *SIGNALS[table["signal"]]]
        required += ["level"] if table["signal"] != "silence" else []
    if missing := [key for key in required if key not in table]:
        raise _InvalidError(f"the key {missing[0]!r} is missing")
    return kind, values


def _source(kind: str, values: dict[str, Any], bank: dict[str, Phrase]) -> Speech | Signal:
    if kind == "signal":
        options = tuple((key, values[key]) for key in SIGNALS[values["signal"]])
        return Signal(values["signal"], values["duration"], values.get("level", 0.0), options)
    if kind == "bank":
        phrases = tuple(one for one in bank.values() if one.language == values["bank"])
        if not phrases:
            raise _InvalidError(f"{BANK} has no phrase in the language {values['bank']!r}", "bank")
    else:
        for one in values["phrases"]:
            if one not in bank:
                raise _InvalidError(f"{BANK} has no phrase {one!r}", "phrases")
        phrases = tuple(bank[one] for one in values["phrases"])
    if len({one.language for one in phrases}) > 1:
        raise _InvalidError("the phrases are not all in one language", "phrases")
    pauses = {key: values[key] for key in _PAUSES if key in values}
    return Speech(phrases, values.get("duration"), fill=kind == "bank", **pauses)


def _expand(
    name: str, kind: str, values: dict[str, Any], sources: Mapping[str, Speech | Signal]
) -> list[Recipe]:
    """Return the recipes of a table, one per format."""
    for key in ("of", "second"):
        if key in values and values[key] not in sources:
            raise _InvalidError(f"there is no recipe {values[key]!r} with a sound of its own", key)
    source = sources[values.get("of", name)]
    group: Literal["speech", "signal", "variant"] = "variant"
    if kind != "of":
        group = "signal" if isinstance(source, Signal) else "speech"
    formats = values["formats"]
    recipes = []
    for one in NINE if formats == "all" else _formats(formats):
        form = FORMATS[one]
        if form.codec != "libmp3lame" and ("title" in values or "cover" in values):
            raise _InvalidError(f"title and cover are tags of MP3, not of {one}", "formats")
        if form.container != "mp4" and "second" in values:
            raise _InvalidError(f"a second track needs the format mp4, not {one}", "second")
        recipes.append(
            Recipe(
                f"{name}.{form.extension}",
                group,
                source,
                form,
                sources.get(values.get("second", "")),
                values.get("title", ""),
                values.get("cover", False),
            )
        )
    return recipes


def _formats(value: Any) -> tuple[str, ...]:
    try:
        names = _texts(value)
    except _InvalidError as error:
        raise _InvalidError(f'{error}, or "all"', "formats") from None
    for one in names:
        if one not in FORMATS:
            raise _InvalidError(
                f"unknown format {one!r}; known are {', '.join(FORMATS)}", "formats"
            )
    return names
