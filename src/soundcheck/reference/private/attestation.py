"""A stand-in for remote attestation: a signed statement, no evidence from any hardware.

A deployment proves by evidence of its processor what runs in it. There is no such processor here,
so a test authority signs what the evidence would say: the asker's nonce, and the certificate of
the mesh CA that vouches for the service. The document says so itself.
"""

import base64
import binascii
import json

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from soundcheck.http.certificates import Authority

NOTICE = (
    "This is a stand-in for attestation: a statement signed by a test authority of Soundcheck's "
    "reference stack. It is no evidence of confidential hardware, or of what runs where."
)
_CONTEXT = b"soundcheck stand-in for attestation\0"


class NotAttested(Exception):
    """A document that does not say what was asked, or is not signed by the authority."""


def attest(authority: Authority, mesh_ca: bytes, nonce: bytes) -> bytes:
    """Return the document that answers ``nonce``; ``mesh_ca`` is a certificate (PEM)."""
    return json.dumps(
        {
            "notice": NOTICE,
            "nonce": _text(nonce),
            "mesh_ca": mesh_ca.decode("ascii"),
            "signature": _text(authority.sign(_signed(nonce, mesh_ca))),
        }
    ).encode()


def verify(document: bytes, nonce: bytes, authority: bytes) -> x509.Certificate:
    """Return the mesh CA's certificate out of a document for ``nonce``.

    ``authority`` is the certificate (PEM) of who must have signed it. Raises NotAttested.
    """
    mesh_ca, answered, signature = _read(document)
    if answered != nonce:
        raise NotAttested("the attestation is for another nonce")
    key = x509.load_pem_x509_certificate(authority).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise NotAttested("the test authority's key is not for ECDSA")
    try:
        key.verify(
            signature, _signed(nonce, mesh_ca.public_bytes(Encoding.PEM)), ec.ECDSA(SHA256())
        )
    except InvalidSignature:
        raise NotAttested("the attestation is not signed by the test authority") from None
    return mesh_ca


def unverified(document: bytes, nonce: bytes, authority: bytes) -> x509.Certificate:
    """Return the mesh CA's certificate that a document names, whoever signed it for whatever."""
    return _read(document)[0]


def _read(document: bytes) -> tuple[x509.Certificate, bytes, bytes]:
    try:
        told = json.loads(document)
        nonce = base64.b64decode(told["nonce"], validate=True)
        signature = base64.b64decode(told["signature"], validate=True)
        return x509.load_pem_x509_certificate(told["mesh_ca"].encode()), nonce, signature
    except (ValueError, TypeError, LookupError, AttributeError, binascii.Error):
        raise NotAttested("the attestation document cannot be read") from None


def _signed(nonce: bytes, mesh_ca: bytes) -> bytes:
    return _CONTEXT + nonce + mesh_ca


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
