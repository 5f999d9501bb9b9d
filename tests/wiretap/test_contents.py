"""Bodies of any size are taken apart alike; what is packed into them is unpacked."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundcheck.wiretap import contents
from soundcheck.wiretap.captured import Captured

FORM = "multipart/form-data; boundary=b"
STREAM = "text/event-stream"
TEXT = b"The quick brown fox jumps over the lazy dog. " * 30
ANY_KIND = st.sampled_from([None, FORM, STREAM, "application/json", "multipart/form-data"])
ON_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Callable[[bytes], Captured]]:
    """Return a function that captures a body."""
    made: list[Captured] = []

    def body(data: bytes) -> Captured:
        made.append(Captured(tmp_path))
        made[-1].take(data)
        return made[-1]

    yield body
    for one in made:
        one.release()


@pytest.mark.parametrize("whole", [2**22, 0])
def test_values(capture: Any, made: Any, whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form is told alike whether it is read as a whole or part by part."""
    monkeypatch.setattr(contents, "WHOLE", whole)
    kind, body = made.sealed_form()
    sealed, clear = contents.values(capture(body), kind, "request")
    told = [(one.direction, one.name, one.size) for one in sealed]
    assert told == [
        ("request", "language", 18),
        ("request", "prompt", 46),
        ("request", "file", 1016),
    ]
    assert {one.nonce for one in sealed} == {bytes(range(12)).hex()}
    assert [one.iv for one in sealed] == [n.to_bytes(12, "big").hex() for n in (1, 2, 3)]
    assert clear == ("model",)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-1],
        lambda text: text[:-2] + b'g"',
        lambda text: text[:-2] + b'"',
        bytes.upper,
    ],
    ids=["no quote", "no digit", "odd", "capitals"],
)
def test_large_parts_that_are_no_envelopes(
    capture: Any, made: Any, damage: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large part must be an envelope to its last byte."""
    monkeypatch.setattr(contents, "WHOLE", 0)
    kind, body = made.form(file=damage(made.envelope(1, 400_000).encode()))
    assert contents.values(capture(body), kind, "request") == ((), ("file",))


def test_a_delimiter_across_pieces(
    capture: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are found wherever they lie in a large body."""
    monkeypatch.setattr(contents, "WHOLE", 0)
    for size in range(2**18 - 110, 2**18 - 60, 7):
        kind, body = made.form(file=b"x" * size, prompt=b"y")
        parts = contents.parts(capture(body), kind)
        assert [(one.name, body[one.start : one.end]) for one in parts] == [
            ("file", b"x" * size),
            ("prompt", b"y"),
        ]


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, zlib.compress, lambda data: zlib.compress(data, wbits=-15)],
    ids=["gzip", "zlib", "deflate"],
)
@pytest.mark.parametrize("is_part", [False, True])
def test_packed(capture: Any, made: Any, pack: Callable[[bytes], bytes], is_part: bool) -> None:
    """A compressed body, or part of a form, is unpacked; a cut one as far as it goes."""
    packed = pack(TEXT)
    kind, body = made.form(file=packed) if is_part else ("application/json", packed)
    found = [b"".join(pieces) for _, pieces in contents.unpacked(capture(body), kind)]
    assert TEXT in found
    cut = body[: body.find(packed) + len(packed) - 12]
    found = [b"".join(pieces) for _, pieces in contents.unpacked(capture(cut), "text/plain")]
    assert is_part or any(len(one) > 20 and TEXT.startswith(one) for one in found)


def test_a_bomb(capture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to too much is followed for so long only, in small pieces."""
    monkeypatch.setattr(contents, "UNPACKED", 2**20)
    bomb = capture(gzip.compress(bytes(2**24)))
    sizes = [len(piece) for _, pieces in contents.unpacked(bomb, None) for piece in pieces]
    assert max(sizes) <= 2**18
    assert sum(sizes) <= 2**20 + 2**18


def test_streamed_texts_are_joined(capture: Any) -> None:
    """A text in pieces is put together, by member, wherever it lies in the events."""
    events = b"".join(
        b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % word
        for word in (b"Hello", b" ", b"World")
    )
    assert contents.joined(capture(events + b"data: [DONE]\n\n"), STREAM) == b"Hello World"
    assert contents.joined(capture(events), "application/json") == b""


@ON_ONE_FOLDER
@given(st.binary(max_size=400), ANY_KIND)
def test_hostile_bytes(capture: Any, body: bytes, kind: str | None) -> None:
    """No body makes any of it fail."""
    captured = capture(body)
    contents.values(captured, kind, "response")
    contents.parts(captured, kind)
    contents.joined(captured, kind)
    for _, pieces in contents.unpacked(captured, kind):
        list(pieces)


def test_deep_json(capture: Any) -> None:
    """Nested brackets without end are no way to stop the tap."""
    deep = b"data: " + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n\n"
    assert contents.joined(capture(deep), STREAM) == b""
    assert contents.values(capture(deep), STREAM, "response")[0] == ()
