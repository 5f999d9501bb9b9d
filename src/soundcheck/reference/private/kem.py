"""Key encapsulation: X-Wing (ML-KEM-768 with X25519), and X25519 alone for comparison.

X-Wing is as in draft-connolly-cfrg-xwing-kem, which is KEM 0x647a of draft-ietf-hpke-pq; X25519
alone is DHKEM(X25519, HKDF-SHA256) of RFC 9180 section 4.1.
"""

import hashlib
import os
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from soundcheck.reference.private.hkdf import LabeledHkdf

SEED_BYTES = 32
_MLKEM_PUBLIC, _MLKEM_CIPHERTEXT, _X25519 = 1184, 1088, 32
_XWING_LABEL = b"\\.//^\\"


class KeyRefused(ValueError):
    """A public or encapsulated key that is none of this kind."""


class PrivateKey(Protocol):
    """The receiver's side of an encapsulation."""

    public_bytes: bytes

    def decapsulate(self, encapsulated: bytes) -> bytes:
        """Return the shared secret; raises KeyRefused."""


class Kem(Protocol):
    """A kind of key encapsulation; ``number`` is its KEM id in HPKE."""

    number: int

    def private_key(self, seed: bytes) -> PrivateKey:
        """Return the key pair of a seed of 32 bytes."""

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Return an encapsulated key for ``public`` and the secret in it; raises KeyRefused."""


class XWing:
    """ML-KEM-768 and X25519, secret as long as either of them is."""

    number = 0x647A

    def private_key(self, seed: bytes) -> PrivateKey:
        """Return the key pair of a seed."""
        return _XWingKey(seed)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Return an encapsulated key (1120 bytes) for ``public`` (1216 bytes), and the secret."""
        if len(public) != _MLKEM_PUBLIC + _X25519:
            raise KeyRefused(f"a public key of {len(public)} bytes, not 1216")
        lattice, curve = public[:_MLKEM_PUBLIC], public[_MLKEM_PUBLIC:]
        try:
            secret, ciphertext = mlkem.MLKEM768PublicKey.from_public_bytes(lattice).encapsulate()
            own = X25519PrivateKey.generate()
            shared = own.exchange(X25519PublicKey.from_public_bytes(curve))
        except ValueError:
            raise KeyRefused("the public key is none") from None
        point = own.public_key().public_bytes_raw()
        return ciphertext + point, _combined(secret, shared, point, curve)


class _XWingKey:
    def __init__(self, seed: bytes) -> None:
        expanded = hashlib.shake_256(seed).digest(96)
        self._lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self._curve = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._point = self._curve.public_key().public_bytes_raw()
        self.public_bytes = self._lattice.public_key().public_bytes_raw() + self._point

    def decapsulate(self, encapsulated: bytes) -> bytes:
        """Return the secret in an encapsulated key."""
        if len(encapsulated) != _MLKEM_CIPHERTEXT + _X25519:
            raise KeyRefused(f"an encapsulated key of {len(encapsulated)} bytes, not 1120")
        ciphertext, point = encapsulated[:_MLKEM_CIPHERTEXT], encapsulated[_MLKEM_CIPHERTEXT:]
        try:
            secret = self._lattice.decapsulate(ciphertext)
            shared = self._curve.exchange(X25519PublicKey.from_public_bytes(point))
        except ValueError:
            raise KeyRefused("the encapsulated key is none") from None
        return _combined(secret, shared, point, self._point)


def _combined(lattice: bytes, curve: bytes, ciphertext: bytes, public: bytes) -> bytes:
    return hashlib.sha3_256(lattice + curve + ciphertext + public + _XWING_LABEL).digest()


class X25519Alone:
    """X25519 without ML-KEM: what a quantum computer could undo."""

    number = 0x0020

    def private_key(self, seed: bytes) -> PrivateKey:
        """Return the key pair of a seed."""
        return _X25519Key(seed)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Return an encapsulated key (32 bytes) for ``public`` (32 bytes), and the secret."""
        own = _X25519Key(os.urandom(SEED_BYTES))
        return own.public_bytes, own.agreed(public, own.public_bytes + public)


class _X25519Key:
    def __init__(self, seed: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(seed)
        self.public_bytes = self._key.public_key().public_bytes_raw()

    def decapsulate(self, encapsulated: bytes) -> bytes:
        """Return the secret in an encapsulated key."""
        return self.agreed(encapsulated, encapsulated + self.public_bytes)

    def agreed(self, other: bytes, context: bytes) -> bytes:
        """Return the secret agreed with the ``other`` public key."""
        try:
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError:
            raise KeyRefused("the X25519 key is none") from None
        hkdf = LabeledHkdf(b"KEM" + X25519Alone.number.to_bytes(2, "big"))
        return hkdf.expand(hkdf.extract(b"", b"eae_prk", shared), b"shared_secret", context, 32)
