"""The stand-in for attestation: it is verified like evidence, and says that it is none."""

import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from soundcheck.http.certificates import Authority
from soundcheck.reference.private.attestation import NotAttested, attest, unverified, verify

NONCE = os.urandom(32)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the test authority."""
    return Authority.new("authority")


@pytest.fixture(scope="module")
def mesh_ca() -> bytes:
    """Return the certificate that is attested."""
    return Authority.new("mesh CA").certificate_pem


def test_a_true_statement_is_believed(authority: Authority, mesh_ca: bytes) -> None:
    """For its nonce and by its authority, the document gives the mesh CA's certificate."""
    found = verify(attest(authority, mesh_ca, NONCE), NONCE, authority.certificate_pem)
    assert found.public_bytes(Encoding.PEM) == mesh_ca


def test_the_document_says_what_it_is(authority: Authority, mesh_ca: bytes) -> None:
    """Nobody can take it for evidence from hardware."""
    assert "stand-in" in json.loads(attest(authority, mesh_ca, NONCE))["notice"]


def test_what_is_wrong_is_refused(authority: Authority, mesh_ca: bytes) -> None:
    """Another nonce, another authority, another certificate, and what is no document."""
    good = attest(authority, mesh_ca, NONCE)
    told: dict[str, Any] = json.loads(good)
    other = Authority.new("authority")
    wrong = [
        (attest(authority, mesh_ca, bytes(32)), "another nonce"),
        (attest(other, mesh_ca, NONCE), "not signed"),
        (json.dumps({**told, "mesh_ca": other.certificate_pem.decode()}).encode(), "not signed"),
        (json.dumps({**told, "signature": ""}).encode(), "not signed"),
        *((rubbish, "cannot be read") for rubbish in (b"", b"[]", b"{}", b'{"nonce": 1}')),
        (json.dumps({**told, "mesh_ca": 7}).encode(), "cannot be read"),
    ]
    for document, reason in wrong:
        with pytest.raises(NotAttested, match=reason):
            verify(document, NONCE, authority.certificate_pem)


def test_a_fault_believes_everybody(authority: Authority, mesh_ca: bytes) -> None:
    """The reader of a faulty proxy asks neither for whom nor by whom."""
    document = attest(Authority.new("anybody"), mesh_ca, bytes(32))
    found = unverified(document, NONCE, authority.certificate_pem)
    assert found.public_bytes(Encoding.PEM) == mesh_ca
