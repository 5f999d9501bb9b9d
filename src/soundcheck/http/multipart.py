"""Multipart form bodies (RFC 7578) whose parts keep their order, names and types as given."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
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


def encode(parts: Iterable[tuple[Part, bytes]]) -> tuple[bytes, str]:
    """Return the body and its ``Content-Type`` for ``parts``, each with its payload in bytes.

    The boundary is derived from the payloads, so equal forms have equal bytes and no payload can
    be prepared to contain it.
    """
    prepared = [(_head(part), payload) for part, payload in parts]
    digest = hashlib.sha256()
    for head, payload in prepared:
        digest.update(len(payload).to_bytes(8, "big") + head)
        digest.update(payload)
    boundary = BOUNDARY_PREFIX + digest.hexdigest()[:32]
    delimiter = b"--" + boundary.encode()
    pieces: list[bytes] = []
    for head, payload in prepared:
        pieces += [delimiter, b"\r\n", head, b"\r\n\r\n", payload, b"\r\n"]
    pieces += [delimiter, b"--\r\n"]
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


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
