"""Who speaks: segments told apart by the pitch of the voice."""

import math
from collections.abc import Sequence
from statistics import fmean

from soundcheck.reference.transcript import Segment

# Two voices whose median pitches lie closer than this are taken for one (semitones).
SAME_VOICE = 2.0


class Speakers:
    """Labels segments one by one: a known name, else A, B, ... by first appearance.

    ``known`` pairs names with the pitch (Hz) of their voice samples.
    """

    def __init__(self, known: Sequence[tuple[str, float]] = ()) -> None:
        self._known = tuple(known)
        self._found: dict[str, list[float]] = {}

    def label(self, segment: Segment) -> str:
        """Return who speaks the next segment."""
        name = _nearest(segment.pitch, self._known)
        if name is not None:
            return name
        heard = [(label, fmean(pitches)) for label, pitches in self._found.items()]
        label = _nearest(segment.pitch, heard) or _letter(len(self._found))
        self._found.setdefault(label, []).append(segment.pitch)
        return label


def speakers(segments: Sequence[Segment], known: Sequence[tuple[str, float]] = ()) -> list[str]:
    """Return a label for each segment, as ``Speakers`` gives them."""
    found = Speakers(known)
    return [found.label(segment) for segment in segments]


def _nearest(pitch: float, voices: Sequence[tuple[str, float]]) -> str | None:
    near = [(distance(pitch, other), name) for name, other in voices]
    near = [pair for pair in near if pair[0] <= SAME_VOICE]
    return min(near)[1] if near else None


def distance(pitch: float, other: float) -> float:
    """Return how far two pitches (Hz) lie apart, in semitones; no pitch is far from any."""
    if pitch <= 0 or other <= 0:
        return 0.0 if pitch == other else math.inf
    return 12 * abs(math.log2(pitch) - math.log2(other))


def _letter(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
