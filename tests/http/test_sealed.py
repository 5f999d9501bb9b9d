"""The values of a body are found where they are, and damaged bodies have one: themselves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.envelope import Envelope
from soundcheck.http.multipart import Content, Field, File, encode
from soundcheck.http.sealed import Value, values_of

ENVELOPE = Envelope(bytes(32), bytes(12), bytes(12), bytes(24))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=10), JSON_VALUES, max_size=5)
NAMES = st.text(st.characters(min_codepoint=32, exclude_characters='"\x7f', codec="utf-8"))
KINDS = st.sampled_from(
    [
        None,
        "",
        "application/json",
        "text/event-stream",
        "multipart/form-data",
        "multipart/form-data; boundary=b",
        'multipart/form-data; boundary="b b"',
        "multipart/form-data; boundary=\u00e9",
        "multipart/form-data; boundary=\u2603",
    ]
)


def _lies_in(values: list[Value], body: bytes) -> bool:
    return all(body[one.start : one.end] == one.data for one in values)


@given(st.lists(st.tuples(NAMES, st.text())), NAMES, st.binary(max_size=200))
def test_forms(fields: list[tuple[str, str]], name: str, audio: bytes) -> None:
    """Each part has its name, its place and its bytes; a file its name, too."""
    parts = [(Field(key, value), Content(value.encode())) for key, value in fields]
    file = File(name, "clip", "a.wav", "audio/wav")
    form = encode([*parts, (file, Content(audio))])
    body = form.read()
    values = values_of(body, form.content_type)
    assert [(one.name, one.data) for one in values] == [
        *((key, value.encode()) for key, value in fields),
        (name, audio),
    ]
    assert [one.filename for one in values] == [None] * len(fields) + ["a.wav"]
    assert _lies_in(values, body)


@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_objects(document: dict[str, object], indent: int | None, is_ascii: bool) -> None:
    """Each member has its raw JSON, whatever its layout."""
    body = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode()
    values = values_of(body, "application/json")
    assert {one.name: json.loads(one.data) for one in values} == document
    assert _lies_in(values, body)


@given(st.lists(OBJECTS, max_size=4), st.sampled_from(["\n", "\r\n", "\r"]))
def test_streams(documents: list[dict[str, object]], end: str) -> None:
    """Members know the event that holds them; the end marker is a value without a name."""
    lines = [f"data: {json.dumps(one)}{end}{end}" for one in documents]
    body = "".join([*lines, f"data: [DONE]{end}{end}"]).encode()
    values = values_of(body, "text/event-stream; charset=utf-8")
    *members, done = values
    for number, document in enumerate(documents):
        found = {one.name: json.loads(one.data) for one in members if one.event == number}
        assert found == document
    assert (done.name, done.data, done.event) == ("", b"[DONE]", len(documents))
    assert _lies_in(values, body)


@given(st.binary(max_size=400), KINDS)
def test_hostile_bytes(body: bytes, kind: str | None) -> None:
    """No bytes make it fail, and what is told lies in the body."""
    assert _lies_in(values_of(body, kind), body)


@given(st.binary(max_size=60), KINDS)
def test_hostile_beginnings(tail: bytes, kind: str | None) -> None:
    """Nor do those that begin as they should."""
    heads = (
        b'--b\r\nContent-Disposition: form-data; name="',
        b"--b\r\n\r\n",
        b'{"a":',
        b'data: {"a":1}\n\ndata: ',
    )
    for head in heads:
        assert _lies_in(values_of(head + tail, kind), head + tail)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"text", "text/plain"),
        (b"--c\r\n\r\n\r\n--c--", "multipart/form-data; boundary=b"),
        (b"--b\r\nno end", "multipart/form-data; boundary=b"),
        (b"--b", "multipart/form-data"),
        (b'{"a": ', "application/json"),
        (b'{"a": \xff}', "application/json"),
        (b"[1]", "application/json"),
        (b'{"a":' * 100_000, "application/json"),
    ],
)
def test_what_is_none_of_these(body: bytes, kind: str) -> None:
    """It is one value without a name."""
    assert values_of(body, kind) == [Value("", body, 0)]


def test_many_members() -> None:
    """The time that an object takes grows with its size only."""
    body = b"{" + b",".join(b'"%d":0' % number for number in range(200_000)) + b"}"
    values = values_of(body, None)
    assert (len(values), values[-1].end) == (200_000, len(body) - 1)


def test_nothing() -> None:
    """An empty body has no value."""
    assert values_of(b"", None) == []


def test_envelopes_among_values() -> None:
    """A value says whether it is an envelope."""
    body = b'{"text":%s,"usage":3}' % ENVELOPE.encode()
    assert [one.envelope for one in values_of(body, None)] == [ENVELOPE, None]
