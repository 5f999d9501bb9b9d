"""The values that a body carries, where they lie, and the envelopes among them.

Bodies are forms, JSON objects and event streams of JSON objects; what is none of these, or is
damaged, has one value without a name: the whole body.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from soundcheck.http.envelope import Envelope, NoEnvelope
from soundcheck.http.multipart import declared_boundary

_LABEL = re.compile(rb'(?<![a-z])(name|filename)="([^"\r\n]*)"', re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a body: ``data`` as it is on the wire, from the byte ``start`` of the body.

    ``name`` is that of the form field or the JSON member, ``event`` the number of the stream's
    event (from 0) that holds it, ``filename`` that of a form's file.
    """

    name: str
    data: bytes
    start: int
    event: int | None = None
    filename: str | None = None

    @property
    def end(self) -> int:
        """Return the first byte of the body after the value."""
        return self.start + len(self.data)

    @property
    def envelope(self) -> Envelope | None:
        """Return the envelope that the value is, ``None`` where it is none."""
        try:
            return Envelope.parse(self.data)
        except NoEnvelope:
            return None


def values_of(body: bytes, content_type: str | None) -> list[Value]:
    """Return the values of ``body`` in their order, of nested JSON only the top."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            return list(_form(body, content_type or ""))
        if kind == "text/event-stream":
            return list(_events(body))
        if body.lstrip().startswith(b"{"):
            return list(_members(body, 0, None))
    except (ValueError, RecursionError):
        pass
    return [Value("", body, 0)] if body else []


def _form(body: bytes, content_type: str) -> Iterator[Value]:
    boundary = declared_boundary(content_type)
    if boundary is None:
        raise ValueError("a form without a boundary")
    delimiter = b"--" + boundary.encode("latin-1")
    at = body.find(delimiter)
    if at < 0:
        raise ValueError("the boundary does not occur")
    while True:
        at += len(delimiter)
        if body[at : at + 2] == b"--":
            return
        head_end = body.find(b"\r\n\r\n", at)
        end = body.find(b"\r\n" + delimiter, at)
        if not at <= head_end < end:
            raise ValueError("a part that does not end")
        labels = {key.lower(): value for key, value in _LABEL.findall(body[at:head_end])}
        filename = labels.get(b"filename")
        start = head_end + 4
        yield Value(
            labels.get(b"name", b"").decode("utf-8", "replace"),
            body[start:end],
            start,
            filename=None if filename is None else filename.decode("utf-8", "replace"),
        )
        at = end + 2


def _events(body: bytes) -> Iterator[Value]:
    at = event = 0
    for line in body.splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            data = text[5:].lstrip(b" ")
            start = at + len(text) - len(data)
            try:
                yield from _members(data, start, event)
            except ValueError:
                yield Value("", data, start, event)
            event += 1
        at += len(line)


def _members(data: bytes, offset: int, event: int | None) -> Iterator[Value]:
    """Yield the members of the JSON object ``data``; raises ``ValueError`` for anything else."""
    text = data.decode("utf-8")
    decoder = json.JSONDecoder()
    if not isinstance(json.loads(text), dict):
        raise ValueError("no JSON object")
    at = _after_space(text, text.index("{") + 1)
    seen = 0  # characters that ``offset`` counts already
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)  # the colon
        _, end = decoder.raw_decode(text, at)
        offset += len(text[seen:at].encode())
        seen = at
        yield Value(name, text[at:end].encode(), offset, event)
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
