"""A transcript as an event stream, in the event shapes of each dialect."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from soundcheck.reference import rendering
from soundcheck.reference.parameters import Request
from soundcheck.reference.tokens import audio_tokens, segment_texts, tokens
from soundcheck.reference.transcript import Transcript

DONE = b"data: [DONE]\n\n"


def frame(event: Any) -> bytes:
    """Return one server-sent event that carries a JSON value."""
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def openai_events(
    transcript: Transcript, request: Request, voices: Sequence[tuple[str, float]]
) -> Iterator[bytes]:
    """Yield delta events (a token each), segment events if diarized, and the done event."""
    scored = rendering.logprobs(transcript)
    diarized = request.response_format == "diarized_json"
    labelled = rendering.diarized_segments(transcript, voices) if diarized else []
    position = 0
    for index, text in enumerate(segment_texts(transcript)):
        for token in tokens(text):
            delta: dict[str, Any] = {"type": "transcript.text.delta", "delta": token}
            if request.logprobs:
                delta["logprobs"] = [scored[position]]
            if diarized:
                delta["segment_id"] = labelled[index]["id"]
            position += 1
            yield frame(delta)
        if diarized:
            yield frame(labelled[index])
    done: dict[str, Any] = {"type": "transcript.text.done", "text": transcript.text}
    if request.logprobs:
        done["logprobs"] = scored
    done["usage"] = rendering.token_usage(transcript, request)
    yield frame(done)


def vllm_chunks(transcript: Transcript, request: Request, request_id: str) -> Iterator[bytes]:
    """Yield a chunk per token, ``finish_reason`` at the end of each 30 s of audio, ``[DONE]``."""
    created = int(time.time())
    prompt = audio_tokens(transcript.duration) + len(tokens(request.prompt))
    sent = 0

    def usage() -> dict[str, int]:
        return {
            "prompt_tokens": prompt,
            "completion_tokens": sent,
            "total_tokens": prompt + sent,
        }

    def chunk(choices: list[dict[str, Any]], with_usage: bool) -> bytes:
        event: dict[str, Any] = {
            "id": f"transcribe-{request_id}",
            "object": "transcription.chunk",
            "created": created,
            "model": request.model.id,
            "choices": choices,
        }
        if with_usage:
            event["usage"] = usage()
        return frame(event)

    total = len(tokens(transcript.text))
    reason = "length" if request.max_tokens is not None and total >= request.max_tokens else "stop"
    windows = _windows(transcript)
    for number, pieces in enumerate(windows, 1):
        for piece in pieces or [""]:
            sent += bool(piece)
            yield chunk([{"delta": {"content": piece}}], request.continuous_usage)
        last = reason if number == len(windows) else "stop"
        end = {"delta": {"content": ""}, "finish_reason": last}
        yield chunk([end], request.continuous_usage)
    if request.stream_usage:
        yield chunk([], True)
    yield DONE


def _windows(transcript: Transcript) -> list[list[str]]:
    """Return the tokens by the 30 s of audio that they begin in; at least one window."""
    windows: dict[int, list[str]] = {}
    for segment, text in zip(transcript.segments, segment_texts(transcript), strict=True):
        windows.setdefault(int(segment.start // rendering.WINDOW_SECONDS), []).extend(tokens(text))
    return [windows[number] for number in sorted(windows)] or [[]]
