"""The official client reads a record as it would read the wire, and its requests are recorded."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from soundcheck.audio import Library
from soundcheck.contract import Answer, Wire, transcription
from soundcheck.contract.official import arguments_of, transcribed
from soundcheck.contract.send import Sender
from soundcheck.http.client import Client
from soundcheck.http.exchange import (
    Exchange,
    Response,
    SentRequest,
    Timing,
    TransportError,
)
from soundcheck.http.store import Store

FINE = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b'Content-Length: 13\r\n\r\n{"text": "A"}'
)
KEY = "a-key-that-nobody-may-read"
STREAM = (
    b'data: {"type": "transcript.text.delta", "delta": "A \xc3\xa4"}\n\n'
    b'data: {"type": "transcript.text.done", "text": "A \xc3\xa4"}\n\n'
)


def _answer(status: int, media_type: str, body: bytes, pieces: int = 1, **fields: str) -> Answer:
    size = -(-len(body) // pieces)
    sizes = [len(body[at : at + size]) for at in range(0, len(body), size)]
    parts = tuple({"name": name, "value": value} for name, value in fields.items())
    response = Response(
        status, "", (("content-type", media_type),), body, tuple((0.1, one) for one in sizes)
    )
    request = SentRequest("POST", "http://x/v1/audio/transcriptions", (), parts, 0)
    return Answer(
        Exchange("d", "shared", 1, "2026-01-01T00:00:00Z", request, response, Timing(0, 0, 1), None)
    )


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("pieces", [1, 7, len(STREAM)])
def test_a_recorded_stream_comes_piece_by_piece(asynchronous: bool, pieces: int) -> None:
    """However a stream was cut, its events are the same, by either client."""
    answer = _answer(200, "text/event-stream", STREAM, pieces, stream="true")
    outcome = transcribed(answer, asynchronous=asynchronous)
    assert outcome.raised is None
    assert [event.type for event in outcome.events] == [
        "transcript.text.delta",
        "transcript.text.done",
    ]
    assert outcome.events[0].delta == "A ä"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_broke_off_breaks_off_again(asynchronous: bool) -> None:
    """The client sees the same end of the connection, after what had come."""
    whole = _answer(200, "text/event-stream", STREAM, stream="true")
    broken = replace(whole.exchange, error=TransportError("reset", "gone"))
    outcome = transcribed(Answer(broken), asynchronous=asynchronous)
    assert type(outcome.raised).__name__ == "APIConnectionError"
    assert len(outcome.events) == 2


@pytest.mark.parametrize(("status", "times"), [(400, 1), (413, 1), (429, 3), (500, 3)])
def test_attempts_are_counted(status: int, times: int) -> None:
    """The client decides by the recorded status whether it asks again."""
    answer = _answer(status, "application/json", b'{"error": {"message": "no"}}')
    assert transcribed(answer, retries=2).requests == times


def test_fields_become_arguments() -> None:
    """Lists, objects, numbers and truth values are what a program would give."""
    fields = [
        ("stream", "true"),
        ("temperature", "0.5"),
        ("include[]", "logprobs"),
        ("chunking_strategy[type]", "server_vad"),
        ("chunking_strategy[prefix_padding_ms]", "300"),
    ]
    assert arguments_of(fields) == {
        "stream": True,
        "temperature": 0.5,
        "include": ["logprobs"],
        "chunking_strategy": {"type": "server_vad", "prefix_padding_ms": 300},
    }


@pytest.mark.parametrize("wire", [Wire.OFFICIAL, Wire.OFFICIAL_ASYNC])
def test_a_request_of_the_client_is_recorded_as_it_wrote_it(
    raw_server: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    """Head and form are the client's; the key is the target's, and no record has it.

    What the user's environment holds for another API goes nowhere.
    """
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-api")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway-Key: key-of-another-api")
    seen: list[bytes] = []

    def reply(connection: socket.socket, head: bytes) -> None:
        seen.append(head)
        connection.sendall(FINE)

    probe = replace(
        transcription("hello.wav", model="m", wire=wire, timestamp_granularities=["word"]),
    )
    headers = [("Authorization", f"Bearer {KEY}")]
    with Client(raw_server(reply).base_url, headers=headers) as client:  # type: ignore[attr-defined]
        sender = Sender(client, Store(tmp_path, [KEY]), Library(), tmp_path)
        exchange = sender.answer(probe).exchange
    assert exchange.error is None
    assert f"Bearer {KEY}".encode() in seen[0]
    assert b"OpenAI/Python" in seen[0]
    assert b"another-api" not in seen[0]
    assert exchange.request.sender.startswith("openai ")
    assert [part["name"] for part in exchange.request.parts] == [
        "model",
        "timestamp_granularities[]",
        "file",
    ]
    assert exchange.request.parts[-1]["clip"] == "hello.wav"
    assert ("authorization", "[redacted]") in exchange.request.headers
    record = (tmp_path / f"{probe.digest}.json").read_text()
    assert KEY not in record
