"""The selection keeps what is recognised under all conditions, and what it writes can be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soundcheck.audio.phrases import load_phrases
from soundcheck.audio.speech import Synthesizer
from soundcheck.reference import selection
from soundcheck.reference.phrasebank import load_bank, save_bank
from soundcheck.reference.selection import Candidate, Studio, load_candidates, select

GOOD = Candidate("good", "The baker sells fresh bread.", "en")
LOW = Candidate("low", "The moon will be full tonight.", "en", "m1")
# Two spellings of one sound: whichever is heard, the other is wrong.
TWIN = Candidate("twin", "The baker cells fresh bred.", "en")


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    with Synthesizer() as synthesizer:
        yield Studio(synthesizer)


@pytest.fixture(autouse=True)
def few_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "CODECS", ("wav-8khz", "mp3"))
    monkeypatch.setattr(selection, "OFFSETS", (0.0, 0.5))
    monkeypatch.setattr(selection, "WANTED", {"en": 2})


def test_what_is_confused_is_left_out(studio: Studio, tmp_path: Path) -> None:
    """A candidate that is not heard as itself makes room for the next; the bank is read back."""
    phrases, bank = select(studio, [GOOD, TWIN, LOW], jobs=1)
    kept = [one.id for one in phrases]
    assert "low" in kept
    assert len({"good", "twin"} & set(kept)) == 1
    assert next(one.voice for one in phrases if one.id == "low") == "en-us+m1"
    selection.write_phrases(phrases, tmp_path / "phrases.toml")
    assert list(load_phrases(tmp_path / "phrases.toml").values()) == phrases
    save_bank(bank, tmp_path / "bank.json")
    again = load_bank(tmp_path / "bank.json")
    assert again.grammar() == bank.grammar()
    assert again.dictionary() == bank.dictionary()
    for phrase in again.phrases:
        starts = [word.start for word in phrase.words]
        assert starts[0] == 0
        assert starts == sorted(set(starts))


def test_a_failure_names_its_condition(studio: Studio) -> None:
    """A phrase that is exact fails nowhere; one whose words are another's fails at the first."""
    good, low = (next(one.phrases()) for one in (GOOD, LOW))
    bank, wrong = selection.measure(studio, [good, low])
    assert wrong == []
    assert selection.failure(good, bank, studio) == ""
    assert selection.failure(next(TWIN.phrases()), bank, studio) == "wav-8khz"


def test_the_candidates_can_be_read() -> None:
    """Every language has more candidates than are wanted, and no id is given twice."""
    candidates = load_candidates()
    assert len({one.id for one in candidates}) == len(candidates)
    assert {one.language for one in candidates} == selection.VOICES.keys()
    assert candidates[0] == Candidate("hello", "Hello World.", "en")
