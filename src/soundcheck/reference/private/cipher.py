"""The cipher of one exchange: what becomes of a value on its way, and what is believed of it.

AES-256-GCM under the shared secret; the associated data binds a value to its exchange and place.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from soundcheck.http.envelope import IV_BYTES, Envelope, NoEnvelope


class Tampered(Exception):
    """What came is not what the other side sealed for this place."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What both sides share: the SHA-256 of the public key it was exchanged for, and 32 bytes."""

    id: bytes
    key: bytes


def fresh_ivs() -> Callable[[], bytes]:
    """Return the source of one sealer's IVs: random ones."""
    return lambda: os.urandom(IV_BYTES)


def encrypt(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    """Return the ciphertext with its 16-byte tag."""
    return AESGCM(key).encrypt(iv, data, aad)


def decrypt(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    """Return the plaintext; raises InvalidTag."""
    return AESGCM(key).decrypt(iv, data, aad)


def place(nonce: bytes, number: int) -> bytes:
    """Return the associated data of the value with this sequence number in an exchange."""
    return nonce + number.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Cipher:
    """How values are sealed; each member is what the protocol says.

    ``same_id`` and ``same_nonce``: an envelope that names another secret, or another exchange, is
    refused before it is decrypted.
    """

    encrypt: Callable[[bytes, bytes, bytes, bytes], bytes] = encrypt
    decrypt: Callable[[bytes, bytes, bytes, bytes], bytes] = decrypt
    aad: Callable[[bytes, int], bytes] = place
    encode: Callable[[Envelope], bytes] = Envelope.encode
    parse: Callable[[bytes], Envelope] = Envelope.parse
    same_id: bool = True
    same_nonce: bool = True


class Order(Protocol):
    """Which sequence numbers a value that comes next may have."""

    def candidates(self) -> Iterable[int]:
        """Return the numbers to try, in this order."""

    def took(self, number: int) -> None:
        """Take note that a value had this number."""

    @property
    def complete(self) -> bool:
        """Tell whether every number below the highest was there."""


class InTurn:
    """The right order: each number once, from 0, none left out."""

    def __init__(self) -> None:
        self._next = 0

    def candidates(self) -> Iterable[int]:
        """Return the next number."""
        return (self._next,)

    def took(self, number: int) -> None:
        """Go on to the next number."""
        self._next = number + 1

    @property
    def complete(self) -> bool:
        """Tell that nothing is missing."""
        return True


class Sealer:
    """Seals the values of one direction of one exchange, in their order."""

    def __init__(
        self, cipher: Cipher, secret: Secret, nonce: bytes, ivs: Callable[[], bytes]
    ) -> None:
        self._cipher = cipher
        self._secret = secret
        self._nonce = nonce
        self._ivs = ivs
        self._next = 0

    def seal(self, data: bytes) -> bytes:
        """Return the text that stands for ``data``, a JSON string with its quotes."""
        aad = self._cipher.aad(self._nonce, self._next)
        self._next += 1
        iv = self._ivs()
        ciphertext = self._cipher.encrypt(self._secret.key, iv, data, aad)
        return self._cipher.encode(Envelope(self._secret.id, self._nonce, iv, ciphertext))


class Opener:
    """Opens the values of one direction of one exchange.

    ``nonce`` is the exchange's; ``None`` takes the first value's, for the side that is asked.
    """

    def __init__(
        self, cipher: Cipher, secret: Secret, nonce: bytes | None = None, order: Order | None = None
    ) -> None:
        self.nonce = nonce
        self.order: Order = order or InTurn()
        self._cipher = cipher
        self._secret = secret

    def open(self, text: bytes) -> bytes:
        """Return what was sealed as ``text``; raises Tampered."""
        try:
            envelope = self._cipher.parse(text)
        except NoEnvelope as error:
            raise Tampered(f"a value is not encrypted: {error}") from None
        if self.nonce is None:
            self.nonce = envelope.nonce
        if self._cipher.same_id and envelope.secret_id != self._secret.id:
            raise Tampered("a value names another secret")
        if self._cipher.same_nonce and envelope.nonce != self.nonce:
            raise Tampered("a value belongs to another exchange")
        for number in self.order.candidates():
            # The nonces are equal, unless the cipher is one that does not look.
            aad = self._cipher.aad(envelope.nonce, number)
            try:
                data = self._cipher.decrypt(self._secret.key, envelope.iv, envelope.ciphertext, aad)
            except InvalidTag:
                continue
            self.order.took(number)
            return data
        raise Tampered("a value was changed, or is not in its place")
