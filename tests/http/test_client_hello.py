"""The ClientHello probe: what it says is a hello, and it reads any answer without breaking."""

import socket
import struct
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.certificates import Authority
from soundcheck.http.client_hello import (
    MOST,
    RETRY,
    ClientHello,
    FirstFlight,
    Kind,
    Reading,
    say_hello,
)
from soundcheck.http.tls_names import GROUPS_OF_TLS13, SUITES, SUITES_OF_TLS13, TLS11, TLS12, TLS13

TIMEOUT = 10.0
SHORT = 0.05
SUITE = 0xC02B


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def record(data: bytes, kind: int = 22) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(data).to_bytes(2) + data


def server_hello(extensions: bytes = b"", random: bytes = bytes(32), version: int = TLS12) -> bytes:
    body = version.to_bytes(2) + random + b"\x00" + SUITE.to_bytes(2) + b"\x00"
    return message(2, body + (len(extensions).to_bytes(2) + extensions if extensions else b""))


def extension(number: int, data: bytes) -> bytes:
    return number.to_bytes(2) + len(data).to_bytes(2) + data


KEY_EXCHANGE = message(12, b"\x03\x00\x1d\x20" + bytes(32))
DONE = message(14, b"")
RIGHT = record(server_hello(extension(0xFF01, b"\x00")) + KEY_EXCHANGE + DONE)


def read(*pieces: bytes, ended: Kind = Kind.CLOSED) -> FirstFlight:
    reading = Reading()
    for piece in pieces:
        if not reading.over:
            reading.feed(piece)
    return reading.flight if reading.over else reading.ended(ended)


@pytest.mark.parametrize(
    "hello",
    [
        ClientHello(),
        ClientHello(server_name="api.example", alpn=("h2", "http/1.1"), compressions=(1, 0)),
        ClientHello(TLS12, TLS12, suites=(SUITE,), groups=(), renegotiation="extension"),
        ClientHello(TLS13, TLS13, renegotiation="none", shares=b"\x00\x1d\x00\x20" + bytes(32)),
    ],
)
def test_a_hello_says_what_it_offers(hello: ClientHello) -> None:
    """What a hello was made of can be read from its bytes."""
    hello = ClientHello.parse(hello.encode() + b"more") or pytest.fail("unreadable")
    assert ClientHello.parse(hello.encode()) == hello


def test_an_address_is_no_server_name() -> None:
    """SNI takes names only (RFC 6066, section 3)."""
    for address in ("127.0.0.1", "::1"):
        parsed = ClientHello.parse(ClientHello(server_name=address).encode())
        assert parsed is not None
        assert parsed.server_name == ""


@given(st.binary(max_size=200))
def test_what_is_no_hello_is_not_parsed(data: bytes) -> None:
    """Damaged hellos are none: the parser returns nothing and raises nothing."""
    whole = ClientHello(server_name="api.example").encode()
    assert ClientHello.parse(data) is None
    for damaged in (whole[: len(data)], whole[:9] + data + whole[9 + len(data) :]):
        parsed = ClientHello.parse(damaged)
        assert parsed is None or parsed.suites


def test_a_real_server_shows_what_it_accepts(serve_tls: Callable[..., tuple[str, int]]) -> None:
    """OpenSSL answers each offer as it is meant."""
    context = Authority.new("root").issue("localhost").server_context()
    address = serve_tls(context)
    older = say_hello(address, ClientHello(TLS12), TIMEOUT)
    assert (older.kind, older.version, older.compression) == (Kind.HELLO, TLS12, 0)
    assert older.renegotiation_info
    assert len(older.certificates) == 1
    assert SUITES[older.suite or 0].startswith("ECDHE_ECDSA")
    newer = say_hello(address, ClientHello(TLS13), TIMEOUT)
    assert (newer.kind, newer.version) == (Kind.RETRY, TLS13)
    refused = say_hello(address, ClientHello(TLS11), TIMEOUT)
    assert (refused.kind, refused.alert) == (Kind.ALERT, 70)


@pytest.mark.parametrize("group", [0x001D, 0x0017, 0x0018, 0x0019, 0x0100])
def test_a_group_alone_is_chosen(serve_tls: Callable[..., tuple[str, int]], group: int) -> None:
    """A group that is offered alone is chosen where it is accepted."""
    address = serve_tls(Authority.new("root").issue("localhost").server_context())
    newer = ClientHello(TLS13, TLS13, suites=SUITES_OF_TLS13, groups=(group,))
    assert say_hello(address, newer, TIMEOUT).group == group
    if group in (0x001D, 0x0017):
        # Before TLS 1.3 the curve of the certificate must be offered too (RFC 8422, section 5.1).
        older = ClientHello(TLS12, suites=(SUITE,), groups=(group, 0x0017))
        assert say_hello(address, older, TIMEOUT).group == group


def test_an_unknown_group_is_refused(serve_tls: Callable[..., tuple[str, int]]) -> None:
    """A server without the hybrid group refuses it alone, and chooses another beside it."""
    address = serve_tls(Authority.new("root").issue("localhost").server_context())
    hybrid = GROUPS_OF_TLS13[0]
    for groups, kind in (((hybrid,), Kind.ALERT), ((hybrid, 0x001D), Kind.RETRY)):
        hello = ClientHello(TLS13, TLS13, suites=SUITES_OF_TLS13, groups=groups)
        assert say_hello(address, hello, TIMEOUT).kind is kind


def test_a_flight_may_come_in_any_pieces() -> None:
    """Records and messages are put together, however they are cut."""
    whole = read(RIGHT)
    assert (whole.kind, whole.suite, whole.group) == (Kind.HELLO, SUITE, 0x001D)
    assert whole.renegotiation_info
    assert read(*(RIGHT[at : at + 1] for at in range(len(RIGHT)))) == whole
    data = RIGHT[5:]
    cuts = [0, 1, 50, 60, len(data)]
    assert read(*(record(data[a:b]) for a, b in pairwise(cuts))) == whole


def test_a_retry_is_told_from_a_hello() -> None:
    """A HelloRetryRequest has a random of its own; the version is that of its extension."""
    extensions = extension(43, TLS13.to_bytes(2)) + extension(51, (0x11EC).to_bytes(2))
    flight = read(record(server_hello(extensions, random=RETRY)))
    assert (flight.kind, flight.version, flight.group) == (Kind.RETRY, TLS13, 0x11EC)


def test_a_prime_is_measured() -> None:
    """Of finite fields without a name the size of the prime is told, without leading zeros."""
    body = (128).to_bytes(2) + b"\x00\x7f" + bytes(126)
    hello = server_hello().replace(SUITE.to_bytes(2), (0x009E).to_bytes(2))
    assert read(record(hello + message(12, body) + DONE)).dh_bits == 126 * 8 + 7


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Kind.CLOSED),
        (record(b"\x02\x28", kind=21), Kind.ALERT),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Kind.OTHER),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Kind.OTHER),
        (record(b"\x02", kind=21), Kind.OTHER),
        (record(b""), Kind.OTHER),
        (record(b"\x01\x02\x03", kind=23), Kind.OTHER),
        (record(DONE), Kind.OTHER),
        (record(server_hello()[:-3]), Kind.OTHER),
        (record(message(2, b"\x03\x03")), Kind.OTHER),
        (record(server_hello(version=0x0301 + 0x7A00)), Kind.OTHER),
        (record(server_hello(b"\xff\x01\x00\x09")), Kind.OTHER),
        (record(b"\x02\xff\xff\xff"), Kind.OTHER),
        (record(server_hello()), Kind.HELLO),
        (record(server_hello() + message(11, b"\x00\x00\x09")), Kind.HELLO),
        (record(b"\x01\x70", kind=21) + RIGHT, Kind.HELLO),
    ],
)
def test_strange_answers_are_told(answer: bytes, kind: Kind) -> None:
    """What is no TLS, or damaged, is told as that; a ServerHello that came whole is kept."""
    flight = read(answer)
    assert flight.kind is kind
    assert bool(flight.problem) == (kind is Kind.OTHER)


@given(st.binary(max_size=120), st.integers(0, len(RIGHT)), st.binary(max_size=3))
def test_no_answer_breaks_the_reading(garbage: bytes, at: int, flip: bytes) -> None:
    """Whatever comes is read to some result."""
    assert read(garbage).kind in Kind
    assert read(record(garbage)).kind in Kind
    assert read(RIGHT[:at] + flip + RIGHT[at + len(flip) :]).kind in Kind


def test_an_endless_answer_is_given_up() -> None:
    """No more than the bound is read of a flight that has no end."""
    reading = Reading()
    pieces = 0
    while not reading.over:
        reading.feed(record(b"\x02\x01\xff\xff" + bytes(2**13)) if not pieces else bytes(2**13))
        pieces += 1
    assert pieces * 2**13 <= MOST + 2**14
    assert reading.flight.kind is Kind.OTHER


def test_connections_that_end_badly_are_told(serve: Callable[..., tuple[str, int]]) -> None:
    """A server that says nothing, closes, resets or is not there is told apart."""

    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(connection: socket.socket) -> None:
        connection.recv(2**16)

    def say_nothing(connection: socket.socket) -> None:
        while connection.recv(2**16):
            pass

    hello = ClientHello()
    assert say_hello(serve(reset), hello, TIMEOUT).kind is Kind.RESET
    assert say_hello(serve(close), hello, TIMEOUT).kind is Kind.CLOSED
    assert say_hello(serve(say_nothing), hello, SHORT).kind is Kind.SILENT
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    assert say_hello(address, hello, TIMEOUT).kind is Kind.UNREACHABLE
