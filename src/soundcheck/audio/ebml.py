"""EBML elements (RFC 8794), as far as they are needed to move the parts of a WebM file about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

EBML, SEGMENT, SEEK_HEAD, SEEK, SEEK_ID, SEEK_POSITION = (
    bytes.fromhex(one) for one in ("1a45dfa3", "18538067", "114d9b74", "4dbb", "53ab", "53ac")
)
CUES, CUE_POINT, CUE_TRACK_POSITIONS, CUE_CLUSTER_POSITION = (
    bytes.fromhex(one) for one in ("1c53bb6b", "bb", "b7", "f1")
)
CLUSTER, VOID = bytes.fromhex("1f43b675"), bytes.fromhex("ec")
# With sizes and positions always of these lengths, no value changes the length of its element.
_SIZE_BYTES = 8
_POSITION_BYTES = 4


class Element(NamedTuple):
    """An element as it was read: its id, its content, and all its bytes."""

    id: bytes
    content: bytes
    raw: bytes


def elements(data: bytes) -> Iterator[Element]:
    """Yield the elements that ``data`` is made of (all of a known size)."""
    at = 0
    while at < len(data):
        start, at = at, at + _width(data[at])
        identity = data[start:at]
        width = _width(data[at])
        size = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
        at += width
        yield Element(identity, data[at : at + size], data[start : at + size])
        at += size


def _width(first: int) -> int:
    return 9 - first.bit_length()


def head(identity: bytes, size: int) -> bytes:
    """Return the id and the size, which always takes eight bytes, of an element."""
    return identity + (size | 1 << 7 * _SIZE_BYTES).to_bytes(_SIZE_BYTES, "big")


def element(identity: bytes, content: bytes) -> bytes:
    """Return a whole element."""
    return head(identity, len(content)) + content


def seek_head(positions: Mapping[bytes, int]) -> bytes:
    """Return a SeekHead: at which byte of the segment's content the elements of an id begin."""
    return element(
        SEEK_HEAD,
        b"".join(
            element(SEEK, element(SEEK_ID, identity) + element(SEEK_POSITION, _position(position)))
            for identity, position in positions.items()
        ),
    )


def moved_cues(cues: bytes, by: int) -> bytes:
    """Return the content of Cues, each cluster's position greater by ``by`` bytes."""
    out = []
    for identity, content, _ in elements(cues):
        if identity in (CUE_POINT, CUE_TRACK_POSITIONS):
            content = moved_cues(content, by)
        elif identity == CUE_CLUSTER_POSITION:
            content = _position(int.from_bytes(content, "big") + by)
        out.append(element(identity, content))
    return b"".join(out)


def _position(value: int) -> bytes:
    return value.to_bytes(_POSITION_BYTES, "big")
