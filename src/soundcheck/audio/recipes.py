"""Recipes: what the TOML files say, checked and expanded into one recipe per clip.

A table ``[NAME]`` says what sounds, by exactly one of

* ``phrases`` (ids of the phrase bank) or ``bank`` (a language: as many of its phrases as fit),
* ``signal`` or ``content`` (its kind; the kind's own options stand beside it),
* ``of`` (the name of another recipe whose sound this one carries, and what is done to it),

and ``formats``: the names of the formats it is written in (``"all"``: the documented nine). The
clips are called NAME.EXT. A recipe with a sound of its own may be asked in any of the nine; one
called NAME-SIZE, which has that ``size``, in any other size too. A clip that nothing was done to
may be asked with edits: NAME~EDIT~EDIT.EXT (``edits.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundcheck.audio import edits
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.audio.phrases import Phrase, load_phrases
from soundcheck.audio.recipe import (
    Claimed,
    Content,
    Cut,
    Edited,
    Flipped,
    Group,
    Recipe,
    RecipeError,
    Signal,
    Sized,
    Source,
    Speech,
    Treatment,
)
from soundcheck.audio.recipe_file import RecipeFile
from soundcheck.audio.recipe_values import (
    CONTENTS,
    KEYS,
    KINDS,
    LARGEST,
    PAUSES,
    SIGNALS,
    TREATMENTS,
    Check,
    InvalidError,
    texts,
)

BANK = "phrases.toml"
_SIZED = re.compile(r"(.+)-(0|[1-9][0-9]{0,17})\.([a-z0-9]+)")
_OWN_SOUND = ("speech", "signal")


def load_recipes(folder: Path) -> dict[str, Recipe]:
    """Read every recipe of ``folder`` and return one per clip, by clip name.

    Raises RecipeError (or PhraseError) naming file, line, recipe and key.
    """
    files = [RecipeFile(path) for path in sorted(folder.glob("*.toml")) if path.name != BANK]
    if not files:
        raise RecipeError(f"{folder}: there are no recipes (*.toml) in this folder")
    bank = load_phrases(folder / BANK) if (folder / BANK).is_file() else {}
    homes: dict[str, RecipeFile] = {}
    sources: dict[str, Source] = {}
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
            except InvalidError as error:
                raise file.error(name, error.key, str(error)) from None
    recipes: dict[str, Recipe] = {}
    for name, (kind, values) in tables.items():
        try:
            for recipe in _expand(name, kind, values, sources):
                if recipe.name in recipes:
                    raise InvalidError(f"makes {recipe.name} a second time", "formats")
                recipes[recipe.name] = recipe
        except InvalidError as error:
            raise homes[name].error(name, error.key, str(error)) from None
    return recipes


def plain(recipes: Mapping[str, Recipe], name: str) -> Recipe | None:
    """Return the recipe of the clip ``name``: a listed one, or one that follows from those.

    That is a sound in another of the nine formats, a sized file in another format or size, or a
    clip with edits. Raises RecipeError for a size that no clip may have, and for what is no edit.
    """
    if name in recipes:
        return recipes[name]
    if edits.SIGN in name:
        return _with_edits(recipes, name)
    stem, _, extension = name.rpartition(".")
    if extension not in NINE:
        return None
    for other in NINE:
        listed = recipes.get(f"{stem}.{other}")
        if listed is not None and listed.group in _OWN_SOUND:
            return Recipe(name, listed.group, listed.source, FORMATS[extension])
    return _in_another_size(recipes, name)


def _with_edits(recipes: Mapping[str, Recipe], name: str) -> Recipe | None:
    try:
        base, changes = edits.read(name)
    except ValueError as error:
        raise RecipeError(f"{name}: {error}") from None
    found = plain(recipes, base)
    if found is None or found.treatment is not None or isinstance(found.source, Content):
        return None
    return replace(found, name=name, group="damaged", treatment=Edited(tuple(map(str, changes))))


def _in_another_size(recipes: Mapping[str, Recipe], name: str) -> Recipe | None:
    asked = _SIZED.fullmatch(name)
    if asked is None:
        return None
    stem, size, extension = asked[1], int(asked[2]), asked[3]
    for listed in recipes.values():
        if listed.group == "size" and listed.name.rpartition("-")[0] == stem:
            if size > LARGEST:
                raise RecipeError(f"{name}: a clip has at most {LARGEST} bytes")
            return replace(listed, name=name, format=FORMATS[extension], treatment=Sized(size))
    return None


_ANY: dict[str, Check] = {"formats": lambda value: value}


def _read(name: str, table: Any) -> tuple[str, dict[str, Any]]:
    """Check a table's keys and values; return its kind and its values."""
    if not isinstance(table, dict):
        raise InvalidError("must be a table")
    if not re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", name):
        raise InvalidError("a name is made of small letters, digits, '-' and '.'")
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        raise InvalidError(f"needs exactly one of the keys {', '.join(KINDS)}")
    kind = kinds[0]
    checks = _ANY | KEYS[kind]
    options = _options(kind, table[kind])
    checks = checks | options
    if unknown := [key for key in table if key not in checks]:
        raise InvalidError(f"unknown key; known here are {', '.join(checks)}", unknown[0])
    values: dict[str, Any] = {}
    for key, value in table.items():
        try:
            values[key] = checks[key](value)
        except InvalidError as error:
            raise InvalidError(str(error), key) from None
    required = ["formats"]
    if kind == "bank":
        required.append("duration")
    if kind == "signal":
        required += ["duration"] if table["signal"] == "silence" else ["duration", "level"]
    required += options
    for one, other in (("from", "until"), ("until", "from"), ("flip", "seed"), ("seed", "flip")):
        required += [other] if one in table and kind == "of" else []
    if missing := [key for key in required if key not in table]:
        raise InvalidError(f"the key {missing[0]!r} is missing")
    return kind, values


def _options(kind: str, value: Any) -> dict[str, Check]:
    """Return the options that a kind of signal or of content has, and needs."""
    known = {"signal": SIGNALS, "content": CONTENTS}.get(kind)
    if known is None:
        return {}
    if value not in list(known):  # whatever type it has
        raise InvalidError(f"must be one of {', '.join(known)}", kind)
    return known[value]


def _source(kind: str, values: dict[str, Any], bank: dict[str, Phrase]) -> Source:
    if kind == "content":
        options = tuple((key, values[key]) for key in CONTENTS[values["content"]])
        return Content(values["content"], options)
    if kind == "signal":
        options = tuple((key, values[key]) for key in SIGNALS[values["signal"]])
        return Signal(values["signal"], values["duration"], values.get("level", 0.0), options)
    if kind == "bank":
        phrases = tuple(one for one in bank.values() if one.language == values["bank"])
        if not phrases:
            raise InvalidError(f"{BANK} has no phrase in the language {values['bank']!r}", "bank")
    else:
        for one in values["phrases"]:
            if one not in bank:
                raise InvalidError(f"{BANK} has no phrase {one!r}", "phrases")
        phrases = tuple(bank[one] for one in values["phrases"])
    if len({one.language for one in phrases}) > 1:
        raise InvalidError("the phrases are not all in one language", "phrases")
    pauses = {key: values[key] for key in PAUSES if key in values}
    return Speech(phrases, values.get("duration"), fill=kind == "bank", **pauses)


def _expand(
    name: str, kind: str, values: dict[str, Any], sources: Mapping[str, Source]
) -> list[Recipe]:
    """Return the recipes of a table, one per format."""
    for key in ("of", "second"):
        if key in values and not isinstance(sources.get(values[key]), Speech | Signal):
            raise InvalidError(f"there is no recipe {values[key]!r} with a sound of its own", key)
    source = sources[values.get("of", name)]
    second = sources.get(values.get("second", ""))
    treatment = _treatment(name, values)
    span = (values["from"], values["until"]) if "from" in values else None
    if span is not None and span[0] >= span[1]:
        raise InvalidError(f"must be greater than from, {span[0]:g}", "until")
    recipes = []
    formats = values["formats"]
    for one in NINE if formats == "all" else _formats(formats):
        form = FORMATS[one]
        if form.codec != "libmp3lame" and ("title" in values or "cover" in values):
            raise InvalidError(f"title and cover are tags of MP3, not of {one}", "formats")
        if form.channels != 2 and "side" in values:
            raise InvalidError(f"needs a stereo format, not {one}", "side")
        if form.container != "mp4" and "second" in values:
            raise InvalidError(f"a second track needs the format mp4, not {one}", "second")
        if one not in NINE and (kind == "content" or isinstance(treatment, Sized)):
            raise InvalidError(f"needs one of {', '.join(NINE)}, not {one}", "formats")
        if form.container != "WAV" and isinstance(treatment, Claimed):
            raise InvalidError(f"lies in the header of WAV, which {one} does not have", "claim")
        recipes.append(
            Recipe(
                f"{name}.{form.extension}",
                _group(kind, source, treatment),
                source,
                form,
                second if isinstance(second, Speech | Signal) else None,
                span,
                values.get("gain", 0.0),
                values.get("side", ""),
                values.get("title", ""),
                values.get("cover", False),
                treatment,
            )
        )
    return recipes


def _treatment(name: str, values: dict[str, Any]) -> Treatment | None:
    given = [key for key in TREATMENTS if key in values]
    if len(given) > 1:
        raise InvalidError(f"cannot stand beside {given[0]}", given[1])
    if "size" in values:
        if not name.endswith(f"-{values['size']}"):
            raise InvalidError(f"the recipe's name must end in -{values['size']}", "size")
        return Sized(values["size"])
    if "cut" in values:
        return Cut(values["cut"])
    if "flip" in values:
        return Flipped(values["flip"], values["seed"])
    if "claim" in values:
        return Claimed(values["claim"])
    return None


def _group(kind: str, source: Source, treatment: Treatment | None) -> Group:
    if treatment is not None:
        return "size" if isinstance(treatment, Sized) else "damaged"
    if isinstance(source, Content):
        return "hostile"
    if kind == "of":
        return "variant"
    return "signal" if isinstance(source, Signal) else "speech"


def _formats(value: Any) -> tuple[str, ...]:
    try:
        names = texts(value)
    except InvalidError as error:
        raise InvalidError(f'{error}, or "all"', "formats") from None
    for one in names:
        if one not in FORMATS:
            raise InvalidError(f"unknown format {one!r}; known are {', '.join(FORMATS)}", "formats")
    return names
