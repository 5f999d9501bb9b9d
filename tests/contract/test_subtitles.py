"""Subtitles are read strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract.subtitles import parse_subtitles

moments = st.integers(0, 100 * 3600 * 1000 - 1)
texts = st.from_regex(r"[a-z]{1,8}( [a-z]{1,8}){0,3}", fullmatch=True)


def _clock(milliseconds: int, mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{rest:03}"


@given(st.lists(st.tuples(moments, moments, texts), max_size=5), st.booleans())
def test_what_is_written_is_read(cues: list[tuple[int, int, str]], crlf: bool) -> None:
    """Times to the millisecond and texts of both formats are read back, with either line end."""
    for kind, mark in (("srt", ","), ("vtt", ".")):
        blocks = ["WEBVTT\n"] if kind == "vtt" else []
        for number, (start, end, text) in enumerate(cues, start=1):
            blocks.append(f"{number}\n{_clock(start, mark)} --> {_clock(end, mark)}\n{text}\n")
        document = "\n".join(blocks)
        read = parse_subtitles(document.replace("\n", "\r\n") if crlf else document, kind)
        assert [(round(c.start * 1000), round(c.end * 1000), c.text) for c in read] == cues


@pytest.mark.parametrize(
    ("kind", "document", "reason"),
    [
        ("srt", "1\n00:00:01.000 --> 00:00:02.000\nHello", "where its times should be"),
        ("srt", "2\n00:00:01,000 --> 00:00:02,000\nHello", "not with its number"),
        ("srt", '"1\\n00:00:01,000 --> 00:00:02,000\\nHello"', "not with its number"),
        ("srt", "1\n00:00:61,000 --> 00:01:02,000\nHello", "where its times should be"),
        ("srt", "1", "nothing where its times should be"),
        ("vtt", "1\n00:01.000 --> 00:02.000\nHello", "the first line is not WEBVTT"),
        ("vtt", "WEBVTT\n\n00:01,000 --> 00:02,000\nHello", "where its times should be"),
        ("vtt", "", "the first line is not WEBVTT"),
    ],
)
def test_damage_is_named(kind: str, document: str, reason: str) -> None:
    """A file that is not quite of its format is refused with the place and the reason."""
    with pytest.raises(ValueError, match=reason):
        parse_subtitles(document, kind)


def test_webvtt_may_leave_out_hours_and_carry_notes() -> None:
    """Hours, identifiers, settings and notes are optional in WebVTT."""
    document = "WEBVTT - a title\n\nNOTE why\n\n00:01.000 --> 00:02.500 align:start\nHello\nthere\n"
    (cue,) = parse_subtitles(document, "vtt")
    assert (cue.start, cue.end, cue.text) == (1.0, 2.5, "Hello there")
