"""What can be done to a client's connection below HTTP, and an application that can die."""

import asyncio
import socket
import struct
from typing import Any, cast

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# SO_LINGER, on, for 0 seconds: what was not sent is thrown away, and the other side gets a reset.
_AT_ONCE = struct.pack("ii", 1, 0)


async def reset(receive: Receive) -> None:
    """Close the connection that ``receive`` (uvicorn's) reads from at once, by RST.

    What was sent and not yet taken may be lost. Returns when it is closed. Raises
    ConnectionResetError where there is no connection: when the application was called directly.
    """
    transport = _transport(receive)
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:  # else the client was faster
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
    await _closed(receive)


async def close(receive: Receive) -> None:
    """Close the connection after what was sent, though the answer is not complete."""
    _transport(receive).close()
    await _closed(receive)


def withhold_leave(receive: Receive) -> None:
    """Let uvicorn forget that the client waits for leave to send its body: it gets none."""
    cycle: Any = getattr(receive, "__self__", None)
    if hasattr(cycle, "waiting_for_100_continue"):
        cycle.waiting_for_100_continue = False


class Ending(Response):
    """A complete answer after which the connection is closed, though it does not say so."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, then close the connection."""
        await super().__call__(scope, receive, send)
        await close(receive)


def _transport(receive: Receive) -> asyncio.Transport:
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("The connection was reset.")
    # uvloop's transports have the methods of asyncio's, but are none by type.
    return cast(asyncio.Transport, transport)


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Life:
    """Whether an application still answers."""

    def __init__(self) -> None:
        self.over = False


class Mortal:
    """An application that resets every connection from the moment when its life is over."""

    def __init__(self, app: ASGIApp, life: Life) -> None:
        self._app = app
        self._life = life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reset its connection."""

        async def while_alive(message: Message) -> None:
            if self._life.over:
                await reset(receive)
            else:
                await send(message)

        if self._life.over and scope["type"] == "http":
            await reset(receive)
        else:
            await self._app(scope, receive, while_alive)
