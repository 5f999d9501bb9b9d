"""Why a deployment was not reached is told so that a user can act on it."""

import socket

import pytest

from soundcheck.http.access import Access
from soundcheck.http.client import Client
from soundcheck.http.exchange import TransportError
from soundcheck.http.trouble import explained

DIRECT = Access()


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _told(base_url: str) -> str:
    with Client(base_url, timeout=10.0) as client:
        error = client.send("GET", "/models").error
    assert error is not None
    return explained(base_url, error, DIRECT)


def test_a_closed_port_is_told_by_host_and_port() -> None:
    """Where nothing listens, the place is told, and no number of an error."""
    port = _closed_port()
    told = _told(f"http://127.0.0.1:{port}/v1")
    assert f"nothing listens at 127.0.0.1:{port} (Connection refused)" in told
    assert "Errno" not in told


def test_plain_http_behind_https_is_told(serve) -> None:
    """What answers a TLS handshake by plain HTTP speaks no TLS: the plain URL is proposed."""

    def answer(connection: socket.socket) -> None:
        connection.recv(2**16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    host, port = serve(answer)
    told = _told(f"https://{host}:{port}/v1")
    assert told.endswith(f"{host}:{port} speaks no TLS: is http://{host}:{port}/v1 meant?")


@pytest.mark.parametrize(
    ("error", "access", "told"),
    [
        (
            TransportError("refused", "[Errno -2] Name or service not known"),
            DIRECT,
            "there is no address of stt.example (Name or service not known): is the name right?",
        ),
        (
            TransportError("refused", "[Errno 113] No route to host"),
            DIRECT,
            "no connection to stt.example:443 (No route to host)",
        ),
        (
            TransportError("refused", "[Errno 111] Connection refused"),
            Access(proxy="http://gate.example:3128"),
            "Connection refused (by way of the proxy gate.example:3128)",
        ),
        (
            TransportError("tls", "[SSL: CERTIFICATE_VERIFY_FAILED] not trusted (_ssl.c:1006)"),
            DIRECT,
            "not trusted; --tls-roots names certificates to trust",
        ),
        (TransportError("timeout", "no answer in 30 s"), DIRECT, "no answer in 30 s"),
    ],
)
def test_each_cause_has_its_words(error: TransportError, access: Access, told: str) -> None:
    """What is not found, cannot be reached, or is not trusted is told as what it is."""
    assert explained("https://stt.example/v1", error, access) == f"https://stt.example/v1: {told}"
