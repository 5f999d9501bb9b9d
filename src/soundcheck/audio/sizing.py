"""Files of exactly so many bytes: the same audio with filler that every decoder must pass over.

One function per container. Each takes a file and the size asked for, and yields pieces whose
lengths sum up to it. The filler stands as early as the container allows, before the audio: whoever
cuts such a file short loses sound, and cannot do so unnoticed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from soundcheck.audio import boxes, ebml, ogg_pages
from soundcheck.audio.formats import Format
from soundcheck.audio.pieces import Piece, Zeros
from soundcheck.audio.tags import syncsafe


class UnreachableSizeError(ValueError):
    """A file cannot be made so small; ``smallest`` is the least number of bytes it can have."""

    def __init__(self, smallest: int) -> None:
        super().__init__(f"the smallest possible size is {smallest} bytes")
        self.smallest = smallest


def sized(data: bytes, form: Format, size: int) -> list[Piece]:
    """Return the file ``data``, of a plain format, padded to ``size`` bytes.

    Raises UnreachableSizeError when that is too small. Every larger size can be had, up to 256 MiB,
    which is as long as an ID3 tag can be.
    """
    return list(_PADDERS[form.container](data, size))


def _spare(size: int, least: int) -> int:
    """Return how many bytes above the smallest possible file ``size`` is."""
    if size < least:
        raise UnreachableSizeError(least)
    return size - least


_JUNK = struct.Struct("<4sI")


def _wav(data: bytes, size: int) -> list[Piece]:
    """Put a JUNK chunk before the data chunk. Chunks are even: an odd byte follows the RIFF."""
    at = data.index(b"data", 12)
    spare = _spare(size, len(data) + _JUNK.size)
    odd = spare % 2
    spare -= odd
    riff = b"RIFF" + (size - odd - 8).to_bytes(4, "little")
    return [
        riff + data[8:at] + _JUNK.pack(b"JUNK", spare),
        Zeros(spare),
        data[at:] + bytes(odd),
    ]


_STREAMINFO_END = 42
_LAST_BLOCK = 0x80
_PADDING_BLOCK = 1
_LONGEST_BLOCK = 2**24 - 1


def _flac(data: bytes, size: int) -> Iterator[Piece]:
    """Put PADDING blocks behind STREAMINFO; one block holds less than 16 MiB."""
    spare = _spare(size, len(data) + 4)
    last = data[4] & _LAST_BLOCK
    yield data[:4] + bytes([data[4] & ~_LAST_BLOCK]) + data[5:_STREAMINFO_END]
    spare += 4
    while spare:
        # The head of another block takes four bytes, which must be left over.
        length = min(spare - 4, _LONGEST_BLOCK)
        if 0 < spare - 4 - length < 4:
            length -= 4
        spare -= 4 + length
        kind = _PADDING_BLOCK | (0 if spare else last)
        yield bytes([kind]) + length.to_bytes(3, "big")
        yield Zeros(length)
    yield data[_STREAMINFO_END:]


_TITLE = b"TIT2" + syncsafe(5) + b"\0\0" + b"\x03size"


def _mpeg_audio(data: bytes, size: int) -> list[Piece]:
    """Put an ID3v2.4 tag in front: a title, as a tag needs a frame, and padding."""
    spare = _spare(size, len(data) + 10 + len(_TITLE))
    return [
        b"ID3\x04\0\0" + syncsafe(len(_TITLE) + spare) + _TITLE,
        Zeros(spare),
        data,
    ]


def _mpeg4(data: bytes, size: int) -> list[Piece]:
    """Put a ``free`` box behind ``ftyp``, and move the offsets of all that stands behind it."""
    spare = _spare(size, len(data) + 8)
    at = int.from_bytes(data[:4], "big")
    by = 8 + spare
    rest = boxes.rewrite(data[at:], b"stco", lambda offsets: boxes.moved(offsets, by))
    return [data[:at] + struct.pack(">I4s", by, b"free"), Zeros(spare), rest]


def _webm(data: bytes, size: int) -> Iterator[Piece]:
    """Put a Void element before the first cluster, and write both indexes anew."""
    start, segment = ebml.elements(data)
    parts = [one for one in ebml.elements(segment.content) if one.id != ebml.VOID]
    kinds = [one.id for one in parts]
    first = kinds.index(ebml.CLUSTER)
    before = [one for one in parts[:first] if one.id != ebml.SEEK_HEAD]
    clusters = b"".join(one.raw for one in parts[first:] if one.id != ebml.CUES)
    cues = b"".join(one.content for one in parts if one.id == ebml.CUES)
    indexed = [*(one.id for one in before), ebml.CUES]
    ahead = len(ebml.seek_head(dict.fromkeys(indexed, 0))) + sum(len(one.raw) for one in before)
    behind = len(clusters) + len(ebml.element(ebml.CUES, ebml.moved_cues(cues, 0)))
    void = len(ebml.head(ebml.VOID, 0))
    spare = _spare(size, len(start.raw) + len(ebml.head(ebml.SEGMENT, 0)) + ahead + void + behind)
    positions: dict[bytes, int] = {}
    at = ahead
    for one in reversed(before):
        at -= len(one.raw)
        positions[one.id] = at
    at = ahead + void + spare
    moved = at - segment.content.index(parts[first].raw)
    positions[ebml.CUES] = at + len(clusters)
    yield start.raw + ebml.head(ebml.SEGMENT, ahead + void + spare + behind)
    yield ebml.seek_head(positions) + b"".join(one.raw for one in before)
    yield ebml.head(ebml.VOID, spare)
    yield Zeros(spare)
    yield clusters + ebml.element(ebml.CUES, ebml.moved_cues(cues, moved))


# Of this length at least, the packet with the comments can have every size.
_SHORTEST_COMMENTS = 300


def _ogg(data: bytes, size: int) -> Iterator[Piece]:
    """Put one more comment, all zeros, into the second packet of a Vorbis stream."""
    first, *stream = ogg_pages.pages(data)
    headers = next(n for n in range(len(stream)) if len(ogg_pages.packets(stream[:n])) == 2)
    comments, setup = ogg_pages.packets(stream[:headers])
    audio = stream[headers:]
    setup_size, setup_count = ogg_pages.packet_size(len(setup))
    least, _ = ogg_pages.packet_size(max(_SHORTEST_COMMENTS, len(comments) + 8))
    spare = _spare(size, len(first) + least + setup_size + sum(map(len, audio)))
    length, count = ogg_pages.packet_length(least + spare)
    zeros = length - len(comments) - 8
    begun = _with_comment(comments, 4 + zeros)
    yield first.encoded()
    yield from ogg_pages.packet_pages(
        begun, zeros, b"\1", count=count, serial=first.serial, first=1
    )
    number = 1 + count
    yield from ogg_pages.packet_pages(
        setup, 0, b"", count=setup_count, serial=first.serial, first=number
    )
    number += setup_count
    yield b"".join(page.numbered(number + index).encoded() for index, page in enumerate(audio))


def _with_comment(packet: bytes, length: int) -> bytes:
    """Return a comment packet with one more comment of ``length``, up to that comment's "PAD="."""
    at = 7 + 4 + int.from_bytes(packet[7:11], "little")
    count = int.from_bytes(packet[at : at + 4], "little") + 1
    framing = packet.rindex(b"\1")
    old = packet[at + 4 : framing]
    return packet[:at] + count.to_bytes(4, "little") + old + length.to_bytes(4, "little") + b"PAD="


_PADDERS: dict[str, Callable[[bytes, int], Iterator[Piece] | list[Piece]]] = {
    "WAV": _wav,
    "FLAC": _flac,
    "mp3": _mpeg_audio,
    "mp4": _mpeg4,
    "ipod": _mpeg4,
    "webm": _webm,
    "ogg": _ogg,
}
