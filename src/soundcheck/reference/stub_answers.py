"""What the stub sends, ready made as far as it can be: only time stamps are put in later."""

import json
import time
from http import HTTPStatus
from typing import Any

from soundcheck.reference.stub import StubSettings

_ID = "transcribe-stub"
_MODEL = "whisper-large-v3"


class Answers:
    """The bytes of every answer."""

    def __init__(self, settings: StubSettings) -> None:
        vllm = settings.dialect == "vllm"
        transcription = {
            "text": settings.transcript,
            "usage": {"type": "duration", "seconds": 1},
        }
        if settings.status == HTTPStatus.OK:
            self.transcription = _json(200, transcription)
        else:
            self.transcription = _json(settings.status, _error("The stub was told to refuse."))
        self.malformed = _json(400, _error("The form does not end with its last boundary."))
        self.nothing_here = _json(404, _error("There is nothing at this URL."))
        self.unreadable = _json(
            400, _error("The stub needs a form with a Content-Length."), "close"
        )
        listed = {"id": _MODEL, "object": "model", "created": 0, "owned_by": "soundcheck-stub"}
        self.models = _json(200, {"object": "list", "data": [listed]})
        self.stream_head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        shape = _vllm_delta if vllm else _openai_delta
        self.deltas = tuple(_open_event(shape(piece)) for piece in settings.pieces)
        """Each delta's event up to where its time of sending goes."""
        ends = _vllm_end() if vllm else [json.dumps(_openai_end(settings.transcript))]
        self.stream_end = b"".join(map(_chunk, ends)) + b"0\r\n\r\n"

    def delta(self, number: int) -> bytes:
        """Return a delta that is sent now, as a chunk."""
        event = b'%b"sent_ns":%d}\n\n' % (self.deltas[number], time.monotonic_ns())
        return b"%x\r\n%b\r\n" % (len(event), event)


def _json(status: int, value: Any, connection: str = "keep-alive") -> bytes:
    body = json.dumps(value).encode()
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Status"
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: {connection}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "stub", "param": None, "code": None}}


def _open_event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)[:-1]}, ".encode()


def _chunk(data: str) -> bytes:
    event = f"data: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _openai_delta(piece: str) -> dict[str, Any]:
    return {"type": "transcript.text.delta", "delta": piece}


def _openai_end(text: str) -> dict[str, Any]:
    usage = {"type": "duration", "seconds": 1}
    return {"type": "transcript.text.done", "text": text, "usage": usage}


def _vllm_chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    about = {"id": _ID, "object": "transcription.chunk", "created": 0, "model": _MODEL}
    return {**about, "choices": choices}


def _vllm_delta(piece: str) -> dict[str, Any]:
    return _vllm_chunk([{"delta": {"content": piece}}])


def _vllm_end() -> list[str]:
    end = _vllm_chunk([{"delta": {"content": ""}, "finish_reason": "stop"}])
    return [json.dumps(end), "[DONE]"]
