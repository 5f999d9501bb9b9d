"""Bytes that are no audio: nothing, noise, and small genuine files of other kinds."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable

from soundcheck.audio.tags import picture

_TEXT = "This is a note and no recording: whoever reads it aloud has to do so without a machine.\n"

# How files of each extension begin, by which readers recognise them.
MAGIC = {
    "flac": b"fLaC",
    "m4a": b"\0\0\0\x1cftypM4A \0\0\x02\0M4A isomiso2",
    "mp3": b"ID3\x04\0\0\0\0\0\0\xff\xf3\x58\xc0",
    "mp4": b"\0\0\0\x1cftypisom\0\0\x02\0isomiso2mp41",
    "mpeg": b"\xff\xf3\x84\xc0",
    "mpga": b"\xff\xfb\x50\xc0",
    "ogg": b"OggS\0\x02",
    "wav": b"RIFF\xff\xff\xff\x7fWAVE",
    "webm": bytes.fromhex("1a45dfa3 8b 4282 84") + b"webm" + bytes.fromhex("4287 81 04"),
}


def noise(size: int, seed: int, magic: bytes = b"") -> bytes:
    """Return ``magic`` and then ``size`` random bytes, the same for the same ``seed``."""
    return magic + random.Random(seed).randbytes(size)  # noqa: S311  # repeatable, not secret


def wav_header() -> bytes:
    """Return the 44 bytes in front of 16 kHz mono samples, of which there are none."""
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    return b"RIFF" + struct.pack("<I4s4sI", 36, b"WAVE", b"fmt ", 16) + form + b"data" + bytes(4)


def pdf() -> bytes:
    """Return a PDF document of one page with one line of text."""
    drawing = b"BT /F1 18 Tf 72 720 Td (No audio here) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out = b"%PDF-1.4\n"
    table = b"0000000000 65535 f \n"
    for number, content in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    return out + (
        b"xref\n0 %d\n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(out))
    )


def archive() -> bytes:
    """Return a ZIP archive of one text file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(zipfile.ZipInfo("note.txt", (1980, 1, 1, 0, 0, 0)), _TEXT)
    return buffer.getvalue()


def elf() -> bytes:
    """Return a Linux program for x86-64 that ends at once with the status 0."""
    code = bytes.fromhex("b83c000000 31ff 0f05")  # mov eax, 60; xor edi, edi; syscall
    base, heads = 0x400000, 64 + 56
    size = heads + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + heads, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096)
    return ident + head + segment + code


def html() -> bytes:
    """Return a web page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>404</title></head>\n'
        f"<body><h1>Not Found</h1><p>{_TEXT}</p></body></html>\n"
    ).encode()


def script() -> bytes:
    """Return a shell script that prints a line."""
    return b"#!/bin/sh\necho 'this file was run'\n"


def text() -> bytes:
    """Return plain text."""
    return _TEXT.encode()


def an_object() -> bytes:
    """Return a JSON object."""
    return json.dumps({"text": _TEXT, "audio": None}).encode()


GENUINE: dict[str, Callable[[], bytes]] = {
    "nothing": bytes,
    "wav-header": wav_header,
    "png": picture,
    "pdf": pdf,
    "zip": archive,
    "html": html,
    "script": script,
    "elf": elf,
    "text": text,
    "json": an_object,
}
