"""A user's own recordings: audio files with what is said in them, as clips.

Three layouts are read, in this order: ``manifest.jsonl`` (as NeMo writes it), files ``*.trans.txt``
(as LibriSpeech has them), and ``NAME.txt`` beside each ``NAME.wav`` or other audio file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundcheck.audio.clip import Clip
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.errors import SoundcheckError

MANIFEST = "manifest.jsonl"
OWN = "own/"
"""What the names of such clips begin with."""

MOST = 100
"""Recordings that are taken at most."""

_LANGUAGE = re.compile(r"([A-Za-z]{2})([-_].*)?")
_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv "
    "cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr "
    "ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw "
    "ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv "
    "ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr "
    "ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi "
    "yo za zh zu"
)
_LANGUAGES = frozenset(_ISO_639_1.split())

_OTHERS = (".aac", ".aif", ".aiff", ".amr", ".caf", ".oga", ".opus", ".wma")
_NAMED = 3


class RecordingsError(SoundcheckError):
    """A folder of recordings that cannot be used; the message names the file."""


@dataclass(frozen=True, slots=True)
class Recordings:
    """The clips, and what has to be said of those that were left out."""

    clips: tuple[Clip, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    transcript: str
    language: str | None


def load_recordings(folder: Path, largest: int, most: int = MOST) -> Recordings:
    """Return the recordings in ``folder`` with their transcripts, in the order of their names.

    At most ``most`` are taken, and none of more than ``largest`` bytes. Every file that is taken is
    opened. Raises :class:`RecordingsError` for a folder without recordings, one that lacks its
    transcript or is no audio, and a text that is empty or not UTF-8.
    """
    if not folder.is_dir():
        raise RecordingsError(f"{folder} is not a folder of recordings")
    entries = list(_entries(folder))
    if not entries:
        raise RecordingsError(
            f"{folder}: there are no recordings in it ({', '.join(NINE)}), each with its words in "
            f"NAME.txt beside it, or a {MANIFEST}"
        )
    notes = []
    fitting = [one for one in entries if one.path.stat().st_size <= largest]
    if len(fitting) < len(entries):
        notes.append(
            f"{len(entries) - len(fitting)} of {len(entries)} recordings are larger than the "
            f"{largest:,} bytes that the profile says are accepted, and were left out"
        )
    if not fitting:
        raise RecordingsError(f"{folder}: {notes[0]}: none is left")
    if len(fitting) > most:
        notes.append(
            f"the first {most} of {len(fitting)} recordings were taken, in the order of their names"
        )
    return Recordings(tuple(_clips(folder, fitting[:most])), tuple(notes))


def _entries(folder: Path) -> Iterator[_Entry]:
    if (folder / MANIFEST).is_file():
        return _of_manifest(folder)
    lists = sorted(folder.rglob("*.trans.txt"))
    return _of_lists(lists) if lists else _of_pairs(folder)


def _of_manifest(folder: Path) -> Iterator[_Entry]:
    """Yield what each line, a JSON object with ``audio_filepath`` and ``text``, names."""
    path = folder / MANIFEST
    for number, line in enumerate(_read(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise RecordingsError(f"{where}: not a JSON object")
        named, text = entry.get("audio_filepath"), entry.get("text")
        if not isinstance(named, str) or not isinstance(text, str) or not text.strip():
            raise RecordingsError(f"{where}: needs audio_filepath and text, neither of them empty")
        audio = folder / named
        if "\0" in named or not audio.is_file():
            raise RecordingsError(f"{where}: there is no file {audio}")
        if audio.suffix.lower().lstrip(".") not in NINE:
            raise RecordingsError(f"{where}: {_not_documented(audio)}")
        yield _Entry(audio, text, _language(where, entry.get("language", entry.get("lang"))))


def _language(where: str, told: Any) -> str | None:
    if told is None or told == "":
        return None
    found = _LANGUAGE.fullmatch(told) if isinstance(told, str) else None
    if found is None or found[1].lower() not in _LANGUAGES:
        raise RecordingsError(f'{where}: language takes an ISO-639-1 code, such as "en"')
    return found[1].lower()


def _of_lists(lists: Iterable[Path]) -> Iterator[_Entry]:
    """Yield what each line, the stem of a file and what is said in it, names."""
    for path in lists:
        for number, line in enumerate(_read(path).splitlines(), start=1):
            stem, _, text = line.strip().partition(" ")
            if not stem:
                continue
            where = f"{path}:{number}"
            if not text.strip():
                raise RecordingsError(f"{where}: {stem} has no words")
            audio = next(
                (found for one in NINE if (found := path.with_name(f"{stem}.{one}")).is_file()),
                None,
            )
            if audio is None:
                raise RecordingsError(f"{where}: there is no audio file {stem} beside it")
            yield _Entry(audio, text, _of_folder(audio))


def _of_pairs(folder: Path) -> Iterator[_Entry]:
    """Yield each audio file with the text beside it."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    )
    audio = [path for path in files if path.suffix.lower().lstrip(".") in NINE]
    for path in files:
        if path.suffix.lower() in _OTHERS and path.with_suffix(".txt").is_file():
            raise RecordingsError(f"{path}: {_not_documented(path)}")
    lacking = [path for path in audio if not path.with_suffix(".txt").is_file()]
    if lacking:
        named = ", ".join(path.name for path in lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED} others" if len(lacking) > _NAMED else ""
        raise RecordingsError(
            f"{folder}: {named}{more} without a transcript: put what is said in {lacking[0].name} "
            f"into {lacking[0].with_suffix('.txt').name} beside it"
        )
    for path in audio:
        text = path.with_suffix(".txt")
        words = _read(text)
        if not words.strip():
            raise RecordingsError(f"{text} is empty: it must hold what is said in {path.name}")
        yield _Entry(path, words, _of_folder(path))


def _of_folder(path: Path) -> str | None:
    """Return the language of a file in a folder that is called like one: ``de/call.wav``."""
    return path.parent.name if path.parent.name in _LANGUAGES else None


def _not_documented(path: Path) -> str:
    return f"{path.suffix} is not one of the documented formats ({', '.join(NINE)}): convert it"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordingsError(
            f"{path} is not UTF-8 (byte {error.start}): save it in that encoding"
        ) from None
    except OSError as error:
        raise RecordingsError(f"{path} cannot be read: {error.strerror}") from None


def _clips(folder: Path, entries: Iterable[_Entry]) -> Iterator[Clip]:
    taken: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        inside = entry.path.is_relative_to(folder)
        name = OWN + (entry.path.relative_to(folder).as_posix() if inside else entry.path.name)
        name = name.encode("utf-8", "backslashreplace").decode()
        if name in taken:
            name = f"{OWN}{number}-{entry.path.name}"
        taken.add(name)
        yield _clip(name, entry)


def _clip(name: str, entry: _Entry) -> Clip:
    path = entry.path
    duration, rate, channels = _measured(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    stem, _, extension = name.rpartition(".")
    return Clip(
        name=f"{stem}.{extension.lower()}",
        path=path,
        media_type=FORMATS[extension.lower()].media_type,
        size=path.stat().st_size,
        sha256=digest,
        duration=duration,
        sample_rate=rate,
        channels=channels,
        language=entry.language,
        transcript=" ".join(entry.transcript.split()),
        words=(),
    )


def _measured(path: Path) -> tuple[float, int, int]:
    """Return the seconds, the sample rate (Hz) and the channels of a file; it must be audio."""
    import soundfile

    try:
        told = soundfile.info(str(path))
        frames, rate, channels = int(told.frames), int(told.samplerate), int(told.channels)
    except soundfile.LibsndfileError:
        frames, rate, channels = _decoded(path)
    except OSError as error:
        raise RecordingsError(f"{path} cannot be read: {error.strerror}") from None
    if frames <= 0 or rate <= 0:
        raise RecordingsError(f"{path} holds no audio that can be decoded")
    return frames / rate, rate, channels


def _decoded(path: Path) -> tuple[int, int, int]:
    """Return the samples, their rate and the channels of a file that libsndfile does not read."""
    import av

    # Nothing but the file itself is opened, whatever it names.
    options = {"protocol_whitelist": "", "format_whitelist": "mp3,ogg,mpeg,matroska,mov,mp2,aac"}
    frames = 0
    try:
        with path.open("rb") as file, av.open(file, mode="r", options=options) as container:
            stream = container.streams.audio[0]
            for frame in container.decode(stream):
                frames += frame.samples
            return frames, stream.rate, stream.channels
    except (av.FFmpegError, OSError, EOFError, ValueError, IndexError, AttributeError):
        return 0, 0, 0
