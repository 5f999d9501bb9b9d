"""Texts are compared by their words."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soundcheck.contract.wording import normalised, pooled_error_rate, word_error_rate, words_of


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language", "rate"),
    [
        ("Hello World.", "hello, world", "en", 0.0),
        ("It's late", "its late", "en", 0.0),
        ("one two three four", "one two tree four", "en", 0.25),
        ("one two three four", "", "en", 1.0),
        ("", "", "en", 0.0),
        ("", "anything", "en", 1.0),
        ("leaves at seven", "Leaves at 7.", "en", 0.0),
        ("two hundred years", "200 years", "en", 0.0),
        ("one thousand two hundred and five", "1,205", "en", 0.0),
        ("twenty-one men", "21 men", "en", 0.0),
        ("seven men", "8 men", "en", 0.5),
        ("one two", "12", "en", 1.0),
        ("einundzwanzig Häuser", "21 Häuser", "de", 0.0),
        ("zweitausenddreißig", "2.030", "de", 0.0),
        ("part à dix heures", "part à 10 heures", "fr", 0.0),
        ("quatre-vingt-dix-sept", "97", "fr", 0.0),
        ("treinta y un días", "31 días", "es", 0.0),
        ("treinta y uno", "31", "es", 0.0),
        ("晚上十点离开", "晚上10点离开", "zh", 0.0),
        ("seven", "7", "ru", 1.0),
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


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "zh"])
@given(text=st.text(max_size=40))
@example("one hundred and one two")
def test_figures_stay_what_they_are(language: str, text: str) -> None:
    """Words whose numbers are in figures are not changed by doing it again."""
    once = words_of(text, language)
    assert words_of(" ".join(once), language) == once


def test_the_pooled_rate_weighs_by_words() -> None:
    """Over several texts the errors are counted together: a long text weighs more."""
    pairs = [("a b c d e f g h i", "a b c d e f g h i"), ("j", "k"), ("", "")]
    assert pooled_error_rate(pairs) == pytest.approx(0.1)
