"""Streamed answers: the events of a recorded exchange, in whichever dialect they are spoken."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from soundcheck.contract.strict_json import strict_json
from soundcheck.http.exchange import Response
from soundcheck.http.sse import Event, EventParser, Oddity

if TYPE_CHECKING:
    from soundcheck.contract.answer import Answer

Dialect: TypeAlias = Literal["openai", "vllm", "unknown"]

END_MARKER = "[DONE]"
DELTA, SEGMENT, DONE = (f"transcript.text.{kind}" for kind in ("delta", "segment", "done"))
CHUNK = "transcription.chunk"

MOST_EVENTS = 100_000
"""Events of a stream after which it is no transcript: hours of speech have fewer words."""

_SLICE = 2**16


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event: its data and type as sent, and the seconds after which its last byte arrived.

    ``value`` is its data read as strict JSON, ``None`` where ``problem`` says why it is none. The
    end marker is no JSON and no problem.
    """

    at: float
    data: str
    type: str
    value: Any = None
    problem: str = ""

    @property
    def ends(self) -> bool:
        """Tell whether it is the end marker, ``[DONE]``."""
        return self.data == END_MARKER

    @property
    def members(self) -> dict[str, Any]:
        """Return the members of its JSON object; none if it is not one."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def kind(self) -> str:
        """Return the type that its JSON names, as OpenAI's events do, ``""`` if it names none."""
        named = self.members.get("type")
        return named if isinstance(named, str) else ""

    @property
    def choices(self) -> list[dict[str, Any]]:
        """Return the choices of a chunk of vLLM's."""
        found = self.members.get("choices")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    @property
    def dialect(self) -> Dialect:
        """Return the dialect that its own members show."""
        if self.kind.startswith("transcript."):
            return "openai"
        if self.members.get("object") == CHUNK or isinstance(self.members.get("choices"), list):
            return "vllm"
        return "unknown"

    @property
    def text(self) -> str:
        """Return the piece of the transcript that it adds, in either dialect."""
        if self.kind == DELTA:
            return _text(self.members.get("delta"))
        deltas = (choice.get("delta") for choice in self.choices)
        return "".join(_text(d.get("content")) for d in deltas if isinstance(d, dict))

    @property
    def fails(self) -> bool:
        """Tell whether it reports an error."""
        reported = "error" in self.members and self.members["error"] is not None
        return reported or "error" in (self.kind, self.type)


@dataclass(frozen=True, slots=True)
class EventStream:
    """The events of an answer, and what was odd about their encoding.

    ``whole`` says that the transfer came to its proper end, whatever was in it.
    """

    events: tuple[StreamEvent, ...]
    oddities: tuple[Oddity, ...]
    whole: bool
    dialect: Dialect

    @property
    def pieces(self) -> tuple[StreamEvent, ...]:
        """Return the events that bring text."""
        return tuple(event for event in self.events if event.text)

    @property
    def text(self) -> str:
        """Return the text of all deltas, or chunks, joined."""
        return "".join(event.text for event in self.events)

    @property
    def done(self) -> StreamEvent | None:
        """Return OpenAI's done event, the first if there are several."""
        return next((event for event in self.events if event.kind == DONE), None)

    @property
    def error(self) -> StreamEvent | None:
        """Return the first event that reports an error."""
        return next((event for event in self.events if event.fails), None)

    @property
    def terminated(self) -> bool:
        """Tell whether the end of its dialect was sent: the done event, or vLLM's ``[DONE]``."""
        if self.dialect == "openai":
            return self.done is not None
        return any(event.ends for event in self.events)

    def oddity(self, *kinds: str) -> Oddity | None:
        """Return the first oddity of these kinds."""
        return next((oddity for oddity in self.oddities if oddity.kind in kinds), None)


def stream_of(answer: "Answer") -> EventStream:
    """Return the event stream that ``answer`` holds, also one that broke off.

    Raises ``AssertionError`` if there is no answer at all, and for more than ``MOST_EVENTS``.
    """
    exchange = answer.exchange
    if exchange.response is None:
        why = (
            "" if exchange.error is None else f" ({exchange.error.kind}): {exchange.error.message}"
        )
        raise AssertionError(f"no answer{why}")
    found, oddities = _parsed(exchange.response.body)
    arrivals = _arrivals(exchange.response, found)
    read = tuple(_read(event, at) for event, at in zip(found, arrivals, strict=True))
    dialects = (event.dialect for event in read)
    spoken: Dialect = next((dialect for dialect in dialects if dialect != "unknown"), "unknown")
    return EventStream(read, oddities, exchange.error is None, spoken)


def _parsed(body: bytes) -> tuple[list[Event], tuple[Oddity, ...]]:
    parser, found = EventParser(), list[Event]()
    for begin in range(0, len(body), _SLICE):
        found += parser.feed(body[begin : begin + _SLICE])
        if len(found) > MOST_EVENTS:
            raise AssertionError(f"the stream holds more than {MOST_EVENTS:,} events")
    parser.close()
    return found, parser.oddities


def _arrivals(response: Response, found: list[Event]) -> list[float]:
    """Return when the chunk came that held the last byte of each event, in seconds.

    Where redaction has changed the body's length, places near its end count for the last chunk.
    """
    if not response.chunks:
        return [0.0] * len(found)
    received = list(accumulate(size for _, size in response.chunks))
    last = len(received) - 1
    return [response.chunks[min(bisect_left(received, e.end), last)][0] for e in found]


def _read(event: Event, at: float) -> StreamEvent:
    if event.data == END_MARKER:
        return StreamEvent(at, event.data, event.type)
    try:
        return StreamEvent(at, event.data, event.type, strict_json(event.data))
    except ValueError as error:
        return StreamEvent(at, event.data, event.type, problem=str(error))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
