"""No secret gets through the one writer of exchanges."""

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError
from soundcheck.http.store import REDACTED, Store
from soundcheck.report.validation import first_problem

SECRET = "sk-9f8e7d6c5b4a"


def _exchange(text: str, body: bytes) -> Exchange:
    answer = Response(401, text, (("set-cookie", "id=1"), ("x-echo", text)), body, ())
    return Exchange(
        digest="0123456789abcdef",
        lane="shared",
        attempts=1,
        started="2026-01-01T00:00:00.000Z",
        request=SentRequest(
            "POST",
            f"http://host/{text}",
            (("authorization", f"Bearer {text}"), ("x-other", text)),
            ({"name": "prompt", "value": text, "size": 3},),
            10,
        ),
        response=answer,
        timing=Timing(0.0, 0.0, 0.0),
        error=TransportError("reset", text),
        retried=(answer, answer),
    )


@given(st.text(max_size=20), st.binary(max_size=20))
def test_a_secret_is_redacted_wherever_it_stands(tmp_path_factory, text: str, body: bytes) -> None:
    """The key is taken out of URL, headers, parts, bodies and messages before any is stored."""
    folder: Path = tmp_path_factory.mktemp("exchanges")
    store = Store(folder, [SECRET])
    stored = store.write(_exchange(text + SECRET + text, body + SECRET.encode() + body))
    assert SECRET.encode() not in store.path(stored.digest).read_bytes()
    assert store.load(stored.digest) == stored


def test_secret_headers_are_redacted_without_knowing_the_secret(tmp_path: Path) -> None:
    """Headers that hold credentials are redacted whatever they hold; others stay."""
    stored = Store(tmp_path).write(_exchange("plain", b""))
    assert stored.request.headers == (("authorization", REDACTED), ("x-other", "plain"))
    assert stored.response is not None
    assert stored.response.headers == (("set-cookie", REDACTED), ("x-echo", "plain"))
    assert stored.retried == (stored.response, stored.response)


def test_what_is_stored_keeps_the_published_schema(tmp_path: Path) -> None:
    """An exchange with everything in it, answers to earlier attempts too, is valid."""
    store = Store(tmp_path)
    whole = _exchange("plain", b"\xff")
    stored = store.write(replace(whole, request=replace(whole.request, parts=())))
    assert first_problem(json.loads(store.path(stored.digest).read_bytes()), "exchange") is None


def test_an_exchange_that_was_never_sent_is_missing(tmp_path: Path) -> None:
    """Loading what is not there gives nothing."""
    assert Store(tmp_path).load("0123456789abcdef") is None
