"""Multipart form bodies (RFC 7578) whose parts keep their order, names and types as given.

A form may also be wrong on purpose: a part's bytes given one by one (``Crafted``), or the way in
which the parts are put together (``Frame``).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Field:
    """A text part of a form; bytes are sent as they are."""

    name: str
    value: str | bytes


@dataclass(frozen=True, slots=True)
class File:
    """A file part of a form: the clip whose bytes it carries, and how it is labelled.

    ``filename`` or ``content_type`` of ``None`` leaves that label out.
    """

    name: str
    clip: str
    filename: str | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class DataURL:
    """A text part whose value is a clip as a data URL in base64."""

    name: str
    clip: str


@dataclass(frozen=True, slots=True)
class Crafted:
    """A part given to the byte: its ``head`` without the empty line after it, and its content.

    That is ``data``, the bytes of ``clip`` if one is named, and ``after``. ``name`` is what reports
    call the part, whatever the head says.
    """

    name: str
    head: bytes
    data: bytes = b""
    clip: str = ""
    after: bytes = b""


Part: TypeAlias = Field | File | Crafted | DataURL


@dataclass(frozen=True, slots=True)
class Frame:
    """How the parts of a form are put together; by default as RFC 7578 says.

    ``boundary`` is written in the place of the one that the Content-Type declares, ``preamble`` and
    ``epilogue`` stand before the first and after the last. ``line`` ends the lines of the form and
    of the heads of its parts (those that are not crafted), ``dashes`` stand before each boundary,
    ``blank`` lets an empty line follow a head, ``final`` a boundary the last part; ``missing``
    bytes are cut off the end of the whole.
    """

    boundary: str = ""
    preamble: bytes = b""
    line: bytes = b"\r\n"
    dashes: bytes = b"--"
    blank: bool = True
    final: bool = True
    epilogue: bytes = b""
    missing: int = 0

    def described(self) -> dict[str, str]:
        """Return what is otherwise than by default, by name; bytes are escaped."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        usual = {one.name: one.default for one in fields(self)}
        return {
            name: escaped(value) if isinstance(value, bytes) else str(value)
            for name, value in told.items()
            if value != usual[name]
        }


WELL_FORMED = Frame()


def escaped(data: bytes) -> str:
    """Return bytes as printable ASCII from which they can be told: all others as escapes."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


BOUNDARY_PREFIX = "soundcheck-"
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;,]+))', re.IGNORECASE)

PIECE = 2**18
"""Bytes of a file that are read and sent at a time."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a part carries: ``data``, or the first ``size`` bytes of ``path`` with this digest."""

    data: bytes = b""
    path: Path | None = None
    size: int = 0
    sha256: str = ""

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return len(self.data) if self.path is None else self.size

    @property
    def digest(self) -> bytes:
        """Return what identifies the bytes."""
        return self.data if self.path is None else self.sha256.encode()

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, a file's piece by piece."""
        if self.path is None:
            yield self.data
            return
        left = self.size
        with self.path.open("rb") as file:
            while piece := file.read(min(PIECE, left)):
                left -= len(piece)
                yield piece


@dataclass(frozen=True, slots=True)
class Body:
    """An encoded form: its ``length`` in bytes is known before a file of it is read."""

    content_type: str
    length: int
    _contents: tuple[Content, ...]

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, large files piece by piece; each time from the start."""
        for content in self._contents:
            yield from content.pieces()

    def read(self) -> bytes:
        """Return all bytes."""
        return b"".join(self)


def declared_boundary(content_type: str) -> str | None:
    """Return the boundary that a ``Content-Type`` names, without its quotes."""
    found = _BOUNDARY.search(content_type)
    return None if found is None else found[1] or found[2]


def encode(
    parts: Iterable[tuple[Part, Content]], content_type: str = "", frame: Frame = WELL_FORMED
) -> Body:
    """Return the body for ``parts``, each with what it carries (a crafted one: its clip).

    The boundary is the one that ``content_type`` names, where it is given. Else it is derived from
    the contents, so equal forms have equal bytes and no payload can be prepared to contain it.
    """
    prepared = [(_head(part, frame.line), part, content) for part, content in parts]
    digest = hashlib.sha256()
    for head, part, content in prepared:
        digest.update(content.length.to_bytes(8, "big") + head)
        digest.update(content.digest)
        if isinstance(part, Crafted):
            digest.update(len(part.data).to_bytes(8, "big") + part.data + part.after)
    if frame != WELL_FORMED:
        digest.update(repr(frame).encode())
    boundary = declared_boundary(content_type) or BOUNDARY_PREFIX + digest.hexdigest()[:32]
    delimiter = frame.dashes + (frame.boundary or boundary).encode()
    contents = [Content(frame.preamble)]
    lead = delimiter
    for head, part, content in prepared:
        opening = lead + frame.line + head + frame.line + (frame.line if frame.blank else b"")
        if isinstance(part, Crafted):
            contents += [Content(opening + part.data), content, Content(part.after)]
        else:
            contents += [Content(opening), content]
        lead = frame.line + delimiter
    if frame.final:
        contents.append(Content(lead + b"--" + frame.line))
    contents.append(Content(frame.epilogue))
    contents = _without_last(contents, frame.missing)
    return Body(
        content_type or f"multipart/form-data; boundary={boundary}",
        sum(content.length for content in contents),
        tuple(contents),
    )


def _without_last(contents: list[Content], missing: int) -> list[Content]:
    """Return ``contents`` less so many bytes at their end."""
    left = contents[:]
    while missing and left:
        last = left.pop()
        kept = max(0, last.length - missing)
        missing -= last.length - kept
        if kept:
            data = last.data[:kept] if last.path is None else b""
            left.append(replace(last, data=data, size=kept))
    return left


def head_bytes(part: Part) -> int:
    """Return the size of a part's headers, with the empty line that ends them."""
    return len(_head(part)) + len(b"\r\n\r\n")


def _head(part: Part, line: bytes = b"\r\n") -> bytes:
    if isinstance(part, Crafted):
        return part.head
    disposition = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if not isinstance(part, File):
        return disposition.encode()
    if part.filename is not None:
        disposition += f'; filename="{_quoted(part.filename)}"'
    if part.content_type is not None:
        disposition += f"{line.decode()}Content-Type: {part.content_type}"
    return disposition.encode()


def _quoted(text: str) -> str:
    """Escape a name as the WHATWG form encoding does."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
