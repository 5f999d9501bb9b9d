"""What a person types so that an encrypting proxy goes through the tap."""

import shlex
from pathlib import Path


def instructions(address: str, roots: Path, upstream: str) -> str:
    """Return the text to print for a tap that listens on ``address`` and leads to ``upstream``.

    ``roots`` is the file that the proxy must take its roots from.
    """
    host, _, port = address.rpartition(":")
    if host in ("0.0.0.0", "[::]"):  # noqa: S104 - recognised, not listened on
        address = f"127.0.0.1:{port}"
    bundle = shlex.quote(str(roots.absolute()))
    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", upstream.rpartition(":")[0]))
    return f"""\
The tap listens on {address} and passes everything on to {upstream}.

Start privatemode-proxy anew, with your own key in key.txt:

    SSL_CERT_FILE={bundle} privatemode-proxy --apiEndpoint {address} --apiKey @key.txt

Or any other encrypting proxy: make https://{address} its API, and this file its roots:

    SSL_CERT_FILE={bundle}        (Go, OpenSSL, Python's ssl and httpx)
    REQUESTS_CA_BUNDLE={bundle}   (Python's requests)
    NODE_EXTRA_CA_CERTS={bundle}  (Node.js)

The certificate is good for {", ".join(names)}.
In a container, mount the file and share the host's network. A proxy reads its roots when it
starts, so it must be started now.

Afterwards: stop that proxy, start yours as usual, and delete {shlex.quote(str(roots.parent))}.
Nothing else was installed, and the key that signed the certificate is gone with the tap."""
