"""Compare what ``inspect`` finds of TLS servers with what sslyze finds of the same.

Run as ``python sslyze_check.py SSLYZE``, the path of its program, which is best installed apart: it
wants an older ``cryptography``. The servers are gateways of the private stack and one old-fashioned
server, all of OpenSSL. Exits with 1 where the two contradict each other.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from soundcheck.http.certificates import self_signed
from soundcheck.http.inspect import inspect
from soundcheck.http.inspection import Inspection
from soundcheck.http.tls_names import family, forward_secret
from soundcheck.reference.private.faults import conduct
from soundcheck.reference.private.gateway import Gateway, GatewaySettings

REAL = (
    *("", "tls-old-versions", "tls-1.2-at-most", "tls-null-cipher", "tls-self-signed"),
    *("tls-wrong-name", "tls-expired"),
)
"""Those faults that OpenSSL really has: a scripted flight is nothing that sslyze could go on with.

The empty name is the right gateway.
"""

VERSIONS = {
    "SSL 3.0": "ssl_3_0_cipher_suites",
    "TLS 1.0": "tls_1_0_cipher_suites",
    "TLS 1.1": "tls_1_1_cipher_suites",
    "TLS 1.2": "tls_1_2_cipher_suites",
    "TLS 1.3": "tls_1_3_cipher_suites",
}
CURVES = {"x25519", "x448", "secp256r1", "secp384r1", "secp521r1"}
"""Those that both ask about."""

OPTIONS = (
    *("--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--certinfo", "--compression"),
    *("--reneg", "--elliptic_curves", "--mozilla_config=disable", "--quiet"),
)


def main(sslyze: str) -> int:
    """Scan every server by both, and print what they agree and disagree on."""
    contradictions = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with servers(folder) as (addresses, roots):
            ours = {what: inspect(at, roots=roots) for what, at in addresses.items()}
            theirs = scanned(sslyze, list(addresses.values()), roots, folder)
    lines = []
    for what, address in addresses.items():
        lines.append(f"{what or 'the right gateway'}: {ours[what].connections} connections of ours")
        for fact, mine, other in compared(ours[what], theirs[address]):
            contradictions += mine != other
            if mine == other:
                lines.append(f"  same       {fact}: {mine}")
            else:
                lines.append(f"  DIFFERENT  {fact}: ours {mine}, sslyze's {other}")
    lines.append(f"{contradictions} contradictions")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if contradictions else 0


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """Start the servers; yields their addresses by name, and the file of all their roots."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[Gateway] = []
    try:
        for fault in REAL:
            # Nobody answers at the backend: its errors are as good as answers here.
            settings = GatewaySettings("http://127.0.0.1:9/v1", conduct([fault] if fault else []))
            gateway = Gateway(settings)
            asyncio.run_coroutine_threadsafe(gateway.__aenter__(), loop).result()
            started.append(gateway)
        roots = folder / "roots.pem"
        roots.write_bytes(b"".join(gateway.roots_pem for gateway in started))
        with old_fashioned(folder) as address:
            addresses = {fault: one.address for fault, one in zip(REAL, started, strict=True)}
            yield {**addresses, "an old-fashioned server": address}, roots
    finally:
        for gateway in started:
            asyncio.run_coroutine_threadsafe(gateway.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def old_fashioned(folder: Path) -> Iterator[str]:
    """Serve all that this OpenSSL still knows, by an RSA key; yields the address."""
    key = rsa.generate_private_key(65537, 2048)
    sample = self_signed("127.0.0.1").certificate
    builder = x509.CertificateBuilder(
        sample.issuer,
        sample.subject,
        key.public_key(),
        x509.random_serial_number(),
        sample.not_valid_before_utc,
        sample.not_valid_after_utc,
    )
    for extension in sample.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, extension.critical)
    certificate = builder.sign(key, SHA256())
    path = folder / "old.pem"
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        accepting = threading.Thread(target=accept, args=(listener, context))
        accepting.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Finish a handshake with everybody, each in a thread, until the listener is shut."""

    def greet(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=greet, args=(connection,), daemon=True).start()


def scanned(sslyze: str, addresses: list[str], roots: Path, folder: Path) -> dict[str, Any]:
    """Return the results of sslyze's scans by address."""
    out = folder / "sslyze.json"
    subprocess.run(
        [sslyze, *OPTIONS, f"--certinfo_ca_file={roots}", f"--json_out={out}", *addresses],
        check=True,
    )
    document = json.loads(out.read_text("utf-8"))
    found = {}
    for one in document["server_scan_results"]:
        where = one["server_location"]
        if one["scan_result"] is None:
            raise SystemExit(f"sslyze could not scan {where}: {one['connectivity_error_trace']}")
        results = {name: part["result"] for name, part in one["scan_result"].items() if part}
        found[f"{where['hostname']}:{where['port']}"] = results
    return found


def compared(ours: Inspection, theirs: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield each fact that both know: its name, ours and theirs."""
    suites = {
        version: [
            accepted["cipher_suite"]["name"].removeprefix("TLS_")
            for accepted in theirs[member]["accepted_cipher_suites"]
        ]
        for version, member in VERSIONS.items()
    }
    accepted = sorted(one.name for one in ours.versions if one.accepted)
    yield "versions", accepted, sorted(version for version in suites if suites[version])
    for one in ours.versions:
        if one.accepted:
            known = one.suite in suites[one.name]
            yield f"{one.name} accepts {one.suite}", True, known
    everything = {suite for names in suites.values() for suite in names}
    weak = ours.weak_suites or ()
    families = {family(suite) for suite in everything} - {""}
    yield "weak families", sorted({family(suite) for suite in weak}), sorted(families)
    yield "all of ours are theirs", True, set(weak) | set(ours.static_suites or ()) <= everything
    static = {suite for suite in everything if not family(suite) and not forward_secret(suite)}
    yield "suites without forward secrecy", bool(ours.static_suites), bool(static)
    curves = theirs["elliptic_curves"]["supported_curves"] or []
    named = {curve["name"].lower() for curve in curves} & CURVES
    mine = CURVES & set(ours.groups or ())
    if ours.groups_version == "TLS 1.2" and ours.chain[0].curve:
        # Offered alone, as sslyze does, a curve is refused for want of that of the certificate.
        mine &= named
    yield "curves", sorted(mine), sorted(named)
    compresses = theirs["tls_compression"]["supports_compression"]
    yield "compression", ours.compression not in ("", "null", "refused"), compresses
    if ours.renegotiation_info is not None:
        secure = theirs["session_renegotiation"]["supports_secure_renegotiation"]
        yield "renegotiation_info", ours.renegotiation_info, secure
    yield from certificates(ours, theirs["certificate_info"]["certificate_deployments"])


def certificates(ours: Inspection, found: list[dict[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """Yield what is known of the certificates."""
    deployed = next(one for one in found if one["received_certificate_chain"])
    chain = deployed["received_certificate_chain"]
    yield "certificates sent", len(ours.chain), len(chain)
    for mine, other in zip(ours.chain, chain, strict=False):
        for fact, member in (("not_before", "not_valid_before"), ("not_after", "not_valid_after")):
            end = datetime.fromisoformat(other[member])
            yield fact, datetime.fromisoformat(getattr(mine, fact)).timestamp(), end.timestamp()
        names = other["subject_alternative_name"]
        yield "names", sorted(mine.names), sorted(names["dns_names"] + names["ip_addresses"])
        yield "key", mine.key_bits, other["public_key"]["key_size"]
    validated = [
        one["was_validation_successful"]
        for one in deployed["path_validation_results"]
        if one["trust_store"]["name"] == "Supplied CA file"
    ]
    # sslyze asks the three questions as one.
    right = bool(ours.trusted and ours.in_time and ours.name_matches)
    yield "trusted, in time and of this name", [right], validated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
