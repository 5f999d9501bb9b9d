"""Secrets: they come from environment variables, and must be known in whatever form they return."""

import os
from urllib.parse import quote, quote_plus

from soundcheck.errors import SoundcheckError


def read_variable(name: str) -> str:
    """Return the value of the environment variable ``name``.

    Raises SoundcheckError where none is set. What is no name may be the secret itself, so the
    message does not repeat it.
    """
    if not name.isidentifier():
        raise SoundcheckError(
            f"{name[:3]}… is no name of an environment variable: name the variable, never give the "
            "secret itself"
        )
    value = os.environ.get(name)
    if not value:
        raise SoundcheckError(f"the environment variable {name} is not set, or empty")
    return value


def in_urls(secret: str) -> tuple[str, ...]:
    """Return how ``secret`` may be spelled in a URL: in its path, and in its query."""
    whole = secret.encode("utf-8", "replace")
    return (quote(whole), quote(whole, safe=""), quote_plus(whole))
