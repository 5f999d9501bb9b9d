"""The key of the bundled reference: made for one run, and held in the environment meanwhile."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "SOUNDCHECK_REFERENCE_KEY"
"""The environment variable that names it to the run, as a user's does."""


@contextmanager
def own_key() -> Iterator[str]:
    """Yield a random key that ``VARIABLE`` holds until the block is left."""
    before = os.environ.get(VARIABLE)
    key = secrets.token_urlsafe(24)
    os.environ[VARIABLE] = key
    try:
        yield key
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before
