"""The secrets that a gateway has agreed with its clients."""

import hashlib
import time
from collections.abc import Callable

from soundcheck.reference.private.cipher import Secret

LIFETIME = 3600.0
"""Seconds for which a secret may be used."""
_MOST = 10_000


class UnknownSecret(LookupError):
    """An ID that no secret was agreed for, or whose time is over."""


def secret_of(public_key: bytes, key: bytes) -> Secret:
    """Return the secret agreed for a public key, with its ID."""
    return Secret(hashlib.sha256(public_key).digest(), key)


class Secrets:
    """Secrets by their IDs, for an hour each."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[bytes, tuple[Secret, float]] = {}

    def add(self, secret: Secret) -> None:
        """Keep a secret that was just agreed."""
        self._known.pop(secret.id, None)
        self._known[secret.id] = secret, self._clock()
        while len(self._known) > _MOST or self._is_over(next(iter(self._known))):
            del self._known[next(iter(self._known))]

    def find(self, identifier: bytes) -> Secret:
        """Return the secret with this ID; raises UnknownSecret."""
        if identifier not in self._known or self._is_over(identifier):
            raise UnknownSecret
        return self._known[identifier][0]

    def newest(self, identifier: bytes) -> Secret:
        """Return the secret agreed last, whatever the ID; raises UnknownSecret if there is none."""
        if not self._known:
            raise UnknownSecret
        return next(reversed(self._known.values()))[0]

    def _is_over(self, identifier: bytes) -> bool:
        return self._clock() - self._known[identifier][1] >= LIFETIME
