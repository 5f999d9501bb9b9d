"""The reference's server process: a socket, the recognizer's pool and the web application.

``python -m soundcheck.reference.server`` is what ``deployment.start_reference`` runs: it reads its
settings and its port as one line of JSON from standard input, says on standard output when it is
ready, and ends when standard input is closed.
"""

import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.reference.backend import create_app
from soundcheck.reference.faults import choose
from soundcheck.reference.pool import RecognizerPool
from soundcheck.reference.settings import Settings

_STOPS = (signal.SIGINT, signal.SIGTERM)


class PortTaken(SoundcheckError):
    """The address to listen on cannot be had."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port`` (0: a free one); raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise PortTaken(
            f"Cannot listen on {host} port {port}: {reason}. "
            "Choose another with --port, or let --port 0 find a free one."
        ) from None
    # What it accepts inherits this. asyncio would set it on sockets that it opened itself only,
    # and answers of two pieces would wait for an acknowledgement that is delayed by 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the base URL of the API behind a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def serve(
    settings: Settings,
    listener: socket.socket,
    ready: Callable[[], None],
    until: threading.Event | None = None,
) -> None:
    """Serve until a signal (SIGINT, SIGTERM) or ``until``; calls ``ready`` once it answers.

    Raises UnknownFault before anything is started. The listener is closed at the end.
    """
    with listener:
        choose(settings.faults)
        with _application(settings) as app:
            _Server(config(app), ready, until).run(sockets=[listener])


@contextmanager
def _application(settings: Settings) -> Iterator[ASGIApp]:
    """Yield the application with the recognizer that the settings name."""
    if settings.service is None:
        with RecognizerPool(settings.workers) as pool:
            yield create_app(settings, pool)
        return
    # Only load runs have a use for it.
    from soundcheck.reference.lookup import LookupPool

    with LookupPool(settings.service) as lookup:
        # What was loaded stays; searching it for garbage would hold up every answer meanwhile.
        gc.collect()
        gc.freeze()
        yield create_app(settings, lookup, lookup.metrics.text)


def config(app: ASGIApp) -> uvicorn.Config:
    """Return how an application is served."""
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


class _Server(uvicorn.Server):
    """uvicorn's server that tells when it is ready, and takes a signal as a wish to end."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], until: threading.Event | None
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._until = until

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start answering, then say so."""
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Tell whether to end."""
        ended = await super().on_tick(counter)
        return ended or (self._until is not None and self._until.is_set())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let signals end the server, and nothing else: uvicorn's own raises them again."""
        before = {number: signal.signal(number, self._end) for number in _STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def main() -> int:
    """Run as the child of ``start_reference``."""
    told = json.loads(sys.stdin.readline())
    ended = threading.Event()

    def wait_for_parent() -> None:
        sys.stdin.buffer.read()
        ended.set()

    try:
        port = told.pop("port")
        settings = Settings(**(told | {"faults": tuple(told["faults"])}))
        listener = listen("127.0.0.1", port)
        url = base_url(listener)

        def ready() -> None:
            threading.Thread(target=wait_for_parent, daemon=True).start()
            _say({"base_url": url})

        serve(settings, listener, ready, ended)
    except SoundcheckError as error:
        _say({"error": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return ExitCode.OK


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
