"""Texts are compared by their words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract.wording import normalised, word_error_rate


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language", "rate"),
    [
        ("Hello World.", "hello, world", "en", 0.0),
        ("It's late", "its late", "en", 0.0),
        ("one two three four", "one two tree four", "en", 0.25),
        ("one two three four", "", "en", 1.0),
        ("", "", "en", 0.0),
        ("", "anything", "en", 1.0),
        ("今天天气很好", "今天天气很坏", "zh", pytest.approx(1 / 6)),
    ],
)
def test_word_error_rate(reference: str, hypothesis: str, language: str, rate: float) -> None:
    """The rate counts wrong words of the reference; characters where words are not spaced."""
    assert word_error_rate(reference, hypothesis, language) == rate


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """A normalised text is its own normalisation, single-spaced."""
    once = normalised(text)
    assert normalised(once) == once
    assert "  " not in once
