"""One request and its answer over one connection, as it goes, with the times of its parts."""

from collections.abc import Callable
from functools import lru_cache, partial
from time import monotonic_ns
from typing import TypeAlias

from soundcheck.load.answer import StreamReader, refusal, transcript
from soundcheck.load.failure import Failure
from soundcheck.load.form import Form
from soundcheck.load.measured import Measured
from soundcheck.load.sample import NEVER
from soundcheck.load.transport import READABLE, Line
from soundcheck.load.wire import ResponseParser, plain_body

LINGER_NS = 1_000_000_000
"""Nanoseconds that a stream may go on after its last event, before its connection is given up."""

MAX_REFUSAL = 2**16
"""Bytes that are read of an answer which says no."""

Observer: TypeAlias = Callable[[str, int, int | None], None]


def exchange(
    line: Line, head: bytes, form: Form, measured: Measured, observe: Observer | None
) -> None:
    """Send ``form`` over ``line``, after ``head``, and read its answer into ``measured``.

    ``observe`` is told a stream's events. The line knows afterwards whether it can be used again.
    Raises Failure for all that is no transcript.
    """
    try:
        sent = line.send((head, form.head, form.body), len(head) + form.size)
    except OSError:
        sent = False
    if not sent or form.stream or form.is_plain_text:
        return _Exchange(line, form, measured, observe).run(sent)
    measured.sent = monotonic_ns()
    data = receive(line, measured)
    content = plain_body(data)
    if content is None:
        return _Exchange(line, form, measured, observe).run(sent, data)
    # Most answers are of this kind and come in one piece: there is nothing to keep in mind.
    line.is_reusable = True
    measured.status = 200
    measured.headers = measured.done = stamp = line.stamp
    if measured.sent > stamp:
        measured.sent = stamp
    measured.text = _transcript(content)
    return None


@lru_cache(maxsize=256)
def _transcript(content: bytes) -> str:
    """Return the transcript in a plain answer, which the same clip mostly gets each time."""
    return transcript(content, is_plain_text=False)


def receive(line: Line, measured: Measured) -> bytes:
    """Return what comes next, none at the connection's end, and take note of its time."""
    try:
        data = line.receive()
    except OSError as broken:
        raise Failure("reset", broken.strerror or str(broken)) from None
    measured.received += len(data)
    stamp = line.kernel_ns
    if stamp is not None and line.user_ns - stamp > measured.lag:
        measured.lag = line.user_ns - stamp
    return data


class _Exchange:
    """An answer of any kind, as it comes in."""

    __slots__ = ("_form", "_line", "_measured", "_observe", "_parser", "_pieces", "_reader")

    def __init__(
        self, line: Line, form: Form, measured: Measured, observe: Observer | None
    ) -> None:
        self._line = line
        self._form = form
        self._measured = measured
        self._observe = observe

    def run(self, sent: bool, data: bytes | None = None) -> None:
        """Send what is not ``sent``, and read the answer, which begins with ``data``."""
        line, measured = self._line, self._measured
        self._parser = parser = ResponseParser()
        self._reader: StreamReader | None = None
        self._pieces: list[bytes] = []
        if data is not None:
            self._take(data)
        elif sent or self._push():
            measured.sent = monotonic_ns()
            sent = True
        try:
            while not (parser.complete or self._reader):
                self._take(receive(line, measured))
            if self._reader is not None:
                self._read_stream(self._reader)
        except Failure as failure:
            # A server that refuses an upload early may cut the connection while it is sent.
            if parser.status >= 300 and failure.cause in ("reset", "timeout"):
                raise self._refusal() from None
            raise
        if self._reader is None:
            measured.done = line.stamp
            line.is_reusable = sent and parser.keeps_alive
            self._finish()
        else:
            self._finish_stream(self._reader)
            line.is_reusable = sent and parser.complete and parser.keeps_alive

    def _push(self) -> bool:
        """Send what is left of the request; tell whether all of it was taken.

        An answer may come before. One that refuses the request ends the sending; others, such as
        100, do not.
        """
        line, parser = self._line, self._parser
        try:
            while not (parser.complete or parser.status >= 300):
                if line.wait() & READABLE:
                    self._take(receive(line, self._measured))
                elif line.push():
                    return True
        except OSError:
            pass  # it has closed the connection; its answer may be there all the same
        return False

    def _take(self, data: bytes) -> None:
        parser, measured, stamp = self._parser, self._measured, self._line.stamp
        if not data:
            parser.close()
            return
        body = parser.feed(data)
        if measured.headers == NEVER:
            if not parser.has_head:
                return
            measured.headers = stamp
            if measured.sent > stamp:
                measured.sent = stamp  # the answer was there before we knew that all was sent
            self._begin_body()
        reader = self._reader
        if reader is None:
            self._pieces.append(body)
            if parser.status >= 300 and measured.received > MAX_REFUSAL:
                raise self._refusal()
        else:
            measured.add_deltas(reader.feed(body), stamp)

    def _read_stream(self, reader: StreamReader) -> None:
        """Read a stream to its last event."""
        if reader.ended or self._parser.complete:
            return
        try:
            self._line.follow(partial(self._hear, reader))
        except OSError as broken:
            raise Failure("reset", broken.strerror or str(broken)) from None

    def _hear(self, reader: StreamReader, data: bytes) -> bool:
        """Take the next bytes of a stream; tell whether they end it.

        This is the path of every delta, so without detours.
        """
        line, parser, measured = self._line, self._parser, self._measured
        user, stamp = line.user_ns, line.kernel_ns
        if stamp is None:
            stamp = user
        elif user - stamp > measured.lag:
            measured.lag = user - stamp
        if not data:
            parser.close()
            return True
        measured.received += len(data)
        if new := reader.feed(parser.feed(data)):
            measured.add_deltas(new, stamp)
        return reader.ended or parser.complete

    def _begin_body(self) -> None:
        """Find out what the body is, now that the head is in."""
        parser, measured, observe = self._parser, self._measured, self._observe
        measured.status = parser.status
        if parser.status >= 300:
            return
        if parser.encoding not in ("", "identity"):
            raise Failure("not-json", f"an answer coded as {parser.encoding}, unasked")
        if reads_stream(self._form, parser.media_type):
            self._reader = StreamReader(partial(self._heard, observe) if observe else None)

    def _heard(self, observe: Observer, content: str) -> None:
        observe(content, self._line.user_ns, self._line.kernel_ns)

    def _finish(self) -> None:
        """Read the transcript out of a whole answer."""
        parser, measured = self._parser, self._measured
        if parser.status >= 300:
            raise self._refusal()
        measured.text = transcript(
            b"".join(self._pieces),
            is_plain_text=self._form.is_plain_text,
            media_type=parser.media_type,
        )
        if self._form.stream:
            measured.first_text = measured.last_text = self._line.stamp

    def _finish_stream(self, reader: StreamReader) -> None:
        measured = self._measured
        if not reader.ended:
            raise Failure("stream-cut", "the stream ended without its last event")
        measured.done = self._line.stamp
        measured.text = reader.text
        if measured.first_text == NEVER and measured.text:
            measured.first_text = measured.last_text = measured.done
        if not self._parser.complete:
            self._linger()

    def _linger(self) -> None:
        """Read on to the end of the transfer, so that the connection can be used again."""
        line, parser = self._line, self._parser
        line.hasten(LINGER_NS)
        try:
            while not parser.complete:
                data = line.receive()
                if not data:
                    return
                parser.feed(data)
        except (Failure, OSError):
            pass  # the transcript is complete: only the connection is lost

    def _refusal(self) -> Failure:
        parser = self._parser
        return refusal(parser.status, b"".join(self._pieces), parser.location)


def reads_stream(form: Form, media_type: str) -> bool:
    """Tell whether the answer to ``form`` is to be read as a stream of events."""
    if media_type == "text/event-stream":
        return True
    return form.stream and "json" not in media_type and media_type != "text/html"
