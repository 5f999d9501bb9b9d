"""Speech is repeatable in any order and process, and knows when each word is said."""

# ruff: noqa: RUF001  # IPA and Chinese punctuation look like Latin

import hashlib
import importlib.metadata
import multiprocessing
import platform
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from soundcheck.audio.speech import SAMPLE_RATE, SpeechError, Synthesizer, Utterance

SENTENCES = [
    ("Hello World.", "en-us+f5", 175),
    ("She keeps seven silver spoons in the cellar.", "en-us+m1", 145),
    ("Привет, как дела?", "ru+f5", 175),
    ("今天天气很好。", "cmn+f5", 175),
    ("A whisper is mostly noise.", "en-us+whisper", 175),
]
# Another release, or another processor's arithmetic, may round otherwise.
FROZEN = ("0.2.4", "x86_64", "81a34d035389")


@pytest.fixture(scope="module")
def synthesizer() -> Iterator[Synthesizer]:
    with Synthesizer() as one:
        yield one


@pytest.fixture(scope="module")
def first(synthesizer: Synthesizer) -> list[Utterance]:
    return [synthesizer.synthesize(*one) for one in SENTENCES]


def samples_of(arguments: tuple[str, str, int]) -> bytes:
    with Synthesizer() as one:
        return one.synthesize(*arguments).samples.tobytes()


def test_order_and_repetition_do_not_change_a_sample(
    synthesizer: Synthesizer, first: list[Utterance]
) -> None:
    """The same arguments give the same samples in reversed order from the same worker."""
    again = [synthesizer.synthesize(*one) for one in reversed(SENTENCES)]
    for before, after in zip(first, reversed(again), strict=True):
        np.testing.assert_array_equal(before.samples, after.samples)
        assert before.words == after.words


def test_another_process_gives_the_same_samples(first: list[Utterance]) -> None:
    """A worker of its own, started later, repeats every sample."""
    for before, arguments in zip(first, SENTENCES, strict=True):
        assert samples_of(arguments) == before.samples.tobytes()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_speaks_with_a_worker_of_its_own(
    synthesizer: Synthesizer, first: list[Utterance]
) -> None:
    """A process made by fork does not use its parent's worker, and repeats every sample."""
    context = multiprocessing.get_context("fork")
    answers, theirs = context.Pipe(duplex=False)

    def speak() -> None:
        samples = synthesizer.synthesize(*SENTENCES[0]).samples.tobytes()
        theirs.send((len(psutil.Process().children()), samples))

    child = context.Process(target=speak)
    child.start()
    spoken = answers.recv()
    child.join()
    assert spoken == (1, first[0].samples.tobytes())
    assert synthesizer.synthesize(*SENTENCES[0]).samples.tobytes() == spoken[1]


@pytest.mark.skipif(
    (importlib.metadata.version("espeakng-loader"), platform.machine()) != FROZEN[:2],
    reason="the digest was taken with another release or processor",
)
def test_samples_do_not_depend_on_the_clock(first: list[Utterance]) -> None:
    """The samples are those of the day the digest was taken (espeak-ng's noise is seeded)."""
    digest = hashlib.sha256(b"".join(one.samples.tobytes() for one in first)).hexdigest()
    assert digest[:12] == FROZEN[2]


def test_words_carry_their_times(first: list[Utterance]) -> None:
    """The words are the text's, in order, within the audio, and do not overlap."""
    for (text, _, _), spoken in zip(SENTENCES, first, strict=True):
        joint = "" if text.startswith("今") else " "
        assert joint.join(word.text for word in spoken.words) == text
        ends = [0.0, *(word.end for word in spoken.words)]
        for word, end_before in zip(spoken.words, ends, strict=False):
            assert end_before <= word.start < word.end <= len(spoken.samples) / SAMPLE_RATE


def test_a_pause_belongs_to_no_word(first: list[Utterance]) -> None:
    """A word before a comma ends where the pause begins, and the last word before the silence."""
    comma, following = first[2].words[:2]
    assert following.start - comma.end > 0.1
    assert first[2].words[-1].end < len(first[2].samples) / SAMPLE_RATE - 0.1


def test_words_spoken_as_one_share_its_time(synthesizer: Synthesizer) -> None:
    """Where espeak-ng says several words as one, each still gets a time of its own."""
    words = synthesizer.synthesize("This is the end of the road.", "en-us+f5", 175).words
    assert [word.text for word in words] == ["This", "is", "the", "end", "of", "the", "road."]
    assert all(word.start < word.end for word in words)


def test_phonemes_are_separated(synthesizer: Synthesizer) -> None:
    """Phonemes come in IPA with ``_`` between them and a blank between words."""
    assert synthesizer.phonemes("Hello World.", "en-us") == "h_ə_l_ˈoʊ w_ˈɜː_l_d"


def test_an_unknown_voice_is_told_and_harms_nothing(
    synthesizer: Synthesizer, first: list[Utterance]
) -> None:
    """An unknown voice is an error that names it; the worker goes on."""
    with pytest.raises(SpeechError, match="no voice named 'nobody'"):
        synthesizer.synthesize("Hello.", "nobody", 175)
    again = synthesizer.synthesize(*SENTENCES[0])
    np.testing.assert_array_equal(again.samples, first[0].samples)


def test_a_dead_worker_is_replaced() -> None:
    """When the worker dies, one request fails and the next starts another worker."""
    with Synthesizer() as one:
        one.phonemes("one", "en-us")
        (worker,) = psutil.Process().children()[-1:]
        worker.kill()
        worker.wait()
        with pytest.raises(SpeechError, match="ended unexpectedly"):
            one.phonemes("two", "en-us")
        assert one.phonemes("three", "en-us") == "θ_ɹ_ˈiː"


def test_closing_ends_the_worker() -> None:
    """No process is left after ``close``."""
    before = set(psutil.Process().children())
    one = Synthesizer()
    one.phonemes("one", "en-us")
    assert set(psutil.Process().children()) > before
    one.close()
    assert set(psutil.Process().children()) == before


def test_importing_is_light() -> None:
    """The module loads neither numpy nor espeak-ng."""
    code = (
        "import sys, soundcheck.audio.speech\n"
        "assert not {'numpy', 'espeakng_loader'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
