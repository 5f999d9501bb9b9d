"""The recognizer hears the phrases of its bank and stays silent at everything else."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from soundcheck import suites
from soundcheck.audio.clip import Word
from soundcheck.audio.formats import NINE
from soundcheck.audio.phrases import Phrase, load_phrases
from soundcheck.audio.speech import SAMPLE_RATE as SOURCE_RATE
from soundcheck.audio.speech import Synthesizer
from soundcheck.reference.decoding import SAMPLE_RATE, decode
from soundcheck.reference.phrasebank import BankPhrase, BankWord, load_bank
from soundcheck.reference.recognizer import Recognizer, accept
from soundcheck.reference.selection import LEAD, Studio, encode

Samples = npt.NDArray[np.int16]
Times = tuple[tuple[float, float], ...]

OUTSIDE = """
A silver car stopped in front of the theatre.
We have not seen the neighbours since last week.
My uncle repairs old radios in his cellar.
The bus was so full that nobody could sit down.
Carrots and onions grow well in this soil.
Nobody knows who painted the wall behind the school.
She wants to become a pilot when she grows up.
The water in the pool is far too cold today.
They sold their boat and moved to the city.
His favourite colour has always been dark green.
I need a sharp knife to cut the rope.
The cat jumped from the chair onto the shelf.
After the storm there were branches all over the road.
You should drink enough water on a hot day.
The clock in the hall is ten minutes slow.
Our guests will arrive at noon on Saturday.
A tall man with a hat asked for the way.
The cheese comes from a valley in Switzerland.
Could you carry this box upstairs for me?
In the evening we played cards until midnight.
The nurse measured his temperature twice.
There is no signal in the tunnel under the hill.
She painted her room white and put up shelves.
The judge listened carefully to both sides.
Every spring the storks come back to the same roof.
The number you have dialled is not available.
He lost his keys somewhere between home and work.
The soup needs a little more pepper and salt.
Put the plates in the cupboard above the sink.
A long tunnel connects the two islands.
The sailors waited three days for a better wind.
Most visitors come to see the famous waterfall.
My neighbour has a parrot that can whistle.
This road is closed for repairs until November.
The dentist has time for you on Monday morning.
We counted eleven ducks on the pond.
The report must be finished before the weekend.
She carried the heavy bag all the way home.
Some birds can fly for hours without a rest.
The lift is broken, so we have to take the stairs.
Two boys were throwing stones into the water.
Is there a post office near the station?
The factory makes chairs, tables and beds.
I would rather walk than wait for the next tram.
The mayor opened the new playground yesterday.
Her voice was so soft that we hardly heard it.
Please write your name on the first line.
The old wall is covered with green leaves.
He fixed the broken fence with a piece of wire.
Good evening and welcome to the show.
"""


@pytest.fixture(scope="module")
def phrases() -> dict[str, Phrase]:
    return load_phrases(suites.folder("fixtures") / "phrases.toml")


@pytest.fixture(scope="module")
def synthesizer() -> Iterator[Synthesizer]:
    with Synthesizer() as one:
        yield one


@pytest.fixture(scope="module")
def studio(synthesizer: Synthesizer) -> Studio:
    return Studio(synthesizer)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.fixture(scope="module")
def english(phrases: dict[str, Phrase]) -> list[Phrase]:
    return [one for one in phrases.values() if one.language == "en"]


def heard_as(studio: Studio, phrase: Phrase, name: str, folder: Path) -> Samples:
    path = folder / "clip"
    path.write_bytes(encode(studio.speak(phrase), name))
    return decode(path, 60.0)


def told(synthesizer: Synthesizer, phrase: Phrase) -> list[Word]:
    """Return when espeak-ng says each word in what ``heard_as`` gives."""
    words = synthesizer.synthesize(phrase.text, phrase.voice, phrase.rate).words
    return [Word(word.text, word.start + LEAD, word.end + LEAD) for word in words]


def passage(studio: Studio, phrases: list[Phrase], pause: float, folder: Path) -> Samples:
    silence = np.zeros(round(pause * SOURCE_RATE), np.float32)
    pieces = [piece for one in phrases for piece in (studio.speak(one, 0.0), silence)]
    path = folder / "passage"
    path.write_bytes(encode(np.concatenate(pieces), "wav"))
    return decode(path, 600.0)


def test_every_phrase_is_recognised(
    recognizer: Recognizer,
    studio: Studio,
    synthesizer: Synthesizer,
    phrases: dict[str, Phrase],
    tmp_path: Path,
) -> None:
    """Each phrase gives its own text, in its own spelling, and its language; words stay in time.

    Nine in ten word starts lie within 60 ms of where espeak-ng says that it began the word.
    """
    errors: list[float] = []
    wrong: list[str] = []
    for phrase in phrases.values():
        transcript = recognizer.recognize(heard_as(studio, phrase, "wav", tmp_path))
        if (transcript.text, transcript.language) != (phrase.text, phrase.language):
            wrong.append(phrase.id)
            continue
        (segment,) = transcript.segments
        assert 0 < segment.confidence <= 1
        assert segment.start == segment.words[0].start
        assert segment.end == segment.words[-1].end <= transcript.duration
        for word, event in zip(segment.words, told(synthesizer, phrase), strict=True):
            assert word.start < word.end
            errors.append(abs(word.start - event.start))
    assert wrong == []
    assert np.quantile(errors, 0.9) <= 0.060


@pytest.mark.parametrize("name", [*NINE, "wav-8khz"])
def test_the_greeting_is_exact_in_every_format(
    recognizer: Recognizer, studio: Studio, phrases: dict[str, Phrase], tmp_path: Path, name: str
) -> None:
    """The two words of the documented example are exact in all nine formats and at 8 kHz."""
    samples = heard_as(studio, phrases["hello"], name, tmp_path)
    assert recognizer.recognize(samples).text == "Hello World."


@pytest.mark.parametrize("name", ["mp3", "m4a", "ogg-opus", "mpga-layer2", "wav-8khz"])
def test_phrases_survive_lossy_formats(
    recognizer: Recognizer, studio: Studio, english: list[Phrase], tmp_path: Path, name: str
) -> None:
    """Single phrases are exact after lossy coding and at 8 kHz."""
    for phrase in english[3:24:7]:
        samples = heard_as(studio, phrase, name, tmp_path)
        assert recognizer.recognize(samples).text == phrase.text


@pytest.mark.parametrize("gain", [0.01, 0.063, 2.0])
def test_the_level_does_not_matter(
    recognizer: Recognizer, studio: Studio, english: list[Phrase], tmp_path: Path, gain: float
) -> None:
    """From 40 dB below to 6 dB above, the text is the same."""
    samples = heard_as(studio, english[4], "wav", tmp_path)
    changed = np.clip(samples * gain, -32768, 32767).astype(np.int16)
    assert recognizer.recognize(changed).text == english[4].text


@pytest.mark.parametrize("seconds", [60, 180])
def test_passages_are_exact(
    recognizer: Recognizer, studio: Studio, english: list[Phrase], tmp_path: Path, seconds: int
) -> None:
    """Passages of phrases with pauses of half a second are exact, in order, one segment each."""
    count = seconds * 10 // 35
    order = np.random.default_rng(seconds).integers(0, len(english), count)
    chosen = [english[index] for index in order]
    transcript = recognizer.recognize(passage(studio, chosen, 0.5, tmp_path))
    assert transcript.duration > 0.9 * seconds
    assert [one.text for one in transcript.segments] == [one.text for one in chosen]
    assert transcript.text == " ".join(one.text for one in chosen)
    times = [time for one in transcript.segments for time in (one.start, one.end)]
    assert times == sorted(times)


def test_segments_come_one_by_one(
    recognizer: Recognizer,
    studio: Studio,
    english: list[Phrase],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A segment is there before the next one was listened to, and nothing differs in the end."""
    samples = passage(studio, english[:3], 0.5, tmp_path)
    whole = recognizer.recognize(samples)
    heard: list[int] = []
    hear = recognizer.hear
    monkeypatch.setattr(recognizer, "hear", lambda one: (heard.append(len(one)), hear(one))[1])
    for number, segment in enumerate(recognizer.segments(samples), 1):
        assert len(heard) == number
        assert segment == whole.segments[number - 1]
    assert len(heard) == 3


def test_languages_may_change(
    recognizer: Recognizer, studio: Studio, phrases: dict[str, Phrase], tmp_path: Path
) -> None:
    """Each segment has its own language; the file's is the one with the most words."""
    some = [next(p for p in phrases.values() if p.language == code) for code in ("de", "fr", "de")]
    transcript = recognizer.recognize(passage(studio, some, 0.7, tmp_path))
    assert [one.language for one in transcript.segments] == ["de", "fr", "de"]
    assert transcript.language == "de"


def test_two_voices_differ_in_pitch(
    recognizer: Recognizer, studio: Studio, english: list[Phrase], tmp_path: Path
) -> None:
    """The low voice lies half an octave or more below the high one in every phrase."""
    low = [one for one in english if one.voice == "en-us+m1"][:4]
    high = [one for one in english if one.voice == "en-us+f5"][:4]
    pitches = [
        [
            recognizer.recognize(heard_as(studio, one, "wav", tmp_path)).segments[0].pitch
            for one in group
        ]
        for group in (low, high)
    ]
    assert min(pitches[0]) > 60
    assert max(pitches[0]) * 1.41 < min(pitches[1]) < 400


@pytest.mark.parametrize("share", [0.15, 0.3, 0.45, 0.6, 0.75, 0.9])
def test_cut_audio_gives_the_beginning(
    recognizer: Recognizer,
    studio: Studio,
    synthesizer: Synthesizer,
    phrases: dict[str, Phrase],
    tmp_path: Path,
    share: float,
) -> None:
    """A recording cut anywhere gives the beginning of its words, and no word that is cut away."""
    for name in ("garden", "train", "market"):
        phrase = phrases[name]
        whole = heard_as(studio, phrase, "wav", tmp_path)
        cut = whole[: round(len(whole) * share)]
        transcript = recognizer.recognize(cut)
        words = tuple(word.text for one in transcript.segments for word in one.words)
        assert words == phrase.words[: len(words)]
        spoken = [one for one in told(synthesizer, phrase) if one.end <= len(cut) / SAMPLE_RATE]
        if len(spoken) > 3:
            assert abs(len(words) - len(spoken)) <= 1


def test_a_passage_cut_in_the_middle_gives_a_prefix(
    recognizer: Recognizer, studio: Studio, english: list[Phrase], tmp_path: Path
) -> None:
    """The whole phrases before the cut are exact; of the last one there is the beginning."""
    whole = passage(studio, english[3:8], 0.6, tmp_path)
    words = " ".join(one.text for one in english[3:8]).split()
    found = recognizer.recognize(whole[: len(whole) // 2]).text.split()
    assert found == words[: len(found)]
    assert len(found) > len(words) // 3


def signals() -> dict[str, Samples]:
    time = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    random = np.random.default_rng(11)
    notes = np.repeat(2 ** (random.integers(0, 13, 24) / 12), SAMPLE_RATE // 4)
    beat = np.tile(np.exp(-np.arange(SAMPLE_RATE // 4) / 800), 24)
    waves = {
        "silence": np.zeros_like(time),
        "constant": np.full_like(time, 0.5),
        "white noise": random.normal(0, 0.1, len(time)),
        "brown noise": np.cumsum(random.normal(0, 0.002, len(time))),
        "noise bursts": random.normal(0, 0.2, len(time)) * (time % 1 < 0.6),
        "hum": 0.3 * np.sign(np.sin(2 * np.pi * 50 * time)),
        "tone": 0.3 * np.sin(2 * np.pi * 1000 * time),
        "dialling tones": 0.2 * (np.sin(2 * np.pi * 697 * time) + np.sin(2 * np.pi * 1336 * time)),
        "chirp": 0.3 * np.sin(2 * np.pi * (100 + 300 * time) * time),
        "melody": 0.3 * np.sin(2 * np.pi * np.cumsum(220 * notes) / SAMPLE_RATE) * beat,
        "chords": 0.1 * beat * sum(np.sin(2 * np.pi * f * time) for f in (220, 277, 330)),
        "clicks": (np.arange(len(time)) % 4000 == 0) * 0.9,
        "ten samples": random.normal(0, 0.1, 10),
    }
    return {name: np.clip(wave * 32767, -32768, 32767).astype(np.int16)
            for name, wave in waves.items()}  # fmt: skip


@pytest.mark.parametrize("name", [*signals()])
def test_no_speech_no_text(recognizer: Recognizer, name: str) -> None:
    """Silence, noise, tones, music and clicks give no text and no language."""
    transcript = recognizer.recognize(signals()[name])
    assert (transcript.text, transcript.language) == ("", None)
    assert transcript.duration == len(signals()[name]) / SAMPLE_RATE


def test_reversed_and_mixed_speech_gives_no_text(
    recognizer: Recognizer, studio: Studio, english: list[Phrase], tmp_path: Path
) -> None:
    """Speech played backwards, or all at once, is no phrase."""
    spoken = [heard_as(studio, one, "wav", tmp_path) for one in english[3:9]]
    assert recognizer.recognize(spoken[0][::-1].copy()).text == ""
    length = min(map(len, spoken))
    mixed = sum(one[:length].astype(np.int32) for one in spoken) // len(spoken)
    assert recognizer.recognize(mixed.astype(np.int16)).text == ""


def test_other_sentences_give_no_text(
    recognizer: Recognizer, studio: Studio, tmp_path: Path
) -> None:
    """Of fifty sentences outside the bank, in the bank's voices, at most two give any text."""
    sentences = OUTSIDE.strip().splitlines()
    assert len(sentences) == 50
    answers: dict[str, str] = {}
    for index, text in enumerate(sentences):
        voice = ("en-us+f5", "en-us+f5", "en-us+m1", "en-us")[index % 4]
        samples = heard_as(studio, Phrase("x", text, "en", voice, 175), "wav", tmp_path)
        if heard := recognizer.recognize(samples).text:
            answers[text] = heard
    assert len(answers) <= 2, answers


def test_answers_do_not_depend_on_their_order(
    recognizer: Recognizer, studio: Studio, english: list[Phrase], tmp_path: Path
) -> None:
    """A file gives the same transcript first, later, and from another recognizer."""
    files = [heard_as(studio, one, "ogg-opus", tmp_path) for one in english[10:14]]
    forwards = [recognizer.recognize(one) for one in files]
    backwards = [recognizer.recognize(one) for one in reversed(files)]
    assert forwards == backwards[::-1]
    assert Recognizer().recognize(files[2]) == forwards[2]


def test_the_frozen_bank_is_that_of_the_phrases(phrases: dict[str, Phrase]) -> None:
    """What the recognizer knows and what the clips are made of are the same phrases."""
    known = {one.id: one for one in load_bank().phrases}
    assert list(known) == list(phrases)
    for name, phrase in phrases.items():
        assert known[name].language == phrase.language
        assert tuple(word.text for word in known[name].words) == phrase.words


BANK_PHRASE = BankPhrase(
    "test", "en", tuple(BankWord(str(i), ("AH",), 0.3 * i, 0.3 * i + 0.25) for i in range(8))
)


def said(count: int, *, shifts: tuple[float, ...] = (), at: float = 0.1) -> Times:
    late = (*shifts, *[0.0] * count)
    return tuple((at + 0.3 * i + late[i], at + 0.3 * i + 0.25 + late[i]) for i in range(count))


@pytest.mark.parametrize(
    ("words", "length", "at_end", "count"),
    [
        (said(8), 2.6, False, 8),
        (said(8, at=3.0), 5.6, False, 8),
        (said(6), 1.9, False, 6),
        (said(5), 1.6, False, None),  # too little of a phrase that goes on
        (said(3), 1.0, True, 3),  # the rest is cut away
        (said(5), 2.3, True, None),  # there was time for more
        (said(2), 0.7, True, None),  # too few words to be sure
        (said(5), 1.29, True, 4),  # the fifth begins behind the cut
        (said(8), 3.2, False, 8),
        (said(8), 3.4, False, None),  # somebody speaks on
        (said(8, shifts=(0.0, 0.08, -0.08, 0.06, 0.0, 0.0, 0.0, 0.0)), 2.6, False, 8),
        (said(8, shifts=(0.0, 0.08, -0.08, 0.06, 0.0, 0.0, 0.05, -0.05)), 2.6, False, None),
        (said(7, shifts=(0.0, 0.08, 0.0, 0.0, 0.0, 0.0, 0.0)), 2.3, False, 7),
        (said(7, shifts=(0.0, 0.08, -0.08, 0.06, 0.0, 0.0, 0.0)), 2.3, False, None),
        (said(3, shifts=(0.0, 0.0, 0.05)), 1.0, True, None),
        (((0.0, 0.25), (0.3, 0.55), (0.6, 1.6)), 1.7, True, None),  # far too long a word
    ],
)
def test_acceptance(words: Times, length: float, at_end: bool, count: int | None) -> None:
    """Enough words must be there, at the phrase's own times; a cut excuses what lies behind it."""
    accepted = accept(BANK_PHRASE, words, length, at_end)
    assert (accepted and accepted[0]) == count


@pytest.mark.parametrize(("factor", "kept"), [(1.0, True), (1.1, True), (1.2, False), (0.8, False)])
def test_short_phrases_need_their_duration(factor: float, kept: bool) -> None:
    """A phrase of two words needs both and a duration within 15 %."""
    short = BankPhrase("short", "en", BANK_PHRASE.words[:2])
    words = tuple((start * factor, end * factor) for start, end in said(2, at=0.0))
    assert (accept(short, words, 0.8, False) is not None) is kept
    assert accept(short, words[:1], 0.8, False) is None
