"""The line: one request while the tap watches, and what is seen beside the requests."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from soundcheck.audio import Library
from soundcheck.contract.answer import Answer
from soundcheck.contract.attack import Attack
from soundcheck.contract.canary import Canaries, Canary
from soundcheck.contract.line import Line
from soundcheck.contract.probe import Lane, everything_tapped, tls_inspection, transcription
from soundcheck.contract.send import Sender
from soundcheck.contract.verdict import Untestable
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange
from soundcheck.http.store import Store
from soundcheck.http.tapped import Hop, Message, Tapped
from soundcheck.report.validation import first_problem

SAID = "Thank you very much."
ANSWER = json.dumps({"text": SAID}).encode()
FINE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
FINE += b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER
HOP = Hop(
    1, 0.5, request=Message("POST /v1 HTTP/1.1", (("Authorization", "Bearer k"),), b"\xff", 1)
)
SENT = transcription(
    "canary.wav",
    filename="{canary}.wav",
    prompt="It says {canary}.",
    lane=Lane.WIRE,
    attack=Attack.SWAP_FIELDS,
)


class _Told:
    """A tap that has seen one hop, and remembers what it was told."""

    problems = ()

    def __init__(self) -> None:
        self.attacks: list[Attack] = []
        self.searched: tuple[Canary, ...] = ()
        self.closed = 0
        self.hops = (HOP,)

    @contextlib.contextmanager
    def watching(self, attack: Attack = Attack.NONE) -> Iterator["_Told"]:
        self.attacks.append(attack)
        yield self

    def tapped(self, more: tuple[Canary, ...] = ()) -> Tapped:
        self.searched = more
        return Tapped(self.hops)

    def everything(self) -> Tapped:
        return Tapped((HOP, HOP))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def tap() -> _Told:
    return _Told()


@pytest.fixture
def sender(raw_server, tmp_path: Path, tap: _Told) -> Iterator[Sender]:
    """Return a sender whose wire goes by way of the tap, and whose other target is not there."""
    client = Client(raw_server(FINE).base_url)
    line = Line(client, Canaries(Library(), tmp_path / "tap"), tap, "http://192.0.2.1/v1")
    nowhere = Client("http://127.0.0.1:1/v1")
    sender = Sender(nowhere, Store(tmp_path), Library(), tmp_path, line=line)
    yield sender
    sender.close()
    assert tap.closed


def test_a_request_of_the_wire_is_sent_while_the_tap_watches(sender: Sender, tap: _Told) -> None:
    """It goes the way of the line, once; the tap is told the attack and what was said."""
    exchange = sender.answer(SENT).exchange
    assert exchange.response is not None
    assert exchange.response.status == 200
    assert tap.attacks == [Attack.SWAP_FIELDS]
    assert exchange.tapped is not None
    assert exchange.tapped.hops[0].at == HOP.at
    assert {canary.data.decode() for canary in tap.searched} == {SAID}
    sender.answer(SENT)
    assert tap.attacks == [Attack.SWAP_FIELDS]


def test_the_run_s_own_words_are_in_what_is_sent(sender: Sender) -> None:
    """Places for canaries are filled when a request is sent, and the record says with what."""
    _, prompt, file = sender.answer(SENT).exchange.request.parts
    assert len(prompt["value"]) == len("It says .") + 24
    assert len(file["filename"]) == len(".wav") + 24
    assert file["filename"][:24] not in prompt["value"]
    assert (file["clip"], file["transcript"]) == ("canary.wav", SAID)


def test_what_was_seen_is_stored_and_read_again(sender: Sender, tmp_path: Path) -> None:
    """A stored hop keeps the published schema, comes back as it was, and holds no credentials."""
    stored = sender.answer(SENT).exchange
    text = (tmp_path / f"{stored.digest}.json").read_text()
    assert first_problem(json.loads(text), "exchange") is None
    assert Exchange.from_json(json.loads(text)) == stored
    assert "Bearer k" not in text
    assert stored.tapped is not None
    assert stored.tapped.hops[0].request is not None
    assert stored.tapped.hops[0].request.body == b"\xff"


def test_what_is_seen_beside_requests_asks_nothing(sender: Sender, tap: _Told) -> None:
    """The whole record of the tap, and the look at the TLS, are exchanges without an answer."""
    everything = sender.answer(everything_tapped())
    assert len(everything.tapped.hops) == 2
    inspected = sender.answer(tls_inspection())
    assert inspected.inspection.scheme == "http"
    assert not inspected.inspection.loopback
    assert tap.attacks == []
    assert (everything.exchange.response, inspected.exchange.response) == (None, None)


def test_what_nobody_saw_is_untestable(sender: Sender) -> None:
    """A judge that reads what was not recorded gets no verdict."""
    bare = Answer(replace(sender.answer(SENT).exchange, tapped=None))
    for read in (lambda: bare.tapped, lambda: bare.inspection):
        with pytest.raises(Untestable):
            read()


def test_a_proxy_that_does_not_answer_is_given_up(raw_server, tmp_path: Path, tap: _Told) -> None:
    """After two requests without an answer, and no attack on them, the wire is untestable."""
    client = Client(raw_server(b"").base_url)
    line = Line(client, Canaries(Library(), tmp_path / "tap"), tap)
    sender = Sender(client, Store(tmp_path), Library(), tmp_path, line=line)
    untouched = [replace(SENT, attack=Attack.NONE, repeat=number) for number in range(3)]
    for probe in (SENT, *untouched[:2]):
        assert sender.answer(probe).exchange.error is not None
    for probe in (untouched[2], replace(SENT, repeat=9)):
        with pytest.raises(Untestable, match="2 requests in a row"):
            sender.answer(probe)
    sender.close()


BUSY = b"HTTP/1.1 503 Not now\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("attack", "attempts"),
    [(Attack.NONE, 3), (Attack.SWAP_FIELDS, 3), (Attack.WRONG_ROOT, 1), (Attack.NO_TLS, 1)],
)
def test_what_a_proxy_puts_off_is_sent_again(
    raw_server, tmp_path: Path, tap: _Told, monkeypatch, attack: Attack, attempts: int
) -> None:
    """A 503 of the proxy's own is tried again, except where nothing may come through anyway."""
    tap.hops = ()
    monkeypatch.setattr("soundcheck.contract.line.PAUSES", (0.0, 0.0, 0.0))
    left = [BUSY, BUSY, FINE]
    client = Client(raw_server(lambda connection, _: connection.sendall(left.pop(0))).base_url)
    line = Line(client, Canaries(Library(), tmp_path / "tap"), tap)
    sender = Sender(client, Store(tmp_path), Library(), tmp_path, line=line)
    exchange = sender.answer(replace(SENT, attack=attack)).exchange
    sender.close()
    assert exchange.attempts == attempts
    assert len(exchange.retried) == attempts - 1
    assert exchange.response is not None
    assert exchange.response.status == (200 if attempts == 3 else 503)
