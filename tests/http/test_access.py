"""Queries, client certificates and proxies go with every way of sending; real servers tell."""

import base64
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from soundcheck.http.access import Access
from soundcheck.http.certificates import Authority
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange
from soundcheck.http.inspect import inspect
from soundcheck.http.multipart import Content, File, encode
from soundcheck.http.raw import Framing, Message

Serve = Callable[[Callable[[socket.socket], None]], tuple[str, int]]

FINE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
LOGIN = "someone:pass%20word"


def form_of(size: int):
    return encode([(File("file", "a.wav", "a.wav", "audio/wav"), Content(b"x" * size))])


def ask(client: Client, how: str) -> Exchange:
    """Send one request by the ordinary client, or by the raw sender."""
    if how == "ordinary":
        return client.send("GET", "/models")
    message = Message("POST", "/audio/transcriptions?a=b", body=form_of(100))
    return client.raw.send(message, Framing.EXPECT, digest="d", lane="exclusive", timeout=10)


HOWS = pytest.mark.parametrize("how", ["ordinary", "raw"])


@pytest.fixture
def authority() -> Authority:
    return Authority.new("A root of the tests")


@pytest.fixture
def roots(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_bytes(authority.certificate_pem)
    return path


@pytest.fixture
def badge(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a client's certificate and of its key."""
    issued = authority.issue_to_client("a client")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    certificate.write_bytes(issued.certificate_pem)
    key.write_bytes(issued.key_pem)
    return certificate, key


@pytest.fixture
def guarded(serve: Serve, authority: Authority, roots: Path) -> str:
    """Return the base URL of a server that talks to nobody without a certificate."""
    context = authority.issue("127.0.0.1").server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(roots)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            head = secured.recv(2**16)
            if head:
                secured.sendall(FINE)

    host, port = serve(handle)
    return f"https://{host}:{port}/v1"


@HOWS
def test_a_client_certificate_opens_the_door(
    guarded: str, roots: Path, badge: tuple[Path, Path], how: str
) -> None:
    """With it there is an answer, and without it none."""
    certificate, key = badge
    with Client(guarded, access=Access(roots=roots, certificate=certificate, key=key)) as client:
        answered = ask(client, how)
    with Client(guarded, access=Access(roots=roots)) as client:
        refused = ask(client, how)
    assert answered.error is None
    assert answered.response is not None
    assert answered.response.status == 200
    assert refused.response is None
    assert refused.error is not None


def test_an_inspection_shows_the_certificate(
    guarded: str, roots: Path, badge: tuple[Path, Path]
) -> None:
    """What the server says over TLS is seen although it asks for a certificate."""
    access = Access(certificate=badge[0], key=badge[1])
    assert inspect(guarded, roots=roots, access=access).status == 200
    assert inspect(guarded, roots=roots).status is None


class Proxy:
    """An HTTP proxy on loopback: tunnels what CONNECT asks for, answers everything else itself."""

    def __init__(self, serve: Serve, refuses: bool = False) -> None:
        self.heads: list[str] = []
        self._refuses = refuses
        host, port = serve(self._handle)
        self.url = f"http://{LOGIN}@{host}:{port}"

    def _handle(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = connection.recv(1)
            if not piece:
                return
            head += piece
        self.heads.append(head.decode())
        method, to, _ = self.heads[-1].split(" ", 2)
        if self._refuses:
            connection.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            host, _, port = to.rpartition(":")
            with socket.create_connection((host, int(port))) as onward:
                connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                back = threading.Thread(target=_pump, args=(onward, connection))
                back.start()
                _pump(connection, onward)
                back.join()
        else:
            connection.sendall(FINE)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(2**16):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def behind(serve: Serve, authority: Authority) -> str:
    """Return the base URL of a server over TLS."""
    context = authority.issue("127.0.0.1").server_context()

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            if secured.recv(2**16):
                secured.sendall(FINE)

    host, port = serve(handle)
    return f"https://{host}:{port}/v1"


@HOWS
def test_what_is_inside_tls_goes_through_the_proxy(
    serve: Serve, behind: str, roots: Path, how: str
) -> None:
    """Both senders have the proxy connect them, with their name and password."""
    proxy = Proxy(serve)
    with Client(behind, access=Access(roots=roots, proxy=proxy.url)) as client:
        assert client.raw.arrives
        exchange = ask(client, how)
    assert exchange.error is None
    assert proxy.heads[0].startswith(f"CONNECT {behind[8:-3]} HTTP/1.1")
    basic = base64.b64encode(b"someone:pass word").decode()
    assert f"proxy-authorization: basic {basic.lower()}" in proxy.heads[0].lower()


def test_an_inspection_goes_through_the_proxy(serve: Serve, behind: str, roots: Path) -> None:
    """Every connection of an inspection is one of the proxy's."""
    proxy = Proxy(serve)
    seen = inspect(behind, roots=roots, access=Access(proxy=proxy.url))
    assert seen.secure
    assert seen.trusted
    assert len(proxy.heads) == seen.connections


def test_plain_http_is_asked_of_the_proxy(serve: Serve) -> None:
    """The whole URL is given to the proxy, which writes the request anew: raw sending is none."""
    proxy = Proxy(serve)
    with Client("http://stt.example/v1", access=Access(proxy=proxy.url)) as client:
        assert not client.raw.arrives
        assert client.send("GET", "/models").error is None
    assert proxy.heads[0].startswith("GET http://stt.example/v1/models HTTP/1.1")


def test_proxies_of_the_environment_are_for_other_hosts(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual variables are heeded, also by the raw sender; not for this machine."""
    proxy = Proxy(serve)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = Access().proxy_of("https://stt.example/v1")
    assert found is not None
    assert found.port == int(proxy.url.rpartition(":")[2])
    assert Access().proxy_of("https://127.0.0.1/v1") is None
    assert Access().tunnels("https://stt.example/v1")


@HOWS
def test_a_proxy_that_refuses_is_named(serve: Serve, behind: str, roots: Path, how: str) -> None:
    """Its refusal is no answer of the deployment's, and holds no password."""
    proxy = Proxy(serve, refuses=True)
    with Client(behind, access=Access(roots=roots, proxy=proxy.url)) as client:
        exchange = ask(client, how)
    assert exchange.response is None
    assert exchange.error is not None
    assert exchange.error.kind == "refused"
    assert "proxy" in exchange.error.message
    assert "407" in exchange.error.message
    assert "word" not in exchange.error.message


@HOWS
def test_a_query_is_on_every_request(raw_server, how: str) -> None:
    """It is added to what a path already asks, and written as URLs are."""
    server = raw_server(FINE)
    access = Access(query=(("api-version", "2024-06-01"), ("x", "a b&c")))
    with Client(server.base_url, access=access) as client:
        ask(client, how)
    line = server.requests[0].partition(b"\r\n")[0].decode()
    before = "/v1/models?" if how == "ordinary" else "/v1/audio/transcriptions?a=b&"
    assert f" {before}api-version=2024-06-01&x=a%20b%26c HTTP/1.1" in line
