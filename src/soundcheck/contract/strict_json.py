"""JSON values: read strictly, and shown shortly."""

import json
from collections import Counter
from typing import Any


def strict_json(text: str) -> Any:
    """Return the JSON value of ``text`` (RFC 8259): no NaN or Infinity, no duplicate member.

    Raises ``ValueError`` with the reason.
    """
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def shown(value: object, limit: int = 80) -> str:
    """Return a JSON value as it was sent, shortened: for messages about what is wrong with it."""
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(_cut(value, limit)):
        text += piece  # piece by piece, since the value may be huge or nested deeply
        if len(text) > limit:
            text = text[: limit - 1] + "…"
            break
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # halves of surrogate pairs


def _integer(digits: str) -> int | float:
    """Read a whole number: one that no double holds becomes infinite, as 1e999 does."""
    return int(digits) if len(digits) <= 300 else float(digits[:400])


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the member {shown(twice)} occurs twice")
    return members


def _cut(value: object, limit: int) -> object:
    return value[: limit + 1] if isinstance(value, str) else value
