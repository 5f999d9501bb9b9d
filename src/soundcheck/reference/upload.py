"""The form of a request, read as it arrives: text fields in memory, the file on disk.

Sizes are checked while reading, so a body that is too large never takes more room than allowed.
"""

import re
import tempfile
from collections.abc import AsyncIterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from soundcheck.reference.limits import Limits
from soundcheck.reference.refusal import Kind, Refusal

MAX_PARTS = 1000
_WRITE_BLOCK = 2**18
_BOUNDARY = re.compile(r"[ -~]{1,200}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of the form: where its bytes lie (until the form is closed) and how it was named."""

    path: Path
    size: int
    filename: str
    content_type: str | None

    def head(self, size: int = 65_536) -> bytes:
        """Return the first ``size`` bytes."""
        with self.path.open("rb") as file:
            return file.read(size)


@dataclass(frozen=True, slots=True)
class Form:
    """What a client sent: text fields in order, and the audio file (the first one counts).

    ``file_at`` counts the text fields that stood before the file.
    """

    fields: tuple[tuple[str, str], ...] = ()
    file: Upload | None = None
    other_files: tuple[str, ...] = ()
    file_at: int = 0
    _resources: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    def __enter__(self) -> "Form":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def get(self, name: str) -> str | None:
        """Return the first value of the field ``name``, or None."""
        return next((value for key, value in self.fields if key == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of the field ``name``, in order."""
        return tuple(value for key, value in self.fields if key == name)

    def with_field(self, name: str, value: str | None) -> "Form":
        """Return the form with ``name`` set to ``value`` alone, or without it (None)."""
        kept = tuple(pair for pair in self.fields if pair[0] != name)
        return replace(self, fields=kept if value is None else (*kept, (name, value)))


def boundary_of(content_type: str) -> str:
    """Return the boundary that a ``Content-Type`` header declares.

    Raises Refusal when it is another media type, or the boundary is missing or impossible.
    """
    media_type, options = parse_options_header(content_type)
    if media_type != "multipart/form-data":
        raise Refusal(
            Kind.MALFORMED, "Send the request as multipart/form-data, with the audio as 'file'."
        )
    boundary = str(options.get("boundary", ""))
    if not _BOUNDARY.fullmatch(boundary):
        raise Refusal(Kind.MALFORMED, "The Content-Type header has no usable boundary.")
    return boundary


async def read_form(
    chunks: AsyncIterable[bytes], content_type: str, *, limits: Limits, max_field: int
) -> Form:
    """Read a multipart body; the form owns its file and must be closed (``with``).

    ``max_field`` bounds each text field (bytes). Raises Refusal when the body is no such form, or
    as soon as one of the limits or MAX_PARTS is passed.
    """
    reader = _Reader(boundary_of(content_type), limits, max_field)
    try:
        async for chunk in chunks:
            if chunk:
                reader.feed(chunk)
        return reader.finish()
    except BaseException:
        reader.resources.close()
        raise


class _Reader:
    """The push parser's events turned into fields and files."""

    def __init__(self, boundary: str, limits: Limits, max_field: int) -> None:
        self.resources = ExitStack()
        self._parser = PushMultipartParser(boundary, max_header_size=16_384)
        self._limits = limits
        self._max_field = max_field
        self._parts = 0
        self._bytes = 0
        self._file_bytes = 0
        self._head_bytes = 0
        self._fields: list[tuple[str, str]] = []
        self._file: Upload | None = None
        self._file_at = 0
        self._other_files: list[str] = []
        self._segment: MultipartSegment | None = None
        self._text = bytearray()
        self._target: IO[bytes] | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._bytes += len(chunk)
        self._check_size()
        if self._parser.closed:
            return  # an epilogue after the last boundary is ignored
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    self._end_part()
                elif isinstance(event, MultipartSegment):
                    self._begin_part(event)
                else:
                    self._take(event)
        except (MultipartError, UnicodeDecodeError) as error:
            raise Refusal(Kind.MALFORMED, _reason(error)) from None
        if self._bytes - self._file_bytes > self._limits.max_rest:
            raise Refusal(
                Kind.MALFORMED,
                f"The form has more than {self._limits.max_rest} bytes besides its file.",
            )

    def finish(self) -> Form:
        """Return the form; a body without its last boundary is refused."""
        try:
            self._parser.close()
        except MultipartError:
            raise Refusal(Kind.MALFORMED, "The form ends without its last boundary.") from None
        return Form(
            tuple(self._fields),
            self._file,
            tuple(self._other_files),
            self._file_at,
            self.resources,
        )

    def _begin_part(self, segment: MultipartSegment) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Refusal(Kind.MALFORMED, f"The form has more than {MAX_PARTS} parts.")
        if segment.disposition != "form-data" or segment.name is None:
            raise Refusal(Kind.MALFORMED, "A part of the form has no name.")
        self._segment = segment
        self._text.clear()
        self._target = None
        if segment.filename is not None and segment.name == "file" and self._file is None:
            target = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed with the form
                prefix="upload-", buffering=_WRITE_BLOCK
            )
            self._target = self.resources.enter_context(target)
            self._file_at = len(self._fields)
            # Each header as ``name: value`` and the empty line, with their line ends.
            heads = (len(name) + len(value.encode()) + 4 for name, value in segment.headerlist)
            self._head_bytes = sum(heads) + 2

    def _take(self, data: bytes) -> None:
        segment = self._segment
        if segment is None:
            return
        if self._target is not None:
            self._write(data)
            return
        if segment.filename is not None:
            return
        if segment.bytes_received > self._max_field:
            raise Refusal(Kind.MALFORMED, f"A text field is longer than {self._max_field} bytes.")
        self._text += data

    def _write(self, data: bytes) -> None:
        before = self._file_bytes
        self._file_bytes += len(data)
        self._check_size()
        most = self._limits.max_file
        if self._limits.cuts and most is not None:
            data = data[: max(0, most - before)]
        if self._target is not None:
            self._target.write(data)

    def _check_size(self) -> None:
        part = self._file_bytes + self._head_bytes
        self._limits.check_read(self._file_bytes, part, self._bytes)

    def _end_part(self) -> None:
        segment = self._segment
        if segment is None:
            return
        name = str(segment.name)
        if segment.filename is None:
            # A file that lacks its filename is refused as such, not for being no text.
            errors = "replace" if name == "file" else "strict"
            self._fields.append((name, self._text.decode("utf-8", errors)))
        elif self._target is not None:
            self._target.flush()
            self._file = Upload(
                Path(self._target.name),
                self._target.tell(),
                segment.filename,
                segment.content_type,
            )
            self._target = None
        else:
            self._other_files.append(name)
        self._segment = None


def _reason(error: MultipartError | UnicodeDecodeError) -> str:
    """Return why a form cannot be read, without the parser's own words."""
    if isinstance(error, UnicodeDecodeError):
        return "A text field of the form is not valid UTF-8."
    if isinstance(error, ParserLimitReached):
        return "A part of the form has too many or too long headers."
    return "The form cannot be parsed: a boundary or the head of a part is malformed."
