"""Answers member by member and event by event: sealed on one side, opened on the other."""

import json
from collections.abc import AsyncIterator, Callable, Container, Mapping

from soundcheck.http.sealed import values_of
from soundcheck.reference.private.cipher import Opener, Sealer, Tampered

DONE = b"[DONE]"
LONGEST_LINE = 16 * 2**20
_JSON = "application/json"

Change = Callable[[bytes], bytes]


def members(body: bytes) -> dict[str, bytes] | None:
    """Return the raw JSON of each member of an object, ``None`` for anything but an object."""
    values = values_of(body, _JSON)
    if not values and body.strip():
        return {}
    if not values or (values[0].start == 0 and len(values) == 1):
        return None
    return {value.name: value.data for value in values}


def write(values: Mapping[str, bytes]) -> bytes:
    """Return a JSON object of raw members."""
    return b"{" + b",".join(_key(name) + raw for name, raw in values.items()) + b"}"


def _key(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode() + b":"


def seal_body(body: bytes, sealer: Sealer, clear: Container[str]) -> bytes:
    """Return the answer sealed member by member; what is no JSON object is sealed whole."""
    values = members(body)
    if values is None:
        return body if "" in clear else sealer.seal(body)
    return _changed(values, sealer.seal, clear)


def open_body(body: bytes, opener: Opener, clear: Container[str]) -> bytes:
    """Return what was sealed; raises Tampered."""
    values = members(body)
    if values is None:
        return body if "" in clear else opener.open(body)
    return _changed(values, opener.open, clear)


def _changed(values: Mapping[str, bytes], change: Change, clear: Container[str]) -> bytes:
    return write(
        {name: values[name] if name in clear else change(values[name]) for name in sorted(values)}
    )


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Yield the lines that each chunk completes, without their ends; raises Tampered.

    A line that the stream's end leaves unfinished counts as one.
    """
    rest = b""
    async for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise Tampered("a line of the stream is too long")
        if complete:
            yield [line.removesuffix(b"\r") for line in complete]
    if rest:
        yield [rest]


async def seal_events(
    chunks: AsyncIterator[bytes], sealer: Sealer, clear: Container[str]
) -> AsyncIterator[bytes]:
    """Yield a stream with its events sealed, each as soon as its line is complete."""
    async for complete in lines(chunks):
        yield b"".join(_sealed_line(line, sealer, clear) + b"\n" for line in complete)


def _sealed_line(line: bytes, sealer: Sealer, clear: Container[str]) -> bytes:
    data = data_of(line)
    if data is None or data == DONE:
        return line
    return b"data: " + seal_body(data, sealer, clear)


async def open_events(
    chunks: AsyncIterator[bytes], opener: Opener, clear: Container[str], *, needs_end: bool
) -> AsyncIterator[bytes]:
    """Yield a stream with its events opened, each as soon as its line is complete.

    Raises Tampered for an event that is not in its place, and, if it ``needs_end``, for an end
    without the last event that the stream itself has. What nothing vouches for (comments, names
    of events) does not get through.
    """
    ended = False
    async for complete in lines(chunks):
        opened: list[bytes] = []
        for line in complete:
            data = data_of(line)
            if data is None:
                opened += [b"\n"] if not line else [b":\n"] if line.startswith(b":") else []
            elif data == DONE:
                _check_end(ended, opener, needs_end)
                opened.append(b"data: [DONE]\n")
            else:
                try:
                    value = open_body(data, opener, clear)
                except Tampered:
                    if opened:
                        yield b"".join(opened)
                    raise
                ended = ended or is_last(value)
                opened += [b"data: " + one + b"\n" for one in value.splitlines()]
        if opened:
            yield b"".join(opened)
    _check_end(ended, opener, needs_end)


def _check_end(ended: bool, opener: Opener, needs_end: bool) -> None:
    if needs_end and not (ended and opener.order.complete):
        raise Tampered("the stream ends before its last event")


def data_of(line: bytes) -> bytes | None:
    """Return the data of a stream's line, ``None`` for a line without."""
    if not line.startswith(b"data:"):
        return None
    return line[5:].removeprefix(b" ")


def is_last(event: bytes) -> bool:
    """Tell whether an event ends the transcript of its stream, in either dialect, or says why not.

    vLLM ends every 30 s of audio like that: the end of an earlier window cannot be told from it.
    """
    try:
        value = json.loads(event)
    except ValueError:
        return False
    if not isinstance(value, dict):
        return False
    if value.get("type") == "transcript.text.done" or "error" in value:
        return True
    choices = value.get("choices")
    return isinstance(choices, list) and any(map(_finished, choices))


def _finished(choice: object) -> bool:
    return isinstance(choice, dict) and choice.get("finish_reason") is not None
