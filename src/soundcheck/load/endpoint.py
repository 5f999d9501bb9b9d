"""Where transcriptions are asked for: the address, and the request's head but for its body."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import httpx

from soundcheck import __version__
from soundcheck.errors import SoundcheckError
from soundcheck.http.secrets import in_urls

PATH = "/audio/transcriptions"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_OURS = {"host", "content-type", "content-length", "transfer-encoding", "connection", "expect"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One deployment's endpoint; ``host`` is ASCII, and an IPv6 address stands without brackets.

    ``head`` is the request's head up to the lines that describe its body. ``secrets`` must not
    show in anything that is told.
    """

    is_secure: bool
    host: str
    port: int
    url: str
    headers: tuple[tuple[str, str], ...]
    head: bytes
    secrets: tuple[str, ...]

    @classmethod
    def of(
        cls,
        base_url: str,
        key: str | None,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
    ) -> "Endpoint":
        """Return the endpoint below ``base_url``; raises SoundcheckError for what cannot be.

        ``query`` goes with every request, as ``headers`` do. Beside the key and ``secrets``,
        their values are taken for secrets, unless they are words short enough to be chance.
        """
        try:
            url = httpx.URL(base_url.rstrip("/") + PATH)
        except (httpx.InvalidURL, UnicodeError, TypeError) as wrong:
            raise SoundcheckError(f"{base_url!r} is no URL: {wrong}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise SoundcheckError(f"{url.copy_with(userinfo=b'')} is no URL of an HTTP server")
        if url.userinfo:
            raise SoundcheckError("a password has no place in the base URL: use a key or a header")
        if url.query or url.fragment:
            raise SoundcheckError("a base URL has no query and no fragment")
        if url.port is not None and not 0 < url.port < 2**16:
            raise SoundcheckError(f"{url} is no URL of an HTTP server: there is no such port")
        if query:
            url = url.copy_with(query=_encoded(query))
        sent = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": f"soundcheck/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        if key:
            sent["Authorization"] = f"Bearer {key}"
        for name, value in headers.items():
            if not _NAME.fullmatch(name) or name.lower() in _OURS:
                raise SoundcheckError(f"{name!r} cannot be a header of the requests")
            for known in [one for one in sent if one.lower() == name.lower()]:
                del sent[known]
            sent[name] = value
        for name, value in sent.items():
            if not _VALUE.fullmatch(value):
                raise SoundcheckError(f"the header {name} has characters that no header can have")
        guessed = filter(_is_long, (*headers.values(), *(query or {}).values()))
        lines = [f"POST {url.raw_path.decode('ascii')} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        return cls(
            is_secure=url.scheme == "https",
            host=url.raw_host.decode("ascii").strip("[]"),
            port=url.port or (443 if url.scheme == "https" else 80),
            url=str(url),
            headers=tuple(sent.items()),
            head=("\r\n".join(lines) + "\r\n").encode("latin-1"),
            secrets=_spellings((key or "", *secrets, *guessed)),
        )


def _encoded(query: Mapping[str, str]) -> bytes:
    try:
        return urlencode(query, quote_via=quote).encode()
    except UnicodeEncodeError:
        raise SoundcheckError("the query has characters that no URL can have") from None


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return ``secrets`` as they are, and as they stand in URLs and in JSON."""
    found: dict[str, None] = {}
    for secret in _parts(secrets):
        escaped = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
        found |= dict.fromkeys((secret, *in_urls(secret), *escaped))
    return tuple(found)


def _parts(secrets: Iterable[str]) -> Iterator[str]:
    """Yield ``secrets`` that are not empty, and of one like ``Bearer KEY`` the key by itself."""
    for secret in filter(None, secrets):
        yield secret
        if key := secret.partition(" ")[2].strip():
            yield key


def _is_long(value: str) -> bool:
    """Tell whether a value may be a secret, and not a word that is part of any message."""
    return len(value) >= 8
