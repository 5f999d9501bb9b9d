"""Profiles say what is claimed, and mistakes in them are told by file and line."""

import re
from pathlib import Path

import pytest

from soundcheck.contract.contracts import CONTRACTS
from soundcheck.contract.profile import Profile, ProfileError, built_in, load_profile

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
        (MINIMAL + '[models."*"]\ncapabilities = ["texts"]\n', ":5:", "'texts' is not one of"),
        (MINIMAL + '[levels]\n"a/b" = "CAN"\n', ":5:", "'CAN' is not one of"),
        ('title = "x"\nrequirements = "openai"\ndialect = "klingon"\n', ":3:", "'klingon'"),
        ('title = "x"\n', "ours.toml", "requirements, dialect missing"),
        ("title = \n", "ours.toml", "not valid TOML"),
        ('extends = "ours.toml"\n', "ours.toml", "extends itself"),
        ('extends = "opnai"\n', "", "did you mean openai?"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, text: str, place: str, reason: str) -> None:
    """An unknown key, a bad value or a missing one is told with its file, line and remedy."""
    with pytest.raises(ProfileError) as caught:
        load_profile(_write(tmp_path, text))
    assert place in str(caught.value)
    assert reason in str(caught.value)


def test_an_unknown_profile_names_those_there_are() -> None:
    """A name that is no profile is told with the nearest one, or all."""
    with pytest.raises(ProfileError, match="did you mean vllm"):
        load_profile("vlm")
    with pytest.raises(ProfileError, match="openai, privatemode, vllm"):
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
        ("english = 1.5", "greater than the maximum"),
        ("words_in_silence = 2.5", "not of type 'integer'"),
        ("englisch = 0.2", "did you mean english?"),
    ],
)
def test_bounds_that_cannot_be_are_refused(tmp_path: Path, line: str, reason: str) -> None:
    """A bound out of range, of the wrong type or misspelled is told by its line."""
    path = _write(tmp_path, f"{MINIMAL}[bounds]\n{line}\n")
    with pytest.raises(ProfileError, match=rf"ours\.toml:5: .*{re.escape(reason)}"):
        load_profile(path)
