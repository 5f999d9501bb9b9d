"""Why a deployment was not reached, in words that a user can act on."""

import re

import httpx

from soundcheck.http.access import Access
from soundcheck.http.exchange import TransportError


def in_words(text: str) -> str:
    """Return an error's text without its number and the place in OpenSSL's source."""
    return re.sub(r"^\[(SSL|Errno)[^]]*\] | \(_ssl\.c:\d+\)$", "", text)


def explained(base_url: str, error: TransportError, access: Access) -> str:
    """Return why nothing was answered at ``base_url``, and what may be done about it."""
    said = in_words(error.message)
    proxy = access.proxy_of(base_url)
    if proxy is not None:
        return f"{base_url}: {said} (by way of the proxy {_place(proxy)})"
    url = httpx.URL(base_url)
    if "WRONG_VERSION_NUMBER" in error.message:
        plain = url.copy_with(scheme="http", port=url.port or 443)
        return f"{base_url}: {_place(url)} speaks no TLS: is {plain} meant?"
    if "CERTIFICATE_VERIFY_FAILED" in error.message:
        return f"{base_url}: {said}; --tls-roots names certificates to trust"
    if error.kind != "refused":
        return f"{base_url}: {said}"
    if "refused" in said:
        return (
            f"{base_url}: nothing listens at {_place(url)} ({said}): is the deployment running, "
            "and is that its port?"
        )
    if re.match(r"\[Errno -\d+\]", error.message):  # getaddrinfo's errors have negative numbers
        return f"{base_url}: there is no address of {url.host} ({said}): is the name right?"
    return f"{base_url}: no connection to {_place(url)} ({said})"


def _place(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"
