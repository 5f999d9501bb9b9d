"""Forms are read as they arrive, within their limits, and leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.reference.limits import Limits
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.upload import MAX_PARTS, Form, boundary_of, read_form

BOUNDARY = "b0und'ary"
CONTENT_TYPE = f'multipart/form-data; boundary="{BOUNDARY}"'


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"\r\nContent-Type: audio/wav'
    return f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode() + value + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


async def arriving(chunks: Iterable[bytes], taken: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        taken.append(chunk)
        yield chunk


def read(chunks: Iterable[bytes], content_type: str = CONTENT_TYPE, **limits: Any) -> Form:
    return asyncio.run(
        read_form(
            arriving(chunks, []),
            content_type,
            limits=Limits(**({"max_file": 1 << 20, "counts": "file"} | limits)),
            max_field=1 << 16,
        )
    )


def refused(chunks: Iterable[bytes], content_type: str = CONTENT_TYPE, **limits: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(chunks, content_type, **limits)
    return caught.value


def outcome(chunks: Iterable[bytes]) -> Kind | None:
    """Return why a body is refused, None if it is read."""
    try:
        with read(chunks):
            return None
    except Refusal as refusal:
        return refusal.kind


names = st.text(st.characters(codec="ascii", min_codepoint=97, max_codepoint=122), min_size=1)
values = st.text(st.characters(codec="utf-8"), max_size=60)


@given(
    fields=st.lists(st.tuples(names.filter(lambda name: name != "file"), values), max_size=5),
    audio=st.binary(max_size=3000),
    place=st.integers(0, 5),
    cuts=st.lists(st.integers(0, 1 << 16), max_size=12),
)
def test_any_form_split_anywhere_is_read_whole(
    fields: list[tuple[str, str]], audio: bytes, place: int, cuts: list[int]
) -> None:
    """However a body is cut into chunks, fields and file come out as they were sent."""
    parts = [part(name, value.encode()) for name, value in fields]
    parts.insert(place, part("file", audio, "clip.wav"))
    with read(pieces(body(*parts), cuts)) as form:
        assert form.fields == tuple(fields)
        assert form.file is not None
        assert form.file.path.read_bytes() == audio
        assert (form.file.size, form.file.filename) == (len(audio), "clip.wav")


@given(data=st.binary(max_size=600), cuts=st.lists(st.integers(0, 1 << 12), max_size=4))
def test_any_bytes_are_read_or_refused(data: bytes, cuts: list[int]) -> None:
    """No body makes the reader fail in another way than by a refusal."""
    assert outcome(pieces(data, cuts)) in {None, Kind.MALFORMED}


@given(
    data=st.builds(
        lambda good, at, noise: good[: at % len(good)] + noise + good[at % len(good) :],
        st.just(body(part("model", b"m"), part("file", b"RIFF", "a.wav"))),
        st.integers(0, 500),
        st.binary(min_size=1, max_size=9),
    )
)
def test_a_damaged_body_is_read_or_refused(data: bytes) -> None:
    """Bytes inserted anywhere into a good body lead to a form or a refusal."""
    assert outcome([data]) in {None, Kind.MALFORMED}


def test_a_file_of_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    """The file's limit is exact, and counts the file alone."""
    with read([body(part("model", b"m" * 500), part("file", bytes(1000), "a"))], max_file=1000):
        pass
    refusal = refused([body(part("file", bytes(1001), "a"))], max_file=1000)
    assert refusal.kind is Kind.FILE_TOO_LARGE
    assert "1000" in refusal.message
    assert "1001 bytes read" in refusal.message


def test_the_limit_acts_while_reading() -> None:
    """What comes after the limit is passed is not read."""
    data = body(part("file", bytes(100_000), "a"))
    taken: list[bytes] = []
    chunks = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    with pytest.raises(Refusal):
        asyncio.run(
            read_form(
                arriving(chunks, taken), CONTENT_TYPE, limits=Limits(5000, "file"), max_field=1000
            )
        )
    assert len(taken) <= 7


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no form at all",
        part("model", b"m"),
        part("model", b"m") + f"--{BOUNDARY}".encode(),
        body(part("model", b"m")).replace(b"\r\n", b"\n"),
        body(b"--" + BOUNDARY.encode() + b"\r\n\r\nno head\r\n"),
        body(part("model", b"\xff\xfe")),
        body(*[part("x", b"1")] * (MAX_PARTS + 1)),
        body(part("prompt", bytes(1 << 17))),
    ],
    ids=[
        "empty",
        "text",
        "no-end",
        "half-end",
        "lf-only",
        "no-name",
        "invalid-utf8",
        "many-parts",
        "long-field",
    ],
)
def test_broken_forms_are_refused(data: bytes) -> None:
    """A form that breaks the rules or a limit is a client's error."""
    assert refused([data]).kind is Kind.MALFORMED


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="a\tb"',
        "multipart/form-data; boundary=" + "x" * 201,
    ],
)
def test_other_media_types_and_missing_boundaries_are_refused(content_type: str) -> None:
    """Only multipart/form-data with a boundary is read."""
    assert refused([body()], content_type).kind is Kind.MALFORMED


def test_a_long_quoted_boundary_is_understood() -> None:
    """Seventy characters with all the punctuation RFC 2046 allows make a boundary."""
    boundary = "'()+_,-./:=? " + "x" * 56 + "z"
    assert boundary_of(f'Multipart/Form-Data; charset=utf-8; boundary="{boundary}"') == boundary


def test_the_first_file_and_the_first_value_count() -> None:
    """Of repeated parts the first is used, and repeated values stay available in order."""
    parts = [part("file", b"one", "1"), part("a", b"x"), part("file", b"two", "2"), part("a", b"y")]
    with read([body(*parts)]) as form:
        assert form.file is not None
        assert form.file.path.read_bytes() == b"one"
        assert (form.get("a"), form.all("a")) == ("x", ("x", "y"))
        assert form.other_files == ("file",)


def test_a_file_part_without_a_name_is_a_text_field() -> None:
    """Only a filename makes a part a file."""
    with read([body(part("file", b"text"))]) as form:
        assert form.file is None
        assert form.get("file") == "text"


def test_text_before_and_after_the_form_is_ignored() -> None:
    """A preamble and an epilogue are allowed by RFC 2046."""
    data = b"preamble\r\n" + body(part("a", b"1")) + b"epilogue"
    with read([data, b"more"]) as form:
        assert form.fields == (("a", "1"),)


def test_files_are_gone_when_the_form_is_closed_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No upload outlives its request."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with read([body(part("file", b"audio", "a"))]) as form:
        assert form.file is not None
        assert form.file.path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
    refused([part("file", b"audio", "a")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [0, 1, 2])
def test_where_the_file_stood_is_known(before: int) -> None:
    """The fields before the file are counted, so that a fault may lose those behind it."""
    fields = [part("a", b"1"), part("b", b"2")]
    with read([body(*fields[:before], part("file", b"RIFF", "x.wav"), *fields[before:])]) as form:
        assert form.file_at == before
        assert len(form.fields) == 2
