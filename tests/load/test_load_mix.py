"""The mix: weights are kept, choices depend on nothing but seed and arrival, clips are distinct."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio import Library
from soundcheck.audio.formats import NINE
from soundcheck.errors import SoundcheckError
from soundcheck.load.mix import Mix, weights


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.fixture(scope="module")
def mix(library: Library) -> Mix:
    return Mix.of(
        library,
        model="m",
        durations="2s=1,4s=2",
        formats="wav=3,flac=1",
        languages="en=3,de=1",
        stream=0.25,
        fields=(("temperature", "0"),),
    )


def shares(mix: Mix, member: str) -> dict[object, float]:
    found: Counter[object] = Counter()
    for form in mix.forms:
        found[getattr(form, member)] += form.weight
    return dict(found)


def test_weights_of_every_kind_are_kept(mix: Mix) -> None:
    """Formats, languages and streams have the shares that were asked for, clips of a kind equal."""
    assert shares(mix, "format") == pytest.approx({"wav": 0.75, "flac": 0.25})
    assert shares(mix, "language") == pytest.approx({"en": 0.75, "de": 0.25})
    assert shares(mix, "stream") == pytest.approx({False: 0.75, True: 0.25})
    # German has no clip of 2 s, so its share goes to the one of 4 s.
    assert shares(mix, "audio_s") == pytest.approx({2.0: 0.25, 4.0: 0.75})
    assert mix.mean_audio_s == pytest.approx(3.5)
    assert mix.stream_share == pytest.approx(0.25)
    assert mix.mean_upload_bytes == pytest.approx(
        sum(len(form.body) * form.weight for form in mix.forms)
    )


def test_forms_carry_what_a_caller_sends(mix: Mix) -> None:
    """Model, language, the user's own fields, and a stream where one is asked for."""
    form = next(one for one in mix.forms if one.stream and one.language == "de")
    assert form.fields == (
        ("model", "m"),
        ("language", "de"),
        ("temperature", "0"),
        ("stream", "true"),
    )
    assert form.transcript
    assert [one.number for one in mix.forms] == list(range(len(mix.forms)))


def test_no_file_is_sent_as_two_clips(library: Library) -> None:
    """The default mix has twenty distinct files of 10 s on average."""
    mix = Mix.of(library, model="m")
    assert len({form.sha256 for form in mix.forms}) == len(mix.forms) == 20
    assert mix.mean_audio_s == pytest.approx(10.45)


@given(
    arrivals=st.lists(st.integers(0, 10**9), max_size=50),
    seed=st.integers(0, 2**40),
    every=st.integers(1, 300),
)
def test_a_choice_depends_on_seed_and_arrival_alone(
    mix: Mix, arrivals: list[int], seed: int, every: int
) -> None:
    """Whoever asks, in whatever order and steps, gets the same form for an arrival."""
    once = {arrival: mix.choose(arrival, seed) for arrival in arrivals}
    assert all(mix.choose(arrival, seed, every) is once[arrival] for arrival in reversed(arrivals))


@pytest.mark.parametrize(
    ("seed", "chosen"),
    [
        (1, [19, 14, 16, 18, 2, 11, 4]),
        (44, [17, 6, 2, 19, 14, 18, 12]),
        (2**40, [17, 8, 16, 8, 14, 15, 11]),
    ],
)
def test_a_seed_chooses_the_same_forms_for_ever(
    library: Library, seed: int, chosen: list[int]
) -> None:
    """Runs of different versions are compared by their seed: it must not come to mean others."""
    mix = Mix.of(library, model="m")
    arrivals = (0, 1, 2, 1023, 1024, 2047, 10**9)
    assert [mix.choose(arrival, seed).number for arrival in arrivals] == chosen


def test_choices_come_as_often_as_they_weigh(mix: Mix) -> None:
    """20,000 choices have the forms' weights within five standard deviations."""
    chosen = Counter(mix.choose(arrival, 7).number for arrival in range(20_000))
    for form in mix.forms:
        deviation = (form.weight * (1 - form.weight) / 20_000) ** 0.5
        assert chosen[form.number] / 20_000 == pytest.approx(form.weight, abs=5 * deviation)


def test_neighbouring_arrivals_and_seeds_choose_independently(mix: Mix) -> None:
    """A choice says nothing about the next one, nor about that of the next seed."""
    first = [mix.choose(arrival, 1).stream for arrival in range(20_000)]
    second = [mix.choose(arrival, 2).stream for arrival in range(20_000)]
    both = sum(a and b for a, b in zip(first, second, strict=True)) / 20_000
    pairs = sum(a and b for a, b in pairwise(first)) / 20_000
    assert both == pytest.approx(0.0625, abs=0.01)
    assert pairs == pytest.approx(0.0625, abs=0.01)


def test_the_digest_is_that_of_what_is_sent(library: Library, mix: Mix) -> None:
    """The same mix has the same digest, one of other weights has another."""
    small = {"model": "m", "durations": "2s"}
    assert Mix.of(library, **small).sha256 == Mix.of(library, **small).sha256
    assert Mix.of(library, **small).sha256 != Mix.of(library, **small, stream=0.5).sha256
    assert len(mix.sha256) == 64


def test_clips_can_be_named(library: Library) -> None:
    """Clips by name, of any recipe, take the place of the choice by kind."""
    mix = Mix.of(library, model="m", clips="hello.wav=3,sized-400000.wav=1")
    assert shares(mix, "clip") == pytest.approx({"hello.wav": 0.75, "sized-400000.wav": 0.25})


def test_all_means_every_format_once(library: Library) -> None:
    """Nine formats share the weight, and take turns with the clips of a kind."""
    mix = Mix.of(library, model="m", durations="2s", formats="all")
    assert shares(mix, "format") == pytest.approx(dict.fromkeys(NINE, 1 / 9))


@given(
    wanted=st.dictionaries(
        st.sampled_from(["wav", "mp3", "flac", "ogg"]), st.integers(1, 9), min_size=1
    )
)
def test_weights_are_read_as_written(wanted: dict[str, int]) -> None:
    """``name=weight`` with commas between gives each name its weight."""
    text = ", ".join(f"{name} = {weight}" for name, weight in wanted.items())
    assert weights(text, "formats") == wanted


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"formats": "wave"}, "did you mean wav?"),
        ({"formats": "wav=x"}, "write NAME=WEIGHT"),
        ({"formats": "wav=-1"}, "write NAME=WEIGHT"),
        ({"formats": "wav=nan"}, "write NAME=WEIGHT"),
        ({"formats": "wav=0"}, "all weights are 0"),
        ({"formats": "wav,wav"}, "wav is there twice"),
        ({"durations": "shrt"}, "did you mean short?"),
        ({"durations": "7s"}, "in en there are clips of 2s, 3s"),
        ({"languages": "xx"}, "there are clips in en, de"),
        ({"stream": 1.5}, "from 0 to 1"),
        ({"clips": "hello.wav", "formats": "wav"}, "cannot be chosen as well"),
        ({"clips": "no.wav"}, "there is no clip 'no.wav'"),
    ],
)
def test_a_wrong_mix_is_refused_with_what_would_be_right(
    library: Library, asked: dict[str, str], said: str
) -> None:
    """Every wrong text ends in one message, exit code 2."""
    with pytest.raises(SoundcheckError) as caught:
        Mix.of(library, model="m", **asked)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_clip_for_load_can_be_made(library: Library, tmp_path: Path) -> None:
    """Thirty recipes, in six languages, are made in a fresh cache with speech of their own."""
    names = [name for name in library.names() if name.startswith("load-")]
    clips = Library(cache=tmp_path).build(names, jobs=1)
    assert len({clip.sha256 for clip in clips.values()}) == len(names) == 30
    assert {clip.language for clip in clips.values()} == {"en", "de", "fr", "es", "ru", "zh"}
    assert all(2 <= clip.duration <= 30 and clip.transcript for clip in clips.values())
