"""Certificates made for one run: a root, what it signs, and what nobody signed.

All keys are ECDSA P-256. Nothing here outlives the process that made it, unless written elsewhere.
"""

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Credentials:
    """A certificate in PEM and the private key (PKCS 8, PEM, unencrypted) that belongs to it."""

    certificate_pem: bytes
    key_pem: bytes

    @cached_property
    def certificate(self) -> x509.Certificate:
        """Return the certificate."""
        return x509.load_pem_x509_certificate(self.certificate_pem)

    @property
    def certificate_der(self) -> bytes:
        """Return the certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """Return the private key."""
        key = load_pem_private_key(self.key_pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the key is not for ECDSA")
        return key

    def sign(self, data: bytes) -> bytes:
        """Return the ECDSA signature (ASN.1) over the SHA-256 of ``data``."""
        return self.key.sign(data, ec.ECDSA(SHA256()))

    def server_context(self) -> ssl.SSLContext:
        """Return the context of a server with this certificate: TLS 1.2 or later, HTTP/1.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # The ssl module reads keys from files only: this one has mode 0600 and is gone at once.
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.certificate_pem + self.key_pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context


class Authority:
    """A root that signs certificates; its private key is in memory only."""

    def __init__(self, own: Credentials) -> None:
        self._own = own

    @classmethod
    def new(cls, name: str) -> Self:
        """Return a root made now; ``name`` is the common name of its subject."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        certificate = (
            _builder(_named(name), _named(name), public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(key, SHA256())
        )
        return cls(_credentials(certificate, key))

    @property
    def certificate_pem(self) -> bytes:
        """Return the root's certificate."""
        return self._own.certificate_pem

    @property
    def certificate_der(self) -> bytes:
        """Return the root's certificate as DER."""
        return self._own.certificate_der

    def sign(self, data: bytes) -> bytes:
        """Return the root's own ECDSA signature (ASN.1) over the SHA-256 of ``data``."""
        return self._own.sign(data)

    def issue(self, *names: str, expired: bool = False) -> Credentials:
        """Return a server's certificate for ``names`` (DNS names, IP addresses) and its key.

        It is valid for 30 days; an ``expired`` one ended yesterday.
        """
        return self._issued(names, ExtendedKeyUsageOID.SERVER_AUTH, -1 if expired else 30)

    def issue_to_client(self, name: str) -> Credentials:
        """Return a client's certificate for ``name`` and its key, valid for 30 days."""
        return self._issued((name,), ExtendedKeyUsageOID.CLIENT_AUTH, 30)

    def _issued(self, names: tuple[str, ...], use: x509.ObjectIdentifier, days: int) -> Credentials:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._own.certificate
        certificate = (
            _leaf_builder(names, issuer.subject, key.public_key(), days, use)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._own.key.public_key()),
                critical=False,
            )
            .sign(self._own.key, SHA256())
        )
        return _credentials(certificate, key)


def self_signed(*names: str) -> Credentials:
    """Return a certificate for ``names`` that its own key signed, as no root does."""
    key = ec.generate_private_key(ec.SECP256R1())
    use = ExtendedKeyUsageOID.SERVER_AUTH
    builder = _leaf_builder(names, _named(names[0]), key.public_key(), 30, use)
    return _credentials(builder.sign(key, SHA256()), key)


def _leaf_builder(
    names: tuple[str, ...],
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    days: int,
    use: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    return (
        _builder(_named(names[0]), issuer, key, days)
        .add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int = 30
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # A root is older than what it signed that is expired already, so only the end is wrong.
        .not_valid_before(now - 30 * _DAY)
        .not_valid_after(now + days * _DAY)
    )


def _named(name: str) -> x509.Name:
    # 64 characters are the most that X.509 has for a common name.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _credentials(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Credentials:
    return Credentials(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
