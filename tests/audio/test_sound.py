"""Parts of a sound are cut to the sample, with the words that lie in them."""

import numpy as np
import pytest
import soundfile

from soundcheck.audio import Library, RecipeError, Word
from soundcheck.audio.sound import Sound, part

LIBRARY = Library()
WORDS = (Word("One", 0.1, 0.3), Word("two", 0.4, 0.6), Word("three.", 0.7, 0.9))
SOUND = Sound(np.arange(8_000, dtype=np.float32), 8_000, "en", "One two three.", WORDS)


def test_a_part_has_the_samples_between_its_ends() -> None:
    """The first sample is the one at ``start``, the last the one before ``end``."""
    found = part(SOUND, 0.35, 0.65)
    assert found.samples.tolist() == list(range(2_800, 5_200))
    assert found.duration == pytest.approx(0.3)


def test_a_part_has_the_words_that_lie_inside() -> None:
    """Words are timed from the part's own start; one that is cut through is left out."""
    found = part(SOUND, 0.35, 0.8)
    assert found.transcript == "two"
    assert [one.text for one in found.words] == ["two"]
    assert found.words[0].start == pytest.approx(0.05)
    assert found.language == "en"


def test_a_part_without_a_word_has_no_language() -> None:
    """Nothing is said in it."""
    found = part(SOUND, 0.15, 0.25)
    assert (found.transcript, found.words, found.language) == ("", (), None)


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [(0.5, 1.1, "the sound lasts 1 s"), (0.5, 0.50001, "not one sample")],
)
def test_a_part_that_is_not_there_is_refused(start: float, end: float, why: str) -> None:
    """A part ends within the sound and has a sample at least."""
    with pytest.raises(RecipeError, match=why):
        part(SOUND, start, end)


def test_the_parts_of_the_meeting_make_the_meeting() -> None:
    """Joined they are the whole, sample for sample and word for word, each with its sentences."""
    parts = [LIBRARY.clip(f"meeting-part-{number}.wav") for number in range(1, 6)]
    whole = LIBRARY.clip("meeting.flac")
    samples = [soundfile.read(one.path, dtype="int16")[0] for one in parts]
    assert np.array_equal(np.concatenate(samples), soundfile.read(whole.path, dtype="int16")[0])
    assert " ".join(one.transcript for one in parts) == whole.transcript
    assert all(one.transcript.endswith(".") for one in parts)
    assert sum(one.duration for one in parts) == whole.duration == 48.0


def test_the_meeting_is_too_large_as_a_plain_recording() -> None:
    """As WAV it is above 25 MiB, compressed far below."""
    wav = LIBRARY.clip("meeting.wav")
    assert (wav.sample_rate, wav.channels) == (96_000, 2)
    assert wav.size > 26_214_401
    assert all(LIBRARY.clip(f"meeting.{one}").size < 1_000_000 for one in ("ogg", "flac"))


def test_one_side_has_the_sound_and_gain_changes_its_level() -> None:
    """The other channel is silent; samples are as much louder or quieter as the name says."""
    plain, _ = soundfile.read(LIBRARY.clip("sentence.wav").path)
    for name, column in (("left", 0), ("right", 1)):
        samples, _ = soundfile.read(LIBRARY.clip(f"sentence-{name}.wav").path)
        assert np.array_equal(samples[:, column], plain)
        assert not samples[:, 1 - column].any()
    for name, decibels in (("minus-24db", -24), ("minus-12db", -12), ("plus-4db", 4)):
        samples, _ = soundfile.read(LIBRARY.clip(f"sentence-{name}.wav").path)
        assert np.abs(samples - plain * 10 ** (decibels / 20)).max() < 2**-14
        assert np.abs(samples).max() < 1.0


def test_the_padded_clip_is_the_same_speech_a_second_later() -> None:
    """Between a second of silence before and one behind stand the same samples."""
    plain, rate = soundfile.read(LIBRARY.clip("sentence.wav").path, dtype="int16")
    padded, _ = soundfile.read(LIBRARY.clip("sentence-padded.wav").path, dtype="int16")
    assert np.array_equal(padded[rate:-rate], plain)
    assert not padded[:rate].any()
    assert not padded[-rate:].any()
    ten, twelve = (LIBRARY.clip(f"speech-10s{end}.wav") for end in ("", "-padded"))
    shifts = [b.start - a.start for a, b in zip(ten.words, twelve.words, strict=True)]
    assert np.allclose(shifts, 1.0, atol=1e-3)


def test_the_shortest_clips_are_as_long_as_they_say() -> None:
    """One sample, and 50 ms, in which no word is whole."""
    one, few = LIBRARY.clip("one-sample.wav"), LIBRARY.clip("speech-50ms.wav")
    assert (one.size, one.duration) == (46, 1 / 16_000)
    assert (few.size, few.duration) == (44 + 1_600, 0.05)
    assert (one.transcript, few.transcript) == ("", "")
    assert np.abs(soundfile.read(few.path)[0]).max() > 0.05
