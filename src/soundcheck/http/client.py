"""Well-formed requests over httpx, recorded with the arrival time of every chunk."""

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from soundcheck import __version__
from soundcheck.http.exchange import (
    ErrorKind,
    Exchange,
    Headers,
    Response,
    SentRequest,
    Timing,
    TransportError,
)

MAX_BODY = 16 * 2**20
"""Bytes of an answer after which reading stops: no transcript of an hour comes near it."""

MAX_CHUNKS = 100_000
"""Pieces of an answer after which reading stops, whatever their size."""

KEPT_OF_ENDLESS = 64 * 2**10
"""Bytes kept of an answer that was given up on for its size."""

CONNECT_TIMEOUT = 10.0


class Client:
    """A sender bound to one target; safe to use from several threads.

    ``headers`` go with every request; ``timeout`` is the limit in seconds on a whole exchange.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        timeout: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._connections = _Connections()
        self._http = httpx.Client(
            headers=[
                ("User-Agent", f"soundcheck/{__version__}"),
                ("Accept", "application/json"),
                # Chunks are recorded as they arrive: a compressed stream would hide their text.
                ("Accept-Encoding", "identity"),
                *headers,
            ],
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout)),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=2.0),
            transport=transport,
        )

    def __enter__(self) -> Self:
        """Return the client, to be closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection; an exchange in flight, in another thread, ends with an error."""
        self._connections.end()
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        body: bytes | None = None,
        parts: tuple[dict[str, Any], ...] = (),
        digest: str = "",
        lane: str = "shared",
        timeout: float | None = None,
    ) -> Exchange:
        """Send one request and return the exchange; faults of the transport are recorded in it.

        ``path`` is appended to the base URL; ``timeout`` (seconds) replaces the client's own.
        """
        request = self._http.build_request(
            method, self.base_url + path, headers=list(headers), content=body
        )
        limit = timeout or self.timeout
        recording = _Recording(time.perf_counter, limit, self._connections.add)
        error = recording.fill(self._http, request)
        return Exchange(
            digest=digest,
            lane=lane,
            attempts=1,
            started=recording.started,
            request=SentRequest(
                method=method,
                url=str(request.url),
                headers=tuple((name.lower(), value) for name, value in request.headers.items()),
                parts=parts,
                body_bytes=len(body or b""),
            ),
            response=recording.response(),
            timing=Timing(recording.sent, recording.headers, recording.elapsed()),
            error=error,
        )


class _Connections:
    """The open sockets of a client, to be ended by another thread than the one that reads them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._ended = False

    def add(self, connection: socket.socket) -> None:
        """Take note of a new socket; once all were ended, end it too."""
        with self._lock:
            self._open.add(connection)
            if self._ended:
                self._shut(connection)

    def end(self) -> None:
        """Shut every socket down: closing alone would not wake up a thread that reads."""
        with self._lock:
            self._ended = True
            for connection in self._open:
                self._shut(connection)

    @staticmethod
    def _shut(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class _Recording:
    """Collects one answer under a limit on its time and size."""

    def __init__(
        self,
        clock: Callable[[], float],
        limit: float,
        connected: Callable[[socket.socket], None],
    ) -> None:
        self._clock = clock
        self._connected = connected
        self._limit = limit
        self._zero = clock()
        self._head: httpx.Response | None = None
        self._body = bytearray()
        self._chunks: list[tuple[float, int]] = []
        self.started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.sent: float | None = None
        self.headers: float | None = None

    def elapsed(self) -> float:
        return round(self._clock() - self._zero, 6)

    def fill(self, http: httpx.Client, request: httpx.Request) -> TransportError | None:
        request.extensions["trace"] = self._trace
        request.extensions["timeout"] = {
            "connect": min(CONNECT_TIMEOUT, self._limit),
            "read": self._limit,
            "write": self._limit,
            "pool": self._limit,
        }
        try:
            with contextlib.closing(http.send(request, stream=True)) as answer:
                self._head = answer
                self.headers = self.elapsed()
                return self._read(answer.iter_raw())
        except httpx.HTTPError as error:
            return _transport_error(error)
        except RuntimeError as error:  # the client was closed under us: the run is being ended
            return TransportError("reset", str(error))

    def _read(self, chunks: Iterator[bytes]) -> TransportError | None:
        for chunk in chunks:
            at = self.elapsed()
            self._body += chunk
            self._chunks.append((at, len(chunk)))
            if len(self._body) > MAX_BODY or len(self._chunks) > MAX_CHUNKS:
                message = f"the answer was still going on after {len(self._body)} bytes"
                del self._body[KEPT_OF_ENDLESS:], self._chunks[1:]
                return TransportError("too-large", message)
            if at > self._limit:
                message = f"the answer was still going on after {self._limit:g} s"
                return TransportError("timeout", message)
        return None

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("send_request_body.complete"):
            self.sent = self.elapsed()
        elif event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._connected(info["return_value"].get_extra_info("socket"))

    def response(self) -> Response | None:
        if self._head is None:
            return None
        return Response(
            status=self._head.status_code,
            reason=self._head.reason_phrase,
            headers=tuple(
                (name.lower(), value) for name, value in self._head.headers.multi_items()
            ),
            body=bytes(self._body),
            chunks=tuple(self._chunks),
        )


def _transport_error(error: httpx.HTTPError) -> TransportError:
    kind: ErrorKind
    text = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        kind = "timeout"
        text = f"no answer in time ({type(error).__name__})"
    elif isinstance(error, httpx.ConnectError):
        kind = "tls" if "SSL" in text or "certificate" in text.lower() else "refused"
    elif isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in text:
        kind = "protocol"
    else:
        kind = "reset"
    return TransportError(kind, text)
