"""Answers are read strictly, and what is wrong is told in the words of JSON."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract.answer import Answer, member, number, shown, times
from soundcheck.contract.verdict import NotObserved
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing


def _answer(body: bytes) -> Answer:
    request = SentRequest("GET", "http://localhost/v1", (), (), 0)
    response = Response(200, "OK", (("content-type", "application/json"),), body, ())
    return Answer(Exchange("0" * 16, "shared", 1, "", request, response, Timing(0, 0, 0), None))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', 'the member "a" occurs twice'),
        (b'{"a": "\xff"}', "not UTF-8: invalid start byte at byte 7"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "not a JSON object"),
    ],
)
def test_what_is_not_a_strict_object_is_named(body: bytes, reason: str) -> None:
    """A body that is not one strict JSON object is refused with the reason."""
    with pytest.raises(AssertionError, match=reason):
        _answer(body).object()


@pytest.mark.parametrize("value", ["true", '"1"', "null", "[]", "1e999", "1" * 400, "1" * 9000])
def test_only_finite_json_numbers_are_numbers(value: str) -> None:
    """Booleans, texts and what no double holds are not taken for numbers."""
    with pytest.raises(AssertionError, match=r"^a is "):
        number(_answer(f'{{"a": {value}}}'.encode()).object(), "a")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**299), 10**299))
def test_numbers_are_read_as_sent(value: float) -> None:
    """A number that a double holds is returned as it is."""
    read = number({"a": value}, "a")
    assert read == value
    assert math.isfinite(read)


def test_times_name_the_item_that_has_none() -> None:
    """The first item without two numbers is named by its kind and place."""
    assert times([{"start": 0, "end": 1.5}], "segment") == [(0, 1.5)]
    with pytest.raises(AssertionError, match=r'^word 1: end is "2", not a number'):
        times([{"start": 0, "end": 1}, {"start": 1, "end": "2"}], "word")


@pytest.mark.parametrize("body", [b"{}", b'{"segments": null}', b'{"segments": []}'])
def test_an_absent_array_is_not_observed(body: bytes) -> None:
    """Rules about items have nothing to judge where there are none."""
    with pytest.raises(NotObserved, match="no segments"):
        _answer(body).objects("segments")


@given(st.text(st.characters(), max_size=300) | st.lists(st.booleans(), max_size=99))
def test_values_are_shown_short_and_printable(value: object) -> None:
    """What is shown is short and can be written anywhere, lone surrogates included."""
    text = shown(value)
    text.encode()
    assert shown("\ud800") == '"\\ud800"'
    assert len(text) <= 80 + 5 * sum("\ud800" <= c <= "\udfff" for c in str(value))
    assert member({}, "a") == "a is missing"
