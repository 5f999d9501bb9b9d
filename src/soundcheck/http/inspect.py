"""Looking at the TLS of an endpoint from outside: at most ``MOST_CONNECTIONS``, one at a time.

One handshake is finished, for the certificates and one answer; another verifies them; the others
end after the first flight (``http/client_hello.py``). No key and no other secret is ever sent.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from socket import socket

import httpx
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from soundcheck import __version__
from soundcheck.http.access import DIRECT, Access
from soundcheck.http.client_hello import DEFLATE, ClientHello, FirstFlight, Kind, say_hello
from soundcheck.http.inspection import Certificate, Inspection, PlainAnswer, VersionSeen
from soundcheck.http.tls_names import (
    COMPRESSIONS,
    CURVES_OF_TLS12,
    EPHEMERAL_CURVES,
    EPHEMERAL_FIELDS,
    GROUPS,
    GROUPS_OF_TLS13,
    INTEGRITY_ONLY,
    SSL3,
    STATIC,
    SUITES,
    SUITES_OF_TLS12,
    SUITES_OF_TLS13,
    TLS12,
    TLS13,
    VERSIONS,
    WEAK,
    WEAK_CURVES,
    family,
    named,
)
from soundcheck.http.trouble import in_words

MOST_CONNECTIONS = 40
"""A right server takes about 27."""

PATIENCE = 5.0
"""Seconds that one connection may take at most, whatever the caller allows."""

SILENCES = 3
"""Connections without an answer after which nothing more is asked."""

PATH = "/v1/models"
"""What is asked for where the endpoint is given without a path."""

REFUSED = "refused"
"""What became of an offer of compression that ended the handshake."""

_HEAD = 2**14
_TEXT = 200
_PLAIN_PORT, _TLS_PORT = 80, 443
_LEGACY_SERVER = 0x4
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name
_VERSIONS = {"SSLv3": "SSL 3.0", "TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1"} | {
    "TLSv1.2": "TLS 1.2",
    "TLSv1.3": "TLS 1.3",
}
_OUT_OF_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def inspect(
    url_or_host_port: str,
    *,
    roots: Path | None = None,
    server_name: str | None = None,
    timeout: float = PATIENCE,
    access: Access = DIRECT,
) -> Inspection:
    """Return what the TLS of an endpoint shows: a URL, or ``HOST:PORT`` where TLS is meant.

    ``roots`` is a PEM file that takes the place of the usual roots; ``server_name`` is asked for,
    and expected in the certificate, in the place of the host; ``timeout`` (seconds) bounds each
    connection, as does ``PATIENCE``; ``access`` tells of a proxy on the way and a certificate
    to show. A plain-HTTP URL is not connected to at all. What cannot be reached or understood is
    told in the result; nothing is raised.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        url = httpx.URL(url_or_host_port if "://" in url_or_host_port else f"//{url_or_host_port}")
    except (httpx.InvalidURL, ValueError) as error:
        return Inspection("https", url_or_host_port, 0, False, at, problem=_told(error))
    scheme = url.scheme or "https"
    if scheme not in ("http", "https") or not url.host:
        problem = "neither an http(s) URL nor HOST:PORT"
        return Inspection(scheme, url_or_host_port, 0, False, at, problem=problem)
    path = f"{url.path.rstrip('/')}/models" if url.path.strip("/") else PATH
    nothing = Inspection(
        scheme=scheme,
        host=url.host,
        port=url.port or (_TLS_PORT if scheme == "https" else _PLAIN_PORT),
        loopback=is_loopback(url.host),
        at=at,
    )
    if scheme == "http":
        return nothing
    visit = _Visit(
        replace(nothing, server_name=server_name or url.host),
        path,
        roots,
        min(timeout, PATIENCE),
        access,
    )
    seen = visit.seen()
    return replace(seen, connections=visit.connections, problem=seen.problem or visit.problem)


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine by its name alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") in ("localhost",) or host.lower().endswith(".localhost")


def matches(names: tuple[str, ...], wanted: str) -> bool:
    """Tell whether a certificate for ``names`` is one for ``wanted`` (RFC 9525, section 6).

    A wildcard stands for one whole label, the first; addresses match as addresses.
    """
    try:
        address = ip_address(wanted)
    except ValueError:
        pass
    else:
        return any(_same_address(name, str(address)) for name in names)
    labels = wanted.lower().rstrip(".").split(".")
    for name in names:
        pattern = name.lower().rstrip(".").split(".")
        first = pattern[0] == "*" and len(pattern) > 2
        if pattern == labels or (first and pattern[1:] == labels[1:] and labels[0]):
            return True
    return False


def _same_address(name: str, address: str) -> bool:
    try:
        return str(ip_address(name)) == address
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class _Greeted:
    """A finished handshake: what was agreed, what was sent, and what HTTP answered."""

    version: str
    suite: str
    chain: tuple[bytes, ...]
    status: int | None
    hsts: str | None


class _Visit:
    """The connections to one endpoint, counted."""

    def __init__(
        self, nothing: Inspection, path: str, roots: Path | None, timeout: float, access: Access
    ) -> None:
        self._nothing = nothing
        self._address = nothing.host, nothing.port
        self._path = path
        self._roots = roots
        self._timeout = timeout
        self._access = access
        host = f"[{nothing.host}]" if ":" in nothing.host else nothing.host
        self._dial = access.dial(f"https://{host}:{nothing.port}")
        self._silent = 0
        self.connections = 0
        self.problem = ""

    def seen(self) -> Inspection:
        """Return all that is seen."""
        greeted = self._greeted()
        if isinstance(greeted, str):
            first = self._hello(ClientHello(TLS13))
            if not first.agreed and not first.refused:
                plain = self._plain(self._nothing.port) if first.kind is Kind.OTHER else None
                return replace(
                    self._nothing, problem=greeted, plain=(plain,) if plain is not None else ()
                )
        versions, flights = self._versions()
        older = [flight for flight in flights if flight.version != TLS13]
        seen = replace(self._nothing, versions=versions)
        sent: tuple[bytes, ...] = next((f.certificates for f in older if f.certificates), ())
        if isinstance(greeted, str):
            seen = replace(seen, problem=greeted)
        else:
            sent = greeted.chain if len(greeted.chain) > 1 else sent or greeted.chain
            seen = replace(
                seen,
                secure=True,
                version=greeted.version,
                suite=greeted.suite,
                status=greeted.status,
                hsts=greeted.hsts,
            )
            seen = self._with_trust(seen)
        seen = self._with_suites_and_groups(seen, _curve(sent))
        if older:
            flight = self._hello(ClientHello(TLS12, compressions=(DEFLATE, 0)))
            seen = replace(
                seen,
                compression=REFUSED if flight.refused else named(COMPRESSIONS, flight.compression),
                renegotiation_info=older[0].renegotiation_info,
            )
        chain = tuple(map(read_certificate, sent))
        ports = [seen.port]
        if seen.port == _TLS_PORT and not seen.loopback:
            ports.append(_PLAIN_PORT)
        return replace(
            seen,
            chain=chain,
            name_matches=matches(chain[0].names, seen.server_name) if chain else None,
            plain=tuple(filter(None, map(self._plain, ports))),
        )

    def _with_trust(self, seen: Inspection) -> Inspection:
        """Return ``seen`` with what the roots say of the chain."""
        code, problem = self._verified(0)
        if code is None:
            return replace(seen, chain_problem=problem)
        if code not in _OUT_OF_TIME:
            return replace(seen, trusted=not code, in_time=not code or None, chain_problem=problem)
        code, other = self._verified(_NO_CHECK_TIME)
        trusted = None if code is None else not code
        return replace(seen, trusted=trusted, in_time=False, chain_problem=other or problem)

    def _with_suites_and_groups(self, seen: Inspection, curve: tuple[int, ...]) -> Inspection:
        """Return ``seen`` with the suites and groups that are accepted.

        ``curve`` is that of the certificate's key: before TLS 1.3 a server may use that key only
        for a client that knows the curve, so it is always offered too, last.
        """
        if seen.accepts(VERSIONS[TLS13]):
            seen = replace(
                seen,
                weak_suites=self._suites(INTEGRITY_ONLY, TLS13, 1, _itself),
                static_suites=(),
                groups=self._groups(GROUPS_OF_TLS13, SUITES_OF_TLS13, TLS13),
                groups_version=VERSIONS[TLS13],
                weak_groups=(),
            )
        if not any(one.accepted for one in seen.versions if one.name != VERSIONS[TLS13]):
            return seen
        before, weak = seen.weak_suites or (), self._suites(WEAK, TLS12, 6, _family)
        seen = replace(
            seen,
            weak_suites=before + weak if weak is not None else before or None,
            static_suites=self._suites(STATIC, TLS12, 4, _itself),
            weak_groups=self._groups(WEAK_CURVES, EPHEMERAL_CURVES, TLS12, 3, curve),
            dh_bits=self._hello(ClientHello(TLS12, suites=EPHEMERAL_FIELDS, groups=())).dh_bits,
        )
        if seen.groups_version:
            return seen
        groups = self._groups(CURVES_OF_TLS12, EPHEMERAL_CURVES, TLS12, beside=curve)
        return replace(seen, groups=groups, groups_version=VERSIONS[TLS12])

    def _versions(self) -> tuple[tuple[VersionSeen, ...], list[FirstFlight]]:
        """Return what becomes of each version, newest first, and the answers that agreed."""
        seen, agreed = [], []
        for number in sorted(VERSIONS, reverse=True):
            suites = SUITES_OF_TLS13 if number == TLS13 else SUITES_OF_TLS12
            groups = () if number == SSL3 else ClientHello().groups + WEAK_CURVES
            flight = self._hello(ClientHello(number, number, suites=suites, groups=groups))
            accepted = None
            if flight.agreed:
                accepted = flight.version == number
            elif flight.refused:
                accepted = False
            if accepted:
                agreed.append(flight)
            suite = named(SUITES, flight.suite) if accepted else ""
            seen.append(VersionSeen(VERSIONS[number], accepted, suite))
        return tuple(seen), agreed

    def _suites(
        self, offered: tuple[int, ...], highest: int, most: int, alike: Callable[[int], object]
    ) -> tuple[str, ...] | None:
        """Return the names of the suites that are accepted of those ``offered``."""

        def hello(left: tuple[int, ...]) -> ClientHello:
            return ClientHello(highest, suites=left)

        return self._chosen(offered, SUITES, most, hello, _suite_of, alike)

    def _groups(
        self,
        offered: tuple[int, ...],
        suites: tuple[int, ...],
        version: int,
        most: int = 13,
        beside: tuple[int, ...] = (),
    ) -> tuple[str, ...] | None:
        """Return the names of the groups that are accepted of those ``offered``."""

        def hello(left: tuple[int, ...]) -> ClientHello:
            rest = tuple(group for group in beside if group not in left)
            return ClientHello(version, version, suites=suites, groups=left + rest)

        return self._chosen(offered, GROUPS, most, hello, _group_of, _itself)

    def _chosen(
        self,
        offered: tuple[int, ...],
        names: dict[int, str],
        most: int,
        hello: Callable[[tuple[int, ...]], ClientHello],
        choice: Callable[[FirstFlight], int | None],
        alike: Callable[[int], object],
    ) -> tuple[str, ...] | None:
        """Offer all, then all but what is ``alike`` the choice, and so on until it is refused.

        Returns the names of the choices, ``most`` at most; ``None`` where no answer told.
        """
        found: list[str] = []
        while offered and len(found) < most:
            flight = self._hello(hello(offered))
            if not (found or flight.agreed or flight.refused):
                return None
            chosen = choice(flight) if flight.agreed else None
            if chosen is None or chosen not in offered:
                break
            found.append(named(names, chosen))
            offered = tuple(number for number in offered if alike(number) != alike(chosen))
        return tuple(found)

    def _hello(self, hello: ClientHello) -> FirstFlight:
        """Say one hello; after too many connections or silences none is said any more."""
        if not self._may_connect():
            return FirstFlight(Kind.SILENT)
        named_hello = replace(hello, server_name=self._nothing.server_name)
        flight = say_hello(self._address, named_hello, self._timeout, self._dial)
        if flight.kind in (Kind.SILENT, Kind.UNREACHABLE):
            self._silent += 1
        return flight

    def _may_connect(self) -> bool:
        if self._silent >= SILENCES:
            self.problem = f"{self._silent} connections stayed without an answer: no more were made"
        elif self.connections >= MOST_CONNECTIONS:
            self.problem = f"the inspection ended after {self.connections} connections"
        else:
            self.connections += 1
            return True
        return False

    def _greeted(self) -> _Greeted | str:
        """Finish a handshake without verifying, and ask once; return why that failed."""
        self.connections += 1
        context = _tolerant(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        try:
            self._access.show_certificate(context)
            with self._secured(context) as secured:
                suite = secured.cipher()
                leaf = secured.getpeercert(binary_form=True)
                chain: tuple[bytes, ...] = (leaf,) if leaf else ()
                if hasattr(secured, "get_unverified_chain"):  # since Python 3.13
                    chain = tuple(map(bytes, secured.get_unverified_chain()))
                version = secured.version() or ""
                status, headers = self._asked(secured)
        except (OSError, ValueError) as error:
            return _told(error)
        return _Greeted(
            version=_VERSIONS.get(version, version),
            suite=suite[0] if suite else "",
            chain=chain,
            status=status,
            hsts=headers.get("strict-transport-security"),
        )

    def _verified(self, flags: int) -> tuple[int | None, str]:
        """Return OpenSSL's code of what is wrong with the chain (0: nothing), and its words.

        The code is ``None`` where the chain could not be verified.
        """
        if not self._may_connect():
            return None, self.problem
        try:
            # Without roots of its own: those that the client of the other requests trusts.
            context = _tolerant(
                httpx.create_ssl_context()
                if self._roots is None
                else ssl.create_default_context(cafile=self._roots)
            )
        except OSError as error:
            return None, f"the roots cannot be read: {_told(error)}"
        context.verify_flags |= ssl.VerifyFlags(flags)
        try:
            with self._secured(context):
                return 0, ""
        except ssl.SSLCertVerificationError as error:
            return error.verify_code, error.verify_message[:_TEXT]
        except (OSError, ValueError) as error:
            return None, _told(error)

    @contextmanager
    def _secured(self, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
        with (
            self._dial(self._address, self._timeout) as connection,
            context.wrap_socket(connection, server_hostname=self._nothing.server_name) as secured,
        ):
            yield secured

    def _plain(self, port: int) -> PlainAnswer | None:
        """Return what ``port`` answers to plain HTTP."""
        if not self._may_connect():
            return None
        try:
            connection = self._dial((self._nothing.host, port), self._timeout)
        except (OSError, ValueError):
            return PlainAnswer(port, "refused")
        with connection:
            try:
                connection.sendall(self._request())
                head = _head(connection, self._timeout)
            except TimeoutError:
                return PlainAnswer(port, "silent")
            except OSError:
                return PlainAnswer(port, "reset")
        status, headers = _parsed(head)
        if status is not None:
            location = headers.get("location", "").partition("?")[0]
            return PlainAnswer(port, "http", status, location)
        if not head:
            return PlainAnswer(port, "closed")
        return PlainAnswer(port, "tls" if head[:2] == b"\x15\x03" else "other")

    def _asked(self, secured: ssl.SSLSocket) -> tuple[int | None, dict[str, str]]:
        """Return status and headers of one answer, none of either where there is none."""
        try:
            secured.sendall(self._request())
            return _parsed(_head(secured, self._timeout))
        except OSError:
            return None, {}

    def _request(self) -> bytes:
        host = self._nothing.server_name
        host = f"[{host}]" if ":" in host else host
        return (
            f"GET {self._path} HTTP/1.1\r\nHost: {host}:{self._nothing.port}\r\n"
            f"User-Agent: soundcheck/{__version__}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        ).encode("idna" if not host.isascii() else "ascii")


def read_certificate(der: bytes) -> Certificate:
    """Return what a certificate (DER) says; one that cannot be read says why."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        digest = certificate.signature_hash_algorithm
        curve = ""
        kind, bits = type(key).__name__.removesuffix("PublicKey").strip("_"), 256
        if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
            kind, bits = "RSA" if isinstance(key, rsa.RSAPublicKey) else "DSA", key.key_size
        elif isinstance(key, ec.EllipticCurvePublicKey):
            kind, bits, curve = "EC", key.key_size, key.curve.name
        return Certificate(
            subject=certificate.subject.rfc4514_string()[:_TEXT],
            issuer=certificate.issuer.rfc4514_string()[:_TEXT],
            not_before=certificate.not_valid_before_utc.isoformat(),
            not_after=certificate.not_valid_after_utc.isoformat(),
            names=_names(certificate),
            key=kind,
            key_bits=bits,
            curve=curve,
            signature=digest.name if digest is not None else "",
            self_signed=certificate.subject == certificate.issuer,
        )
    except (
        *(ValueError, TypeError, UnsupportedAlgorithm, Warning),
        *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
    ) as error:
        return Certificate(problem=_told(error))


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _tolerant(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return ``context`` as one that speaks to whatever can be spoken to, by any name."""
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= _LEGACY_SERVER
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _head(connection: socket, timeout: float) -> bytes:
    """Return what arrives up to the end of an HTTP head, in ``timeout`` seconds at most."""
    end = time.monotonic() + timeout
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD:
        connection.settimeout(max(0.001, end - time.monotonic()))
        piece = connection.recv(_HEAD)
        if not piece or not (head or b"HTTP/").startswith(piece[:5]):
            return head + piece
        head += piece
    return head


def _parsed(head: bytes) -> tuple[int | None, dict[str, str]]:
    """Return status and headers (names in lower case) of an HTTP head, of the first of each."""
    lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if not words[0].startswith("HTTP/") or len(words) < 2 or not words[1].isdecimal():
        return None, {}
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip()[:_TEXT])
    return int(words[1]), headers


def _curve(chain: tuple[bytes, ...]) -> tuple[int, ...]:
    """Return the number of the curve of the first certificate's key, if it has one."""
    if not chain or not (curve := read_certificate(chain[0]).curve):
        return ()
    return tuple(number for number, name in GROUPS.items() if name == curve)


def _itself(number: int) -> int:
    return number


def _family(suite: int) -> str:
    return family(SUITES[suite])


def _suite_of(flight: FirstFlight) -> int | None:
    return flight.suite


def _group_of(flight: FirstFlight) -> int | None:
    return flight.group


def _told(error: BaseException) -> str:
    """Return an error in words."""
    return in_words(str(error) or type(error).__name__)[:_TEXT]
