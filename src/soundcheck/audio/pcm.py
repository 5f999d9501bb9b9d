"""WAV and FLAC files, written by libsndfile."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import soundfile

from soundcheck.audio.formats import Format
from soundcheck.audio.sound import Samples, to_pcm16

_PEAK = b"PEAK"


def write(samples: Samples, form: Format) -> bytes:
    """Return a file of ``samples`` (float32, shape ``(n, channels)``) in a libsndfile format."""
    buffer = io.BytesIO()
    soundfile.write(
        buffer, _quantized(samples, form.codec), form.rate, form.codec, format=form.container
    )
    return _without_clock(buffer.getvalue()) if form.codec == "FLOAT" else buffer.getvalue()


def _quantized(samples: Samples, codec: str) -> npt.NDArray[np.generic]:
    """Return the integers to be stored, in the high bits of what libsndfile takes.

    libsndfile itself would scale by 32767, not by 32768, and cut 8 bits off without rounding.
    """
    if codec == "FLOAT":
        return samples
    if codec == "PCM_24":
        return np.rint(samples * np.float64(1 << 23)).astype(np.int32) << 8
    if codec == "PCM_U8":
        steps: npt.NDArray[np.int16] = np.clip(np.rint(samples * 128), -128, 127).astype(np.int16)
        return steps << 8
    return to_pcm16(samples)


def _without_clock(data: bytes) -> bytes:
    """Return the file with the time of writing, which a PEAK chunk holds, set to zero.

    The chunk is: its name, its length, a version and the time, four bytes each.
    """
    at = data.find(_PEAK, 0, 256)
    return data if at < 0 else data[: at + 12] + bytes(4) + data[at + 16 :]
