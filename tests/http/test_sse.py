"""Event streams are read by the rules of the WHATWG HTML standard, however they are cut."""

import re
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.sse import Event, EventParser, Oddity, parse


def _by_the_rules(stream: bytes) -> Iterator[tuple[str, str, str, int | None]]:
    """Yield (data, type, last id, retry) of each event: the rules of section 9.2.6, word by word.

    The whole stream is decoded first, which strips one byte order mark, and then cut into lines.
    """
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    data, kind, last_id, retry = "", "", "", None
    for line in re.findall(r"([^\r\n]*)(?:\r\n|\r|\n)", text):
        if line == "":
            if data != "":
                yield data.removesuffix("\n"), kind or "message", last_id, retry
            data, kind = "", ""
            continue
        if line.startswith(":"):
            continue
        field, value = line, ""
        if ":" in line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "retry" and re.fullmatch("[0-9]+", value):
            retry = int(value)


LINE_ENDS = (b"\n", b"\r", b"\r\n")
VALUES = st.sampled_from([b"", b" ", b" a", b"{}", b" :", b"12", b" 3s", b"\0", b"\xff", b"\xe4"])
WORDS = st.text(max_size=4).map(str.encode) | VALUES
NAMES = st.sampled_from(
    [b"data", b"event", b"id", b"retry", b"", b"dat", b"data ", b"\xef\xbb\xbf"]
)
LINES = st.one_of(
    st.just(b""),
    st.just(b"data: {}"),
    NAMES,
    st.builds(b"%b:%b".__mod__, st.tuples(NAMES, WORDS)),
)
STREAMS = st.builds(
    lambda mark, lines, rest: mark + b"".join(line + end for line, end in lines) + rest,
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(LINES, st.sampled_from(LINE_ENDS)), max_size=12),
    LINES,
) | st.lists(st.sampled_from(["a", "ä", "好", ""]), min_size=1, max_size=6).map(
    lambda texts: b"".join(f"data: {text}\n\n".encode() for text in texts)
)


def _in_pieces(stream: bytes, cuts: list[int], most: int) -> tuple[list[Event], tuple[Oddity, ...]]:
    parser = EventParser(most)
    found: list[Event] = []
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for begin, end in pairwise(places):
        found += parser.feed(stream[begin:end])
    parser.close()
    return found, parser.oddities


@given(st.lists(STREAMS, max_size=3).map(b"".join))
def test_events_are_those_of_the_rules(stream: bytes) -> None:
    """Data, type, last id and retry of every event are those that the rules give."""
    found, _ = parse(stream)
    told = [(event.data, event.type, event.last_id, event.retry) for event in found]
    assert told == list(_by_the_rules(stream))


@given(
    st.lists(STREAMS, max_size=3).map(b"".join), st.lists(st.integers(0, 999)), st.integers(4, 40)
)
def test_events_do_not_depend_on_how_a_stream_is_cut(
    stream: bytes, cuts: list[int], most: int
) -> None:
    """Whole, in pieces and byte by byte a stream gives the same events, offsets and oddities."""
    whole = parse(stream, most)
    assert _in_pieces(stream, cuts, most) == whole
    assert _in_pieces(stream, list(range(len(stream))), most) == whole


@given(st.lists(STREAMS, max_size=3).map(b"".join))
def test_an_event_is_complete_at_its_end_and_not_before(stream: bytes) -> None:
    """Fed byte by byte, each event comes with the last byte that belongs to it."""
    parser = EventParser()
    for end in range(1, len(stream) + 1):
        for event in parser.feed(stream[end - 1 : end]):
            assert event.end == end


def test_the_examples_of_the_standard() -> None:
    """Streams as in the standard's own examples are read as it says."""
    stocks, _ = parse(b"data: YHOO\ndata: +2\ndata: 10\n\n")
    assert [event.data for event in stocks] == ["YHOO\n+2\n10"]
    four, _ = parse(b": test stream\n\ndata: 1\nid: 1\n\ndata:2\nid\n\ndata:  3\n\n")
    assert [(e.data, e.last_id) for e in four] == [("1", "1"), ("2", ""), (" 3", "")]
    empty, oddities = parse(b"data\n\ndata\ndata\n\ndata:")
    assert [event.data for event in empty] == ["", "\n"]
    assert [oddity.kind for oddity in oddities] == ["unfinished"]


@pytest.mark.parametrize(
    ("stream", "oddity"),
    [
        (b"\xef\xbb\xbfdata: 1\n\n", Oddity("byte-order-mark", 0, 1)),
        (b"data: 1\r\rdata: 2\r\n\r\n", Oddity("carriage-return", 7, 2)),
        (b"data: 1\r\r", Oddity("carriage-return", 7, 2)),
        (b": hm\nevent: error\n\n", Oddity("event-without-data", 5, 1, "error")),
        (b"id: a\0\ndata: 1\n\n", Oddity("id-with-nul", 0, 1, "a\0")),
        (b"retry: soon\nretry: " + b"9" * 5000 + b"\n", Oddity("invalid-retry", 0, 2, "soon")),
        (b"data: \xff\n\n", Oddity("invalid-utf8", 0, 1, "data: \ufffd")),
        (b"data: 1\n\ndate: 2\nfoo\n\n", Oddity("unknown-field", 9, 2, "date")),
        (b": hm\n\ndata: 1\n", Oddity("unfinished", 6, 1)),
        (b"data: 1\n\ndata: 2", Oddity("unfinished", 9, 1, "data: 2")),
        (b": hm\nevent: a\n: hm", Oddity("unfinished", 5, 1)),
        (b"data: 1\n\xef\xbb", Oddity("unfinished", 0, 1, "\ufffd")),
    ],
)
def test_what_the_rules_pass_over_is_recorded(stream: bytes, oddity: Oddity) -> None:
    """Each oddity is recorded by its kind, first place, number and what stood there."""
    assert parse(stream)[1] == (oddity,)


@pytest.mark.parametrize(
    "stream", [b"", b": hm", b": hm\n: hm\n\n\n", b"id: 1\nretry: 20\n\n", b"data: 1\r\n\r\n"]
)
def test_what_is_usual_is_not_odd(stream: bytes) -> None:
    """Comments, blank lines, ids, times to wait and CR LF are not recorded."""
    assert parse(stream)[1] == ()


@pytest.mark.parametrize("filler", [b"x", b"data: x\n", b"event: x\ndata: x\n", b"\xff"])
def test_an_endless_event_takes_bounded_memory(filler: bytes) -> None:
    """Of an event that never ends no more is kept than the limit; the next event is read."""
    chunk = filler * (2**12 // len(filler))
    parser = EventParser(max_event=2**12)
    tracemalloc.start()
    try:
        for _ in range(64):
            assert parser.feed(chunk) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**16
    assert [event.data for event in parser.feed(b"\n\ndata: next\n\n")] == ["next"]
    assert [oddity.kind for oddity in parser.oddities] == ["too-large"]
    assert parser.oddities[0].times == 1


def test_long_comments_are_no_events() -> None:
    """A comment has no limit, since nothing of it is kept."""
    found, oddities = parse(b": " + b"x" * 100 + b"\ndata: 1\n\n", max_event=20)
    assert [event.data for event in found] == ["1"]
    assert oddities == ()


@given(STREAMS)
def test_the_usual_frames_are_read_alike_with_a_comment_between(stream: bytes) -> None:
    """What stands before and after a stream of plain frames does not change how they are read."""
    plain = b'data: {"a": "\xc3\xa4"}\n\ndata: [DONE]\n\n'
    found, _ = parse(plain + b": keep-alive\n\n" + plain + plain)
    assert [event.data for event in found] == ['{"a": "ä"}', "[DONE]"] * 3
    again = [event.data for event in parse(stream + b"\n\n" + plain)[0]]
    assert again[-2:] == ['{"a": "ä"}', "[DONE]"]
