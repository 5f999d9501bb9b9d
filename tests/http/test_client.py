"""Whatever a server does, the client returns a record of it in bounded time and memory."""

import contextlib
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from soundcheck.http.client import Client
from soundcheck.http.limits import KEPT_OF_ENDLESS, MAX_BODY
from soundcheck.http.multipart import Content, Field, encode


def test_a_whole_answer_is_recorded(raw_server) -> None:
    """Status, headers, body and the arrival of every chunk are recorded, times in order."""

    def reply(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nX-Twice: a\r\nX-Twice: b\r\nContent-Length: 6\r\n\r\n"
        )
        connection.sendall(b"abc")
        connection.sendall(b"def")

    server = raw_server(reply)
    with Client(server.base_url) as client:
        exchange = client.send("GET", "/models", digest="d")
    assert exchange.error is None
    assert exchange.response is not None
    assert exchange.response.status == 200
    assert exchange.response.headers[:2] == (("x-twice", "a"), ("x-twice", "b"))
    assert exchange.response.body == b"abcdef"
    assert sum(size for _, size in exchange.response.chunks) == 6
    times = [exchange.timing.headers_s, *(at for at, _ in exchange.response.chunks)]
    assert times == sorted(times)
    assert times[-1] <= exchange.timing.done_s


def test_the_request_goes_out_as_given(raw_server) -> None:
    """Method, path, own headers and body reach the server unchanged."""
    server = raw_server(b"HTTP/1.1 204 No Content\r\n\r\n")
    with Client(server.base_url + "/", headers=[("X-Tenant", "blue")]) as client:
        client.send("POST", "/audio", headers=(("Content-Type", "text/x"),), body=b"\x00\xff")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/audio HTTP/1.1\r\n")
    assert b"X-Tenant: blue" in head
    assert b"Content-Type: text/x" in head
    assert b"Accept-Encoding: identity" in head
    assert body == b"\x00\xff"


def test_a_form_of_untold_length_is_chunked(raw_server) -> None:
    """Where only an ordinary client arrives, it can send a form in chunks as well."""
    form = encode([(Field("model", "m"), Content(b"m"))], 'multipart/form-data; boundary="a b"')
    server = raw_server(b"HTTP/1.1 204 No Content\r\n\r\n")
    with Client(server.base_url) as client:
        exchange = client.send("POST", "/x", body=form, chunked=True)
    head = server.requests[0].partition(b"\r\n\r\n")[0].lower()
    assert b"transfer-encoding: chunked" in head
    assert b"content-length" not in head
    assert exchange.request.body_bytes == form.length
    assert b'--a b\r\nContent-Disposition: form-data; name="model"' in form.read()


def test_nobody_there_is_a_refused_connection() -> None:
    """A port on which nothing listens gives an error of kind refused."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}/v1") as client:
        exchange = client.send("GET", "/models")
    assert exchange.response is None
    assert exchange.error is not None
    assert exchange.error.kind == "refused"


def test_an_endless_answer_is_given_up(raw_server) -> None:
    """An answer that does not stop is cut at a fixed size, and only its beginning is kept."""

    def reply(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(4 * MAX_BODY // 2**20):
            connection.sendall(b"x" * 2**20)

    with Client(raw_server(reply).base_url) as client:
        exchange = client.send("GET", "/models")
    assert exchange.error is not None
    assert exchange.error.kind == "too-large"
    assert exchange.response is not None
    assert len(exchange.response.body) == KEPT_OF_ENDLESS


def test_a_silent_server_times_out(raw_server) -> None:
    """No answer within the limit gives an error of kind timeout."""
    server = raw_server(lambda connection, _: connection.recv(1))
    with Client(server.base_url, timeout=0.05) as client:
        exchange = client.send("GET", "/models")
    assert exchange.error is not None
    assert exchange.error.kind == "timeout"


def test_a_dripping_answer_ends_at_the_limit(raw_server) -> None:
    """An answer that always has another byte ends at the limit on the whole exchange."""

    def reply(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.settimeout(0.01)
        while True:
            connection.sendall(b".")
            try:
                connection.recv(1)
            except TimeoutError:
                continue

    with Client(raw_server(reply).base_url, timeout=0.1) as client:
        exchange = client.send("GET", "/models")
    assert exchange.error is not None
    assert exchange.error.kind == "timeout"
    assert exchange.response is not None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"this is not HTTP\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "protocol"),
        (b"", "reset"),
    ],
)
def test_broken_answers_say_how(raw_server, answer: bytes, kind: str) -> None:
    """An answer that is no HTTP, or breaks off, is recorded with the kind of its fault."""
    with Client(raw_server(answer).base_url) as client:
        exchange = client.send("GET", "/models")
    assert exchange.error is not None
    assert exchange.error.kind == kind


def test_a_reset_connection_is_a_reset(raw_server) -> None:
    """A connection that the server resets gives an error of kind reset."""

    def reply(connection: socket.socket, _: bytes) -> None:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with Client(raw_server(reply).base_url) as client:
        exchange = client.send("GET", "/models")
    assert exchange.error is not None
    assert exchange.error.kind == "reset"


def test_redirects_are_recorded_not_followed(raw_server) -> None:
    """A redirect is an answer like any other: a key must not travel to another host."""
    server = raw_server(b"HTTP/1.1 307 Go\r\nLocation: /v2/models\r\nContent-Length: 0\r\n\r\n")
    with Client(server.base_url) as client:
        exchange = client.send("GET", "/models")
    assert exchange.response is not None
    assert exchange.response.status == 307
    assert len(server.requests) == 1


def test_closing_ends_an_exchange_in_flight(raw_server) -> None:
    """Closing the client wakes up a thread that waits for an answer."""
    asked = threading.Event()

    def reply(connection: socket.socket, _: bytes) -> None:
        asked.set()
        connection.recv(1)

    client = Client(raw_server(reply).base_url)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.send, "GET", "/models")
        asked.wait()
        client.close()
        error = waiting.result(timeout=10).error
    assert error is not None
    assert error.kind == "reset"


@pytest.mark.parametrize("piece", [b"X-A: b\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_endless_headers_end_at_the_limit(raw_server, piece: bytes) -> None:
    """Headers or interim answers that never end do not outlast the limit on the whole exchange."""

    def reply(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"X") else b"")
        connection.settimeout(0.02)
        for _ in range(200):
            connection.sendall(piece)
            with contextlib.suppress(TimeoutError):
                if connection.recv(1) == b"":
                    return

    with Client(raw_server(reply).base_url, timeout=0.2) as client:
        exchange = client.send("GET", "/models")
    assert exchange.error is not None
    assert exchange.error.kind == "timeout"


def test_a_proxy_is_not_asked_for_this_machine(raw_server, monkeypatch) -> None:
    """A proxy in the environment does not stand between us and a server on the loopback."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server = raw_server(b"HTTP/1.1 204 No Content\r\n\r\n")
    with Client(server.base_url) as client:
        assert client.send("GET", "/models").error is None
