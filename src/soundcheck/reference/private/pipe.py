"""A TCP front before a server: it looks at how a connection begins, then leads it on or answers."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

_PIECE = 2**16
_HANDSHAKE = 22  # the content type of a TLS record that begins a connection
_PATIENCE = 30.0  # seconds for a connection to say how it begins

Inner: TypeAlias = tuple[str, int]
Choose: TypeAlias = Callable[[bytes], "bytes | Inner"]


def is_tls(first: bytes) -> bool:
    """Tell whether a connection begins with a TLS handshake."""
    return first[:1] == bytes([_HANDSHAKE])


class Pipe:
    """Leads the connections of a listening socket on to where ``choose`` says.

    ``choose`` gets what a connection begins with: the first TLS record, or what came first if that
    is none. It returns an address to lead on to, or bytes to answer before closing.
    """

    def __init__(self, listener: socket.socket, choose: Choose) -> None:
        self._listener = listener
        self._choose = choose
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to take connections."""
        self._server = await asyncio.start_server(self._accept, sock=self._listener)

    async def close(self) -> None:
        """Close the socket and every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._lead(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                first = await _beginning(reader)
            chosen = self._choose(first)
            if isinstance(chosen, bytes):
                writer.write(chosen)
                await writer.drain()
            else:
                await _join(first, reader, writer, chosen)
        except (OSError, EOFError, TimeoutError):
            pass
        finally:
            with suppress(OSError):
                writer.close()


async def _beginning(reader: asyncio.StreamReader) -> bytes:
    first = await reader.read(_PIECE)
    if is_tls(first):
        first += await _missing(reader, 5 - len(first))
        first += await _missing(reader, 5 + int.from_bytes(first[3:5], "big") - len(first))
    return first


async def _missing(reader: asyncio.StreamReader, count: int) -> bytes:
    return await reader.readexactly(count) if count > 0 else b""


async def _join(
    first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner: Inner
) -> None:
    """Carry bytes both ways until one side has ended."""
    inner_reader, inner_writer = await asyncio.open_connection(*inner)
    try:
        inner_writer.write(first)
        await _first_of(_carry(reader, inner_writer), _carry(inner_reader, writer))
    finally:
        inner_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()


async def _first_of(*work: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
