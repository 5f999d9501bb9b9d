"""Hops are read as what they carry, whatever protocol encrypted it."""

import base64
import hashlib
import json

import pytest

from soundcheck.contract.hops import (
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
    ],
)
def test_ciphertext_is_found(body: bytes, name: str, data: bytes) -> None:
    """It is in envelopes, or else in what is largest."""
    [cipher] = ciphertexts(_message("POST / HTTP/1.1", body))
    assert (cipher.name, cipher.data) == (name, data)
    assert ciphertexts(None) == ciphertexts(_message("POST / HTTP/1.1")) == []


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
