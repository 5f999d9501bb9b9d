"""The clip of a run: the same speech, and no other run's bytes."""

import random
from pathlib import Path

import numpy as np
import soundfile

from soundcheck.audio import Library
from soundcheck.audio.marked import LONGEST_TAIL, NOISE, marked


def test_a_marked_clip_says_the_same(tmp_path: Path) -> None:
    """Only noise far below speech and a tail are added; the description fits the file."""
    clip = Library().clip("sentence.wav")
    made = marked(clip, tmp_path / "mine.wav", random.Random(1).randbytes)
    before, rate = soundfile.read(clip.path, dtype="int16")
    after, _ = soundfile.read(made.path, dtype="int16")
    difference = after[: len(before)].astype(int) - before
    assert np.abs(difference).max() <= NOISE
    assert 0 <= len(after) - len(before) < LONGEST_TAIL
    assert (made.transcript, made.words, made.language) == (
        clip.transcript,
        clip.words,
        clip.language,
    )
    assert made.size == made.path.stat().st_size
    assert made.duration == len(after) / rate


def test_two_marked_clips_differ_everywhere(tmp_path: Path) -> None:
    """No 32 bytes of one occur at the same place in another, header aside."""
    clip = Library().clip("sentence.wav")
    one, other = (
        marked(clip, tmp_path / f"{seed}.wav", random.Random(seed).randbytes).path.read_bytes()
        for seed in (1, 2)
    )
    shorter = min(len(one), len(other))
    assert all(one[at : at + 32] != other[at : at + 32] for at in range(64, shorter - 32, 32))
