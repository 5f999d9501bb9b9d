"""Forms are what a multipart parser that is not ours reads back."""

import hashlib
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from multipart import MultipartParser, parse_options_header

from soundcheck.http.multipart import Content, Field, File, Part, encode

# A percent sign is left out: the parser reads %22 as a quote, as browsers mean it.
letters = st.characters(codec="utf-8", exclude_categories=("C",), exclude_characters="%")
names = st.text(letters, min_size=1, max_size=20)
fields = st.builds(Field, names, st.text(max_size=50))
files = st.builds(
    File, names, st.just("clip.wav"), names, st.sampled_from(["audio/wav", "application/x-y"])
)


@given(st.lists(st.tuples(fields | files, st.binary(max_size=200)), max_size=6))
def test_parts_keep_order_names_types_and_bytes(parts: list[tuple[Part, bytes]]) -> None:
    """Every part comes back in its place with its name, labels and bytes."""
    form = encode((part, Content(payload)) for part, payload in parts)
    kind, options = parse_options_header(form.content_type)
    assert kind == "multipart/form-data"
    assert form.length == len(form.read())
    read = list(MultipartParser(io.BytesIO(form.read()), options["boundary"]))
    assert [part.name for part in read] == [part.name for part, _ in parts]
    assert [part.raw for part in read] == [payload for _, payload in parts]
    for seen, (part, _) in zip(read, parts, strict=True):
        if isinstance(part, File):
            assert seen.filename == part.filename
            assert seen.content_type == part.content_type


@given(st.binary(max_size=300))
def test_no_payload_contains_the_boundary(payload: bytes) -> None:
    """The boundary never occurs inside a payload, and equal forms are equal bytes."""
    part = (Field("prompt", ""), Content(payload))
    form = encode([part])
    boundary = form.content_type.partition("boundary=")[2].encode()
    assert boundary not in payload
    assert encode([part]) == form


def test_a_file_is_read_piece_by_piece(tmp_path: Path) -> None:
    """A file's bytes are read while they are sent, again from the start each time."""
    data = bytes(range(256)) * 4096
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    content = Content(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    form = encode([(File("file", "a.wav", "a.wav", "audio/wav"), content)])
    assert max(map(len, form)) < len(data)
    assert form.length == len(form.read()) == len(form.read())
    assert data in form.read()


def test_labels_can_be_left_out() -> None:
    """A file part without filename and type has neither label."""
    body = encode([(File("file", "a.wav", None, None), Content(b"x"))]).read()
    assert b"filename" not in body
    assert b"Content-Type" not in body


def test_a_name_cannot_end_its_header() -> None:
    """Quotes and line ends in names are escaped, so no header can be smuggled in."""
    evil = File("file", "a.wav", 'a"\r\nX-Evil: 1', "audio/wav")
    body = encode([(evil, Content(b"x"))]).read()
    assert b"\r\nX-Evil" not in body
