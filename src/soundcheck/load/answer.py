"""What the body of an answer says: a transcript at once, or a stream of its pieces.

Both dialects of streams are read: OpenAI's ``transcript.text.delta`` and ``transcript.text.done``,
and vLLM's ``choices[].delta.content`` up to ``[DONE]``. Without input or output.
"""

import json
from collections.abc import Callable
from typing import Any

from soundcheck.http.limits import MAX_CHUNKS
from soundcheck.http.sse import EventParser
from soundcheck.load.failure import Failure

END_MARKER = "[DONE]"
DELTA, DONE = "transcript.text.delta", "transcript.text.done"

MAX_EVENTS = MAX_CHUNKS
"""Events of a stream after which it is no transcript: hours of speech have fewer words."""

_TOLD = 150
_decoder: Any = json.JSONDecoder()
_scan = _decoder.scan_once


class StreamReader:
    """Takes a stream's bytes and keeps its text.

    ``ended`` says that the end of its dialect came: what follows is of no interest. ``heard`` gets
    the data of each event.
    """

    __slots__ = ("_done", "_events", "_feed", "_heard", "_only", "_text", "ended")

    def __init__(self, heard: Callable[[str], None] | None = None) -> None:
        self.ended = False
        parser = EventParser()
        self._feed, self._only = parser.feed, parser.only
        self._heard = heard
        self._events = 0
        self._text = bytearray()  # a list of as many words takes ten times the memory
        self._done = ""

    @property
    def text(self) -> str:
        """Return the pieces joined, or what the last event says where there were none."""
        return self._text.decode("utf-8", "surrogatepass") or self._done

    def feed(self, data: bytes) -> int:
        """Take the next bytes; return how many events with text they complete.

        Raises Failure for an event of an error and for one that is no JSON.
        """
        only = self._only(data)
        if only is not None:
            return self._take(only)
        pieces = 0
        for event in self._feed(data):
            pieces += self._take(event.data, event.type)
            if self.ended:
                break
        return pieces

    def _take(self, content: str, of_type: str = "message") -> int:
        """Take the data of an event; return 1 if it has text, else 0."""
        if self._heard is not None:
            self._heard(content)
        try:
            value = _json(content)
        except (ValueError, RecursionError):
            self._unusual(content, of_type)
            return 0
        self._events += 1
        if self._events > MAX_EVENTS:
            raise Failure("too-long", f"more than {MAX_EVENTS} events")
        if type(value) is not dict:
            return 0
        kind = value.get("type")
        if kind == DELTA:
            piece = value.get("delta")
        elif value.get("error") is not None or "error" in (kind, of_type):
            raise Failure("stream-error", message(value))
        elif kind == DONE:
            self.ended = True
            text = value.get("text")
            self._done = text if isinstance(text, str) else ""
            return 0
        else:
            piece = _content(value.get("choices"))
        if not piece or type(piece) is not str:
            return 0
        self._text += piece.encode("utf-8", "surrogatepass")
        return 1

    def _unusual(self, content: str, of_type: str) -> None:
        """Take an event whose data is no JSON: the end of vLLM's dialect; raises Failure."""
        if content == END_MARKER:
            self.ended = True
            return
        cause = "stream-error" if of_type == "error" else "not-json"
        raise Failure(cause, f"an event: {content[:_TOLD]}") from None


def _json(text: str) -> Any:
    """Return the value of a JSON text; raises ValueError or RecursionError."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    # The scanner knows no space around a value, but takes half the time.
    return value if end == len(text) else json.loads(text)


def _content(choices: Any) -> str | None:
    """Return the text of a chunk's choices, of which there is one."""
    try:
        return choices[0]["delta"]["content"]  # type: ignore[no-any-return]  # looked at later
    except (LookupError, TypeError):
        return None


def transcript(body: bytes, *, is_plain_text: bool, media_type: str = "") -> str:
    """Return the transcript in a whole answer; raises Failure where there is none.

    ``is_plain_text`` says that the request allows an answer that is no JSON.
    """
    try:
        value = _json(body.decode())
    except (ValueError, RecursionError):
        value = None
    if type(value) is dict and type(text := value.get("text")) is str:
        return text
    if is_plain_text and type(value) is not dict and media_type != "text/html":
        return body.decode("utf-8", "replace")
    raise Failure("not-json" if value is None else "no-text", _start(body))


def refusal(status: int, body: bytes, location: str) -> Failure:
    """Return the failure that an answer with a status from 300 is."""
    if status < 400:
        return Failure("redirect", f"{status}: to {location}" if location else str(status))
    try:
        told = message(json.loads(body))
    except (ValueError, RecursionError):
        told = ""
    cause = "overload" if status == 429 else "http-5xx" if status >= 500 else "http-4xx"
    return Failure(cause, f"{status}: {told or _start(body)}")


def message(value: Any) -> str:
    """Return what an error document tells, as far as it can be found."""
    found = value
    for _ in range(2):
        if isinstance(found, dict):
            found = found.get("error") or found.get("message") or found.get("detail") or found
    return (found if isinstance(found, str) else json.dumps(found))[:_TOLD]


def _start(body: bytes) -> str:
    return body[:_TOLD].decode("utf-8", "replace")
