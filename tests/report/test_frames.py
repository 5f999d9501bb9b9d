"""The frames of a recorded event stream are laid out with the times at which they came."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.report.frames import Frames, split_frames


def whole(frames: Frames) -> list[str]:
    return [frame.data for frame in (*frames.first, *frames.last)]


def test_a_frame_came_when_its_last_byte_did() -> None:
    """A frame in several chunks has the time of the last; one chunk may complete several frames."""
    body = b'data: {"a":1}\n\ndata: two\n\ndata: [DONE]\n\n'
    frames = split_frames(body, [[0.5, 5], [0.75, 10], [2.0, len(body) - 15]])
    assert whole(frames) == ['{"a":1}', "two", "[DONE]"]
    assert [frame.at for frame in frames.first] == [0.75, 2.0, 2.0]
    assert [frame.gap for frame in frames.first] == [None, 1.25, 0.0]
    assert frames.longest == 2
    assert frames.summary == (
        "3 frames in 3 chunks, the first after 750 ms, the longest gap 1.2 s before frame 2"
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_end_of_line_ends_a_frame_when_it_is_doubled(end: bytes) -> None:
    """LF, CR LF and CR are ends of lines; CR LF is one, not a blank line."""
    body = end.join([b"event: delta", b"data: a", b"", b"data: b", b"data: c", b"", b"", b""])
    assert whole(split_frames(body, [])) == ["event: delta\ndata: a", "b\nc"]


def test_what_is_not_data_is_shown_as_it_came() -> None:
    """Comments, ids and lines of no field are not hidden behind the data."""
    body = b": ping\n\nid: 7\ndata: x\n\n<html>\n\n"
    assert whole(split_frames(body, [])) == [": ping", "id: 7\ndata: x", "<html>"]


def test_a_stream_that_breaks_off_is_told() -> None:
    """The last frame of a stream without its blank line is not ended."""
    frames = split_frames(b"data: a\n\ndata: b\n", [])
    assert [frame.ended for frame in frames.first] == [True, False]


def test_a_long_stream_is_cut_in_the_middle() -> None:
    """Beginning and end are there, with numbers and times, and what lies between is counted."""
    pieces = [b"data: %d\n\n" % number for number in range(1, 501)]
    chunks = [(number / 100, len(piece)) for number, piece in enumerate(pieces, 1)]
    frames = split_frames(b"".join(pieces), chunks)
    assert [frame.number for frame in frames.first] == list(range(1, 25))
    assert [frame.number for frame in frames.last] == list(range(489, 501))
    assert whole(frames)[-1] == "500"
    assert frames.omitted == "464 more frames, from 0.250 s to 4.880 s"


def test_a_long_frame_is_cut_in_the_middle() -> None:
    """A frame of a megabyte shows its beginning and end and its length."""
    (data,) = whole(split_frames(b"data: " + b"x" * 2**20 + b"!\n\n", []))
    assert len(data) < 400
    assert data.startswith("xxx")
    assert data.endswith("x! (1,048,577 characters)")


def test_times_of_a_changed_body_are_not_passed_off_as_exact() -> None:
    """Where the recorded body has another length than what came, the times are near ones."""
    assert "approximate" in split_frames(b"data: [redacted]\n\n", [[0.1, 40]]).summary
    assert "approximate" not in split_frames(b"data: x\n\n", [[0.1, 9]]).summary


def test_an_empty_stream_has_no_frames() -> None:
    """Nothing, or nothing but blank lines, is no frame."""
    for body in (b"", b"\n\n\r\n\r\n"):
        assert split_frames(body, [[0.1, len(body)]]).total == 0


@given(
    datas=st.lists(st.binary(min_size=1, max_size=9).map(bytes.hex), max_size=60),
    cuts=st.lists(st.integers(0, 500), max_size=20),
)
def test_any_chunks_give_the_same_frames_in_their_order(datas: list[str], cuts: list[int]) -> None:
    """How a stream was cut into chunks changes times alone, and those never go back."""
    body = b"".join(f"data: {data}\n\n".encode() for data in datas)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(body)}), len(body)]
    chunks = [(float(end), end - start) for start, end in pairwise(edges)]
    frames = split_frames(body, chunks)
    assert frames.total == len(datas)
    if len(datas) <= 36:
        assert whole(frames) == datas
        ends = accumulate(len(data) + 8 for data in datas)
        expected = [min(edge for edge in edges[1:] if edge >= end) for end in ends]
        assert [frame.at for frame in frames.first] == expected
    times = [frame.at or 0.0 for frame in (*frames.first, *frames.last)]
    assert times == sorted(times)


@given(
    body=st.binary(max_size=200),
    chunks=st.lists(st.tuples(st.floats(0, 9), st.integers(0, 99)), max_size=9),
)
def test_any_bytes_are_laid_out(body: bytes, chunks: list[tuple[float, int]]) -> None:
    """Bytes that are no event stream, and chunks that do not fit them, raise nothing."""
    frames = split_frames(body, chunks)
    assert frames.total == len(frames.first)
