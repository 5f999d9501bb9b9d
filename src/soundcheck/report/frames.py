"""The frames of a recorded event stream, laid out to be read: when each came and what it held.

For display only. Nothing is judged by this split; the judging parser is :mod:`soundcheck.http`'s,
and so a stream that it refuses can still be looked at here.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from soundcheck.report.wording import duration, plural

_FIRST_SHOWN, _LAST_SHOWN = 24, 12  # frames of a long stream
_DATA_SHOWN, _DATA_END = 320, 60  # characters of one frame, and those of its end among them
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r){2}")  # atomic: CR LF is one end of a line, never two
_DATA_FIELD = re.compile(r"^data:? ?", re.MULTILINE)
_OTHER_FIELD = re.compile(r"^(?!data(:|$))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: ``at`` (seconds after the exchange began) is when its last byte came.

    ``gap`` is the time since the frame before, and ``data`` its text, cut in the middle. A frame
    that is not ``ended`` is what the stream broke off in.
    """

    number: int
    at: float | None
    gap: float | None
    data: str
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Frames:
    """A stream's frames: all of them, or the ``first`` and the ``last``.

    ``summary`` tells their number and pace, ``omitted`` what is left out between, and ``longest``
    is the number of the frame with the longest gap before it, 0 if none is.
    """

    total: int
    first: tuple[Frame, ...]
    last: tuple[Frame, ...]
    summary: str
    omitted: str
    longest: int


def split_frames(body: bytes, chunks: Sequence[Sequence[float]]) -> Frames:
    """Return the frames of ``body``, which came in ``chunks`` of (seconds, bytes)."""
    spans = _spans(body)
    ends = list(accumulate(int(length) for _, length in chunks))
    times = _arrivals(spans, ends, [float(at) for at, _ in chunks])
    gaps = [None, *(max(0.0, after - before) for before, after in pairwise(times))]
    longest = 1 + max(range(len(gaps)), key=lambda index: gaps[index] or 0.0)
    told = [f"{plural(len(spans), 'frame')} in {plural(len(chunks), 'chunk')}"]
    if times:
        told.append(f"the first after {duration(times[0])}")
    if gap := gaps[longest - 1]:
        told.append(f"the longest gap {duration(gap)} before frame {longest}")
    if ends and ends[-1] != len(body):
        # Such as a secret that was taken out: it has moved what stands behind it.
        told.append("times are approximate: the body was changed when it was recorded")

    def frame(index: int) -> Frame:
        start, end, ended = spans[index]
        at, since = (times[index], gaps[index]) if times else (None, None)
        return Frame(index + 1, at, since, _data(body[start:end]), ended)

    total = len(spans)
    hidden = range(_FIRST_SHOWN, total - _LAST_SHOWN)
    return Frames(
        total,
        tuple(frame(index) for index in range(hidden.start if hidden else total)),
        tuple(frame(index) for index in range(hidden.stop, total) if hidden),
        ", ".join(told),
        _omitted(hidden, times) if hidden else "",
        longest if gaps[longest - 1] else 0,
    )


def _omitted(hidden: range, times: list[float]) -> str:
    told = f"{plural(len(hidden), 'more frame')}"
    if not times:
        return told
    return f"{told}, from {times[hidden.start]:.3f} s to {times[hidden.stop - 1]:.3f} s"


def _spans(body: bytes) -> list[tuple[int, int, bool]]:
    """Return start and end of every frame, and whether a blank line ends it."""
    spans, start = [], 0
    for match in _BLANK_LINE.finditer(body):
        if body[start : match.start()].strip():
            spans.append((start, match.end(), True))
        start = match.end()
    if body[start:].strip():
        spans.append((start, len(body), False))
    return spans


def _arrivals(
    spans: Sequence[tuple[int, int, bool]], ends: Sequence[int], times: Sequence[float]
) -> list[float]:
    """Return when each frame's last byte came; nothing where no times were recorded."""
    if not times:
        return []
    return [times[min(bisect_left(ends, end), len(times) - 1)] for _, end, _ in spans]


def _data(frame: bytes) -> str:
    """Return what a frame says: its data alone, or all its lines where it has other fields."""
    text = frame.decode("utf-8", "backslashreplace").strip("\r\n")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not _OTHER_FIELD.search(text):
        text = _DATA_FIELD.sub("", text)
    if len(text) <= _DATA_SHOWN:
        return text
    start = text[: _DATA_SHOWN - _DATA_END]
    return f"{start} … {text[-_DATA_END:]} ({len(text):,} characters)"
