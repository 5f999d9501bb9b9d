"""The raw sender asks for leave, listens while it sends, and keeps what it saw."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from soundcheck.http.exchange import Exchange
from soundcheck.http.limits import MAX_INTERIM
from soundcheck.http.multipart import Body, Content, File, encode
from soundcheck.http.raw import Framing, Message, RawSender

FINE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
LEAVE = b"HTTP/1.1 100 Continue\r\n\r\n"
SIZE = 8 * 2**20

Serve = Callable[[socket.socket], None]


def _form() -> Body:
    return encode([(File("file", "a.wav", "a.wav", "audio/wav"), Content(b"x" * SIZE))])


def _head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head


@contextmanager
def _server(
    serve: Serve, tls: ssl.SSLContext | None = None, *, expecting: bool = True
) -> Iterator[str]:
    """Yield the URL of a server that hands its one connection, past the head, to ``serve``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), connection:  # the client may leave, or not trust us
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            assert b"expect: 100-continue" in _head(connection).lower() or not expecting
            serve(connection)
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with listener:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(10)


def _send(url: str, timeout: float = 20.0, trust: ssl.SSLContext | None = None) -> Exchange:
    sender = RawSender(url, (), trust or ssl.create_default_context(), lambda: False)
    message = Message("POST", "/x", body=_form())
    return sender.send(message, Framing.EXPECT, digest="d", lane="exclusive", timeout=timeout)


def _read(connection: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(connection.recv(2**16)) or size


def test_a_body_follows_the_leave() -> None:
    """The body is sent once 100 came, and the final answer is read after it."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(LEAVE)
        _read(connection, _form().length)
        connection.sendall(FINE)

    with _server(serve) as url:
        exchange = _send(url)
    assert exchange.error is None
    assert exchange.response is not None
    assert exchange.response.status == 200
    assert exchange.response.body == b"{}"
    assert [status for status, _ in exchange.response.interim] == [100]
    assert exchange.request.sent_bytes == exchange.request.body_bytes == _form().length


def test_a_refusal_spares_the_body() -> None:
    """After a final answer in the place of 100 not a byte of the body is sent."""
    with _server(lambda connection: connection.sendall(REFUSED)) as url:
        exchange = _send(url)
    assert exchange.error is None
    assert exchange.response is not None
    assert exchange.response.status == 413
    assert exchange.request.sent_bytes == 0


def test_an_answer_stops_the_body() -> None:
    """An answer that comes while the body is sent ends it, and is read."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(LEAVE)
        _read(connection, 2**20)
        connection.sendall(REFUSED)
        _read(connection, SIZE)

    with _server(serve) as url:
        exchange = _send(url)
    assert exchange.response is not None
    assert exchange.response.status == 413
    assert exchange.request.sent_bytes is not None
    assert 2**20 <= exchange.request.sent_bytes <= _form().length


def test_silence_is_no_refusal() -> None:
    """A server that knows no Expect gets the body after a while."""

    def serve(connection: socket.socket) -> None:
        _read(connection, _form().length)
        connection.sendall(FINE)

    with _server(serve) as url:
        exchange = _send(url)
    assert exchange.response is not None
    assert exchange.response.status == 200
    assert exchange.response.interim == ()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "reset"),
        (LEAVE, "protocol"),
        (b"nonsense\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfew", "protocol"),
    ],
)
def test_what_breaks_off_is_recorded(answer: bytes, kind: str) -> None:
    """A connection that closes without a whole answer is an error of the exchange."""
    with _server(lambda connection: connection.sendall(answer)) as url:
        exchange = _send(url)
    assert exchange.error is not None
    assert exchange.error.kind in (kind, "reset")


def test_a_server_that_never_answers_is_given_up_on() -> None:
    """The whole exchange ends at its time limit."""
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(LEAVE)
        done.wait(20)

    with _server(serve) as url:
        exchange = _send(url, timeout=1.0)
        done.set()
    assert exchange.error is not None
    assert exchange.error.kind == "timeout"
    assert exchange.request.sent_bytes is not None
    assert exchange.request.sent_bytes < _form().length


def test_nobody_there() -> None:
    """A refused connection is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    exchange = _send(f"http://127.0.0.1:{port}/v1")
    assert exchange.error is not None
    assert exchange.error.kind == "refused"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with its own certificate, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "soundcheck test")])
    now = datetime.now(UTC)
    local = x509.IPAddress(ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([local]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


def test_a_body_goes_up_over_tls(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """Over TLS leave, body and answer are the same."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(LEAVE)
        _read(connection, _form().length)
        connection.sendall(FINE)

    with _server(serve, tls[0]) as url:
        exchange = _send(url, trust=tls[1])
    assert exchange.error is None
    assert exchange.response is not None
    assert exchange.response.status == 200


@pytest.mark.parametrize("read", [0, 2**20])
def test_an_early_answer_over_tls_is_read(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], read: int
) -> None:
    """An answer before or during the body is read, also when the server then only closes."""

    def serve(connection: socket.socket) -> None:
        if read:
            connection.sendall(LEAVE)
            _read(connection, read)
        connection.sendall(REFUSED)

    with _server(serve, tls[0]) as url:
        exchange = _send(url, trust=tls[1])
    assert exchange.response is not None
    assert exchange.response.status == 413


def test_a_certificate_that_nobody_trusts(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A connection that cannot be made safely is told as a matter of TLS, not of the deployment."""
    with _server(lambda connection: None, tls[0]) as url:
        exchange = _send(url)
    assert exchange.error is not None
    assert exchange.error.kind == "tls"


def test_an_endless_answer_is_bounded() -> None:
    """An answer in countless pieces, after countless leaves, is given up on and not kept whole."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(LEAVE * 100)
        _read(connection, _form().length)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1\r\nx\r\n" * 1000)

    with _server(serve) as url:
        exchange = _send(url, timeout=60)
    assert exchange.error is not None
    assert exchange.error.kind == "too-large"
    assert exchange.response is not None
    assert len(exchange.response.interim) <= MAX_INTERIM
    assert len(exchange.response.chunks) == 1


def _sender(url: str, trust: ssl.SSLContext | None = None) -> RawSender:
    return RawSender(url, (), trust or ssl.create_default_context(), lambda: False)


@pytest.mark.parametrize("by_tls", [False, True])
def test_a_body_goes_up_in_chunks(tls: tuple[ssl.SSLContext, ssl.SSLContext], by_tls: bool) -> None:
    """A chunked body tells no length, arrives whole, and is counted without its framing."""
    bodies: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        chunks = connection.makefile("rb")
        body = b""
        while size := int(chunks.readline(), 16):
            body += chunks.read(size)
            assert chunks.read(2) == b"\r\n"
        assert chunks.read(2) == b"\r\n"
        bodies.append(body)
        connection.sendall(FINE)

    with _server(serve, tls[0] if by_tls else None, expecting=False) as url:
        message = Message("POST", "/x", body=_form())
        exchange = _sender(url, tls[1]).send(
            message, Framing.CHUNKED, digest="d", lane="shared", timeout=20.0
        )
    assert exchange.error is None
    assert bodies == [_form().read()]
    assert exchange.request.sent_bytes == _form().length
    assert ("transfer-encoding", "chunked") in exchange.request.headers
    assert not any(name == "content-length" for name, _ in exchange.request.headers)


def _in_turn(
    answers: list[bytes], *bodies: bytes, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
) -> Exchange:
    """Send POSTs of ``bodies`` on one connection to a server that gives these answers."""

    def serve(connection: socket.socket) -> None:
        for number, answer in enumerate(answers):
            if number:
                _head(connection)
            _read(connection, len(bodies[number]))
            connection.sendall(answer)

    with _server(serve, tls[0] if tls else None, expecting=False) as url:
        messages = [Message("POST", f"/{n}", body=body) for n, body in enumerate(bodies)]
        sender = _sender(url, tls[1] if tls else None)
        return sender.in_turn(messages, digest="d", lane="exclusive", timeout=5.0)


BAD = b"HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nbad"


@pytest.mark.parametrize("by_tls", [False, True])
def test_requests_take_turns_on_one_connection(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], by_tls: bool
) -> None:
    """Each request has its own answer, and the exchange can be written and read again."""
    exchange = _in_turn([BAD, FINE], b"one", b"two", tls=tls if by_tls else None)
    assert exchange.error is None
    assert exchange.response is not None
    assert exchange.response.status == 200
    [step] = exchange.earlier
    assert step.response is not None
    assert (step.response.status, step.response.body) == (400, b"bad")
    assert step.request.body == "one"
    assert step.timing.done_s is not None
    assert Exchange.from_json(json.loads(json.dumps(exchange.to_json()))) == exchange


def test_an_announced_end_of_the_connection_is_no_error() -> None:
    """Who says that it closes may close: the next request is not sent."""
    exchange = _in_turn([REFUSED], b"one", b"two")
    assert exchange.error is None
    assert exchange.response is None
    assert exchange.request.sent_bytes == 0
    assert exchange.earlier[0].response is not None


def test_a_silent_end_of_the_connection_is_an_error() -> None:
    """Who closes without a word loses the next request."""
    exchange = _in_turn([BAD], b"one", b"two")
    assert exchange.error is not None
    assert exchange.error.kind == "reset"
    assert exchange.response is None


def test_an_answer_too_many_is_taken_for_the_next_one() -> None:
    """A body that is left unread and read as a request shows in the next answer."""
    exchange = _in_turn([FINE + BAD], b"one", b"two")
    assert exchange.response is not None
    assert exchange.response.status == 400
