"""Forms in memory: read as a client sent them, written as the wire wants them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

MAX_PARTS = 1000
_MAX_HEADERS = 16_384


class NotAForm(ValueError):
    """A body that cannot be read as multipart/form-data."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a form; a ``filename`` makes it a file."""

    name: str
    data: bytes
    filename: str | None = None


def read(body: bytes, content_type: str) -> list[Part]:
    """Return the parts of a form in their order; raises NotAForm."""
    media_type, options = parse_options_header(content_type)
    if media_type != "multipart/form-data":
        raise NotAForm("not multipart/form-data")
    try:
        return list(_parts(body, str(options.get("boundary", ""))))
    except (MultipartError, ValueError):
        raise NotAForm("the form cannot be parsed") from None


def _parts(body: bytes, boundary: str) -> Iterable[Part]:
    parser = PushMultipartParser(
        boundary, max_header_size=_MAX_HEADERS, max_segment_count=MAX_PARTS
    )
    segment: MultipartSegment | None = None
    pieces: list[bytes] = []
    for event in parser.parse(body):
        if isinstance(event, MultipartSegment):
            segment, pieces = event, []
        elif event is not None:
            pieces.append(bytes(event))
        elif segment is not None:
            if segment.disposition != "form-data" or not segment.name:
                raise NotAForm("a part without a name")
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            yield Part(segment.name, data, segment.filename)
    parser.close()


def write(parts: Iterable[Part]) -> tuple[bytes, str]:
    """Return the body of a form and its content type."""
    boundary = os.urandom(30).hex()
    delimiter = b"--" + boundary.encode()
    written: list[bytes] = []
    for part in parts:
        head = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
        if part.filename is not None:
            head += f'; filename="{_quoted(part.filename)}"'
            head += "\r\nContent-Type: application/octet-stream"
        written += [delimiter, b"\r\n", head.encode(), b"\r\n\r\n", part.data, b"\r\n"]
    written += [delimiter, b"--\r\n"]
    return b"".join(written), f"multipart/form-data; boundary={boundary}"


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
