"""Hops are read as what they carry, whatever protocol encrypted it."""

import base64
import hashlib
import json
from dataclasses import replace
from random import Random

import pytest

from soundcheck.contract.hops import (
    MOST_FRAMING,
    Cipher,
    agreed,
    ciphertexts,
    decoded,
    dump,
    envelopes,
    fitting,
    is_exchange,
    is_upload,
    name_of,
    readable,
    status_of,
    told,
    told_all,
    unframed,
)
from soundcheck.http.envelope import Envelope
from soundcheck.http.tapped import Hop, Message

JSON = "application/json"
DATA = bytes(range(200, 250))


def _message(start: str, body: bytes = b"", kind: str = JSON) -> Message:
    return Message(start, (("Content-Type", kind),), body, len(body))


def _hop(start: str, body: bytes = b"", answer: Message | None = None) -> Hop:
    return Hop(1, 0.0, request=_message(start, body), response=answer)


def _sealed(data: bytes) -> bytes:
    return Envelope(bytes(32), bytes(12), bytes(12), data).encode()


@pytest.mark.parametrize(
    ("start", "body", "uploads", "exchanges"),
    [
        ("POST /v1/audio/transcriptions HTTP/1.1", b"x", True, False),
        ("POST /v1/audio/transcriptions HTTP/1.1", b"", False, False),
        ("GET /v1/models HTTP/1.1", b"x", False, False),
        ("POST /privatemode/v1/secret HTTP/1.1", b"x", False, True),
        ("POST /privatemode/v1/attest HTTP/1.1", b"x", False, False),
        ("", b"x", False, False),
    ],
)
def test_uploads_and_exchanges_are_told_apart(
    start: str, body: bytes, uploads: bool, exchanges: bool
) -> None:
    """What is posted is a user's data, but for what agrees on a secret."""
    hop = _hop(start, body)
    assert is_upload(hop) is uploads
    assert is_exchange(hop, "secret") is exchanges
    assert not is_upload(Hop(1, 0.0))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (DATA, DATA),
        (DATA.hex().encode(), DATA),
        (b'"%b"' % base64.b64encode(DATA), DATA),
        (base64.urlsafe_b64encode(DATA).rstrip(b"="), DATA),
        (base64.encodebytes(DATA * 9), DATA * 9),
        (base64.encodebytes(DATA * 9).replace(b"\n", b"\r\n "), DATA * 9),
        (b"e30..aXY.%b.dGFn" % base64.urlsafe_b64encode(DATA * 3), DATA * 3),
        (b"She sells sea shells by the sea shore", b"She sells sea shells by the sea shore"),
        (b"abcd", b"abcd"),
        (b"a" * 25, b"a" * 25),
    ],
)
def test_encodings_are_undone(written: bytes, read: bytes) -> None:
    """Hexadecimal and base64 of some length are read, anything else is left."""
    assert decoded(written) == read


@pytest.mark.parametrize(
    ("body", "name", "data"),
    [
        (b'{"model": "m", "file": %b}' % _sealed(DATA), "file", DATA),
        (json.dumps({"v": 1, "in": [{"k": base64.b64encode(DATA).decode()}]}).encode(), "in", DATA),
        (DATA * 9, "", DATA * 9),
        (b"{" + DATA, "", b"{" + DATA),
        (b'"' + DATA, "", b'"' + DATA),
        (json.dumps({"ct": base64.encodebytes(DATA * 9).decode()}).encode(), "ct", DATA * 9),
    ],
)
def test_ciphertext_is_found(body: bytes, name: str, data: bytes) -> None:
    """It is in envelopes, or else in what is largest."""
    [cipher] = ciphertexts(_message("POST / HTTP/1.1", body))
    assert (cipher.name, cipher.data) == (name, data)
    assert ciphertexts(None) == ciphertexts(_message("POST / HTTP/1.1")) == []


RANDOM = Random(3)
FILE = 20_000


def _framed(begin: bytes = b"", inside: bytes = b"", end: bytes = b"", size: int = FILE) -> Cipher:
    some = RANDOM.randbytes
    return Cipher("", begin + some(size // 2) + inside + some(size // 2) + end)


@pytest.mark.parametrize(
    ("one", "other", "left_out"),
    [
        (_framed(), _framed(), 0),
        (_framed(b"\x82\xa5short"), _framed(b"\x82\xa5short"), 0),
        (_framed(b"whisper-large-v3" * 64), _framed(b"whisper-large-v3" * 64, size=500), 1024),
        (_framed(end=b"e" * 128), _framed(end=b"e" * 128, size=9000), 128),
        (_framed(inside=b"m" * 64), _framed(inside=b"m" * 64), 64),
        (_framed(inside=b"m" * 65), _framed(inside=b"m" * 65), 0),
        (_framed(b"h" * 9999), _framed(b"h" * 9999), MOST_FRAMING),
        (_framed(b"h" * 99, size=100), _framed(b"h" * 99, size=100), 48),
        (Cipher("", b"h" * 60), Cipher("", b"h" * 60), 0),
        (Cipher("", b""), Cipher("", b""), 0),
        (Cipher("a", b"h" * 999, enveloped=True), Cipher("a", b"h" * 999, enveloped=True), 0),
    ],
    ids=["none", "few", "header", "end", "name", "run", "long", "quarter", "tiny", "empty", "ours"],
)
def test_framing_is_what_both_have_in_one_place(one: Cipher, other: Cipher, left_out: int) -> None:
    """A header, an end and short runs are left out, within bounds; envelopes have no such.

    Whole blocks are left out: up to 15 bytes more on either side, and a byte alike by chance.
    """
    rest = unframed(one, other)
    assert rest.framing == len(one.data) - len(rest.data)
    assert left_out <= rest.framing <= left_out + (32 if left_out else 0)


def test_what_repeats_more_than_framing_is_left_in() -> None:
    """The short runs are taken for framing up to a bound in all, in the order they come in."""
    pieces = [(RANDOM.randbytes(48), RANDOM.randbytes(48), b"m" * 48) for _ in range(200)]
    one, other = (Cipher("", b"".join(p[side] + p[2] for p in pieces)) for side in (0, 1))
    rest = unframed(one, other)
    assert MOST_FRAMING - 48 < rest.framing - 48 <= MOST_FRAMING  # and 48 at the end
    assert b"m" * 48 in rest.data


def test_texts_are_joined_by_name() -> None:
    """Pieces of a member are one text, whatever stands between them."""
    frames = b"".join(b'data: {"id": "x", "delta": "%b"}\n\n' % one for one in (b"one ", b"two"))
    assert set(readable(frames, "text/event-stream")) == {"xx", "one two"}


def test_keys_of_an_exchange_are_read() -> None:
    """They are bytes, none where there is nothing to read; the ID is the public key's digest."""
    asked = json.dumps({"PublicKey": base64.b64encode(DATA).decode()}).encode()
    answer = _message("HTTP/1.1 200 OK", b'{"EncapsulatedKey": "?"}')
    keys = agreed(_hop("POST /privatemode/v1/secret HTTP/1.1", asked, answer))
    assert (keys.public_key, keys.encapsulated_key) == (DATA, b"")
    assert keys.secret_id == hashlib.sha256(DATA).digest()


def test_the_upload_of_a_size_goes_before_others() -> None:
    """Without one all uploads count, and nothing else ever."""
    ours = _hop("POST /a HTTP/1.1", b'{"file": %b}' % _sealed(bytes(116)))
    other = _hop("POST /b HTTP/1.1", b'{"file": %b}' % _sealed(bytes(50)))
    hops = [other, ours, _hop("GET /c HTTP/1.1")]
    assert fitting(hops, 100) == [ours]
    assert fitting(hops, 99) == [other, ours]


def test_what_came_instead_is_told() -> None:
    """Problems, other requests and changes of protocol are named, each once, the first three."""
    socket = replace(_message("GET /ws HTTP/1.1"), headers=(("Upgrade", "WebSocket"),))
    two = Hop(1, 0.0, problem="The proxy sent no HTTP/1.1, but 2.0.")
    assert told_all([two, two]) == "The proxy sent no HTTP/1.1, but 2.0"
    assert told_all([Hop(1, 0.0, request=socket)]) == "GET /ws of 0 bytes, which asks for websocket"
    many = [_hop(f"GET /{path} HTTP/1.1") for path in "abcd"]
    assert told_all(many) == "GET /a of 0 bytes; GET /b of 0 bytes; GET /c of 0 bytes; and more"
    assert told_all([]) == "nothing"
    assert told_all([Hop(1, 0.0, problem="\ud800" * 999)]).encode()


def test_a_hop_is_told_in_a_few_words() -> None:
    """Method, path, size and status are named, shortened, as anything can be written."""
    answer = _message("HTTP/1.1 204 No")
    assert told(_hop("POST /x HTTP/1.1", b"abc", answer)) == "POST /x of 3 bytes, answered 204"
    odd = told(_hop(f"POST /\ud800{'x' * 999} HTTP/1.1"))
    assert len(odd.encode()) < 200
    assert status_of(_hop("GET / HTTP/1.1", answer=_message("HTTP/1.1 9x"))) is None
    [sealed] = envelopes(_message("POST / HTTP/1.1", b'{"\\ud800": %b}' % _sealed(DATA)))
    assert name_of(sealed).encode()
    assert dump(b"RIFF\x00abc", 16) == f"00000010  {'52494646 00616263':<35}  RIFF.abc"
