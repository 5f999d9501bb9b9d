"""Bytes as people read them."""

LINE = 16
"""Bytes of a line."""


def hex_dump(data: bytes, start: int) -> str:
    """Return ``data`` in hexadecimal and ASCII, sixteen bytes a line, 63 columns at most."""
    lines = []
    for at in range(0, len(data), LINE):
        row = data[at : at + LINE]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start + at:08x}  {row.hex(' ', -4):35}  {shown}")
    return "\n".join(lines)
