"""Server-sent events: a parser without input or output, by the rules of the WHATWG HTML standard.

Section 9.2.6, *Interpreting an event stream*. Beside the events it keeps what the rules pass over
in silence, since that is what tells a well-formed stream from one that is read by luck.
"""

import re
from functools import partial
from itertools import accumulate, repeat
from operator import add
from typing import Literal, NamedTuple, TypeAlias

MARK = b"\xef\xbb\xbf"
"""The byte order mark, which may stand at the beginning of a stream."""

MAX_EVENT = 2**20
"""Bytes of one event (its data, or a single line) after which it is given up on."""

_HELD = 4096
_LONGEST_RETRY = 15
_LINE_END = re.compile(rb"\r\n?|\n")
_OPENING, _BETWEEN, _CLOSING = b"data: ", b"\n\ndata: ", b"\n\n"
_OVERHEAD = len(_BETWEEN)

OddityKind: TypeAlias = Literal[
    "byte-order-mark",
    "carriage-return",
    "event-without-data",
    "id-with-nul",
    "invalid-retry",
    "invalid-utf8",
    "too-large",
    "unfinished",
    "unknown-field",
]


class Event(NamedTuple):
    """One event: its data, and the offset in the stream of the first byte after its last.

    The last byte is the one that ends the blank line: of CR LF it is the CR, after which nothing
    can change the event. ``last_id`` and ``retry`` (milliseconds) are the stream's so far.
    """

    data: str
    end: int
    type: str = "message"
    last_id: str = ""
    retry: int | None = None


_event = partial(tuple.__new__, Event)
"""Makes an event of its members in half the time that the constructor of a named tuple takes."""


class Oddity(NamedTuple):
    """Something that the rules pass over: how often, and where in the stream (bytes) first."""

    kind: OddityKind
    offset: int
    times: int
    detail: str = ""


class EventParser:
    """Takes a stream in pieces cut anywhere and gives its events as they are completed.

    Memory is bounded: an event of more than ``max_event`` bytes is dropped, which is recorded.
    """

    __slots__ = (
        "_after_cr",
        "_begin",
        "_data",
        "_events",
        "_held",
        "_is_between",
        "_last_id",
        "_line",
        "_line_begin",
        "_lost",
        "_max_event",
        "_oddities",
        "_offset",
        "_opening",
        "_retry",
        "_size",
        "_type",
    )

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._oddities: dict[OddityKind, Oddity] = {}
        self._events: list[Event] = []
        self._opening: bytes | None = b""
        self._is_between = False
        # Either the beginning of an event is held as bytes, or the fields below have it.
        self._held = b""
        self._line = bytearray()
        self._line_begin = 0
        self._after_cr = False
        self._data: list[str] = []
        self._size = 0
        self._type = ""
        self._lost = False
        self._begin = 0
        self._last_id = ""
        self._retry: int | None = None
        self._offset = 0

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """Return what was odd so far, one entry per kind, by offset."""
        return tuple(sorted(self._oddities.values(), key=lambda oddity: oddity.offset))

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that ``chunk``, the next bytes of the stream, completes."""
        if (data := self.only(chunk)) is not None:
            return [_event((data, self._offset, "message", self._last_id, self._retry))]
        if self._opening is not None:
            chunk = self._after_mark(self._opening + chunk)
        if self._line or self._after_cr or self._has_fields:
            self._take(chunk)
        elif chunk:
            self._take_from_between(chunk)
        self._is_between = not (
            self._opening is not None
            or self._held
            or self._line
            or self._after_cr
            or self._has_fields
        )
        events, self._events = self._events, []
        return events

    def only(self, chunk: bytes) -> str | None:
        """Return the data of ``chunk`` if it is one whole message and nothing else.

        None: it is anything else and was not taken; ``feed`` has to be given it. Servers send a
        frame, one line of data and a blank line, for each word: this is the way of most chunks.
        """
        if (
            not self._is_between
            or chunk[:6] != _OPENING
            or chunk[-2:] != _CLOSING
            or chunk.count(b"\n") != 2
            or b"\r" in chunk
            or len(chunk) > self._max_event
        ):
            return None
        try:
            data = chunk[6:-2].decode()
        except UnicodeDecodeError:
            return None
        self._offset += len(chunk)
        return data

    def close(self) -> None:
        """Take note that the stream has ended: an event without its blank line is none."""
        rest = (self._opening or b"") + self._held
        self._opening, self._held = None, b""
        self._take(rest)
        if self._after_cr:
            self._note("carriage-return", self._offset - 1)
            self._after_cr = False
        if self._line and not self._line.startswith(b":"):
            self._begun(self._line_begin)
            self._note("unfinished", self._begin, self._line.decode("utf-8", "replace"))
        elif self._has_fields:
            self._note("unfinished", self._begin)

    @property
    def _has_fields(self) -> bool:
        return bool(self._data or self._type or self._lost)

    def _after_mark(self, opening: bytes) -> bytes:
        """Return what follows the mark, nothing while it may still be incomplete."""
        if len(opening) < len(MARK) and MARK.startswith(opening):
            self._opening = opening
            return b""
        self._opening = None
        if not opening.startswith(MARK):
            return opening
        self._note("byte-order-mark", 0)
        self._offset = len(MARK)
        return opening[len(MARK) :]

    def _take_from_between(self, chunk: bytes) -> None:
        """Take a chunk that begins an event, or continues the one of which bytes are held."""
        block = self._held + chunk
        cut = block.rfind(b"\n\n") + 2
        if cut > 1:
            head, block = block[:cut], block[cut:]
            self._take_frames(head)
        self._held = b""
        # Only CR could complete an event here, and what grows long is better kept in its lines.
        if b"\r" in block or len(block) > _HELD:
            self._take(block)
        else:
            self._held = block

    def _take_frames(self, block: bytes) -> None:
        """Take whole events: at once if each is a single line of data, as is usual, else by line.

        A block that begins and ends like such events, and has no line ends but the two of each,
        consists of them. So nothing needs to be looked at event by event in Python.
        """
        if len(block) > self._max_event or b"\r" in block or not block.startswith(_OPENING):
            self._take(block)
            return
        pieces: list[bytes] | list[str]
        texts: list[str]
        try:
            if block.isascii():
                pieces = texts = block.decode()[len(_OPENING) : -len(_CLOSING)].split("\n\ndata: ")
            else:
                pieces = block[len(_OPENING) : -len(_CLOSING)].split(_BETWEEN)
                texts = list(map(bytes.decode, pieces))
        except UnicodeDecodeError:
            texts = []
        if block.count(b"\n") != 2 * len(texts):
            self._take(block)
            return
        first = self._offset + _OVERHEAD
        ends = map(add, accumulate(map(len, pieces)), range(first, first + len(block), _OVERHEAD))
        stream = repeat("message"), repeat(self._last_id), repeat(self._retry)
        self._events += map(_event, zip(texts, ends, *stream, strict=False))
        self._offset += len(block)

    def _take(self, block: bytes) -> None:
        """Take a block by its lines."""
        begin, start = self._offset, 0
        if self._after_cr and block:
            self._after_cr = False
            if block.startswith(b"\n"):
                start = 1
            else:
                self._note("carriage-return", begin - 1)
        for match in _LINE_END.finditer(block, start):
            line, at, start = block[start : match.start()], begin + start, match.end()
            if self._line:
                self._keep(line, at)
                line, at = bytes(self._line), self._line_begin
                self._line.clear()
            if match[0] == b"\r":
                if start == len(block):
                    self._after_cr = True
                else:
                    self._note("carriage-return", begin + match.start())
            self._take_line(line, at, begin + match.start() + 1)
        self._keep(block[start:], begin + start)
        self._offset = begin + len(block)

    def _keep(self, piece: bytes, offset: int) -> None:
        """Keep a piece of an unfinished line: of one that is too long, enough to tell that."""
        if not self._line:
            self._line_begin = offset
        self._line += piece[: max(0, self._max_event + 1 - len(self._line))]

    def _take_line(self, line: bytes, begin: int, end: int) -> None:
        """Take the line from ``begin`` to ``end``, the offset after the byte that ends it."""
        if not line:
            self._dispatch(end)
            return
        if len(line) > self._max_event:
            if not line.startswith(b":"):
                self._lose(begin)
            return
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = line.decode("utf-8", "replace")
            self._note("invalid-utf8", begin, text)
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                return  # a comment
            case "data":
                self._begun(begin)
                self._size += len(line)
                if self._size > self._max_event:
                    self._lose(begin)
                else:
                    self._data.append(value)
            case "event":
                self._begun(begin)
                self._type = value
            case "id" if "\0" in value:
                self._note("id-with-nul", begin, value)
            case "id":
                self._last_id = value
            case "retry" if value.isascii() and value.isdigit() and len(value) <= _LONGEST_RETRY:
                self._retry = int(value)
            case "retry":
                self._note("invalid-retry", begin, value)
            case _:
                self._note("unknown-field", begin, name)

    def _begun(self, offset: int) -> None:
        """Take note where an event begins: at its first line of data or type."""
        if not self._has_fields:
            self._begin = offset

    def _lose(self, offset: int) -> None:
        """Give up on the event at hand for its size."""
        self._begun(offset)
        if not self._lost:
            self._note("too-large", self._begin)
        self._lost = True
        self._data.clear()

    def _dispatch(self, end: int) -> None:
        """Act on a blank line: the event is complete, unless it is no event at all."""
        if self._data and not self._lost:
            data, kind = "\n".join(self._data), self._type or "message"
            self._events.append(Event(data, end, kind, self._last_id, self._retry))
        elif self._type and not self._lost:
            self._note("event-without-data", self._begin, self._type)
        self._data.clear()
        self._size, self._type, self._lost = 0, "", False

    def _note(self, kind: OddityKind, offset: int, detail: str = "") -> None:
        known = self._oddities.get(kind)
        if known is None:
            self._oddities[kind] = Oddity(kind, offset, 1, detail[:80])
        else:
            self._oddities[kind] = known._replace(times=known.times + 1)


def parse(body: bytes, max_event: int = MAX_EVENT) -> tuple[list[Event], tuple[Oddity, ...]]:
    """Return the events of a whole stream, and what was odd about it."""
    parser = EventParser(max_event)
    found = parser.feed(body)
    parser.close()
    return found, parser.oddities
