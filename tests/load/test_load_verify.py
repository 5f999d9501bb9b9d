"""Verification of transcripts: wrong answers are found, differences of style are none."""

import pytest

from soundcheck.load.verify import wrong

SAID = "The children are playing in the garden behind the house."
CHINESE = "今天天气很好，我们去公园散步。"  # noqa: RUF001 - full-width punctuation


@pytest.mark.parametrize(
    "heard",
    [
        SAID,
        SAID.upper(),
        "the children are playing - in the garden,  behind the house",
        "The child is playing in a garden behind the house.",
    ],
)
def test_what_a_recognizer_may_write_is_not_wrong(heard: str) -> None:
    """Case, punctuation, blanks and up to half of the words do not make an answer wrong."""
    assert not wrong(heard, SAID, "text")


@pytest.mark.parametrize(
    "heard", ["", "Hello world.", "The children", SAID + SAID, "one two three four five six seven"]
)
def test_an_answer_to_something_else_is_wrong(heard: str) -> None:
    """Empty, canned, cut and doubled answers are wrong."""
    assert wrong(heard, SAID, "text")


def test_ideographs_are_words() -> None:
    """Chinese is compared by character, whatever blanks and punctuation it has."""
    assert not wrong("今天天气很好 我们去公园散步", CHINESE, "text")
    assert wrong("最后一班火车晚上十点离开", CHINESE, "text")


@pytest.mark.parametrize(("heard", "expected"), [("x" * 40, False), ("x" * 10, True), ("", True)])
def test_length_is_all_that_counts_where_only_it_is_asked(heard: str, expected: bool) -> None:
    """A text from half to twice as long passes the check of the length."""
    assert wrong(heard, SAID, "length") is expected


def test_nothing_is_wrong_where_nobody_looks_or_knows() -> None:
    """Without a check, or a transcript to compare with, every answer passes."""
    assert not wrong("", SAID, "none")
    assert not wrong("noise", "", "text")
