"""Credentials: what requests carry in the place of the target's key."""

import socket

import pytest

from soundcheck.audio import Library
from soundcheck.contract import Credentials, Probe, Wire, get, transcription
from soundcheck.contract.credentials import MADE_UP, WRONG_KEY, headers_of
from soundcheck.contract.send import Sender
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange
from soundcheck.http.store import REDACTED, Store

KEY = "sk-9f8e7d6c5b4a"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        (Credentials.OWN, f"Bearer {KEY}"),
        (Credentials.LOWER_CASE, f"bearer {KEY}"),
        (Credentials.NONE, None),
        (Credentials.WRONG, f"Bearer {WRONG_KEY}"),
        (Credentials.WITHOUT_KEY, "Bearer"),
    ],
)
def test_each_kind_is_what_it_is_called(credentials: Credentials, sent: str | None) -> None:
    """The header is the one described, and none where there is to be none."""
    assert dict(headers_of(credentials, KEY)).get("Authorization") == sent


def test_the_key_is_sent_in_no_other_form() -> None:
    """What a deployment is to refuse is made up: nobody's key is in it."""
    told = [*MADE_UP.values(), *(dict(headers_of(one, KEY)).values() for one in MADE_UP)]
    assert KEY not in str(told)
    assert all(headers_of(one, None) == headers_of(one, KEY) for one in MADE_UP)
    assert headers_of(Credentials.LOWER_CASE, None) == ()


def test_credentials_tell_requests_apart() -> None:
    """A request with another key is another request, and one with the target's own is as ever."""
    probes = [transcription("a.wav", credentials=one) for one in Credentials]
    assert len({probe.digest for probe in probes}) == len(Credentials)
    assert transcription("a.wav", credentials=Credentials.OWN) == transcription("a.wav")


@pytest.mark.parametrize("wire", [Wire.ORDINARY, Wire.EXPECT])
@pytest.mark.parametrize("credentials", list(Credentials))
def test_nothing_but_the_credentials_is_sent_and_no_secret_is_kept(
    raw_server, tmp_path, credentials: Credentials, wire: Wire
) -> None:
    """On either way there is one header at most, and only one that was made up is recorded."""
    received: list[bytes] = []

    def reply(connection: socket.socket, request: bytes) -> None:
        received.append(request)
        connection.sendall(FINE)

    probe = transcription("hello.wav", credentials=credentials, wire=wire)
    exchange = _sent(raw_server(reply).base_url, tmp_path, probe)
    given = dict(headers_of(credentials, KEY)).get("Authorization")
    heads = [line.partition(b": ") for line in received[0].split(b"\r\n\r\n")[0].split(b"\r\n")]
    values = [value.decode() for name, _, value in heads if name.lower() == b"authorization"]
    assert values == ([] if given is None else [given])
    recorded = dict(exchange.request.headers).get("authorization")
    assert recorded == (given if given in MADE_UP.values() or given is None else REDACTED)


def test_a_list_may_be_asked_for_without_the_key(raw_server, tmp_path) -> None:
    """What has no form can go without the key too."""
    received: list[bytes] = []

    def reply(connection: socket.socket, request: bytes) -> None:
        received.append(request)
        connection.sendall(FINE)

    _sent(raw_server(reply).base_url, tmp_path, get("/models", credentials=Credentials.NONE))
    assert b"uthorization" not in received[0]


def _sent(base_url: str, folder, probe: Probe) -> Exchange:
    store = Store(folder, [KEY], harmless=MADE_UP.values())
    with (
        Client(base_url, headers=headers_of(Credentials.OWN, KEY)) as client,
        Client(base_url) as stranger,
    ):
        sender = Sender(client, store, Library(), folder, stranger=stranger, key=KEY)
        return sender.answer(probe.on("m")).exchange
