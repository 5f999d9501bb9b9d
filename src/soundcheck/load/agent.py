"""A second client, over Locust's own agent: for HTTP proxies, redirects and unusual TLS.

It costs several times the CPU time of the project's own, has no stamps of the kernel, and does not
know when an upload was complete. Importing this module imports Locust, which patches sockets and
threads of the whole process.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from time import monotonic_ns
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import gevent
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.useragent import RetriesExceeded
from locust.contrib.fasthttp import LocustUserAgent

from soundcheck.errors import SoundcheckError
from soundcheck.http.limits import CONNECT_TIMEOUT, MAX_BODY
from soundcheck.load.answer import StreamReader, refusal, transcript
from soundcheck.load.client import told, without
from soundcheck.load.endpoint import Endpoint
from soundcheck.load.exchange import LINGER_NS, MAX_REFUSAL, Observer, reads_stream
from soundcheck.load.failure import Failure
from soundcheck.load.form import Form
from soundcheck.load.measured import Measured
from soundcheck.load.sample import NEVER
from soundcheck.load.tls import client_context
from soundcheck.load.transport import own_limit

ContextFactory = Callable[[], ssl.SSLContext]


class FastClient:
    """Does what ``TranscriptionClient`` does, over Locust's agent; the arguments are the same.

    ``proxy`` is the URL of an HTTP proxy (None: what the environment says), ``context_factory``
    gives the TLS settings in place of ``roots``. Measured are no kernel stamps and no ``sent``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        timeout_s: float = 120.0,
        roots: Path | None = None,
        observe: Observer | None = None,
        proxy: str | None = None,
        context_factory: ContextFactory | None = None,
    ) -> None:
        self._endpoint = endpoint = Endpoint.of(base_url, key, headers or {}, query, secrets)
        self._timeout_s = timeout_s
        self._observe = observe
        self._settings: dict[str, Any] = {
            "max_retries": 0,
            "max_redirects": 10,
            "concurrency": 1,
            "headers": {name: value for name, value in endpoint.headers if name != "Host"},
            "connection_timeout": min(CONNECT_TIMEOUT, timeout_s),
            "network_timeout": timeout_s,
            **_proxy(proxy or _environment_proxy(endpoint)),
        }
        if endpoint.is_secure:
            context = _context(context_factory) if context_factory else client_context(roots)
            self._settings["ssl_context_factory"] = lambda cafile=None: context
            self._settings["insecure"] = not context.check_hostname
        self._agent: _Agent | None = None

    def close(self) -> None:
        """Give up the connection; the next request makes a new one."""
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.close()

    def transcribe(self, form: Form) -> Measured:
        """Send ``form`` and return what was measured; what a deployment does raises nothing."""
        measured = Measured()
        measured.begun = monotonic_ns()
        late = Failure("timeout", "no complete answer in time")
        try:
            with gevent.Timeout(self._timeout_s, late):
                self._exchange(form, measured)
        except Failure as failure:
            if measured.done == NEVER:
                self.close()
            measured.cause = failure.number
            measured.detail = told(failure.detail, self._endpoint.secrets)
        except BaseException:
            self.close()
            raise
        else:
            measured.text = without(measured.text, self._endpoint.secrets, form.transcript)
        return measured

    def _exchange(self, form: Form, measured: Measured) -> None:
        if self._agent is None:
            self._agent = _Agent(**self._settings)
        try:
            response = self._agent.urlopen(
                self._endpoint.url,
                "POST",
                headers={"Content-Type": form.content_type},
                payload=form.body,
            )
        except Failure:
            raise  # the time is over
        except Exception as error:
            raise _failure(error) from None
        measured.headers = monotonic_ns()
        measured.status = response.status_code
        try:
            _read(response, form, measured, self._observe)
        except Failure:
            raise
        except Exception as error:
            raise _failure(error) from None
        finally:
            response.release()


class _Agent(LocustUserAgent):
    """Locust's agent, to which every status is an answer."""

    def _verify_status(self, status_code: int, url: Any = None) -> None:
        """Pass: what a status means is found out later, with its body."""


def _read(response: Any, form: Form, measured: Measured, observe: Observer | None) -> None:
    """Read the body of ``response``; raises Failure for all that is no transcript."""
    stream = response.stream
    status = measured.status
    media_type = _header(response, "content-type").partition(";")[0].strip().lower()
    if status < 300 and _header(response, "content-encoding") not in ("", "identity"):
        raise Failure("not-json", "an answer in a coding that was not allowed")
    if status < 300 and reads_stream(form, media_type):
        _read_stream(stream, measured, observe)
        return
    pieces = []
    limit = MAX_REFUSAL if status >= 300 else MAX_BODY
    while piece := _available(stream):
        pieces.append(piece)
        measured.received += len(piece)
        if measured.received > limit:
            if status >= 300:
                break
            raise Failure("too-long", f"an answer of more than {MAX_BODY} bytes")
    else:
        measured.done = monotonic_ns()
    body = b"".join(pieces)
    if status >= 300:
        raise refusal(status, body, _header(response, "location"))
    measured.text = transcript(body, is_plain_text=form.is_plain_text, media_type=media_type)
    if form.stream:
        measured.first_text = measured.last_text = measured.done


def _read_stream(stream: Any, measured: Measured, observe: Observer | None) -> None:
    now = 0
    heard = None if observe is None else lambda data: observe(data, now, None)
    reader = StreamReader(heard)
    while not reader.ended:
        piece = _available(stream)
        now = monotonic_ns()
        if not piece:
            raise Failure("stream-cut", "the stream ended without its last event")
        measured.received += len(piece)
        if measured.received > MAX_BODY:
            raise Failure("too-long", f"an answer of more than {MAX_BODY} bytes")
        measured.add_deltas(reader.feed(piece), now)
    measured.done = now
    measured.text = reader.text
    if measured.first_text == NEVER and measured.text:
        measured.first_text = measured.last_text = now
    # What follows the last event is a matter of microseconds, or none of ours.
    with gevent.Timeout(LINGER_NS / 1e9, False):
        while _available(stream):
            pass


def _available(stream: Any) -> bytes:
    """Return what has come of a body, at least a byte; nothing at its end.

    ``read`` waits for all it is asked for, which would hide the times of a stream's events, and
    ``readline`` for a line of any length. So this is the latter, for lines of any end.
    """
    while not stream._body_buffer and not stream.message_complete:
        data = stream._sock.recv(stream.block_size)
        try:
            stream.feed(data)
        except HTTPParseError:
            if data:
                raise
        if not data and not stream.message_complete:
            raise Failure("reset", "the connection ended before the answer was complete")
    piece = bytes(stream._body_buffer)
    stream._body_buffer.clear()
    return piece


def _failure(error: Exception) -> Failure:
    """Return what an exception of the agent, or of the sockets below it, means."""
    if isinstance(error, RetriesExceeded):
        original = getattr(error, "original", None)
        if not isinstance(original, Exception):
            return Failure("redirect", str(error))
        error = original
    cause = next((cause for kind, cause in _CAUSES if isinstance(error, kind)), "reset")
    if isinstance(error, OSError) and own_limit(error):
        cause = "unsent"
    return Failure(cause, getattr(error, "strerror", None) or str(error) or repr(error))


_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timeout"),
    (socket.gaierror, "unresolved"),
    (ConnectionRefusedError, "refused"),
    (ssl.SSLError, "tls"),
    (ssl.CertificateError, "tls"),
    (HTTPConnectionClosed, "reset"),
    (HTTPParseError, "not-http"),
)


def _header(response: Any, name: str) -> str:
    value = response.headers.get(name) or ""
    return str(value[0] if isinstance(value, list) else value)


@cache
def _context(factory: ContextFactory) -> ssl.SSLContext:
    """Return what ``factory`` makes, once for all users."""
    return factory()


def _environment_proxy(endpoint: Endpoint) -> str | None:
    """Return the proxy that the environment names for the endpoint; none for this machine."""
    is_local = endpoint.host in ("localhost", "::1") or endpoint.host.startswith("127.")
    if is_local or proxy_bypass(endpoint.host):
        return None
    named = getproxies()
    return named.get("https" if endpoint.is_secure else "http") or named.get("all")


def _proxy(url: str | None) -> dict[str, Any]:
    """Return the agent's settings for a proxy; raises SoundcheckError."""
    if not url:
        return {}
    try:
        split = urlsplit(url if "//" in url else f"http://{url}")
        host, port = split.hostname, split.port or 80
    except ValueError:
        host = None
    if not host or split.scheme != "http":
        raise SoundcheckError("the proxy is not an HTTP proxy: write http://HOST:PORT")
    return {
        "proxy_host": host,
        "proxy_port": port,
        "proxy_user": split.username,
        "proxy_password": split.password,
    }
