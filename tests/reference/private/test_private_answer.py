"""Answers sealed member by member and event by event."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.reference.private.answer import (
    DONE,
    open_body,
    open_events,
    seal_body,
    seal_events,
)
from soundcheck.reference.private.cipher import Cipher, Opener, Sealer, Secret, Tampered, fresh_ivs
from soundcheck.reference.private.conduct import CLEAR_MEMBERS

SECRET, NONCE = Secret(bytes(32), bytes(32)), bytes(12)
LAST = '{"type": "transcript.text.done", "text": "Hello"}'
CHUNK_LAST = '{"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def sealer() -> Sealer:
    return Sealer(Cipher(), SECRET, NONCE, fresh_ivs())


def opener() -> Opener:
    return Opener(Cipher(), SECRET, NONCE)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5), st.booleans())
def test_an_object_comes_back(value: dict[str, Any], spaced: bool) -> None:
    """Every member keeps its raw JSON; duration and usage are the ones in the clear."""
    body = json.dumps(value, ensure_ascii=False, indent=1 if spaced else None).encode()
    sealed = seal_body(body, sealer(), CLEAR_MEMBERS)
    clear = {name for name, one in json.loads(sealed).items() if one == value[name]}
    assert clear == CLEAR_MEMBERS & set(value)
    assert list(json.loads(sealed)) == sorted(value)
    assert json.loads(open_body(sealed, opener(), CLEAR_MEMBERS)) == value


@given(st.binary(max_size=50))
def test_anything_comes_back(body: bytes) -> None:
    """Text, lists and rubbish are sealed whole, empty bodies too."""
    sealed = seal_body(body, sealer(), CLEAR_MEMBERS)
    assert open_body(sealed, opener(), CLEAR_MEMBERS) == body or body.lstrip().startswith(b"{")


def test_members_in_the_clear_are_refused() -> None:
    """Who answers in the clear, or renames a member, is not believed."""
    with pytest.raises(Tampered):
        open_body(b'{"text": "Hello"}', opener(), CLEAR_MEMBERS)
    sealed = json.loads(seal_body(b'{"language": "en", "text": "Hello"}', sealer(), CLEAR_MEMBERS))
    swapped = {"language": sealed["text"], "text": sealed["language"]}
    with pytest.raises(Tampered):
        open_body(json.dumps(swapped).encode(), opener(), CLEAR_MEMBERS)


def stream(*events: str) -> bytes:
    return b"".join(f"data: {event}\n\n".encode() for event in events)


async def pieces(body: bytes, *cuts: int) -> AsyncIterator[bytes]:
    bounds = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(bounds):
        yield body[start:end]


def sealed_stream(body: bytes, *cuts: int) -> bytes:
    async def collect() -> bytes:
        sealed = seal_events(pieces(body, *cuts), sealer(), CLEAR_MEMBERS)
        return b"".join([piece async for piece in sealed])

    return asyncio.run(collect())


def opened_stream(body: bytes, *cuts: int, needs_end: bool = True) -> bytes:
    async def collect() -> bytes:
        opened = open_events(pieces(body, *cuts), opener(), CLEAR_MEMBERS, needs_end=needs_end)
        return b"".join([piece async for piece in opened])

    return asyncio.run(collect())


@given(st.lists(st.integers(0, 300), max_size=6))
def test_a_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    """However the pieces arrive, the events are the same."""
    events = ['{"delta":"Hé"}', '{"delta":"llo","usage":{"n":1}}', CHUNK_LAST, "[DONE]"]
    whole = sealed_stream(stream(*events), *cuts)
    assert whole.count(b"\n\n") == 4
    assert b'"usage":{"n":1}' in whole
    assert b"llo" not in whole
    found = opened_stream(whole, *(4 * cut for cut in cuts)).decode().split("\n\n")
    values = [one.removeprefix("data: ") for one in found]
    assert [json.loads(one) for one in values[:3]] == [json.loads(one) for one in events[:3]]
    assert values[3:] == ["[DONE]", ""]


def lines_of(body: bytes) -> list[bytes]:
    return body.split(b"\n\n")[:-1]


@pytest.mark.parametrize(
    "change",
    [
        lambda one: [one[1], one[0], *one[2:]],
        lambda one: [one[0], one[0], *one[1:]],
        lambda one: [one[0], *one[2:]],
        lambda one: one[:-1],
        lambda one: [*one[:-1], b"data: " + DONE],
        lambda one: [],
        lambda one: [*one[:2], b'data: {"delta": "forged"}', *one[2:]],
    ],
    ids=["reordered", "repeated", "dropped", "cut", "cut and ended", "empty", "forged"],
)
def test_a_changed_stream_is_refused(change: Any) -> None:
    """Events cannot be moved, repeated, left out or added, and the last one must be there."""
    frames: Sequence[bytes] = lines_of(sealed_stream(stream('{"a": 1}', '{"a": 2}', LAST)))
    assert opened_stream(b"".join(one + b"\n\n" for one in frames)).count(b"data: ") == 3
    with pytest.raises(Tampered):
        opened_stream(b"".join(one + b"\n\n" for one in change(list(frames))))


def test_the_vendors_proxy_does_not_miss_the_end() -> None:
    """Without the need for it, a stream that was cut passes."""
    first, _ = lines_of(sealed_stream(stream('{"a": 1}', LAST)))
    assert opened_stream(first + b"\n\n", needs_end=False) == b'data: {"a":1}\n\n'


def test_an_error_ends_a_stream_too() -> None:
    """What the service itself reports as an error is authentic, and is passed on."""
    body = sealed_stream(stream('{"a": 1}', '{"error": {"message": "Out of memory."}}'))
    assert b"Out of memory." in opened_stream(body)


def test_nobody_vouches_for_comments_and_names() -> None:
    """They do not get through; a comment leaves its sign of life."""
    body = b": forged\nevent: forged\nid: forged\n" + sealed_stream(stream(LAST))
    opened = opened_stream(body)
    assert b"forged" not in opened
    assert opened.startswith(b":\n")
