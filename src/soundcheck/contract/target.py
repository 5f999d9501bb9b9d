"""The target: where the deployment is and how to reach it."""

import os
from dataclasses import dataclass

import httpx

from soundcheck.errors import SoundcheckError


@dataclass(frozen=True, slots=True)
class Target:
    """One deployment: its base URL (normally ending in ``/v1``), and the key's variable.

    ``timeout`` is the limit in seconds on each exchange. Raises :class:`SoundcheckError` for a URL
    or key that no request could be sent with, before anything is done; the message never holds
    the key.
    """

    base_url: str
    model: str | None = None
    api_key_env: str | None = None
    timeout: float = 120.0

    def __post_init__(self) -> None:
        """Refuse what no request could be sent to, or what would put a secret into reports."""
        self._check_url()
        if self.api_key_env is None:
            return
        if not self.api_key_env.isidentifier():
            raise SoundcheckError(
                "--api-key-env takes the name of an environment variable, never the key itself"
            )
        key = os.environ.get(self.api_key_env)
        if not key:
            raise SoundcheckError(f"the environment variable {self.api_key_env} is not set")
        if not all("!" <= character <= "~" for character in key):
            raise SoundcheckError(
                f"the key in {self.api_key_env} holds a space, a line end or another character "
                "that no header can carry; was it read from a file with a line end?"
            )

    def _check_url(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except (httpx.InvalidURL, ValueError) as error:
            raise SoundcheckError(f"{self.base_url!r} is not a URL: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise SoundcheckError(
                f"{self.base_url!r} is not an http(s) URL; give the base of the API, "
                "for example http://localhost:8000/v1"
            )
        if url.userinfo:
            raise SoundcheckError(
                "the URL holds a user name or password; put the key into an environment variable "
                "and name it with --api-key-env"
            )
        if url.query or url.fragment:
            raise SoundcheckError("give the base URL without a query (?…) or fragment (#…)")

    @property
    def key(self) -> str | None:
        """Return the key from the environment, never stored."""
        return os.environ[self.api_key_env] if self.api_key_env else None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that go with every request."""
        return (("Authorization", f"Bearer {self.key}"),) if self.key else ()
