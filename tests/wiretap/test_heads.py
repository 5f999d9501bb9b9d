"""Heads tell where their credentials are."""

import pytest

from soundcheck.http.store import SECRET_HEADERS
from soundcheck.wiretap.heads import Head, without_keys


@pytest.mark.parametrize("name", sorted(SECRET_HEADERS))
def test_a_header_that_is_secret(name: str) -> None:
    """The whole value is its secret, and masked; the rest of the head is as it came."""
    head = Head.of("GET / HTTP/1.1", [(name.title().encode(), b"a b"), (b"x-other", b"c")])
    assert head.raw == f"GET / HTTP/1.1\r\n{name}: a b\r\nx-other: c\r\n".encode()
    at = head.raw.index(b"a b")
    told = [head.holder(place) for place in range(at - 1, at + 4)]
    assert told == ["", *[f"the value of {name}"] * 3, ""]
    assert head.masked(0, len(head.raw)) == head.raw.replace(b"a b", b"***")
    assert head.masked(at + 1, 4) == b"**\r\n"


@pytest.mark.parametrize(
    ("name", "value", "keys"),
    [
        ("Authorization", b"Bearer sk-12345", ("sk-12345",)),
        ("Authorization", b" sk-12345 ", ("sk-12345",)),
        ("Proxy-Authorization", b"Basic dTpw", ("dTpw",)),
        ("X-API-Key", b"sk%2F1", ("sk%2F1", "sk/1")),
        ("Cookie", b"theme=dark", ()),
        ("X-Other", b"sk-12345", ()),
    ],
)
def test_keys_in_headers(name: str, value: bytes, keys: tuple[str, ...]) -> None:
    """A key is what follows the scheme; cookies hold more than keys, which is no secret."""
    assert Head.of("GET / HTTP/1.1", [(name.encode(), value)]).keys == keys


@pytest.mark.parametrize("name", ["key", "api_key", "api-key", "token", "access_token", "KEY"])
@pytest.mark.parametrize(("before", "after"), [("?", ""), ("?", "&b=1"), ("?a=1&", "#b")])
def test_a_key_in_the_query(name: str, before: str, after: str) -> None:
    """It is found by its parameter's name, wherever that stands, and taken out."""
    start = f"POST /v1/x{before}{name}=k%2B1{after} HTTP/1.1"
    head = Head.of(start, ())
    assert head.keys == ("k%2B1", "k+1")
    assert head.holder(start.index("k%2B1")) == "a key in the URL"
    assert without_keys(start) == start.replace("k%2B1", "[redacted]")


@pytest.mark.parametrize("query", ["?monkey=k1", "?key=", "?a=key=k1", "/key=k1", ""])
def test_a_query_without_a_key(query: str) -> None:
    """Other parameters stay as they are."""
    start = f"POST /v1/x{query} HTTP/1.1"
    assert (Head.of(start, ()).keys, without_keys(start)) == ((), start)


def test_no_secret_is_printed() -> None:
    """What a debugger or a message shows of a head holds no credential."""
    head = Head.of("GET /?key=secret-one HTTP/1.1", [(b"api-key", b"secret-two")])
    assert "secret-" not in repr(head)
