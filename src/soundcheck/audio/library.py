"""The library: clips on demand, made once and kept in a cache.

A clip's key is a digest of its recipe, of the versions of the libraries that make it and of the
code that calls them: whatever could change the bytes changes the key, and a clip under an old key
is never read again. A cache folder holds

* ``files/SHA256.EXT``: the files, named by their content,
* ``clips/KEY.json``: which file a key means, with the clip's data; written after its file.

Both appear whole or not at all (a temporary file is renamed), so builders may run side by side.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from soundcheck import suites
from soundcheck.audio.clip import Clip, Word
from soundcheck.audio.recipe import Recipe, RecipeError, Sized
from soundcheck.audio.recipes import load_recipes, plain
from soundcheck.errors import ExitCode, SoundcheckError

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

_LIBRARIES = ("av", "espeakng-loader", "numpy", "soundfile")
_CODE = (
    "boxes.py",
    "containers.py",
    "contents.py",
    "damage.py",
    "ebml.py",
    "edits.py",
    "espeak_worker.py",
    "hostile.py",
    "maker.py",
    "ogg_pages.py",
    "outward.py",
    "passages.py",
    "pcm.py",
    "phrases.py",
    "pieces.py",
    "signals.py",
    "sizing.py",
    "sound.py",
    "speech.py",
    "tags.py",
)
# Hashing so many bytes of filler takes as long as encoding a second of audio.
_BYTES_PER_SECOND = 5e6
CACHE_VARIABLE = "SOUNDCHECK_CACHE"


class CacheError(SoundcheckError):
    """The cache folder cannot be written or read."""


class MakerError(SoundcheckError):
    """A process that makes clips ended before its time."""

    exit_code = ExitCode.INTERNAL


@cache
def versions() -> dict[str, str]:
    """Return what else, beside the recipe, decides the bytes of a clip: name to version."""
    from importlib.metadata import version

    code = hashlib.sha256()
    for name in _CODE:
        code.update(Path(__file__).with_name(name).read_bytes())
    return {**{name: version(name) for name in _LIBRARIES}, "code": code.hexdigest()[:16]}


def cache_folder() -> Path:
    """Return where clips are kept: ``$SOUNDCHECK_CACHE``, else the user's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("soundcheck")


class Library:
    """The clips of a folder of ``recipes``, made on demand into the folder ``cache``.

    Defaults: the recipes that come with soundcheck, and ``cache_folder()``. The recipes are read at
    first use. Threads and processes may share a cache. Clips that no recipe makes can be added.
    """

    def __init__(self, recipes: Path | None = None, cache: Path | None = None) -> None:
        self._folder = recipes or suites.folder("fixtures")
        self._cache = cache or cache_folder()
        self._loaded: dict[str, Recipe] | None = None
        self._keys: dict[str, str] = {}
        self._seen: dict[str, Clip] = {}
        self._added: dict[str, Clip] = {}

    def add(self, clips: Iterable[Clip]) -> None:
        """Take ``clips`` that lie elsewhere: they are known by their names, and not listed."""
        self._added |= {clip.name: clip for clip in clips}

    @property
    def recipes(self) -> dict[str, Recipe]:
        """Every listed recipe, by clip name. Raises RecipeError when a file is wrong."""
        if self._loaded is None:
            self._loaded = load_recipes(self._folder)
        return self._loaded

    def names(self) -> tuple[str, ...]:
        """Return the names of all listed clips."""
        return tuple(self.recipes)

    def recipe(self, name: str) -> Recipe:
        """Return the recipe of the clip ``name``. Raises RecipeError when there is none."""
        found = plain(self.recipes, name)
        if found is None:
            close = difflib.get_close_matches(name, self.recipes, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(close)}?" if close else "see soundcheck fixtures list"
            raise RecipeError(f"there is no clip {name!r}: {hint}")
        return found

    def clip(self, name: str) -> Clip:
        """Return the clip ``name``, making it if the cache lacks it.

        Raises RecipeError when no recipe has this name, CacheError when it cannot be kept.
        """
        if name in self._added:
            return self._added[name]
        recipe = self.recipe(name)
        return self._cached(recipe) or self._make(recipe)

    def build(
        self,
        names: Iterable[str] | None = None,
        *,
        jobs: int | None = None,
        progress: Callable[[Clip, int, int], None] | None = None,
    ) -> dict[str, Clip]:
        """Make the clips ``names`` (all listed ones by default) and return them by name.

        Missing ones are made by ``jobs`` processes (as many as there are cores by default).
        ``progress`` is called after each with the clip, how many are done and how many there are.
        Raises what ``clip`` raises; interrupted or not, finished clips stay in the cache.
        """
        wanted = list(dict.fromkeys(self.names() if names is None else names))
        recipes = {name: self.recipe(name) for name in wanted if name not in self._added}
        clips: dict[str, Clip] = {}

        def done(clip: Clip) -> None:
            clips[clip.name] = clip
            if progress is not None:
                progress(clip, len(clips), len(wanted))

        for name in wanted:
            if name in self._added:
                done(self._added[name])
        missing: list[Recipe] = []
        for recipe in recipes.values():
            if (clip := self._cached(recipe)) is None:
                missing.append(recipe)
            else:
                done(clip)
        missing.sort(key=_effort, reverse=True)
        workers = min(jobs or _cores(), len(missing))
        if workers > 1:
            self._make_in_processes(missing, workers, done)
        else:
            for recipe in missing:
                done(self._make(recipe))
        return {name: clips[name] for name in wanted}

    def _make_in_processes(
        self, recipes: list[Recipe], workers: int, done: Callable[[Clip], None]
    ) -> None:
        from concurrent.futures import as_completed
        from concurrent.futures.process import BrokenProcessPool

        pool = _pool(workers)
        try:
            with _without_interrupts():
                futures = [pool.submit(_make, self._cache, self._key(one), one) for one in recipes]
            for future in as_completed(futures):
                done(future.result())
        except BrokenProcessPool:
            raise MakerError("a process that makes clips was ended from outside") from None
        finally:
            pool.shutdown(cancel_futures=True)

    def _make(self, recipe: Recipe) -> Clip:
        return _make(self._cache, self._key(recipe), recipe)

    def _key(self, recipe: Recipe) -> str:
        key = self._keys.get(recipe.name)
        if key is None:
            parts = {k: v for k, v in asdict(recipe).items() if k not in ("name", "group")} | {
                "versions": versions()
            }
            text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
            key = self._keys[recipe.name] = hashlib.sha256(text.encode()).hexdigest()[:32]
        return key

    def _cached(self, recipe: Recipe) -> Clip | None:
        """Return the clip from the cache, or None when it is missing or its file was damaged."""
        try:
            clip = self._seen.get(recipe.name)
            if clip is None:
                entry = (self._cache / "clips" / f"{self._key(recipe)}.json").read_text("utf-8")
                clip = self._seen[recipe.name] = _clip(self._cache, recipe, json.loads(entry))
            return clip if clip.path.stat().st_size == clip.size else None
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        except OSError as error:
            raise _unusable(self._cache, "read", error) from None


def _make(cache: Path, key: str, recipe: Recipe) -> Clip:
    """Make one clip and put it into the cache."""
    from soundcheck.audio import maker, pieces

    made = maker.make(recipe)
    with _new_file(cache / "files") as new:
        size, sha256 = pieces.write(made.pieces, new.file)
        new.name = f"{sha256}.{recipe.format.extension}"
    entry: dict[str, Any] = {
        "file": new.name,
        "size": size,
        "sha256": sha256,
        "duration": made.duration,
        "sample_rate": made.sample_rate,
        "channels": made.channels,
        "language": made.language,
        "transcript": made.transcript,
        "words": [[one.text, round(one.start, 4), round(one.end, 4)] for one in made.words],
    }
    with _new_file(cache / "clips", f"{key}.json") as new:
        new.file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
    return _clip(cache, recipe, entry)


def _clip(cache: Path, recipe: Recipe, entry: dict[str, Any]) -> Clip:
    return Clip(
        name=recipe.name,
        path=cache / "files" / entry["file"],
        media_type=recipe.format.media_type,
        size=entry["size"],
        sha256=entry["sha256"],
        duration=entry["duration"],
        sample_rate=entry["sample_rate"],
        channels=entry["channels"],
        language=entry["language"],
        transcript=entry["transcript"],
        words=tuple(Word(*one) for one in entry["words"]),
    )


@dataclass
class _NewFile:
    """A file that is being written, and the name it will have."""

    file: BinaryIO
    name: str


@contextmanager
def _new_file(folder: Path, name: str = "") -> Iterator[_NewFile]:
    """Yield a new file of ``folder``, which appears at once and whole when it is written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                new = _NewFile(file, name)
                yield new
            os.replace(temporary, folder / new.name)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise _unusable(folder.parent, "written", error) from None


def _unusable(cache: Path, done: str, error: OSError) -> CacheError:
    return CacheError(
        f"the cache {cache} cannot be {done}: {error.strerror}; "
        f"set {CACHE_VARIABLE} to a folder that can be"
    )


def _effort(recipe: Recipe) -> float:
    """Return about how long a clip takes, in seconds of audio: long ones are best begun early."""
    if isinstance(recipe.treatment, Sized):
        return recipe.treatment.size / _BYTES_PER_SECOND
    return recipe.duration or 0.0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool(workers: int) -> ProcessPoolExecutor:
    # Fresh processes: a fork of a process with threads (a server, a test run) could hang.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_watch_parent)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Put off Ctrl-C. Processes started meanwhile never get it: it is the parent that ends them.

    Otherwise it would stop a clip half-way, or a process in the middle of its first imports.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch_parent() -> None:
    """Let this process end when its parent does, however that ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    if (parent := parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
