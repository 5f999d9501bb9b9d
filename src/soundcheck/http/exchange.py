"""An exchange: one request and everything that came back for it, as recorded.

All times are seconds after the exchange began; all sizes are bytes.
"""

import base64
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from soundcheck.http.headers import Headers as Headers
from soundcheck.http.headers import pairs
from soundcheck.http.inspection import Inspection
from soundcheck.http.tapped import Tapped

SCHEMA = "soundcheck/exchange/1"

ErrorKind: TypeAlias = Literal["refused", "reset", "timeout", "too-large", "protocol", "tls"]


@dataclass(frozen=True, slots=True)
class SentRequest:
    """The request as it went out; ``parts`` describe clips by name, digest and size.

    ``sent_bytes`` of the ``body_bytes`` had been handed to the network when the answer came;
    ``None`` where that was not counted. ``body`` is a content that is no form. ``sender`` says who
    sent it and how, where it was not the ordinary client; ``frame`` how a form was put together,
    where that was not as RFC 7578 says.
    """

    method: str
    url: str
    headers: Headers
    parts: tuple[dict[str, Any], ...]
    body_bytes: int
    sent_bytes: int | None = None
    body: str = ""
    sender: str = ""
    frame: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """The answer: ``chunks`` are (arrival time, length) pairs that cover ``body`` in order.

    Their lengths are those received: redaction may have changed that of ``body`` since.
    ``interim`` are the (status, arrival time) of answers before the final one, such as 100.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes
    chunks: tuple[tuple[float, int], ...]
    interim: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """When the last request byte left, the headers were in, and the answer was complete."""

    sent_s: float | None
    headers_s: float | None
    done_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """A request that was sent before, on the same connection, and its answer as far as it came."""

    request: SentRequest
    response: Response | None
    timing: Timing


@dataclass(frozen=True, slots=True)
class TransportError:
    """Why the exchange did not end in a complete answer."""

    kind: ErrorKind
    message: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was sent, what came back, when, and what went wrong on the way.

    ``retried`` are the answers to earlier attempts, after which the request was sent again;
    ``tapped`` is what a tap saw meanwhile, ``inspection`` what a target's TLS showed. ``earlier``
    are the steps before it on its connection: if one of them ended that, by saying so, there is
    neither an answer nor an error. ``left`` says what the deployment was left at by a client that
    was told to: ``uploading``, ``waiting`` or ``reading``. ``visits`` are the requests that came to
    the place which an uploaded file names, ``None`` where nobody listened there.
    """

    digest: str
    lane: str
    attempts: int
    started: str
    request: SentRequest
    response: Response | None
    timing: Timing
    error: TransportError | None
    retried: tuple[Response, ...] = ()
    tapped: Tapped | None = None
    inspection: Inspection | None = None
    earlier: tuple[Step, ...] = ()
    left: str = ""
    visits: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``exchanges/<digest>.json`` holds."""
        document: dict[str, Any] = {"schema": SCHEMA, **asdict(self)}
        document["tapped"] = self.tapped and self.tapped.to_json()
        steps = (step["response"] for step in document["earlier"])
        for answer in filter(None, (document["response"], *document["retried"], *steps)):
            answer["body"] = _body_to_json(answer["body"])
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Exchange":
        """Rebuild an exchange from the document of :meth:`to_json`."""
        response, error = document["response"], document["error"]
        tapped, inspection = document.get("tapped"), document.get("inspection")
        return cls(
            digest=document["digest"],
            lane=document["lane"],
            attempts=document["attempts"],
            started=document["started"],
            request=_request(document["request"]),
            response=response and _response(response),
            timing=Timing(**document["timing"]),
            error=error and TransportError(**error),
            retried=tuple(map(_response, document.get("retried", ()))),
            tapped=tapped and Tapped.from_json(tapped),
            inspection=inspection and Inspection.from_json(inspection),
            earlier=tuple(map(_step, document.get("earlier", ()))),
            left=document.get("left", ""),
            visits=None if document.get("visits") is None else tuple(document["visits"]),
        )


def _step(document: dict[str, Any]) -> Step:
    response = document["response"]
    return Step(
        _request(document["request"]),
        response and _response(response),
        Timing(**document["timing"]),
    )


def _request(document: dict[str, Any]) -> SentRequest:
    return SentRequest(
        **document | {"headers": pairs(document["headers"]), "parts": tuple(document["parts"])}
    )


def _response(document: dict[str, Any]) -> Response:
    return Response(
        **document
        | {
            "headers": pairs(document["headers"]),
            "body": _body_from_json(document["body"]),
            "chunks": tuple((at, size) for at, size in document["chunks"]),
            "interim": tuple((status, at) for status, at in document.get("interim", ())),
        }
    )


def _body_to_json(body: bytes) -> dict[str, str]:
    """Keep UTF-8 readable and everything else exact."""
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}


def _body_from_json(body: dict[str, str]) -> bytes:
    return base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode("utf-8")
