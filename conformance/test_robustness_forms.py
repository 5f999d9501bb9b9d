"""Robustness: forms that are put together wrongly, odd values of fields, and hostile file names.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

from collections.abc import Callable
from dataclasses import replace

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
    had_time_enough,
    probes,
    requirement,
    shown,
    transcription,
    word_error_rate,
)
from soundcheck.http.multipart import Crafted, Field, File, Frame, Part

PATIENCE = 30.0
"""Seconds in which a form is answered, however odd it is."""

ANOTHER = 0.5
"""Word error rate above which two texts for the same audio are no versions of one."""

HUGE = 5_000_000
LONG_NAME = 5000
INJECTED = "x-soundcheck-injected"
FORMATS_NAMED = 3
"""Formats that a message names at least if it lists those that are accepted."""

NEVER_5XX = "RFC 9110, section 15.6: 5xx is for errors of the server"

GOOD = transcription("hello.wav", language="en")
SENTENCE = transcription("sentence.wav", language="en")
GERMAN = transcription("german.wav", language="de", response_format="json")
OTHER = transcription("other-sentence.wav", language="en")
PROMPTED = transcription(
    "sentence.wav", language="en", prompt="A collection of everyday sentences, read aloud."
)
UNKNOWN_MODEL = transcription(
    "hello.wav",
    model="soundcheck-no-such-model",
    patience=PATIENCE,
    mistake="an unknown model",
    language="en",
)

MODEL, LANGUAGE, FILE = GOOD.parts

Found = Callable[[str], None]


def _odd(told: str, *parts: Part, frame: Frame | None = None) -> Probe:
    """Return a request that may be refused for what is ``told``, and must be answered."""
    probe = replace(GOOD, parts=parts, lane=Lane.HOSTILE, patience=PATIENCE, mistake=told)
    return probe if frame is None else replace(probe, frame=frame)


def _crafted(filename: bytes) -> Crafted:
    """Return the usual file under a name of any bytes."""
    disposition = b'Content-Disposition: form-data; name="file"; filename="' + filename + b'"'
    return Crafted("file", disposition + b"\r\nContent-Type: audio/wav", clip="hello.wav")


# -- labels -------------------------------------------------------------------------------------


@requirement(
    "robustness/wrong-label",
    SHOULD,
    source="vLLM 0.33 looks at the content; openai-python#333; RFC 7578, section 4.4",
    effort="full",
    killed_by=["label-mp3-500", "label-text-dropped"],
    draft=["STT-ROBUST-005"],
)
@cases(
    Case(
        "named-mp3",
        value=transcription(
            "hello.wav", filename="hello.mp3", content_type="audio/mpeg", language="en"
        ),
    ),
    Case("typed-text", value=transcription("hello.wav", content_type="text/plain", language="en")),
)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_a_wrong_label_is_answered(answers: Answers, case: Case, found: Found) -> None:
    """Audio under the name or type of something else is transcribed or refused with a 4xx."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    found(_taken_or_refused(answers.answer))


@requirement(
    "robustness/no-extension",
    SHOULD,
    source="guidellm#983: clients send names without an extension; OpenAI lists its formats",
    effort="full",
    killed_by=["no-extension-500", "by-extension-only"],
    draft=["STT-ROBUST-006"],
)
@probes(answer=transcription("hello.wav", filename="audio", language="en"), twin=GOOD)
def test_a_name_without_extension_is_answered(answers: Answers, found: Found) -> None:
    """A file whose name has no extension is transcribed, or refused with a list of the formats."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    found(_taken_or_refused(answers.answer))
    if answers.answer.status == 200:
        return
    message = answers.answer.body.decode("utf-8", "replace").lower()
    named = [one for one in ("flac", "mp3", "mp4", "m4a", "ogg", "wav", "webm") if one in message]
    assert len(named) >= FORMATS_NAMED, (
        f"the refusal does not list the formats that are accepted: {answers.answer.excerpt}"
    )


# -- structure ----------------------------------------------------------------------------------

NESTED = Crafted(
    "file",
    b'Content-Disposition: form-data; name="file"\r\n'
    b"Content-Type: multipart/mixed; boundary=soundcheck-inner",
    b"--soundcheck-inner\r\n"
    b'Content-Disposition: file; filename="hello.wav"\r\nContent-Type: audio/wav\r\n\r\n',
    "hello.wav",
    b"\r\n--soundcheck-inner--",
)


@requirement(
    "robustness/malformed-form",
    MUST,
    source=f"{NEVER_5XX}; RFC 7578 and RFC 2046, section 5.1",
    killed_by=["malformed-500", "malformed-503", "bare-lines-500", "nested-form-500"],
    draft=["STT-ROBUST-011"],
)
@cases(
    Case(
        "no-final-boundary",
        value=_odd("a form without its last boundary", *GOOD.parts, frame=Frame(final=False)),
    ),
    Case(
        "no-blank-line",
        value=_odd(
            "parts without the empty line after their heads", *GOOD.parts, frame=Frame(blank=False)
        ),
    ),
    Case(
        "bare-lines",
        value=_odd("a form whose lines end in LF", *GOOD.parts, frame=Frame(line=b"\n")),
    ),
    Case("nested", value=_odd("the file in a form within the form", MODEL, LANGUAGE, NESTED)),
)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_a_malformed_form_is_answered(answers: Answers, case: Case, found: Found) -> None:
    """A form that breaks the rules of multipart is read all the same, or refused with a 4xx."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    found(_taken_or_refused(answers.answer))


@requirement(
    "robustness/cut-form",
    MUST,
    source=f"{NEVER_5XX}; RFC 7578",
    effort="full",
    killed_by=["cut-form-500"],
    draft=["STT-ROBUST-011"],
)
@cases(
    Case(
        "in-the-file",
        value=_odd(
            "a form that ends in the middle of its file",
            *GOOD.parts,
            frame=Frame(final=False, missing=2000),
        ),
    ),
    Case(
        "in-a-head",
        value=_odd(
            "a form that ends in the head of a part",
            FILE,
            MODEL,
            Crafted("language", b"Content-Disposition: form-da"),
            frame=Frame(blank=False, final=False, missing=2),
        ),
    ),
)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_a_form_that_is_cut_is_answered(answers: Answers, case: Case, found: Found) -> None:
    """A form that ends in the middle, as long as it says, is answered within 30 s."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    found(_taken_or_refused(answers.answer))


def _of_many_parts(number: int) -> Probe:
    more = (Field(f"field-{one}", "x") for one in range(number))
    return _odd(f"a form of {number:,} more fields", MODEL, LANGUAGE, *more, FILE)


@requirement(
    "robustness/many-parts",
    MUST,
    source=f"{NEVER_5XX}; Starlette and Go read 1000 parts at most",
    killed_by=["many-parts-500", "many-parts-dropped"],
    draft=["STT-ROBUST-014"],
)
@probes(answer=_of_many_parts(1001), twin=GOOD)
def test_a_form_of_many_parts_is_answered(answers: Answers, found: Found) -> None:
    """A form with 1001 more fields is transcribed or refused with a 4xx, within 30 s."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    found(_taken_or_refused(answers.answer))


@requirement(
    "robustness/very-many-parts",
    MUST,
    source=f"{NEVER_5XX}; Starlette and Go read 1000 parts at most",
    effort="full",
    killed_by=["many-parts-500", "very-many-parts-hang"],
    draft=["STT-ROBUST-014"],
)
@probes(answer=_of_many_parts(10_000), twin=GOOD)
def test_a_form_of_very_many_parts_is_answered(answers: Answers, found: Found) -> None:
    """A form with 10,000 more fields is transcribed or refused with a 4xx, within 30 s."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    found(_taken_or_refused(answers.answer))


# -- what is there twice ------------------------------------------------------------------------

TWO_FILES = replace(
    GOOD,
    parts=(*GOOD.parts, File("file", "other-sentence.wav", "other-sentence.wav", "audio/wav")),
    lane=Lane.HOSTILE,
    patience=PATIENCE,
    mistake="two files",
)


@requirement(
    "robustness/duplicate-files",
    MUST,
    source=f"{NEVER_5XX}; RFC 7578, section 4.3, leaves the choice: the Privatemode proxy keeps "
    "the first",
    killed_by=["duplicate-file-500", "duplicate-file-erratic", "duplicate-file-joined"],
    draft=["STT-ROBUST-012"],
)
@probes(
    lambda: {
        "first": GOOD,
        "last": OTHER,
        **{f"answer_{number}": replace(TWO_FILES, repeat=number) for number in range(2)},
    }
)
def test_two_files_are_treated_alike(answers: Answers, found: Found) -> None:
    """Of two files always the first is transcribed, or always the last, or they are refused."""
    texts = {"the first": answers.first.text, "the last": answers.last.text}
    outcomes = [_which(answers[f"answer_{number}"], texts) for number in range(2)]
    found(f"of two files {outcomes[0]}")
    assert len(set(outcomes)) == 1, f"two equal forms are treated otherwise: {outcomes}"


def _which(answer: Answer, texts: dict[str, str]) -> str:
    """Return what became of two files whose ``texts`` are known."""
    if not _is_taken(answer):
        return "both are refused"
    rates = {which: word_error_rate(text, answer.text) for which, text in texts.items()}
    nearest = min(rates, key=rates.__getitem__)
    assert rates[nearest] <= ANOTHER, f"the text is of neither file alone: {shown(answer.text)}"
    return f"{nearest} is used"


def _two_models(first: str, second: str) -> Probe:
    return _odd("two models", Field("model", first), Field("model", second), LANGUAGE, FILE)


@requirement(
    "robustness/duplicate-fields",
    SHOULD,
    source=f"{NEVER_5XX}; frameworks differ in which value they keep",
    effort="full",
    killed_by=["duplicate-field-500", "duplicate-field-any"],
    draft=["STT-ROBUST-013"],
)
@probes(
    lambda: {
        "unknown": UNKNOWN_MODEL,
        "known_first": _two_models("{model}", "soundcheck-no-such-model"),
        "known_last": _two_models("soundcheck-no-such-model", "{model}"),
    }
)
def test_two_values_are_treated_alike(answers: Answers, found: Found) -> None:
    """Of two models always the first is taken, or always the last, or they are refused."""
    first, last = map(_is_taken, (answers.known_first, answers.known_last))
    if answers.unknown.status == 200:
        raise NotObserved("an unknown model is not refused")
    assert not (first and last), "an unknown model is passed over wherever it stands"
    choice = "the first is taken" if first else "the last is taken" if last else "they are refused"
    found(f"of two models {choice}")


# -- field values -------------------------------------------------------------------------------


@requirement(
    "robustness/huge-field",
    MUST,
    source=f"{NEVER_5XX}; Starlette reads 1 MiB of a field",
    killed_by=["huge-field-500", "huge-field-sickens"],
    draft=["STT-ROBUST-015"],
)
@probes(
    lambda: {
        "answer": _odd(
            "a prompt of 5 MB", MODEL, LANGUAGE, Field("prompt", "word " * (HUGE // 5)), FILE
        ),
        "usual": GOOD,
        "next": replace(GOOD, lane=Lane.HOSTILE, repeat=1),
    }
)
def test_a_huge_field_is_answered(answers: Answers, found: Found) -> None:
    """A prompt of 5 MB is taken or refused with a 4xx, and the next request is transcribed."""
    had_time_enough(answers.answer, answers.usual, PATIENCE)
    found(_taken_or_refused(answers.answer))
    following = answers.next
    assert following.status == 200, f"the request after it is answered {following.excerpt}"


UNICODE = (
    "\N{GRINNING FACE}\N{FAMILY}\N{VARIATION SELECTOR-16} "  # emoji
    "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}\N{RIGHT-TO-LEFT MARK} "  # right to left
    "e\N{COMBINING ACUTE ACCENT}\N{COMBINING DIAERESIS} "  # combining marks
    "\N{CJK UNIFIED IDEOGRAPH-20000}"  # an ordinary letter of four bytes
)


@requirement(
    "robustness/unicode-prompt",
    MUST,
    source="OAS prompt: text; the official SDK sends it as UTF-8",
    killed_by=["prompt-emoji-500", "prompt-emoji-refused"],
    draft=["STT-ROBUST-016"],
)
@probes(
    answer=transcription("hello.wav", language="en", prompt=UNICODE),
    plain=PROMPTED,
)
def test_a_prompt_may_be_any_text(answers: Answers) -> None:
    """A prompt of emoji, right-to-left text, combining marks and rare letters is accepted."""
    if not _is_taken(answers.plain):
        raise NotObserved("a prompt in plain letters is refused as well")
    answers.answer.ok()


@requirement(
    "robustness/control-characters",
    MUST,
    source=f"{NEVER_5XX}; the official SDK sends them as they are",
    killed_by=["prompt-nul-500", "prompt-escape-dropped"],
    draft=["STT-ROBUST-017"],
)
@cases(
    Case("nul", value=("NUL in the prompt", "before\0after")),
    Case(
        "escape", value=("ESC and line ends in the prompt", "\x1b[31mred\x1b[0m\r\n\r\nblack\n\r")
    ),
)
@probes(
    lambda case: {
        "answer": _odd(case.value[0], MODEL, LANGUAGE, Field("prompt", case.value[1]), FILE),
        "usual": GOOD,
    }
)
def test_control_characters_are_answered(answers: Answers, case: Case, found: Found) -> None:
    """A prompt with control characters is taken or refused with a 4xx."""
    had_time_enough(answers.answer, answers.usual, PATIENCE)
    found(_taken_or_refused(answers.answer))


@requirement(
    "robustness/invalid-utf8",
    MUST,
    source=f"{NEVER_5XX}; RFC 7578, section 5.1.2",
    killed_by=["invalid-utf8-500"],
    draft=["STT-ROBUST-018"],
)
@probes(
    answer=_odd(
        "a prompt that is not UTF-8", MODEL, LANGUAGE, Field("prompt", b"\xff\xfe word"), FILE
    ),
    usual=GOOD,
)
def test_invalid_text_is_answered(answers: Answers, found: Found) -> None:
    """A prompt whose bytes are not UTF-8 is taken or refused with a 4xx."""
    had_time_enough(answers.answer, answers.usual, PATIENCE)
    found(_taken_or_refused(answers.answer))


@requirement(
    "robustness/tokens-stay-text",
    MUST,
    source="OAS prompt: text that guides the style; OWASP AISVS#930; vLLM 0.33 splices the prompt",
    killed_by=["prompt-token-translates", "prompt-token-ends", "prompt-token-echoed"],
    draft=["STT-ROBUST-019"],
)
@cases(
    Case("translate", value=(GERMAN, "<|translate|>")),
    Case("end-of-text", value=(SENTENCE, "<|endoftext|>")),
)
@probes(lambda case: {"answer": _prompted(*case.value), "twin": case.value[0]})
def test_tokens_in_a_prompt_stay_text(answers: Answers, case: Case, deployment: Deployment) -> None:
    """A model's control token in a prompt changes neither language nor task, nor is it answered."""
    token = case.value[1]
    if not _is_taken(answers.answer):
        raise NotObserved(f"a prompt with {token} is refused")
    usual, text = answers.twin.text, answers.answer.text
    assert token not in text, f"{token} of the prompt comes out in the text: {shown(text)}"
    spoken = answers.twin.spoken
    wrong = word_error_rate(spoken.transcript, usual, spoken.language)
    if wrong > deployment.profile.bounds.calibration:  # any prompt may change what is a guess
        raise NotObserved(f"{wrong:.0%} of the words are wrong without it too")
    rate = word_error_rate(usual, text)
    assert rate <= ANOTHER, f"with {token} in the prompt {shown(usual)} becomes {shown(text)}"


def _prompted(probe: Probe, prompt: str) -> Probe:
    *fields, file = probe.parts
    return replace(probe, parts=(*fields, Field("prompt", prompt), file))


# -- file names ---------------------------------------------------------------------------------

CLIMBING = "../../etc/soundcheck.wav"


def _named(identifier: str, told: str, filename: bytes) -> Case:
    return Case(identifier, value=_odd(told, MODEL, LANGUAGE, _crafted(filename)))


_UNTRUSTED = (
    f"{NEVER_5XX}; RFC 7578, section 4.2: a file's name is not to be trusted; OWASP, unrestricted "
    "file upload and response splitting"
)


@requirement(
    "robustness/hostile-filenames",
    MUST,
    source=_UNTRUSTED,
    killed_by=["filename-nul-500", "filename-in-header", "filename-as-path"],
    draft=["STT-ROBUST-020"],
)
@cases(
    _named("line-ends", "line ends in a file's name", f"a%0D%0A{INJECTED}: 1%0D%0A.wav".encode()),
    _named("climbing", "a file's name that climbs folders", CLIMBING.encode()),
    _named("nul", "NUL in a file's name", b"hello\0.wav"),
)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_hostile_file_names_do_no_harm(answers: Answers, case: Case, found: Found) -> None:
    """A hostile file name is taken or refused: it adds no header and is shown as no path."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    _is_harmless(answers.answer, found)


@requirement(
    "robustness/odd-filenames",
    MUST,
    source=_UNTRUSTED,
    effort="full",
    killed_by=["filename-long-dropped"],
    draft=["STT-ROBUST-020"],
)
@cases(
    _named("quotes", "quotes in a file's name", b'a\\"; name=\\"model\\"; x=%22;.wav'),
    _named("long", "a file's name of 5000 bytes", b"x" * (LONG_NAME - 4) + b".wav"),
)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_odd_file_names_do_no_harm(answers: Answers, case: Case, found: Found) -> None:
    """A very long file name and one with quotes are taken or refused, and do no harm either."""
    answers.twin.ok()
    had_time_enough(answers.answer, answers.twin, PATIENCE)
    _is_harmless(answers.answer, found)


def _is_harmless(answer: Answer, found: Found) -> None:
    found(_taken_or_refused(answer))
    headers = answer.response.headers
    added = [name for name, _ in headers if name.lower() == INJECTED]
    assert not added, f"the file's name put the header {added[0]} into the answer"
    told = [*(value for _, value in headers), answer.body.decode("utf-8", "replace")]
    path = next((text for text in told if f"/{CLIMBING}" in text.replace("\\/", "/")), None)
    assert path is None, f"the answer shows the file's name as a path: {shown(path)}"


def _is_taken(answer: Answer) -> bool:
    """Tell whether a request has a text; fails unless that or it is refused."""
    return not _taken_or_refused(answer).startswith("refused")


def _taken_or_refused(answer: Answer) -> str:
    """Return what became of a request; fails unless it has a text or a client error."""
    if answer.status == 200:
        text = answer.text
        return "transcribed" if text.strip() else "answered with an empty text"
    return f"refused with {answer.refused().status}"
