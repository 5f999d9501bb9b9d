"""Multipart form bodies (RFC 7578) whose parts keep their order, names and types as given."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Field:
    """A text part of a form."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class File:
    """A file part of a form: the clip whose bytes it carries, and how it is labelled.

    ``filename`` or ``content_type`` of ``None`` leaves that label out.
    """

    name: str
    clip: str
    filename: str | None
    content_type: str | None


Part: TypeAlias = Field | File

BOUNDARY_PREFIX = "soundcheck-"
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;,]+))', re.IGNORECASE)

PIECE = 2**18
"""Bytes of a file that are read and sent at a time."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a part carries: ``data``, or the file at ``path`` of ``size`` bytes and this digest."""

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
        with self.path.open("rb") as file:
            while piece := file.read(PIECE):
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


def encode(parts: Iterable[tuple[Part, Content]], content_type: str = "") -> Body:
    """Return the body for ``parts``, each with what it carries.

    The boundary is the one that ``content_type`` names, where it is given. Else it is derived from
    the contents, so equal forms have equal bytes and no payload can be prepared to contain it.
    """
    prepared = [(_head(part), content) for part, content in parts]
    digest = hashlib.sha256()
    for head, content in prepared:
        digest.update(content.length.to_bytes(8, "big") + head)
        digest.update(content.digest)
    boundary = declared_boundary(content_type) or BOUNDARY_PREFIX + digest.hexdigest()[:32]
    delimiter = b"--" + boundary.encode()
    contents: list[Content] = []
    lead = delimiter
    for head, content in prepared:
        contents += [Content(lead + b"\r\n" + head + b"\r\n\r\n"), content]
        lead = b"\r\n" + delimiter
    contents.append(Content(lead + b"--\r\n"))
    return Body(
        content_type or f"multipart/form-data; boundary={boundary}",
        sum(content.length for content in contents),
        tuple(contents),
    )


def head_bytes(part: Part) -> int:
    """Return the size of a part's headers, with the empty line that ends them."""
    return len(_head(part)) + len(b"\r\n\r\n")


def _head(part: Part) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if isinstance(part, Field):
        return disposition.encode()
    if part.filename is not None:
        disposition += f'; filename="{_quoted(part.filename)}"'
    if part.content_type is not None:
        disposition += f"\r\nContent-Type: {part.content_type}"
    return disposition.encode()


def _quoted(text: str) -> str:
    """Escape a name as the WHATWG form encoding does."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
