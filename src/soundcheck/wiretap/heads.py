"""Heads of messages as they came, to be searched, and where in them the credentials stand."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import unquote

from soundcheck.http.store import REDACTED, SECRET_HEADERS

_KEYS = SECRET_HEADERS - {"cookie", "set-cookie"}  # cookies hold much that is no key
_IN_QUERY = re.compile(r"([?&;](?:key|api_key|api-key|token|access_token)=)([^&#\s]+)", re.I)


class Place(NamedTuple):
    """Bytes of a head, from ``start`` to before ``end``, that are a secret; ``of`` says whose."""

    of: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Head:
    """A head on the wire: names in lower case, all else as it came, secrets included.

    It is searched and never recorded. ``secret`` are the values of headers that carry credentials,
    and keys in the URL's query; ``keys`` those of them that an API may repeat elsewhere.
    """

    raw: bytes = field(default=b"", repr=False)
    secret: tuple[Place, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, start: str, headers: Iterable[tuple[bytes, bytes]]) -> Self:
        """Return the head that begins with the line ``start``."""
        raw = bytearray(start.encode("latin-1", "replace") + b"\r\n")
        found = [Place("a key in the URL", *one.span(2)) for one in _IN_QUERY.finditer(start)]
        keys = [one[2] for one in _IN_QUERY.finditer(start)]
        for key, value in headers:
            name = key.decode("latin-1").lower()
            raw += name.encode("latin-1") + b": "
            if name in SECRET_HEADERS:
                found.append(Place(f"the value of {name}", len(raw), len(raw) + len(value)))
            if name in _KEYS:  # of "Bearer KEY" the last word
                keys.append(value.decode("latin-1").strip().rpartition(" ")[2])
            raw += value + b"\r\n"
        return cls(bytes(raw), tuple(found), tuple(_as_written(keys)))

    def holder(self, offset: int) -> str:
        """Return whose secret the byte at ``offset`` belongs to, ``""`` if to none."""
        return next((one.of for one in self.secret if one.start <= offset < one.end), "")

    def masked(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start``, those of secrets as asterisks."""
        data = bytearray(self.raw)
        for one in self.secret:
            data[one.start : one.end] = b"*" * (one.end - one.start)
        return bytes(data[start : start + size])


def without_keys(start: str) -> str:
    """Return a request's first line without the keys in its query."""
    return _IN_QUERY.sub(lambda found: found[1] + REDACTED, start)


def _as_written(keys: Iterable[str]) -> Iterator[str]:
    """Yield each key as it came, and as it is without percent encoding where that differs."""
    for key in keys:
        yield from dict.fromkeys((key, unquote(key, "latin-1")))
