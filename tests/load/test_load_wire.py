"""HTTP responses in pieces cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.limits import MAX_BODY, MAX_CHUNKS
from soundcheck.load.failure import Failure
from soundcheck.load.wire import MAX_HEAD, ResponseParser, plain_body

JSON = b'{"text": "Hello World."}'
SIZED = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Outcome = tuple[object, ...]


def outcome(pieces: list[bytes], *, ends: bool = True) -> Outcome:
    """Return all that a parser says of a response in pieces, or the cause of its failure."""
    parser = ResponseParser()
    body = b""
    try:
        for piece in pieces:
            body += parser.feed(piece)
        if ends:
            parser.close()
    except Failure as failure:
        return (failure.cause,)
    return (
        parser.status,
        body,
        parser.complete,
        parser.keeps_alive,
        parser.media_type,
        parser.location,
    )


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    return (
        b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        + b"0\r\n"
        + trailers
        + b"\r\n"
    )


RESPONSES = [
    SIZED + b"Content-Length: 24\r\n\r\n" + JSON,
    SIZED + b"Content-Length: 24\r\n\r\n" + JSON + b"HTTP/1.1 200 OK\r\n",
    SIZED + b"Content-Length: 24\r\nConnection: Close\r\n\r\n" + JSON,
    SIZED + b"Content-Length: 25\r\n\r\n" + JSON,
    SIZED + b"Content-Length: 24\r\nContent-Length: 25\r\n\r\n" + JSON,
    SIZED + b"Content-Length: 0\r\n\r\n",
    SIZED + b"\r\n" + JSON,
    SIZED.replace(b"\r", b"") + b"content-length:24\n\n" + JSON,
    CHUNKED + chunked(b"data: a\n\n", JSON),
    CHUNKED + chunked(JSON, trailers=b"Checksum: 1\r\nMore: 2\r\n") + b"x",
    CHUNKED + b"5;name=value\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"5\r\nHello World\r\n0\r\n\r\n",
    CHUNKED + b"five\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"5\r\nHello\r\n",
    b"HTTP/1.1 100 Continue\r\nLocation: /no\r\n\r\n"
    + SIZED
    + b"Content-Length: 24\r\n\r\n"
    + JSON,
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /v2\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 24\r\n\r\n" + JSON,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"",
]


@given(st.sampled_from(RESPONSES), st.lists(st.integers(0, 250), max_size=12))
def test_cuts_make_no_difference(response: bytes, cuts: list[int]) -> None:
    """However a response is cut into pieces, the same is read."""
    bounds = [0, *sorted(cuts), len(response)]
    pieces = [response[a:b] for a, b in pairwise(bounds)]
    assert outcome(pieces) == outcome([response])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_garbage_is_refused_alike(noise: bytes, cuts: list[int]) -> None:
    """Bytes that are no response end in a failure or a status, never otherwise; cuts or not."""
    for opening in (b"", b"HTTP/1.1 200 OK\r\n", CHUNKED):
        response = opening + noise
        bounds = [0, *sorted(cuts), len(response)]
        pieces = [response[a:b] for a, b in pairwise(bounds)]
        assert outcome(pieces) == outcome([response])


HEADERS = [
    b"Content-Length: 24",
    b"content-length:24",
    b"Content-Length: +24",
    b"Content-Length: 024",
    b"Content-Length: 23",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Transfer-Encoding: chunked",
    b"Content-Encoding: gzip",
    b"Content-Type: text/event-stream",
    b"X: y",
    b"X: y\n",
    b"",
]


@given(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 500 OK"]),
    st.lists(st.sampled_from(HEADERS), max_size=4),
    st.sampled_from([b"\r\n", b"\n"]),
    st.sampled_from([JSON, JSON + b"\r\n\r\n", b""]),
)
def test_the_shortcut_agrees_with_the_parser(
    status: bytes, headers: list[bytes], end: bytes, body: bytes
) -> None:
    """What is read in one step is what the parser reads, of a complete and ordinary answer."""
    response = end.join([status, *headers, b"", body])
    quick = plain_body(response)
    if quick is not None:
        assert outcome([response], ends=False) == (200, quick, True, True, "", "")


def test_the_shortcut_is_not_taken_of_a_head_that_ends_early() -> None:
    """A bare line end before the last line ends the head: what follows is of the body."""
    response = b"HTTP/1.1 200 OK\nContent-Length: 4\nX: y\n\r\n\r\nabcd"
    assert plain_body(response) is None
    assert outcome([response])[1] == b"\r\nab"


def test_the_shortcut_is_taken() -> None:
    """An ordinary answer in one piece is read in one step."""
    assert plain_body(SIZED + b"Content-Length: 24\r\nX: y\r\n\r\n" + JSON) == JSON


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (RESPONSES[0], (200, JSON, True, True, "application/json", "")),
        (RESPONSES[1], (200, JSON, True, False, "application/json", "")),
        (RESPONSES[2], (200, JSON, True, False, "application/json", "")),
        (RESPONSES[3], ("reset",)),
        (RESPONSES[4], ("not-http",)),
        (RESPONSES[5], (200, b"", True, True, "application/json", "")),
        (RESPONSES[6], (200, JSON, True, False, "application/json", "")),
        (RESPONSES[7], (200, JSON, True, True, "application/json", "")),
        (RESPONSES[8], (200, b"data: a\n\n" + JSON, True, True, "", "")),
        (RESPONSES[9], (200, JSON, True, False, "", "")),
        (RESPONSES[10], (200, b"Hello", True, True, "", "")),
        (RESPONSES[11], ("not-http",)),
        (RESPONSES[12], ("not-http",)),
        (RESPONSES[13], ("reset",)),
        (RESPONSES[14], (200, JSON, True, True, "application/json", "")),
        (RESPONSES[15], (307, b"", True, True, "", "/v2")),
        (RESPONSES[16], (200, JSON, True, False, "", "")),
        (RESPONSES[17], (204, b"", True, True, "", "")),
        (RESPONSES[18], ("not-http",)),
        (RESPONSES[19], ("not-http",)),
        (RESPONSES[20], ("not-http",)),
        (RESPONSES[21], ("not-http",)),
        (RESPONSES[22], ("reset",)),
    ],
    ids=range(len(RESPONSES)),
)
def test_responses_are_read(response: bytes, expected: Outcome) -> None:
    """A body ends where its framing says; the connection is kept only if that is certain."""
    assert outcome([response]) == expected


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 17,
        SIZED + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        SIZED + b"\r\n" + bytes(MAX_BODY + 1),
        CHUNKED + b"1\r\na\r\n" * (MAX_CHUNKS + 1),
        CHUNKED + b"0\r\n" + b"X: y\r\n" * MAX_HEAD,
    ],
    ids=["head", "interim", "length", "body", "chunks", "trailers"],
)
def test_what_does_not_end_is_given_up(endless: bytes) -> None:
    """Heads, interim answers, bodies, chunks and trailers are limited."""
    assert outcome([endless], ends=False) == ("too-long",)
