"""Servers on loopback that a test scripts: each is gone, threads and all, when the test ends."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

Handler = Callable[[socket.socket], None]
Serve = Callable[[Handler], tuple[str, int]]
ServeTls = Callable[..., tuple[str, int]]

ANSWER = b"HTTP/1.1 401 Unauthorized\r\nStrict-Transport-Security: max-age=300\r\n\r\n"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves each connection by a handler, and gives the address."""
    with contextlib.ExitStack() as opened:

        def start(handler: Handler) -> tuple[str, int]:
            listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=_accept, args=(listener, handler))
            thread.start()
            opened.callback(thread.join)
            # Closing alone does not wake up who waits for a connection.
            opened.callback(listener.shutdown, socket.SHUT_RDWR)
            address: tuple[str, int] = listener.getsockname()
            return address

        yield start


def _accept(listener: socket.socket, handler: Handler) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            handler(connection)


@pytest.fixture
def serve_tls(serve: Serve) -> ServeTls:
    """Return a function that serves HTTP over TLS by a context; ``heard`` gets what is asked."""

    def start(context: ssl.SSLContext, heard: list[bytes] | None = None) -> tuple[str, int]:
        def handle(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as secured:
                asked = secured.recv(2**16)
                if asked:
                    secured.sendall(ANSWER)
                if asked and heard is not None:
                    heard.append(asked)

        return serve(handle)

    return start
