"""The envelope that carries one encrypted value on Privatemode's wire.

The text ``"ID:NONCE:IV:CIPHERTEXT"``, double quotes included: ID is standard base64 of 32 bytes,
the rest lower-case hex (``internal/oss/crypto`` of the vendor's source, version 1.40.0).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Self

ID_BYTES, NONCE_BYTES, IV_BYTES, TAG_BYTES = 32, 12, 12, 16

_HEAD = re.compile(rb'"([A-Za-z0-9+/]{43}=):([0-9a-f]{24}):([0-9a-f]{24}):')
_DIGITS = b"0123456789abcdef"


class NoEnvelope(ValueError):
    """Bytes that are not a well-formed envelope."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One encrypted value: ``ciphertext`` ends with the 16-byte tag; ``iv`` has 12 bytes.

    ``secret_id`` is the SHA-256 (32 bytes) of the public key that the secret was exchanged for,
    ``nonce`` the 12 bytes that all values of one exchange share.
    """

    secret_id: bytes
    nonce: bytes
    iv: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Return the envelope that ``text`` is, quotes included; raises :class:`NoEnvelope`."""
        found = _HEAD.match(text)
        digits = b"" if found is None else text[found.end() : -1]
        # Sealed files are large: the digits are looked at without a regular expression.
        if found is None or not text.endswith(b'"') or digits.translate(None, _DIGITS):
            raise NoEnvelope('not of the form "ID:NONCE:IV:CIPHERTEXT"')
        if len(digits) % 2 or len(digits) < 2 * TAG_BYTES:
            raise NoEnvelope("the ciphertext is no whole number of bytes, or shorter than its tag")
        secret_id = binascii.a2b_base64(found[1])
        if base64.b64encode(secret_id) != found[1]:
            raise NoEnvelope("the secret's ID is not base64 as it is written")
        return cls(secret_id, *map(binascii.unhexlify, (found[2], found[3], digits)))

    def encode(self) -> bytes:
        """Return the text of the envelope, quotes included."""
        values = (self.nonce, self.iv, self.ciphertext)
        return (
            b'"'
            + b":".join([base64.b64encode(self.secret_id), *map(binascii.hexlify, values)])
            + b'"'
        )
