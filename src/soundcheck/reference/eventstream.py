"""Events on the wire: encoded one by one, and sent as they come until the client leaves."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from soundcheck.reference import connection
from soundcheck.reference.faults import SLOWEST, BreakOff, Event

EVENT_STREAM = "text/event-stream; charset=utf-8"


async def encode(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """Yield each event as a frame: a text as it is, any other value as JSON."""
    async for event in events:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        yield f"data: {data}\n\n".encode()


class EventStream(StreamingResponse):
    """A streamed answer; ``listening`` is closed, and its work ended, with it.

    It is broken off, without the end of the transfer, by a BreakOff out of ``frames`` and after
    SLOWEST seconds. Its work ends at once when the client leaves.
    """

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        listening: AsyncExitStack,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(frames, status, headers)
        self._listening = listening
        self._broken = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the frames."""
        async with self._listening:
            try:
                async with asyncio.timeout(SLOWEST):
                    await super().__call__(scope, receive, send)
            except TimeoutError:
                self._broken = True
        if self._broken:
            await connection.close(receive)

    async def stream_response(self, send: Send) -> None:
        """Send head and frames; what ends the transfer is left out if it was broken off."""
        try:
            await super().stream_response(send)
        except BreakOff:
            self._broken = True
