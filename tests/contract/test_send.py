"""Faults of the way are tried again, visibly; answers never."""

import base64
import socket
from collections.abc import Callable

import pytest

from soundcheck.audio import Library
from soundcheck.contract import Probe
from soundcheck.contract.probe import MODELS
from soundcheck.contract.send import ATTEMPTS, Sender
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange
from soundcheck.http.multipart import Crafted, DataURL, Field, Frame
from soundcheck.http.store import Store

BUSY = b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
COMING = b"HTTP/1.1 503 Down\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nsoon"
DOWN = b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def sent(raw_server, tmp_path) -> Callable[..., Exchange]:
    """Return a function that sends one probe to a server with these answers, one per connection."""

    def send(*answers: bytes) -> Exchange:
        left = list(answers)

        def reply(connection: socket.socket, _: bytes) -> None:
            connection.sendall(left.pop(0).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

        with Client(raw_server(reply).base_url) as client:
            return Sender(client, Store(tmp_path), Library(), tmp_path).answer(MODELS).exchange

    return send


@pytest.mark.parametrize("first", [BUSY, b""])
def test_a_fault_of_the_way_is_tried_again(sent, first: bytes) -> None:
    """After a 429, or a connection that broke off, the request is sent again, and counted."""
    exchange = sent(first, FINE)
    assert exchange.attempts == 2
    assert exchange.response is not None
    assert exchange.response.status == 200


def test_what_was_tried_again_is_kept(sent) -> None:
    """The 429 and 503 after which a request was sent again stay with its exchange, in order."""
    exchange = sent(BUSY, COMING, FINE)
    assert [one.status for one in exchange.retried] == [429, 503]
    assert exchange.retried[1].body == b"soon"


def test_a_connection_that_broke_off_was_no_answer(sent) -> None:
    """Only answers are kept of earlier attempts."""
    assert sent(b"", FINE).retried == ()


def test_patience_ends(sent) -> None:
    """A deployment that is always busy is asked a fixed number of times."""
    exchange = sent(*[BUSY] * (ATTEMPTS + 1))
    assert exchange.attempts == ATTEMPTS
    assert exchange.response is not None
    assert exchange.response.status == 429
    assert len(exchange.retried) == ATTEMPTS - 1


def test_an_answer_is_an_answer(sent) -> None:
    """An error without an invitation to come back is evidence, not a reason to try again."""
    assert sent(DOWN, FINE).attempts == 1


def test_a_crafted_form_is_recorded_as_it_was_sent(raw_server, tmp_path) -> None:
    """Its bytes arrive as given, and the record tells them and what is odd about the whole."""
    probe = Probe(
        parts=(Field("prompt", b"\xff"), Crafted("file", b"X: \xff", b"<", "hello.wav", b">")),
        frame=Frame(line=b"\n"),
    )
    server = raw_server(FINE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    with Client(server.base_url) as client:
        store = Store(tmp_path)
        exchange = Sender(client, store, Library(), tmp_path).answer(probe).exchange
    assert b'name="prompt"\n\n\xff\n' in server.requests[0]
    assert b"X: \xff\n\n<RIFF" in server.requests[0]
    prompt, file = exchange.request.parts
    assert prompt == {"name": "prompt", "value": "\\xff", "hex": "ff"}
    assert (file["head"], file["before"], file["after"]) == ("X: \\xff", "<", ">")
    assert (file["clip"], file["filename"]) == ("hello.wav", None)
    assert exchange.request.frame == {"line": "\\n"}
    assert Store(tmp_path).load(probe.digest) == exchange


def test_a_clip_is_sent_within_a_field(raw_server, tmp_path) -> None:
    """A data URL has the clip's media type and its bytes in base64; the record names the clip."""
    received: list[bytes] = []

    def reply(connection: socket.socket, request: bytes) -> None:
        received.append(request)
        connection.sendall(FINE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    library = Library()
    probe = Probe(parts=(DataURL("voice[]", "sentence.mp3"),))
    with Client(raw_server(reply).base_url) as client:
        exchange = Sender(client, Store(tmp_path), library, tmp_path).answer(probe).exchange
    data = base64.b64encode(library.clip("sentence.mp3").read())
    assert b'name="voice[]"\r\n\r\ndata:audio/mpeg;base64,' + data + b"\r\n--" in received[0]
    [part] = exchange.request.parts
    assert part == {
        "name": "voice[]",
        "value": "[sentence.mp3 as a data URL]",
        "quoted": "sentence.mp3",
    }
