"""What the tap's tests share: an API over TLS that behaves as told, and a tap in front of it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from soundcheck.http.certificates import Authority
from soundcheck.http.envelope import Envelope
from soundcheck.wiretap.tap import Tap

Serve = Callable[["Origin", Any], None]
"""Handles one connection whose handshake is done."""

AUTHORITY = Authority.new("The tests' own root")
CREDENTIALS = AUTHORITY.issue("localhost", "127.0.0.1")


def answer(body: bytes, media_type: str = "application/json", status: str = "200 OK") -> bytes:
    """Return a whole answer after which the connection stays open."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass
class Origin:
    """An API on a port of its own: what it was sent, and what it answers by path."""

    address: str
    roots: Path
    answers: dict[str, bytes | list[bytes]] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    goodbyes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def closed(self) -> bool:
        """Wait until one more connection has been closed from this side."""
        return self.goodbyes.acquire(timeout=20)

    def reply(self, head: bytes) -> bytes:
        """Return what is answered to a request with this head; of a list, one after the other."""
        path = head.split(b" ")[1].decode()
        found = self.answers.get(path, answer(b'{"text": "Hello World."}'))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found


def serve_http(origin: Origin, connection: Any) -> None:
    """Answer request after request."""
    with connection.makefile("rb") as stream:
        while head := read_head(stream):
            fields = dict(
                line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
            )
            if b"expect" in fields:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            origin.heads.append(head)
            origin.bodies.append(read_body(stream, fields))
            connection.sendall(origin.reply(head))


def read_head(stream: Any) -> bytes:
    """Return the head of a request, ``b""`` at the end of the connection."""
    head = b""
    while (line := stream.readline()) not in (b"\r\n", b""):
        head += line
    return head


def read_body(stream: Any, fields: dict[bytes, bytes]) -> bytes:
    """Return the body that these header fields announce."""
    if b"chunked" not in fields.get(b"transfer-encoding", b""):
        return bytes(stream.read(int(fields.get(b"content-length", b"0"))))
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


class Starter:
    """Starts origins; ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    @staticmethod
    def context() -> ssl.SSLContext:
        """Return the context of a good server, to be changed."""
        return CREDENTIALS.server_context()

    def __call__(self, serve: Serve = serve_http, context: ssl.SSLContext | None = None) -> Origin:
        """Start an origin; its TLS is good unless another context is given."""
        context = context or CREDENTIALS.server_context()
        return self.raw(lambda origin, plain: self._secured(serve, context, origin, plain))

    def _secured(
        self, serve: Serve, context: ssl.SSLContext, origin: Origin, plain: socket.socket
    ) -> None:
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                self._open.append(connection)
                serve(origin, connection)
                with suppress(OSError):
                    connection.unwrap()
        finally:
            origin.goodbyes.release()

    def raw(self, serve: Serve) -> Origin:
        """Start an origin whose plain connections go to ``serve``."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        roots = self._folder / "origin.pem"
        roots.write_bytes(AUTHORITY.certificate_pem)
        origin = Origin(f"localhost:{listener.getsockname()[1]}", roots)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                origin.connections += 1
                self._open.append(connection)
                self._thread(partial(handle, connection))

        def handle(connection: socket.socket) -> None:
            with suppress(OSError, ValueError), connection:
                serve(origin, connection)

        self._stack.callback(listener.close)
        self._stack.callback(listener.shutdown, socket.SHUT_RDWR)
        self._thread(accept)
        return origin

    def _thread(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """End all."""
        with suppress(OSError):
            self._stack.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Return what starts origins."""
    starter = Starter(tmp_path)
    yield starter
    starter.close()


@pytest.fixture
def origin(start: Starter) -> Origin:
    """Return an API that answers every request."""
    return start()


@pytest.fixture
def tapping(tmp_path: Path) -> Iterator[Callable[..., Tap]]:
    """Return a function that starts a tap in front of an origin (or an address)."""
    taps: list[Tap] = []

    def start_tap(upstream: Origin | str, **options: Any) -> Tap:
        address = upstream if isinstance(upstream, str) else upstream.address
        roots = None if isinstance(upstream, str) else upstream.roots
        given = {"folder": tmp_path / "tap", "upstream_roots": roots} | options
        taps.append(Tap(address, "127.0.0.1:0", **given))
        return taps[-1]

    yield start_tap
    for tap in taps:
        tap.close()


@pytest.fixture
def tap(tapping: Callable[..., Tap], origin: Origin) -> Tap:
    """Return a tap in front of the API."""
    return tapping(origin)


@pytest.fixture
def client(tap: Tap) -> Iterator[httpx.Client]:
    """Return a client that goes through the tap as a proxy would."""
    with proxy(tap) as found:
        yield found


def proxy(tap: Tap) -> httpx.Client:
    """Return a client that goes through ``tap`` and trusts it."""
    return httpx.Client(
        base_url=f"https://{tap.address}",
        verify=ssl.create_default_context(cafile=str(tap.roots)),
        timeout=20,
        trust_env=False,
    )


class Made:
    """Bytes as they are on the wire."""

    answer = staticmethod(answer)
    proxy = staticmethod(proxy)

    @staticmethod
    def envelope(number: int, size: int = 24) -> Envelope:
        """Return an envelope that ``number`` makes different from others."""
        iv = number.to_bytes(12, "big")
        return Envelope(bytes(range(32)), bytes(range(12)), iv, bytes([number]) * (size + 16))

    @classmethod
    def stream(cls, count: int) -> bytes:
        """Return ``count`` encrypted events and the end marker."""
        events = [
            b'data: {"delta":%s}\n\n' % cls.envelope(number).encode() for number in range(count)
        ]
        return b"".join(events) + b"data: [DONE]\n\n"

    @staticmethod
    def form(**values: bytes) -> tuple[str, bytes]:
        """Return a form's content type and body."""
        parts = [
            b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
            % (name.encode(), b'; filename="file"' if name == "file" else b"", value)
            for name, value in values.items()
        ]
        return "multipart/form-data; boundary=b", b"".join(parts) + b"--b--\r\n"

    @classmethod
    def sealed_form(cls) -> tuple[str, bytes]:
        """Return a transcription request as an encrypting proxy sends it."""
        return cls.form(
            language=cls.envelope(1, 2).encode(),
            model=b"whisper",
            prompt=cls.envelope(2, 30).encode(),
            file=cls.envelope(3, 1000).encode(),
        )

    @classmethod
    def sealed_answer(cls) -> bytes:
        """Return the JSON of an encrypted answer."""
        language, text = cls.envelope(7, 4).encode(), cls.envelope(8, 40).encode()
        return b'{"language":%s,"text":%s,"usage":{"seconds":3}}' % (language, text)


@pytest.fixture(scope="session")
def made() -> type[Made]:
    """Return what makes bytes as they are on the wire."""
    return Made
