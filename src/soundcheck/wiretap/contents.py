"""What a captured body carries: its envelopes, its parts, and what is packed into them."""

import json
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from soundcheck.http.sealed import Value, values_of
from soundcheck.http.tapped import Sealed
from soundcheck.wiretap.captured import PIECE, Captured

WHOLE = 4 * 2**20
"""Bytes up to which a body is taken apart in memory; larger forms are read part by part."""

UNPACKED = 64 * 2**20
"""Bytes that one compressed body or part is followed for."""

_HEAD, _LARGEST_HEAD = 2**10, 2**16
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;,]+))', re.IGNORECASE)
_ENVELOPE_HEAD = re.compile(rb'"([A-Za-z0-9+/]{43}=):([0-9a-f]{24}):([0-9a-f]{24}):')
_HEX = b"0123456789abcdef"
_TAG_DIGITS = 32
# The window bits of zlib: gzip or zlib by their own heads, or deflate without any.
_WITH_HEAD, _BARE = 47, -15


class Part(NamedTuple):
    """A part of a form: its field's name, and where in the body its content lies."""

    name: str
    start: int
    end: int


def values(
    body: Captured, content_type: str | None, direction: str
) -> tuple[tuple[Sealed, ...], tuple[str, ...]]:
    """Return the clear parts of every envelope in ``body``, and the names of what is none."""
    named: list[tuple[str, Sealed | None]]
    if body.size <= WHOLE:
        found = values_of(body.read(0, WHOLE), content_type)
        named = [(value.name, _of_value(value, direction)) for value in found]
    else:
        found_parts = parts(body, content_type)
        named = [(part.name, _of_part(body, part, direction)) for part in found_parts]
    clear = dict.fromkeys(name or "(body)" for name, sealed in named if sealed is None)
    return tuple(sealed for _, sealed in named if sealed is not None), tuple(clear)


def _of_value(value: Value, direction: str) -> Sealed | None:
    found = _ENVELOPE_HEAD.match(value.data)
    envelope = value.envelope if found else None
    if found is None or envelope is None:
        return None
    return _sealed(direction, value.name, found, len(envelope.ciphertext))


def _of_part(body: Captured, part: Part, direction: str) -> Sealed | None:
    """Return the envelope that a large part is, read piece by piece."""
    found = _ENVELOPE_HEAD.match(body.read(part.start, min(PIECE, part.end - part.start)))
    if found is None or body.read(part.end - 1, 1) != b'"':
        return None
    start, end = part.start + found.end(), part.end - 1
    if (end - start) % 2 or end - start < _TAG_DIGITS:
        return None
    if any(piece.translate(None, _HEX) for piece in body.pieces(start, end)):
        return None
    return _sealed(direction, part.name, found, (end - start) // 2)


def _sealed(direction: str, name: str, found: re.Match[bytes], size: int) -> Sealed:
    identifier, nonce, iv = (one.decode("ascii") for one in found.groups())
    return Sealed(direction, name, identifier, nonce, iv, size)


def parts(body: Captured, content_type: str | None) -> list[Part]:
    """Return the parts of a form, as far as it is in order; none of anything else."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    named = _BOUNDARY.search(content_type or "")
    if kind != "multipart/form-data" or named is None:
        return []
    delimiter = b"--" + (named[1] or named[2]).encode("latin-1", "replace")
    found: list[Part] = []
    marks = list(_occurrences(body, delimiter))
    for begin, after in pairwise(marks):
        head_start = begin + len(delimiter)
        head = body.read(head_start, min(_LARGEST_HEAD, after - head_start))
        head_size = head.find(b"\r\n\r\n")
        if head_size >= 0:
            start = head_start + head_size + 4
            name = re.search(rb'(?<![a-z])name="([^"\r\n]*)"', head[:head_size], re.IGNORECASE)
            text = name[1].decode("utf-8", "replace") if name else ""
            found.append(Part(text, start, max(start, after - 2)))
    return found


def _occurrences(body: Captured, wanted: bytes) -> Iterator[int]:
    begin, tail = 0, b""
    for piece in body.pieces():
        block = tail + piece
        at = block.find(wanted)
        while at >= 0:
            yield begin + at
            at = block.find(wanted, at + len(wanted))
        tail = block[-(len(wanted) - 1) :]
        begin += len(block) - len(tail)


def unpacked(body: Captured, content_type: str | None) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yield what the body and each part of a form hold compressed: where, and its pieces.

    Gzip, zlib and bare deflate are tried wherever they could begin; ordinary data end each try
    after a few bytes, and damaged data give what came before the damage.
    """
    places = [(0, body.size), *((part.start, part.end) for part in parts(body, content_type))]
    for start, end in dict.fromkeys(places):
        for bits in (_WITH_HEAD, _BARE):
            yield start, _inflated(body.pieces(start, end), bits)


def _inflated(pieces: Iterator[bytes], bits: int) -> Iterator[bytes]:
    machine, left = zlib.decompressobj(bits), UNPACKED
    for piece in pieces:
        waiting = piece
        while waiting and not machine.eof and left > 0:
            try:
                data = machine.decompress(waiting, PIECE)
            except zlib.error:
                return
            left -= len(data)
            waiting = machine.unconsumed_tail
            if data:
                yield data
        if machine.eof or left <= 0:
            return


def joined(body: Captured, content_type: str | None) -> bytes:
    """Return the texts of a stream's events, those of each member put together; else ``b""``.

    A text that is streamed word by word stands nowhere as a whole.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind != "text/event-stream" or body.size > WHOLE:
        return b""
    texts: dict[tuple[str | int, ...], list[str]] = {}
    for line in body.read(0, WHOLE).splitlines():
        if line.startswith(b"data:"):
            try:
                _collect(json.loads(line[5:]), (), texts)
            except (ValueError, RecursionError):
                continue
    return b"\n".join(
        "".join(pieces).encode("utf-8", "replace") for pieces in texts.values() if len(pieces) > 1
    )


def _collect(value: Any, at: tuple[str | int, ...], texts: dict[Any, list[str]]) -> None:
    if isinstance(value, str):
        texts.setdefault(at, []).append(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            _collect(member, (*at, name), texts)
    elif isinstance(value, list):
        for place, member in enumerate(value):
            _collect(member, (*at, place), texts)
