"""One reading of a page of metrics over HTTP, bounded in time and size."""

import socket
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

from soundcheck.errors import SoundcheckError

MOST_BYTES = 16 * 2**20
SECONDS = 3.0
_CHUNK = 2**16


class WrongMetricsUrl(SoundcheckError):
    """A metrics URL that cannot be meant."""


class NotRead(Exception):
    """A page that could not be had; the message says why, in a few words."""


def checked(url: str) -> str:
    """Return a metrics URL, ``/metrics`` where it has no path; raises WrongMetricsUrl."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WrongMetricsUrl(f"{url!r} is no URL.") from None
    if parts.username is not None or parts.password is not None:
        raise WrongMetricsUrl("A metrics URL cannot hold a user or a password.")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise WrongMetricsUrl(f"{url!r} is no URL of metrics: http://HOST:PORT/metrics.")
    if any(ord(one) <= 32 or ord(one) > 126 for one in url):
        raise WrongMetricsUrl(f"{url!r} has a character that no URL has.")
    return urlunsplit(parts._replace(path=parts.path or "/metrics", fragment=""))


def shown(url: str) -> str:
    """Return a URL as it may be printed: a query can hold a token."""
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def fetch(url: str, roots: Path | None = None, seconds: float = SECONDS) -> str:
    """Return the page at ``url``; raises NotRead. HTTPS trusts ``roots`` (PEM) as well."""
    deadline = time.monotonic() + seconds
    connection = _connection(urlsplit(url), roots, seconds)
    try:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", path, headers={"Accept": "text/plain;version=0.0.4"})
        response = connection.getresponse()
        if response.status != 200:
            raise NotRead(f"HTTP status {response.status}")
        body = bytearray()
        while piece := response.read1(_CHUNK):
            body += piece
            if len(body) > MOST_BYTES:
                raise NotRead(f"more than {MOST_BYTES // 2**20} MiB")
            if time.monotonic() > deadline:
                raise NotRead("too slow")
        if response.length:
            raise NotRead("the answer broke off")
    except TimeoutError:
        raise NotRead("no answer in time") from None
    except ssl.SSLError as error:
        raise NotRead(f"TLS: {error.reason or 'failed'}") from None
    except socket.gaierror:
        raise NotRead("the host is unknown") from None
    except OSError as error:
        raise NotRead((error.strerror or "the connection was closed").lower()) from None
    except (HTTPException, ValueError):
        raise NotRead("an answer that is not HTTP") from None
    finally:
        connection.close()
    return body.decode("utf-8", "replace")


def _connection(parts: SplitResult, roots: Path | None, seconds: float) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=seconds)
    try:
        context = ssl.create_default_context()
        if roots is not None:
            context.load_verify_locations(roots)
    except OSError:
        raise NotRead("the roots cannot be read") from None
    return HTTPSConnection(host, parts.port, timeout=seconds, context=context)
