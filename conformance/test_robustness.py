"""Robustness: files that are empty, damaged or lying, or no audio at all, and the same file again.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

from soundcheck.contract import (
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    Deployment,
    Lane,
    NotObserved,
    Probe,
    cases,
    had_its_time,
    had_time_enough,
    normalised,
    probes,
    requirement,
    shown,
    transcription,
    word_error_rate,
)
from soundcheck.contract.wording import common_phrase

PATIENCE = 30.0
"""Seconds in which a damaged or lying file of a few seconds is answered, whatever the answer."""

SAME_TEXT = 0.02
"""Word error rate up to which two texts for the same audio count as one."""

MORE_WORDS = 3
"""Words by which half a file may seem to hold more than the whole one: its last word is cut."""

TWIN = transcription("sentence.wav", language="en")
GOOD = transcription("hello.wav", language="en")

Found = Callable[[str], None]


def _hostile(clip: str, *, filename: str = "", mistake: str = "") -> Probe:
    """Return the upload of ``clip``; with a ``mistake`` it is one that must be refused."""
    return transcription(
        clip,
        filename=filename,
        lane=Lane.HOSTILE,
        patience=PATIENCE,
        mistake=mistake,
        language="en",
    )


def _case(identifier: str, clip: str, mistake: str = "") -> Case:
    """Return the case of a file; what is no audio is called as audio is."""
    filename = "hello.wav" if mistake else ""
    return Case(identifier, clip, _hostile(clip, filename=filename, mistake=mistake))


EMPTY = _case("no-bytes", "empty.wav", "a file without a byte")
NO_SAMPLES = Case("no-samples", "header-only.wav", transcription("header-only.wav", language="en"))


@requirement(
    "robustness/empty-file",
    MUST,
    source="speaches refuses an empty file with 400; openwhispr#864",
    killed_by=["empty-file-500", "empty-file-invents", "no-samples-invents"],
    draft=["STT-ROBUST-001"],
)
@cases(EMPTY, NO_SAMPLES)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_an_empty_file_has_no_text(answers: Answers, case: Case) -> None:
    """A file of no bytes is refused, one of no samples is refused or has an empty text."""
    answers.twin.ok()
    if case.id == EMPTY.id:
        answers.answer.refused()
    elif _is_taken(answers.answer):
        text = answers.answer.text.strip()
        assert not text, f"a file without a sample is given a text: {shown(text)}"


HALVES = [_case(form, f"truncated-sentence.{form}") for form in ("flac", "m4a")]
OTHER_HALVES = [_case(form, f"truncated-sentence.{form}") for form in ("mp3", "webm", "ogg", "wav")]


@requirement(
    "robustness/truncated-file",
    MUST,
    source="minute#91: half a file was answered with success and no text",
    killed_by=["damaged-500", "damaged-invents", "damaged-empty", "unreadable-empty"],
    draft=["STT-ROBUST-002"],
)
@cases(*HALVES)
@probes(lambda case: {"answer": case.value, "whole": TWIN})
def test_half_a_file_gives_the_first_words(
    answers: Answers, case: Case, deployment: Deployment, found: Found
) -> None:
    """The first half of a file is refused, or transcribed as the beginning of the whole."""
    _begins_as_the_whole(answers, deployment, found)


@requirement(
    "robustness/truncated-file-in-other-formats",
    MUST,
    source="minute#91: half a file was answered with success and no text",
    effort="full",
    killed_by=["short-file-500"],
    draft=["STT-ROBUST-002"],
)
@cases(*OTHER_HALVES)
@probes(lambda case: {"answer": case.value, "whole": TWIN})
def test_half_a_file_of_another_format_gives_the_first_words(
    answers: Answers, case: Case, deployment: Deployment, found: Found
) -> None:
    """The first half of a file of another format is refused or gives the first words as well."""
    _begins_as_the_whole(answers, deployment, found)


DAMAGED = [_case(form, f"corrupt-sentence.{form}") for form in ("mp3", "webm")]
MORE_DAMAGED = [
    *(_case(form, f"corrupt-sentence.{form}") for form in ("flac", "m4a", "ogg", "wav")),
    *(
        _case(f"noise-as-{form}", f"random-after-magic.{form}")
        for form in ("flac", "m4a", "mp3", "ogg", "wav", "webm")
    ),
]


@requirement(
    "robustness/damaged-file",
    MUST,
    source="RFC 9110, section 15.6: 5xx is for errors of the server; vLLM 0.33 answers 400",
    killed_by=["damaged-500", "damaged-dropped"],
    draft=["STT-ROBUST-003"],
)
@cases(*DAMAGED)
@probes(lambda case: {"answer": case.value, "usual": GOOD})
def test_a_damaged_file_is_answered(answers: Answers, case: Case, found: Found) -> None:
    """A file in whose middle one byte of a hundred is changed gets 200 or a 4xx within 30 s."""
    had_time_enough(answers.answer, answers.usual, PATIENCE)
    _is_taken(answers.answer, found)


@requirement(
    "robustness/damaged-file-in-other-formats",
    MUST,
    source="RFC 9110, section 15.6: 5xx is for errors of the server; vLLM 0.33 answers 400",
    effort="full",
    killed_by=["damaged-500"],
    draft=["STT-ROBUST-003"],
)
@cases(*MORE_DAMAGED)
@probes(lambda case: {"answer": case.value, "usual": GOOD})
def test_a_damaged_file_of_another_format_is_answered(
    answers: Answers, case: Case, found: Found
) -> None:
    """A damaged file of another format, or noise behind its first bytes, gets 200 or a 4xx."""
    had_time_enough(answers.answer, answers.usual, PATIENCE)
    _is_taken(answers.answer, found)


LYING_SIZES = (
    _case("zero", "lying-size-zero.wav"),
    _case("unknown", "lying-size-max.wav"),
    _case("larger", "lying-size-larger.wav"),
)
"""What a WAV header says of the length: 0 and 2^32 - 1 are what programs write that stream."""


@requirement(
    "robustness/wrong-wav-length",
    MUST,
    source="RFC 9110, section 15.6: 5xx is for errors of the server",
    killed_by=["wav-length-500"],
    draft=["STT-ROBUST-004"],
)
@cases(*LYING_SIZES)
@probes(lambda case: {"answer": case.value, "usual": GOOD})
def test_a_wrong_length_is_answered(answers: Answers, case: Case) -> None:
    """A WAV file whose header gives a wrong length is transcribed or refused with a 4xx."""
    had_time_enough(answers.answer, answers.usual, PATIENCE)
    _is_taken(answers.answer)


@requirement(
    "robustness/streamed-wav",
    SHOULD,
    source="FFmpeg and sox write such headers to a pipe, where they cannot go back",
    killed_by=["wav-length-trusted", "wav-length-refused"],
)
@cases(*LYING_SIZES[:2])
@probes(lambda case: {"answer": case.value, "twin": TWIN})
def test_a_streamed_wav_is_transcribed(answers: Answers, case: Case) -> None:
    """A WAV file by a program that did not know its length beforehand is transcribed whole."""
    rate = word_error_rate(answers.twin.text, answers.answer.text)
    assert rate <= 0.1, (
        f"word error rate {rate:.2f} to the same sound with its length in the header: "
        f"{shown(answers.answer.text)}"
    )


SILENT_FILM = Case(
    "silent-film", "video-only.mp4", _hostile("video-only.mp4", mistake="pictures without sound")
)
NO_AUDIO = (_case("zip", "not-audio-zip.wav", "a ZIP archive as WAV"), SILENT_FILM)
MORE_NO_AUDIO = (
    _case("pdf", "not-audio-pdf.wav", "a PDF document as WAV"),
    _case("program", "not-audio-elf.wav", "a program as WAV"),
    _case("html", "not-audio-html.wav", "a web page as WAV"),
    _case("script", "not-audio-script.wav", "a shell script as WAV"),
    _case("json", "not-audio-json.wav", "JSON as WAV"),
)


@requirement(
    "robustness/not-audio",
    MUST,
    source="hal0#33; vLLM's test_invalid_audio_file; ex_openai#9",
    killed_by=["bad-audio-500", "bad-audio-invented", "bad-audio-dropped"],
    draft=["STT-ROBUST-007"],
)
@cases(*NO_AUDIO)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_other_files_are_refused(answers: Answers, case: Case) -> None:
    """A file of another kind is refused with a 4xx, and audio under the same name is not.

    MP4 is documented, so of a film without sound it may be said that nobody speaks in it.
    """
    answers.twin.ok()
    answer = answers.answer
    if case.id == SILENT_FILM.id and answer.status == 200 and not answer.text.strip():
        return
    answer.refused()


@requirement(
    "robustness/not-audio-of-other-kinds",
    MUST,
    source="hal0#33; vLLM's test_invalid_audio_file; ex_openai#9",
    effort="full",
    killed_by=["bad-audio-500", "bad-audio-empty-text"],
    draft=["STT-ROBUST-007"],
)
@cases(*MORE_NO_AUDIO)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_more_other_files_are_refused(answers: Answers, case: Case) -> None:
    """A file of yet another kind is refused with a 4xx as well."""
    answers.twin.ok()
    answers.answer.refused()


WILDER_HEADERS = (
    _case("rate-zero", "lying-rate-zero.wav"),
    _case("rate-1-hz", "lying-rate-one.wav"),
    _case("rate-2-ghz", "lying-rate-max.wav"),
    _case("channels-zero", "lying-channels-zero.wav"),
    _case("bits-zero", "lying-bits-zero.wav"),
    _case("unknown-codec", "lying-codec.wav"),
)


def _after(number: int) -> Probe:
    """Return a plain request that no other rule asks for: the lane is serial."""
    return replace(GOOD, lane=Lane.HOSTILE, repeat=number)


@requirement(
    "robustness/wild-header",
    MUST,
    source="vLLM 0.33 bounds decoded bytes; RFC 9110, section 15.6",
    killed_by=["wild-rate-500", "wild-channels-dies"],
    draft=["STT-ROBUST-010"],
)
@probes(
    rate=_hostile("lying-rate.wav"),
    channels=_hostile("lying-channels.wav"),
    usual=GOOD,
    after=_after(110),
)
def test_a_wild_header_does_no_harm(answers: Answers) -> None:
    """A header that claims 384 kHz or 255 channels gets 200 or a 4xx, and service goes on."""
    for answer in (answers.rate, answers.channels):
        had_time_enough(answer, answers.usual, PATIENCE)
        _is_taken(answer)
    answers.after.ok()


@requirement(
    "robustness/wilder-header",
    MUST,
    source="vLLM 0.33 bounds decoded bytes; RFC 9110, section 15.6",
    effort="full",
    killed_by=["wild-rate-500"],
    draft=["STT-ROBUST-010"],
)
@cases(*WILDER_HEADERS)
@probes(
    lambda case: {
        "answer": case.value,
        "usual": GOOD,
        "after": _after(111 + [one.id for one in WILDER_HEADERS].index(case.id)),
    }
)
def test_a_wilder_header_does_no_harm(answers: Answers, case: Case) -> None:
    """A header of 0 or 1 Hz, 2 GHz, no channel, no bit or no known codec gets 200 or a 4xx."""
    had_time_enough(answers.answer, answers.usual, PATIENCE)
    _is_taken(answers.answer)
    answers.after.ok()


def _repeated() -> dict[str, Probe]:
    """Return the same request three times."""
    return {
        f"time_{number}": transcription(
            "sentence.wav", temperature="0", repeat=number, language="en"
        )
        for number in range(3)
    }


@requirement(
    "robustness/repeats-stable",
    MUST,
    source="OAS temperature; VTEST transcribes greedily at temperature 0",
    killed_by=["text-varies"],
    draft=["STT-ROBUST-025"],
)
@probes(_repeated)
def test_repeated_requests_give_one_text(answers: Answers) -> None:
    """The same request, sent three times at temperature 0, is answered with the same text."""
    texts = {name: answer.text for name, answer in answers.items()}
    for (_, one), (_, other) in combinations(texts.items(), 2):
        rate = max(word_error_rate(one, other), word_error_rate(other, one))
        assert rate <= SAME_TEXT, f"once {shown(one)}, another time {shown(other)}"


PRIVATE_WORDS = "Quibblewick, Zanthoria, Merrowdale"
"""Names that nobody says by chance."""

FIRST = transcription(
    "other-sentence.wav",
    language="en",
    prompt=f"The speakers are {PRIVATE_WORDS}.",
    lane=Lane.EXCLUSIVE,
)
SECOND = transcription("silence-2s.wav", language="en", lane=Lane.EXCLUSIVE, repeat=1)
"""Sent after the first: the lane is serial, and no other rule asks for this request."""


@requirement(
    "robustness/no-memory",
    SHOULD,
    source="Privatemode page 1.30: nobody else sees what is sent",
    killed_by=["remembers-audio", "remembers-prompt"],
    draft=["STT-ROBUST-026"],
)
@probes(first=FIRST, second=SECOND)
def test_nothing_is_remembered(answers: Answers) -> None:
    """Neither the prompt nor the speech of a request shows in the text of a silence after it."""
    if answers.first.status != 200:
        raise NotObserved(f"the first request is not transcribed ({answers.first.status})")
    if answers.second.status != 200:
        raise NotObserved(f"silence is not transcribed ({answers.second.status})")
    text = answers.second.text
    heard = normalised(text).split()
    prompted = [word for word in normalised(PRIVATE_WORDS).split() if word in heard]
    assert not prompted, f"silence is given a word of the prompt before it: {shown(text)}"
    for said in (answers.first.spoken.transcript, answers.first.text):
        phrase = common_phrase(said, text)
        assert not phrase, f"silence is given what was said before it: {shown(text)}"


def _begins_as_the_whole(answers: Answers, deployment: Deployment, found: Found) -> None:
    """Assert that half a file has no text that the whole one has not, if it has any.

    Where the voice is not understood in the whole file, its words tell nothing of those of a half.
    """
    if not answers.whole.text.strip():
        raise NotObserved("the whole file is given no text either")
    had_time_enough(answers.answer, answers.whole, PATIENCE)
    if not _is_taken(answers.answer, found):
        return
    text, whole = answers.answer.text, answers.whole.text
    words = normalised(text).split()
    assert words, f"half of the file is there, and the text is empty: {answers.answer.excerpt}"
    rate = word_error_rate(answers.whole.spoken.transcript, whole)
    if rate > deployment.profile.bounds.calibration:
        raise NotObserved(f"{rate:.0%} of the words are wrong in the whole file too")
    known = {*normalised(whole).split(), *normalised(answers.whole.spoken.transcript).split()}
    invented = [word for word in words if word not in known]
    # The last word may be cut, and what a model makes of it is its own.
    assert 2 * len(invented) <= len(words) + 1, (
        f"half of the file is given words that nobody said: {shown(text)}, the whole {shown(whole)}"
    )
    assert len(words) <= len(normalised(whole).split()) + MORE_WORDS, (
        f"half of the file is given more text than the whole: {shown(text, 300)}"
    )


def _is_taken(answer: Answer, found: Found = lambda _: None) -> bool:
    """Tell whether a file that may be refused was transcribed; fails for any other answer."""
    had_its_time(answer, PATIENCE)
    status = answer.status
    assert status == 200 or 400 <= status <= 499, (
        f"expected 200 or a 4xx refusal, got {answer.excerpt}"
    )
    found("transcribed" if status == 200 else f"refused with {status}")
    return status == 200
