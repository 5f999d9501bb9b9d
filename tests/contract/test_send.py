"""Faults of the way are tried again, visibly; answers never."""

import socket
from collections.abc import Callable

import pytest

from soundcheck.audio import Library
from soundcheck.contract.probe import MODELS
from soundcheck.contract.send import ATTEMPTS, Sender
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange
from soundcheck.http.store import Store

BUSY = b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
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


def test_patience_ends(sent) -> None:
    """A deployment that is always busy is asked a fixed number of times."""
    exchange = sent(*[BUSY] * (ATTEMPTS + 1))
    assert exchange.attempts == ATTEMPTS
    assert exchange.response is not None
    assert exchange.response.status == 429


def test_an_answer_is_an_answer(sent) -> None:
    """An error without an invitation to come back is evidence, not a reason to try again."""
    assert sent(DOWN, FINE).attempts == 1
