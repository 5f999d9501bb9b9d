"""Synthetic speech: the same text, voice and rate give the same samples, in any order and process.

espeak-ng speaks, in a worker process (see ``espeak_worker``), found through espeakng-loader.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundcheck.audio.clip import Word
from soundcheck.audio.phrases import split_words
from soundcheck.errors import ExitCode, SoundcheckError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SAMPLE_RATE = 22_050
_WORKER = Path(__file__).with_name("espeak_worker.py")
_WORD_EVENT = 1
# espeak-ng keeps the path of its data in a buffer of 160 characters.
_LONGEST_DATA_PATH = 120


class SpeechError(SoundcheckError):
    """espeak-ng is missing, or cannot speak what was asked."""

    exit_code = ExitCode.INTERNAL


@dataclass(frozen=True, slots=True)
class Utterance:
    """Spoken text: int16 samples (mono, 22 050 Hz) and the words with their times."""

    samples: npt.NDArray[np.int16]
    words: tuple[Word, ...]


class Synthesizer:
    """A speech worker, started at first use and ended by ``close`` (or with this process).

    Threads may share one; a process made by fork gets a worker of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def __enter__(self) -> Synthesizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def synthesize(self, text: str, voice: str, rate: int) -> Utterance:
        """Speak ``text`` with an espeak-ng ``voice`` ("en-us+f5") at ``rate`` words per minute.

        Raises SpeechError when the voice is unknown or the worker cannot run.
        """
        import numpy as np

        head, body = self._ask({"do": "speak", "text": text, "voice": voice, "rate": rate})
        if head["rate"] != SAMPLE_RATE:
            raise SpeechError(f"espeak-ng speaks at {head['rate']} Hz, not {SAMPLE_RATE} Hz")
        return Utterance(np.frombuffer(body, dtype=np.int16), _words(text, head["events"]))

    def phonemes(self, text: str, voice: str) -> str:
        """Return the IPA phonemes of ``text``: ``_`` between phonemes, blanks between words.

        Raises SpeechError as ``synthesize`` does.
        """
        head, _ = self._ask({"do": "phonemes", "text": text, "voice": voice})
        return str(head["phonemes"])

    def close(self) -> None:
        """End the worker; the next request would start another."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._finalizer = self._process = None

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                self._start()
            assert self._process is not None  # noqa: S101  # _start made it
            try:
                head, body = _exchange(self._process, request)
            except BaseException as error:
                # A half-read answer would be taken for the next one's.
                self._end()
                if isinstance(error, OSError | EOFError | ValueError):
                    raise SpeechError(f"the speech worker ended unexpectedly: {error}") from None
                raise
        if "error" in head:
            raise SpeechError(head["error"])
        return head, body

    def _start(self) -> None:
        library, data = _espeak_files()
        process = subprocess.Popen(  # noqa: S603  # our own program, no shell
            [sys.executable, "-I", "-S", str(_WORKER), str(library), str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._owner = os.getpid()
        self._process = process
        self._finalizer = weakref.finalize(self, _stop, process, os.getpid())


def _exchange(
    process: subprocess.Popen[bytes], request: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None  # noqa: S101  # both are pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError("no answer")
    head: dict[str, Any] = json.loads(line)
    body = process.stdout.read(head["bytes"])
    if len(body) != head["bytes"]:
        raise EOFError("the answer was cut")
    return head, body


def _stop(process: subprocess.Popen[bytes], owner: int) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    if owner == os.getpid():  # a fork holds a copy of the object, but the worker is its parent's
        process.kill()
        process.wait()


def _espeak_files() -> tuple[Path, Path]:
    """Return espeak-ng's library and data folder, without loading either into this process."""
    spec = importlib.util.find_spec("espeakng_loader")
    if spec is None or spec.origin is None:
        raise SpeechError("espeak-ng is not installed: pip install espeakng-loader")
    package = Path(spec.origin).parent
    suffix = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
    library = package / (f"espeak-ng.{suffix}" if suffix == "dll" else f"libespeak-ng.{suffix}")
    data = package / "espeak-ng-data"
    if not library.is_file() or not data.is_dir():
        raise SpeechError(f"{package} has no espeak-ng library: reinstall espeakng-loader")
    return library, _short(data) if len(os.fsencode(data)) > _LONGEST_DATA_PATH else data


def _short(data: Path) -> Path:
    """Return a short path to the folder ``data``: a link that lives as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix="espeak-")
    link = Path(folder.name) / "data"
    link.symlink_to(data, target_is_directory=True)
    _LINKS.append(folder)
    return link


_LINKS: list[tempfile.TemporaryDirectory[str]] = []


def _words(text: str, events: list[list[int]]) -> tuple[Word, ...]:
    """Time the words of ``text`` by the events ``(type, position, length, sample, pause)``.

    A word lasts until the next one or the pause between. Where espeak-ng speaks several words as
    one ("of the"), they share its time in proportion to their letters.
    """
    marks: list[tuple[int, float, float]] = []  # position in the text (from 0), start, end
    for kind, position, _, sample, pause in events:
        at = sample / SAMPLE_RATE
        if marks and marks[-1][2] < 0 and (kind == _WORD_EVENT or pause):
            marks[-1] = (*marks[-1][:2], at)
        if kind == _WORD_EVENT:
            marks.append((position - 1, at, -1.0))
    spans = _spans(text)
    groups: list[tuple[list[str], float, float]] = []
    for word, start, end in spans:
        inside = [mark for mark in marks if start <= mark[0] < end]
        if inside:
            groups.append(([word], inside[0][1], inside[-1][2]))
        elif groups:
            groups[-1][0].append(word)
    return tuple(word for group in groups for word in _share(*group))


def _spans(text: str) -> list[tuple[str, int, int]]:
    spans: list[tuple[str, int, int]] = []
    end = 0
    for word in split_words(text):
        start = text.index(word, end)
        end = start + len(word)
        spans.append((word, start, end))
    return spans


def _share(words: list[str], start: float, end: float) -> list[Word]:
    letters = sum(map(len, words))
    shared: list[Word] = []
    said = 0
    stop = start
    for word in words:
        said += len(word)
        begin, stop = stop, end if said == letters else start + (end - start) * said / letters
        shared.append(Word(word, begin, stop))
    return shared
