"""Damaged files: cut off, with bytes changed, or with a header that lies."""

from __future__ import annotations

import random
from collections.abc import Mapping

# Where the fields stand in the 44-byte header that the plain WAV formats have, and their length.
_WAV_FIELDS = {
    "riff_size": (4, 4),
    "tag": (20, 2),
    "channels": (22, 2),
    "rate": (24, 4),
    "bits": (34, 2),
    "data_size": (40, 4),
}


def cut(data: bytes, share: float) -> bytes:
    """Return the first ``share`` (0 to 1) of a file."""
    return data[: int(len(data) * share)]


def flipped(data: bytes, share: float, seed: int) -> bytes:
    """Return a file with ``share`` (0 to 0.5) of its bytes changed, all between its outer quarters.

    No header or index stands there. The same ``seed`` changes the same bytes in the same way.
    """
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    out = bytearray(data)
    middle = range(len(data) // 4, len(data) * 3 // 4)
    for at in chance.sample(middle, min(int(len(data) * share), len(middle))):
        out[at] ^= chance.randrange(1, 256)
    return bytes(out)


def claiming(data: bytes, fields: Mapping[str, int]) -> bytes:
    """Return a WAV file whose header claims ``fields``; nothing else is changed."""
    out = bytearray(data)
    for name, value in fields.items():
        at, size = _WAV_FIELDS[name]
        out[at : at + size] = value.to_bytes(size, "little")
    return bytes(out)
