"""What a tap saw survives being written as JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.tapped import Hop, Leak, Message, Sealed, Tapped, TlsSeen

TEXT = st.text(max_size=20)
SIZE = st.integers(0, 2**40)
LEAKS = st.builds(Leak, TEXT, TEXT, TEXT, SIZE, TEXT)
MESSAGES = st.builds(
    Message,
    start=TEXT,
    headers=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    body=st.binary(max_size=50),
    size=SIZE,
    complete=st.booleans(),
)
HOPS = st.builds(
    Hop,
    connection=SIZE,
    at=st.floats(0, 1e6),
    tls=st.none() | st.builds(TlsSeen, TEXT, TEXT, st.none() | TEXT),
    request=st.none() | MESSAGES,
    response=st.none() | MESSAGES,
    changed=TEXT,
    problem=TEXT,
    leaks=st.lists(LEAKS, max_size=2).map(tuple),
    sealed=st.lists(st.builds(Sealed, TEXT, TEXT, TEXT, TEXT, TEXT, SIZE), max_size=2).map(tuple),
)


@given(st.lists(HOPS, max_size=3))
def test_round_trip(hops: list[Hop]) -> None:
    """Nothing is lost on the way to a file and back."""
    tapped = Tapped(tuple(hops))
    assert Tapped.from_json(json.loads(json.dumps(tapped.to_json()))) == tapped


def test_a_message() -> None:
    """The parts of the first line and the headers can be asked for."""
    request = Message(
        "POST /v1/x?y HTTP/1.1", (("Content-Type", "a"), ("x", "1"), ("x", "2")), b"", 0
    )
    assert request.path == "/v1/x?y"
    assert (request.header("content-type"), request.header("X")) == ("a", "1")
    assert request.header("y") is None
    assert Message("HTTP/1.1 200 OK", (), b"", 0).status == 200


@pytest.mark.parametrize("start", ["", "GET"])
def test_a_first_line_without_a_path(start: str) -> None:
    """What is no first line has no path."""
    assert Message(start, (), b"", 0).path == ""
