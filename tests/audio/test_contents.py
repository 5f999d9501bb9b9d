"""Contents that are no audio are genuine of their kind, and no decoder finds sound in them."""

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import av
import pytest
import soundfile

from soundcheck.audio import Library
from soundcheck.audio.contents import (
    GENUINE,
    MAGIC,
    archive,
    elf,
    html,
    noise,
    pdf,
    script,
    wav_header,
)
from soundcheck.audio.formats import NINE

LIBRARY = Library()
CONTENTS = [name for name, one in LIBRARY.recipes.items() if one.group == "hostile"]
BOMBS = {"silence-bomb.flac", "rate-bomb.flac", "opus-bomb.ogg"}


@pytest.mark.parametrize("name", sorted({*CONTENTS} - BOMBS))
def test_what_is_no_audio_says_so(name: str) -> None:
    """Such a clip lasts no time and says nothing."""
    clip = LIBRARY.clip(name)
    assert (clip.duration, clip.sample_rate, clip.channels) == (0.0, 0, 0)
    assert (clip.transcript, clip.words, clip.language) == ("", (), None)


@pytest.mark.parametrize("name", sorted({*CONTENTS} - BOMBS - {"session-sdp.wav"}))
def test_no_decoder_finds_a_sample(name: str) -> None:
    """FFmpeg, confined to the file's bytes, and libsndfile get no audio out of it."""
    data = LIBRARY.clip(name).read()
    heard = 0
    confined = {"protocol_whitelist": ""}
    with (
        contextlib.suppress(av.FFmpegError, OSError, IndexError, ValueError),
        av.open(io.BytesIO(data), options=confined) as container,
    ):
        heard = sum(frame.samples for frame in container.decode(audio=0))
    assert heard == 0
    with contextlib.suppress(soundfile.LibsndfileError):
        heard = len(soundfile.read(io.BytesIO(data))[0])
    assert heard == 0


@pytest.mark.parametrize("kind", sorted(GENUINE))
def test_contents_are_the_same_each_time(kind: str) -> None:
    """No clock and no chance is in them."""
    assert GENUINE[kind]() == GENUINE[kind]()


def test_noise_is_as_long_as_asked_and_repeats() -> None:
    """Random bytes follow the magic, the same for the same seed, others for another."""
    data = noise(20_000, 1, b"fLaC")
    assert len(data) == 20_004
    assert data.startswith(b"fLaC")
    assert data == noise(20_000, 1, b"fLaC")
    assert data[4:] == noise(20_000, 1)
    assert noise(20_000, 1) != noise(20_000, 2)


@pytest.mark.parametrize("extension", NINE)
def test_magic_is_how_a_real_file_begins(extension: str) -> None:
    """The first bytes, by which servers go, are those of a real clip of that extension."""
    real = LIBRARY.clip(f"hello.{extension}").read()
    same = 4 if extension != "mp3" else 0  # the clip has no tag in front, many files have
    assert MAGIC[extension][:same] == real[:same]
    if extension in ("m4a", "mp4"):
        assert MAGIC[extension] == real[: len(MAGIC[extension])]


def test_a_header_without_samples_is_that_of_a_clip() -> None:
    """The 44 bytes are those of a clip, but for the two sizes."""
    real, header = LIBRARY.clip("hello.wav").read(), wav_header()
    assert len(header) == 44
    assert header[8:40] == real[8:40]
    assert struct.unpack_from("<I", header, 4) == (36,)
    assert struct.unpack_from("<I", header, 40) == (0,)


def test_a_pdf_document_finds_its_objects() -> None:
    """Each entry of the table of objects, and the pointer to that table, is right."""
    data = pdf()
    assert data.startswith(b"%PDF-1.4\n")
    assert data.endswith(b"%%EOF\n")
    table = int(data.split(b"startxref\n")[1].split()[0])
    assert data[table:].startswith(b"xref\n0 6\n")
    for number, line in enumerate(data[table:].splitlines()[3:8], 1):
        assert data[int(line.split()[0]) :].startswith(b"%d 0 obj" % number)


def test_an_archive_can_be_opened() -> None:
    """It holds one text file, undamaged."""
    with zipfile.ZipFile(io.BytesIO(archive())) as found:
        assert found.testzip() is None
        assert found.namelist() == ["note.txt"]


def test_a_page_a_script_and_an_object_are_what_they_claim() -> None:
    """The web page, the script and the JSON object begin and parse as their kinds do."""
    assert html().startswith(b"<!DOCTYPE html>")
    assert script().startswith(b"#!/bin/sh\n")
    assert set(json.loads(GENUINE["json"]())) == {"text", "audio"}


@pytest.mark.skipif(
    (sys.platform, os.uname().machine) != ("linux", "x86_64"), reason="runs on Linux, x86-64"
)
def test_a_program_runs(tmp_path: Path) -> None:
    """The ELF file is a real program, which does nothing and ends."""
    path = tmp_path / "program"
    path.write_bytes(elf())
    path.chmod(0o700)
    assert subprocess.run([path], check=False).returncode == 0
