"""The target: where the deployment is and how to reach it."""

import base64
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

import httpx

from soundcheck.errors import SoundcheckError
from soundcheck.http.access import Access
from soundcheck.http.secrets import in_urls, read_variable

LONGEST_TIMEOUT = 86_400.0
"""Seconds that an exchange may be waited for at most: the system's clocks take no number at all."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Unusable(SoundcheckError):
    """What no request can be sent with; ``part`` is where soundcheck.toml would have it."""

    def __init__(self, message: str, *part: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that stands in the environment variable ``name``, and is a secret."""

    name: str

    def read(self) -> str:
        """Return the value; raises :class:`SoundcheckError` where none is set."""
        return read_variable(self.name)


Value: TypeAlias = str | Variable


@dataclass(frozen=True, slots=True)
class Way:
    """What a target says of the way to it, beside its URL, key and roots.

    ``name`` is what the target is called; ``headers`` and ``query`` go with every request;
    ``client_cert`` and ``client_key`` (PEM) are shown to servers that ask for them; ``proxy`` is an
    HTTP proxy's URL, ``""`` for that of the environment.
    """

    name: str | None = None
    headers: tuple[tuple[str, Value], ...] = ()
    query: tuple[tuple[str, Value], ...] = ()
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: Value = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One deployment: its base URL (normally ending in ``/v1``), and the key's variable.

    ``timeout`` is the limit in seconds on each exchange; ``roots`` (PEM) are trusted beside the
    system's. Raises :class:`SoundcheckError` for a URL, key or certificate that no request could
    be sent with, before anything is done (:class:`Unusable` where that stands in one place); the
    message never holds a secret.
    """

    base_url: str
    model: str | None = None
    api_key_env: str | None = None
    timeout: float = 120.0
    roots: Path | None = None
    way: Way = field(default_factory=Way)

    def __post_init__(self) -> None:
        """Refuse what no request could be sent to, or what would put a secret into reports."""
        self._check_url()
        for name, value in self.headers:
            if not _HEADER_NAME.fullmatch(name):
                raise Unusable(f"{name!r} cannot be the name of a header", "headers", name)
            if not all(" " <= one <= "~" for one in value) or value != value.strip():
                raise Unusable(
                    f"the value of the header {name} holds a line end or another character that no "
                    "header can carry",
                    "headers",
                    name,
                )
        self._check_proxy()
        self._check_certificates()

    def _check_url(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except (httpx.InvalidURL, ValueError) as error:
            why = "" if "@" in self.base_url else f": {error}"  # which may quote a password
            raise Unusable(f"{_bare(self.base_url)!r} is not a URL{why}", "base_url") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise Unusable(
                f"{_bare(self.base_url)!r} is not an http(s) URL; give the base of the API, "
                "for example http://localhost:8000/v1",
                "base_url",
            )
        if url.port is not None and not 0 < url.port < 2**16:
            raise Unusable(f"there is no port {url.port}: ports are from 1 to 65535", "base_url")
        if url.userinfo:
            raise Unusable(
                "the URL holds a user name or password; put the key into an environment variable "
                "and name it with --api-key-env",
                "base_url",
            )
        if url.query or url.fragment:
            raise Unusable(
                "give the base URL without a query (?…) or fragment (#…): what every request needs "
                "in its query (Azure's api-version) stands in soundcheck.toml as query = { … }",
                "base_url",
            )

    def _check_proxy(self) -> None:
        proxy = self.access.proxy
        if not proxy:
            return
        try:
            url = httpx.URL(proxy)
            usable = url.scheme == "http" and bool(url.host) and url.path in ("", "/")
        except (httpx.InvalidURL, ValueError):
            usable = False
        if not usable:
            raise Unusable("the proxy must be an HTTP proxy's URL, as http://HOST:PORT", "proxy")

    def _check_certificates(self) -> None:
        """Read the certificates and keys, each by itself: OpenSSL does not tell which was wrong."""
        access = self.access
        named = {
            "tls_roots": access.roots,
            "client_cert": access.certificate,
            "client_key": access.key,
        }
        for part, path in named.items():
            try:
                if path is not None:
                    path.read_bytes()
            except OSError as error:
                raise Unusable(f"{path}: cannot be read: {error.strerror}", part) from None
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if access.roots is not None:
                tls.load_verify_locations(access.roots)
        except ssl.SSLError:
            raise Unusable(f"{access.roots}: holds no certificates (PEM)", "tls_roots") from None
        try:
            access.show_certificate(tls)
        except ssl.SSLError:
            raise Unusable(
                f"{access.certificate}: no certificate and key (PEM), or the key is another's",
                "client_cert",
            ) from None
        try:
            access.tls(self.base_url)
        except (OSError, ssl.SSLError) as error:
            raise SoundcheckError(f"the system's certificates cannot be read: {error}") from None

    @property
    def key(self) -> str | None:
        """Return the key from the environment, never stored."""
        if self.api_key_env is None:
            return None
        if not self.api_key_env.isidentifier():
            raise SoundcheckError(
                "--api-key-env takes the name of an environment variable, never the key itself"
            )
        key = Variable(self.api_key_env).read()
        if not all("!" <= character <= "~" for character in key):
            raise SoundcheckError(
                f"the key in {self.api_key_env} holds a space, a line end or another character "
                "that no header can carry; was it read from a file with a line end?"
            )
        return key

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Return the names of the variables whose secrets go with every request."""
        named = [value.name for _, value in self.way.headers if isinstance(value, Variable)]
        return (*([self.api_key_env] if self.api_key_env else []), *named)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that go with every request."""
        own = ((("Authorization", f"Bearer {self.key}"),)) if self.key else ()
        return own + tuple((name, _read(value)) for name, value in self.way.headers)

    @property
    def access(self) -> Access:
        """Return the way to the deployment beside its URL and headers."""
        return Access(
            query=tuple((name, _read(value)) for name, value in self.way.query),
            roots=self.roots,
            certificate=self.way.client_cert,
            key=self.way.client_key,
            proxy=_read(self.way.proxy),
        )

    @property
    def secret_headers(self) -> frozenset[str]:
        """Return the names, in lower case, of the headers whose values are secrets."""
        return frozenset(n.lower() for n, value in self.way.headers if isinstance(value, Variable))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what must never be written, in every form in which it may come along."""
        return tuple(dict.fromkeys(filter(None, self._secrets())))

    def _secrets(self) -> Iterator[str]:
        yield self.key or ""
        for _, value in (*self.way.headers, *self.way.query):
            if isinstance(value, Variable):
                secret = value.read()
                yield from (secret, *in_urls(secret))
        for proxy in (_read(self.way.proxy), *getproxies().values()):
            login = urlsplit(proxy).netloc.rpartition("@")[0]
            if login:
                password = login.partition(":")[2]
                basic = base64.b64encode(unquote(login).encode()).decode()
                yield from (login, unquote(login), password, unquote(password), basic)


def _read(value: Value) -> str:
    return value.read() if isinstance(value, Variable) else value


def _bare(url: str) -> str:
    """Return what is taken for a URL without what may be secret in it: a login, and a query."""
    _, login, place = url.rpartition("@")
    return ("…@" if login else "") + re.split("[?#]", place, maxsplit=1)[0]
