"""HTTP/1.1 responses (RFC 9112), parsed as their bytes come in; without input or output.

The server is not trusted: the head, the body, the chunks and interim answers are all limited, and
what is not HTTP ends in a ``Failure``. How the bytes are cut makes no difference.
"""

import re
from functools import lru_cache

from soundcheck.http.limits import MAX_BODY, MAX_CHUNKS, MAX_INTERIM
from soundcheck.load.failure import Failure

MAX_HEAD = 2**16
"""Bytes of a response's head, and of its trailers."""

_LONGEST_LENGTH = 15
_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?:[ \r][^\n]*)?(?:\n|\Z)")
_FIELDS = re.compile(
    rb"\n(content-length|transfer-encoding|connection|content-type|content-encoding|location)"
    rb"[ \t]*:([^\n]*)",
    re.IGNORECASE,
)
_OPENING = b"HTTP/1."
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]{0,8}(?:;[^\r\n]{0,200})?\r\n")
_LONGEST_CHUNK_LINE = 8 + 8 + 201 + 2
_TOLD = 60

_HEAD, _SIZED, _ENDLESS, _SIZE_LINE, _CHUNK_DATA, _CHUNK_END, _TRAILERS, _COMPLETE = range(8)


def plain_body(data: bytes) -> bytes | None:
    """Return the body of a response in one piece of the most frequent kind, None for all others.

    Such a response has the status 200 and the length it says, and no header that would make it
    anything else: a parser finds the same of it, in several times the time.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    return body if end and _plain_length(head) == len(body) else None


@lru_cache(maxsize=256)
def _plain_length(head: bytes) -> int:
    """Return how long a response with this head says that its body is, -1 if not so plainly.

    Under load many heads are the same: their date has seconds.
    """
    text = head.decode("latin-1").lower()
    if (
        not head.startswith(b"HTTP/1.1 200 ")
        or "transfer-encoding" in text
        or "content-encoding" in text
        or "close" in text
        or "text/" in text
        or "\n\n" in text
        or "\n\r" in text
        or text.endswith("\n")
        or text.count("content-length") != 1
    ):
        return -1
    length = text.partition("\ncontent-length:")[2].partition("\r\n")[0].strip(" \t")
    is_number = length.isascii() and length.isdigit() and len(length) <= _LONGEST_LENGTH
    return int(length) if is_number else -1


class ResponseParser:
    """Takes the bytes of one response and gives those of its body.

    ``status`` is 0 until the head of the final answer is in (``has_head``). ``media_type`` is in
    lower case, without parameters. ``keeps_alive`` says, once ``complete``, whether the connection
    may be used again.
    """

    __slots__ = (
        "_chunks",
        "_interim",
        "_left",
        "_rest",
        "_searched",
        "_state",
        "_taken",
        "complete",
        "encoding",
        "has_head",
        "keeps_alive",
        "location",
        "media_type",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.has_head = self.complete = self.keeps_alive = False
        self.media_type = self.encoding = self.location = ""
        self._state = _HEAD
        self._rest = b""
        self._searched = self._left = self._taken = self._chunks = self._interim = 0

    def feed(self, data: bytes) -> bytes:
        """Return what ``data``, the next bytes, bring of the body; raises Failure."""
        state = self._state
        if state == _SIZE_LINE and not self._rest:
            # A server that streams sends a chunk at a time, and its size in the shortest way.
            begin = data.find(b"\r\n", 1, 9) + 2
            size = len(data) - begin - 2
            if size > 0 and data[: begin - 2] == b"%x" % size and data[-2:] == b"\r\n":
                self._taken += size
                self._chunks += 1
                if self._taken <= MAX_BODY and self._chunks <= MAX_CHUNKS:
                    return data[begin:-2]
                raise Failure("too-long", f"a stream of {self._chunks} chunks")
        if state == _HEAD:
            data = self._take_head(data)
            if not data and not self.has_head:
                return b""
            state = self._state
        if state == _SIZED:
            body = self._take_sized(data)
        elif state == _ENDLESS:
            body = data
        elif state == _COMPLETE:
            if data:
                self.keeps_alive = False  # it sends what nobody asked for
            return b""
        else:
            body = self._take_chunks(data)
        self._taken += len(body)
        if self._taken > MAX_BODY:
            raise Failure("too-long", f"an answer of more than {MAX_BODY} bytes")
        return body

    def close(self) -> None:
        """Take note that the connection has ended; raises Failure if the answer is cut by it."""
        if self._state == _ENDLESS:
            self._finish()
            self.keeps_alive = False
        elif not self.complete:
            raise Failure("reset", "the connection ended before the answer was complete")

    def _finish(self) -> None:
        self._state = _COMPLETE
        self.complete = True

    def _take_head(self, data: bytes) -> bytes:
        """Take heads, interim ones too; return what follows the final one."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        while True:
            if data[: len(_OPENING)] != _OPENING[: len(data)]:
                raise Failure("not-http", _start(data))
            found = _HEAD_END.search(data, self._searched)
            if (len(data) + 1 if found is None else found.end()) > MAX_HEAD:
                raise Failure("too-long", f"a head of more than {MAX_HEAD} bytes")
            if found is None:
                self._searched = max(0, len(data) - 2)
                self._rest = data
                return b""
            self._read_head(data[: found.start()])
            self._searched = 0
            data = data[found.end() :]
            if self.has_head:
                return data

    def _read_head(self, head: bytes) -> None:
        line = _STATUS_LINE.match(head)
        if line is None:
            raise Failure("not-http", _start(head))
        length: int | None = None
        coding = ""
        keeps_alive = line[1] == b"1"
        for name, value in _FIELDS.findall(head):
            text = value.strip().decode("latin-1")
            match name.lower():
                case b"content-length":
                    length = _length(text, length)
                case b"content-type":
                    self.media_type = text.partition(";")[0].rstrip().lower()
                case b"transfer-encoding":
                    coding += "," + text.lower()
                case b"connection":
                    keeps_alive = "close" not in text.lower() and (
                        keeps_alive or "keep-alive" in text.lower()
                    )
                case b"content-encoding":
                    self.encoding = text.lower()
                case _:
                    self.location = text
        status = int(line[2])
        if status == 101:
            raise Failure("not-http", "it changed to another protocol, unasked (101)")
        if status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise Failure("too-long", f"more than {MAX_INTERIM} interim answers")
            self.media_type = self.encoding = self.location = ""
            return
        self.status = status
        self.has_head = True
        self.keeps_alive = keeps_alive
        self._frame(length, coding.strip(", "))

    def _frame(self, length: int | None, coding: str) -> None:
        """Find out how the body's end is told (RFC 9112, section 6.3)."""
        if self.status in (204, 304):
            self._finish()
        elif coding:
            if coding != "chunked":
                raise Failure("not-http", f"an unknown transfer coding: {coding}")
            if length is not None:
                self.keeps_alive = False  # the two contradict each other
            self._state = _SIZE_LINE
        elif length is None:
            self.keeps_alive = False
            self._state = _ENDLESS
        elif length > MAX_BODY:
            raise Failure("too-long", f"an answer of {length} bytes")
        else:
            self._left = length
            self._state = _SIZED
            if not length:
                self._finish()

    def _take_sized(self, data: bytes) -> bytes:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        self._finish()
        if left:
            self.keeps_alive = False
            return data[: self._left]
        return data

    def _take_chunks(self, data: bytes) -> bytes:
        """Take a body in chunks (RFC 9112, section 7.1)."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        pieces = []
        at, size = 0, len(data)
        while at < size or self._state == _COMPLETE:
            if self._state == _SIZE_LINE:
                line = _CHUNK.match(data, at)
                if line is None:
                    if b"\n" in data[at:] or size - at >= _LONGEST_CHUNK_LINE:
                        raise Failure("not-http", "no size of a chunk: " + _start(data[at:]))
                    self._rest = data[at:]
                    break
                at = line.end()
                self._left = int(line[1], 16)
                self._chunks += 1
                if self._chunks > MAX_CHUNKS:
                    raise Failure("too-long", f"more than {MAX_CHUNKS} chunks")
                self._state = _CHUNK_DATA if self._left else _TRAILERS
            elif self._state == _CHUNK_DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _CHUNK_END
            elif self._state == _CHUNK_END:
                end = data[at : at + 2]
                if end != b"\r\n"[: len(end)]:
                    raise Failure("not-http", "a chunk longer than it says: " + _start(data[at:]))
                if len(end) < 2:
                    self._rest = end
                    break
                at += 2
                self._state = _SIZE_LINE
            elif self._state == _TRAILERS:
                at = self._take_trailers(data, at)
            else:
                if at < size:
                    self.keeps_alive = False
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_trailers(self, data: bytes, at: int) -> int:
        """Pass over the fields after the last chunk; return where they end."""
        if data.startswith(b"\r\n", at):
            self._finish()
            return at + 2
        end = data.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(data)) - at > MAX_HEAD:
            raise Failure("too-long", f"trailers of more than {MAX_HEAD} bytes")
        if end < 0:
            self._rest = data[at:]
            return len(data)
        self._finish()
        return end + 4


def _length(value: str, known: int | None) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > _LONGEST_LENGTH:
        raise Failure("not-http", f"no content length: {value[:_TOLD]}")
    if known is not None and known != int(value):
        raise Failure("not-http", "two content lengths that differ")
    return int(value)


def _start(data: bytes) -> str:
    return data[:_TOLD].decode("latin-1")
