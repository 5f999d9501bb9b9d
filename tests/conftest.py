"""What several parts of the tests share: servers that behave exactly as badly as they are told."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import settings

# A slow machine is no failure. Fewer examples than by default keep the whole run in its bounds.
settings.register_profile("untimed", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "untimed"))

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts background jobs so, and the programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = {
    "tests/audio/test_containers.py",
    "tests/cli/test_cli_gate.py",
    "tests/cli/test_cli_replay.py",
    "tests/test_own_requirements.py",
}
"""Modules with costly fixtures: one worker of xdist takes all tests of each."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together what belongs together, and hand out all other tests one by one.

    The marker xdist_group would say so in the modules themselves, but it does nothing with
    pytest 9.2: xdist 3.8 writes the group into a member of items that is not read any more.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        """Scopes are the modules above, and single tests; the largest come first."""

        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if module in TOGETHER else nodeid

    return Together(config, log)


Reply = Callable[[socket.socket, bytes], None]
"""Answers one request: gets the connection and the request's head, sends what it likes."""


class RawServer:
    """A loopback server whose every connection is handled by one function."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with closing(connection):
            try:
                request = _read_request(connection)
                if request:
                    self.requests.append(request)
                    self._reply(connection, request)
            except OSError:
                pass  # the client went away, as some tests want it to

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self._listener.close()
        for connection in self._open:
            connection.close()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    received = bytearray(body)  # bytes would be copied whole for each piece
    while len(received) < length:
        received += connection.recv(2**18)
    return head + b"\r\n\r\n" + bytes(received)


def plain(status: str, media_type: str, body: bytes) -> bytes:
    """Return a whole response that closes its connection."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture
def raw_server() -> Iterator[Callable[[Reply | bytes], RawServer]]:
    """Return a function that starts a server which answers with fixed bytes or by a function."""
    started: list[RawServer] = []

    def start(reply: Reply | bytes) -> RawServer:
        if isinstance(reply, bytes):
            fixed = reply
            server = RawServer(lambda connection, _: connection.sendall(fixed))
        else:
            server = RawServer(reply)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()
