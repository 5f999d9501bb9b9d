"""Streams over HTTP: at once, whole, told when they fail, and ended when nobody listens."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.reference.pool import RecognizerFailure

Serving = Callable[..., str]
Knowing = Callable[..., Any]
BOTH = pytest.mark.parametrize("dialect", ["openai", "vllm"])
TEXTS = ("One two.", "Three.", "今天", "天气。", "Four.")


def asking(url: str, **fields: str) -> Any:
    return httpx.stream(
        "POST",
        f"{url}/audio/transcriptions",
        data={"model": "whisper-large-v3", "stream": "true", **fields},
        files={"file": ("a.wav", b"audio")},
        timeout=60,
    )


def events_of(response: httpx.Response) -> list[Any]:
    """Return the JSON events, and None for the end marker."""
    frames = response.read().decode().split("\n\n")
    assert frames.pop() == ""
    return [None if one == "data: [DONE]" else json.loads(one[6:]) for one in frames]


def piece(event: Any) -> str:
    """Return the text that an event adds, in either dialect."""
    if "choices" in event:
        return "".join(choice["delta"]["content"] for choice in event["choices"])
    return str(event.get("delta", ""))


@BOTH
def test_what_is_known_is_sent_before_the_rest_is_recognised(
    serving: Serving, knowing: Knowing, dialect: str
) -> None:
    """The first segment's text is read while the recognizer has not begun the second."""
    read = threading.Event()
    waited: list[bool] = []

    async def before(at: int) -> None:
        if at == 1:
            waited.append(await asyncio.to_thread(read.wait, 30))

    with asking(serving(knowing(*TEXTS, before=before), dialect)) as response:
        text = ""
        for line in response.iter_lines():
            if line.startswith("data: {"):
                text += piece(json.loads(line[6:]))
            if text == "One two.":
                read.set()
    assert waited == [True]
    assert text == "One two. Three.今天天气。Four."


def test_openais_pieces_join_to_the_text(serving: Serving, knowing: Knowing) -> None:
    """Deltas, what stands between segments included, are exactly the text of the done event."""
    url = serving(knowing(*TEXTS))
    with asking(url) as response:
        *deltas, done = events_of(response)
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert len(deltas) == 8
    assert "".join(map(piece, deltas)) == done["text"] == "One two. Three.今天天气。Four."


def test_vllms_pieces_join_to_the_text(serving: Serving, knowing: Knowing) -> None:
    """Contents join to the text, usage is on request, and the end marker comes last."""
    url = serving(knowing(*TEXTS), "vllm")
    with asking(url, stream_include_usage="true") as response:
        *chunks, usage, end = events_of(response)
    assert end is None
    assert "".join(map(piece, chunks)) == "One two. Three.今天天气。Four."
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 8


def test_whisper_1_ignores_stream(serving: Serving, knowing: Knowing) -> None:
    """The one model that is documented to do so answers JSON."""
    with asking(serving(knowing("Hello")), model="whisper-1") as response:
        response.read()
        assert response.json()["text"] == "Hello"


@BOTH
@pytest.mark.parametrize("at", [0, 1])
def test_a_failure_in_the_middle_is_told(
    serving: Serving, knowing: Knowing, dialect: str, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An event with the error ends the stream, without a done event; vLLM's end marker follows."""

    async def before(now: int) -> None:
        if now == at:
            raise RecognizerFailure("process 4711 ended, see /tmp/core")

    with (
        caplog.at_level(logging.CRITICAL),
        asking(serving(knowing("One", "Two", before=before), dialect)) as response,
    ):
        events = events_of(response)
    if dialect == "vllm":
        assert events.pop() is None
    error = events.pop()["error"]
    assert error["message"] == "The server failed."
    assert "".join(map(piece, events)) == ["", "One"][at]
    assert all(event.get("type") != "transcript.text.done" for event in events)


@BOTH
def test_recognition_ends_when_the_client_leaves(
    serving: Serving, knowing: Knowing, dialect: str
) -> None:
    """Nobody works for a client that is gone."""

    async def before(at: int) -> None:
        if at == 1:
            await asyncio.Event().wait()

    pool = knowing("One", "Two", before=before)
    with asking(serving(pool, dialect)) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("data: ")
        assert not pool.left.is_set()
    assert pool.left.wait(30)


def test_no_more_is_recognised_than_was_asked_for(serving: Serving, knowing: Knowing) -> None:
    """After the most tokens that the client wants, recognition ends."""

    async def before(at: int) -> None:
        assert at == 0

    url = serving(knowing("One two three.", "Four.", before=before), "vllm")
    with asking(url, max_completion_tokens="2") as response:
        events = events_of(response)
    assert "".join(map(piece, events[:-1])) == "One two"
    assert events[-2]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("dialect", "name", "model", "status"),
    [
        ("openai", "silence.wav", "nobody", 404),
        ("openai", None, "whisper-large-v3", 400),
        ("vllm", None, "whisper-large-v3", 400),
        ("openai", "speech-60s.wav", "gpt-4o-transcribe-diarize", 400),
    ],
)
def test_what_is_wrong_at_the_start_has_a_status(
    deployment: Callable[..., httpx.Client],
    library: Library,
    dialect: str,
    name: str | None,
    model: str,
    status: int,
) -> None:
    """What is known before the first byte is refused as without streaming."""
    audio = library.clip(name).read() if name else b"no audio"
    response = deployment(dialect).post(
        "/audio/transcriptions",
        data={"model": model, "stream": "true"},
        files={"file": ("a", audio)},
    )
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"


@BOTH
def test_a_long_clip_streams_the_text_of_its_answer(
    deployment: Callable[..., httpx.Client], library: Library, dialect: str
) -> None:
    """What the real recognizer streams is what it answers in one piece."""
    clip = library.clip("speech-60s.wav")
    client = deployment(dialect)
    files = {"file": ("a", clip.read())}
    data = {"model": "whisper-large-v3"}
    plain = client.post("/audio/transcriptions", data=data, files=files).json()
    response = client.post("/audio/transcriptions", data=data | {"stream": "true"}, files=files)
    events = [one for one in events_of(response) if one is not None]
    assert "".join(map(piece, events)) == plain["text"] == clip.transcript
