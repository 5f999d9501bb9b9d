"""Canaries are found in every encoding, wherever they lie; nothing else is."""

import base64
import json
import random
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract.canary import Canary
from soundcheck.wiretap.search import BLOCK, LEAST_DISTINCT, Found, Search, patterns

WORDS = st.text(st.characters(codec="utf-8", min_codepoint=33), min_size=16, max_size=70).filter(
    lambda text: len(set(text.encode())) >= 8
)
BINARY = st.binary(min_size=16, max_size=32).filter(lambda data: len(set(data)) >= 8)
AROUND = st.binary(max_size=40)


def _search(what: str, data: bytes, *pieces: bytes) -> list[Found]:
    return Search([Canary(what, data)]).scan(pieces)


def _encodings(found: list[Found]) -> set[str]:
    return {one.encoding for one in found}


@given(BINARY, AROUND, AROUND)
def test_bytes_are_found_as_they_are(data: bytes, before: bytes, after: bytes) -> None:
    """Raw bytes are found at their place, whatever is around them."""
    found = _search("audio", data, before + data + after)
    first = next(one for one in found if one.encoding == "raw")
    assert first.offset == (before + data + after).find(data)
    assert first.what == "audio"


@given(BINARY, AROUND, AROUND)
def test_bytes_are_found_in_base64(data: bytes, before: bytes, after: bytes) -> None:
    """All three alignments are covered, in both alphabets, without padding too."""
    whole = before + data + after
    assert "base64" in _encodings(_search("a", data, base64.b64encode(whole)))
    url = base64.urlsafe_b64encode(whole).rstrip(b"=")
    assert _encodings(_search("a", data, url)) & {"base64", "base64url"}


@given(BINARY, AROUND, AROUND)
def test_bytes_are_found_in_hexadecimal(data: bytes, before: bytes, after: bytes) -> None:
    """In small and in capital digits."""
    whole = (before + data + after).hex()
    assert "hex" in _encodings(_search("a", data, whole.encode()))
    assert "hex" in _encodings(_search("a", data, whole.upper().encode()))


@given(WORDS)
def test_texts_are_found_in_urls(text: str) -> None:
    """Percent-encoded in either case, with ``+`` for spaces, and every byte of it."""
    data = text.encode()
    every = "".join(f"%{byte:02x}" for byte in data)
    small = quote(text, safe="")
    for way in (quote(text), small, small.replace("%20", "+"), every, every.upper()):
        assert _search("prompt", data, b"GET /?q=" + way.encode()), way


@given(WORDS)
def test_texts_are_found_in_json(text: str) -> None:
    """Escaped as far as JSON must, or wherever it may."""
    data = text.encode()
    for document in (json.dumps({"a": text}), json.dumps({"a": text}, ensure_ascii=False)):
        assert _search("prompt", data, document.encode()), document
    escapes = json.dumps(text)
    capitals = "\\u".join(
        part if not number else part[:4].upper() + part[4:]
        for number, part in enumerate(escapes.split("\\u"))
    )
    if "\\\\" not in escapes:
        assert _search("prompt", data, capitals.encode())


@given(WORDS)
def test_texts_are_found_in_utf_16(text: str) -> None:
    """In both byte orders."""
    for code in ("utf-16-le", "utf-16-be"):
        found = _search("prompt", text.encode(), b"x" + text.encode(code) + b"yz")
        assert "UTF-16" in _encodings(found)


@given(st.binary(max_size=4000), BINARY)
def test_nothing_is_found_where_nothing_is(haystack: bytes, data: bytes) -> None:
    """What is found stands there."""
    written = {(one.encoding, one.data) for one in patterns(Canary("a", data))}
    for one in _search("a", data, haystack):
        assert any(
            haystack[one.offset :].startswith(text)
            for encoding, text in written
            if encoding == one.encoding
        )


@pytest.mark.parametrize("offset", [0, 1, 7, BLOCK - 20, BLOCK - 1, BLOCK, 2 * BLOCK - 3])
@pytest.mark.parametrize("size", [1, 777, BLOCK])
def test_canaries_across_pieces(offset: int, size: int) -> None:
    """How the body is cut into pieces and blocks changes nothing."""
    if size == 1 and offset > 7:
        offset %= 1000
    data = bytes(range(100, 132))
    body = bytes(offset) + data + bytes(50)
    cuts = [*range(0, len(body), size), len(body)]
    (found,) = _search("a", data, *(body[a:b] for a, b in pairwise(cuts)))
    assert found.offset == offset
    assert data in found.around
    assert body[found.around_start :].startswith(found.around)


def test_part_of_a_long_text_is_found() -> None:
    """Of a long transcript, half a sentence is enough."""
    letters = random.Random(5)
    text = "".join(letters.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(400))
    for start in (0, 3, 100, 340):
        assert _search("transcript", text.encode(), text[start : start + 60].encode())


def test_a_short_text_is_found() -> None:
    """What has fewer than fifteen bytes is looked for, too."""
    found = _search("canary", b"4711 abc", b"x" * 1001 + b"4711 abc" + b"y")
    assert [one.offset for one in found] == [1001]


def test_silence_is_no_canary() -> None:
    """Pieces of hardly any content are not looked for: they are everywhere."""
    silence = bytes(64)
    assert not _search("audio", silence + bytes(range(LEAST_DISTINCT)) * 8, silence * 1000)


def test_each_canary_is_told_once() -> None:
    """The first place of each kind and encoding is told, not every one."""
    data = bytes(range(50, 82))
    found = _search("a", data, b"xy" + data * 100)
    assert [(one.encoding, one.offset) for one in found] == [("raw", 2)]


def test_no_canaries() -> None:
    """A search for nothing finds nothing, and says so."""
    assert not Search(())
    assert Search(()).scan([b"x" * 100]) == []


def test_many_canaries() -> None:
    """Each of many is found among all others."""
    generator = random.Random(3)
    all_of_them = [Canary(str(number), generator.randbytes(32)) for number in range(300)]
    search = Search(all_of_them)
    body = generator.randbytes(1000).join(one.data.hex().encode() for one in all_of_them)
    assert [one.what for one in search.scan([body])] == [one.what for one in all_of_them]
