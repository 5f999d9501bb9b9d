"""A folder of a user's own recordings becomes clips, or one message that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from soundcheck.audio import Library
from soundcheck.audio.recordings import Recordings, RecordingsError, load_recordings

LARGEST = 1_000_000
HELLO = Library().clip("hello.wav")
COMPRESSED = {one: Library().clip(f"hello.{one}").path for one in ("mp3", "m4a", "webm", "mpeg")}

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a function that makes a folder: texts are written, ``None`` is a recording."""

    def make(**files: str | bytes | None) -> Path:
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                extension = path.suffix[1:].lower()
                shutil.copyfile(COMPRESSED.get(extension, HELLO.path), path)
            elif isinstance(content, str):
                path.write_text(content, "utf-8")
            else:
                path.write_bytes(content)
        return tmp_path

    return make


def told(recordings: Recordings) -> list[tuple[str, str | None, str]]:
    return [(one.name, one.language, one.transcript) for one in recordings.clips]


def test_a_text_stands_beside_each_file(folder: Folder) -> None:
    """NAME.txt holds what is said in NAME.wav; a folder's name may tell the language."""
    found = load_recordings(
        folder(
            **{"b.wav": None, "b.txt": "\ufeffHello\n World.\n", "de__a.WAV": None},
            **{"de__a.txt": "Hallo", "README.txt": "no recording", "xx__c.wav": None},
            **{"xx__c.txt": "Hello", "._b.wav": b"\0"},
        ),
        LARGEST,
    )
    assert told(found) == [
        ("own/b.wav", None, "Hello World."),
        ("own/de/a.wav", "de", "Hallo"),
        ("own/xx/c.wav", None, "Hello"),
    ]
    [clip, *_] = found.clips
    assert (clip.sha256, clip.size, clip.media_type) == (HELLO.sha256, HELLO.size, "audio/wav")
    assert (clip.duration, clip.sample_rate, clip.channels) == (HELLO.duration, 16_000, 1)
    assert found.notes == ()


@pytest.mark.parametrize("extension", COMPRESSED)
def test_documented_formats_are_measured(folder: Folder, extension: str) -> None:
    """The duration is that of the sound, whichever decoder reads the file."""
    [clip] = load_recordings(
        folder(**{f"a.{extension}": None, "a.txt": "Hello World."}), LARGEST
    ).clips
    assert clip.duration == pytest.approx(HELLO.duration, abs=0.07)


def test_a_manifest_is_read_alone(folder: Folder) -> None:
    """Lines of manifest.jsonl name file, text and language; other files do not matter then."""
    lines = [
        {"audio_filepath": "a.wav", "text": "Hello", "duration": 1.0, "language": "en-US"},
        {"audio_filepath": "sub/../b.mp3", "text": "Bonjour", "lang": "FR"},
    ]
    text = "\n\n".join(map(json.dumps, lines))
    found = load_recordings(
        folder(
            **{"manifest.jsonl": text, "a.wav": None, "b.mp3": None, "c.wav": None},
            **{"sub__d.txt": ""},
        ),
        LARGEST,
    )
    assert [(language, text) for _, language, text in told(found)] == [
        ("en", "Hello"),
        ("fr", "Bonjour"),
    ]


def test_lists_of_transcripts_are_read(folder: Folder) -> None:
    """Lines of *.trans.txt name the stem of a file beside it, in folders as deep as they are."""
    found = load_recordings(
        folder(
            **{"84__121__84-121.trans.txt": "84-121-0 HELLO WORLD\n84-121-1 GOODBYE\n"},
            **{"84__121__84-121-0.flac": HELLO.read(), "84__121__84-121-1.wav": None},
        ),
        LARGEST,
    )
    assert told(found) == [
        ("own/84/121/84-121-0.flac", None, "HELLO WORLD"),
        ("own/84/121/84-121-1.wav", None, "GOODBYE"),
    ]


def test_more_than_can_be_taken_is_said(folder: Folder) -> None:
    """Of too many the first by name are taken, and none that is too large."""
    small = {f"{name}.txt": "Hello" for name in "abcd"} | {f"{name}.wav": None for name in "abcd"}
    found = load_recordings(
        folder(**small, **{"0.wav": b"RIFF" * 50_000, "0.txt": "x"}), 100_000, 3
    )
    assert [clip.name for clip in found.clips] == ["own/a.wav", "own/b.wav", "own/c.wav"]
    assert found.notes == (
        "1 of 5 recordings are larger than the 100,000 bytes that the profile says are accepted, "
        "and were left out",
        "the first 3 of 4 recordings were taken, in the order of their names",
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"notes.txt": "x"}, "there are no recordings in it"),
        ({"a.wav": None}, "a.wav without a transcript: put what is said in a.wav into a.txt"),
        ({f"{n}.wav": None for n in "abcde"}, "a.wav, b.wav, c.wav and 2 others without"),
        ({"a.wav": None, "a.txt": " \n"}, "a.txt is empty"),
        ({"a.wav": None, "a.txt": b"caf\xe9"}, "a.txt is not UTF-8 (byte 3)"),
        ({"a.wav": b"RIFF", "a.txt": "x"}, "a.wav holds no audio that can be decoded"),
        ({"a.webm": b"junk" * 99, "a.txt": "x"}, "a.webm holds no audio that can be decoded"),
        ({"a.wav": b"", "a.txt": "x"}, "a.wav holds no audio that can be decoded"),
        ({"a.aiff": b"x", "a.txt": "x"}, "a.aiff: .aiff is not one of the documented formats"),
        ({"manifest.jsonl": "{"}, "manifest.jsonl:1: not a JSON object"),
        ({"manifest.jsonl": "[" * 99_999}, "manifest.jsonl:1: not a JSON object"),
        ({"manifest.jsonl": "\n{}"}, "manifest.jsonl:2: needs audio_filepath and text"),
        (
            {"manifest.jsonl": '{"audio_filepath": "no.wav", "text": "x"}'},
            "manifest.jsonl:1: there is no file",
        ),
        (
            {"manifest.jsonl": '{"audio_filepath": "a.wma", "text": "x"}', "a.wma": b"x"},
            ".wma is not one of the documented formats",
        ),
        (
            {
                "manifest.jsonl": '{"audio_filepath": "a.wav", "text": "x", "language": 7}',
                "a.wav": None,
            },
            "manifest.jsonl:1: language takes an ISO-639-1 code",
        ),
        (
            {
                "manifest.jsonl": '{"audio_filepath": "a.wav", "text": "x", "lang": "xx"}',
                "a.wav": None,
            },
            "manifest.jsonl:1: language takes an ISO-639-1 code",
        ),
        ({"a.trans.txt": "a-1 HELLO"}, "a.trans.txt:1: there is no audio file a-1"),
        ({"a.trans.txt": "a-1"}, "a.trans.txt:1: a-1 has no words"),
        ({"manifest.jsonl": ""}, "there are no recordings in it"),
    ],
)
def test_what_cannot_be_used_is_one_message(
    folder: Folder, files: dict[str, str | bytes | None], reason: str
) -> None:
    """The message names the file, and what is to be done."""
    with pytest.raises(RecordingsError) as caught:
        load_recordings(folder(**files), LARGEST)
    assert reason in str(caught.value)


def test_no_folder_is_one_message(tmp_path: Path) -> None:
    """A path that is no folder is told."""
    with pytest.raises(RecordingsError, match="is not a folder of recordings"):
        load_recordings(tmp_path / "none", LARGEST)


def test_added_clips_are_known_by_name_and_not_listed(folder: Folder) -> None:
    """A library gives added clips like its own; they are made from no recipe."""
    library = Library()
    found = load_recordings(folder(**{"a.wav": None, "a.txt": "Hello World."}), LARGEST)
    library.add(found.clips)
    assert library.clip("own/a.wav") is found.clips[0]
    built = library.build(["hello.wav", "own/a.wav", "hello.wav"])
    assert list(built) == ["hello.wav", "own/a.wav"]
    assert "own/a.wav" not in library.names()
