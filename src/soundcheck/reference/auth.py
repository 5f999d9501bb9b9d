"""Bearer keys: checked before anything of the body is read."""

import hmac

from soundcheck.reference.refusal import Kind, Refusal


def check_key(header: str | None, key: str | None) -> None:
    """Raise Refusal unless ``header`` (Authorization) carries ``key``; no key: everyone may.

    The scheme may be written in any case. What the client sent is not repeated in the message.
    """
    if key is None:
        return
    if not header:
        raise Refusal(
            Kind.UNAUTHORIZED, "You didn't provide an API key: send Authorization: Bearer KEY."
        )
    scheme, _, given = header.partition(" ")
    # Compared in constant time, so the key cannot be guessed letter by letter.
    same = hmac.compare_digest(given.strip().encode(), key.encode())
    if not (same and scheme.lower() == "bearer"):
        raise Refusal(Kind.UNAUTHORIZED, "Incorrect API key provided.")
