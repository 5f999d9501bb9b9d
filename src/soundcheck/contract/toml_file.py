"""TOML files that users write: read and checked, and what is wrong told by file and line."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from soundcheck.errors import SoundcheckError


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The ``document`` that stands in ``path`` as ``text``; problems are told as ``error``."""

    path: Path
    text: str
    document: dict[str, Any]
    error: type[SoundcheckError]

    def problem(self, where: Sequence[str], message: str) -> SoundcheckError:
        """Return the error that says ``message`` of the entry at the keys ``where``."""
        return self.error(f"{self.path}:{line_of(self.text, list(where))}: {message}")

    def check(self, schema: Mapping[str, Any]) -> None:
        """Raise the first breach of ``schema`` (JSON Schema); an unknown key gets a hint."""
        from jsonschema import Draft202012Validator

        found = Draft202012Validator(schema).iter_errors(self.document)
        errors = sorted(found, key=lambda error: [str(step) for step in error.path])
        if not errors:
            return
        error = errors[0]
        where = [str(step) for step in error.path if isinstance(step, str)]
        message = error.message
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in error.instance if key not in known)
            where.append(unknown)
            close = get_close_matches(unknown, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            message = f"unknown key {unknown!r}: {hint}"
        raise self.problem(where, message)


def read_toml(path: Path, error: type[SoundcheckError] = SoundcheckError) -> TomlFile:
    """Return the TOML file at ``path``; raises ``error`` where it cannot be read or is no TOML."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path}: cannot be read: {problem}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{path}: not valid TOML: {problem}") from problem
    return TomlFile(path, text, document, error)


def line_of(text: str, where: list[str]) -> int:
    """Return the line of ``text`` (TOML) that sets the entry at ``where``; 1 if it is not found.

    The parser of the standard library gives no positions, so the headers are followed by hand.
    """
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            table = _keys(header[1])
            if table[: len(where)] == where:
                return number
        elif (entry := re.match(r"\s*([^=#]+?)\s*=", line)) and where[
            : len(table) + 1
        ] == table + _keys(entry[1])[:1]:
            return number
    return 1


def _keys(dotted: str) -> list[str]:
    """Split a dotted TOML key into its parts, without their quotes."""
    return [
        part[0] or part[1] or part[2]
        for part in re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)", dotted)
    ]
