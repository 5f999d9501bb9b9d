"""A proxy's secret: attested, exchanged, renewed in time."""

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509

from soundcheck.reference.private import hpke
from soundcheck.reference.private.agreed import LIFETIME, secret_of
from soundcheck.reference.private.attestation import NotAttested
from soundcheck.reference.private.cipher import Secret
from soundcheck.reference.private.conduct import Conduct
from soundcheck.reference.private.kem import KeyRefused
from soundcheck.reference.private.mesh import NotVouchedFor
from soundcheck.reference.private.message import Problem
from soundcheck.reference.private.upstream import Unreachable, Upstream, read

ATTEST, EXCHANGE = "/privatemode/v1/attest", "/privatemode/v1/secret"
RENEWED_EARLY = 900.0
"""Seconds before its end at which a secret is replaced."""
_MOST = 2**20
_NONCE = 32


class Session:
    """The secret shared with the service behind the gateway.

    ``authority`` is the certificate (PEM) of who must sign attestations; ``clock`` counts seconds.
    """

    def __init__(
        self,
        upstream: Upstream,
        conduct: Conduct,
        authority: bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._conduct = conduct
        self._authority = authority
        self._clock = clock
        self._seed = conduct.key_seeds()
        self._lock = asyncio.Lock()
        self._secret: Secret | None = None
        self._made = 0.0

    async def secret(self, headers: Mapping[str, str]) -> Secret:
        """Return the secret to use now, exchanged anew where there is none or it is old.

        ``headers`` go with the calls. Raises Problem when the exchange fails in whatever way.
        """
        async with self._lock:
            if self._secret is None or self._clock() - self._made >= LIFETIME - RENEWED_EARLY:
                self._secret = None
                made = self._clock()
                try:
                    self._secret = await self._exchanged(headers)
                except (Unreachable, NotAttested, NotVouchedFor, KeyRefused) as error:
                    raise Problem(502, f"No secret could be exchanged: {error}.") from None
                self._made = made
            return self._secret

    def lost(self, secret: Secret) -> None:
        """Take note that the service does not know a secret any more."""
        if self._secret == secret:
            self._secret = None

    async def _exchanged(self, headers: Mapping[str, str]) -> Secret:
        nonce = os.urandom(_NONCE)
        told = await self._call(ATTEST, headers, {"Nonce": _text(nonce)})
        document = _bytes(told, "AttestationDoc")
        mesh_ca = self._conduct.verify_attestation(document, nonce, self._authority)
        key = self._conduct.kem.private_key(self._seed())
        told = await self._call(EXCHANGE, headers, {"PublicKey": _text(key.public_bytes)})
        encapsulated = _bytes(told, "EncapsulatedKey")
        try:
            certificate = x509.load_der_x509_certificate(_bytes(told, "MeshCert"))
        except ValueError:
            raise NotVouchedFor("the mesh certificate cannot be read") from None
        self._conduct.check_chain(certificate, mesh_ca)
        self._conduct.check_signature(
            certificate, _bytes(told, "Signature"), key.public_bytes + encapsulated
        )
        shared = hpke.receive(self._conduct.kem, key, encapsulated).export()
        return secret_of(key.public_bytes, shared)

    async def _call(
        self, path: str, headers: Mapping[str, str], body: Mapping[str, str]
    ) -> dict[str, Any]:
        content = json.dumps(body).encode()
        all_headers = {**headers, "content-type": "application/json"}
        response = await self._upstream.send("POST", path, all_headers, content)
        answer = await read(response, _MOST)
        if response.status_code == 401:
            raise Problem(401, "The API does not accept the key.")
        if response.status_code != 200:
            raise Unreachable(f"{path} was answered with status {response.status_code}")
        try:
            told = json.loads(answer)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Unreachable(f"{path} was not answered with a JSON object")
        return told


def _bytes(told: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(told[name], validate=True)
    except (LookupError, TypeError, ValueError):
        raise Unreachable(f"{name} is missing in the answer, or not base64") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
