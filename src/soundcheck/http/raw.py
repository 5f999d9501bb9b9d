"""The raw sender: requests whose way onto the wire matters, over a socket of their own.

It asks for leave before it sends a body (``Expect: 100-continue``, RFC 9110, section 10.1.1),
listens while it sends, and stops when the answer comes; it sends bodies in chunks, and several
requests one after the other on one connection. Answers are parsed by h11.
"""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import h11
import httpx

from soundcheck.http.access import DIRECT, Access
from soundcheck.http.exchange import (
    Exchange,
    Headers,
    Response,
    SentRequest,
    Step,
    Timing,
    TransportError,
)
from soundcheck.http.limits import (
    CONNECT_TIMEOUT,
    KEPT_OF_ENDLESS,
    MAX_BODY,
    MAX_CHUNKS,
    MAX_INTERIM,
)
from soundcheck.http.multipart import Body
from soundcheck.http.pace import AT_ONCE, Leave, Left, Pace
from soundcheck.http.patience import Patience

LEAVE = 2.0
"""Seconds to wait for leave to send the body, after which it is sent anyway (RFC 9110, 10.1.1)."""

CHUNK = 2**13
"""Bytes of a chunk at most (``Transfer-Encoding: chunked``): no part of a form ends with one."""

_TICK = 0.2
_RECEIVED = 2**16
_SIPPED = 64
"""Bytes that a client takes at a time that is about to leave while it reads."""


class Framing(StrEnum):
    """How the end of a request's body is told, and when the body is sent."""

    PLAIN = "Content-Length"
    EXPECT = "Expect: 100-continue"
    CHUNKED = "Transfer-Encoding: chunked"


@dataclass(frozen=True, slots=True)
class Message:
    """One request to send: ``path`` is below the base URL, ``parts`` describe the form ``body``.

    ``headers`` lack those of the body, which it brings itself where it is a form.
    """

    method: str
    path: str
    headers: Headers = ()
    body: bytes | Body = b""
    parts: tuple[dict[str, Any], ...] = ()

    @property
    def length(self) -> int:
        """Return the bytes of the body."""
        return self.body.length if isinstance(self.body, Body) else len(self.body)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the body."""
        yield from self.body if isinstance(self.body, Body) else (self.body,)


@dataclass(frozen=True, slots=True)
class RawSender:
    """Sends requests to ``base_url``; ``headers`` go with each.

    ``cancelled`` tells when to give up what is under way.
    """

    base_url: str
    headers: Sequence[tuple[str, str]]
    tls: ssl.SSLContext
    cancelled: Callable[[], bool]
    access: Access = DIRECT

    @property
    def arrives(self) -> bool:
        """Tell whether what is sent arrives as it was sent; else only an ordinary client can."""
        return self.access.tunnels(self.base_url)

    def send(
        self,
        message: Message,
        framing: Framing,
        pace: Pace = AT_ONCE,
        *,
        digest: str,
        lane: str,
        timeout: float,
    ) -> Exchange:
        """Send ``message`` as ``framing`` and ``pace`` say; return the exchange, with its faults.

        A client that leaves as it was told to is no fault, and the answer is what it had read. With
        ``EXPECT`` the body is sent once leave is given, or after ``LEAVE`` seconds of silence. An
        answer that comes before the end of a body stops it. ``timeout`` (seconds) bounds every
        silence (``Patience``).
        """
        return self._exchange((message,), framing, digest, lane, timeout, pace)

    def in_turn(
        self, messages: Sequence[Message], *, digest: str, lane: str, timeout: float
    ) -> Exchange:
        """Send ``messages`` on one connection, each when the one before was answered.

        The exchange is the last one's, with the others before it; each body is sent to its end. A
        connection that an answer ends, and says so, is no error: what follows is not sent.
        ``timeout`` (seconds) is each one's.
        """
        return self._exchange(messages, Framing.PLAIN, digest, lane, timeout)

    def _exchange(
        self,
        messages: Sequence[Message],
        framing: Framing,
        digest: str,
        lane: str,
        timeout: float,
        pace: Pace = AT_ONCE,
    ) -> Exchange:
        started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        zero = time.monotonic()
        kept = len(messages) > 1
        talks = [_Talk(zero, timeout, self.cancelled, whole=kept, pace=pace) for _ in messages]
        url = httpx.URL(self.base_url)
        named = [self._headers(message, framing, kept=kept) for message in messages]
        error = None
        left = ""
        how = "one connection" if kept else pace.told or framing
        try:
            with contextlib.closing(self._connect(url)) as connection:
                self._hold(connection, messages, named, framing, talks)
        except Left:
            left = pace.leave
        except _TooLate:
            error = TransportError("timeout", f"no complete answer in {timeout:g} s")
        except _TooLarge as endless:
            error = TransportError("too-large", str(endless))
        except ssl.SSLError as failed:
            connected = talks[0].connected
            error = TransportError("reset" if connected else "tls", str(failed))
        except ConnectionRefusedError as failed:
            error = TransportError("refused", str(failed))
        except h11.RemoteProtocolError as failed:
            received = any(talk.connected and not talk.ended and talk.received for talk in talks)
            closed = TransportError("reset", "the connection was closed without an answer")
            error = TransportError("protocol", str(failed)) if received else closed
        except OSError as failed:
            kind = "reset" if talks[0].connected else "refused"
            error = TransportError(kind, str(failed))  # type: ignore[arg-type]  # two of its words
        requests = [
            SentRequest(
                method=message.method,
                url=self.access.url(self.base_url, message.path),
                headers=tuple((name.lower(), value) for name, value in headers),
                parts=message.parts,
                body_bytes=message.length,
                sent_bytes=talk.sent_bytes,
                body=message.body.decode("utf-8", "replace")
                if isinstance(message.body, bytes)
                else "",
                sender=f"the raw sender, {how}",
            )
            for message, headers, talk in zip(messages, named, talks, strict=True)
        ]
        begun = [pair for pair in zip(requests[:-1], talks[:-1], strict=True) if pair[1].connected]
        return Exchange(
            digest=digest,
            lane=lane,
            attempts=1,
            started=started,
            request=requests[-1],
            response=talks[-1].response(),
            timing=talks[-1].timing(),
            error=error,
            earlier=tuple(Step(sent, talk.response(), talk.timing()) for sent, talk in begun),
            left=left,
        )

    def _headers(self, message: Message, framing: Framing, *, kept: bool) -> list[tuple[str, str]]:
        """Return all headers of a request; the last of them tell how its body is framed."""
        url = httpx.URL(self.base_url)
        named = [("Host", url.netloc.decode("ascii")), *self.headers, *message.headers]
        if isinstance(message.body, Body):
            named.append(("Content-Type", message.body.content_type))
        if framing is Framing.CHUNKED:
            named.append(("Transfer-Encoding", "chunked"))
        elif message.length or message.method == "POST":
            named.append(("Content-Length", str(message.length)))
        if framing is Framing.EXPECT:
            named.append(("Expect", "100-continue"))
        return named if kept else [*named, ("Connection", "close")]

    def _hold(
        self,
        connection: socket.socket,
        messages: Sequence[Message],
        named: Sequence[list[tuple[str, str]]],
        framing: Framing,
        talks: Sequence["_Talk"],
    ) -> None:
        early = b""
        for message, headers, talk in zip(messages, named, talks, strict=True):
            target = httpx.URL(self.access.url(self.base_url, message.path)).raw_path
            request = h11.Request(method=message.method, target=target, headers=headers)
            talk.hold(connection, request, message, framing, early)
            if talk.closes:
                return
            early = talk.early

    def _connect(self, url: httpx.URL) -> socket.socket:
        port = url.port or (443 if url.scheme == "https" else 80)
        connection = self.access.dial(self.base_url)((url.host, port), CONNECT_TIMEOUT)
        if url.scheme == "https":
            connection = self.tls.wrap_socket(connection, server_hostname=url.host)
        connection.setblocking(False)
        return connection


class _TooLate(Exception):
    """The time for the exchange is over, or the run is."""


class _TooLarge(Exception):
    """The answer does not end."""


class _Talk:
    """One request and its answer over a connection; keeps what was seen if it breaks off.

    ``zero`` is the monotonic time at which the exchange began, ``timeout`` the seconds that a
    silence may take. A body that is to be sent ``whole`` goes on after an answer has begun: the
    connection is needed for more. ``pace`` says how slowly it goes up, and where the client leaves.
    """

    def __init__(
        self,
        zero: float,
        timeout: float,
        cancelled: Callable[[], bool],
        *,
        whole: bool,
        pace: Pace,
    ) -> None:
        self._zero = zero
        self._timeout = timeout
        self._patience = Patience(timeout, 0)
        self._cancelled = cancelled
        self._whole = whole
        self._pace = pace
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**18)
        self._head: h11.Response | None = None
        self._interim: list[tuple[int, float]] = []
        self._body = bytearray()
        self._chunks: list[tuple[float, int]] = []
        self._leave = False
        self.ended = False
        self.connected = False
        self.received = False
        self.sent_bytes = 0
        self._sent_s: float | None = None
        self._headers_s: float | None = None
        self._done_s: float | None = None
        self._broken = False

    def elapsed(self) -> float:
        """Return the seconds since the exchange began."""
        return round(time.monotonic() - self._zero, 6)

    @property
    def closes(self) -> bool:
        """Tell whether the answer ends the connection, and says so."""
        return self._http.their_state is not h11.DONE

    @property
    def early(self) -> bytes:
        """Return what came after the answer: a proper server has nothing more to say."""
        return self._http.trailing_data[0]

    def timing(self) -> Timing:
        """Return when what happened, in seconds after the exchange began."""
        done = self.elapsed() if self._done_s is None else self._done_s
        return Timing(self._sent_s, self._headers_s, done)

    def hold(
        self,
        connection: socket.socket,
        request: h11.Request,
        message: Message,
        framing: Framing,
        early: bytes = b"",
    ) -> None:
        """Send the head, wait for leave if it is asked for, send the body, read the answer.

        ``early`` was received before the request was sent.
        """
        self.connected = True
        self._patience = Patience(self._timeout, message.length)
        head = self._http.send(request) or b""
        if early:
            self._http.receive_data(early)
            self._take_all()
        self._send(connection, head)
        leave = time.monotonic() + (LEAVE if framing is Framing.EXPECT else 0.0)
        while not self._leave and self._head is None and time.monotonic() < leave:
            self._listen(connection, min(_TICK, max(0.0, leave - time.monotonic())))
        chunked = framing is Framing.CHUNKED
        pieces = self._pace.pieces(message.pieces(), message.length)
        for piece in _chunks(pieces) if chunked else pieces:
            if chunked:
                self._send(connection, b"%x\r\n" % len(piece))
            self.sent_bytes += self._send(connection, piece)
            if chunked:
                self._send(connection, b"\r\n")
            if self._broken or not self._wants_more:
                break
        if chunked:
            self._send(connection, b"0\r\n\r\n")
        if self.sent_bytes == message.length:
            self._sent_s = self.elapsed()
        if self._pace.leave in (Leave.UPLOADING, Leave.WAITING):
            raise Left
        while not self.ended:
            self._listen(connection, _TICK)
            if self._pace.leave and self._body and not self.ended:
                raise Left
        self._done_s = self.elapsed()

    @property
    def _wants_more(self) -> bool:
        """Tell whether what is left of the body is to be sent."""
        return self._head is None or self._whole

    def _send(self, connection: socket.socket, piece: bytes) -> int:
        """Send ``piece`` as long as it is wanted; return how much of it was taken."""
        view = memoryview(piece)
        while view and self._wants_more and not self._broken:
            self._check()
            heard = [] if self.ended else [connection]
            readable, writable, _ = select.select(heard, [connection], [], _TICK)
            if readable or (heard and _pending(connection)):
                self._receive(connection)
            if writable and self._wants_more:
                try:
                    taken = connection.send(view)
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    continue
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    # What the server said before it closed may have arrived.
                    self._broken = True
                    break
                view = view[taken:]
                self._patience.progress()
        return len(piece) - len(view)

    def _listen(self, connection: socket.socket, seconds: float) -> None:
        self._check()
        if _pending(connection) or select.select([connection], [], [], seconds)[0]:
            self._receive(connection)

    def _check(self) -> None:
        if self._patience.left <= 0 or self._cancelled():
            raise _TooLate

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(_SIPPED if self._pace.leave else _RECEIVED)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # closed without TLS's own goodbye
            data = b""
        self.received = self.received or bool(data)
        self._http.receive_data(data)
        self._take_all()

    def _take_all(self) -> None:
        for event in self._events():
            self._take(event)

    def _events(self) -> Iterator[object]:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            yield event
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return

    def _take(self, event: object) -> None:
        at = self.elapsed()
        if isinstance(event, h11.InformationalResponse):
            if len(self._interim) < MAX_INTERIM:
                self._interim.append((event.status_code, at))
            self._leave = self._leave or event.status_code == 100
        elif isinstance(event, h11.Response):
            self._head, self._headers_s = event, at
        elif isinstance(event, h11.Data):
            self._body += event.data
            self._chunks.append((at, len(event.data)))
            if len(self._body) > MAX_BODY or len(self._chunks) > MAX_CHUNKS:
                message = f"the answer was still going on after {len(self._body)} bytes"
                del self._body[KEPT_OF_ENDLESS:]
                self._chunks = [(at, len(self._body))]
                raise _TooLarge(message)
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            self.ended = True

    def response(self) -> Response | None:
        """Return the answer as far as it came."""
        if self._head is None:
            return None
        return Response(
            status=self._head.status_code,
            reason=self._head.reason.decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in self._head.headers
            ),
            body=bytes(self._body),
            chunks=tuple(self._chunks),
            interim=tuple(self._interim),
        )


def _pending(connection: socket.socket) -> bool:
    """Tell whether decrypted bytes wait where select cannot see them."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def _chunks(body: Iterable[bytes]) -> Iterator[bytes]:
    """Yield ``body`` in pieces of at most CHUNK bytes, none of them empty: that would end it."""
    for piece in body:
        for begin in range(0, len(piece), CHUNK):
            yield piece[begin : begin + CHUNK]
