"""One side of the tap: a connection that carries HTTP/1.1, read and written piece by piece."""

import asyncio
import contextlib
import ssl
from collections import deque
from typing import Any, TypeAlias, cast

import h11

from soundcheck.wiretap.captured import PIECE

LARGEST_HEAD = 2**18
"""Bytes of a message's head above which it is refused."""

_GOODBYE = 2.0

Event: TypeAlias = Any
"""Something that h11 tells: it has no common type for them."""


class Silent(Exception):
    """Nothing came for too long."""


class Wire(asyncio.Protocol):
    """The bytes of a connection, taken no faster than they are read.

    What came before a connection broke can still be read, unlike with asyncio's streams.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._is_paused = False
        self._is_full = False
        self._error: Exception | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._closed = asyncio.Event()
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came; let no more come once that is enough."""
        self._pieces.append(bytes(data))
        self._held += len(data)
        if self._held > PIECE and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Take the other side's end; without TLS, ours is left open for the answer."""
        self.ended = True
        self._wake()
        return self.transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the connection as closed."""
        self.ended = True
        self._error = exc
        self._closed.set()
        self._wake()

    def pause_writing(self) -> None:
        """Wait before more is sent."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on sending."""
        self._is_full = False
        self._wake()

    @property
    def transport(self) -> asyncio.Transport:
        """Return the connection."""
        if self._transport is None:
            raise ConnectionError("not connected")
        return self._transport

    @property
    def agreed(self) -> ssl.SSLObject:
        """Return what TLS was agreed on."""
        return cast(ssl.SSLObject, self.transport.get_extra_info("ssl_object"))

    async def read(self) -> bytes:
        """Return the next bytes, ``b""`` at the end; raises ``OSError`` for a broken connection."""
        while not self._pieces and not self.ended:
            await self._change()
        if not self._pieces:
            if isinstance(self._error, OSError):
                raise self._error
            return b""
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if self._is_paused and self._held <= PIECE:
            self._is_paused = False
            self.transport.resume_reading()
        return piece

    def write(self, data: bytes | bytearray) -> None:
        """Send ``data``; raises ``OSError`` where there is nobody any more."""
        if self._closed.is_set() or self.transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self.transport.write(data)

    async def flushed(self) -> None:
        """Return when more may be written."""
        while self._is_full and not self._closed.is_set():
            await self._change()

    async def close(self) -> None:
        """Close in order, and wait for it a moment."""
        self.transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._closed.wait()
        self.break_off()

    def break_off(self) -> None:
        """Close at once, so that the other side cannot take what it got for the whole."""
        if not self._closed.is_set():
            self.transport.abort()

    def is_over(self) -> bool:
        """Tell whether the other side has closed or sent what nobody asked for."""
        return self.ended or bool(self._pieces) or self.transport.is_closing()

    async def _change(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        finally:
            self._waiting.remove(waiting)

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)


class Line:
    """A connection and what is spoken on it; ``role`` is ``h11.SERVER`` towards the proxy.

    ``first`` is what came first on it, ``heard`` tells whether anything came in this exchange,
    ``unheard`` whether there is more to read than was wanted, ``used`` when it was last used.
    """

    def __init__(self, role: Any, wire: Wire) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=LARGEST_HEAD)
        self.wire = wire
        self.first = b""
        self.heard = False
        self.unheard = False
        self.ended = False
        self.used = 0.0

    async def event(self, patience: float) -> Event:
        """Return what comes next; raises Silent after ``patience`` seconds without a byte.

        Raises ``h11.RemoteProtocolError`` for what is not HTTP or breaks off, ``OSError`` for a
        broken connection.
        """
        while (event := self.http.next_event()) is h11.NEED_DATA:
            try:
                async with asyncio.timeout(patience):
                    data = await self.wire.read()
            except TimeoutError:
                raise Silent from None
            self.first = self.first or data[:16]
            self.heard = self.heard or bool(data)
            self.ended = not data
            self.http.receive_data(data)
        return event

    async def send(self, event: Event) -> None:
        """Send what ``event`` says, once the other side keeps up."""
        pieces = self.http.send_with_data_passthrough(event) or []
        # In one piece, since each would be a record of TLS; what is large is not copied for it.
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if data:
            self.wire.write(data)
        await self.wire.flushed()

    async def until_gone(self) -> None:
        """Return when the other side has closed; keep what it sends before that for later."""
        data = await self.wire.read()
        if data:
            self.http.receive_data(data)
            await asyncio.get_running_loop().create_future()
        self.ended = True

    def next_exchange(self) -> None:
        """Make ready for another exchange."""
        self.http.start_next_cycle()
        self.heard = False
