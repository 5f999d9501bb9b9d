"""MPEG-4 boxes (ISO/IEC 14496-12): finding them, replacing them, moving what they point at."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_HEAD = struct.Struct(">I4s")
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf"}


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of the boxes that ``data`` is made of (none above 4 GiB)."""
    at = 0
    while at < len(data):
        size, kind = _HEAD.unpack_from(data, at)
        yield kind, data[at + _HEAD.size : at + size]
        at += size


def box(kind: bytes, content: bytes) -> bytes:
    """Return the box of a ``kind`` with this ``content``."""
    return _HEAD.pack(_HEAD.size + len(content), kind) + content


def rewrite(data: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return ``data`` with the content of every box of ``kind``, at any depth, changed."""
    out = []
    for one, content in boxes(data):
        if one == kind:
            content = change(content)
        elif one in _PARENTS:
            content = rewrite(content, kind, change)
        out.append(box(one, content))
    return b"".join(out)


def moved(chunk_offsets: bytes, by: int) -> bytes:
    """Return the content of an ``stco`` box whose offsets are all greater by ``by`` bytes."""
    head, offsets = chunk_offsets[:8], chunk_offsets[8:]
    return head + b"".join(
        struct.pack(">I", one + by) for (one,) in struct.iter_unpack(">I", offsets)
    )
