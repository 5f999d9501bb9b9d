"""One body as it passes the tap: counted, its beginning kept, the rest in a file without a name."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

KEPT = 2**20
"""Bytes of a body that are kept in memory, and in records."""

PIECE = 2**18
"""Bytes that are read and written at a time."""


class Captured:
    """A body: its ``size``, its first ``KEPT`` bytes, and the whole of it until ``release``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._beginning = bytearray()
        self._file: IO[bytes] | None = None
        self._released = False
        self.size = 0
        self.complete = False

    def take(self, data: bytes | bytearray) -> None:
        """Take the next bytes."""
        room = KEPT - len(self._beginning)
        if not self._released:
            if self._file is None and len(data) > room:
                # Unlinked at once: it is gone with the process, however that ends.
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
                self._file.write(self._beginning)
            if self._file is not None:
                self._file.write(data)
        if room > 0:
            self._beginning += data[:room]
        self.size += len(data)

    def kept(self) -> bytes:
        """Return the beginning of the body: the whole of it up to ``KEPT`` bytes."""
        return bytes(self._beginning)

    def read(self, start: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``start``, of what is still there."""
        if self._file is None:
            return bytes(self._beginning[start : start + size])
        self._file.seek(start)
        return self._file.read(size)

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from ``start`` to ``end`` (to the last without one), piece by piece."""
        end = self.size if end is None else end
        while start < end and (piece := self.read(start, min(PIECE, end - start))):
            yield piece
            start += len(piece)

    def release(self) -> None:
        """Let go of all but the beginning."""
        self._released = True
        if self._file is not None:
            self._file.close()
            self._file = None
