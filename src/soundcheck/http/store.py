"""The one writer of exchanges: everything secret is taken out here, before it reaches the disk."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from soundcheck.http.exchange import Exchange, Headers, Response, SentRequest
from soundcheck.http.tapped import Hop, Message, Tapped

REDACTED = "[redacted]"
RECENT = 8
"""Exchanges that are kept in memory when they were read: a few, since some are large."""

SHORTEST_SECRET = 8
"""Characters below which a key is no secret: taking "test" out of answers would damage them."""

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "set-cookie"}
)


class Store:
    """Exchanges in a folder, one JSON file per digest; ``secrets`` never get into it.

    Headers that carry credentials are always redacted, and so are ``secret_headers`` (names in
    lower case), but for values that are ``harmless``: those that were made up to be refused. A
    secret is taken out of everything else
    too, unless it is shorter than ``SHORTEST_SECRET``: such keys are placeholders of local servers.
    """

    def __init__(
        self,
        folder: Path,
        secrets: Iterable[str] = (),
        secret_headers: Iterable[str] = (),
        harmless: Iterable[str] = (),
    ) -> None:
        self.folder = folder
        # The longest first: one may be a part of another.
        long = [one for one in secrets if len(one) >= SHORTEST_SECRET]
        self._secrets = tuple(sorted(long, key=len, reverse=True))
        self._secret_headers = SECRET_HEADERS | set(secret_headers)
        self._harmless = frozenset(harmless)
        # The cases of one requirement read the same exchanges, one case after the other.
        self._read = lru_cache(RECENT)(self._parsed)

    def path(self, digest: str) -> Path:
        """Return where the exchange with ``digest`` is or would be."""
        return self.folder / f"{digest}.json"

    def load(self, digest: str) -> Exchange | None:
        """Return the recorded exchange, or ``None`` when there is none yet."""
        try:
            return self._read(digest)
        except FileNotFoundError:
            return None

    def _parsed(self, digest: str) -> Exchange:
        return Exchange.from_json(json.loads(self.path(digest).read_bytes()))

    def exchanges(self) -> Iterator[Exchange]:
        """Yield every recorded exchange."""
        for path in sorted(self.folder.glob("*.json")):
            yield Exchange.from_json(json.loads(path.read_bytes()))

    def remove_damaged(self) -> int:
        """Forget every exchange that cannot be read, as a crash may leave them; return how many."""
        damaged = 0
        for path in self.folder.glob("*.json"):
            try:
                Exchange.from_json(json.loads(path.read_bytes()))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                path.unlink()
                damaged += 1
        return damaged

    def remove(self, digest: str) -> None:
        """Forget the exchange with ``digest``: it is to be made anew."""
        self.path(digest).unlink(missing_ok=True)
        self._read.cache_clear()

    def write(self, exchange: Exchange) -> Exchange:
        """Store ``exchange`` without its secrets, and return it as stored."""
        clean = self._redacted(exchange)
        target = self.path(clean.digest)
        partial = target.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(clean.to_json(), ensure_ascii=False), encoding="utf-8")
        partial.replace(target)
        return clean

    def _redacted(self, exchange: Exchange) -> Exchange:
        response = exchange.response and self._response(exchange.response)
        retried = tuple(map(self._response, exchange.retried))
        error = exchange.error and replace(
            exchange.error, message=self._text(exchange.error.message)
        )
        return replace(
            exchange,
            request=self._request(exchange.request),
            response=response,
            error=error,
            retried=retried,
            earlier=tuple(
                replace(
                    step,
                    request=self._request(step.request),
                    response=step.response and self._response(step.response),
                )
                for step in exchange.earlier
            ),
            visits=exchange.visits and tuple(map(self._text, exchange.visits)),
            tapped=exchange.tapped and Tapped(tuple(map(self._hop, exchange.tapped.hops))),
        )

    def _request(self, request: SentRequest) -> SentRequest:
        return replace(
            request,
            url=self._text(request.url),
            headers=self._headers(request.headers),
            parts=tuple(
                {
                    key: self._text(value) if isinstance(value, str) else value
                    for key, value in part.items()
                }
                for part in request.parts
            ),
            body=self._text(request.body),
        )

    def _hop(self, hop: Hop) -> Hop:
        """Return what a tap saw without secrets: it takes out those that it knows by itself."""
        request, response = map(self._message, (hop.request, hop.response))
        return replace(hop, request=request, response=response)

    def _message(self, message: Message | None) -> Message | None:
        return message and replace(
            message,
            start=self._text(message.start),
            headers=self._headers(message.headers),
            body=self._bytes(message.body),
        )

    def _response(self, response: Response) -> Response:
        return replace(
            response,
            reason=self._text(response.reason),
            headers=self._headers(response.headers),
            body=self._bytes(response.body),
        )

    def _headers(self, headers: Headers) -> Headers:
        return tuple(
            (name, REDACTED if self._is_secret(name, value) else self._text(value))
            for name, value in headers
        )

    def _is_secret(self, name: str, value: str) -> bool:
        return name.lower() in self._secret_headers and value not in self._harmless

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text

    def _bytes(self, body: bytes) -> bytes:
        for secret in self._secrets:
            body = body.replace(secret.encode(), REDACTED.encode())
        return body
