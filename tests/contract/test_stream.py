"""Streams are read from recorded exchanges: events, when they came, and what they say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract.answer import Answer
from soundcheck.contract.stream import MOST_EVENTS, EventStream, stream_of
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError


def _stream(
    body: bytes,
    chunks: tuple[tuple[float, int], ...] | None = None,
    error: TransportError | None = None,
) -> EventStream:
    headers = (("content-type", "text/event-stream"),)
    chunks = ((0.5, len(body)),) if chunks is None else chunks
    response = Response(200, "OK", headers, body, chunks)
    request = SentRequest("POST", "http://localhost/v1", (), (), 0)
    exchange = Exchange("0" * 16, "shared", 1, "", request, response, Timing(0, 0, 1), error)
    return stream_of(Answer(exchange))


def _frames(*events: Any) -> bytes:
    texts = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return b"".join(b"data: %b\n\n" % text.encode() for text in texts)


def _delta(text: Any) -> dict[str, Any]:
    return {"type": "transcript.text.delta", "delta": text}


def _chunk(text: Any, **more: Any) -> dict[str, Any]:
    choice = {"delta": {"content": text}, **more}
    return {"id": "a", "object": "transcription.chunk", "created": 1, "choices": [choice]}


DONE = {"type": "transcript.text.done", "text": "Hello World."}


def test_openai_events_are_read() -> None:
    """Deltas join to the text, and the done event ends the stream."""
    stream = _stream(_frames(_delta("Hello"), _delta(" World."), DONE))
    assert stream.dialect == "openai"
    assert stream.text == "Hello World."
    assert [piece.text for piece in stream.pieces] == ["Hello", " World."]
    assert stream.done is not None
    assert stream.done.members == DONE
    assert stream.terminated
    assert stream.whole
    assert stream.error is None


def test_vllm_chunks_are_read() -> None:
    """Contents join to the text, and the end marker ends the stream."""
    usage = {"object": "transcription.chunk", "choices": [], "usage": {}}
    chunks = _chunk("Hello"), _chunk(" World.", finish_reason="stop"), usage
    stream = _stream(_frames(*chunks, "[DONE]"))
    assert stream.dialect == "vllm"
    assert stream.text == "Hello World."
    assert [event.ends for event in stream.events] == [False, False, False, True]
    assert stream.events[1].choices[0]["finish_reason"] == "stop"
    assert stream.done is None
    assert stream.terminated
    assert not _stream(_frames(*chunks)).terminated


@pytest.mark.parametrize(
    ("events", "dialect"),
    [
        ((), "unknown"),
        (("[DONE]",), "unknown"),
        (({"text": "x"}, [1], "{"), "unknown"),
        (({"error": {}}, {"type": "transcript.text.other"}), "openai"),
        (({"object": "chat.completion.chunk", "choices": []},), "vllm"),
        ((_chunk("a"), DONE), "vllm"),
        (({"type": 1, "choices": None},), "unknown"),
    ],
)
def test_the_dialect_is_what_the_first_event_shows_that_shows_one(
    events: tuple[Any, ...], dialect: str
) -> None:
    """The dialect is told by the events' own members, whatever was asked for."""
    assert _stream(_frames(*events)).dialect == dialect


def test_a_done_event_ends_no_chunks_and_a_marker_no_events() -> None:
    """Each dialect has its own end."""
    assert not _stream(_frames(_delta("a"), "[DONE]")).terminated
    assert not _stream(_frames(_chunk("a"), DONE)).terminated


@pytest.mark.parametrize(
    ("body", "fails"),
    [
        (_frames({"error": {"message": "no"}}), True),
        (_frames({"error": "no"}, "[DONE]"), True),
        (_frames({"type": "error", "message": "no"}), True),
        (b"event: error\ndata: no\n\n", True),
        (_frames({"error": None, "text": "a"}), False),
        (_frames(_delta("an error")), False),
    ],
)
def test_errors_are_found_in_every_form(body: bytes, fails: bool) -> None:
    """An error is told by the event's field, its type or its member error."""
    assert (_stream(body).error is not None) == fails


def test_events_arrive_with_the_chunk_that_completes_them() -> None:
    """An event's time is that of the chunk that held its last byte."""
    body = _frames(_delta("a"), _delta("b"), _delta("c"))
    third = len(body) // 3
    chunks = ((0.1, third - 1), (0.2, 1), (0.3, third), (0.4, third))
    assert [event.at for event in _stream(body, chunks).events] == [0.2, 0.3, 0.4]
    buffered = ((0.9, len(body)),)
    assert [event.at for event in _stream(body, buffered).events] == [0.9] * 3


def test_times_are_told_of_bodies_that_redaction_has_changed() -> None:
    """A body longer than what was received, or without record of it, has times all the same."""
    body = _frames(_delta("a"), _delta("b"))
    assert [event.at for event in _stream(body, ((0.1, 5), (0.2, 5))).events] == [0.2, 0.2]
    assert [event.at for event in _stream(body, ()).events] == [0.0, 0.0]


def test_a_stream_that_broke_off_is_read_as_far_as_it_came() -> None:
    """What came before the break is there, and the stream is not whole."""
    body = _frames(_delta("a"), _delta("b"))[:-1]
    stream = _stream(body, error=TransportError("reset", "peer closed"))
    assert stream.text == "a"
    assert not stream.whole
    odd = stream.oddity("unknown-field", "unfinished")
    assert odd is not None
    assert odd.offset == len(body) // 2 + 1


def test_no_answer_is_no_stream() -> None:
    """Without an answer the reason is told."""
    request = SentRequest("POST", "http://localhost/v1", (), (), 0)
    error = TransportError("timeout", "no answer in 1 s")
    exchange = Exchange("0" * 16, "shared", 1, "", request, None, Timing(0, None, 1), error)
    with pytest.raises(AssertionError, match=r"no answer \(timeout\): no answer in 1 s"):
        stream_of(Answer(exchange))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("{", "Expecting property name"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1, "a": 2}', 'the member "a" occurs twice'),
        ("[" * 100_000, "nested too deeply"),
        ("[DONE] ", "Expecting value"),
        ("", "Expecting value"),
    ],
)
def test_data_is_read_as_strictly_as_a_body(data: str, problem: str) -> None:
    """Data that is not strict JSON is kept, with the reason."""
    [event] = _stream(_frames(data)).events
    assert event.data == data
    assert problem in event.problem
    assert event.members == {}
    assert event.text == ""


def test_a_stream_of_countless_events_is_given_up_on() -> None:
    """More events than any transcript has are not read to the end."""
    with pytest.raises(AssertionError, match="more than 100,000 events"):
        _stream(b"data:\n\n" * (2 * MOST_EVENTS))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "delta", "object", "choices", "content", "error"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.lists(VALUES | st.builds(_delta, VALUES) | st.builds(_chunk, VALUES), max_size=5))
def test_any_json_can_be_looked_at(events: list[Any]) -> None:
    """Events of any members have a text, a kind and a dialect."""
    stream = _stream(_frames(*(json.dumps(event) for event in events)))
    assert stream.dialect in ("openai", "vllm", "unknown")
    assert stream.text == "".join(event.text for event in stream.pieces)
    assert [event.value for event in stream.events] == events
    assert stream.terminated == (stream.done is not None and stream.dialect == "openai")
