"""A clip that only one run has: the same speech, with noise and a length of its own."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from soundcheck.audio.clip import Clip

NOISE = 32
"""Peak of the noise in steps of 16 bits: 60 dB below full scale, far below any speech."""

LONGEST_TAIL = 8000
"""Samples by which a marked clip is longer at most."""


def marked(clip: Clip, path: Path, randbytes: Callable[[int], bytes]) -> Clip:
    """Write ``clip`` (mono WAV) to ``path`` with noise and a tail out of ``randbytes``.

    Returns the new clip, named for its file: same speech, language and words. Every sample differs
    by up to ``NOISE`` steps, so any 32 bytes of the file are its own.
    """
    samples, rate = soundfile.read(clip.path, dtype="int16")
    tail = int.from_bytes(randbytes(2), "big") % LONGEST_TAIL
    length = len(samples) + tail
    noise = np.frombuffer(randbytes(length), dtype=np.uint8).astype(np.int32) % (2 * NOISE) - NOISE
    mixed = np.concatenate([samples.astype(np.int32), np.zeros(tail, np.int32)]) + noise
    soundfile.write(path, np.clip(mixed, -32768, 32767).astype(np.int16), rate, format="WAV")
    data = path.read_bytes()
    return replace(
        clip,
        name=path.name,
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        duration=length / rate,
        sample_rate=rate,
    )
