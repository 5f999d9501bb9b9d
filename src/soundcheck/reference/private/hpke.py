"""HPKE in base mode for its exported secret alone (RFC 9180), over a KEM and HKDF-SHA256."""

from soundcheck.reference.private.hkdf import LabeledHkdf
from soundcheck.reference.private.kem import Kem, PrivateKey

_HKDF_SHA256 = 1
EXPORT_ONLY = 0xFFFF
"""The AEAD id of a context that encrypts nothing itself."""


class Context:
    """What both sides have after an encapsulation."""

    def __init__(self, kem: Kem, shared: bytes, info: bytes = b"", aead: int = EXPORT_ONLY) -> None:
        numbers = (kem.number, _HKDF_SHA256, aead)
        self._hkdf = hkdf = LabeledHkdf(b"HPKE" + b"".join(n.to_bytes(2, "big") for n in numbers))
        hashes = hkdf.extract(b"", b"psk_id_hash", b"") + hkdf.extract(b"", b"info_hash", info)
        secret = hkdf.extract(shared, b"secret", b"")
        self._secret = hkdf.expand(secret, b"exp", b"\x00" + hashes, 32)

    def export(self, context: bytes = b"", length: int = 32) -> bytes:
        """Return ``length`` secret bytes for an exporter context."""
        return self._hkdf.expand(self._secret, b"sec", context, length)


def send(kem: Kem, public: bytes) -> tuple[bytes, Context]:
    """Return an encapsulated key for ``public`` and the sender's context; raises KeyRefused."""
    encapsulated, shared = kem.encapsulate(public)
    return encapsulated, Context(kem, shared)


def receive(kem: Kem, key: PrivateKey, encapsulated: bytes) -> Context:
    """Return the receiver's context for an encapsulated key; raises KeyRefused."""
    return Context(kem, key.decapsulate(encapsulated))
