"""Legal differences between streamed answers: no check may flag any of them.

They can be had together, in the order in which they stand here.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count

from soundcheck.reference.faults.hooks import Benign, Call, Event, Registry, Reply
from soundcheck.reference.upload import Form

VARIATIONS = Registry(Benign)

_DONE = "transcript.text.done"
_EVENT_STREAM = "text/event-stream"
_USAGE_OPTIONS = ("stream_include_usage", "stream_continuous_usage_stats")


@VARIATIONS.form("stream-usage-always", "Usage is in every chunk, asked for or not.")
def _(form: Form, call: Call) -> Form:
    if call.dialect == "vllm" and (form.get("stream") or "").lower() == "true":
        for option in _USAGE_OPTIONS:
            form = form.with_field(option, "true")
    return form


@VARIATIONS.error("stream-error-event", "A client that takes only event streams gets errors so.")
def _(reply: Reply, call: Call) -> Reply:
    if call.accept != _EVENT_STREAM:
        return reply
    body = b"event: error\ndata: " + reply.body + b"\n\n"
    return replace(reply, body=body, media_type=_EVENT_STREAM)


@VARIATIONS.events("stream-done-marker", "[DONE] follows OpenAI's done event.")
async def _(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if isinstance(event, dict) and event.get("type") == _DONE:
            yield "[DONE]"


@VARIATIONS.events("stream-extra-members", "Events have members that no document names.")
async def _(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
    async for event in events:
        yield event | {"x_soundcheck": [None, {}]} if isinstance(event, dict) else event


@VARIATIONS.events("stream-begins-empty", "The first delta has no text.")
async def _(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
    first = True
    async for event in events:
        if first and isinstance(event, dict) and "delta" in event:
            yield event | {"delta": ""}
        elif first and isinstance(event, dict) and event.get("choices"):
            yield event | {"choices": [{"delta": {"content": ""}}]}
        first = False
        yield event


@VARIATIONS.frames("stream-json-escaped", "JSON in frames escapes what is not ASCII.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        data = frame.decode().removeprefix("data: ").strip()
        yield frame if data == "[DONE]" else f"data: {json.dumps(json.loads(data))}\n\n".encode()


@VARIATIONS.frames("stream-event-fields", "Frames have the fields event, id and retry.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    number = count()
    async for frame in frames:
        yield b"retry: 3000\nevent: message\nid: %d\n" % next(number) + frame


@VARIATIONS.frames("stream-comments", "Comments keep the connection alive.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    yield b": ping\n\n"
    async for frame in frames:
        yield frame
        yield b": ping\n\n"


@VARIATIONS.frames("stream-without-blanks", "Fields have no blank after the colon.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield frame.replace(b"data: ", b"data:", 1)


@VARIATIONS.frames("stream-crlf", "Lines end in CR LF.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield frame.replace(b"\n", b"\r\n")


@VARIATIONS.frames("stream-byte-order-mark", "A stream begins with a byte order mark.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    yield b"\xef\xbb\xbf"
    async for frame in frames:
        yield frame


@VARIATIONS.frames("stream-recut", "Frames are sent in twos, cut anywhere.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    held = b""
    async for frame in frames:
        if held:
            joined = held + frame
            held = joined[-5:]
            yield joined[:7]
            yield joined[7:-5]
        else:
            held = frame
    yield held
