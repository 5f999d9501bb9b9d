"""One file of recipes: its tables, and where in it a table or a key stands, for messages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from soundcheck.audio.recipe import RecipeError


class RecipeFile:
    """The TOML file at ``path``. Raises RecipeError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
            self.tables = tomllib.loads(self._text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RecipeError(f"{path}: the recipes cannot be read: {error}") from None

    def error(self, name: str, key: str | None, why: str) -> RecipeError:
        """Return the error that says ``why`` a table or one of its keys cannot be used."""
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
