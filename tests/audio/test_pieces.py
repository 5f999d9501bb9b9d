"""Pieces become a file with the size and digest of their bytes; zeros become holes."""

import hashlib
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio.pieces import Piece, Zeros, write

PIECES = st.lists(st.binary(max_size=40) | st.integers(0, 3_000_000).map(Zeros), max_size=5)


@given(PIECES)
def test_pieces_are_written_as_they_are_told(pieces: list[Piece]) -> None:
    """Whatever the order of bytes and zeros, file, size and digest are those of all the bytes."""
    whole = b"".join(one if isinstance(one, bytes) else bytes(one.count) for one in pieces)
    file = io.BytesIO()
    told = write(pieces, file)
    # In memory a file does not grow by being truncated to more than it has.
    assert file.getvalue().ljust(len(whole), b"\0") == whole
    assert told == (len(whole), hashlib.sha256(whole).hexdigest())


def test_zeros_take_no_room_on_the_disk(tmp_path: Path) -> None:
    """A run of zeros at the end or in the middle is a hole, and the file has its full size."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        write([b"head", Zeros(10_000_000), b"middle", Zeros(5_000_000)], file)
    assert path.stat().st_size == 15_000_010
    assert path.stat().st_blocks * 512 < 100_000
