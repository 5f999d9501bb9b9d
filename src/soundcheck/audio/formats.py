"""The formats a clip can be written in, and what can be promised about each.

Every format here repeats byte for byte (``repeatable``) on one machine with the same library
versions: PyAV's muxers and encoders run in FFmpeg's bit-exact mode, and libsndfile writes only the
formats whose headers hold no clock and no random number. (Its Ogg has a random serial number.)
"""

from dataclasses import dataclass
from typing import Literal

# 20 ms is a whole number of samples at 8, 16, 22.05, 24, 44.1 and 48 kHz: a clip whose length is a
# multiple of it has exactly the same duration at every rate.
GRID = 0.02


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of file is written.

    ``container`` is libsndfile's major format or FFmpeg's muxer, ``codec`` libsndfile's subtype or
    FFmpeg's encoder; ``rate`` is in Hz and ``bitrate`` in bit/s (None where the codec has none).
    ``second`` is the decoder that had no part in writing the file and reads it whole ("" if only
    FFmpeg reads it); ``tolerance`` is by how many seconds decoders may return more than was put in.
    """

    name: str
    extension: str
    media_type: str
    writer: Literal["libsndfile", "FFmpeg"]
    container: str
    codec: str
    rate: int
    channels: int = 1
    bitrate: int | None = None
    second: Literal["libsndfile", "FFmpeg", ""] = "libsndfile"
    tolerance: float = 0.0
    repeatable: bool = True
    video: bool = False
    variable: bool = False
    live: bool = False


def _wav(name: str, codec: str, rate: int, channels: int = 1, container: str = "WAV") -> Format:
    return Format(
        name, "wav", "audio/wav", "libsndfile", container, codec, rate, channels, second="FFmpeg"
    )


def _mp3(name: str, rate: int, bitrate: int, variable: bool = False) -> Format:
    return Format(
        name,
        name.partition("-")[0],
        "audio/mpeg",
        "FFmpeg",
        "mp3",
        "libmp3lame",
        rate,
        bitrate=bitrate,
        variable=variable,
    )


def _aac(name: str, container: str, media_type: str = "audio/mp4", video: bool = False) -> Format:
    # AAC comes in frames of 1024 samples, 64 ms at this rate; the last one is padded.
    return Format(
        name,
        name.partition("-")[0],
        media_type,
        "FFmpeg",
        container,
        "aac",
        16_000,
        bitrate=32_000,
        second="",
        tolerance=0.064,
        video=video,
    )


def _opus(name: str, container: str, second: Literal["libsndfile", ""], live: bool) -> Format:
    extension = name.partition("-")[0]
    return Format(
        name,
        extension,
        f"audio/{extension}",
        "FFmpeg",
        container,
        "libopus",
        48_000,
        bitrate=24_000,
        second=second,
        live=live,
    )


_ALL = (
    Format("flac", "flac", "audio/flac", "libsndfile", "FLAC", "PCM_16", 16_000, second="FFmpeg"),
    # At these rates the frames begin with FF F3 (MPEG-2: mp3, mpeg) and FF FB (MPEG-1: mpga).
    _mp3("mp3", 16_000, 32_000),
    _mp3("mp3-vbr", 16_000, 32_000, variable=True),
    _aac("mp4", "mp4"),
    _aac("mp4-video", "mp4", "video/mp4", video=True),
    _mp3("mpeg", 24_000, 48_000),
    # Layer II has no record of its length: decoders return whole frames of 1152 samples, in which
    # the sound stands 481 samples late.
    Format(
        "mpeg-program-stream",
        "mpeg",
        "video/mpeg",
        "FFmpeg",
        "mpeg",
        "mp2",
        44_100,
        bitrate=128_000,
        second="",
        tolerance=0.027,
    ),
    _mp3("mpga", 44_100, 64_000),
    Format(
        "mpga-layer2",
        "mpga",
        "audio/mpeg",
        "FFmpeg",
        "mp2",
        "mp2",
        44_100,
        bitrate=128_000,
        tolerance=0.027,
    ),
    _aac("m4a", "ipod"),
    # FFmpeg's own Vorbis encoder writes stereo only.
    Format("ogg", "ogg", "audio/ogg", "FFmpeg", "ogg", "vorbis", 16_000, channels=2),
    _opus("ogg-opus", "ogg", "libsndfile", live=False),
    Format("ogg-flac", "ogg", "audio/ogg", "FFmpeg", "ogg", "flac", 16_000, second=""),
    _wav("wav", "PCM_16", 16_000),
    _wav("wav-8bit", "PCM_U8", 16_000),
    _wav("wav-24bit", "PCM_24", 16_000),
    _wav("wav-float32", "FLOAT", 16_000),
    _wav("wav-8khz", "PCM_16", 8_000),
    _wav("wav-44.1khz", "PCM_16", 44_100),
    _wav("wav-48khz", "PCM_16", 48_000),
    _wav("wav-96khz-24bit-stereo", "PCM_24", 96_000, channels=2),
    _wav("wav-stereo", "PCM_16", 16_000, channels=2),
    _wav("wav-5.1", "PCM_16", 16_000, channels=6, container="WAVEX"),
    _wav("wav-extensible", "PCM_16", 16_000, container="WAVEX"),
    _opus("webm", "webm", "", live=False),
    _opus("webm-live", "webm", "", live=True),
)

FORMATS: dict[str, Format] = {one.name: one for one in _ALL}

# The nine that the API documents; each is the plain format of the extension it is named after.
NINE = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
