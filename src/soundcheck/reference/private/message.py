"""What proxy and gateway have in common as HTTP servers: errors in the clear, bodies, headers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import ParamSpec, TypeVar

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from soundcheck.reference import connection
from soundcheck.reference.incoming import ClientGone, Incoming

MAX_BODY = 128 * 2**20
ENCRYPTED = "privatemode-encrypted"
SECRET_ID = "privatemode-secret-id"  # noqa: S105  # a header's name
POLICY = "privatemode-nvidia-ocsp-policy"
POLICY_MAC = "privatemode-nvidia-ocsp-policy-mac"
EVENT_STREAM = "text/event-stream"
NO_SECRET = "no secret for ID"  # noqa: S105  # a message
BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})

# What gets through of an answer's headers: whatever else they carry is nobody's business.
_PASSED = ("content-type", "x-request-id", "retry-after", "www-authenticate", "allow")
_IN_LOOP = 2**22  # bytes of a body, 10 ms of work, that may hold up other requests

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Problem(Exception):
    """A request that cannot be served by the stack itself: status and message for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> Response:
        """Return the error as it is sent: in the clear, and marked so."""
        body = {"error": {"message": str(self), "type": ""}}
        headers = {ENCRYPTED: "false"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(body, self.status, headers)


class BrokenOff(Exception):
    """A stream that ends here without the end of its transfer, one's own or another's."""


class Relay(StreamingResponse):
    """A streamed answer; ``behind`` (what it comes from) is closed with it."""

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        behind: AsyncExitStack,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(frames, status, headers)
        self._behind = behind
        self._broken = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the frames."""
        async with self._behind:
            await super().__call__(scope, receive, send)
        if self._broken:
            await connection.close(receive)

    async def stream_response(self, send: Send) -> None:
        """Send head and frames; what ends the transfer is left out if it was broken off."""
        try:
            await super().stream_response(send)
        except BrokenOff:
            self._broken = True


async def responded(
    answer: Callable[[Request, Incoming], Awaitable[Response]], http: Request, who: str
) -> Response:
    """Return what ``answer`` gives for a request, or the error that it ends in; ``who`` answers."""
    incoming = Incoming(http)
    try:
        return await answer(http, incoming)
    except Problem as problem:
        await incoming.drain()
        return problem.response()
    except ClientGone:
        return Response(status_code=499)
    except Exception:
        _log.exception("a request failed")
        return Problem(500, f"The {who} failed.").response()


async def relayed(came: httpx.Response, method: str) -> Response:
    """Return an answer as it ``came`` to a request with this method, as it goes on arriving."""
    behind = AsyncExitStack()
    behind.push_async_callback(came.aclose)
    headers = passed_on(came.headers)
    if method == "HEAD":
        await behind.aclose()
        return Response(status_code=came.status_code, headers=headers)
    return Relay(chunks(came), behind, came.status_code, headers)


async def read_body(incoming: Incoming) -> bytes:
    """Return a request's body; raises Problem for one that is too large, and ClientGone."""
    too_large = Problem(413, f"A request may have {MAX_BODY} bytes: a file of about 50 MB.")
    if incoming.declared_length > MAX_BODY:
        raise too_large
    pieces, size = [], 0
    async for chunk in incoming.chunks():
        size += len(chunk)
        if size > MAX_BODY:
            raise too_large
        pieces.append(chunk)
    return b"".join(pieces)


async def chunks(answered: httpx.Response) -> AsyncIterator[bytes]:
    """Yield an answer's body as it arrives; raises BrokenOff where it does."""
    try:
        async for chunk in answered.aiter_raw():
            yield chunk
    except httpx.TransportError:
        raise BrokenOff from None


async def worked(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``work``, done in a thread when it concerns many bytes (``size``)."""
    if size <= _IN_LOOP:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def path_of(http: Request) -> str:
    """Return the path that is asked for, as it was written; raises Problem for what is none.

    A query does not travel: it would not be encrypted.
    """
    path: str = http.scope["raw_path"].decode("latin-1")
    if not path.startswith("/"):
        raise Problem(404, "There is nothing at this URL.")
    return path


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an answer that are passed on."""
    return {name: headers[name] for name in _PASSED if name in headers}


def media_type(headers: Mapping[str, str]) -> str:
    """Return a message's media type in lower case, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
