"""Passages: phrases in a row with pauses, exactly as long as asked, words where they are spoken."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck import suites
from soundcheck.audio import RecipeError
from soundcheck.audio.passages import arrange, choose, render
from soundcheck.audio.phrases import Phrase, load_phrases
from soundcheck.audio.recipes import Speech
from soundcheck.audio.speech import SAMPLE_RATE

LENGTHS = st.lists(st.integers(1, 100_000), min_size=1, max_size=12)
GAP = st.integers(0, 30_000)


@pytest.fixture(scope="module")
def english() -> list[Phrase]:
    bank: Path = suites.folder("fixtures") / "phrases.toml"
    return [one for one in load_phrases(bank).values() if one.language == "en"]


@given(LENGTHS, GAP, GAP, GAP, st.none() | st.integers(0, 500_000))
def test_pieces_are_placed_in_order_with_pauses(
    lengths: list[int], lead: int, pause: int, tail: int, spare: int | None
) -> None:
    """Lead, pauses and tail are at least as asked, nothing overlaps, and the total is exact."""
    least = lead + sum(lengths) + pause * (len(lengths) - 1) + tail
    total = None if spare is None else least + spare
    layout = arrange(lengths, lead=lead, pause=pause, tail=tail, total=total)
    ends = [start + length for start, length in zip(layout.starts, lengths, strict=True)]
    gaps = [after - end for end, after in zip(ends, layout.starts[1:], strict=False)]
    assert layout.starts[0] == lead
    assert all(gap >= pause for gap in gaps)
    assert max(gaps, default=0) - min(gaps, default=0) <= 1
    if total is None:
        assert 0 <= layout.total - least < 441
        assert layout.total % 441 == 0
    else:
        assert layout.total == total
        if gaps:
            assert total - ends[-1] == tail
    assert layout.total - ends[-1] >= tail


@given(LENGTHS, st.integers(1, 1_000_000))
def test_a_passage_that_is_too_short_is_refused(lengths: list[int], lack: int) -> None:
    """Pieces are never cut or squeezed to fit."""
    with pytest.raises(ValueError, match=f"{lack} samples too short"):
        arrange(
            lengths, lead=0, pause=10, tail=0, total=sum(lengths) + 10 * (len(lengths) - 1) - lack
        )


@given(LENGTHS, GAP, GAP, GAP, st.integers(0, 3_000_000))
def test_chosen_pieces_fill_the_time(
    lengths: list[int], lead: int, pause: int, tail: int, total: int
) -> None:
    """What is chosen fits, nothing more would, and pieces come in turn."""
    pause += 500  # pieces of one sample without a pause would make millions
    chosen = choose(lengths, lead=lead, pause=pause, tail=tail, total=total)
    if chosen:
        picked = [lengths[one] for one in chosen]
        least = lead + sum(picked) + pause * (len(picked) - 1) + tail
        assert least <= total
        assert least + pause + min(lengths) > total
        arrange(picked, lead=lead, pause=pause, tail=tail, total=total)
    else:
        assert lead + min(lengths) + tail > total


def test_words_stand_where_they_are_spoken(english: list[Phrase]) -> None:
    """Word times are shifted with their phrase: voice inside them, silence in the pauses."""
    sound = render(Speech(tuple(english[3:6]), duration=14.0, pause=0.8))
    assert len(sound.samples) == 14 * SAMPLE_RATE
    assert sound.transcript == " ".join(one.text for one in english[3:6])
    assert [one.text for one in sound.words] == sound.transcript.split()
    times = [time for word in sound.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0.2
    assert times[-1] <= 14.0
    loud = [
        np.abs(sound.samples[int(a * SAMPLE_RATE) : int(b * SAMPLE_RATE)]).max()
        for a, b in zip(times[::2], times[1::2], strict=True)
    ]
    assert min(loud) > 0.01
    quiet = np.abs(sound.samples) < 0.001
    pauses = [
        (word.end, after.start)
        for word, after in zip(sound.words, sound.words[1:], strict=False)
        if after.start - word.end >= 0.8
    ]
    assert len(pauses) == 2
    for start, end in pauses:
        assert quiet[int((start + 0.3) * SAMPLE_RATE) : int(end * SAMPLE_RATE)].all()


def test_speech_has_the_same_samples_in_any_order(english: list[Phrase]) -> None:
    """A phrase sounds the same wherever it stands and whatever was spoken before it."""
    first, second = english[1], english[2]
    alone = render(Speech((first,), lead=0.0, tail=0.0)).samples
    before = render(Speech((first, second), lead=0.0)).samples
    after = render(Speech((second, first), lead=0.0, tail=0.0)).samples
    kept = np.trim_zeros(alone)
    assert np.array_equal(kept, np.trim_zeros(before[: len(alone)]))
    assert np.array_equal(kept, np.trim_zeros(after[-len(alone) :]))


def test_chinese_phrases_are_joined_without_blanks() -> None:
    """Languages written without blanks have transcripts without them."""
    bank = load_phrases(suites.folder("fixtures") / "phrases.toml").values()
    chinese = tuple(one for one in bank if one.language == "zh")[:2]
    assert render(Speech(chinese)).transcript == chinese[0].text + chinese[1].text


@pytest.mark.parametrize("fill", [False, True])
def test_phrases_that_do_not_fit_are_a_recipe_error(english: list[Phrase], fill: bool) -> None:
    """A duration too short for its phrases is refused."""
    with pytest.raises(RecipeError, match=r"a passage of 0\.4 s is"):
        render(Speech(tuple(english[:3]), duration=0.4, fill=fill))
