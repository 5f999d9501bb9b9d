"""What the two sides of the private stack do, choice by choice; the defaults are right.

A fault is this table with one or two members replaced: proxy and gateway know no fault by name.
"""

import os
import ssl
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509

from soundcheck.http.certificates import Authority
from soundcheck.http.envelope import NONCE_BYTES
from soundcheck.reference.private import attestation, mesh
from soundcheck.reference.private.agreed import Secrets
from soundcheck.reference.private.cipher import Cipher, InTurn, Order, Secret, fresh_ivs
from soundcheck.reference.private.form import Part
from soundcheck.reference.private.kem import SEED_BYTES, Kem, XWing

CLEAR_FIELDS = frozenset(
    {"model", "stream", "stream_include_usage", "stream_continuous_usage_stats"}
)
CLEAR_MEMBERS = frozenset({"duration", "usage"})

Source: TypeAlias = Callable[[], bytes]
Encapsulate: TypeAlias = Callable[[bytes], tuple[bytes, bytes]]


def fresh_nonce(last: bytes | None) -> bytes:
    """Return the nonce of a request; ``last`` is that of the try before, if there was one."""
    return os.urandom(NONCE_BYTES)


def fresh_seeds() -> Source:
    """Return the source of one proxy's key pairs: a new seed for each."""
    return partial(os.urandom, SEED_BYTES)


def fresh_encapsulations(kem: Kem) -> Encapsulate:
    """Return how one gateway encapsulates: anew for each public key that it gets."""
    return kem.encapsulate


def in_order(parts: Sequence[Part]) -> list[Part]:
    """Return a form's parts as the wire has them: values by name, then files by name."""
    return sorted(parts, key=lambda part: (part.filename is not None, part.name))


def one_name(filename: str) -> str:
    """Return what a file is called on the wire: the client's name does not travel."""
    return "file"


def no_headers(parts: Sequence[Part]) -> dict[str, str]:
    """Return what a request's head tells of its form."""
    return {}


def nothing_told(answer: bytes) -> dict[str, str]:
    """Return what an answer's head tells of its body."""
    return {}


def errors_only(status: int) -> bool:
    """Tell whether an answer in the clear is believed: nobody vouches for it."""
    return status >= 400


def client_tls(roots: Path | None) -> ssl.SSLContext:
    """Return how a proxy connects: TLS 1.2 or later, certificate and name verified.

    ``roots`` is a file of PEM certificates, ``None`` the system's. Raises OSError (SSLError) for a
    file that cannot be read.
    """
    context = ssl.create_default_context(cafile=None if roots is None else str(roots))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def server_tls(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    """Return how a gateway is connected to, with a certificate for ``names``."""
    return authority.issue(*names).server_context()


@dataclass(frozen=True)
class Conduct:
    """Every choice; those of one side only are marked with it."""

    # What is encrypted, and how.
    encrypts: bool = True
    clear_fields: Container[str] = CLEAR_FIELDS
    clear_members: Container[str] = CLEAR_MEMBERS
    requests: Cipher = field(default_factory=Cipher)
    answers: Cipher = field(default_factory=Cipher)
    events: Cipher = field(default_factory=Cipher)
    ivs: Callable[[], Source] = fresh_ivs
    nonce: Callable[[bytes | None], bytes] = fresh_nonce

    # The secret's exchange.
    kem: Kem = field(default_factory=XWing)
    key_seeds: Callable[[], Source] = fresh_seeds  # proxy
    encapsulations: Callable[[Kem], Encapsulate] = fresh_encapsulations  # gateway
    verify_attestation: Callable[[bytes, bytes, bytes], x509.Certificate] = attestation.verify
    check_chain: Callable[[x509.Certificate, x509.Certificate], None] = mesh.check_chain
    check_signature: Callable[[x509.Certificate, bytes, bytes], None] = mesh.check_signature
    renews_lost: bool = True
    """Proxy: a secret that the gateway has lost is not used again."""

    # How the proxy asks.
    schemes: tuple[str, ...] = ("https",)
    """What it tries to connect by, one after the other."""
    proxy_tls: Callable[[Path | None], ssl.SSLContext] = client_tls
    parts: Callable[[Sequence[Part]], Sequence[Part]] = in_order
    filename: Callable[[str], str] = one_name
    headers: Callable[[Sequence[Part]], dict[str, str]] = no_headers
    secret_retries: int = 1
    reset_retries: int = 1

    # What the proxy believes.
    order: Callable[[], Order] = InTurn
    """Of a stream's events."""
    needs_end: bool = True
    believes_clear: Callable[[int], bool] = errors_only

    # What the proxy cannot handle: the vendor's known limits.
    needs_form: bool = False
    needs_model: bool = False
    needs_json: bool = False

    # The gateway.
    find: Callable[[Secrets, bytes], Secret] = Secrets.find
    answer_headers: Callable[[bytes], dict[str, str]] = nothing_told
    replays_sealed: bool = True
    """A request that was there before is answered like any other."""
    gateway_tls: Callable[[Authority, tuple[str, ...]], ssl.SSLContext] = server_tls
    front: Callable[[bytes], bytes | None] | None = None
    """Gets the first TLS record of a connection (or what came first, if that is none): returns
    bytes to answer before the connection is closed, or ``None`` to go on with it."""
    plain_http: bool = False
    """The same port answers plain HTTP."""
    hsts: str | None = "max-age=31536000"


@dataclass(frozen=True, slots=True)
class PrivateFault:
    """A named defect of the stack: what is wrong in a sentence, and the choices it replaces.

    A ``benign`` one is a legal difference, which no check may flag.
    """

    name: str
    sentence: str
    changes: Mapping[str, Any]
    benign: bool = False
