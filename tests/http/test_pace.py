"""Clients that dally or leave do so where they were told to, and it is no fault of the exchange."""

import socket
import ssl
from itertools import pairwise

import pytest

from soundcheck.http.exchange import Exchange
from soundcheck.http.multipart import Body, Content, File, encode
from soundcheck.http.pace import TICK, Leave, Pace
from soundcheck.http.raw import Framing, Message, RawSender

SIZE = 100_000
ANSWER = b'{"text": "' + b"word " * 100 + b'"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _form() -> Body:
    return encode([(File("file", "a.wav", "a.wav", "audio/wav"), Content(b"x" * SIZE))])


class Server:
    """Takes one request, answers it if it comes whole, and tells what came of the client."""

    def __init__(self, serve, answer: bytes) -> None:
        self._answer = answer
        self.received = b""
        self.address = serve(self._handle)

    def _handle(self, connection: socket.socket) -> None:
        while b"\r\n\r\n" not in self.received:
            self.received += connection.recv(2**16)
        while len(self.body) < _form().length and (piece := connection.recv(2**16)):
            self.received += piece
        if len(self.body) == _form().length:
            connection.sendall(self._answer)
        while connection.recv(2**16):  # until the client closes
            pass

    @property
    def body(self) -> bytes:
        """Return what came of the body."""
        return self.received.partition(b"\r\n\r\n")[2]

    def left(self, pace: Pace) -> Exchange:
        """Return the exchange with a client of this pace."""
        host, port = self.address
        sender = RawSender(
            f"http://{host}:{port}/v1", (), ssl.create_default_context(), lambda: False
        )
        message = Message("POST", "/x", (), _form())
        return sender.send(message, Framing.PLAIN, pace, digest="d", lane="hostile", timeout=20)


def test_a_client_leaves_while_it_sends(serve) -> None:
    """Half of the body is sent, nothing is read, and it is told where the client left."""
    server = Server(serve, HEAD % len(ANSWER) + ANSWER)
    exchange = server.left(Pace(leave=Leave.UPLOADING))
    assert (exchange.left, exchange.error, exchange.response) == ("uploading", None, None)
    assert exchange.request.sent_bytes == _form().length // 2


def test_a_client_leaves_while_it_waits(serve) -> None:
    """The whole body is sent, and nothing is read."""
    exchange = Server(serve, b"").left(Pace(leave=Leave.WAITING))
    assert (exchange.left, exchange.error, exchange.response) == ("waiting", None, None)
    assert exchange.request.sent_bytes == _form().length


def test_a_client_leaves_while_it_reads(serve) -> None:
    """The beginning of the answer is kept."""
    exchange = Server(serve, HEAD % len(ANSWER) + ANSWER).left(Pace(leave=Leave.READING))
    assert (exchange.left, exchange.error) == ("reading", None)
    assert exchange.response is not None
    assert exchange.response.status == 200
    assert 0 < len(exchange.response.body) < len(ANSWER)


def test_who_has_it_all_has_not_left(serve) -> None:
    """An answer that was complete by then is an answer."""
    exchange = Server(serve, HEAD % 0).left(Pace(leave=Leave.READING))
    assert (exchange.left, exchange.error) == ("", None)
    assert exchange.response is not None


@pytest.mark.parametrize("rate", [1, 999, 20_000])
def test_a_slow_client_waits_between_pieces(monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    """Every second as much is sent as was told, and in the end all of it, in order."""
    happened: list[int] = []
    monkeypatch.setattr("soundcheck.http.pace.pause", lambda seconds: happened.append(0))
    content = bytes(range(256)) * 4
    body = [content[:700], content[700:]]
    sent = bytearray()
    for piece in Pace(rate=rate).pieces(body, len(content)):
        assert len(piece) <= max(1, rate * TICK)
        sent += piece
        happened.append(len(piece))
    assert bytes(sent) == content
    assert all(0 in pair for pair in pairwise(happened))


def test_a_slow_body_arrives_whole(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The body of a slow client is the same as any other's, and its answer is read."""
    monkeypatch.setattr("soundcheck.http.pace.pause", lambda seconds: None)
    server = Server(serve, HEAD % len(ANSWER) + ANSWER)
    exchange = server.left(Pace(rate=50_000))
    assert server.body == _form().read()
    assert exchange.response is not None
    assert exchange.response.body == ANSWER
    assert "50,000 bytes per second" in exchange.request.sender
