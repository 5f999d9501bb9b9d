"""Benchmark of the SSE parser, against reading the same stream line by line over httpx.

What is demanded is 100 MB/s, or a tenth of the time of the peer: the slower machine has the latter.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
from figures import Figure

from soundcheck.http.sse import EventParser

RATE = 100e6
"""Bytes per second."""

FASTER = 10
READ = 2**14
"""Bytes that come at once when a server is faster than its reader."""

EVENTS = 2_000
ROUNDS = 60


def sse_parser() -> Iterator[Figure]:
    """Yield the time of the parser for two sizes of frames.

    In large reads: as a share of what is allowed, which gates for frames of the usual size. Frame
    by frame, where calls cost more than bytes: as a share of the peer's time.
    """
    for size in (150, 60):
        frames = _frames(size)
        stream = b"".join(frames)
        reads = [stream[begin : begin + READ] for begin in range(0, len(stream), READ)]
        what = f"SSE parser, frames of {len(stream) / EVENTS:.0f} bytes"
        ours, peer = _measured(reads)
        allowed = max(len(stream) / RATE, peer / FASTER)
        told = f"{what} ({len(stream) / ours / 1e6:.0f} MB/s)"
        yield Figure(told, ours / allowed, "of the allowed time", 1, gates=size == 150)
        ours, peer = _measured(frames)
        told = f"{what}, one by one ({len(stream) / ours / 1e6:.0f} MB/s)"
        yield Figure(told, ours / peer, "of the peer's time", 1)


def _frames(size: int) -> list[bytes]:
    """Return delta frames of about ``size`` bytes."""
    words = itertools.cycle(["a", " library", " is", " more", " than", " books"])
    events = ({"type": "transcript.text.delta", "delta": w} for w in words)
    if size > 100:
        head = {"id": "transcribe-0123456789abcdef", "object": "transcription.chunk", "created": 1}
        events = (head | {"choices": [{"delta": {"content": w}}], "model": "m"} for w in words)
    texts = (json.dumps(event) for event in itertools.islice(events, EVENTS))
    return [f"data: {text}\n\n".encode() for text in texts]


def _measured(chunks: list[bytes]) -> tuple[float, float]:
    """Return the seconds of the parser and of the peer, the best of several, taken in turns."""
    ours, peer = [], []
    for _ in range(ROUNDS):
        ours.append(_seconds(_parsed, chunks))
        peer.append(_seconds(_line_by_line, chunks))
    return min(ours), min(peer)


def _seconds(read: Callable[[list[bytes]], int], chunks: list[bytes]) -> float:
    begin = time.perf_counter()
    if read(chunks) != EVENTS:
        raise SystemExit(f"{read.__name__} lost events")
    return time.perf_counter() - begin


def _parsed(chunks: list[bytes]) -> int:
    parser = EventParser()
    found = sum(len(parser.feed(chunk)) for chunk in chunks)
    parser.close()
    return found


def _line_by_line(chunks: list[bytes]) -> int:
    """Return the number of events that a client finds which decodes the lines of httpx."""
    head = {"Content-Type": "text/event-stream"}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, headers=head, content=iter(chunks)))
    decoder = _LineDecoder()
    with httpx.Client(transport=answer) as client, client.stream("GET", "http://peer/") as response:
        return sum(decoder.decode(line) is not None for line in response.iter_lines())


@dataclass(slots=True)
class _Decoded:
    data: str
    type: str | None
    last_id: str | None
    retry: int | None


class _LineDecoder:
    """Takes a line at a time, as client libraries do, and gives an event at each blank one."""

    def __init__(self) -> None:
        self._data: list[str] = []
        self._type: str | None = None
        self._last_id: str | None = None
        self._retry: int | None = None

    def decode(self, line: str) -> _Decoded | None:
        if not line:
            if not self._data and self._type is None:
                return None
            event = _Decoded("\n".join(self._data), self._type, self._last_id, self._retry)
            self._data, self._type, self._retry = [], None, None
            return event
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._last_id = value
        elif name == "retry" and value.isdecimal():
            self._retry = int(value)
        return None
