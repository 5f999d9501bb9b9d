"""ID3 tags for MP3 files: version 2.3 in front of the audio, version 1 behind it.

After the standard's own text: https://id3.org/id3v2.3.0 and https://id3.org/ID3v1.
"""

import struct
import zlib

ARTIST = "Soundcheck"


def tagged(audio: bytes, title: str, cover: bool) -> bytes:
    """Return MP3 ``audio`` with an ID3v2.3 tag, and with an ID3v1 tag if it has a ``title``."""
    frames = b""
    if title:
        frames += _text("TIT2", title) + _text("TPE1", ARTIST)
    if cover:
        frames += _frame("APIC", b"\0image/png\0\x03\0" + picture())
    return (
        b"ID3\x03\0\0" + syncsafe(len(frames)) + frames + audio + (_id3v1(title) if title else b"")
    )


def picture(size: int = 32) -> bytes:
    """Return a PNG image: a square of ``size`` pixels with a colour gradient, not compressed."""
    rows = b"".join(
        b"\0" + bytes(c for x in range(size) for c in (8 * x % 256, 8 * y % 256, 128))
        for y in range(size)
    )
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def _text(name: str, value: str) -> bytes:
    return _frame(name, b"\x01" + value.encode("utf-16"))


def _frame(name: str, body: bytes) -> bytes:
    return name.encode("ascii") + struct.pack(">IH", len(body), 0) + body


def syncsafe(size: int) -> bytes:
    """Return ``size`` in four bytes of seven bits each, so that no sync word can arise."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _id3v1(title: str) -> bytes:
    fields = ((title, 30), (ARTIST, 30), ("", 30), ("", 4), ("", 30))
    body = b"".join(v.encode("latin-1", "replace")[:n].ljust(n, b"\0") for v, n in fields)
    return b"TAG" + body + b"\xff"
