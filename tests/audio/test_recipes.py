"""Recipes are checked as they are read, and expand into one recipe per clip."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck import suites
from soundcheck.audio import Library, RecipeError
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.audio.recipes import SIGNALS, Speech, load_recipes, plain
from soundcheck.errors import SoundcheckError

BANK = """
[[phrase]]
id = "one"
text = "Good morning, everybody."
language = "en"
voice = "en-us+f5"
rate = 175
[[phrase]]
id = "two"
text = "Thank you very much."
language = "en"
voice = "en-us+f5"
rate = 175
[[phrase]]
id = "drei"
text = "Guten Morgen zusammen."
language = "de"
voice = "de+f5"
rate = 175
"""
TONE = 'signal = "tones"\nfrequencies = [440]\nlevel = -12\nduration = 1.0\nformats = ["wav"]\n'


def folder(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "phrases.toml").write_text(BANK)
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


SPEECH = (
    [f"{name}.{ext}" for name in ("hello", "sentence") for ext in NINE]
    + ["other-sentence.wav", "dialogue.wav"]
    + [f"speech-{length}.wav" for length in ("2s", "10s", "29.9s", "30.1s", "60s", "180s")]
    + [f"{language}.wav" for language in ("german", "french", "spanish", "russian", "chinese")]
)
SIGNAL = [
    f"{name}.wav"
    for name in ("silence", "noise", "tone", "silence-30s", "chirp", "two-tone", "clicks", "melody")
]
VARIANTS = ["sentence-opus.ogg", "sentence-unknown-duration.webm", "sentence-video.mp4"] + [
    f"sentence-{what}"
    for what in (
        *("8bit.wav", "24bit.wav", "float32.wav", "8khz.wav", "48khz.wav", "stereo.wav"),
        *("5.1.wav", "extensible.wav", "two-tracks.mp4", "id3.mp3", "cover.mp3", "vbr.mp3"),
        *("program-stream.mpeg", "layer2.mpga"),
    )
]


@pytest.mark.parametrize(
    ("group", "names"), [("speech", SPEECH), ("signal", SIGNAL), ("variant", VARIANTS)]
)
def test_every_clip_that_the_suites_ask_for_is_listed(group: str, names: list[str]) -> None:
    """The recipes that ship hold every clip the suites name, in its group."""
    recipes = load_recipes(suites.folder("fixtures"))
    assert {name: recipes[name].group for name in names} == dict.fromkeys(names, group)


def test_speech_clips_hold_what_their_names_say() -> None:
    """The shipped passages have the language, the length and the pauses that are promised."""
    recipes = load_recipes(suites.folder("fixtures"))
    speech = {name: one.source for name, one in recipes.items() if isinstance(one.source, Speech)}
    assert [one.text for one in speech["hello.wav"].phrases] == ["Hello World."]
    assert len(speech["sentence.wav"].phrases[0].words) >= 8
    assert {name: one.duration for name, one in speech.items() if one.duration} == {
        f"speech-{seconds}s.wav": float(seconds)
        for seconds in ("2", "10", "29.9", "30.1", "60", "180")
    }
    assert {
        name: speech[f"{name}.wav"].language
        for name in ("german", "french", "spanish", "russian", "chinese")
    } == {"german": "de", "french": "fr", "spanish": "es", "russian": "ru", "chinese": "zh"}
    assert all(one.pause >= 0.5 for one in speech.values())


def test_the_dialogue_has_two_speakers_in_turn() -> None:
    """The dialogue is four turns of two voices, one after the other."""
    source = load_recipes(suites.folder("fixtures"))["dialogue.wav"].source
    assert isinstance(source, Speech)
    voices = [one.voice for one in source.phrases]
    assert len(set(voices)) == 2
    assert voices == [voices[0], voices[1]] * 2


def test_a_recipe_makes_one_clip_per_format(tmp_path: Path) -> None:
    """``formats`` expands a name over extensions, and "all" over the documented nine."""
    recipes = load_recipes(
        folder(
            tmp_path,
            a='[speech]\nphrases = ["one", "two"]\nformats = "all"\n',
            b=f"[tone]\n{TONE}[other]\nof = 'tone'\nformats = ['wav-8bit', 'ogg-opus']\n",
        )
    )
    assert list(recipes) == [f"speech.{ext}" for ext in NINE] + [
        "tone.wav",
        "other.wav",
        "other.ogg",
    ]
    assert recipes["other.wav"].source == recipes["tone.wav"].source
    assert recipes["other.ogg"].format is FORMATS["ogg-opus"]


def test_a_bank_recipe_takes_the_phrases_of_its_language(tmp_path: Path) -> None:
    """``bank`` means every phrase of one language, in the bank's order."""
    recipes = load_recipes(
        folder(tmp_path, a='[long]\nbank = "en"\nduration = 30.0\nformats = ["wav"]\n')
    )
    source = recipes["long.wav"].source
    assert isinstance(source, Speech)
    assert [one.id for one in source.phrases] == ["one", "two"]
    assert source.fill


def test_a_source_may_be_asked_in_every_one_of_the_nine(tmp_path: Path) -> None:
    """A recipe with a sound of its own can be had in formats it does not list; a variant cannot."""
    recipes = load_recipes(
        folder(tmp_path, a=f"[tone]\n{TONE}[other]\nof = 'tone'\nformats = ['wav-8bit']\n")
    )
    found = plain(recipes, "tone.mp3")
    assert found is not None
    assert (found.name, found.format) == ("tone.mp3", FORMATS["mp3"])
    assert plain(recipes, "other.mp3") is None
    assert plain(recipes, "tone.exe") is None
    assert plain(recipes, "tone") is None


def test_an_unknown_clip_is_answered_with_close_names(tmp_path: Path) -> None:
    """Asking for a clip that no recipe makes names those it may have meant."""
    library = Library(folder(tmp_path, a=f"[tone]\n{TONE}"), tmp_path / "cache")
    with pytest.raises(RecipeError, match=r"no clip 'tonne\.wav': did you mean tone\.wav\?"):
        library.clip("tonne.wav")


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        (f"[tone]\n{TONE}colour = 1\n", "bad.toml:7: [tone] colour", "unknown key"),
        (f"[tone]\n{TONE}seed = 1\n", "bad.toml:7: [tone] seed", "unknown key"),
        ("[x]\nformats = 'all'\n", "bad.toml:1: [x]", "exactly one of the keys"),
        (f"[x]\nphrases = ['one']\n{TONE}", "bad.toml:1: [x]", "exactly one of the keys"),
        ("x = 1\n", "bad.toml:1: [x]", "must be a table"),
        (f"['Tone 1']\n{TONE}", "bad.toml:1: [Tone 1]", "small letters"),
        ("[x]\nphrases = ['one']\n", "bad.toml:1: [x]", "'formats' is missing"),
        ("\n[x]\nbank = 'en'\nformats = 'all'\n", "bad.toml:2: [x]", "'duration' is missing"),
        ("[x]\nphrases = ['four']\nformats = 'all'", ":2: [x] phrases", "no phrase 'four'"),
        ("[x]\nphrases = []\nformats = 'all'", ":2: [x] phrases", "list of texts"),
        ("[x]\nphrases = ['one', 'drei']\nformats = 'all'", ":2: [x] phrases", "one language"),
        ("[x]\nbank = 'it'\nduration = 9\nformats = 'all'", ":2: [x] bank", "language 'it'"),
        ("[x]\nphrases = ['one']\nformats = ['wma']", ":3: [x] formats", "unknown format 'wma'"),
        ("[x]\nphrases = ['one']\nformats = 'wav'", ":3: [x] formats", '"all"'),
        ("[x]\nphrases = ['one']\nformats = ['wav', 'wav']", ":3: [x] formats", "second time"),
        ("[x]\nphrases = ['one']\npause = 0.1\nformats = 'all'", ":3: [x] pause", "from 0.5"),
        ("[x]\nphrases = ['one']\npause = true\nformats = 'all'", ":3: [x] pause", "a number"),
        ("[x]\nphrases = ['one']\npause = nan\nformats = 'all'", ":3: [x] pause", "from 0.5"),
        ("[x]\nphrases = ['one']\nduration = 2.001\nformats = 'all'", "duration", "0.02 s"),
        ("[x]\nphrases = ['one']\nduration = 0\nformats = 'all'", "duration", "from 0.02"),
        ("[x]\nphrases = ['one']\nduration = 1e9\nformats = 'all'", "duration", "to 3600"),
        ("[x]\nsignal = 'music'\nformats = 'all'", ":2: [x] signal", "one of silence"),
        ("[x]\nsignal = ['noise']\nformats = 'all'", ":2: [x] signal", "one of silence"),
        ("[x]\nsignal='noise'\nduration=1\nlevel=0\nformats='all'", "[x]", "'seed' is missing"),
        ("[x]\nsignal='noise'\nduration=1\nseed=0\nformats='all'", "[x]", "'level' is missing"),
        ("[x]\nof = 'y'\nformats = ['wav']", ":2: [x] of", "no recipe 'y'"),
        (f"[t]\n{TONE}[x]\nof='t'\nsecond='y'\nformats=['mp4']", "[x] second", "no recipe 'y'"),
        (f"[t]\n{TONE}[x]\nof='t'\nsecond='t'\nformats=['wav-8bit']", "[x] second", "mp4"),
        (f"[t]\n{TONE}[x]\nof='t'\ntitle='t'\nformats=['mp4']", "[x] formats", "tags of MP3"),
        (f"[t]\n{TONE}[x]\nof='t'\ncover=1\nformats=['mp3']", "[x] cover", "true or false"),
        ("[x]\nsignal='melody'\nnotes=['H4']\nbeat=1\nduration=1\nlevel=0", "notes", "'H4'"),
        (f"[x\n{TONE}", "bad.toml", "cannot be read"),
        (f"[tone]\n{TONE}[tone]\n{TONE}", "bad.toml", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_file_line_recipe_and_key(
    tmp_path: Path, text: str, where: str, why: str
) -> None:
    """A recipe that cannot be used is refused in one message that says where and why."""
    with pytest.raises(RecipeError) as caught:
        load_recipes(folder(tmp_path, bad=text))
    assert str(tmp_path / "bad.toml") in str(caught.value)
    assert where in str(caught.value)
    assert why in str(caught.value)


def test_two_files_cannot_define_the_same_recipe(tmp_path: Path) -> None:
    """A name belongs to one file."""
    with pytest.raises(RecipeError, match=r"b\.toml:1: \[tone\]: is also in a\.toml"):
        load_recipes(folder(tmp_path, a=f"[tone]\n{TONE}", b=f"[tone]\n{TONE}"))


def test_a_folder_without_recipes_is_refused(tmp_path: Path) -> None:
    """No recipes at all is a mistake, not an empty library."""
    with pytest.raises(RecipeError, match="no recipes"):
        load_recipes(tmp_path)


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    """A file that is not UTF-8 is one message."""
    (tmp_path / "bad.toml").write_bytes(b"[x]\nname = '\xff'\n")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipes(tmp_path)


SIMPLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=6)
VALUES = st.recursive(
    st.booleans() | st.integers(-5, 50_000) | st.floats(-1e6, 1e6) | SIMPLE,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = st.sampled_from(
    sorted(
        {"phrases", "bank", "signal", "of", "formats", "duration", "level", "pause", "second"}
        | {"title", "cover", "lead", "tail"}.union(*SIGNALS.values())
    )
)
LIKELY = st.sampled_from(["one", "two", "en", "all", *SIGNALS, ["wav"], ["one"], 1.0, -12, [440]])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes")


@given(st.dictionaries(KEYS | SIMPLE, VALUES | LIKELY, max_size=7))
def test_whatever_a_recipe_says_it_loads_or_is_refused_in_one_message(
    scratch: Path, table: dict[str, object]
) -> None:
    """No table makes the reader fail in another way than by its own error, naming the file."""
    lines = "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in table.items())
    try:
        recipes = load_recipes(folder(scratch, any=f"[any]\n{lines}"))
    except SoundcheckError as error:
        message, recipes = str(error), {}
    else:
        message = "any.toml"
    assert "any.toml" in message
    for recipe in recipes.values():
        assert recipe.name.startswith("any.")
        assert json.dumps(recipe.described(), allow_nan=False)
