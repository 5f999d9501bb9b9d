"""What a file's first bytes say it is: for faults that treat one container differently."""

import struct
from dataclasses import dataclass
from pathlib import PurePosixPath

_WAV_EXTENSIBLE = 0xFFFE
_WEBM_DURATION = b"\x44\x89"
_WEBM_INFO = b"\x15\x49\xa9\x66"

# The containers that may stand behind each documented file name.
CONTAINERS: dict[str, tuple[str, ...]] = {
    "flac": ("flac",),
    "mp3": ("mpeg-audio",),
    "mp4": ("mp4",),
    "mpeg": ("mpeg-audio", "program-stream"),
    "mpga": ("mpeg-audio",),
    "m4a": ("mp4",),
    "ogg": ("ogg",),
    "wav": ("wav",),
    "webm": ("webm",),
}


@dataclass(frozen=True, slots=True)
class WavFormat:
    """The fmt chunk of a WAVE file; ``tag`` is the sub-format of an extensible one."""

    tag: int
    channels: int
    rate: int
    bits: int
    extensible: bool


def container(head: bytes) -> str | None:
    """Return the container that a file begins as, None if it is none of the known ones."""
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[:4] == b"\x00\x00\x01\xba":
        return "program-stream"
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] and head[1] & 0xE0 == 0xE0):
        return "mpeg-audio"
    return None


def extension(filename: str) -> str:
    """Return a file name's extension in small letters, without its dot."""
    return PurePosixPath(filename).suffix[1:].lower()


def wav_format(head: bytes) -> WavFormat | None:
    """Return the fmt chunk, None for other files."""
    if container(head) != "wav":
        return None
    position = 12
    while position + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, position)
        if name == b"fmt " and position + 24 <= len(head):
            tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, position + 8)
            extensible = tag == _WAV_EXTENSIBLE
            if extensible and position + 34 <= len(head):
                (tag,) = struct.unpack_from("<H", head, position + 32)
            return WavFormat(tag, channels, rate, bits, extensible)
        position += 8 + size + size % 2
    return None


def is_webm_without_duration(head: bytes) -> bool:
    """Tell whether a WebM file leaves its duration open, as a browser's recorder does."""
    if container(head) != "webm":
        return False
    info = head.find(_WEBM_INFO)
    return info >= 0 and _WEBM_DURATION not in head[info : info + 128]


def mp4_handlers(data: bytes) -> list[tuple[str, int]]:
    """Return the handler types of an MP4 file's tracks ("soun", "vide"), each with its offset."""
    handlers: list[tuple[str, int]] = []
    position = data.find(b"hdlr")
    while position >= 0:
        kind = data[position + 12 : position + 16]
        if kind in {b"soun", b"vide"}:
            handlers.append((kind.decode(), position + 12))
        position = data.find(b"hdlr", position + 4)
    return handlers
