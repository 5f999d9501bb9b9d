"""Transcripts in answers and in streams of both dialects."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.load.answer import MAX_EVENTS, StreamReader, refusal, transcript
from soundcheck.load.failure import Failure

OPENAI = [
    {"type": "transcript.text.delta", "delta": "Grüße"},
    {"type": "transcript.text.delta", "delta": ""},
    {"type": "transcript.text.delta", "delta": ", World \ud83d\ude00."},
    {"type": "transcript.text.segment", "text": "not a delta"},
    {"type": "transcript.text.done", "text": "Grüße, World."},
]
VLLM = [
    {"object": "transcription.chunk", "choices": [{"delta": {"role": "assistant"}}]},
    {"object": "transcription.chunk", "choices": [{"delta": {"content": "Grüße"}}]},
    {"object": "transcription.chunk", "choices": [{"delta": {"content": ", World \U0001f600."}}]},
    {"object": "transcription.chunk", "choices": [], "usage": {"total_tokens": 5}},
    "[DONE]",
]


def frames(events: list[object]) -> bytes:
    texts = [one if isinstance(one, str) else json.dumps(one) for one in events]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


@given(st.sampled_from([OPENAI, VLLM]), st.lists(st.integers(0, 500), max_size=10))
def test_both_dialects_are_read(events: list[object], cuts: list[int]) -> None:
    """Only events with text count, the text is theirs, and the dialect's end is noticed."""
    stream = b": ping\n\n" + frames(events)
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    heard: list[str] = []
    reader = StreamReader(heard.append)
    pieces = 0
    for begin, end in pairwise(bounds):
        assert not reader.ended or begin == end
        pieces += reader.feed(stream[begin:end])
    assert (pieces, reader.ended) == (2, True)
    assert reader.text.encode("utf-16", "surrogatepass").decode("utf-16") == "Grüße, World 😀."
    assert len(heard) == 5


@given(st.text(" \t", max_size=3), st.text(" \t", max_size=3))
def test_space_around_an_event_makes_no_difference(before: str, after: str) -> None:
    """JSON allows space around a value, and so does an event."""
    reader = StreamReader()
    assert reader.feed(b": ping\n\n") == 0
    assert (
        reader.feed(
            f'data: {before}{{"choices": [{{"delta": {{"content": "a"}}}}]}}{after}\n\n'.encode()
        )
        == 1
    )
    assert reader.text == "a"


def test_the_last_event_has_the_text_if_no_other_has() -> None:
    """A stream without deltas still brings its transcript."""
    reader = StreamReader()
    assert reader.feed(frames([OPENAI[-1]])) == 0
    assert reader.text == "Grüße, World."


@pytest.mark.parametrize(
    ("stream", "cause", "told"),
    [
        (b'data: {"error": {"message": "out of memory"}}\n\n', "stream-error", "out of memory"),
        (b'data: {"type": "error", "message": "too busy"}\n\n', "stream-error", "too busy"),
        (b"event: error\ndata: gone\n\n", "stream-error", "gone"),
        (b"data: <html>\n\n", "not-json", "<html>"),
        (b'data: {"type": 1} 2\n\n', "not-json", "2"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "not-json", "[[["),
        (b"data: 1\n\n" * (MAX_EVENTS + 1), "too-long", str(MAX_EVENTS)),
    ],
    ids=["error", "typed-error", "error-event", "html", "more-json", "nested", "endless"],
)
def test_bad_streams_end(stream: bytes, cause: str, told: str) -> None:
    """An error event, an event that is no JSON, and too many events end a stream."""
    with pytest.raises(Failure) as caught:
        StreamReader().feed(stream)
    assert caught.value.cause == cause
    assert told in caught.value.detail


@pytest.mark.parametrize(
    "odd",
    [
        "5",
        '"text"',
        "[]",
        "{}",
        '{"choices": [{"delta": null}]}',
        '{"choices": {"delta": {}}}',
        '{"choices": [{"delta": {"content": 5}}]}',
        '{"type": "transcript.text.delta", "delta": 1}',
    ],
)
def test_events_of_other_kinds_are_passed_over(odd: str) -> None:
    """An event without text in the place for it is none with text."""
    reader = StreamReader()
    assert reader.feed(f"data: {odd}\n\n".encode()) == 0
    assert (reader.ended, reader.text) == (False, "")


@pytest.mark.parametrize(
    ("body", "plain", "media", "expected"),
    [
        (b'{"text": "Hello"}', False, "application/json", "Hello"),
        (b'{"text": ""}', False, "application/json", ""),
        (b'{"text": "Hello"}', True, "text/plain", "Hello"),
        (b"Hello", True, "text/plain", "Hello"),
        (b"12", True, "text/plain", "12"),
        (b"\xff", True, "text/plain", "\ufffd"),
    ],
)
def test_transcripts_are_found(body: bytes, plain: bool, media: str, expected: str) -> None:
    """The text is the member of that name, or all of an answer that need not be JSON."""
    assert transcript(body, is_plain_text=plain, media_type=media) == expected


@pytest.mark.parametrize(
    ("body", "plain", "media", "cause"),
    [
        (b"Hello", False, "text/plain", "not-json"),
        (b"", False, "application/json", "not-json"),
        (b"[" * 100_000, False, "application/json", "not-json"),
        (b"1" * 5_000, False, "application/json", "not-json"),
        (b"<h1>Welcome</h1>", True, "text/html", "not-json"),
        (b'{"task": "transcribe"}', False, "application/json", "no-text"),
        (b'{"text": null}', False, "application/json", "no-text"),
        (b'["text"]', False, "application/json", "no-text"),
        (b'{"error": "busy"}', True, "application/json", "no-text"),
    ],
)
def test_answers_without_a_transcript_fail(
    body: bytes, plain: bool, media: str, cause: str
) -> None:
    """What is no JSON, or JSON without a text, is no transcript."""
    with pytest.raises(Failure) as caught:
        transcript(body, is_plain_text=plain, media_type=media)
    assert caught.value.cause == cause


@pytest.mark.parametrize(
    ("status", "body", "cause", "told"),
    [
        (302, b"", "redirect", "302: to /login"),
        (401, b'{"error": "Unauthorized"}', "http-4xx", "401: Unauthorized"),
        (404, b'{"detail": "Not Found"}', "http-4xx", "404: Not Found"),
        (429, b'{"error": {"message": "slow down"}}', "overload", "429: slow down"),
        (500, b"<h1>oops</h1>", "http-5xx", "500: <h1>oops</h1>"),
        (503, b'{"error": {"code": 1}}', "http-5xx", '503: {"code": 1}'),
        (503, b"[" * 100_000, "http-5xx", "503: [[["),
        (999, b"null", "http-5xx", "999: null"),
    ],
)
def test_refusals_are_told(status: int, body: bytes, cause: str, told: str) -> None:
    """A status from 300 is a failure by its class, told with what the server says of it."""
    failure = refusal(status, body, "/login")
    assert failure.cause == cause
    assert failure.detail.startswith(told)
