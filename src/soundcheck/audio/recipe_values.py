"""The keys of recipes and what their values may be.

A check takes a value as TOML gives it and returns it as recipes hold it, or raises InvalidError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from soundcheck.audio.formats import GRID

LONGEST = 3600.0  # seconds
LARGEST = 256 * 2**20  # bytes


class InvalidError(Exception):
    """Why a value of a recipe is refused; the caller knows file, recipe and key."""

    def __init__(self, why: str, key: str | None = None) -> None:
        super().__init__(why)
        self.key = key


def text(value: Any) -> str:
    """Return text that is not empty."""
    if not isinstance(value, str) or not value:
        raise InvalidError("must be text that is not empty")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts, which is not empty, as a tuple."""
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise InvalidError("must be a list of texts that is not empty")
    return tuple(value)


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise InvalidError("must be true or false")
    return value


def whole(value: Any) -> int:
    """Return a whole number of at least 0."""
    if type(value) is not int or value < 0:
        raise InvalidError("must be a whole number of at least 0")
    return value


def whole_number(low: int, high: int) -> Callable[[Any], int]:
    """Return the check for a whole number from ``low`` to ``high``."""

    def check(value: Any) -> int:
        if not low <= whole(value) <= high:
            raise InvalidError(f"must be from {low} to {high}")
        return int(value)

    return check


def number(low: float, high: float) -> Callable[[Any], float]:
    """Return the check for a number from ``low`` to ``high``; it returns a float."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidError("must be a number")
        if not low <= value <= high:
            raise InvalidError(f"must be from {low:g} to {high:g}")
        return float(value)

    return check


def numbers(low: float, high: float) -> Callable[[Any], tuple[float, ...]]:
    """Return the check for a list of numbers from ``low`` to ``high``; it returns a tuple."""

    def check(value: Any) -> tuple[float, ...]:
        if not isinstance(value, list) or not value:
            raise InvalidError("must be a list of numbers that is not empty")
        return tuple(map(number(low, high), value))

    return check


def duration(value: Any) -> float:
    """Return seconds that are a whole number of samples at every sample rate."""
    seconds = number(GRID, LONGEST)(value)
    if not math.isclose(seconds / GRID, round(seconds / GRID), rel_tol=1e-9):
        raise InvalidError(f"must be a multiple of {GRID} s, to be exact at every sample rate")
    return seconds


_NOTE = re.compile(r"[A-G][#b]?[0-8]")


def notes(value: Any) -> tuple[str, ...]:
    """Return names of notes, such as "A4" and "C#5", as a tuple."""
    found = texts(value)
    for note in found:
        if not _NOTE.fullmatch(note):
            raise InvalidError(
                f"{note!r} is no note: write a letter, # or b if needed, and the octave"
            )
    return found


def side(value: Any) -> str:
    """Return which channel of a stereo file has the sound."""
    if value not in ("left", "right"):
        raise InvalidError("must be left or right")
    return str(value)


def size(value: Any) -> int:
    """Return how many bytes a file has."""
    if whole(value) > LARGEST:
        raise InvalidError(f"must be at most {LARGEST} bytes")
    return int(value)


# The fields of a WAV header that may be made to lie, and how many bytes they have.
CLAIMS = {"riff_size": 4, "tag": 2, "channels": 2, "rate": 4, "bits": 2, "data_size": 4}


def claims(value: Any) -> tuple[tuple[str, int], ...]:
    """Return fields of a WAV header and what they claim as pairs."""
    if not isinstance(value, dict) or not value:
        raise InvalidError("must be a table of header fields, such as {rate = 0}")
    for name, claim in value.items():
        if name not in CLAIMS:
            raise InvalidError(f"{name!r} is no field; known are {', '.join(CLAIMS)}")
        if whole(claim) >= 1 << 8 * CLAIMS[name]:
            raise InvalidError(f"{name} has only {CLAIMS[name]} bytes")
    return tuple(value.items())


Check = Callable[[Any], Any]
_HEARD = number(10, 7_900)  # Hz: below half of the 16 kHz that signals are made at

# Every option of a kind of signal must be given: recipes should say what is heard.
SIGNALS: dict[str, dict[str, Check]] = {
    "silence": {},
    "noise": {"seed": whole},
    "tones": {"frequencies": numbers(10, 7_900)},
    "chirp": {"low": _HEARD, "high": _HEARD},
    "clicks": {"interval": number(0.01, 10)},
    "melody": {"notes": notes, "beat": number(0.05, 10)},
}
# Likewise of every kind of content.
CONTENTS: dict[str, dict[str, Check]] = {
    "nothing": {},
    "wav-header": {},
    "random": {"bytes": size, "seed": whole},
    "random-after-magic": {"bytes": size, "seed": whole},
    **{kind: {} for kind in ("png", "pdf", "zip", "html", "script", "elf", "text", "json")},
    "video": {},
    "flac-silence": {
        "seconds": number(1, 100_000),
        "rate": whole_number(8_000, 192_000),
        "channels": whole_number(1, 8),
    },
    "opus-silence": {"seconds": number(1, 100_000)},
    **{kind: {"url": text} for kind in ("hls", "concat", "dash", "sdp", "mov-reference")},
}
KINDS = ("phrases", "bank", "signal", "content", "of")
TREATMENTS = ("size", "cut", "flip", "claim")
PAUSES: dict[str, Check] = {
    "lead": number(0, 10),
    "pause": number(0.5, 60),
    "tail": number(0, 10),
}
KEYS: dict[str, dict[str, Check]] = {
    "phrases": {"phrases": texts, "duration": duration, **PAUSES},
    "bank": {"bank": text, "duration": duration, **PAUSES},
    "signal": {"signal": text, "duration": duration, "level": number(-96, 0)},
    "content": {"content": text},
    "of": {
        "of": text,
        "second": text,
        "from": number(0, LONGEST),
        "until": number(0, LONGEST),
        "gain": number(-96, 24),
        "side": side,
        "title": text,
        "cover": flag,
        "size": size,
        "cut": number(0, 1),
        "flip": number(0, 0.5),
        "seed": whole,
        "claim": claims,
    },
}
