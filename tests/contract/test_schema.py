"""Violations of a schema are told in the terms of JSON, the first few of them."""

from typing import Any

import pytest

from soundcheck.contract.schema import conforms

WORD = {"word": "hello", "start": 0, "end": 1.5}
MODEL = {"id": "m", "object": "model", "created": 0, "owned_by": "us"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("transcription#word", {"word": "a", "start": 0}, "end is missing"),
        ("transcription#word", WORD | {"start": None}, "start is null, not of type number"),
        ("transcription#word", WORD | {"start": -1}, "start is -1, less than 0"),
        ("models#model", MODEL | {"object": "x"}, 'object is "x", not "model"'),
        ("models#model", MODEL | {"id": ""}, "id is empty"),
        ("transcription#logprob", {"token": "a", "logprob": 1}, "logprob is 1, more than 0"),
    ],
)
def test_a_violation_is_told(name: str, value: dict[str, Any], told: str) -> None:
    """Each kind of violation has its sentence."""
    with pytest.raises(AssertionError) as caught:
        conforms(value, name)
    assert str(caught.value) == told


def test_what_conforms_passes() -> None:
    """A right value raises nothing; members beyond the schema are allowed."""
    conforms(WORD | {"extra": [1]}, "transcription#word")


def test_many_violations_are_not_all_told() -> None:
    """After the first few it is only said that there are more."""
    body = {"task": "transcribe", "duration": 1, "text": "", "segments": [{}] * 40_000}
    with pytest.raises(AssertionError, match=r"; and more$") as caught:
        conforms(body, "transcription#diarized")
    assert str(caught.value).count(";") == 5
