"""MPEG-4 boxes are found at any depth, changed, and written with their new sizes."""

from soundcheck.audio import Library
from soundcheck.audio.boxes import box, boxes, moved, rewrite


def test_a_file_is_a_row_of_boxes() -> None:
    """The boxes of a clip are told with their contents, and make the file again."""
    data = Library().clip("hello.mp4").read()
    found = list(boxes(data))
    assert [kind for kind, _ in found] == [b"ftyp", b"free", b"mdat", b"moov"]
    assert b"".join(box(kind, content) for kind, content in found) == data


def test_an_inner_box_is_changed_and_its_parents_grow() -> None:
    """Changing a content deep inside adapts the size of every box around it, and nothing else."""
    data = box(b"moov", box(b"mvhd", b"head") + box(b"trak", box(b"mdia", box(b"stco", b"old"))))
    changed = rewrite(data, b"stco", lambda content: content + b" and new")
    assert changed == box(
        b"moov", box(b"mvhd", b"head") + box(b"trak", box(b"mdia", box(b"stco", b"old and new")))
    )


def test_offsets_are_moved() -> None:
    """Every chunk offset grows by the same, the count before them stays."""
    head = bytes(4) + (2).to_bytes(4, "big")
    offsets = head + (48).to_bytes(4, "big") + (1000).to_bytes(4, "big")
    assert moved(offsets, 100) == head + (148).to_bytes(4, "big") + (1100).to_bytes(4, "big")
