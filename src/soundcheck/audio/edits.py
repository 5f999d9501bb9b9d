"""Edits: small changes to a file's bytes, written in the name of the clip that has them.

``hello~set-40-ffff~cut-900.wav`` is the clip ``hello.wav`` with the bytes at 40 set and then cut
to 900 bytes. In this way a clip that a search came upon can be told, kept and made again.

* ``set-AT-HEX``: the bytes from AT on are HEX, ``add-AT-HEX``: HEX is put in there,
* ``drop-AT-COUNT``: so many bytes are taken out, ``cut-SIZE``: only the first SIZE are left,
* ``length-N-HEX``: the Nth length that the container gives (of a chunk, box, block, page or
  element) is HEX, a number cut to the width of its field; numbers beyond the last begin again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["set", "add", "drop", "cut", "length"]
SIGN = "~"

_ADDED = 65_536
_EDIT = re.compile(
    r"(?P<kind>set|add|length)-(?P<at>[0-9]{1,9})-(?P<hex>([0-9a-f]{2})+)"
    r"|(?P<drop>drop)-(?P<from>[0-9]{1,9})-(?P<count>[0-9]{1,9})"
    r"|(?P<cut>cut)-(?P<size>[0-9]{1,9})"
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: ``kind`` as above, ``at`` a place or number, ``data`` the bytes, or a count."""

    kind: Kind
    at: int = 0
    data: bytes = b""
    count: int = 0

    def __str__(self) -> str:
        """Return the edit as it is written in a name."""
        match self.kind:
            case "drop":
                return f"drop-{self.at}-{self.count}"
            case "cut":
                return f"cut-{self.at}"
        return f"{self.kind}-{self.at}-{self.data.hex()}"


def name_of(clip: str, edits: tuple[Edit, ...]) -> str:
    """Return the name of ``clip`` (NAME.EXT) with ``edits``; without any, its own."""
    stem, _, extension = clip.rpartition(".")
    return f"{SIGN.join([stem, *map(str, edits)])}.{extension}"


def read(name: str) -> tuple[str, tuple[Edit, ...]]:
    """Return the clip that ``name`` is made from, and its edits; raises ValueError."""
    stem, _, extension = name.rpartition(".")
    base, *written = stem.split(SIGN)
    return f"{base}.{extension}", tuple(map(parse, written))


def parse(text: str) -> Edit:
    """Return the edit that is written as ``text``; raises ValueError for what is none."""
    found = _EDIT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no edit")
    if found["cut"]:
        return Edit("cut", int(found["size"]))
    if found["drop"]:
        return Edit("drop", int(found["from"]), count=int(found["count"]))
    data = bytes.fromhex(found["hex"])
    if len(data) > _ADDED:
        raise ValueError(f"an edit has at most {_ADDED} bytes")
    kind: dict[str, Kind] = {"set": "set", "add": "add", "length": "length"}
    return Edit(kind[found["kind"]], int(found["at"]), data)


def edited(data: bytes, edits: tuple[Edit, ...], container: str) -> bytes:
    """Return a file after ``edits``, one after the other; ``container`` tells where lengths are.

    Positions are those of the file before the first edit as far as nothing was put in or taken out;
    what lies beyond the end changes nothing.
    """
    for edit in edits:
        data = _changed(data, edit, container)
    return data


def _changed(data: bytes, edit: Edit, container: str) -> bytes:
    at = min(edit.at, len(data))
    match edit.kind:
        case "cut":
            return data[:at]
        case "drop":
            return data[:at] + data[at + edit.count :]
        case "add":
            return data[:at] + edit.data + data[at:]
        case "set":
            return data[:at] + edit.data[: len(data) - at] + data[at + len(edit.data) :]
    fields = list(lengths(data, container))
    if not fields:
        return data
    start, width, order = fields[edit.at % len(fields)]
    value = int.from_bytes(edit.data, "big") & ((1 << 8 * width) - 1)
    return data[:start] + value.to_bytes(width, order) + data[start + width :]


Order: TypeAlias = Literal["big", "little"]
Length: TypeAlias = tuple[int, int, Order]
"""A length in a file: where it stands, how many bytes it has, and their order."""


def lengths(data: bytes, container: str) -> Iterator[Length]:
    """Yield the lengths that a file gives of its parts, as far as it is in order.

    ``container`` is that of the clip's format; one without lengths has none.
    """
    find = _LENGTHS.get(container)
    if find is not None:
        yield from find(data)


def _riff(data: bytes) -> Iterator[Length]:
    yield 4, 4, "little"
    at = 12
    while at + 8 <= len(data):
        yield at + 4, 4, "little"
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2


_BOXES_OF_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"udta"}


def _mpeg4(data: bytes, at: int = 0, end: int | None = None) -> Iterator[Length]:
    end = len(data) if end is None else min(end, len(data))
    while at + 8 <= end:
        yield at, 4, "big"
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in _BOXES_OF_BOXES:
            yield from _mpeg4(data, at + 8, at + size)
        if size < 8:
            return
        at += size


def _ogg(data: bytes) -> Iterator[Length]:
    at = data.find(b"OggS")
    while 0 <= at < len(data) - 27:
        yield at + 26, 1, "big"
        count = data[at + 26]
        for segment in range(min(count, len(data) - at - 27)):
            yield at + 27 + segment, 1, "big"
        at = data.find(b"OggS", at + 27)


def _flac(data: bytes) -> Iterator[Length]:
    at = 4
    while at + 4 <= len(data):
        yield at + 1, 3, "big"
        if data[at] & 0x80:
            return
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")


_SEGMENT = bytes.fromhex("18538067")


def _webm(data: bytes) -> Iterator[Length]:
    at = 0
    while at < len(data) and data[at]:
        start = at
        at += 9 - data[at].bit_length()
        if at >= len(data) or not data[at]:
            return
        width = 9 - data[at].bit_length()
        yield at, width, "big"
        size = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
        inside = data[start:at] == _SEGMENT
        at += width + (0 if inside else size)


_LENGTHS: dict[str, Callable[[bytes], Iterator[Length]]] = {
    "WAV": _riff,
    "WAVEX": _riff,
    "mp4": _mpeg4,
    "ipod": _mpeg4,
    "ogg": _ogg,
    "OGG": _ogg,
    "FLAC": _flac,
    "webm": _webm,
}
