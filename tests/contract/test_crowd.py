"""Requests of one crowd are under way together, once each, and it can be told from the records."""

import socket
import threading
from dataclasses import replace

import pytest

from soundcheck.audio import Library
from soundcheck.contract import Lane, Probe
from soundcheck.contract.crowd import most_under_way
from soundcheck.contract.send import Sender
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange, SentRequest, Timing
from soundcheck.http.store import Store

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
BUSY = b"HTTP/1.1 429 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CROWD = [
    Probe("GET", "/models", repeat=number, crowd="four", lane=Lane.HOSTILE) for number in range(4)
]


def test_a_crowd_is_sent_at_once(raw_server, tmp_path) -> None:
    """A server that answers nobody before all have come answers all, when one is asked for."""
    there = threading.Barrier(len(CROWD), timeout=30)

    def reply(connection: socket.socket, _: bytes) -> None:
        there.wait()
        connection.sendall(FINE)

    server = raw_server(reply)
    with Client(server.base_url) as client:
        sender = Sender(client, Store(tmp_path), Library(), tmp_path)
        sender.expect(CROWD)
        sender.answer(CROWD[2])
        assert all(map(sender.recorded, CROWD))
        answers = [sender.answer(probe) for probe in CROWD]
    assert [answer.status for answer in answers] == [200] * len(CROWD)
    assert len(server.requests) == len(CROWD)
    assert most_under_way(answer.exchange for answer in answers) == len(CROWD)


def test_who_is_turned_away_from_a_crowd_stays_away(raw_server, tmp_path) -> None:
    """A 429 to one of a crowd is what is looked for: the request is not sent again."""
    server = raw_server(BUSY)
    with Client(server.base_url) as client:
        sender = Sender(client, Store(tmp_path), Library(), tmp_path)
        sender.expect(CROWD)
        exchanges = [sender.answer(probe).exchange for probe in CROWD]
    assert {exchange.attempts for exchange in exchanges} == {1}
    assert len(server.requests) == len(CROWD)


def _exchange(second: float, took: float) -> Exchange:
    return Exchange(
        digest="0123456789abcdef",
        lane="hostile",
        attempts=1,
        started=f"2026-01-01T00:00:{second:06.3f}Z",
        request=SentRequest("GET", "http://127.0.0.1/v1", (), (), 0),
        response=None,
        timing=Timing(None, None, took),
        error=None,
    )


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([(0, 1)], 1),
        ([(0, 1), (2, 1), (4, 1)], 1),
        ([(0, 1), (1, 1)], 2),
        ([(0, 5), (1, 1), (3, 1), (3.5, 1)], 3),
        ([(0, 0), (0, 0), (0, 0)], 3),
    ],
)
def test_overlaps_are_counted(times: list[tuple[float, float]], most: int) -> None:
    """How many exchanges overlapped is told by their begins and durations; touching counts."""
    assert most_under_way(_exchange(*one) for one in times) == most


def test_another_crowd_is_another_request() -> None:
    """The same request within a crowd and by itself are two probes."""
    assert CROWD[0].digest != replace(CROWD[0], crowd="").digest
    assert CROWD[0].digest != replace(CROWD[0], crowd="five").digest
