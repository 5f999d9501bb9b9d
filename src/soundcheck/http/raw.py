"""The raw sender: requests whose way onto the wire matters, over a socket of their own.

It asks for leave before it sends a body (``Expect: 100-continue``, RFC 9110, section 10.1.1),
listens while it sends, and stops when the answer comes. The answer is parsed by h11.
"""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import h11
import httpx

from soundcheck.http.exchange import (
    Exchange,
    Headers,
    Response,
    SentRequest,
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
from soundcheck.http.patience import Patience

LEAVE = 2.0
"""Seconds to wait for leave to send the body, after which it is sent anyway (RFC 9110, 10.1.1)."""

_TICK = 0.2
_RECEIVED = 2**16


@dataclass(frozen=True, slots=True)
class RawSender:
    """Sends single requests to ``base_url``; ``headers`` go with each.

    ``cancelled`` tells when to give up what is under way.
    """

    base_url: str
    headers: Sequence[tuple[str, str]]
    tls: ssl.SSLContext
    cancelled: Callable[[], bool]

    def expecting(
        self,
        path: str,
        *,
        headers: Headers,
        body: Body,
        parts: tuple[dict[str, Any], ...],
        digest: str,
        lane: str,
        timeout: float,
    ) -> Exchange:
        """POST ``body`` with ``Expect: 100-continue``; return the exchange, faults recorded in it.

        The body is sent once leave is given, or after ``LEAVE`` seconds of silence; an answer that
        comes before its end stops it. ``timeout`` (seconds) bounds every silence (``Patience``).
        """
        url = httpx.URL(self.base_url + path)
        named = [
            ("Host", url.netloc.decode("ascii")),
            *self.headers,
            *headers,
            ("Content-Type", body.content_type),
            ("Content-Length", str(body.length)),
            ("Expect", "100-continue"),
            ("Connection", "close"),
        ]
        started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        talk = _Talk(Patience(timeout, body.length), self.cancelled)
        error = None
        try:
            with contextlib.closing(self._connect(url)) as connection:
                talk.hold(connection, url.raw_path, named, body)
        except _TooLate:
            error = TransportError("timeout", f"no complete answer in {timeout:g} s")
        except _TooLarge as endless:
            error = TransportError("too-large", str(endless))
        except ssl.SSLError as failed:
            error = TransportError("reset" if talk.connected else "tls", str(failed))
        except ConnectionRefusedError as failed:
            error = TransportError("refused", str(failed))
        except h11.RemoteProtocolError as failed:
            error = TransportError("protocol" if talk.received else "reset", str(failed))
        except OSError as failed:
            kind = "reset" if talk.connected else "refused"
            error = TransportError(kind, str(failed))  # type: ignore[arg-type]  # two of its words
        return Exchange(
            digest=digest,
            lane=lane,
            attempts=1,
            started=started,
            request=SentRequest(
                method="POST",
                url=str(url),
                headers=tuple((name.lower(), value) for name, value in named),
                parts=parts,
                body_bytes=body.length,
                sent_bytes=talk.sent_bytes,
            ),
            response=talk.response(),
            timing=Timing(talk.sent_s, talk.headers_s, talk.elapsed()),
            error=error,
        )

    def _connect(self, url: httpx.URL) -> socket.socket:
        port = url.port or (443 if url.scheme == "https" else 80)
        connection = socket.create_connection((url.host, port), CONNECT_TIMEOUT)
        if url.scheme == "https":
            connection = self.tls.wrap_socket(connection, server_hostname=url.host)
        connection.setblocking(False)
        return connection


class _TooLate(Exception):
    """The time for the exchange is over, or the run is."""


class _TooLarge(Exception):
    """The answer does not end."""


class _Talk:
    """One request and its answer over one connection; keeps what was seen if it breaks off."""

    def __init__(self, patience: Patience, cancelled: Callable[[], bool]) -> None:
        self._zero = time.monotonic()
        self._patience = patience
        self._cancelled = cancelled
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**18)
        self._head: h11.Response | None = None
        self._interim: list[tuple[int, float]] = []
        self._body = bytearray()
        self._chunks: list[tuple[float, int]] = []
        self._ended = False
        self._leave = False
        self.connected = False
        self.received = False
        self.sent_bytes = 0
        self.sent_s: float | None = None
        self.headers_s: float | None = None

    def elapsed(self) -> float:
        """Return the seconds since the exchange began."""
        return round(time.monotonic() - self._zero, 6)

    def hold(
        self, connection: socket.socket, path: bytes, headers: list[tuple[str, str]], body: Body
    ) -> None:
        """Send the head, wait for leave, send the body until it is answered, read the answer."""
        self.connected = True
        request = h11.Request(method="POST", target=path, headers=headers)
        head = self._http.send(request) or b""
        self._send(connection, [head], count=False)
        leave = time.monotonic() + LEAVE
        while not self._leave and self._head is None and time.monotonic() < leave:
            self._listen(connection, min(_TICK, max(0.0, leave - time.monotonic())))
        if self._head is None:
            self._send(connection, body, count=True)
            if self.sent_bytes == body.length:
                self.sent_s = self.elapsed()
        while not self._ended:
            self._listen(connection, _TICK)

    def _send(self, connection: socket.socket, pieces: Iterable[bytes], *, count: bool) -> None:
        """Send ``pieces`` as long as no final answer has begun."""
        for piece in pieces:
            view = memoryview(piece)
            while view and self._head is None:
                self._check()
                readable, writable, _ = select.select([connection], [connection], [], _TICK)
                if readable or _pending(connection):
                    self._receive(connection)
                if writable and self._head is None:
                    try:
                        taken = connection.send(view)
                    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        continue
                    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                        self._last_words(connection)
                        return
                    view = view[taken:]
                    if count:
                        self.sent_bytes += taken
                        self._patience.progress()

    def _last_words(self, connection: socket.socket) -> None:
        """Read what the server said before it closed: its answer may have arrived."""
        while not self._ended:
            self._listen(connection, _TICK)

    def _listen(self, connection: socket.socket, seconds: float) -> None:
        self._check()
        if _pending(connection) or select.select([connection], [], [], seconds)[0]:
            self._receive(connection)

    def _check(self) -> None:
        if self._patience.left <= 0 or self._cancelled():
            raise _TooLate

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(_RECEIVED)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # closed without TLS's own goodbye
            data = b""
        self.received = self.received or bool(data)
        self._http.receive_data(data)
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
            self._head, self.headers_s = event, at
        elif isinstance(event, h11.Data):
            self._body += event.data
            self._chunks.append((at, len(event.data)))
            if len(self._body) > MAX_BODY or len(self._chunks) > MAX_CHUNKS:
                message = f"the answer was still going on after {len(self._body)} bytes"
                del self._body[KEPT_OF_ENDLESS:]
                self._chunks = [(at, len(self._body))]
                raise _TooLarge(message)
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            self._ended = True

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
