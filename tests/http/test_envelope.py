"""Envelopes are read as they are written, and nothing else is one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.envelope import Envelope, NoEnvelope

ENVELOPES = st.builds(
    Envelope,
    secret_id=st.binary(min_size=32, max_size=32),
    nonce=st.binary(min_size=12, max_size=12),
    iv=st.binary(min_size=12, max_size=12),
    ciphertext=st.binary(min_size=16, max_size=80),
)
GOOD = Envelope(bytes(range(32)), bytes(12), b"\xff" * 12, bytes(range(40)))


@given(ENVELOPES)
def test_round_trip(envelope: Envelope) -> None:
    """What is encoded is parsed again, quotes included."""
    text = envelope.encode()
    assert text.startswith(b'"')
    assert text.endswith(b'"')
    assert Envelope.parse(text) == envelope


def test_the_form_to_the_byte() -> None:
    """The text is ``"ID:NONCE:IV:CIPHERTEXT"``: base64, then lower-case hex."""
    identifier = base64.b64encode(bytes(range(32))).decode()
    digits = bytes(range(40)).hex()
    assert GOOD.encode().decode() == f'"{identifier}:{"00" * 12}:{"ff" * 12}:{digits}"'


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_hostile_bytes(data: bytes) -> None:
    """Anything else is refused in one way."""
    with pytest.raises(NoEnvelope):
        Envelope.parse(data)


@given(ENVELOPES, st.data())
def test_damaged_envelopes(envelope: Envelope, data: st.DataObject) -> None:
    """A changed byte gives another envelope, or none; never the same, never another error."""
    text = bytearray(envelope.encode())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    try:
        parsed = Envelope.parse(bytes(text))
    except NoEnvelope:
        return
    assert parsed != envelope
    assert parsed.encode() == bytes(text)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.encode().strip(b'"'),
        GOOD.encode() + b"\n",
        b" " + GOOD.encode(),
        GOOD.encode().upper(),
        GOOD.encode()[:-2] + b'"',
        GOOD.encode().replace(b":", b";"),
        GOOD.encode().replace(b"A", b"-", 1),
        GOOD.encode()[: -(25 * 2 + 1)] + b'"',
        GOOD.encode().replace(b"=", b"", 1),
        GOOD.encode().replace(b"=", b"A", 1),
        b'""',
        b'":::"',
    ],
    ids=[
        "no quotes",
        "line end",
        "space",
        "capitals",
        "odd digits",
        "colons",
        "base64url",
        "shorter than a tag",
        "no padding",
        "33 bytes",
        "empty",
        "colons only",
    ],
)
def test_almost_envelopes(text: bytes) -> None:
    """What is nearly one is none."""
    with pytest.raises(NoEnvelope):
        Envelope.parse(text)


def test_stray_bits_in_an_id() -> None:
    """Two texts of one ID would be two IDs to a reader of text: only one is good."""
    text = GOOD.encode()
    assert text[44:45] == b"="
    stray = text[:43] + bytes([text[43] + 1]) + text[44:]
    with pytest.raises(NoEnvelope):
        Envelope.parse(stray)
