"""Header fields of a message, in order and with repetitions."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]


def pairs(fields: Iterable[Sequence[str]]) -> Headers:
    """Return header fields as a JSON document holds them, as a tuple of pairs again."""
    return tuple((name, value) for name, value in fields)
