"""Ciphers that are not what the protocol says, each in one respect."""

import base64
import binascii
import hmac
import zlib
from collections.abc import Callable, Iterable
from itertools import count

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from soundcheck.http.envelope import IV_BYTES, TAG_BYTES, Envelope, NoEnvelope
from soundcheck.reference.private import cipher
from soundcheck.reference.private.cipher import Cipher

_WINDOW = 256  # sequence numbers that are tried: each costs a decryption


def _left_alone(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    return data


def _in_base64(envelope: Envelope) -> bytes:
    return b'"' + base64.b64encode(envelope.ciphertext) + b'"'


def _from_base64(text: bytes) -> Envelope:
    if len(text) < 2 or text[:1] + text[-1:] != b'""':
        raise NoEnvelope("no quotes")
    try:
        return Envelope(b"", b"", b"", base64.b64decode(text[1:-1], validate=True))
    except binascii.Error:
        raise NoEnvelope("no base64") from None


BASE64 = Cipher(
    _left_alone,
    _left_alone,
    encode=_in_base64,
    parse=_from_base64,
    same_id=False,
    same_nonce=False,
)


def _padded(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    return data + bytes(TAG_BYTES)


def _unpadded(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    return data[:-TAG_BYTES]


HEX = Cipher(_padded, _unpadded)


def _compressed(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    return cipher.encrypt(key, iv, zlib.compress(data), aad)


def _decompressed(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    return zlib.decompress(cipher.decrypt(key, iv, data, aad))


COMPRESSED = Cipher(_compressed, _decompressed)


def _repeated(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    mixed = _mixed(key, iv, data)
    return mixed + _tag(key, iv, mixed, aad)


def _unrepeated(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    mixed, tag = data[:-TAG_BYTES], data[-TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(key, iv, mixed, aad)):
        raise InvalidTag
    return _mixed(key, iv, mixed)


def _mixed(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Return ``data`` mixed with a keystream that repeats after 16 bytes."""
    block = hmac.digest(key, iv, "sha256")[:16]
    stream = (block * (len(data) // 16 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")


def _tag(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    return hmac.digest(key, iv + aad + data, "sha256")[:TAG_BYTES]


REPEATING = Cipher(_repeated, _unrepeated)


def _unchecked(key: bytes, iv: bytes, data: bytes, aad: bytes) -> bytes:
    """Decrypt as GCM does, and leave the tag aside."""
    first = iv + (2).to_bytes(4, "big")
    stream = BlockCipher(algorithms.AES(key), modes.CTR(first)).decryptor()
    return stream.update(data[:-TAG_BYTES]) + stream.finalize()


UNCHECKED = Cipher(decrypt=_unchecked)


def _nonce_only(nonce: bytes, number: int) -> bytes:
    return nonce


def _number_only(nonce: bytes, number: int) -> bytes:
    return cipher.place(b"", number)


ANYWHERE = Cipher(aad=_nonce_only)
"""Binds a value to its exchange, and not to its place in it."""
UNBOUND = Cipher(aad=_number_only, same_nonce=False)
"""Binds a value to its place, and not to its exchange."""


def constant_ivs() -> Callable[[], bytes]:
    """Return a source of one IV."""
    return lambda: bytes(range(IV_BYTES))


def counted_ivs() -> Callable[[], bytes]:
    """Return a source that counts from 1 for each request and each answer."""
    numbers = count(1)
    return lambda: next(numbers).to_bytes(IV_BYTES, "big")


class AnyOrder:
    """Takes each sequence number once, early or late."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._next = 0

    def candidates(self) -> Iterable[int]:
        """Return the numbers from the next on, then those that were left out."""
        left = [n for n in range(self._next + _WINDOW) if n not in self._taken]
        return sorted(left, key=lambda number: (number < self._next, number))

    def took(self, number: int) -> None:
        """Go on behind a number."""
        self._taken.add(number)
        self._next = number + 1

    @property
    def complete(self) -> bool:
        """Tell whether none is missing."""
        return len(self._taken) == max(self._taken, default=-1) + 1


class Upwards:
    """Takes sequence numbers as long as they rise, whatever is left out."""

    complete = True

    def __init__(self) -> None:
        self._next = 0

    def candidates(self) -> Iterable[int]:
        """Return the numbers from the next on."""
        return range(self._next, self._next + _WINDOW)

    def took(self, number: int) -> None:
        """Go on behind a number."""
        self._next = number + 1
