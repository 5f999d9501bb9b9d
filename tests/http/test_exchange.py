"""An exchange is the same after it was written and read."""

import json

from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError

headers = st.lists(st.tuples(st.text(max_size=10), st.text(max_size=10)), max_size=3).map(tuple)
seconds = st.floats(0, 1000)
responses = st.builds(
    Response,
    status=st.integers(100, 599),
    reason=st.text(max_size=10),
    headers=headers,
    body=st.binary(max_size=100),
    chunks=st.lists(st.tuples(seconds, st.integers(0, 100)), max_size=3).map(tuple),
)
exchanges = st.builds(
    Exchange,
    digest=st.just("0123456789abcdef"),
    lane=st.sampled_from(["preflight", "shared", "exclusive"]),
    attempts=st.integers(1, 3),
    started=st.just("2026-01-01T00:00:00.000Z"),
    request=st.builds(
        SentRequest,
        method=st.just("POST"),
        url=st.text(max_size=20),
        headers=headers,
        parts=st.just(({"name": "model", "value": "m"},)),
        body_bytes=st.integers(0, 10**9),
    ),
    response=st.none() | responses,
    timing=st.builds(Timing, st.none() | seconds, st.none() | seconds, seconds),
    error=st.none() | st.builds(TransportError, st.just("reset"), st.text(max_size=20)),
    retried=st.lists(responses, max_size=2).map(tuple),
)


@given(exchanges)
def test_an_exchange_survives_its_file(exchange: Exchange) -> None:
    """Written as JSON and read back, an exchange is unchanged, bodies that are no text included."""
    document = json.loads(json.dumps(exchange.to_json()))
    assert Exchange.from_json(document) == exchange


@given(exchanges)
def test_an_exchange_of_before_was_not_tried_again(exchange: Exchange) -> None:
    """The answers to earlier attempts may be absent from the file."""
    document = json.loads(json.dumps(exchange.to_json()))
    del document["retried"]
    assert Exchange.from_json(document).retried == ()
