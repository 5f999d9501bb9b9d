"""Ogg pages are written as other programs write them, and a packet takes the room it is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio import Library
from soundcheck.audio.ogg_pages import (
    CONTINUED,
    Page,
    packet_length,
    packet_pages,
    packet_size,
    packets,
    pages,
)
from soundcheck.audio.pieces import Zeros


def written(head: bytes, zeros: int, tail: bytes, count: int) -> bytes:
    pieces = packet_pages(head, zeros, tail, count=count, serial=7, first=3)
    return b"".join(bytes(one.count) if isinstance(one, Zeros) else one for one in pieces)


@pytest.mark.parametrize("name", ["hello.ogg", "sentence-opus.ogg", "sentence-flac.ogg"])
def test_pages_are_written_as_the_encoder_wrote_them(name: str) -> None:
    """Reading a file's pages and writing them gives the file again, with its checksums."""
    data = Library().clip(name).read()
    assert b"".join(page.encoded() for page in pages(data)) == data
    assert sum(map(len, pages(data))) == len(data)


def test_bytes_that_are_no_page_are_refused() -> None:
    """Where no page begins, the position is told."""
    with pytest.raises(ValueError, match="no Ogg page at byte 27"):
        list(pages(Page(0, 0, 1, 0, b"", b"").encoded() + b"?" * 28))


@given(st.integers(300, 200_000) | st.integers(26_000_000, 26_300_000))
def test_every_size_of_a_packet_can_be_had(size: int) -> None:
    """Above 300 bytes there is a length of packet that takes exactly that room, with no gap."""
    length, count = packet_length(size)
    segments = length // 255 + 1
    assert count <= segments <= 255 * count
    assert length + segments + 27 * count == size


def test_a_size_below_any_packet_is_refused() -> None:
    """The head of a page alone takes 27 bytes."""
    for size in (0, 27):
        with pytest.raises(ValueError, match="no packet"):
            packet_length(size)


@given(st.binary(max_size=600), st.integers(0, 200_000), st.binary(max_size=300), st.data())
def test_a_packet_is_read_back_from_its_pages(
    head: bytes, zeros: int, tail: bytes, data: st.DataObject
) -> None:
    """Pages hold the packet whole: numbered, marked as continued, with right checksums."""
    whole = head + bytes(zeros) + tail
    size, least = packet_size(len(whole))
    count = data.draw(st.integers(least, min(least + 3, len(whole) // 255 + 1)))
    file = written(head, zeros, tail, count)
    found = list(pages(file))
    assert len(file) == size + 27 * (count - least)
    assert packets(found) == [whole]
    assert b"".join(page.encoded() for page in found) == file
    assert [page.number for page in found] == list(range(3, 3 + count))
    assert [page.flags for page in found] == [0] + [CONTINUED] * (count - 1)
    assert [page.granule for page in found] == [-1] * (count - 1) + [0]


def test_too_few_or_too_many_pages_are_refused() -> None:
    """A page holds at most 255 segments and at least one."""
    for count in (1, 400):
        with pytest.raises(ValueError, match="does not make"):
            written(b"", 70_000, b"", count)
