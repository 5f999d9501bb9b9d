"""What is known about a file by its content: the cache of clips, looked up by digest.

No recipe is read for it, so it is there at once; clips that are made later, by whatever process,
are found when they are asked for.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundcheck.audio.clip import Word
from soundcheck.audio.library import cache_folder

_SHA256 = re.compile(rb'"sha256":"([0-9a-f]{64})"')
# A folder's time of change is coarse: one that changed so recently may do so again unseen.
_UNSETTLED = 2.0


@dataclass(frozen=True, slots=True)
class Known:
    """What a file holds: seconds of audio, its language (None without speech), and what is said."""

    duration: float
    language: str | None
    transcript: str
    words: tuple[Word, ...]


class Digests:
    """The files of the cache folder ``cache`` (default: that of ``Library``) by their SHA-256."""

    def __init__(self, cache: Path | None = None) -> None:
        self._folder = (cache or cache_folder()) / "clips"
        self._entries: dict[str, str] = {}  # digest to the name of its entry
        self._seen: set[str] = set()
        self._found: dict[str, Known] = {}
        self._scanned = 0.0
        self._changed = -1
        self._scan()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, sha256: str) -> Known | None:
        """Return what is known of the file with this digest (hexadecimal), None if nothing is."""
        found = self._found.get(sha256)
        if found is not None:
            return found
        if sha256 not in self._entries:
            self._scan()
        if sha256 not in self._entries:
            return None
        try:
            entry = json.loads((self._folder / self._entries[sha256]).read_bytes())
            found = self._found[sha256] = _known(entry)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # removed or damaged since: it is no longer known
        return found

    def _scan(self) -> None:
        """Read the entries that are new; a folder that is not there has none."""
        try:
            changed = self._folder.stat().st_mtime_ns
            if changed == self._changed and self._scanned - changed / 1e9 > _UNSETTLED:
                return
            self._scanned, self._changed = time.time(), changed
            names = [name for name in os.listdir(self._folder) if name.endswith(".json")]
        except OSError:
            return
        for name in names:
            if name in self._seen:
                continue
            try:
                found = _SHA256.search((self._folder / name).read_bytes())
            except OSError:
                continue
            self._seen.add(name)
            if found:
                self._entries[found[1].decode("ascii")] = name


def _known(entry: dict[str, Any]) -> Known:
    words = tuple(Word(str(text), float(start), float(end)) for text, start, end in entry["words"])
    return Known(float(entry["duration"]), entry["language"], str(entry["transcript"]), words)
