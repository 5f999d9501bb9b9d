"""TOML files that users write: read and checked, and what is wrong told by file and line."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from soundcheck.errors import SoundcheckError

_KEY = r"(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[A-Za-z0-9_-]+)"
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_ENTRY = re.compile(rf"\s*({_DOTTED})\s*=")
_QUOTES = re.compile(r"\"\"\"|'''")

_KINDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a table",
    "array": "an array",
}
"""What JSON Schema's types are called in TOML."""


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The ``document`` that stands in ``path`` as ``text``; problems are told as ``error``."""

    path: Path
    text: str
    document: dict[str, Any]
    error: type[SoundcheckError]

    def line(self, where: Iterable[str | int]) -> int:
        """Return the line of the entry at ``where``, or of what it stands in; 1 if there is none.

        ``where`` are the keys on the way to it, and the numbers of arrays' members.
        """
        wanted = tuple(where)
        lines = _lines(self.text)
        depths = (depth for depth in range(len(wanted), 0, -1) if wanted[:depth] in lines)
        return lines[wanted[: next(depths)]] if wanted[:1] in lines else 1

    def problem(self, where: Iterable[str | int], message: str) -> SoundcheckError:
        """Return the error that tells ``message`` of the entry at ``where``."""
        return self.error(f"{self.path}:{self.line(where)}: {message}")

    def check(self, schema: Mapping[str, Any]) -> None:
        """Raise the first breach of ``schema`` (JSON Schema) by line, with a hint at its remedy."""
        from jsonschema import Draft202012Validator, FormatChecker

        for where in _no_numbers(self.document):
            raise self.problem(where, "must be a number that is finite and within 64 bits")
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        errors = list(validator.iter_errors(self.document))
        # What is missing may be there under a name that is told to be wrong.
        others = [error for error in errors if error.validator != "required"]
        found = [_told(error) for error in others or errors]
        if found:
            raise self.problem(*min(found, key=lambda problem: self.line(problem[0])))


def read_toml(path: Path, error: type[SoundcheckError] = SoundcheckError) -> TomlFile:
    """Return the TOML file at ``path``; raises ``error`` where it cannot be read or is no TOML."""
    try:
        text = path.read_text(encoding="utf-8")
        return TomlFile(path, text, tomllib.loads(text), error)
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path}: cannot be read: {problem}") from None
    except tomllib.TOMLDecodeError as problem:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(problem))
        line = f":{place[1]}" if place else ""
        raise error(f"{path}{line}: not valid TOML: {problem}") from None
    except (ValueError, RecursionError):  # thousands of digits, or of brackets
        raise error(
            f"{path}: not valid TOML: a number is too long, or too much stands inside one another"
        ) from None


def _no_numbers(value: object, *where: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield where numbers stand that no limit can be: TOML knows nan, inf, and any length."""
    if isinstance(value, int | float):
        if not abs(value) < 2**63:  # nan is below nothing
            yield where
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _no_numbers(member, *where, key)
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _no_numbers(member, *where, number)


def _told(error: Any) -> tuple[list[str | int], str]:
    """Return where a document breaks its schema, and how."""
    where = list(error.path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        close = get_close_matches(unknown, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        return [*where, unknown], f"unknown key {unknown!r}: {hint}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return where, f"{', '.join(missing)} missing"
    key = next((step for step in reversed(where) if isinstance(step, str)), "the file")
    return where, f"{key} {_broken(error)}"


def _broken(error: Any) -> str:
    """Return what is wrong about a value, to stand behind its key."""
    limit, value = error.validator_value, error.instance
    match error.validator:
        case "minLength":
            return "must not be empty"
        case "minimum" | "exclusiveMinimum" | "maximum":
            bound = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
            return f"must be {bound[error.validator]} {limit}, not {value}"
        case "enum":
            return f"must be one of {', '.join(map(str, limit))}, not {value!r}"
        case "type":
            kinds = " or ".join(
                _KINDS[kind] for kind in ([limit] if isinstance(limit, str) else limit)
            )
            return f"must be {kinds}, not {value!r}"
    return f"is wrong: {error.message}"


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Return the line of every table and entry, by the keys on the way to it.

    The parser of the standard library gives no positions, so headers are followed by hand.
    """
    found: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    quoted = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not quoted:
            if header := _HEADER.match(line):
                table = _table(_keys(header[2]), header[1] == "[[", counts)
                _mark(found, table, number)
            elif entry := _ENTRY.match(line):
                _mark(found, (*table, *_keys(entry[1])), number)
        for quotes in _QUOTES.findall(line):  # a text of several lines may look like anything
            if not quoted:
                quoted = quotes
            elif quoted == quotes:
                quoted = ""
    return found


def _table(
    keys: list[str], repeated: bool, counts: dict[tuple[str | int, ...], int]
) -> tuple[str | int, ...]:
    """Return the way to a table, with the numbers of the arrays of tables that it leads through."""
    way: tuple[str | int, ...] = ()
    for depth, key in enumerate(keys, start=1):
        way = (*way, key)
        if repeated and depth == len(keys):
            counts[way] = counts.get(way, -1) + 1
        if way in counts:
            way = (*way, counts[way])
    return way


def _mark(found: dict[tuple[str | int, ...], int], way: tuple[str | int, ...], number: int) -> None:
    for depth in range(1, len(way) + 1):
        found.setdefault(way[:depth], number)


def _keys(dotted: str) -> list[str]:
    """Split a dotted TOML key into its parts, without their quotes."""
    return [
        tomllib.loads(f"x = {key}")["x"] if key[0] in "\"'" else key
        for key in re.findall(_KEY, dotted)
    ]
