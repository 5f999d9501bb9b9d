"""What is recognised as a stream of events, each sent as soon as its segment is known.

An event is a JSON value, or the text DONE that ends a stream of vLLM's.
"""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from soundcheck.reference import rendering
from soundcheck.reference.parameters import Request
from soundcheck.reference.speakers import Speakers
from soundcheck.reference.tokens import Joiner, TokenLimit, audio_tokens, tokens
from soundcheck.reference.transcript import Hearing, Segment, Transcript, language_of

DONE = "[DONE]"

Json = dict[str, Any]


async def openai_events(
    heard: Hearing, request: Request, voices: Sequence[tuple[str, float]]
) -> AsyncIterator[Json]:
    """Yield delta events (a token each), segment events if diarized, and the done event."""
    diarized = request.response_format == "diarized_json"
    speakers = Speakers(voices)
    joiner = Joiner()
    segments: list[Segment] = []
    scored: list[Json] = []
    async for segment in heard.segments:
        segments.append(segment)
        text = joiner.add(segment.text)
        event = rendering.diarized_segment(
            segment, text, len(segments), speakers.label(segment) if diarized else ""
        )
        for entry in rendering.segment_logprobs(segment, text):
            delta: Json = {"type": "transcript.text.delta", "delta": entry["token"]}
            if request.logprobs:
                delta["logprobs"] = [entry]
            if diarized:
                delta["segment_id"] = event["id"]
            scored.append(entry)
            if heard.token is not None:
                await heard.token()
            yield delta
        if diarized:
            yield event
    done: Json = {"type": "transcript.text.done", "text": joiner.text}
    if request.logprobs:
        done["logprobs"] = scored
    whole = Transcript(heard.duration, language_of(segments), tuple(segments))
    if request.model.hints:
        done["languages"] = rendering.languages(whole)
    done["usage"] = rendering.token_usage(whole, request)
    yield done


async def vllm_chunks(
    heard: Hearing, request: Request, request_id: str
) -> AsyncIterator[Json | str]:
    """Yield a chunk per token, ``finish_reason`` at the end of each 30 s of audio, ``[DONE]``."""
    created = int(time.time())
    prompt = audio_tokens(heard.duration) + len(tokens(request.prompt))
    sent = 0

    def chunk(choices: list[Json], with_usage: bool = request.continuous_usage) -> Json:
        event: Json = {
            "id": f"transcribe-{request_id}",
            "object": "transcription.chunk",
            "created": created,
            "model": request.model.id,
            "choices": choices,
        }
        if with_usage:
            event["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": sent,
                "total_tokens": prompt + sent,
            }
        return event

    def content(piece: str) -> Json:
        return chunk([{"delta": {"content": piece}}])

    def end(reason: str) -> Json:
        return chunk([{"delta": {"content": ""}, "finish_reason": reason}])

    limit = TokenLimit(request.max_tokens)
    joiner = Joiner()
    window: int | None = None
    async for whole in heard.segments:
        segment = limit.take(whole)
        if segment is None:
            break
        number = int(segment.start // rendering.WINDOW_SECONDS)
        if window is not None and number != window:
            yield end("stop")
        window = number
        for piece in tokens(joiner.add(segment.text)):
            sent += 1
            if heard.token is not None:
                await heard.token()
            yield content(piece)
        if limit.reached:
            break
    if window is None:
        yield content("")
    yield end("length" if limit.reached else "stop")
    if request.stream_usage:
        yield chunk([], True)
    yield DONE
