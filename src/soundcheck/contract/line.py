"""The line through the tap: how requests of the wire are sent, and what is seen beside them."""

import json
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from soundcheck.contract.attack import ON_CONNECTIONS, Attack
from soundcheck.contract.canary import Canaries, Canary, spoken
from soundcheck.contract.hops import is_upload
from soundcheck.contract.probe import TLS, Probe
from soundcheck.contract.verdict import Untestable
from soundcheck.http.access import DIRECT, Access
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing
from soundcheck.http.inspect import inspect
from soundcheck.http.multipart import Body
from soundcheck.http.tapped import Tapped

PAUSES = (1.0, 2.0, 4.0)
"""Seconds until a request that a proxy put off is sent again."""

UNANSWERED = 2
"""Requests in a row without an answer, or put off to the end, after which a proxy is given up."""


class Watch(Protocol):
    """What was seen while one request was answered."""

    def tapped(self, more: tuple[Canary, ...] = ()) -> Tapped:
        """Return it, searched for the canaries of the run and ``more``."""


class Tap(Protocol):
    """What the line needs of a tap."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong on the tap by itself."""

    def watching(self, attack: Attack = Attack.NONE) -> AbstractContextManager[Watch]:
        """Watch, and carry out one attack, until the block is left."""

    def everything(self) -> Tapped:
        """Return every hop of the run, without bodies."""

    def close(self) -> None:
        """Stop listening, and leave nothing behind."""


class Line:
    """One way to a deployment whose encryption is judged.

    ``client`` asks the proxy; ``tap`` stands behind it (``None``: none does, and nothing of the
    wire is ever sent); ``endpoint`` is the URL or HOST:PORT whose TLS is inspected, by the
    certificates of ``roots`` (``None``: the system's) and by way of ``access``.
    """

    def __init__(
        self,
        client: Client,
        canaries: Canaries,
        tap: Tap | None = None,
        endpoint: str = "",
        roots: Path | None = None,
        access: Access = DIRECT,
    ) -> None:
        self._client = client
        self.canaries = canaries
        self._tap = tap
        self._endpoint = endpoint
        self._roots = roots
        self._access = access
        self._unanswered = 0
        self._closed = threading.Event()

    def close(self) -> None:
        """Close the connections and the tap."""
        self._closed.set()
        self._client.close()
        if self._tap is not None:
            self._tap.close()

    def send(
        self,
        probe: Probe,
        headers: tuple[tuple[str, str], ...],
        body: bytes | Body,
        parts: tuple[dict[str, object], ...],
        timeout: float,
    ) -> Exchange:
        """Send ``probe`` while the tap watches; the exchange has what the tap saw.

        It is sent again, after ``PAUSES``, only where the proxy put it off by itself: after an
        attack a right proxy may well do so for some seconds, or a limit on requests is reached.
        Raises ``Untestable`` when the proxy left too many requests in a row without an answer that
        nobody had tampered with: each further one would take all of its patience.
        """
        if self._tap is None:
            raise LookupError("a request of the wire was planned without a tap")
        if self._unanswered >= UNANSWERED:
            told = "; ".join(self._tap.problems)
            raise Untestable(
                f"{self._unanswered} requests in a row were not answered by the API"
                + (f" (at the tap: {told})" if told else "")
            )
        retried: tuple[Response, ...] = ()
        for pause in (*PAUSES, None):
            with self._tap.watching(probe.attack) as watch:
                exchange = self._client.send(
                    probe.method,
                    probe.path,
                    headers=headers,
                    body=body,
                    parts=parts,
                    digest=probe.digest,
                    lane=probe.lane.value,
                    timeout=timeout,
                )
            tapped = watch.tapped(spoken(_texts(exchange)))
            put_off = _is_put_off(probe, exchange, tapped)
            if not put_off or pause is None or self._closed.wait(pause):
                break
            retried += (exchange.response,) if exchange.response else ()
        if put_off or (exchange.error is not None and not probe.attack):
            self._unanswered += 1
        elif not probe.attack:
            self._unanswered = 0
        return replace(exchange, tapped=tapped, attempts=len(retried) + 1, retried=retried)

    def look(self, probe: Probe, timeout: float) -> Exchange:
        """Return what ``probe`` is about and no request shows: the TLS, or the whole run's hops."""
        started = datetime.now(UTC)
        found = Exchange(
            digest=probe.digest,
            lane=probe.lane.value,
            attempts=1,
            started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            request=SentRequest(probe.method, self._client.base_url, (), (), 0),
            response=None,
            timing=Timing(None, None, 0.0),
            error=None,
        )
        if probe.method == TLS:
            seen = inspect(self._endpoint, roots=self._roots, timeout=timeout, access=self._access)
            found = replace(found, inspection=seen)
        elif self._tap is not None:
            found = replace(found, tapped=self._tap.everything())
        took = (datetime.now(UTC) - started).total_seconds()
        return replace(found, timing=Timing(None, None, round(took, 6)))


def _is_put_off(probe: Probe, exchange: Exchange, tapped: Tapped) -> bool:
    """Tell whether a proxy refused a request for now: nothing of it came as far as the tap."""
    status = exchange.response.status if exchange.response is not None else 0
    if not probe.attack and status in (429, 503):
        return True
    passed = any(map(is_upload, tapped.hops))
    return (status == 429 or status >= 500) and not passed and probe.attack not in ON_CONNECTIONS


def _texts(exchange: Exchange) -> list[str]:
    """Return what was said in the uploads of ``exchange``, and what was answered to it."""
    texts = [str(part.get("transcript", "")) for part in exchange.request.parts]
    try:
        answer = json.loads(exchange.response.body) if exchange.response else None
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("text"), str):
        texts.append(answer["text"])
    return texts
