"""Files as pieces: bytes, and runs of zeros that are never held in memory.

A run of zeros becomes a hole of the file where the file system has holes, so a clip of 25 MB takes
no more room on the disk than the sound in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

_CHUNK = bytes(1 << 20)


@dataclass(frozen=True, slots=True)
class Zeros:
    """``count`` zero bytes."""

    count: int

    def __len__(self) -> int:
        return self.count


Piece: TypeAlias = bytes | Zeros


def write(pieces: Iterable[Piece], file: BinaryIO) -> tuple[int, str]:
    """Write ``pieces`` to an empty ``file``; return its size in bytes and its SHA-256 in hex."""
    digest = hashlib.sha256()
    size = 0
    for piece in pieces:
        size += len(piece)
        if isinstance(piece, bytes):
            digest.update(piece)
            file.write(piece)
            continue
        rounds, rest = divmod(piece.count, len(_CHUNK))
        for _ in range(rounds):
            digest.update(_CHUNK)
        digest.update(memoryview(_CHUNK)[:rest])
        file.seek(piece.count, 1)
    file.truncate(size)
    return size, digest.hexdigest()
