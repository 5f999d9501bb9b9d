"""The cipher of an exchange: what was sealed comes out, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.envelope import Envelope
from soundcheck.reference.private import weak
from soundcheck.reference.private.cipher import (
    Cipher,
    Opener,
    Sealer,
    Secret,
    Tampered,
    fresh_ivs,
)

SECRET = Secret(bytes(range(32)), bytes(range(100, 132)))
NONCE = bytes(range(12))
WEAK = [weak.BASE64, weak.HEX, weak.COMPRESSED, weak.REPEATING]
WEAK += [weak.UNCHECKED, weak.ANYWHERE, weak.UNBOUND]


def sealed(*values: bytes, cipher: Cipher | None = None) -> list[bytes]:
    sealer = Sealer(cipher or Cipher(), SECRET, NONCE, fresh_ivs())
    return [sealer.seal(value) for value in values]


@pytest.mark.parametrize("cipher", [Cipher(), *WEAK])
@given(values=st.lists(st.binary(max_size=99), max_size=4))
def test_what_was_sealed_is_opened(cipher: Cipher, values: list[bytes]) -> None:
    """In the same order, every value comes back; the weak ciphers of faults are no exception."""
    opener = Opener(cipher, SECRET, NONCE)
    assert [opener.open(text) for text in sealed(*values, cipher=cipher)] == values


def test_an_envelope_is_what_the_protocol_says() -> None:
    """AES-256-GCM under the secret; the nonce and the number in little endian are authenticated."""
    for number, text in enumerate(sealed(b"first", b"second")):
        envelope = Envelope.parse(text)
        assert (envelope.secret_id, envelope.nonce) == (SECRET.id, NONCE)
        aad = NONCE + bytes([number, 0, 0, 0])
        opened = AESGCM(SECRET.key).decrypt(envelope.iv, envelope.ciphertext, aad)
        assert opened == (b"first", b"second")[number]


@given(data=st.data())
def test_no_bit_can_be_changed(data: Any) -> None:
    """Each bit of ID, nonce, IV, ciphertext and tag counts."""
    envelope = Envelope.parse(sealed(b"value")[0])
    name = data.draw(st.sampled_from(["secret_id", "nonce", "iv", "ciphertext"]))
    before = getattr(envelope, name)
    bit = data.draw(st.integers(0, 8 * len(before) - 1))
    changed = (int.from_bytes(before, "big") ^ 1 << bit).to_bytes(len(before), "big")
    with pytest.raises(Tampered):
        Opener(Cipher(), SECRET, NONCE).open(replace(envelope, **{name: changed}).encode())


def test_a_value_belongs_to_its_place() -> None:
    """Not earlier, not later, not twice, not in another exchange."""
    first, second = sealed(b"first", b"second")
    with pytest.raises(Tampered, match="not in its place"):
        Opener(Cipher(), SECRET, NONCE).open(second)
    opener = Opener(Cipher(), SECRET, NONCE)
    opener.open(first)
    with pytest.raises(Tampered, match="not in its place"):
        opener.open(first)
    with pytest.raises(Tampered, match="another exchange"):
        Opener(Cipher(), SECRET, bytes(12)).open(first)


def test_the_side_that_is_asked_learns_the_nonce() -> None:
    """The first value tells the exchange's nonce, which the others must share."""
    opener = Opener(Cipher(), SECRET)
    opener.open(sealed(b"value")[0])
    assert opener.nonce == NONCE


@pytest.mark.parametrize("text", [b"", b"value", b'"value"', b'"::::"', b'"' + b"0" * 120 + b'"'])
def test_what_is_no_envelope_is_refused(text: bytes) -> None:
    """Values in the clear are not taken for encrypted ones."""
    with pytest.raises(Tampered, match="not encrypted"):
        Opener(Cipher(), SECRET, NONCE).open(text)


def test_ivs_are_random_unless_a_fault_says_otherwise() -> None:
    """Each value has its own; a fault repeats them, another counts anew in each exchange."""

    def ivs(source: Any) -> list[bytes]:
        sealer = Sealer(Cipher(), SECRET, NONCE, source())
        return [Envelope.parse(sealer.seal(b"")).iv for _ in range(3)]

    assert len({*ivs(fresh_ivs), *ivs(fresh_ivs)}) == 6
    assert len({*ivs(weak.constant_ivs), *ivs(weak.constant_ivs)}) == 1
    assert ivs(weak.counted_ivs) == ivs(weak.counted_ivs)


def test_faulty_orders_take_what_they_should_not() -> None:
    """One takes events early and late but misses none; the other does not miss any."""
    texts = sealed(*(bytes([number]) for number in range(6)))

    def opened(order: Any, *numbers: int) -> list[int]:
        opener = Opener(Cipher(), SECRET, NONCE, order)
        return [opener.open(texts[number])[0] for number in numbers]

    order = weak.AnyOrder()
    assert opened(order, 0, 3, 4, 1, 2, 5) == [0, 3, 4, 1, 2, 5]
    assert order.complete
    order = weak.AnyOrder()
    opened(order, 0, 2)
    assert not order.complete
    with pytest.raises(Tampered):
        opened(weak.AnyOrder(), 0, 1, 1)
    assert opened(weak.Upwards(), 0, 3, 5) == [0, 3, 5]
    with pytest.raises(Tampered):
        opened(weak.Upwards(), 3, 0)
