"""A captured body can be read as it passed, and holds little memory."""

from pathlib import Path

import pytest

from soundcheck.wiretap.captured import KEPT, PIECE, Captured

BODY = bytes(range(256)) * (3 * KEPT // 256)


def _captured(folder: Path, body: bytes, step: int = 100_000) -> Captured:
    captured = Captured(folder)
    for at in range(0, len(body), step):
        captured.take(body[at : at + step])
    return captured


@pytest.mark.parametrize("size", [0, 1, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT])
def test_all_of_it_can_be_read(tmp_path: Path, size: int) -> None:
    """Pieces make up the body, from anywhere to anywhere; no piece is large."""
    captured = _captured(tmp_path, BODY[:size])
    assert captured.size == size
    pieces = list(captured.pieces())
    assert b"".join(pieces) == BODY[:size]
    assert max(map(len, pieces), default=0) <= PIECE
    assert b"".join(captured.pieces(5, 300)) == BODY[:size][5:300]
    assert captured.read(size - 1, 10) == BODY[size - 1 : size] or size == 0
    captured.release()


def test_the_beginning_is_kept(tmp_path: Path) -> None:
    """After the release the first MiB is left, and the size is told."""
    captured = _captured(tmp_path, BODY)
    captured.release()
    captured.take(b"more")
    assert captured.kept() == BODY[:KEPT]
    assert captured.size == len(BODY) + 4
    assert b"".join(captured.pieces()) == BODY[:KEPT]


def test_no_file_has_a_name(tmp_path: Path) -> None:
    """What is too large for memory is in a file that nobody else can open."""
    captured = _captured(tmp_path, BODY)
    assert list(tmp_path.iterdir()) == []
    captured.release()
