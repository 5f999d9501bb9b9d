"""What a tap saw: every hop between an encrypting proxy and its API, as recorded.

All times are seconds after the exchange began; all sizes are bytes.
"""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from soundcheck.http.headers import Headers, pairs


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """What was agreed on a connection: ``version`` such as ``TLSv1.3``, the cipher's name, SNI."""

    version: str
    cipher: str
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Leak:
    """Something secret that was readable on the wire.

    ``canary`` says of what (``prompt``, ``audio``, ``file name``, ``transcript``), ``encoding`` how
    it was written (``raw``, ``base64``, ``hex``, …), ``place`` where (``request head``,
    ``request body``, ``response head``, ``response body``) and ``offset`` at which byte of that;
    ``dump`` is a hex dump of what is around it.
    """

    canary: str
    encoding: str
    place: str
    offset: int
    dump: str


@dataclass(frozen=True, slots=True)
class Message:
    """A request or response: its first line, headers (redacted) and body without chunking.

    ``body`` is what was kept of ``size`` bytes, from the first; ``complete`` tells whether the
    sender ended it in order.
    """

    start: str
    headers: Headers
    body: bytes
    size: int
    complete: bool = True

    @property
    def path(self) -> str:
        """Return the path of a request."""
        return self.start.split(" ")[1] if self.start.count(" ") >= 1 else ""

    @property
    def status(self) -> int:
        """Return the status of a response."""
        return int(self.start.split(" ")[1])

    def header(self, name: str) -> str | None:
        """Return the value of the first header called ``name``, in any case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild a message from its document."""
        body = base64.b64decode(document["body"])
        return cls(**{**document, "headers": pairs(document["headers"]), "body": body})


@dataclass(frozen=True, slots=True)
class Sealed:
    """The clear parts of one envelope, kept where a body is too large to be kept whole.

    ``direction`` is ``request`` or ``response``; ``name`` that of the field or member; ID, nonce
    and IV are hexadecimal, ``size`` is that of the ciphertext with its tag.
    """

    direction: str
    name: str
    secret_id: str
    nonce: str
    iv: str
    size: int


@dataclass(frozen=True, slots=True)
class Hop:
    """One HTTP exchange through the tap, or an attempt at a connection that came to none.

    ``connection`` counts the proxy's connections to the tap; ``tls`` is ``None`` where there was no
    TLS or its handshake failed; ``problem`` says what went wrong by itself, ``changed`` what the
    tap changed as told.
    """

    connection: int
    at: float
    tls: TlsSeen | None = None
    request: Message | None = None
    response: Message | None = None
    changed: str = ""
    problem: str = ""
    leaks: tuple[Leak, ...] = ()
    sealed: tuple[Sealed, ...] = ()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild a hop from its document."""
        tls, request, response = document["tls"], document["request"], document["response"]
        return cls(
            **{
                **document,
                "tls": tls and TlsSeen(**tls),
                "request": request and Message.from_json(request),
                "response": response and Message.from_json(response),
                "leaks": tuple(Leak(**leak) for leak in document["leaks"]),
                "sealed": tuple(Sealed(**one) for one in document["sealed"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Tapped:
    """What the tap saw while one request was answered, hop by hop in the order of their begin."""

    hops: tuple[Hop, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document: bodies in base64."""
        document = asdict(self)
        for hop in document["hops"]:
            for message in filter(None, (hop["request"], hop["response"])):
                message["body"] = base64.b64encode(message["body"]).decode("ascii")
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild it from the document of :meth:`to_json`."""
        return cls(tuple(map(Hop.from_json, document["hops"])))
