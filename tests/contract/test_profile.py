"""Profiles say what is claimed, and mistakes in them are told by file and line."""

import re
from pathlib import Path

import pytest

from soundcheck import suites
from soundcheck.contract.contracts import CONTRACTS
from soundcheck.contract.profile import CAPABILITIES, Profile, ProfileError, built_in, load_profile
from soundcheck.contract.profile_check import check_models, check_rules
from soundcheck.contract.toml_file import read_toml

REPOSITORY = Path(__file__).parents[2]
MINIMAL = 'title = "Ours"\nrequirements = "openai"\ndialect = "openai"\n'


def _write(folder: Path, text: str, name: str = "ours.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", built_in())
def test_built_in_profiles_load(name: str) -> None:
    """Every profile that comes with Soundcheck is complete."""
    profile = load_profile(name)
    assert profile.name == name
    assert profile.requirements in CONTRACTS


def test_the_first_matching_pattern_claims() -> None:
    """A model's capabilities are those of the first pattern that matches its name, in any case."""
    profile = load_profile("openai")
    assert "diarization" in profile.claims("gpt-4o-transcribe-diarize")
    assert "logprobs" in profile.claims("gpt-4o-mini-transcribe")
    assert "subtitles" in profile.claims("openai/Whisper-Large-v3")
    assert profile.claims("something-else") == frozenset()


def test_a_profile_extends_another(tmp_path: Path) -> None:
    """An own profile inherits what it does not set, and its own entries come first."""
    path = _write(
        tmp_path,
        'extends = "openai"\ntitle = "Ours"\n'
        '[levels]\n"formats/nine-accepted" = "SHOULD"\n'
        '[models."whisper-small"]\ncapabilities = ["text"]\n',
    )
    profile = load_profile(path)
    assert profile.requirements == "openai"
    own, *inherited = profile.levels.items()
    assert own == ("formats/nine-accepted", "SHOULD")
    assert inherited
    assert dict(inherited) == load_profile("openai").levels
    assert profile.claims("whisper-small") == {"text"}
    assert "subtitles" in profile.claims("whisper-large")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        (MINIMAL + 'dilaect = "x"\n', ":4:", "unknown key 'dilaect': did you mean dialect?"),
        (MINIMAL + '[models."*"]\n\ncapabilites = []\n', ":6:", "did you mean capabilities?"),
        (
            MINIMAL + '[models."*"]\ncapabilities = ["texts"]\n',
            ":5:",
            "capabilities must be one of text, verbose_json",
        ),
        (
            MINIMAL + '[levels]\n"a/b" = "CAN"\n',
            ":5:",
            "a/b must be one of MUST, SHOULD, MAY, not 'CAN'",
        ),
        ('title = "x"\nrequirements = "openai"\ndialect = "klingon"\n', ":3:", "'klingon'"),
        ('title = "x"\n', "ours.toml", "requirements, dialect missing"),
        ("title = \n", "ours.toml", "not valid TOML"),
        ('\nextends = "ours.toml"\n', ":2:", "extends itself"),
        ('\nextends = "opnai"\n', ":2:", "did you mean openai?"),
        (MINIMAL + "x = [\n1,\n", "ours.toml", "not valid TOML"),
        (MINIMAL + 'dilaect = "x"\ntitel = 1\n', ":4:", "did you mean dialect?"),
        (
            MINIMAL + '[models."*"]\ncapabilities = ["text",\n"text"]\n',
            ":5:",
            "non-unique elements",
        ),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, text: str, place: str, reason: str) -> None:
    """An unknown key, a bad value or a missing one is told with its file, line and remedy."""
    with pytest.raises(ProfileError) as caught:
        load_profile(_write(tmp_path, text))
    assert place in str(caught.value)
    assert reason in str(caught.value)


CLAIM = '[models."{}"]\ncapabilities = {}\n'
ACCEPTED = '[deviations."{}"]\nreason = "r"\nsource = "s"\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (CLAIM.format("*", '["word_timestamps"]'), 5, "cannot be without verbose_json"),
        (CLAIM.format("*", '["verbose_json", "segment_statistics"]'), 5, "without segments"),
        (
            CLAIM.format("*", "[]") + CLAIM.format("w*", "[]"),
            6,
            "'w*' can never match: the earlier",
        ),
        (CLAIM.format("W*", "[]") + CLAIM.format("w?s", "[]"), 6, "takes all its names"),
        ('[levels]\n\n"schema/json-texts" = "MAY"\n', 6, "did you mean schema/json-text?"),
        ('[levels]\n"formats/unheard-of" = "MAY"\n', 5, "`soundcheck requirements` lists them"),
        ('[levels]\n"formats/text-consistent" = "MAY"\n', 5, "not part of the openai contract"),
        (ACCEPTED.format("streaming/usage-always"), 4, "not part of the openai contract"),
        (ACCEPTED.format("shema/json-text"), 4, "did you mean schema/json-text?"),
        (ACCEPTED.format("schema/json-text") + 'cases = ["x"]\n', 7, "it has no cases"),
        (ACCEPTED.format("formats/nine-accepted") + 'cases = ["oga"]\n', 7, "flac, mp3, mp4"),
        (ACCEPTED.format("models/list").replace('source = "s"\n', ""), 4, "source missing"),
        (ACCEPTED.format("models/list").replace('"r"', '""'), 5, "must not be empty"),
        (
            f'[levels]\n"models/list" = "SHOULD"\n{ACCEPTED.format("models/list")}',
            5,
            "choose one of the two",
        ),
        ("[limits]\nrefused_bytes = 20_000_000\n", 5, "must be more than accepted_bytes"),
        ("[limits]\naccepted_bytes = 30_000_000\n", 5, "must be more than accepted_bytes"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, line: int, reason: str) -> None:
    """A combination that no deployment could have is told by file and line."""
    with pytest.raises(ProfileError, match=rf"ours\.toml:{line}: ") as caught:
        load_profile(_write(tmp_path, MINIMAL + text))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        CLAIM.format("w*", "[]") + CLAIM.format("*", "[]"),
        CLAIM.format("a?", "[]") + CLAIM.format("a*", "[]"),
        CLAIM.format("*-turbo", "[]") + CLAIM.format("whisper-*", "[]"),
        '[levels]\n"own/greets" = "SHOULD"\n',  # of a suite of the user's own
        f'[levels]\n"formats/nine-accepted" = "SHOULD"\n'
        f'{ACCEPTED.format("formats/nine-accepted")}cases = ["webm"]\n',
    ],
)
def test_what_can_be_is_taken(tmp_path: Path, text: str) -> None:
    """What is near to an impossible combination is none."""
    load_profile(_write(tmp_path, MINIMAL + text))


def test_built_in_profiles_claim_what_can_be() -> None:
    """The profiles that come with Soundcheck keep the rules that users' own are held to."""
    for name in built_in():
        file = read_toml(suites.folder("conformance") / "profiles" / f"{name}.toml")
        profile = load_profile(name)
        check_models(file)
        check_rules(file, profile.requirements)
        assert Profile.from_data(profile.to_data()) == profile


def test_an_accepted_deviation_is_a_may(tmp_path: Path) -> None:
    """A rule that need not be kept is a MAY, in the named cases alone; others keep their level."""
    text = '[levels]\n"formats/nine-accepted" = "SHOULD"\n'
    text += ACCEPTED.format("formats/nine-accepted") + 'cases = ["webm"]\n'
    profile = load_profile(_write(tmp_path, MINIMAL + text))
    assert profile.level("formats/nine-accepted", "webm", "MUST") == "MAY"
    assert profile.level("formats/nine-accepted", "mp3", "MUST") == "SHOULD"
    assert profile.level("models/list", None, "MUST") == "MUST"


def test_a_level_ends_an_inherited_deviation(tmp_path: Path) -> None:
    """Who extends a profile insists again on a rule by giving it a level."""
    profile = load_profile(
        _write(tmp_path, 'extends = "litellm"\n[levels]\n"formats/text-bare" = "MUST"\n')
    )
    assert profile.level("formats/text-bare", None, "SHOULD") == "MUST"
    assert profile.level("schema/usage-present", None, "SHOULD") == "MAY"


def test_the_documentation_shows_a_profile_that_loads(tmp_path: Path) -> None:
    """The example of the reference page is taken, and the page names what there is."""
    page = (REPOSITORY / "docs" / "reference" / "profiles.md").read_text("utf-8")
    [example] = re.findall(r"<!-- test profile -->\n```toml\n(.*?)```", page, re.DOTALL)
    profile = load_profile(_write(tmp_path, example))
    assert profile.limits.accepted == 100_000_000
    assert profile.level("formats/nine-accepted", "webm", "MUST") == "MAY"
    assert "word_timestamps" in profile.claims("our-model")
    assert all(f"`{name}`" in page for name in (*built_in(), *CAPABILITIES))


def test_an_unknown_profile_names_those_there_are() -> None:
    """A name that is no profile is told with the nearest one, or all."""
    with pytest.raises(ProfileError, match="did you mean vllm"):
        load_profile("vlm")
    with pytest.raises(ProfileError, match="openai, privatemode, speaches, vllm, whisper-cpp"):
        load_profile("zzz")
    with pytest.raises(ProfileError, match=r"no profile file at nowhere\.toml"):
        load_profile("nowhere.toml")


def test_bounds_are_set_one_by_one(tmp_path: Path) -> None:
    """A profile's bounds replace the usual ones by name, also those that it inherits."""
    _write(tmp_path, MINIMAL + "[bounds]\nenglish = 0.3\nshift_s = 0.5\n", "base.toml")
    path = _write(tmp_path, 'extends = "base.toml"\n[bounds]\nenglish = 0.4\n')
    bounds = load_profile(path).bounds
    assert (bounds.english, bounds.shift_s, bounds.drift_s) == (0.4, 0.5, 1.0)
    assert Profile.from_data(load_profile(path).to_data()).bounds == bounds


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("english = 1.5", "english must be at most 1"),
        ("words_in_silence = 2.5", "words_in_silence must be a whole number"),
        ("englisch = 0.2", "did you mean english?"),
    ],
)
def test_bounds_that_cannot_be_are_refused(tmp_path: Path, line: str, reason: str) -> None:
    """A bound out of range, of the wrong type or misspelled is told by its line."""
    path = _write(tmp_path, f"{MINIMAL}[bounds]\n{line}\n")
    with pytest.raises(ProfileError, match=rf"ours\.toml:5: .*{re.escape(reason)}"):
        load_profile(path)
