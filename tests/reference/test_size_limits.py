"""The size limit: exact as each dialect counts, early where it can be, always answered."""

import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

MOST = 26_214_400
Serving = Callable[..., str]
Knowing = Callable[..., Any]
BOTH = pytest.mark.parametrize("dialect", ["openai", "vllm"])
HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-large-v3\r\n--b\r\n'
    b'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: audio/wav\r\n\r\n'
)
PART_HEAD = HEAD.split(b"--b\r\n")[-1]
TAIL = b"\r\n--b--\r\n"
STATUS = {"openai": 413, "vllm": 400}


def body(file_size: int) -> bytes:
    return HEAD + bytes(file_size) + TAIL


def head(length: int, *more: str) -> bytes:
    lines = [
        "POST /v1/audio/transcriptions HTTP/1.1",
        "Host: x",
        "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {length}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(url: str, content: Any, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{url}/audio/transcriptions",
        content=content,
        headers={"content-type": "multipart/form-data; boundary=b", **headers},
        timeout=60,
    )


def connected(url: str) -> socket.socket:
    address = httpx.URL(url)
    return socket.create_connection((address.host, address.port or 80), timeout=30)


def answer(connection: socket.socket) -> bytes:
    """Return one answer: its head, and as much body as it announces."""
    data = b""
    while b"\r\n\r\n" not in data and (piece := connection.recv(65_536)):
        data += piece
    length = int(data.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(data.split(b"\r\n\r\n", 1)[1]) < length and (piece := connection.recv(65_536)):
        data += piece
    return data


def check_refused(response: httpx.Response, dialect: str) -> None:
    assert response.status_code == STATUS[dialect]
    error = response.json()["error"]
    assert str(MOST) in error["message"]
    assert error["param"] == {"openai": "file", "vllm": "audio_filesize_mb"}[dialect]


@pytest.mark.parametrize(
    ("dialect", "counts", "largest"),
    [
        ("openai", None, MOST - len(HEAD + TAIL)),
        ("openai", "request", MOST - len(HEAD + TAIL)),
        ("openai", "file", MOST),
        ("vllm", None, MOST),
        ("vllm", "file", MOST),
        ("vllm", "request", MOST - len(HEAD + TAIL)),
        ("vllm", "part", MOST - len(PART_HEAD)),
    ],
)
def test_the_limit_is_exact(
    serving: Serving, knowing: Knowing, dialect: str, counts: str | None, largest: int
) -> None:
    """What is counted may have 26,214,400 bytes and not one more, announced or not."""
    url = serving(knowing("Hello"), dialect, limit_counts=counts)
    for wrapped in (lambda data: data, lambda data: iter([data])):  # the second is sent in chunks
        assert post(url, wrapped(body(largest))).status_code == 200
        check_refused(post(url, wrapped(body(largest + 1))), dialect)


@BOTH
@pytest.mark.parametrize("connection_header", ["keep-alive", "close"])
@pytest.mark.parametrize("size", [MOST + 1, 60_000_000])
def test_a_refusal_can_always_be_read(
    serving: Serving, knowing: Knowing, dialect: str, connection_header: str, size: int
) -> None:
    """Clients that send everything before they read get the whole answer, whatever its size."""
    url = serving(knowing("Hello"), dialect)
    content = body(size)
    check_refused(post(url, content, connection=connection_header), dialect)
    with connected(url) as connection:
        connection.sendall(head(len(content), f"Connection: {connection_header}"))
        connection.sendall(content)
        received = answer(connection)
        assert received.startswith(b"HTTP/1.1 %d" % STATUS[dialect])
        assert b"(26214400)" in received
        if connection_header == "keep-alive":
            connection.sendall(head(len(body(1))) + body(1))
            assert answer(connection).startswith(b"HTTP/1.1 200")


@BOTH
def test_what_cannot_fit_is_refused_before_it_is_sent(
    serving: Serving, knowing: Knowing, dialect: str
) -> None:
    """An announced length that cannot fit gets its answer without any byte of the body."""
    url = serving(knowing("Hello"), dialect)
    for more in ((), ("Expect: 100-continue",)):
        with connected(url) as connection:
            connection.sendall(head(60_000_000, *more))
            received = answer(connection)
        assert received.startswith(b"HTTP/1.1 %d" % STATUS[dialect])
        assert (b"connection: close" in received) == bool(more)


def test_openai_knows_at_the_first_byte_too_many(serving: Serving, knowing: Knowing) -> None:
    """Where the request is counted, its announced length decides to the byte."""
    url = serving(knowing("Hello"))
    for length, status in ((MOST, b"HTTP/1.1 100"), (MOST + 1, b"HTTP/1.1 413")):
        with connected(url) as connection:
            connection.sendall(head(length, "Expect: 100-continue"))
            assert connection.recv(12) == status


def test_vllm_decides_while_reading(serving: Serving, knowing: Knowing) -> None:
    """Where the file is counted, a body just above the limit may come."""
    url = serving(knowing("Hello"), "vllm")
    with connected(url) as connection:
        connection.sendall(head(MOST + 1_000_000, "Expect: 100-continue"))
        assert connection.recv(12) == b"HTTP/1.1 100"


@BOTH
def test_another_limit(serving: Serving, knowing: Knowing, dialect: str) -> None:
    """A deployment can be told another limit; refusals name that one."""
    url = serving(knowing("Hello"), dialect, max_file=1000, limit_counts="file")
    assert post(url, body(1000)).status_code == 200
    assert "(1000)" in post(url, body(1001)).json()["error"]["message"]


def test_what_is_not_the_file_is_bounded_too(serving: Serving, knowing: Knowing) -> None:
    """Fields, a preamble and other files cannot make a body endless."""
    url = serving(knowing("Hello"), "vllm")
    other = b'--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n'
    for content in (b"x" * 5_000_000, other + bytes(5_000_000) + TAIL):
        response = post(url, content)
        assert response.status_code == 400
        assert response.json()["error"]["param"] is None
