"""How a deployment is reached beside its URL: a query, certificates, a proxy.

Every way of sending (the ordinary client, the raw sender, the inspection of TLS) goes by it.
"""

import base64
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket
from typing import TypeAlias
from urllib.parse import quote, unquote, urlencode
from urllib.request import getproxies, proxy_bypass

import httpx

Dial: TypeAlias = Callable[[tuple[str, int], float], socket]
"""Opens a connection to (host, port) within some seconds; raises ``OSError``."""

_HEAD = 2**14
"""Bytes that a proxy may take to answer CONNECT."""


@dataclass(frozen=True, slots=True)
class Access:
    """What goes with every request to one deployment.

    ``query`` is added to every URL. Certificates of ``roots`` (PEM) are trusted beside the
    system's; ``certificate`` and ``key`` (PEM; without a key the certificate's file holds it) are
    shown where the server asks for them. ``proxy`` (``http://HOST:PORT``, with USER:PASSWORD@ if
    need be) takes the place of the environment's proxies, which are for hosts off this machine.
    """

    query: tuple[tuple[str, str], ...] = ()
    roots: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    proxy: str = ""

    def url(self, base_url: str, path: str) -> str:
        """Return the URL of ``path`` below ``base_url``, with the query on it."""
        url = base_url + path
        if not self.query:
            return url
        return f"{url}{'&' if '?' in path else '?'}{urlencode(self.query, quote_via=quote)}"

    def tls(self, base_url: str) -> ssl.SSLContext:
        """Return settings of TLS for ``base_url``; the system's roots are read only if needed.

        Raises ``OSError`` (also ``ssl.SSLError``) for certificates that cannot be read.
        """
        if httpx.URL(base_url).scheme != "https":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # was it used, it would trust nobody
        tls = httpx.create_ssl_context()
        if self.roots is not None:
            tls.load_verify_locations(self.roots)
        self.show_certificate(tls)
        return tls

    def show_certificate(self, tls: ssl.SSLContext) -> None:
        """Let ``tls`` show the client's certificate, where there is one."""
        if self.certificate is not None:
            # An empty password: without one OpenSSL would ask for it on the terminal.
            tls.load_cert_chain(self.certificate, self.key, password="")

    def proxy_of(self, base_url: str) -> httpx.URL | None:
        """Return the proxy on the way to ``base_url``, named here or by the environment."""
        if self.proxy:
            return httpx.URL(self.proxy)
        url, named = httpx.URL(base_url), getproxies()
        found = named.get(url.scheme) or named.get("all")
        if not found or is_loopback(base_url) or proxy_bypass(url.host):
            return None
        return httpx.URL(found if "://" in found else f"http://{found}")

    def tunnels(self, base_url: str) -> bool:
        """Tell whether what is sent to ``base_url`` arrives as it was sent.

        A proxy passes on what is inside TLS as it is. Plain HTTP it reads and writes anew; and no
        tunnel is made here through a proxy that is itself behind TLS, or no HTTP proxy.
        """
        proxy = self.proxy_of(base_url)
        return proxy is None or (proxy.scheme, httpx.URL(base_url).scheme) == ("http", "https")

    def dial(self, base_url: str) -> Dial:
        """Return what opens connections for ``base_url``: by way of its proxy, if there is one."""
        proxy = self.proxy_of(base_url)
        if proxy is None:
            return create_connection
        return lambda address, timeout: _tunnel(proxy, address, timeout)


DIRECT = Access()


def is_loopback(base_url: str) -> bool:
    """Tell whether ``base_url`` is on this machine, as far as its name says."""
    host = httpx.URL(base_url).host
    return host in ("localhost", "::1") or host.startswith("127.")


def _tunnel(proxy: httpx.URL, address: tuple[str, int], timeout: float) -> socket:
    """Return a connection to ``address`` through ``proxy`` (RFC 9110, section 9.3.6)."""
    end = time.monotonic() + timeout
    host, port = address
    to = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {to} HTTP/1.1", f"Host: {to}"]
    if proxy.userinfo:
        told = unquote(proxy.userinfo.decode()).encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(told).decode()}")
    connection = create_connection((proxy.host, proxy.port or 80), timeout)
    try:
        connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        head = b""
        # Byte by byte: what follows the head belongs to the deployment.
        while not head.endswith(b"\r\n\r\n") and len(head) < _HEAD:
            connection.settimeout(max(0.001, end - time.monotonic()))
            piece = connection.recv(1)
            if not piece:
                break
            head += piece
        status = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
        if len(status) < 2 or not status[1].startswith("2"):
            told_back = " ".join(status[1:])[:80] or "nothing"
            raise ConnectionRefusedError(
                f"the proxy {proxy.host}:{proxy.port or 80} answers {told_back} to CONNECT {to}"
            )
    except BaseException:
        connection.close()
        raise
    connection.settimeout(timeout)
    return connection
