"""Caps hold over processes and attempts, and a deployment that asks for a pause gets one."""

import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from soundcheck.audio import Library
from soundcheck.contract.plan import Cost
from soundcheck.contract.probe import MODELS, Probe, get
from soundcheck.contract.send import Sender
from soundcheck.contract.traffic import (
    FREE,
    GIVEN_UP,
    Caps,
    Held,
    Manners,
    Traffic,
    retry_after,
)
from soundcheck.contract.verdict import Untestable
from soundcheck.errors import SoundcheckError
from soundcheck.http.client import Client
from soundcheck.http.exchange import Response
from soundcheck.http.store import Store

ONE = Cost(1)
BUSY = b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


class Waits:
    """Takes down the seconds that were to be waited, and waits none of them."""

    def __init__(self, ends: bool = True) -> None:
        self.seconds: list[float] = []
        self._ends = ends

    def __call__(self, seconds: float) -> bool:
        """Return whether the run is over."""
        self.seconds.append(seconds)
        return self._ends


def answer(**headers: str) -> Response:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(429, "", named, b"", ())


def test_processes_of_a_run_share_its_caps(tmp_path: Path) -> None:
    """What one has sent the other may not send any more."""
    manners = Manners(Caps(requests=3))
    one, other = (Traffic(tmp_path, manners, Waits()) for _ in range(2))
    one.take(ONE)
    other.take(ONE)
    one.take(ONE)
    with pytest.raises(Held, match="--max-requests"):
        other.take(ONE)
    assert "--max-requests" in one.held


@pytest.mark.parametrize(
    ("caps", "cost", "option"),
    [
        (Caps(audio_minutes=1), Cost(1, audio_s=45.0), "--max-audio-minutes"),
        (Caps(upload_mb=1), Cost(1, upload_bytes=600_000), "--max-upload-mb"),
    ],
)
def test_each_cap_holds(tmp_path: Path, caps: Caps, cost: Cost, option: str) -> None:
    """A cap is not overstepped by the request that would do so: it is not sent."""
    traffic = Traffic(tmp_path, Manners(caps), Waits())
    traffic.take(cost)
    with pytest.raises(Held, match=option):
        traffic.take(cost)


def test_a_rate_is_kept_together(tmp_path: Path) -> None:
    """The second request has to wait for its turn, whoever sends it."""
    manners, waits = Manners(max_rate=0.1), Waits()
    Traffic(tmp_path, manners, waits).take(ONE)
    with pytest.raises(Untestable):  # the wait was cut short, as an interrupt would
        Traffic(tmp_path, manners, waits).take(ONE)
    assert len(waits.seconds) == 1


def test_a_pause_is_one_of_all(tmp_path: Path) -> None:
    """Who was not refused itself waits, too."""
    waits = Waits()
    Traffic(tmp_path, FREE, Waits()).pause(30)
    other = Traffic(tmp_path, FREE, waits)
    with pytest.raises(Untestable):
        other.take(ONE)
    assert waits.seconds
    assert "once" in other.notes[0]


def test_a_long_pause_ends_the_sending(tmp_path: Path) -> None:
    """Nobody waits for an hour, and nobody asks before it is over."""
    traffic = Traffic(tmp_path, FREE, Waits())
    traffic.pause(3600)
    with pytest.raises(Held, match=r"3600 s .*--resume"):
        traffic.take(ONE)


def test_a_deployment_that_refuses_everything_is_left_alone(tmp_path: Path) -> None:
    """After many 429 in a row no more is sent; any other answer begins the count anew."""
    traffic = Traffic(tmp_path, FREE, Waits(ends=False))
    for status in [429] * (GIVEN_UP - 1) + [200] + [429] * (GIVEN_UP - 1):
        traffic.answered(status)
    traffic.take(ONE)
    traffic.answered(429)
    with pytest.raises(Held, match="429"):
        traffic.take(ONE)


def test_both_forms_of_retry_after() -> None:
    """A number of seconds, or a date, counted from the answer's own clock."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    date, later = (format_datetime(t, usegmt=True) for t in (now, now + timedelta(seconds=40)))
    assert retry_after(answer(retry_after="17")) == 17
    assert retry_after(answer(retry_after=later, date=date)) == 40
    assert retry_after(answer(retry_after=date, date=later)) == 0
    assert retry_after(answer(retry_after=date)) == 0
    assert retry_after(answer(retry_after="soon")) is None
    assert retry_after(answer()) is None


def test_bounds_under_which_nothing_can_be_sent_are_refused() -> None:
    """Caps and rates are more than 0."""
    with pytest.raises(SoundcheckError, match="--max-requests"):
        Caps(requests=0)
    with pytest.raises(SoundcheckError, match="--max-rate"):
        Manners(max_rate=0)


@pytest.fixture
def sending(raw_server, tmp_path) -> Callable[..., tuple[Sender, list[bytes]]]:
    """Return a function that gives a sender to a server with these answers, and its requests."""

    def start(answers: list[bytes], manners: Manners) -> tuple[Sender, list[bytes]]:
        lock = threading.Lock()

        def reply(connection: socket.socket, _: bytes) -> None:
            with lock:
                told = answers.pop(0)
            connection.sendall(told)

        server = raw_server(reply)
        sender = Sender(
            Client(server.base_url), Store(tmp_path), Library(), tmp_path, manners=manners
        )
        return sender, server.requests

    return start


def test_attempts_count(sending) -> None:
    """A cap that is reached in the attempts at one request leaves its answers as they are."""
    sender, requests = sending([BUSY, BUSY, FINE], Manners(Caps(requests=2)))
    exchange = sender.answer(MODELS).exchange
    assert exchange.response is not None
    assert exchange.response.status == 429
    assert exchange.attempts == len(requests) == 2
    with pytest.raises(Held):
        sender.answer(get("/models?again"))
    sender.close()


def test_what_a_cap_leaves_unsent_is_told(sending) -> None:
    """Sending ends in order: every probe is told of, those that were not sent as well."""
    sender, requests = sending([FINE] * 9, Manners(Caps(requests=4)))
    told: list[Probe] = []
    sender.send_all([get(f"/models?{number}") for number in range(9)], told.append)
    sender.close()
    assert len(requests) == 4
    assert len(told) == 9
    assert "--max-requests" in sender.notes[0]
