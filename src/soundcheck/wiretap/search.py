"""Searching bytes for canaries, however they are written, in one pass and linear time.

A canary is written in every encoding first. Each of these patterns has at least 15 bytes, so
wherever it occurs, one of the first eight of its 8-byte words lies at a multiple of eight. Words at
such places are all that is looked at, by numpy: through a table of what their products with a
constant may be, then exactly. So the time does not depend on how many canaries there are.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

import numpy as np
from numpy.typing import NDArray

from soundcheck.contract.canary import Canary

BLOCK = 2**18
"""Bytes that are searched at a time: what numpy makes of them stays in the processor's cache."""

WINDOW, STEP = 32, 16
"""Of a long canary, pieces of WINDOW units are searched for, one each STEP."""

LEAST_DISTINCT = 4
"""Different bytes that a piece must have: silence, say, is found wherever nothing is said."""

_WORD, _FIRST = 8, 15
_CONSTANT = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads products evenly
_BEFORE, _AROUND = 16, 64


class Pattern(NamedTuple):
    """A piece of a canary as it is written in one encoding."""

    what: str
    encoding: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern that occurs: at which byte, and the bytes ``around`` it from ``around_start``."""

    what: str
    encoding: str
    offset: int
    around: bytes
    around_start: int


def patterns(canary: Canary) -> Iterator[Pattern]:
    """Yield the pieces of ``canary`` in every encoding, each way of writing them once."""
    for piece in _pieces(canary.data):
        seen = set()
        for encoding, data in _written(piece):
            if data and data not in seen:
                seen.add(data)
                yield Pattern(canary.what, encoding, data)


class Search:
    """A search for ``canaries``, made once and used for many bodies."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        found = dict.fromkeys(chain.from_iterable(map(patterns, canaries)))
        self._short = [one for one in found if len(one.data) < _FIRST]
        self._long = [one for one in found if len(one.data) >= _FIRST]
        self._overlap = max((len(one.data) for one in found), default=0) + _AROUND
        first = b"".join(one.data[:_FIRST] for one in self._long)
        rows = np.frombuffer(first, np.uint8).reshape(len(self._long), _FIRST)
        windows = np.lib.stride_tricks.sliding_window_view(rows, _WORD, axis=1)
        words = np.ascontiguousarray(windows).view("<u8").reshape(-1)
        self._keys, which = np.unique(words, return_inverse=True)
        self._of: dict[int, list[int]] = defaultdict(list)
        for place, key in enumerate(which.reshape(-1).tolist()):
            self._of[key].append(place)
        bits = min(22, max(16, int(len(self._keys) * 32).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(2**bits, np.bool_)
        self._table[self._slots(self._keys)] = True

    def __bool__(self) -> bool:
        """Tell whether there is anything to look for."""
        return bool(self._short or self._long)

    def scan(self, pieces: Iterable[bytes]) -> list[Found]:
        """Return the first occurrence in ``pieces``, taken together, of each canary's encodings."""
        known: dict[tuple[str, str], Found] = {}
        if not self:
            return []
        tail, begin = b"", 0
        for piece in pieces:
            for at in range(0, len(piece), BLOCK):
                block = tail + piece[at : at + BLOCK]
                for pattern, offset in self._within(block):
                    key = pattern[:2]
                    if key not in known or begin + offset < known[key].offset:
                        start = max(0, offset - _BEFORE)
                        around = block[start : start + _AROUND]
                        known[key] = Found(*key, begin + offset, around, begin + start)
                kept = block[-self._overlap :]
                begin += len(block) - len(kept)
                tail = kept
        return sorted(known.values(), key=lambda one: one.offset)

    def _slots(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        slots: NDArray[np.uint64] = (words * _CONSTANT) >> self._shift
        return slots

    def _within(self, block: bytes) -> Iterator[tuple[Pattern, int]]:
        for pattern in self._short:
            if (offset := block.find(pattern.data)) >= 0:
                yield pattern, offset
        words = np.frombuffer(block, "<u8", count=len(block) // _WORD)
        likely = np.flatnonzero(self._table[self._slots(words)])
        if not len(likely):
            return
        keys = np.searchsorted(self._keys, words[likely])
        keys[keys == len(self._keys)] = 0
        sure = self._keys[keys] == words[likely]
        if not sure.any():
            return
        data = np.frombuffer(block, np.uint8)
        places, keys = likely[sure] * _WORD, keys[sure]
        for key in np.unique(keys).tolist():
            there = places[keys == key]
            for number in self._of[key]:
                index, shift = divmod(number, _FIRST - _WORD + 1)
                pattern = self._long[index]
                place = _first(data, there - shift, pattern.data)
                if place is not None:
                    yield pattern, place


def _first(data: NDArray[np.uint8], starts: NDArray[np.intp], pattern: bytes) -> int | None:
    """Return the first of ``starts`` at which ``pattern`` stands."""
    starts = starts[(starts >= 0) & (starts + len(pattern) <= len(data))]
    for place in reversed(range(len(pattern))):
        if not len(starts):
            return None
        starts = starts[data[starts + place] == pattern[place]]
    return int(starts[0]) if len(starts) else None


def _pieces(data: bytes) -> list[bytes]:
    """Return the pieces of a canary: texts are cut between characters."""
    try:
        units: Any = data.decode("utf-8")
    except UnicodeDecodeError:
        units = data
    starts = range(0, max(1, len(units) - WINDOW + 1), STEP) if len(units) > WINDOW + STEP else ()
    cut = [units[start : start + WINDOW] for start in starts] or [units]
    if starts:
        cut.append(units[-WINDOW:])
    pieces = [one.encode() if isinstance(one, str) else one for one in cut]
    return [one for one in pieces if len(set(one)) >= min(LEAST_DISTINCT, len(set(data)))]


def _written(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "raw", data
    for shift in range(3):
        # The characters that depend on nothing but the canary's own bits.
        whole = base64.b64encode(b"\0" * shift + data)
        own = whole[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
        yield "base64", own
        yield "base64url", own.translate(bytes.maketrans(b"+/", b"-_"))
    yield "hex", data.hex().encode()
    yield "hex", data.hex().upper().encode()
    quoted = quote_from_bytes(data, safe="")
    for way in (quoted, quoted.replace("%20", "+"), quote_from_bytes(data, safe="/")):
        yield "URL-encoded", way.encode()
        yield "URL-encoded", _lower(way, "%", 2).encode()
    for form in ("%%%02X", "%%%02x"):
        yield "URL-encoded", "".join(form % byte for byte in data).encode()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    escaped = json.dumps(text)[1:-1]
    yield "JSON-escaped", escaped.encode()
    yield "JSON-escaped", _upper_escapes(escaped).encode()
    yield "JSON-escaped", json.dumps(text, ensure_ascii=False)[1:-1].encode()
    yield "JSON-escaped", escaped.replace("/", "\\/").encode()
    yield "UTF-16", text.encode("utf-16-le")
    yield "UTF-16", text.encode("utf-16-be")


def _lower(text: str, mark: str, digits: int) -> str:
    first, *rest = text.split(mark)
    return mark.join([first, *(one[:digits].lower() + one[digits:] for one in rest)])


def _upper_escapes(text: str) -> str:
    """Return JSON text with capital digits in its escapes."""
    parts = text.split("\\\\")  # an escaped backslash begins no other escape
    return "\\\\".join(
        "\\u".join([first, *(one[:4].upper() + one[4:] for one in rest)])
        for first, *rest in (part.split("\\u") for part in parts)
    )
