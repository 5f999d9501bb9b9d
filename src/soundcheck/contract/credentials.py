"""Credentials: whose key a request carries, and in which form.

No value of a key stands in a probe, and none but the target's own is ever sent that was not made up
here: what a deployment does with a wrong key is seen without anybody's right one.
"""

import base64
from enum import StrEnum

from soundcheck.http.exchange import Headers

WRONG_KEY = "key-3f9a61c2d07be584a1b6c9d2"
"""A key that nobody has."""

_AUTHORIZATION = "Authorization"


class Credentials(StrEnum):
    """What a request carries in its Authorization header."""

    OWN = ""
    NONE = "none"
    WRONG = "wrong"
    WITHOUT_KEY = "without-key"
    BASIC = "basic"
    LOWER_CASE = "lower-case"


MADE_UP: dict[Credentials, str] = {
    Credentials.WRONG: f"Bearer {WRONG_KEY}",
    Credentials.WITHOUT_KEY: "Bearer",
    Credentials.BASIC: "Basic " + base64.b64encode(f"soundcheck:{WRONG_KEY}".encode()).decode(),
}
"""The headers that hold no secret, and may stand in reports."""


def headers_of(credentials: Credentials, key: str | None) -> Headers:
    """Return the header for ``credentials``; ``key`` is the target's own, if it has one."""
    if credentials is Credentials.NONE or (key is None and credentials not in MADE_UP):
        return ()
    if credentials in MADE_UP:
        return ((_AUTHORIZATION, MADE_UP[credentials]),)
    scheme = "bearer" if credentials is Credentials.LOWER_CASE else "Bearer"
    return ((_AUTHORIZATION, f"{scheme} {key}"),)
