"""A request as it comes in: its head, its body piece by piece, and whether the client is there."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import Request as HttpRequest

from soundcheck.reference import connection

T = TypeVar("T")

# How much of a refused body is read for a client whose connection ends with the answer.
MOST_DRAINED = 256 * 2**20
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}")


class ClientGone(Exception):
    """The client closed the connection before it had its answer."""


class Incoming:
    """One request; ``started`` is its monotonic time of arrival in seconds."""

    def __init__(self, http: HttpRequest) -> None:
        self.started = time.monotonic()
        self.method = http.method[:16]
        self.path = http.url.path
        self.content_type = http.headers.get("content-type", "")
        self.authorization = http.headers.get("authorization")
        self.accept = http.headers.get("accept", "")
        declared = http.headers.get("content-length", "")
        self.declared_length = int(declared) if re.fullmatch(r"[0-9]{1,18}", declared) else 0
        given = http.headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(16)}"
        self.expects = http.headers.get("expect", "").lower() == "100-continue"
        self.chunked = "chunked" in http.headers.get("transfer-encoding", "").lower()
        self.connection = f"{http.client.host}:{http.client.port}" if http.client else ""
        told = {one.strip() for one in http.headers.get("connection", "").lower().split(",")}
        old = http.scope.get("http_version") == "1.0"
        self._closes = "close" in told or (old and "keep-alive" not in told)
        self._receive = http.receive
        self._reading = False
        self._complete = False

    @property
    def unwanted(self) -> bool:
        """Whether the client still waits for leave to send its body (Expect: 100-continue)."""
        return self.expects and not self._reading

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; raises ClientGone."""
        while not self._complete:
            self._reading = True
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            self._complete = not message.get("more_body", False)
            yield message.get("body", b"")

    async def drain(self) -> None:
        """Read the rest of a refused body where the answer would be lost otherwise.

        On a connection that stays open the server reads on after the answer. One that ends with
        it must be read empty first: closing it early resets it, and the client never reads why.
        """
        if not self._closes or self.unwanted:
            return
        drained = 0
        with suppress(ClientGone):
            async for chunk in self.chunks():
                drained += len(chunk)
                if drained > MOST_DRAINED:
                    return

    async def unless_gone(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of ``work``; cancels it and raises ClientGone if the client leaves."""
        task = asyncio.create_task(work)
        watch = asyncio.create_task(self.gone())
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ClientGone
        finally:
            for one in (task, watch):
                if not one.done():
                    one.cancel()
                    with suppress(asyncio.CancelledError):
                        await one

    async def gone(self) -> None:
        """Return when the client has left; what it still sends is read and thrown away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def withhold_leave(self) -> None:
        """Read the body without having given the leave that its sender waits for."""
        connection.withhold_leave(self._receive)

    async def reset(self) -> None:
        """Close the connection without an answer; returns when it is closed."""
        await connection.reset(self._receive)
