"""Recipes are checked as they are read, and expand into one recipe per clip."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck import suites
from soundcheck.audio import Library, RecipeError
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.audio.recipe import Claimed, Content, Cut, Flipped, Sized, Speech
from soundcheck.audio.recipe_values import CONTENTS, SIGNALS
from soundcheck.audio.recipes import load_recipes, plain
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
    + ["other-sentence.wav", "dialogue.wav", "sentence-padded.wav", "two-sentences.wav"]
    + ["speech-10s-padded.wav"]
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
        *("44.1khz.wav", "left.wav", "right.wav"),
        *("minus-24db.wav", "minus-12db.wav", "plus-4db.wav"),
        *("5.1.wav", "extensible.wav", "two-tracks.mp4", "id3.mp3", "cover.mp3", "vbr.mp3"),
        *("program-stream.mpeg", "layer2.mpga"),
    )
]


MEETING = ["meeting.wav", "meeting.ogg", "meeting.flac"]
CUTS = [f"meeting-part-{number}.wav" for number in range(1, 6)] + [
    "one-sample.wav",
    "speech-50ms.wav",
]
SIZES = [
    f"sized-{size}.{ext}"
    for size in (25_000_000, 26_214_300, 26_214_399, 26_214_400, 26_214_401)
    for ext in NINE
] + ["sized-60000000.wav", "sized-60000000.flac", "sized-32000000.wav"]
DAMAGED = [f"{name}.{ext}" for name in ("truncated", "corrupt") for ext in NINE] + [
    f"lying-{what}.wav" for what in ("size-zero", "size-max", "size-larger", "rate", "channels")
]
HOSTILE = (
    ["empty.wav", "header-only.wav", "random.wav", "silence-bomb.flac", "rate-bomb.flac"]
    + [
        f"not-audio-{kind}.wav"
        for kind in ("png", "pdf", "zip", "html", "script", "elf", "text", "json")
    ]
    + ["playlist-hls.wav", "playlist-concat.wav", "playlist-dash.wav"]
    + ["session-sdp.wav", "reference-mov.mp4"]
)


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("speech", SPEECH + MEETING),
        ("signal", SIGNAL),
        ("variant", VARIANTS + CUTS),
        ("size", SIZES),
        ("damaged", DAMAGED),
        ("hostile", HOSTILE),
    ],
)
def test_every_clip_that_the_suites_ask_for_is_listed(group: str, names: list[str]) -> None:
    """The recipes that ship hold every clip the suites name, in its group."""
    recipes = load_recipes(suites.folder("fixtures"))
    assert {name: recipes[name].group for name in names} == dict.fromkeys(names, group)


def test_speech_clips_hold_what_their_names_say() -> None:
    """The shipped passages have the language, the length and the pauses that are promised."""
    recipes = load_recipes(suites.folder("fixtures"))
    speech = {
        name: one.source
        for name, one in recipes.items()
        if isinstance(one.source, Speech) and one.group == "speech"
    }
    assert [one.text for one in speech["hello.wav"].phrases] == ["Hello World."]
    assert len(speech["sentence.wav"].phrases[0].words) >= 8
    lengths = {f"speech-{one}s.wav": float(one) for one in ("2", "10", "29.9", "30.1", "60", "180")}
    lengths |= dict.fromkeys(MEETING, 48.0)
    assert {name: speech[name].duration for name in lengths} == lengths
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


def test_a_part_of_a_sound_is_told_by_its_ends(tmp_path: Path) -> None:
    """``from`` and ``until`` are seconds of the other recipe's sound."""
    recipes = load_recipes(
        folder(tmp_path, a=f"[t]\n{TONE}[x]\nof='t'\nfrom=0.25\nuntil=0.75\nformats=['wav']\n")
    )
    assert recipes["x.wav"].span == (0.25, 0.75)
    assert recipes["x.wav"].duration == 0.5
    assert recipes["x.wav"].described()["from"] == 0.25
    assert recipes["x.wav"].described()["until"] == 0.75


def test_level_and_side_are_told(tmp_path: Path) -> None:
    """``gain`` and ``side`` are part of the recipe; what would clip cannot be made."""
    text = f"[t]\n{TONE}[x]\nof='t'\ngain=13\nside='left'\nformats=['wav-stereo']\n"
    library = Library(folder(tmp_path, a=text), tmp_path / "cache")
    told = library.recipe("x.wav").described()
    assert (told["gain"], told["side"]) == (13.0, "left")
    with pytest.raises(RecipeError, match=r"x\.wav: \+13 dB are too much"):
        library.clip("x.wav")


@pytest.mark.parametrize(
    ("keys", "treatment"),
    [
        ("cut = 0.5", Cut(0.5)),
        ("flip = 0.01\nseed = 3", Flipped(0.01, 3)),
        ("claim = {rate = 0, bits = 8}", Claimed((("rate", 0), ("bits", 8)))),
    ],
)
def test_a_treatment_is_what_is_done_to_the_file(
    tmp_path: Path, keys: str, treatment: object
) -> None:
    """Each key of a treatment makes a damaged clip, described by the same key."""
    text = f"[t]\n{TONE}[x]\nof = 't'\n{keys}\nformats = ['wav']\n"
    recipe = load_recipes(folder(tmp_path, a=text))["x.wav"]
    assert (recipe.treatment, recipe.group) == (treatment, "damaged")
    assert keys.split()[0] in recipe.described()


def test_a_size_may_be_asked_for_beside_those_listed(tmp_path: Path) -> None:
    """A recipe NAME-SIZE stands for its sound in any size and in all nine formats."""
    text = f"[t]\n{TONE}[x-50000]\nof = 't'\nsize = 50000\nformats = ['wav']\n"
    recipes = load_recipes(folder(tmp_path, a=text))
    assert recipes["x-50000.wav"].group == "size"
    found = plain(recipes, "x-60001.flac")
    assert found is not None
    assert found.source == recipes["t.wav"].source
    assert (found.format, found.treatment) == (FORMATS["flac"], Sized(60_001))
    assert plain(recipes, "t-60001.flac") is None
    assert plain(recipes, "x-060001.flac") is None
    with pytest.raises(RecipeError, match="at most 268435456 bytes"):
        plain(recipes, "x-268435457.flac")


def test_a_content_has_its_options_and_no_sound(tmp_path: Path) -> None:
    """``content`` names a kind; no other recipe can take its sound, for it has none."""
    text = "[x]\ncontent = 'random'\nbytes = 5\nseed = 1\nformats = ['wav', 'mp3']\n"
    recipes = load_recipes(folder(tmp_path, a=text))
    assert list(recipes) == ["x.wav", "x.mp3"]
    assert recipes["x.wav"].source == Content("random", (("bytes", 5), ("seed", 1)))
    assert (recipes["x.wav"].group, recipes["x.wav"].duration) == ("hostile", 0.0)
    assert recipes["x.wav"].described()["content"] == "random"
    assert plain(recipes, "x.ogg") is None


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
        (f"[t]\n{TONE}[x]\nof='t'\ngain=25\nformats=['wav']", "[x] gain", "to 24"),
        (f"[t]\n{TONE}[x]\nof='t'\nside='up'\nformats=['wav']", "[x] side", "left or right"),
        (f"[t]\n{TONE}[x]\nof='t'\nside='left'\nformats=['wav']", "[x] side", "stereo"),
        ("[x]\nsignal='melody'\nnotes=['H4']\nbeat=1\nduration=1\nlevel=0", "notes", "'H4'"),
        (f"[t]\n{TONE}[x]\nof='t'\nfrom=1\nuntil=1\nformats='all'", "until", "greater than from"),
        (f"[t]\n{TONE}[x]\nof='t'\nfrom=1\nformats='all'", "[x]", "'until' is missing"),
        (f"[t]\n{TONE}[x]\nof='t'\nuntil=1\nformats='all'", "[x]", "'from' is missing"),
        (f"[t]\n{TONE}[x]\nof='t'\nflip=0.1\nformats='all'", "[x]", "'seed' is missing"),
        (f"[t]\n{TONE}[x]\nof='t'\nseed=1\nformats='all'", "[x]", "'flip' is missing"),
        (f"[t]\n{TONE}[x]\nof='t'\ncut=1.1\nformats='all'", "[x] cut", "from 0 to 1"),
        (f"[t]\n{TONE}[x]\nof='t'\ncut=0\nsize=9\nformats='all'", "[x] cut", "beside size"),
        (f"[t]\n{TONE}[x]\nof='t'\nsize=9\nformats='all'", "[x] size", "must end in -9"),
        (f"[t]\n{TONE}[x-9]\nof='t'\nsize=9\nformats=['wav-8bit']", "formats", "one of flac"),
        (f"[t]\n{TONE}[x]\nof='t'\nsize=1e9\nformats='all'", "[x] size", "whole number"),
        (f"[t]\n{TONE}[x]\nof='t'\nsize=999999999\nformats='all'", "[x] size", "at most"),
        (f"[t]\n{TONE}[x]\nof='t'\nclaim={{}}\nformats=['wav']", "[x] claim", "a table of"),
        (f"[t]\n{TONE}[x]\nof='t'\nclaim={{a=1}}\nformats=['wav']", "claim", "'a' is no field"),
        (f"[t]\n{TONE}[x]\nof='t'\nclaim={{bits=65536}}\nformats=['wav']", "claim", "2 bytes"),
        (f"[t]\n{TONE}[x]\nof='t'\nclaim={{bits=-1}}\nformats=['wav']", "claim", "at least 0"),
        (f"[t]\n{TONE}[x]\nof='t'\nclaim={{bits=1}}\nformats='all'", "claim", "flac does not"),
        ("[x]\ncontent='music'\nformats=['wav']", "[x] content", "one of nothing"),
        ("[x]\ncontent='random'\nseed=1\nformats=['wav']", "[x]", "'bytes' is missing"),
        ("[x]\ncontent='png'\nseed=1\nformats=['wav']", "[x] seed", "unknown key"),
        ("[x]\ncontent='png'\nformats=['wav-8bit']", "[x] formats", "needs one of flac"),
        ("[y]\ncontent='png'\nformats=['wav']\n[x]\nof='y'\nformats='all'", "[x] of", "'y'"),
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
        | {"title", "cover", "lead", "tail", "content", "from", "until", "size", "cut", "flip"}
        | {"claim", "gain", "side"}.union(*SIGNALS.values(), *CONTENTS.values())
    )
)
LIKELY = st.sampled_from(
    ["one", "two", "en", "all", *SIGNALS, *CONTENTS, ["wav"], ["one"], 1.0, -12, [440]]
)


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
