"""Ogg pages (RFC 3533): reading them, and writing a packet of mostly zeros into so many bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from soundcheck.audio.pieces import Piece, Zeros

_HEAD = struct.Struct("<4sBBqIIIB")
CONTINUED = 1
MOST_SEGMENTS = 255
LONGEST_SEGMENT = 255
_LONGEST_BODY = MOST_SEGMENTS * LONGEST_SEGMENT
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``lacing`` holds the lengths of the segments that ``body`` is made of."""

    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes
    body: bytes

    def encoded(self) -> bytes:
        """Return the page with its checksum."""
        head = _head(self.flags, self.granule, self.serial, self.number, self.lacing, 0)
        crc = _finished(_more(self.body, _more(head, _START)))
        return (
            _head(self.flags, self.granule, self.serial, self.number, self.lacing, crc) + self.body
        )

    def numbered(self, number: int) -> Page:
        """Return the page with another number."""
        return replace(self, number=number)

    def __len__(self) -> int:
        return _HEAD.size + len(self.lacing) + len(self.body)


def pages(data: bytes) -> Iterator[Page]:
    """Yield the pages of a file. Raises ValueError where no page begins."""
    at = 0
    while at < len(data):
        magic, _, flags, granule, serial, number, _, count = _HEAD.unpack_from(data, at)
        if magic != b"OggS":
            raise ValueError(f"no Ogg page at byte {at}")
        at += _HEAD.size
        lacing = data[at : at + count]
        at += count
        body = data[at : at + sum(lacing)]
        at += len(body)
        yield Page(flags, granule, serial, number, lacing, body)


def packets(some: list[Page]) -> list[bytes]:
    """Return the packets that end in ``some`` consecutive pages, the first page beginning one."""
    found: list[bytes] = []
    begun = b""
    for page in some:
        at = 0
        for length in page.lacing:
            begun += page.body[at : at + length]
            at += length
            if length < LONGEST_SEGMENT:
                found.append(begun)
                begun = b""
    return found


def packet_size(length: int) -> tuple[int, int]:
    """Return ``(size, pages)`` of a packet of ``length`` in the fewest pages of its own."""
    segments = length // LONGEST_SEGMENT + 1
    count = -(-segments // MOST_SEGMENTS)
    return length + segments + count * _HEAD.size, count


def packet_length(size: int) -> tuple[int, int]:
    """Return ``(length, pages)`` of a packet that takes ``size`` bytes in so many pages of its own.

    A packet takes a byte more for every 255 of its own, so one size in 256 cannot be had; one page
    more than needed, which is 27 bytes more, jumps over the gap. Raises ValueError when ``size`` is
    too small for that.
    """
    least = -(-size // (_HEAD.size + MOST_SEGMENTS + _LONGEST_BODY))
    for count in (least, least + 1, least + 2):
        full, rest = divmod(size - count * _HEAD.size, LONGEST_SEGMENT + 1)
        if rest and full >= 0 and count <= full + 1 <= count * MOST_SEGMENTS:
            return full * LONGEST_SEGMENT + rest - 1, count
    raise ValueError(f"no packet takes {size} bytes")


def packet_pages(
    head: bytes, zeros: int, tail: bytes, *, count: int, serial: int, first: int
) -> Iterator[Piece]:
    """Yield the ``count`` pages of one header packet: ``head``, ``zeros`` zero bytes, ``tail``.

    They are numbered from ``first`` on. Pages are as full as they can be while each page after them
    still gets a segment. Raises ValueError when the packet does not fit into ``count`` pages.
    """
    length = len(head) + zeros + len(tail)
    segments = length // LONGEST_SEGMENT + 1
    if not count <= segments <= count * MOST_SEGMENTS:
        raise ValueError(f"a packet of {length} bytes does not make {count} pages")
    at = 0
    for index in range(count):
        others = count - index - 1
        mine = min(MOST_SEGMENTS, segments - others)
        segments -= mine
        size = mine * LONGEST_SEGMENT if others else length - at
        lacing = bytes([LONGEST_SEGMENT]) * mine
        if not others:
            lacing = lacing[:-1] + bytes([length % LONGEST_SEGMENT])
        # On a page that ends no packet, the granule position is -1.
        granule = -1 if others else 0
        flags = CONTINUED if index else 0
        parts = _slice(head, zeros, tail, at, at + size)
        at += size
        crc = _more(_head(flags, granule, serial, first + index, lacing, 0), _START)
        for part in parts:
            crc = _more(part, crc) if isinstance(part, bytes) else _more_zeros(part.count, crc)
        yield _head(flags, granule, serial, first + index, lacing, _finished(crc))
        yield from parts


def _slice(head: bytes, zeros: int, tail: bytes, start: int, end: int) -> list[Piece]:
    """Return the bytes from ``start`` to ``end`` of ``head``, ``zeros`` zero bytes and ``tail``."""
    behind = len(head) + zeros
    middle = min(end, behind) - max(start, len(head))
    parts: list[Piece] = [head[start:end]]
    if middle > 0:
        parts.append(Zeros(middle))
    parts.append(tail[max(0, start - behind) : max(0, end - behind)])
    return [part for part in parts if len(part)]


def _head(
    flags: int, granule: int, serial: int, number: int, lacing: bytes, checksum: int
) -> bytes:
    return _HEAD.pack(b"OggS", 0, flags, granule, serial, number, checksum, len(lacing)) + lacing


# Ogg's CRC has zlib's polynomial with the bits the other way round, begins with 0 and is not
# inverted: zlib computes it from reversed bits.
_START = 0xFFFFFFFF


def _more(data: bytes, crc: int) -> int:
    return zlib.crc32(data.translate(_REVERSED), crc)


def _more_zeros(count: int, crc: int) -> int:
    return zlib.crc32(bytes(count), crc)  # reversed, they are the same


def _finished(crc: int) -> int:
    return int(f"{crc ^ 0xFFFFFFFF:032b}"[::-1], 2)
