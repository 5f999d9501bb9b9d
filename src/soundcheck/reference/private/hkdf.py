"""HKDF-SHA256 with the labels of HPKE (RFC 9180 section 4)."""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_VERSION = b"HPKE-v1"


class LabeledHkdf:
    """LabeledExtract and LabeledExpand under one suite's id."""

    def __init__(self, suite_id: bytes) -> None:
        self._suite_id = suite_id

    def extract(self, salt: bytes, label: bytes, key: bytes) -> bytes:
        """Return a pseudorandom key of 32 bytes."""
        # HMAC fills an empty salt up with zeros, as HKDF wants it.
        return hmac.digest(salt, _VERSION + self._suite_id + label + key, "sha256")

    def expand(self, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
        """Return ``length`` bytes made of a pseudorandom key."""
        labeled = length.to_bytes(2, "big") + _VERSION + self._suite_id + label + info
        return HKDFExpand(SHA256(), length, labeled).derive(key)
