"""Faults in what audio is accepted, and how it is heard (area FORMAT)."""

from collections.abc import Callable
from dataclasses import replace

from soundcheck.reference.faults.hooks import Call, Fault, Registry
from soundcheck.reference.faults.signatures import (
    CONTAINERS,
    WavFormat,
    container,
    extension,
    is_webm_without_duration,
    mp4_handlers,
    wav_format,
)
from soundcheck.reference.transcript import Segment, Transcript

FAULTS = Registry(Fault)

_WAV_FLOAT = 3


def _is(name: str, call: Call) -> bool:
    """Tell whether a file is of the format ``name``: by its name, or by bytes only it has."""
    kinds = CONTAINERS[name]
    unique = all(kinds != other for key, other in CONTAINERS.items() if key != name)
    alone = unique and len(kinds) == 1 and kinds[0] != "mpeg-audio"
    return extension(call.upload.filename) == name or (
        alone and container(call.upload.head(64)) in kinds
    )


def _refuse_format(name: str) -> None:
    @FAULTS.refuse(f"refuses-{name}", f"{name} files are refused.")
    def _(call: Call) -> bool:
        return _is(name, call)


def _garble_format(name: str) -> None:
    @FAULTS.hear(f"garbles-{name}", f"{name} files are heard as other words.")
    def _(transcript: Transcript, call: Call) -> Transcript:
        if not _is(name, call):
            return transcript
        return replace(transcript, segments=tuple(map(_backwards, transcript.segments)))


def _backwards(segment: Segment) -> Segment:
    """Spell every word backwards."""
    words = tuple(replace(word, text=word.text[::-1]) for word in segment.words)
    text = " ".join(word[::-1] for word in segment.text.split(" "))
    return replace(segment, words=words, text=text)


for _name in CONTAINERS:
    _refuse_format(_name)
_garble_format("mp3")
_garble_format("webm")


@FAULTS.hear("empty-text-for-m4a", "m4a files give empty text.")
def _(transcript: Transcript, call: Call) -> Transcript:
    return replace(transcript, segments=()) if _is("m4a", call) else transcript


@FAULTS.refuse(
    "by-extension-only",
    "The format is told by the file's name: a missing or another one is refused.",
)
def _(call: Call) -> bool:
    allowed = CONTAINERS.get(extension(call.upload.filename), ())
    return container(call.upload.head(64)) not in allowed


@FAULTS.refuse("refuses-program-stream", "MPEG program streams are refused.")
def _(call: Call) -> bool:
    return container(call.upload.head(64)) == "program-stream"


@FAULTS.refuse("refuses-ogg-opus", "Opus in Ogg is refused.")
def _(call: Call) -> bool:
    head = call.upload.head(256)
    return container(head) == "ogg" and b"OpusHead" in head


def _refuse_wav(name: str, sentence: str, concerns: Callable[[WavFormat], bool]) -> None:
    @FAULTS.refuse(f"refuses-wav-{name}", sentence)
    def _(call: Call) -> bool:
        wav = wav_format(call.upload.head(4096))
        return wav is not None and concerns(wav)


_refuse_wav("8bit", "WAVE files of 8 bits are refused.", lambda wav: wav.bits == 8)
_refuse_wav("24bit", "WAVE files of 24 bits are refused.", lambda wav: wav.bits == 24)
_refuse_wav("float", "WAVE files of floats are refused.", lambda wav: wav.tag == _WAV_FLOAT)
_refuse_wav("8khz", "WAVE files at 8 kHz are refused.", lambda wav: wav.rate == 8000)
_refuse_wav("48khz", "WAVE files at 48 kHz are refused.", lambda wav: wav.rate == 48_000)
_refuse_wav("stereo", "Stereo WAVE files are refused.", lambda wav: wav.channels == 2)
_refuse_wav("surround", "WAVE files of 5.1 are refused.", lambda wav: wav.channels == 6)
_refuse_wav("extensible", "Extensible WAVE files are refused.", lambda wav: wav.extensible)


@FAULTS.refuse("refuses-unknown-duration", "WebM that does not state its duration is refused.")
def _(call: Call) -> bool:
    return is_webm_without_duration(call.upload.head())


@FAULTS.refuse("refuses-video", "MP4 with a video track is refused.")
def _(call: Call) -> bool:
    head = call.upload.head(64)
    if container(head) != "mp4":
        return False
    tracks = mp4_handlers(call.upload.path.read_bytes())
    return any(kind == "vide" for kind, _ in tracks)


def _second_track(data: bytes) -> bytes:
    """Take the first of several audio tracks out of an MP4 file: it becomes a track of data."""
    audio = [place for kind, place in mp4_handlers(data) if kind == "soun"]
    if container(data[:64]) != "mp4" or len(audio) < 2:
        return data
    changed = bytearray(data)
    changed[audio[0] : audio[0] + 4] = b"data"
    entry = data.find(b"mp4a", audio[0])
    if 0 <= entry < audio[1]:
        changed[entry : entry + 4] = b"data"
    return bytes(changed)


FAULTS.add(
    "second-audio-track",
    "Of several audio tracks the second is transcribed.",
    rewrite=_second_track,
)


@FAULTS.refuse("refuses-id3", "MP3 files with an ID3 tag are refused.")
def _(call: Call) -> bool:
    return call.upload.head(3) == b"ID3"


@FAULTS.refuse("refuses-cover-art", "MP3 files with a picture are refused.")
def _(call: Call) -> bool:
    head = call.upload.head()
    return head[:3] == b"ID3" and b"APIC" in head


@FAULTS.refuse("refuses-vbr", "MP3 files of variable bit rate are refused.")
def _(call: Call) -> bool:
    head = call.upload.head()
    return container(head) == "mpeg-audio" and b"Xing" in head
