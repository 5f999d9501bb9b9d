"""The target: where the deployment is and how to reach it."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from soundcheck.errors import SoundcheckError


@dataclass(frozen=True, slots=True)
class Target:
    """One deployment: its base URL (normally ending in ``/v1``), and the key's variable."""

    base_url: str
    model: str | None = None
    api_key_env: str | None = None
    timeout: float = 120.0

    def __post_init__(self) -> None:
        """Refuse what no request could be sent to, before anything is done."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SoundcheckError(
                f"{self.base_url!r} is not an http(s) URL; give the base of the API, "
                "for example http://localhost:8000/v1"
            )
        if parts.username or parts.password:
            raise SoundcheckError(
                "the URL holds a user name or password; put the key into an environment variable "
                "and name it with --api-key-env"
            )
        if self.api_key_env and not os.environ.get(self.api_key_env):
            raise SoundcheckError(f"the environment variable {self.api_key_env} is not set")

    @property
    def key(self) -> str | None:
        """Return the key from the environment, never stored."""
        return os.environ[self.api_key_env] if self.api_key_env else None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that go with every request."""
        return (("Authorization", f"Bearer {self.key}"),) if self.key else ()
