"""An HTTP server inside a running event loop, with or without TLS."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from soundcheck.reference.server import config


class Serving:
    """Serves an application on a listening socket from ``start`` to ``close``, which closes it."""

    def __init__(
        self, app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = _Server(config(app), tls)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when it answers."""
        self._task = asyncio.create_task(self._server.serve([self._listener]))
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    async def close(self) -> None:
        """End requests that do not end by themselves in a moment, and return."""
        self._server.ended.set()
        if self._task is not None:
            await self._task
        self._listener.close()


class _Server(uvicorn.Server):
    """uvicorn's server as a part of a process: it leaves signals alone."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start answering, then say so."""
        self.config.ssl = self._tls
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Keep the date of the answers right until the end."""
        while not self.ended.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), 1)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let the process decide what a signal does."""
        yield
