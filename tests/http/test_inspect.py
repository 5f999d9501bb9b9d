"""The inspection of an endpoint's TLS: facts about real servers, and about what is none."""

import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from soundcheck.http.certificates import Authority, Credentials, self_signed
from soundcheck.http.client_hello import ClientHello
from soundcheck.http.inspect import MOST_CONNECTIONS, inspect, is_loopback, matches
from soundcheck.http.inspection import Inspection
from soundcheck.http.tls_names import SUITES, family, forward_secret

ServeTls = Callable[..., tuple[str, int]]
Serve = Callable[[Callable[[socket.socket], None]], tuple[str, int]]

TIMEOUT = 10.0
SHORT = 0.05
PRIME = bytes.fromhex(
    "30818702818100"
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
    "020102"
)
"""A group of 1024 bits (RFC 2409, section 6.2) as PKCS 3 writes it."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new("A root of the tests")


@pytest.fixture
def roots(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_bytes(authority.certificate_pem)
    return path


def seen_of(address: tuple[str, int], roots: Path | None, host: str = "127.0.0.1") -> Inspection:
    seen = inspect(f"{host}:{address[1]}", roots=roots, timeout=TIMEOUT)
    assert Inspection.from_json(json.loads(json.dumps(asdict(seen)))) == seen
    assert seen.connections <= MOST_CONNECTIONS
    return seen


def test_a_right_server_is_described(
    serve_tls: ServeTls, authority: Authority, roots: Path
) -> None:
    """Versions, suites, groups, certificates and HTTP are told as they are."""
    heard: list[bytes] = []
    credentials = authority.issue("localhost", "127.0.0.1")
    address = serve_tls(credentials.server_context(), heard)
    seen = inspect(f"https://localhost:{address[1]}/api/v1/", roots=roots, timeout=TIMEOUT)
    assert (seen.scheme, seen.host, seen.port, seen.loopback) == (
        *("https", "localhost", address[1]),
        True,
    )
    assert seen.secure
    assert seen.problem == ""
    assert seen.version == "TLS 1.3"
    accepted = {one.name: one.accepted for one in seen.versions}
    older = {"TLS 1.1": False, "TLS 1.0": False, "SSL 3.0": False}
    assert accepted == {"TLS 1.3": True, "TLS 1.2": True} | older
    assert (seen.weak_suites, seen.static_suites, seen.weak_groups) == ((), (), ())
    assert seen.groups is not None
    assert {"x25519", "secp256r1"} <= set(seen.groups)
    assert (seen.compression, seen.renegotiation_info, seen.dh_bits) == ("null", True, None)
    assert (seen.trusted, seen.in_time, seen.name_matches) == (True, True, True)
    assert (seen.status, seen.hsts) == (401, "max-age=300")
    [certificate] = seen.chain
    assert certificate.names == ("localhost", "127.0.0.1")
    assert (certificate.key, certificate.key_bits, certificate.curve) == ("EC", 256, "secp256r1")
    assert certificate.signature == "sha256"
    assert certificate.not_before < seen.at < certificate.not_after
    assert [answer.kind for answer in seen.plain] in (["reset"], ["closed"], ["tls"])
    assert 20 <= seen.connections <= 30
    [request] = heard
    assert request.startswith(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost:")
    assert b"authorization" not in request.lower()


@pytest.mark.parametrize(
    ("credentials", "facts"),
    [
        (lambda root: root.issue("127.0.0.1", expired=True), (True, False, True, "expired")),
        (lambda root: root.issue("elsewhere.example"), (True, True, False, "")),
        (lambda root: self_signed("127.0.0.1"), (False, None, True, "self-signed")),
        (lambda root: Authority.new("other").issue("127.0.0.1"), (False, None, True, "issuer")),
    ],
    ids=["expired", "wrong name", "self-signed", "unknown root"],
)
def test_what_is_wrong_with_certificates_is_told_apart(
    serve_tls: ServeTls,
    authority: Authority,
    roots: Path,
    credentials: Callable[[Authority], Credentials],
    facts: tuple[bool, bool | None, bool, str],
) -> None:
    """Chain, time and name are three facts: one that is wrong hides no other."""
    seen = seen_of(serve_tls(credentials(authority).server_context()), roots)
    assert (seen.trusted, seen.in_time, seen.name_matches) == facts[:3]
    assert facts[3] in seen.chain_problem
    assert seen.secure


def test_the_usual_roots_do_not_trust_a_root_of_ours(
    serve_tls: ServeTls, authority: Authority, tmp_path: Path
) -> None:
    """Without roots of its own an inspection trusts those of the system; unreadable ones, none."""
    address = serve_tls(authority.issue("127.0.0.1").server_context())
    assert seen_of(address, None).trusted is False
    (tmp_path / "nonsense.pem").write_text("nonsense")
    for bad in (tmp_path / "missing.pem", tmp_path / "nonsense.pem", tmp_path):
        seen = seen_of(address, bad)
        assert seen.trusted is None
        assert "roots cannot be read" in seen.chain_problem


def weak_context(path: Path) -> ssl.SSLContext:
    """Return a context with all that OpenSSL still has, an RSA key and a prime of 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    sample = self_signed("127.0.0.1").certificate
    certificate = x509.CertificateBuilder(
        name, name, key.public_key(), 1, sample.not_valid_before_utc, sample.not_valid_after_utc
    ).sign(key, SHA256())
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
        + ssl.DER_cert_to_PEM_cert(PRIME).replace("CERTIFICATE", "DH PARAMETERS").encode()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    context.load_cert_chain(path)
    context.load_dh_params(path)
    return context


def test_a_weak_server_is_described(serve_tls: ServeTls, tmp_path: Path) -> None:
    """Old versions, weak suites and a small prime of a real OpenSSL are found."""
    seen = seen_of(serve_tls(weak_context(tmp_path / "weak.pem")), None)
    assert [one.name for one in seen.versions if one.accepted] == ["TLS 1.2", "TLS 1.1", "TLS 1.0"]
    assert seen.weak_suites
    assert {family(suite) for suite in seen.weak_suites} <= {"NULL", "anonymous", "3DES"}
    assert seen.static_suites
    assert not any(forward_secret(suite) for suite in seen.static_suites)
    assert seen.dh_bits == 1024
    assert seen.groups
    assert (seen.groups_version, seen.groups[0]) == ("TLS 1.2", "x25519")
    [certificate] = seen.chain
    assert (certificate.key, certificate.key_bits) == ("RSA", 1024)
    assert seen.name_matches is False


def test_a_server_of_tls13_alone_is_described(
    serve_tls: ServeTls, authority: Authority, roots: Path
) -> None:
    """Where only TLS 1.3 is spoken, what it does not have is not told of."""
    context = authority.issue("127.0.0.1").server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    seen = seen_of(serve_tls(context), roots)
    assert [one.name for one in seen.versions if one.accepted] == ["TLS 1.3"]
    assert (seen.compression, seen.renegotiation_info) == ("", None)
    assert (seen.weak_suites, seen.weak_groups, len(seen.chain)) == ((), (), 1)


def test_a_server_that_wants_a_certificate_is_described(
    serve_tls: ServeTls, authority: Authority, roots: Path
) -> None:
    """A server that refuses clients without a certificate still shows its own."""
    context = authority.issue("127.0.0.1").server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(roots)
    seen = seen_of(serve_tls(context), roots)
    assert (seen.trusted, seen.name_matches, seen.status) == (True, True, None)


def test_plain_http_says_nothing_of_tls() -> None:
    """A plain-HTTP URL is not even connected to."""
    for url, loopback in (("http://localhost:8080/v1", True), ("http://api.example/v1", False)):
        seen = inspect(url)
        assert (seen.scheme, seen.loopback, seen.connections) == ("http", loopback, 0)
        assert (seen.secure, seen.versions) == (False, ())


@pytest.mark.parametrize(
    "endpoint", ["", "ftp://host/", "host:99999", "[::1", "http://", "https://", "\x00", ".x:1"]
)
def test_what_is_no_endpoint_is_a_problem(endpoint: str) -> None:
    """An endpoint that cannot be one is told, not raised."""
    assert inspect(endpoint, timeout=SHORT).problem


@pytest.mark.parametrize("damage", [{"at": "today"}, {"at": "2026-01-01"}, {"chain": [{}]}])
def test_a_damaged_document_is_refused(damage: dict[str, object]) -> None:
    """A recorded inspection with times that cannot be compared is none."""
    document = asdict(inspect("http://127.0.0.1/")) | damage
    with pytest.raises((ValueError, KeyError)):
        Inspection.from_json(document)


def test_a_closed_port_is_a_problem() -> None:
    """A port that nobody listens on costs two connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    seen = inspect(f"127.0.0.1:{port}", timeout=TIMEOUT)
    assert (seen.secure, seen.connections, seen.problem) == (False, 2, "Connection refused")


def test_plain_http_where_tls_is_expected_is_seen(serve: Serve) -> None:
    """A server of plain HTTP says so by its answers."""

    def answer(connection: socket.socket) -> None:
        asked = connection.recv(2**16)
        status = b"200 OK" if asked.startswith(b"GET ") else b"400 Bad Request"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    seen = inspect(f"127.0.0.1:{serve(answer)[1]}", timeout=TIMEOUT)
    assert (seen.secure, seen.versions) == (False, ())
    [plain] = seen.plain
    assert (plain.kind, plain.status) == ("http", 200)


def test_a_redirect_is_told_without_its_query(serve: Serve, authority: Authority) -> None:
    """Of a redirect away from plain HTTP the address is kept, not what may be secret in it."""
    context = authority.issue("127.0.0.1").server_context()

    def answer(connection: socket.socket) -> None:
        if connection.recv(1, socket.MSG_PEEK) == b"G":
            connection.recv(2**16)
            to = b"https://127.0.0.1/v1/models?token=secret"
            connection.sendall(b"HTTP/1.1 308 Permanent Redirect\r\nLocation: " + to + b"\r\n\r\n")
        else:
            context.wrap_socket(connection, server_side=True).close()

    [plain] = inspect(f"127.0.0.1:{serve(answer)[1]}", timeout=TIMEOUT).plain
    assert (plain.status, plain.location) == (308, "https://127.0.0.1/v1/models")


def test_a_silent_server_is_given_up(serve: Serve) -> None:
    """A server that never answers is asked no more than a few times."""

    def say_nothing(connection: socket.socket) -> None:
        while connection.recv(2**16):
            pass

    seen = inspect(f"127.0.0.1:{serve(say_nothing)[1]}", timeout=SHORT)
    assert not seen.secure
    assert seen.connections <= 5
    assert seen.problem


@pytest.mark.parametrize(
    "said",
    [b"", b"\x16\x03\x03\xff\xff" + bytes(99), b"\x15\x03\x01\x00\x02\x02\x46", b"SSH-2.0-x"],
)
def test_garbage_is_a_problem(serve: Serve, said: bytes) -> None:
    """What answers anything but TLS is told to do so."""

    def answer(connection: socket.socket) -> None:
        connection.recv(2**16)
        connection.sendall(said)

    seen = inspect(f"127.0.0.1:{serve(answer)[1]}", timeout=TIMEOUT)
    assert not seen.secure
    assert seen.problem


def test_who_agrees_to_everything_is_not_asked_for_ever(serve: Serve) -> None:
    """A server that accepts all that it is offered takes no more than the most connections."""

    def agree(connection: socket.socket) -> None:
        hello = ClientHello.parse(connection.recv(2**16))
        if hello is not None:
            suite = next((s for s in hello.suites if s in SUITES), hello.suites[0])
            body = min(hello.highest, 0x0303).to_bytes(2) + bytes(32) + b"\x00"
            body += suite.to_bytes(2) + b"\x00"
            group = (hello.groups or (29,))[0].to_bytes(2)
            if hello.highest == 0x0304:
                found = b"\x00\x2b\x00\x02\x03\x04\x00\x33\x00\x02" + group
                body += len(found).to_bytes(2) + found
            message = b"\x02" + len(body).to_bytes(3) + body
            message += b"\x0c\x00\x00\x04\x03" + group + b"\x00"
            connection.sendall(b"\x16\x03\x03" + len(message).to_bytes(2) + message)

    seen = inspect(f"127.0.0.1:{serve(agree)[1]}", timeout=TIMEOUT)
    assert all(one.accepted for one in seen.versions)
    assert seen.weak_suites
    assert seen.groups
    assert 30 < seen.connections <= MOST_CONNECTIONS


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (("api.example",), "API.example", True),
        (("api.example",), "api.example.", True),
        (("*.example.org",), "api.example.org", True),
        (("*.example.org",), "a.b.example.org", False),
        (("*.example.org",), "example.org", False),
        (("*.org",), "example.org", False),
        (("a*.example.org",), "api.example.org", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("::1",), "0:0::1", True),
        (("*.0.0.1",), "127.0.0.1", False),
        (("api.example",), "127.0.0.1", False),
        ((), "api.example", False),
    ],
)
def test_names_match_as_they_should(names: tuple[str, ...], wanted: str, expected: bool) -> None:
    """Whole labels are compared, a wildcard stands for one, addresses are no names."""
    assert matches(names, wanted) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "api.localhost", "127.0.0.9", "::1")),
        *((host, False) for host in ("localhost.example", "10.0.0.1", "::2", "api.example")),
    ],
)
def test_loopback_is_known_by_name(host: str, expected: bool) -> None:
    """What is on this machine is known by its name or address, without asking anybody."""
    assert is_loopback(host) is expected
