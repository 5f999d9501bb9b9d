"""What goes through the tap goes on as it came: piece by piece, in its framing, on its way."""

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from soundcheck.wiretap import passage, relay
from soundcheck.wiretap.streams import LARGEST_HEAD
from soundcheck.wiretap.tap import Tap

PATH = "/v1/audio/transcriptions"


@contextmanager
def _connected(tap: Tap, protocols: tuple[str, ...] = ("http/1.1",)) -> Iterator[ssl.SSLSocket]:
    """Yield a connection to the tap with nothing sent on it."""
    context = ssl.create_default_context(cafile=str(tap.roots))
    context.set_alpn_protocols(list(protocols))
    host, _, port = tap.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        yield connection


def _all(connection: ssl.SSLSocket) -> bytes:
    """Return what comes until the connection is closed."""
    data = b""
    while piece := connection.recv(2**16):
        data += piece
    return data


def _until(connection: ssl.SSLSocket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = connection.recv(1)
        assert piece, data
        data += piece
    return data


def _problems(tap: Tap) -> list[str]:
    """Return the hops' problems, in the order of their end."""
    return [hop.problem for hop in tap.everything().hops]


# Relaying.


def test_each_event_goes_on_at_once(start: Any, tapping: Callable[..., Tap], made: Any) -> None:
    """An event reaches the proxy before the API has sent the next."""
    go_on = threading.Semaphore(0)

    def serve(origin: Any, connection: Any) -> None:
        connection.recv(2**16)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            connection.sendall(b"9\r\ndata: %d\n\n\r\n" % number)
            assert go_on.acquire(timeout=20)
        connection.sendall(b"0\r\n\r\n")

    with made.proxy(tapping(start(serve))) as client, client.stream("GET", "/") as response:
        events = []
        for piece in response.iter_raw():
            events.append(piece)
            go_on.release()
    assert events == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


def test_the_request_goes_on_at_once(start: Any, tapping: Callable[..., Tap]) -> None:
    """The API has the first piece of a body before the proxy sends the next."""
    arrived: list[bytes] = []
    there = threading.Semaphore(0)

    def serve(origin: Any, connection: Any) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        for _ in range(3):
            arrived.append(connection.recv(3))
            there.release()
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with _connected(tapping(start(serve))) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        for piece in (b"abc", b"def", b"ghi"):
            connection.sendall(piece)
            assert there.acquire(timeout=20)
        assert _until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 204")
    assert arrived == [b"abc", b"def", b"ghi"]


def test_a_chunked_request_stays_chunked(client: httpx.Client, origin: Any) -> None:
    """A body without a length goes upstream without one."""
    assert client.post(PATH, content=iter([b"ab", b"cd"])).status_code == 200
    assert origin.bodies == [b"abcd"]
    assert b"transfer-encoding: chunked" in origin.heads[0].lower()


def test_leave_is_passed_on(tap: Tap, origin: Any) -> None:
    """The API's 100 reaches the proxy before it sends the body."""
    with _connected(tap) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert _until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"ok")
        assert _until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert origin.bodies == [b"ok"]


def test_an_early_answer(start: Any, tapping: Callable[..., Tap], made: Any) -> None:
    """An answer that comes before the end of the request reaches the proxy, too."""

    def serve(origin: Any, connection: Any) -> None:
        connection.recv(2**14)
        connection.sendall(made.answer(b"{}", status="413 Too Large"))

    tap = tapping(start(serve))
    with _connected(tap) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nbegin")
        assert _until(connection, b"{}").startswith(b"HTTP/1.1 413")
        connection.sendall(bytes(1000))
    tap.close()
    (hop,) = tap.everything().hops
    assert hop.request is not None
    assert not hop.request.complete


def test_an_old_proxy(tap: Tap) -> None:
    """HTTP/1.0 is answered with a body that ends with the connection or has a length."""
    with _connected(tap) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.0\r\n\r\n")
        assert _all(connection).endswith(b'{"text": "Hello World."}')


def test_pipelined_requests(tap: Tap, origin: Any) -> None:
    """Requests that do not wait for answers are answered one after the other."""
    with _connected(tap) as connection:
        connection.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            _until(connection, b'World."}')
    assert len(origin.heads) == 3


def test_a_hundred_connections(tap: Tap, made: Any) -> None:
    """A hundred proxies at once each get their own answer."""
    tls = ssl.create_default_context(cafile=str(tap.roots))

    def ask(number: int) -> int:
        with httpx.Client(verify=tls, trust_env=False, timeout=60) as client:
            kind, body = made.form(number=str(number).encode(), file=bytes(10_000))
            url = f"https://{tap.address}/{number}"
            return client.post(url, content=body, headers={"Content-Type": kind}).status_code

    with ThreadPoolExecutor(100) as many:
        assert set(many.map(ask, range(100))) == {200}
    hops = tap.everything().hops
    assert {hop.request.path for hop in hops if hop.request} == {f"/{n}" for n in range(100)}
    assert len({hop.connection for hop in hops}) == 100
    assert tap.problems == ()


# Upstreams that are none.


def _refused(tap: Tap, made: Any) -> str:
    """Return what a proxy is told in the tap's own error."""
    with made.proxy(tap) as client:
        kind, body = made.form(file=bytes(1_500_000))
        response = client.post(PATH, content=body, headers={"Content-Type": kind})
    assert response.status_code == 502
    message: str = response.json()["error"]["message"]
    assert message in tap.problems
    assert _problems(tap) == [message]
    return message


def test_upstream_down(tapping: Callable[..., Tap], made: Any) -> None:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "refused" in _refused(tapping(f"127.0.0.1:{port}"), made).lower()


def test_upstream_unknown(tapping: Callable[..., Tap], made: Any) -> None:
    """The host has no address."""
    assert "nowhere.invalid:443" in _refused(tapping("nowhere.invalid:443"), made)


def test_upstream_without_tls(start: Any, tapping: Callable[..., Tap], made: Any) -> None:
    """The API speaks plain HTTP."""
    origin = start.raw(lambda _, plain: plain.sendall(made.answer(b"{}", status="400 Bad")))
    assert "does not speak TLS" in _refused(tapping(origin), made)


def test_upstream_without_roots(tapping: Callable[..., Tap], origin: Any, made: Any) -> None:
    """The API's certificate does not verify by what the tap trusts."""
    assert "does not verify" in _refused(tapping(origin, upstream_roots=None), made)


@pytest.mark.parametrize("says_so", [True, False])
def test_upstream_with_http2_only(
    start: Any, tapping: Callable[..., Tap], made: Any, says_so: bool
) -> None:
    """The API speaks HTTP/2, whether it says so in the handshake or not."""
    settings = bytes.fromhex("000000 04 00 00000000")

    def serve(origin: Any, connection: Any) -> None:
        while connection.recv(2**16)[-3:] != b"-\r\n":
            pass
        connection.sendall(settings)

    context = start.context()
    context.set_alpn_protocols(["h2"] if says_so else ["http/1.1"])
    assert "HTTP/2" in _refused(tapping(start(serve, context)), made)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\r\n", b"SSH-2.0-x\r\n", os.urandom(2000), b"HTTP/1.1 abc\r\n\r\n"],
    ids=["nothing", "line", "ssh", "random", "status"],
)
def test_upstream_with_garbage(
    start: Any, tapping: Callable[..., Tap], made: Any, garbage: bytes
) -> None:
    """The API's answer is none."""

    def serve(origin: Any, connection: Any) -> None:
        while connection.recv(2**16)[-3:] != b"-\r\n":
            pass
        connection.sendall(garbage)

    assert "API" in _refused(tapping(start(serve)), made)


def test_upstream_with_an_endless_head(start: Any, tapping: Callable[..., Tap], made: Any) -> None:
    """The API's head is too large to be one."""

    def serve(origin: Any, connection: Any) -> None:
        while connection.recv(2**16)[-3:] != b"-\r\n":
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * LARGEST_HEAD)

    assert "no HTTP/1.1" in _refused(tapping(start(serve)), made)


def test_upstream_that_breaks_off(start: Any, tapping: Callable[..., Tap], made: Any) -> None:
    """An answer that breaks off breaks off for the proxy, too, and is recorded as incomplete."""

    def serve(origin: Any, connection: Any) -> None:
        connection.recv(2**16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")

    tap = tapping(start(serve))
    with (
        made.proxy(tap) as client,
        tap.watching() as watch,
        pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)),
    ):
        client.get("/")
    (hop,) = watch.tapped().hops
    assert hop.response is not None
    assert (hop.response.body, hop.response.complete) == (b"begin", False)
    assert hop.problem == "The API's answer broke off."


def test_upstream_that_is_silent(
    start: Any, tapping: Callable[..., Tap], made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that never answers is given up after a while."""
    monkeypatch.setattr(passage, "SILENCE", 0.3)

    def serve(origin: Any, connection: Any) -> None:
        while connection.recv(2**16):
            pass

    origin = start(serve)
    assert "silent" in _refused(tapping(origin), made)
    assert origin.closed()


def test_a_connection_upstream_is_left(start: Any, tapping: Callable[..., Tap], made: Any) -> None:
    """An API that closes after each answer is connected to anew for the next."""

    def serve(origin: Any, connection: Any) -> None:
        connection.recv(2**16)
        connection.sendall(made.answer(b"{}"))

    origin = start(serve)
    tap = tapping(origin)
    with made.proxy(tap) as client:
        for _ in range(3):
            assert client.get("/").status_code == 200
            assert origin.closed()  # its goodbye arrives before the next request is sent
    assert tap.problems == ()


# Proxies that are none.


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"garbage\r\n\r\n", b"400"),
        (os.urandom(100) + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * LARGEST_HEAD, b"431"),
    ],
    ids=["garbage", "random", "no host", "bad chunk", "flood"],
)
def test_a_proxy_with_garbage(tap: Tap, client: httpx.Client, sent: bytes, status: bytes) -> None:
    """What is no HTTP is answered as such, recorded, and harms nobody else."""
    with _connected(tap) as connection:
        connection.sendall(sent)
        assert _until(connection, b"\r\n")[9:12] == status
    assert client.get("/").status_code == 200
    tap.close()
    problem, none = _problems(tap)
    assert problem.startswith("The proxy sent no HTTP/1.1")
    assert none == ""


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegin",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n",
    ],
    ids=["length", "chunked"],
)
def test_a_proxy_vanishes_in_its_request(
    tap: Tap, client: httpx.Client, origin: Any, sent: bytes
) -> None:
    """The record has what came, marked as incomplete; the API's connection is closed."""
    with tap.watching() as watch:
        with _connected(tap) as connection:
            connection.sendall(sent)
        assert client.get("/").status_code == 200
    hop = watch.tapped().hops[0]
    assert hop.request is not None
    assert (hop.request.body, hop.request.complete) == (b"begin", False)
    assert hop.problem == "The proxy went away in the middle of an exchange."


def test_a_proxy_vanishes_while_it_waits(start: Any, tapping: Callable[..., Tap]) -> None:
    """The API's connection is closed as soon as the proxy has gone."""
    asked = threading.Event()

    def serve(origin: Any, connection: Any) -> None:
        connection.recv(2**16)
        asked.set()
        connection.recv(1)

    origin = start(serve)
    tap = tapping(origin)
    with _connected(tap) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert asked.wait(20)
    assert origin.closed()
    tap.close()
    assert _problems(tap) == ["The proxy went away in the middle of an exchange."]


def test_a_proxy_that_says_nothing(tap: Tap) -> None:
    """A connection without a request is a hop without one."""
    with _connected(tap) as connection:
        connection.unwrap()
    tap.close()
    (hop,) = tap.everything().hops
    assert (hop.request, hop.problem) == (None, "closed without a request")
    assert hop.tls is not None


def test_a_proxy_with_http2_only(tap: Tap, client: httpx.Client) -> None:
    """A proxy that begins with HTTP/2 is told that this is none of ours."""
    with _connected(tap, ("h2",)) as connection:
        assert connection.selected_alpn_protocol() is None
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000 04 00 00000000")
        )
        _all(connection)
    assert client.get("/").status_code == 200
    tap.close()
    problem, none = _problems(tap)
    assert "HTTP" in problem
    assert none == ""


@pytest.mark.parametrize(
    "hello",
    [b"\x16", b"\x16\x03\x01\xff\xff" + bytes(300), b"\x16\x03\x01\x00\x05hello"],
    ids=["begin", "long", "nonsense"],
)
def test_a_proxy_with_bad_tls(tap: Tap, client: httpx.Client, hello: bytes) -> None:
    """What begins like TLS and is none is a hop without TLS, and its problem is told."""
    host, _, port = tap.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(hello)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(100):
            pass
    assert client.get("/").status_code == 200
    hop = tap.everything().hops[0]
    assert (hop.tls, hop.request) == (None, None)
    assert hop.problem.startswith("TLS was not agreed on")


@pytest.mark.parametrize("sent", [b"", b"x", b"SSH-2.0-x\r\n", b"GET / HTTP/1.1\r\n", b"\0" * 3000])
def test_a_proxy_without_tls_or_http(
    tap: Tap, client: httpx.Client, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes in the clear, the tap keeps serving."""
    monkeypatch.setattr(relay, "PLAIN", 0.2)
    host, _, port = tap.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(sent)
        if sent:
            while connection.recv(100):
                pass
    assert client.get("/").status_code == 200
    hops = [hop for hop in tap.everything().hops if not hop.tls]
    assert len(hops) == bool(sent)
    assert all("without TLS" in hop.problem for hop in hops)


def test_records_can_be_written(tap: Tap) -> None:
    """What nonsense was recorded can be written as JSON."""
    with _connected(tap) as connection:
        connection.sendall(b"G\xffT / HTTP/1.1\r\n\r\n")
        _all(connection)
    tap.close()
    assert json.dumps(tap.everything().to_json())
