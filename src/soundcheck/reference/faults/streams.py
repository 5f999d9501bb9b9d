"""Faults of streamed answers, in both dialects (area STREAM)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from soundcheck.reference.faults.hooks import BreakOff, Call, Event, Fault, Registry, Reply
from soundcheck.reference.transcript import Transcript
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_DONE_MARKER = "[DONE]"
_DELTA, _SEGMENT, _DONE = (f"transcript.text.{kind}" for kind in ("delta", "segment", "done"))
_EVENT_STREAM = "text/event-stream"
_ENDLESS = b": and so on\n" * 5000
_LATE_SECONDS = 30.0
_LATE = "\N{SYMBOL FOR END OF TRANSMISSION}"

_Change = Callable[[list[Event], Call], list[Event]]


def _events(name: str, sentence: str) -> Callable[[_Change], _Change]:
    """Declare what changes the events of a stream once all of them are known."""

    def declare(change: _Change) -> _Change:
        @FAULTS.events(name, sentence)
        async def changed(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
            for event in change([event async for event in events], call):
                yield event

        return change

    return declare


def _text(event: Event) -> str:
    """Return the piece of the transcript that an event brings, in either dialect."""
    if not isinstance(event, dict):
        return ""
    if event.get("type") == _DELTA:
        return str(event["delta"])
    return "".join(choice["delta"]["content"] for choice in event.get("choices", []))


def _with_text(event: Event, text: str) -> Event:
    """Return an event that brings another piece of the transcript."""
    if "delta" in event:
        return event | {"delta": text}
    return event | {"choices": [event["choices"][0] | {"delta": {"content": text}}]}


def _pieces(events: list[Event]) -> list[int]:
    """Return the places of the events that bring text."""
    return [place for place, event in enumerate(events) if _text(event)]


def _middle(events: list[Event]) -> int:
    """Return the place of the delta in the middle of the text, or the last event's."""
    places = _pieces(events) or [len(events) - 1]
    return places[len(places) // 2]


def _is(event: Event, kind: str) -> bool:
    return isinstance(event, dict) and event.get("type") == kind


def _without(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if not _is(event, kind)]


# -- the answer as a whole ------------------------------------------------------------------------


@FAULTS.form("stream-ignored", "stream=true is ignored.")
def _(form: Form, call: Call) -> Form:
    return form.with_field("stream", None)


@FAULTS.stream_reply("stream-mislabelled", "An event stream is sent as text/plain.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, media_type="text/plain; charset=utf-8")


@_events("stream-empty", "An event stream holds no event.")
def _(events: list[Event], call: Call) -> list[Event]:
    return []


@FAULTS.frames("stream-endless", "An event stream never ends.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield frame
    while True:
        yield _ENDLESS
        await asyncio.sleep(0)  # once the client has left, nothing else lets that be noticed


@FAULTS.frames("stream-trickles", "An event stream comes at one byte a second.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        for place in range(len(frame)):
            yield frame[place : place + 1]
            await asyncio.sleep(1)


@_events("stream-ends-early", "A stream ends in the middle as if it were complete.")
def _(events: list[Event], call: Call) -> list[Event]:
    return events[: len(events) // 2]


@_events("stream-fails-midway", "A stream stops in the middle with an error.")
def _(events: list[Event], call: Call) -> list[Event]:
    error = {"error": {"message": "Out of memory.", "type": "server_error"}}
    end = [_DONE_MARKER] if call.dialect == "vllm" else []
    return [*events[: len(events) // 2], error, *end]


@FAULTS.events("stream-breaks-off", "The connection breaks in the middle of a stream.")
async def _(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
    sent = 0
    async for event in events:
        if sent == 3:
            raise BreakOff
        sent += 1
        yield event


@FAULTS.frames("stream-buffered", "A stream is held back until it is complete.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    yield b"".join([frame async for frame in frames])


@_events("stream-in-one-piece", "The whole text comes in one delta.")
def _(events: list[Event], call: Call) -> list[Event]:
    places = _pieces(events)
    if not places:
        return events
    whole = "".join(_text(event) for event in events)
    rest = [event for place, event in enumerate(events) if place not in places[1:]]
    rest[places[0]] = _with_text(rest[places[0]], whole)
    return rest


# -- dialects -------------------------------------------------------------------------------------


@_events("stream-in-vllm-dialect", "A stream holds chunks of vLLM's dialect.")
def _(events: list[Event], call: Call) -> list[Event]:
    if call.dialect == "vllm":
        return events
    head = {"id": "transcribe-1", "object": "transcription.chunk", "created": 1, "model": "m"}
    texts = [_text(event) for event in events if _is(event, _DELTA)]
    choices: list[dict[str, Any]] = [{"delta": {"content": text}} for text in texts]
    choices.append({"delta": {"content": ""}, "finish_reason": "stop"})
    return [*(head | {"choices": [choice]} for choice in choices), _DONE_MARKER]


@_events("stream-in-openai-dialect", "A stream holds events of OpenAI's dialect.")
def _(events: list[Event], call: Call) -> list[Event]:
    if call.dialect == "openai":
        return events
    texts = [_text(event) for event in events if _text(event)]
    deltas = [{"type": _DELTA, "delta": text} for text in texts]
    return [*deltas, {"type": _DONE, "text": "".join(texts)}]


# -- frames ---------------------------------------------------------------------------------------


@FAULTS.frames("stream-unknown-field", "Frames have a field that the grammar does not know.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield b"chunk: 1\n" + frame


@FAULTS.frames("stream-invalid-utf8", "A frame holds a byte that is not UTF-8.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        before, quote, after = frame.rpartition(b'"')
        yield before + (b"\xff" + quote if quote else b"") + after


@FAULTS.frames("stream-frames-unseparated", "Between two frames the blank line is missing.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    odd = False
    async for frame in frames:
        odd = not odd
        yield frame.replace(b"\n\n", b"\n") if odd else frame
    yield b"\n"


@FAULTS.frames("stream-broken-json", "The JSON of a frame lacks its last brace.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield frame.replace(b"}\n\n", b"\n\n")


@FAULTS.frames("stream-last-frame-open", "The last frame lacks its blank line.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    held = b""
    async for frame in frames:
        yield held
        held = frame
    yield held[:-1]


# -- OpenAI's events ------------------------------------------------------------------------------


@_events("stream-unknown-event", "A delta has a type that no document names.")
def _(events: list[Event], call: Call) -> list[Event]:
    return [e | {"type": "transcript.text.partial"} if _is(e, _DELTA) else e for e in events]


@_events("stream-delta-not-string", "A delta is a list.")
def _(events: list[Event], call: Call) -> list[Event]:
    return [e | {"delta": [e["delta"]]} if _is(e, _DELTA) else e for e in events]


@_events("stream-done-without-text", "The done event has no text.")
def _(events: list[Event], call: Call) -> list[Event]:
    return [{"type": _DONE} if _is(event, _DONE) else event for event in events]


@_events("stream-without-done", "A stream has no done event.")
def _(events: list[Event], call: Call) -> list[Event]:
    return _without(events, _DONE)


@_events("stream-done-twice", "The done event comes twice.")
def _(events: list[Event], call: Call) -> list[Event]:
    return [*events, *(event for event in events if _is(event, _DONE))]


@_events("stream-delta-after-done", "A delta follows the done event.")
def _(events: list[Event], call: Call) -> list[Event]:
    return [*events, {"type": _DELTA, "delta": "."}]


@_events("stream-delta-lost", "A delta in the middle is missing.")
def _(events: list[Event], call: Call) -> list[Event]:
    lost = _middle(events)
    return [*events[:lost], *events[lost + 1 :]]


@_events("stream-delta-twice", "A delta in the middle is sent twice.")
def _(events: list[Event], call: Call) -> list[Event]:
    twice = _middle(events)
    return [*events[: twice + 1], *events[twice:]]


@_events("stream-deltas-swapped", "Two deltas are sent in the wrong order.")
def _(events: list[Event], call: Call) -> list[Event]:
    second = _middle(events)
    first = second - 1
    return [*events[:first], events[second], events[first], *events[second + 1 :]]


@_events("stream-done-without-usage", "The done event has no usage.")
def _(events: list[Event], call: Call) -> list[Event]:
    for event in events:
        if _is(event, _DONE):
            event.pop("usage", None)
    return events


@_events("stream-without-segments", "A diarized stream has no segment events.")
def _(events: list[Event], call: Call) -> list[Event]:
    return _without(events, _SEGMENT)


@_events("stream-segment-member-missing", "A segment event has no speaker.")
def _(events: list[Event], call: Call) -> list[Event]:
    for event in events:
        if _is(event, _SEGMENT):
            del event["speaker"]
    return events


@_events("stream-segments-unordered", "The first segment event comes last.")
def _(events: list[Event], call: Call) -> list[Event]:
    places = [place for place, event in enumerate(events) if _is(event, _SEGMENT)]
    if places:
        first, last = places[0], places[-1]
        events[first], events[last] = events[last], events[first]
    return events


@_events("stream-segments-after-done", "Segment events follow the done event.")
def _(events: list[Event], call: Call) -> list[Event]:
    return _without(events, _SEGMENT) + [event for event in events if _is(event, _SEGMENT)]


# -- vLLM's chunks --------------------------------------------------------------------------------


def _chunks(events: list[Event]) -> list[dict[str, Any]]:
    return [event for event in events if isinstance(event, dict) and "choices" in event]


@_events("stream-chunk-object-wrong", "Chunks are called those of a chat.")
def _(events: list[Event], call: Call) -> list[Event]:
    for chunk in _chunks(events):
        chunk["object"] = "chat.completion.chunk"
    return events


@_events("stream-chunk-ids-differ", "Each chunk has an id of its own.")
def _(events: list[Event], call: Call) -> list[Event]:
    for number, chunk in enumerate(_chunks(events)):
        chunk["id"] += f"-{number}"
    return events


@_events("stream-chunk-content-null", "The content of the last chunk is null.")
def _(events: list[Event], call: Call) -> list[Event]:
    for chunk in [chunk for chunk in _chunks(events) if chunk["choices"]][-1:]:
        chunk["choices"][0]["delta"]["content"] = None
    return events


@_events("stream-chunk-two-choices", "Chunks have two choices.")
def _(events: list[Event], call: Call) -> list[Event]:
    for chunk in _chunks(events):
        chunk["choices"] *= 2
    return events


@_events("stream-without-done-marker", "A stream of chunks ends without [DONE].")
def _(events: list[Event], call: Call) -> list[Event]:
    return [event for event in events if event != _DONE_MARKER]


@_events("stream-after-done-marker", "A chunk follows [DONE].")
def _(events: list[Event], call: Call) -> list[Event]:
    return [*events, *_chunks(events)[-1:]]


@_events("stream-without-usage", "Chunks have no usage, though it was asked for.")
def _(events: list[Event], call: Call) -> list[Event]:
    for chunk in _chunks(events):
        chunk.pop("usage", None)
    return [event for event in events if event == _DONE_MARKER or event["choices"]]


@_events("stream-total-wrong", "The total of tokens is not the sum of its parts.")
def _(events: list[Event], call: Call) -> list[Event]:
    for event in events:
        if isinstance(event, dict) and "usage" in event:
            event["usage"]["total_tokens"] += 1
    return events


@_events("stream-without-finish-reason", "No chunk has a finish_reason.")
def _(events: list[Event], call: Call) -> list[Event]:
    for chunk in _chunks(events):
        for choice in chunk["choices"]:
            choice.pop("finish_reason", None)
    return events


@_events("stream-finish-length", "The text is cut, and finish_reason says so.")
def _(events: list[Event], call: Call) -> list[Event]:
    for chunk in _chunks(events):
        for choice in chunk["choices"]:
            if "finish_reason" in choice:
                choice["finish_reason"] = "length"
    return events


# -- the text -------------------------------------------------------------------------------------


@_events("stream-text-differs", "The streamed text lacks its last word.")
def _(events: list[Event], call: Call) -> list[Event]:
    places = _pieces(events)
    kept = [event for place, event in enumerate(events) if place not in places[-1:]]
    return _retold(kept)


@_events("stream-text-empty", "The streamed text is empty.")
def _(events: list[Event], call: Call) -> list[Event]:
    places = _pieces(events)
    return _retold([event for place, event in enumerate(events) if place not in places])


@FAULTS.hear("stream-loses-second-half", "The streamed text lacks what is said after 30 seconds.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if not _is_streamed(call):
        return transcript
    first = tuple(one for one in transcript.segments if one.start < _LATE_SECONDS)
    return replace(transcript, segments=first)


def _with_late_marked(transcript: Transcript, call: Call) -> Transcript:
    """Return the transcript with a mark as the text of what is said after 30 seconds."""
    if not _is_streamed(call):
        return transcript
    marked = (
        replace(one, text=_LATE) if one.start >= _LATE_SECONDS else one
        for one in transcript.segments
    )
    return replace(transcript, segments=tuple(marked))


async def _until_late(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
    async for event in events:
        if _LATE in _text(event):
            return
        yield event


FAULTS.add(
    "stream-cut-after-30s",
    "A stream stops with the text of the first 30 seconds, without its end.",
    hear=_with_late_marked,
    events=_until_late,
)


def _retold(events: list[Event]) -> list[Event]:
    """Return the events with the text of the deltas in the done event."""
    text = "".join(map(_text, events))
    return [event | {"text": text} if _is(event, _DONE) else event for event in events]


@FAULTS.frames("stream-characters-split", "Bytes of a character are cut between two frames.")
async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for frame in frames:
        lead = next((place for place, byte in enumerate(frame) if byte >= 0xC0), None)
        if lead is None:
            yield frame
            continue
        behind = lead + 1
        while 0x80 <= frame[behind] < 0xC0:
            behind += 1
        yield frame[: lead + 1] + frame[behind:]
        yield frame[:lead] + frame[lead + 1 :]


@_events("stream-characters-replaced", "Characters cut between two deltas are replaced.")
def _(events: list[Event], call: Call) -> list[Event]:
    changed = []
    for event in events:
        text = _text(event)
        at = next((n for n, character in enumerate(text) if not character.isascii()), None)
        if at is None:
            changed.append(event)
        else:
            changed.append(_with_text(event, text[:at] + "\N{REPLACEMENT CHARACTER}"))
            changed.append(_with_text(event, "\N{REPLACEMENT CHARACTER}" + text[at + 1 :]))
    return changed


# -- errors ---------------------------------------------------------------------------------------


def _is_streamed(call: Call) -> bool:
    return call.request is not None and call.request.stream


@FAULTS.error("stream-error-as-200", "A refusal is streamed with status 200.")
def _(reply: Reply, call: Call) -> Reply:
    if not _is_streamed(call):
        return reply
    body = b"data: " + reply.body + b"\n\ndata: [DONE]\n\n"
    return replace(reply, status=200, body=body, media_type=_EVENT_STREAM)


@FAULTS.error("stream-error-as-text", "A refused stream is answered in plain text.")
def _(reply: Reply, call: Call) -> Reply:
    if not _is_streamed(call):
        return reply
    return replace(reply, body=b"Bad request.", media_type="text/plain; charset=utf-8")


@FAULTS.error("stream-error-split", "An error event and its data are two events.")
def _(reply: Reply, call: Call) -> Reply:
    if call.accept != _EVENT_STREAM:
        return reply
    body = b"event: error\n\ndata: " + reply.body + b"\n\n"
    return replace(reply, body=body, media_type=_EVENT_STREAM)
