"""Files are known by their content, from the cache's own entries."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from soundcheck.audio.clip import Word
from soundcheck.audio.digests import Digests

ENTRY = {
    "file": "x.wav",
    "duration": 2.5,
    "language": "en",
    "transcript": "Good morning.",
    "words": [["Good", 0.2, 0.5], ["morning.", 0.6, 1.1]],
}


def keep(cache: Path, key: str, sha256: str, **changes: Any) -> Path:
    """Put an entry into a cache, written as the library writes it."""
    path = cache / "clips" / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = ENTRY | {"sha256": sha256} | changes
    path.write_text(json.dumps(entry, separators=(",", ":")), encoding="utf-8")
    return path


def test_what_the_cache_knows_is_found(tmp_path: Path) -> None:
    """Seconds, language, text and times of words come from the entry with the digest."""
    keep(tmp_path, "one", "a" * 64)
    known = Digests(tmp_path).find("a" * 64)
    assert known is not None
    assert (known.duration, known.language, known.transcript) == (2.5, "en", "Good morning.")
    assert known.words[1] == Word("morning.", 0.6, 1.1)


def test_clips_that_are_made_later_are_found(tmp_path: Path) -> None:
    """The cache, even its folder, may come into being after the table."""
    digests = Digests(tmp_path)
    assert digests.find("b" * 64) is None
    keep(tmp_path, "one", "b" * 64)
    assert digests.find("b" * 64) is not None
    keep(tmp_path, "two", "c" * 64)
    assert digests.find("c" * 64) is not None
    assert len(digests) == 2


def test_an_old_folder_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown content costs a look at the folder's time, no more."""
    keep(tmp_path, "one", "a" * 64)
    os.utime(tmp_path / "clips", (1, 1))
    digests = Digests(tmp_path)
    monkeypatch.setattr("os.listdir", None)
    assert digests.find("f" * 64) is None


@pytest.mark.parametrize("text", ["", "{}", "[" * 10_000, '{"sha256":"' + "a" * 64 + '"}'])
def test_a_damaged_entry_is_unknown(tmp_path: Path, text: str) -> None:
    """What cannot be read is passed over."""
    keep(tmp_path, "one", "a" * 64).write_text(text, encoding="utf-8")
    keep(tmp_path, "two", "b" * 64)
    digests = Digests(tmp_path)
    assert digests.find("a" * 64) is None
    assert digests.find("b" * 64) is not None


def test_an_entry_removed_since_is_unknown(tmp_path: Path) -> None:
    """A cache that was emptied while it is in use knows nothing, without an error."""
    path = keep(tmp_path, "one", "a" * 64)
    digests = Digests(tmp_path)
    path.unlink()
    assert digests.find("a" * 64) is None


def test_the_library_s_own_entries_are_understood(tmp_path: Path) -> None:
    """What the library has just made is known by the digest that it tells."""
    from soundcheck.audio import Library

    clip = Library(cache=tmp_path).clip("tone.wav")
    known = Digests(tmp_path).find(clip.sha256)
    assert known is not None
    assert known.duration == clip.duration
