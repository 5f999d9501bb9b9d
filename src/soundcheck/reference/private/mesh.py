"""The mesh certificate: who answers a secret exchange, and how that is checked."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256


class NotVouchedFor(Exception):
    """An answer to a secret exchange that the mesh does not stand behind."""


def check_chain(certificate: x509.Certificate, ca: x509.Certificate) -> None:
    """Raise NotVouchedFor unless the mesh CA issued the certificate and it is valid now."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        raise NotVouchedFor("the mesh certificate is not the attested mesh CA's") from None
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        raise NotVouchedFor("the mesh certificate is not valid now")


def check_signature(certificate: x509.Certificate, signature: bytes, data: bytes) -> None:
    """Raise NotVouchedFor unless the certificate's ECDSA key signed the SHA-256 of ``data``."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise NotVouchedFor("the mesh certificate's key is not for ECDSA")
    try:
        key.verify(signature, data, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise NotVouchedFor("the secret exchange is not signed by the mesh certificate") from None
