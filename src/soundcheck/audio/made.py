"""What making a clip gives: the file in pieces, and what is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soundcheck.audio.clip import Word
from soundcheck.audio.pieces import Piece


@dataclass(frozen=True, slots=True)
class Made:
    """A file in pieces; ``duration`` in seconds, ``sample_rate`` in Hz.

    These and ``channels`` are zero where the file has no audio. The words are those of the sound
    before anything was done to its file.
    """

    pieces: Sequence[Piece]
    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    language: str | None = None
    transcript: str = ""
    words: tuple[Word, ...] = ()
