"""What can be wrong with the TLS of the gateway's own listener, fault by fault.

What OpenSSL can still be told to do is really done. What it cannot do any more is scripted: the
first flight of an answer that chooses it, which is all that an inspection looks at; no handshake
follows. Every other hello is left to OpenSSL.
"""

import os
import ssl
import warnings

from soundcheck.http.certificates import Authority, self_signed
from soundcheck.http.client_hello import (
    DEFLATE,
    HANDSHAKE,
    KEY_EXCHANGE,
    KEY_SHARE,
    RENEGOTIATION_INFO,
    RETRY,
    SERVER_HELLO,
    SUPPORTED_VERSIONS,
    ClientHello,
)
from soundcheck.http.tls_names import SUITES_OF_TLS13, TLS12, TLS13
from soundcheck.reference.private.conduct import PrivateFault

WEAK_CURVE = 0x0013
HYBRID_GROUP = 0x11EC
STATIC_SUITE = 0x009C
EPHEMERAL_SUITES = (0xC02C, 0xC02B, 0xC030, 0xC02F)
OTHER_NAME = "elsewhere.example"

NO_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"
    b"Connection: close\r\n\r\nBad request\n"
)
"""What a plain HTTP server says to a hello."""


def old_versions(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context that accepts TLS 1.0 and 1.1 too."""
    context = authority.issue(*names).server_context()
    context.set_ciphers("ECDHE+AES:@SECLEVEL=0")  # the old versions sign by SHA-1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def at_most_tls12(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context without TLS 1.3."""
    context = authority.issue(*names).server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def with_null_cipher(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context that accepts a suite without encryption."""
    context = authority.issue(*names).server_context()
    context.set_ciphers("ECDHE+AESGCM:ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0")
    return context


def unsigned(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context whose certificate no root signed."""
    return self_signed(*names).server_context()


def misnamed(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context whose certificate is for another name."""
    return authority.issue(OTHER_NAME).server_context()


def outdated(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context whose certificate ended yesterday."""
    return authority.issue(*names, expired=True).server_context()


def choosing_rsa(record: bytes) -> bytes | None:
    """Choose a suite whose key is sent under the certificate's, where it is all that is offered."""
    hello = ClientHello.parse(record)
    if hello is None or STATIC_SUITE not in hello.suites or _is_ordinary(hello):
        return None
    return _server_hello(hello, STATIC_SUITE)


def choosing_weak_curve(record: bytes) -> bytes | None:
    """Choose a curve of 192 bits where none but weak ones are offered."""
    hello = ClientHello.parse(record)
    if hello is None or hello.groups[:1] != (WEAK_CURVE,):
        return None
    point = b"\x04" + os.urandom(48)
    parameters = b"\x03" + WEAK_CURVE.to_bytes(2) + bytes([len(point)]) + point
    signature = b"\x04\x03" + (64).to_bytes(2) + os.urandom(64)
    return _server_hello(hello, hello.suites[0]) + _record(KEY_EXCHANGE, parameters + signature)


def choosing_deflate(record: bytes) -> bytes | None:
    """Choose compression where it is offered."""
    hello = ClientHello.parse(record)
    if hello is None or DEFLATE not in hello.compressions:
        return None
    return _server_hello(hello, _ephemeral(hello), compression=DEFLATE)


def silent_on_renegotiation(record: bytes) -> bytes | None:
    """Leave renegotiation_info out in TLS 1.2, though it was asked for."""
    hello = ClientHello.parse(record)
    if hello is None or hello.highest != TLS12 or not _is_ordinary(hello):
        return None
    return _server_hello(hello, _ephemeral(hello), renegotiation=False)


def choosing_hybrid(record: bytes) -> bytes | None:
    """Ask for a share of X25519MLKEM768 where it is offered and no share was sent."""
    hello = ClientHello.parse(record)
    if hello is None or hello.shares or HYBRID_GROUP not in hello.groups:
        return None
    suite = next((suite for suite in hello.suites if suite in SUITES_OF_TLS13), None)
    if suite is None:
        return None
    extensions = _extension(SUPPORTED_VERSIONS, TLS13.to_bytes(2))
    extensions += _extension(KEY_SHARE, HYBRID_GROUP.to_bytes(2))
    return _hello(hello, suite, RETRY, 0, extensions)


def without_tls(record: bytes) -> bytes | None:
    """Answer a hello as a plain HTTP server does."""
    return NO_TLS if record[:1] == bytes([HANDSHAKE]) else None


FAULTS = (
    PrivateFault(
        "tls-old-versions",
        "The gateway accepts TLS 1.0 and TLS 1.1.",
        {"gateway_tls": old_versions},
    ),
    PrivateFault(
        "tls-1.2-at-most", "The gateway does not speak TLS 1.3.", {"gateway_tls": at_most_tls12}
    ),
    PrivateFault(
        "tls-null-cipher",
        "The gateway accepts a cipher suite without encryption.",
        {"gateway_tls": with_null_cipher},
    ),
    PrivateFault(
        "tls-rsa-key-exchange",
        "The gateway accepts key exchange by RSA, without forward secrecy.",
        {"front": choosing_rsa},
    ),
    PrivateFault(
        "tls-weak-group",
        "The gateway accepts a key exchange over a curve of 192 bits.",
        {"front": choosing_weak_curve},
    ),
    PrivateFault(
        "tls-self-signed",
        "The gateway's certificate is signed by its own key.",
        {"gateway_tls": unsigned},
    ),
    PrivateFault(
        "tls-wrong-name",
        "The gateway's certificate is for another name.",
        {"gateway_tls": misnamed},
    ),
    PrivateFault(
        "tls-expired", "The gateway's certificate has expired.", {"gateway_tls": outdated}
    ),
    PrivateFault(
        "tls-compression", "The gateway accepts TLS's compression.", {"front": choosing_deflate}
    ),
    PrivateFault(
        "tls-insecure-renegotiation",
        "The gateway's TLS 1.2 does not bind renegotiations to what was before them.",
        {"front": silent_on_renegotiation},
    ),
    PrivateFault(
        "plain-http-served", "The gateway's port answers plain HTTP too.", {"plain_http": True}
    ),
    PrivateFault(
        "no-tls",
        "The gateway's port answers plain HTTP and nothing else.",
        {"front": without_tls, "plain_http": True},
    ),
    PrivateFault(
        "no-hsts", "The gateway's answers have no Strict-Transport-Security.", {"hsts": None}
    ),
)

BENIGN = (
    PrivateFault(
        "tls-hybrid-group",
        "The gateway chooses the hybrid group X25519MLKEM768 where it is offered.",
        {"front": choosing_hybrid},
        benign=True,
    ),
)


def _is_ordinary(hello: ClientHello) -> bool:
    """Tell whether ``hello`` offers a modern suite, so that more than one weak thing is asked."""
    return any(suite in hello.suites for suite in EPHEMERAL_SUITES)


def _ephemeral(hello: ClientHello) -> int:
    return next((s for s in EPHEMERAL_SUITES if s in hello.suites), hello.suites[0])


def _server_hello(
    hello: ClientHello, suite: int, *, compression: int = 0, renegotiation: bool = True
) -> bytes:
    extensions = _extension(RENEGOTIATION_INFO, b"\x00") if renegotiation else b""
    return _hello(hello, suite, os.urandom(32), compression, extensions)


def _hello(
    hello: ClientHello, suite: int, random: bytes, compression: int, extensions: bytes
) -> bytes:
    body = TLS12.to_bytes(2) + random + bytes([len(hello.session)]) + hello.session
    body += suite.to_bytes(2) + bytes([compression]) + len(extensions).to_bytes(2) + extensions
    return _record(SERVER_HELLO, body)


def _record(kind: int, body: bytes) -> bytes:
    message = bytes([kind]) + len(body).to_bytes(3) + body
    return bytes([HANDSHAKE]) + TLS12.to_bytes(2) + len(message).to_bytes(2) + message


def _extension(number: int, data: bytes) -> bytes:
    return number.to_bytes(2) + len(data).to_bytes(2) + data
