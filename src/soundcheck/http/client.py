"""Well-formed requests over httpx, recorded with the arrival time of every chunk."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from soundcheck import __version__
from soundcheck.http.access import DIRECT, Access, is_loopback
from soundcheck.http.exchange import (
    ErrorKind,
    Exchange,
    Headers,
    Response,
    SentRequest,
    Timing,
    TransportError,
)
from soundcheck.http.limits import CONNECT_TIMEOUT, KEPT_OF_ENDLESS, MAX_BODY, MAX_CHUNKS
from soundcheck.http.multipart import Body
from soundcheck.http.patience import Patience
from soundcheck.http.raw import RawSender

LARGE = 2**20
"""Bytes of a form above which it is not held in memory."""


class Client:
    """A sender bound to one target; safe to use from several threads.

    ``headers`` go with every request; ``timeout`` is the limit in seconds on a whole exchange;
    ``access`` tells by which way, and with which certificates, the target is reached.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        timeout: float = 120.0,
        access: Access = DIRECT,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._headers = [
            ("User-Agent", f"soundcheck/{__version__}"),
            ("Accept", "application/json"),
            # Chunks are recorded as they arrive: a compressed stream would hide their text.
            ("Accept-Encoding", "identity"),
            *headers,
        ]
        self.access = access
        self._tls = access.tls(self.base_url)
        self._lock = threading.Lock()
        self._lines: list[_Line] = []
        self._own = threading.local()
        self._closed = False
        self.raw = RawSender(self.base_url, self._headers, self._tls, lambda: self._closed, access)

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
        with self._lock:
            self._closed = True
            for line in self._lines:
                line.cut()

    def _line(self) -> "_Line":
        """Return this thread's own line, so that an exchange can be ended without the others."""
        line: _Line | None = getattr(self._own, "line", None)
        if line is None:
            line = self._own.line = _Line(self.base_url, self._headers, self._tls, self.access)
            with self._lock:
                self._lines.append(line)
                if self._closed:
                    line.cut()
        return line

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        body: bytes | Body = b"",
        parts: tuple[dict[str, Any], ...] = (),
        digest: str = "",
        lane: str = "shared",
        timeout: float | None = None,
        chunked: bool = False,
    ) -> Exchange:
        """Send one request and return the exchange; faults of the transport are recorded in it.

        ``path`` is appended to the base URL; ``timeout`` (seconds) replaces the client's own. A
        form larger than ``LARGE`` is read from its files while it is sent, and its time is
        counted from the last piece that went out (``Patience``). A ``chunked`` one tells no length.
        """
        line = self._line()
        content: bytes | _Counted | None = None
        length = 0
        limit = timeout or self.timeout
        patience = Patience(limit, body.length if isinstance(body, Body) else 0)
        if isinstance(body, Body) and (chunked or body.length > LARGE):
            content, length = _Counted(body, patience), body.length
            if not chunked:
                headers = (*headers, ("Content-Length", str(length)))
        elif body:
            content = body.read() if isinstance(body, Body) else body
            length = len(content)
        request = line.http.build_request(
            method, self.access.url(self.base_url, path), headers=list(headers), content=content
        )
        recording = _Recording(time.perf_counter, limit, patience, line)
        error = recording.fill(request)
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
                body_bytes=length,
                sent_bytes=content.sent if isinstance(content, _Counted) else None,
                body=body.decode("utf-8", "replace") if isinstance(body, bytes) else "",
            ),
            response=recording.response(),
            timing=Timing(recording.sent, recording.headers, recording.elapsed()),
            error=error,
        )


class _Counted:
    """A body that knows how much of it was taken, to be iterated once."""

    def __init__(self, body: Body, patience: Patience) -> None:
        self._body = body
        self._patience = patience
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            yield piece
            self.sent += len(piece)
            self._patience.progress()


class _Line:
    """One thread's connection to the target, which another thread can cut."""

    def __init__(
        self, base_url: str, headers: list[tuple[str, str]], tls: ssl.SSLContext, access: Access
    ) -> None:
        self.http = httpx.Client(
            proxy=access.proxy or None,
            headers=headers,
            verify=tls,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=2.0),
            # A proxy of the environment is for other hosts, not for servers on this machine.
            trust_env=not is_loopback(base_url),
        )
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def connected(self, connection: socket.socket) -> None:
        """Take note of the socket in use; once the line was cut, shut it down at once."""
        with self._lock:
            self._socket = connection
            if self._is_cut:
                _shut(connection)

    def hang_up(self) -> None:
        """End the exchange in flight: closing alone would not wake up a thread that reads."""
        with self._lock:
            if self._socket is not None:
                _shut(self._socket)

    def cut(self) -> None:
        """End the exchange in flight and every later one."""
        with self._lock:
            self._is_cut = True
        self.hang_up()
        self.http.close()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Recording:
    """Collects one answer under a limit on its time and size."""

    def __init__(
        self, clock: Callable[[], float], limit: float, patience: Patience, line: _Line
    ) -> None:
        self._clock = clock
        self._patience = patience
        self._line = line
        self._limit = limit
        self._overdue = threading.Event()
        self._over = threading.Event()
        self._zero = clock()
        self._head: httpx.Response | None = None
        self._body = bytearray()
        self._chunks: list[tuple[float, int]] = []
        self.started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.sent: float | None = None
        self.headers: float | None = None

    def elapsed(self) -> float:
        return round(self._clock() - self._zero, 6)

    def fill(self, request: httpx.Request) -> TransportError | None:
        """Send ``request`` and collect its answer; return what kept it from being complete."""
        request.extensions["trace"] = self._trace
        request.extensions["timeout"] = {
            "connect": min(CONNECT_TIMEOUT, self._limit),
            "read": self._limit,
            "write": self._limit,
            "pool": self._limit,
        }
        # The limits above are on single steps: this one is on all of them together.
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        try:
            with contextlib.closing(self._line.http.send(request, stream=True)) as answer:
                self._head = answer
                self.headers = self.elapsed()
                cut = self._read(answer.iter_raw())
                return self._late() if self._overdue.is_set() else cut
        except (httpx.HTTPError, httpx.StreamError) as error:
            if self._overdue.is_set():
                return self._late()
            return _transport_error(error, self._limit)
        except RuntimeError as error:  # the client was closed under us: the run is being ended
            return TransportError("reset", str(error))
        finally:
            self._over.set()

    def _late(self) -> TransportError:
        return TransportError("timeout", f"no complete answer in {self._limit:g} s")

    def _watch(self) -> None:
        """End the exchange when its time is over."""
        while not self._over.wait(max(0.0, self._patience.left)):
            if self._patience.left <= 0:
                self._overdue.set()
                self._line.hang_up()
                return

    def _read(self, chunks: Iterator[bytes]) -> TransportError | None:
        for chunk in chunks:
            at = self.elapsed()
            self._body += chunk
            self._chunks.append((at, len(chunk)))
            if len(self._body) > MAX_BODY or len(self._chunks) > MAX_CHUNKS:
                message = f"the answer was still going on after {len(self._body)} bytes"
                del self._body[KEPT_OF_ENDLESS:]
                self._chunks = [(at, len(self._body))]
                return TransportError("too-large", message)
        return None

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("send_request_body.complete"):
            self.sent = self.elapsed()
        elif event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._line.connected(info["return_value"].get_extra_info("socket"))

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


def _transport_error(error: httpx.HTTPError | httpx.StreamError, limit: float) -> TransportError:
    kind: ErrorKind
    text = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        kind = "timeout"
        text = f"no answer in {limit:g} s"
    elif isinstance(error, httpx.ProxyError):
        kind, text = "refused", f"the proxy answers: {text}"
    elif isinstance(error, httpx.ConnectError):
        kind = "tls" if "SSL" in text or "certificate" in text.lower() else "refused"
    elif isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in text:
        kind = "protocol"
    else:
        kind = "reset"
    return TransportError(kind, text)
