"""Forms are what a multipart parser that is not ours reads back."""

import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from multipart import MultipartParser, parse_options_header

from soundcheck.http.multipart import (
    Content,
    Crafted,
    Field,
    File,
    Frame,
    Part,
    encode,
    escaped,
)

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


frames = st.builds(
    Frame,
    boundary=st.sampled_from(["", "another"]),
    preamble=st.binary(max_size=9),
    line=st.sampled_from([b"\r\n", b"\n", b"\r"]),
    dashes=st.sampled_from([b"--", b"", b"-"]),
    blank=st.booleans(),
    final=st.booleans(),
    epilogue=st.binary(max_size=9),
    missing=st.integers(0, 400),
)
crafted = st.builds(
    Crafted, names, st.binary(max_size=80), st.binary(max_size=40), after=st.binary(max_size=9)
)
forms = st.lists(st.tuples(fields | files | crafted, st.binary(max_size=60)), max_size=4)


@given(forms, frames)
def test_a_frame_does_what_it_says_and_no_more(
    parts: list[tuple[Part, bytes]], frame: Frame
) -> None:
    """The length is that of the bytes, and whatever is missing is missing at the end."""
    pairs = [(part, Content(payload)) for part, payload in parts]
    form = encode(pairs, frame=frame)
    whole = encode(pairs, frame=replace(frame, missing=0))
    # The boundary tells forms apart, so theirs differ.
    mine, other = (_boundary(one.read()) for one in (form, whole))
    expected = whole.read().replace(other, mine) if other else whole.read()
    assert form.length == len(form.read())
    kept = max(0, whole.length - frame.missing)
    assert form.length == kept
    if not other or mine:
        assert form.read() == expected[:kept]
    assert whole.read().startswith(frame.preamble)
    assert whole.read().endswith(frame.epilogue)


def _boundary(data: bytes) -> bytes:
    found = re.search(rb"soundcheck-[0-9a-f]{32}", data)
    return found[0] if found else b""


@given(forms)
def test_the_usual_frame_changes_nothing(parts: list[tuple[Part, bytes]]) -> None:
    """A form that is put together as usual has the bytes that it always had."""
    pairs = [(part, Content(payload)) for part, payload in parts]
    assert encode(pairs) == encode(pairs, frame=Frame())
    assert Frame().described() == {}


def test_a_crafted_part_is_sent_to_the_byte(tmp_path: Path) -> None:
    """Its head stands as given, and its clip between what goes before and after it."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"SOUND")
    part = Crafted("file", b"X: \xff\nY: 2", b"<", "a.wav", b">")
    body = encode(
        [(part, Content(path=path, size=5, sha256="0" * 64))], frame=Frame(line=b"\n")
    ).read()
    assert b"X: \xff\nY: 2\n\n<SOUND>\n" in body


def test_a_file_can_be_cut_in_the_middle(tmp_path: Path) -> None:
    """Bytes that are missing at the end may reach into a file."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"0123456789")
    content = Content(path=path, size=10, sha256="0" * 64)
    frame = Frame(final=False, missing=4)
    assert encode([(Field("a", ""), content)], frame=frame).read().endswith(b"\r\n\r\n012345")


def test_a_frame_tells_what_is_odd() -> None:
    """Only what is otherwise than usual is described, bytes so that they can be told."""
    frame = Frame(line=b"\n", final=False, preamble=b"\xff\\")
    assert frame.described() == {"preamble": "\\xff\\\\", "line": "\\n", "final": "False"}


@given(st.binary())
def test_escaped_bytes_can_be_told(data: bytes) -> None:
    """Escaped bytes are printable ASCII, and no two are written alike."""
    text = escaped(data)
    assert text.isascii()
    assert text.isprintable()
    assert text.encode().decode("unicode_escape").encode("latin-1") == data
