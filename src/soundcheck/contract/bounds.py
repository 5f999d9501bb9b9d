"""Bounds: how far a text or a time may be off, where no document says so.

They are defaults, which a profile's table ``[bounds]`` replaces one by one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bounds:
    """Word error rates (0 to 1), words and seconds that are still good.

    ``calibration``: above it the synthetic voices are not understood, and nothing is concluded from
    how badly. ``english``, ``other_languages``, ``long_speech``: against what was really said.
    ``same_transcript``: two answers to the same audio; ``same_speech``: the same speech in another
    file, ``narrowband`` at 8 kHz, ``joined`` two recordings in one. ``words_in_silence`` and
    ``words_in_noise``: per answer. ``drift_s``: a time against the true one; ``shift_s``: against
    that in another answer.
    """

    calibration: float = 0.30
    english: float = 0.15
    other_languages: float = 0.25
    long_speech: float = 0.20
    same_transcript: float = 0.02
    same_speech: float = 0.05
    narrowband: float = 0.15
    joined: float = 0.10
    words_in_silence: int = 5
    words_in_noise: int = 50
    drift_s: float = 1.0
    shift_s: float = 0.3

    def to_data(self) -> dict[str, float]:
        """Return the bounds as a profile's table has them."""
        return asdict(self)

    @classmethod
    def from_data(cls, table: Mapping[str, Any]) -> "Bounds":
        """Return the bounds that ``table``, which keeps :data:`SCHEMA`, gives; else the usual."""
        return cls(**table)


def _schema(name: str, default: float) -> dict[str, Any]:
    if isinstance(default, int):
        return {"type": "integer", "minimum": 0, "maximum": 10_000}
    largest = 60 if name.endswith("_s") else 1
    return {"type": "number", "minimum": 0, "maximum": largest}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: _schema(name, default) for name, default in Bounds().to_data().items()},
}
"""What a table of bounds may hold."""
