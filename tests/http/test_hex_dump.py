"""Bytes as people read them."""

from soundcheck.http.hex_dump import hex_dump


def test_a_hex_dump() -> None:
    """Offset, sixteen bytes in four groups, and what of it is ASCII; narrow enough for reports."""
    dump = hex_dump(b"\x00Hello, World!\x7f\xff--", 0x1F0)
    assert dump == (
        "000001f0  0048656c 6c6f2c20 576f726c 64217fff  .Hello, World!..\n"
        "00000200  2d2d                                 --"
    )
