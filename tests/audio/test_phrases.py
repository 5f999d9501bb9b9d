"""The phrase bank's file is read strictly, and words join to the text they came from."""

# ruff: noqa: RUF001  # IPA and Chinese punctuation look like Latin

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck import suites
from soundcheck.audio.phrases import PhraseError, join_words, load_phrases, split_words

ENTRY = """
[[phrase]]
id = "hello"
text = "Hello World."
language = "en"
voice = "en-us+f5"
rate = 175
"""


@pytest.fixture(scope="module")
def bank() -> Path:
    return suites.folder("fixtures") / "phrases.toml"


def test_an_entry_is_read(tmp_path: Path) -> None:
    """A phrase has the fields of its table."""
    (tmp_path / "phrases.toml").write_text(ENTRY)
    phrase = load_phrases(tmp_path / "phrases.toml")["hello"]
    assert (phrase.text, phrase.language) == ("Hello World.", "en")
    assert (phrase.voice, phrase.rate) == ("en-us+f5", 175)
    assert phrase.words == ("Hello", "World.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rate", "speed"), "phrase 1: unknown key 'speed'"),
        (("rate = 175", ""), "phrase 1: the key 'rate' is missing"),
        (("175", '"fast"'), "phrase 1: rate must be a whole number"),
        (("175", "true"), "phrase 1: rate must be a whole number"),
        (('"en"', '""'), "phrase 1: language must be a text that is not empty"),
        (("Hello World.", "   "), "the text has no words"),
        (("[[phrase]]", "[phrase]"), r"write \[\[phrase\]\]"),
        (("[[phrase]]", "[[sentence]]"), "unknown key 'sentence'"),
        (("rate = 175", "rate = "), "cannot be read"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """A mistake is one error that names the file, the entry and the key."""
    path = tmp_path / "phrases.toml"
    path.write_text(ENTRY.replace(*change))
    with pytest.raises(PhraseError, match=message) as caught:
        load_phrases(path)
    assert str(path) in str(caught.value)


def test_an_id_is_given_once(tmp_path: Path) -> None:
    """Two phrases of one id are an error."""
    (tmp_path / "phrases.toml").write_text(ENTRY * 2)
    with pytest.raises(PhraseError, match="phrase 2: the id 'hello' is taken"):
        load_phrases(tmp_path / "phrases.toml")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there is an error, not a traceback."""
    with pytest.raises(PhraseError, match="cannot be read"):
        load_phrases(tmp_path / "none.toml")


@given(st.lists(st.text("abcdéüж'-", min_size=1, max_size=8), max_size=8), st.sampled_from("., ?"))
def test_words_join_to_the_text(words: list[str], end: str) -> None:
    """Splitting and joining a text of spaced words returns the text."""
    text = (" ".join(words) + end).strip()
    assert join_words(split_words(text)) == text


def test_chinese_characters_are_words() -> None:
    """Each character is a word, keeps its punctuation, and is joined without blanks."""
    words = split_words("今天很好，我们走。")
    assert words == ("今", "天", "很", "好，", "我", "们", "走。")
    assert join_words(words) == "今天很好，我们走。"
    assert join_words(["今天。", "走。"]) == "今天。走。"


def test_the_bank_has_what_the_clips_need(bank: Path) -> None:
    """Enough phrases per language, the greeting word for word, and a second English voice."""
    phrases = load_phrases(bank)
    per_language = {
        language: [one for one in phrases.values() if one.language == language]
        for language in ("en", "de", "fr", "es", "ru", "zh")
    }
    assert sum(map(len, per_language.values())) == len(phrases)
    assert len(per_language.pop("en")) >= 29
    assert all(len(some) >= 5 for some in per_language.values())
    assert phrases["hello"].text == "Hello World."
    assert len({one.text for one in phrases.values()}) == len(phrases)
    low = [one for one in phrases.values() if one.voice == "en-us+m1"]
    assert len(low) >= 6
