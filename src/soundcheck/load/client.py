"""The client that users have: one keep-alive connection, one transcription at a time, measured.

Whatever a deployment does ends in a :class:`Measured`, in bounded time.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from time import monotonic_ns
from typing import TypeAlias

from soundcheck.load.endpoint import Endpoint
from soundcheck.load.exchange import Observer, exchange
from soundcheck.load.failure import Failure
from soundcheck.load.form import Form
from soundcheck.load.measured import Measured as Measured
from soundcheck.load.sample import NEVER
from soundcheck.load.tls import SecureLine, client_context
from soundcheck.load.transport import Line, connect
from soundcheck.report.printable import one_line

DETAIL = 200
"""Characters of what is told about a failure."""

STALE_NS = 1_000_000_000
"""Nanoseconds in which a kept connection shows that the server had closed it before."""

_Pairs: TypeAlias = tuple[tuple[str, str], ...]

_SECOND = 1e9
_RECOGNIZABLE = 4


class TranscriptionClient:
    """Sends transcriptions to the endpoint below ``base_url``, one after the other.

    ``headers`` and ``query`` go with each; ``secrets`` are what must not be told of them.
    ``timeout_s`` bounds each from its begin to its end. Certificates of ``roots`` (PEM) are trusted
    beside the system's. ``observe`` is told each event of a stream: its data, and the times of the
    read that completed it by us and by the kernel (ns, monotonic). Raises SoundcheckError for what
    no request can be sent with.
    """

    __slots__ = ("_context", "_endpoint", "_line", "_observe", "_timeout_ns")

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
    ) -> None:
        self._endpoint = _endpoint(base_url, key, _pairs(headers), _pairs(query), secrets)
        self._context = client_context(roots) if self._endpoint.is_secure else None
        self._timeout_ns = int(timeout_s * _SECOND)
        self._observe = observe
        self._line: Line | None = None

    def close(self) -> None:
        """Give up the connection; the next request makes a new one."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def transcribe(self, form: Form) -> Measured:
        """Send ``form`` and return what was measured; what a deployment does raises nothing.

        A server may close a connection that was kept just as the next request is sent. So a request
        that breaks at once, without any answer, on a connection that was used before is sent once
        more on a new one.
        """
        measured = Measured()
        measured.begun = begun = monotonic_ns()
        was_kept = self._line is not None
        try:
            try:
                self._exchange(form, measured)
            except Failure as failure:
                if (
                    not was_kept
                    or failure.cause != "reset"
                    or measured.received
                    or measured.reconnects
                    or monotonic_ns() - begun > STALE_NS
                ):
                    raise
                measured.reconnects = 1
                measured.sent = NEVER
                self._exchange(form, measured)
        except Failure as failure:
            measured.cause = failure.number
            measured.detail = told(failure.detail, self._endpoint.secrets)
        else:
            if self._endpoint.secrets:
                measured.text = without(measured.text, self._endpoint.secrets, form.transcript)
        return measured

    def _exchange(self, form: Form, measured: Measured) -> None:
        begun = measured.begun
        line = self._line
        if line is not None and line.is_stale(begun):
            self.close()
            line = None
            measured.reconnects = 1
        if line is None:
            line = self._connect(begun)
        else:
            line.begin(begun, begun + self._timeout_ns)
        try:
            exchange(line, self._endpoint.head, form, measured, self._observe)
        finally:
            if line.is_reusable:
                line.end()
            else:
                self.close()

    def _connect(self, begun_ns: int) -> Line:
        endpoint = self._endpoint
        deadline = begun_ns + self._timeout_ns
        try:
            connected = connect(endpoint.host, endpoint.port, deadline)
            if self._context is None:
                self._line = line = Line(connected)
                line.begin(begun_ns, deadline)
            else:
                self._line = line = secured = SecureLine(connected, endpoint.host, self._context)
                line.begin(begun_ns, deadline)
                secured.secure()
        except BaseException:
            self.close()
            raise
        return line


def told(detail: str, secrets: Iterable[str]) -> str:
    """Return what is told of a failure: printable, short and without ``secrets``.

    What a server sent was cut before, perhaps in the middle of a secret: its begin goes as well.
    """
    for secret in secrets:
        detail = detail.replace(secret, "…")
        for size in range(len(secret) - 1, _RECOGNIZABLE - 1, -1):
            if detail.endswith(secret[:size]):
                detail = detail[:-size] + "…"
                break
    return one_line(detail, DETAIL)


def without(text: str, secrets: Iterable[str], said: str) -> str:
    """Return a transcript without ``secrets``: a text that is wrong is told.

    What was ``said`` in the audio is no secret, though a header may hold the same word.
    """
    for secret in secrets:
        if secret in text and secret not in said:
            text = text.replace(secret, "…")
    return text


@lru_cache(maxsize=64)
def _endpoint(
    base_url: str, key: str | None, headers: _Pairs, query: _Pairs, secrets: tuple[str, ...]
) -> Endpoint:
    """Return the endpoint, the same for all users: its head is held once."""
    return Endpoint.of(base_url, key, dict(headers), dict(query), secrets)


def _pairs(fields: Mapping[str, str] | None) -> _Pairs:
    return tuple((fields or {}).items())
