"""Parameters: what each field of the form does, and what becomes of values that it cannot have.

A prompt is for every model but those that tell speakers; what another model lacks is asked of one
that is claimed to have it.

PYTEST_DONT_REWRITE: every assertion brings its own sentence, and pytest's own comparison of two
long texts takes minutes.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import replace

from soundcheck.contract import (
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    Deployment,
    NotObserved,
    Probe,
    cases,
    conforms,
    member,
    normalised,
    probes,
    requirement,
    shown,
    transcription,
    word_error_rate,
)
from soundcheck.contract.probe import MODEL, NO_FILE, fields_of
from soundcheck.contract.wording import words_of
from soundcheck.http.multipart import DataURL, Field, File

Found = Callable[[str], None]

PATIENCE = 30.0
"""Seconds in which a request with a mistake is refused, as ``errors/in-time`` asks of the same."""

VERBOSE_JSON = "verbose_json"
SHORT = transcription("hello.wav", language="en")
SENTENCE = transcription("sentence.wav", language="en")
MINUTE = transcription("speech-60s.wav", language="en")
DIARIZED = transcription(
    "dialogue.wav", language="en", response_format="diarized_json", chunking_strategy="auto"
)
LOGPROBS = transcription(
    "sentence.wav", language="en", response_format="json", include=["logprobs"]
)
WORD_ALONE = transcription(
    "hello.wav",
    language="en",
    response_format=VERBOSE_JSON,
    timestamp_granularities=["word"],
)
WORD_AND_SEGMENT = transcription(
    "speech-10s.wav",
    language="en",
    response_format=VERBOSE_JSON,
    timestamp_granularities=["word", "segment"],
)

STEERED_MARGIN = 0.05
DESTROYED = 0.10
"""How much more of the words may be wrong with a prompt."""

ROUNDING = 1e-9
"""What sums of rates may be off by: a word must not weigh more for that."""

PROMPT = "A collection of everyday sentences, read aloud."
"""What fits every recording, and is said in none."""


def _short(
    mistake: str = "",
    *parts: Field | DataURL,
    model: str = MODEL,
    **fields: str | list[str],
) -> Probe:
    """Return a request for the shortest clip with ``parts`` and ``fields``, and its mistake."""
    patience = PATIENCE if mistake else None
    probe = transcription(
        "hello.wav", model=model, language="en", mistake=mistake, patience=patience
    )
    *before, file = probe.parts
    return replace(probe, parts=(*before, *parts, *fields_of(fields), file))


def _is_vllm(deployment: Deployment) -> bool:
    return deployment.profile.requirements != "openai"


# -- model and file -------------------------------------------------------------------------------


@requirement(
    "parameters/model-required",
    MUST,
    source="OAS CreateTranscriptionRequest.model; vLLM serves it by its one model",
    killed_by=["model-optional", "missing-model-500"],
    draft=["STT-PARAM-001"],
)
@probes(
    answer=transcription(
        "hello.wav", model=None, mistake="no model", patience=PATIENCE, language="en"
    ),
    twin=SHORT,
)
def test_a_model_is_required(answers: Answers, deployment: Deployment) -> None:
    """A request without a model is refused with a 4xx, or served where vLLM's contract holds."""
    answers.twin.ok()
    if not (_is_vllm(deployment) and answers.answer.status == 200):
        answers.answer.refused()


@requirement(
    "parameters/file-required",
    MUST,
    source="OAS CreateTranscriptionRequest.file",
    killed_by=["file-optional", "missing-file-500"],
    draft=["STT-PARAM-002"],
)
@probes(answer=replace(NO_FILE, mistake="no file", patience=PATIENCE), twin=SHORT)
def test_a_file_is_required(answers: Answers) -> None:
    """A request without a file is refused with a 4xx, and the same with one is not."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/file-named",
    SHOULD,
    source="openai-python#733: 400; vLLM 0.33: 422",
    killed_by=["nameless-file-accepted"],
)
@probes(
    answer=transcription(
        "hello.wav",
        filename=None,
        mistake="a file part without a file name",
        patience=PATIENCE,
        language="en",
    ),
    twin=SHORT,
)
def test_a_file_has_a_name(answers: Answers) -> None:
    """A part called file that has no file name, and so is a text, is refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/field-order-free",
    SHOULD,
    source="RFC 7578, section 5.2",
    killed_by=["fields-after-file-lost"],
    draft=["STT-PARAM-027"],
)
@probes(
    first=replace(SHORT, parts=(SHORT.parts[-1], *SHORT.parts[:-1])),
    last=SHORT,
)
def test_the_order_of_fields_is_free(answers: Answers, deployment: Deployment) -> None:
    """The file may come before the other fields or after them: the text is the same."""
    _same(answers.last.text, answers.first.text, deployment, "with the file first")


@requirement(
    "parameters/unknown-handled",
    SHOULD,
    source="OAS additionalProperties: false; vLLM 0.33 ignores what it does not know",
    killed_by=["unknown-parameter-500"],
    draft=["STT-PARAM-023"],
)
@probes(answer=_short("a parameter that no document names", foo="bar"))
def test_an_unknown_parameter_is_handled(answers: Answers, found: Found) -> None:
    """A parameter that no document names is ignored or refused with a 4xx."""
    found(f"an unknown parameter is {_handled(answers.answer)}")


# -- language -------------------------------------------------------------------------------------


@requirement(
    "parameters/language-codes",
    SHOULD,
    source="OAS CreateTranscriptionRequest.language; Privatemode speech-to-text page 1.30",
    killed_by=["language-english-only"],
    draft=["STT-PARAM-003"],
)
@cases(
    Case("en", value=SHORT),
    *(
        Case(code, value=transcription(clip, language=code, response_format="json"))
        for code, clip in (("de", "german.wav"), ("ru", "russian.wav"), ("zh", "chinese.wav"))
    ),
)
@probes(lambda case: {"answer": case.value})
def test_language_codes_are_accepted(answers: Answers, case: Case) -> None:
    """Speech with its language's code of ISO 639-1 is transcribed."""
    answers.answer.ok()


@requirement(
    "parameters/unknown-language-refused",
    SHOULD,
    source="vLLM's test_bad_requests; OAS CreateTranscriptionRequest.language",
    killed_by=["unknown-language-accepted", "bad-value-500"],
    draft=["STT-PARAM-004"],
)
@probes(
    answer=transcription(
        "hello.wav", mistake="an unknown language", patience=PATIENCE, language="hh"
    ),
    twin=SHORT,
)
def test_an_unknown_language_is_refused(answers: Answers) -> None:
    """A code that is no language's is refused with a 4xx, and one that is is not."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/language-names-handled",
    SHOULD,
    source="OpenGateLLM#807; vLLM 0.33",
    killed_by=["bad-value-500", "empty-language-500"],
    draft=["STT-PARAM-005"],
)
@cases(
    Case("name", value="english", effort="full"),
    Case("locale", value="en-US"),
    Case("capitals", value="EN", effort="full"),
    Case("empty", value=""),
)
@probes(lambda case: {"answer": transcription("hello.wav", language=case.value)})
def test_language_names_are_handled(answers: Answers, case: Case, found: Found) -> None:
    """A language by its name, as a locale, in capitals or empty gives 200 or a 4xx."""
    found(f"language={case.value!r} is {_handled(answers.answer)}")


@requirement(
    "parameters/language-detected",
    SHOULD,
    source="vLLM 0.33 detects the language; OpenAI's service does",
    killed_by=["assumes-english"],
    draft=["STT-PARAM-006"],
)
@probes(
    answer=transcription("russian.wav"),
    named=transcription("russian.wav", language="ru", response_format="json"),
)
def test_the_language_is_detected(answers: Answers) -> None:
    """Russian speech without a language gives a text in Cyrillic letters, not an English one.

    Where it has none with its language named either, the model does not know it.
    """
    text = answers.answer.text
    if _is_cyrillic(text):
        return
    if answers.named.status != 200 or not _is_cyrillic(answers.named.text):
        raise NotObserved("with the language named the text is not Russian either")
    raise AssertionError(f"the text of Russian speech is {shown(text, 100)}")


def _is_cyrillic(text: str) -> bool:
    letters = [one for one in text if one.isalpha()]
    own = sum(unicodedata.name(one, "").startswith("CYRILLIC") for one in letters)
    return own > len(letters) / 2


@requirement(
    "parameters/detected-language-told",
    SHOULD,
    source="OAS CreateTranscriptionResponseVerboseJson.language: the language of the audio",
    needs=["verbose_json"],
    killed_by=["language-told-wrong"],
)
@probes(answer=transcription("german.wav", response_format=VERBOSE_JSON))
def test_the_detected_language_is_told(answers: Answers) -> None:
    """verbose_json of German speech without a language names German, in words or by its code."""
    body = answers.answer.ok().object()
    told = body.get("language")
    named = told.casefold() if isinstance(told, str) else ""
    known = named.partition("-")[0] in ("de", "deu", "ger", "german", "deutsch")
    assert known, f"{member(body, 'language')} for German speech"


@requirement(
    "parameters/language-helps",
    SHOULD,
    source="Privatemode speech-to-text page 1.30: not setting it can lead to poor accuracy; OAS",
    killed_by=["language-harms"],
    draft=["STT-PARAM-007"],
)
@probes(
    named=transcription("russian.wav", language="ru", response_format="json"),
    detected=transcription("russian.wav"),
)
def test_the_right_language_helps(answers: Answers, deployment: Deployment) -> None:
    """With the code of its language speech is recognised at least as well as without one."""
    _no_worse(answers.named, answers.detected, STEERED_MARGIN, deployment)


# -- prompt and temperature -----------------------------------------------------------------------


@requirement(
    "parameters/empty-prompt",
    MUST,
    source="OAS CreateTranscriptionRequest.prompt: optional",
    killed_by=["empty-prompt-refused", "empty-prompt-silences"],
    draft=["STT-PARAM-008"],
)
@probes(answer=transcription("sentence.wav", language="en", prompt=""), without=SENTENCE)
def test_a_prompt_may_be_empty(answers: Answers, deployment: Deployment) -> None:
    """With an empty prompt speech is recognised as well as without one."""
    _takes_prompts(deployment)
    _no_worse(answers.answer, answers.without, DESTROYED, deployment)


@requirement(
    "parameters/neutral-prompt",
    MUST,
    source="vLLM's test_audio_prompt; OAS CreateTranscriptionRequest.prompt",
    killed_by=["prompt-refused", "prompt-harms"],
    draft=["STT-PARAM-009"],
)
@probes(answer=transcription("sentence.wav", language="en", prompt=PROMPT), without=SENTENCE)
def test_a_neutral_prompt_does_no_harm(answers: Answers, deployment: Deployment) -> None:
    """With a prompt that fits any speech a sentence is recognised as well as without."""
    _takes_prompts(deployment)
    _no_worse(answers.answer, answers.without, DESTROYED, deployment)


@requirement(
    "parameters/neutral-prompt-on-long-audio",
    MUST,
    source="vllm#53206: text beyond the first 30 s is lost; vLLM's test_audio_prompt",
    effort="full",
    killed_by=["prompt-ends-early"],
    draft=["STT-PARAM-009"],
)
@probes(answer=transcription("speech-60s.wav", language="en", prompt=PROMPT), without=MINUTE)
def test_a_neutral_prompt_loses_nothing_of_long_audio(
    answers: Answers, deployment: Deployment
) -> None:
    """With a prompt that fits any speech a minute is recognised as well as without."""
    _takes_prompts(deployment)
    _no_worse(answers.answer, answers.without, DESTROYED, deployment)


@requirement(
    "parameters/prompt-not-echoed",
    SHOULD,
    source="TensorRT-LLM#1727",
    killed_by=["prompt-echoed"],
    draft=["STT-PARAM-010"],
)
@probes(answer=transcription("sentence.wav", language="en", prompt=PROMPT))
def test_the_prompt_is_not_echoed(answers: Answers, deployment: Deployment) -> None:
    """The words of a prompt, which nobody says, are not in the text."""
    _takes_prompts(deployment)
    text = answers.answer.text
    echoed = normalised(PROMPT) in normalised(text)
    assert not echoed, f"the text holds the prompt: {shown(text, 150)}"


@requirement(
    "parameters/temperature",
    MUST,
    source="OAS CreateTranscriptionRequest.temperature: between 0 and 1",
    killed_by=["temperature-refused"],
    draft=["STT-PARAM-011"],
)
@cases("0", "1")
@probes(lambda case: {"answer": _short(temperature=case.id)})
def test_temperatures_in_range_are_accepted(answers: Answers, case: Case) -> None:
    """The lowest temperature and the highest are accepted."""
    answers.answer.ok()


@requirement(
    "parameters/temperature-range",
    SHOULD,
    source="OAS CreateTranscriptionRequest.temperature: between 0 and 1; vLLM has no upper bound",
    killed_by=["temperature-unchecked", "bad-value-500"],
    draft=["STT-PARAM-012"],
)
@cases(
    Case("negative", value=("-1", "a negative temperature")),
    Case("above", value=("2", "a temperature above 1")),
    Case("in-words", value=("warm", "a temperature that is no number")),
    Case("not-a-number", value=("nan", "the temperature NaN"), effort="full"),
)
@probes(
    lambda case, deployment: {
        "answer": _short(
            "" if case.id == "above" and _is_vllm(deployment) else case.value[1],
            temperature=case.value[0],
        ),
        "twin": _short(temperature="0"),
    }
)
def test_temperatures_out_of_range_are_refused(
    answers: Answers, case: Case, deployment: Deployment
) -> None:
    """A temperature out of range is refused with a 4xx; vLLM takes those above 1."""
    answers.twin.ok()
    if not (case.id == "above" and _is_vllm(deployment) and answers.answer.status == 200):
        answers.answer.refused()


# -- response_format and timestamp_granularities --------------------------------------------------


@requirement(
    "parameters/formats-checked",
    MUST,
    source="OAS AudioResponseFormat",
    killed_by=["unknown-format-accepted", "bad-value-500"],
    draft=["STT-PARAM-018"],
)
@probes(answer=_short("an unknown response format", response_format="xml"), twin=SHORT)
def test_an_unknown_format_is_refused(answers: Answers) -> None:
    """A response format that no document names is refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/granularities-checked",
    MUST,
    source="OAS timestamp_granularities[]; vLLM 0.33 answers 400",
    needs=["verbose_json"],
    killed_by=["unknown-granularity-accepted", "bad-value-500"],
    draft=["STT-PARAM-018"],
)
@probes(
    answer=_short(
        "an unknown granularity in verbose_json",
        response_format=VERBOSE_JSON,
        timestamp_granularities=["sentence"],
    ),
    twin=_short(response_format=VERBOSE_JSON, timestamp_granularities=["segment"]),
)
def test_an_unknown_granularity_is_refused(answers: Answers) -> None:
    """A granularity that no document names is refused with a 4xx, and segment is not."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/format-fits-model",
    SHOULD,
    source="OAS CreateTranscriptionRequest.response_format; ThinLineRadio#114",
    profiles=["openai"],
    killed_by=["misfit-format-as-json", "error-unnamed"],
    draft=["STT-PARAM-019"],
)
@cases(
    Case("verbose_json", value="verbose_json"),
    Case("diarized_json", value="diarization"),
)
@probes(
    lambda case, deployment: (
        {
            "answer": _short(
                f"{case.id} of a model that lacks it", model=other, response_format=case.id
            ),
            "twin": _short(model=other),
        }
        if (other := _without(case.value, deployment))
        else {}
    )
)
def test_a_format_must_fit_its_model(answers: Answers, case: Case, deployment: Deployment) -> None:
    """A format that its model lacks is refused with a 4xx that names response_format."""
    if not answers:
        raise NotObserved(f"{case.id} is claimed for every model that anything is claimed for")
    answers.twin.ok()
    _named(answers.answer.refused(), "response_format")


@requirement(
    "parameters/granularities-repeated",
    MUST,
    source="OAS timestamp_granularities[]; the official SDK repeats the bracketed name",
    profiles=["openai"],
    needs=["verbose_json", "word_timestamps"],
    killed_by=["granularities-first-only", "granularities-unbracketed-only"],
    draft=["STT-PARAM-013"],
)
@probes(word=WORD_ALONE, both=WORD_AND_SEGMENT)
def test_granularities_are_read_as_sent(answers: Answers) -> None:
    """timestamp_granularities[]=word gives words; with segment, repeated, it gives both arrays."""
    _has(answers.word, "words")
    _has(answers.both, "words")
    _has(answers.both, "segments")


@requirement(
    "parameters/word-alone",
    SHOULD,
    source="speaches' tests record what OpenAI does",
    profiles=["openai"],
    needs=["verbose_json", "word_timestamps"],
    killed_by=["segments-always"],
    draft=["STT-PARAM-016"],
)
@probes(answer=WORD_ALONE)
def test_word_alone_leaves_segments_out(answers: Answers) -> None:
    """With timestamp_granularities[]=word alone there are words and no segments."""
    body = answers.answer.ok().object()
    if not body.get("words"):
        raise NotObserved("the answer has no words")
    assert not body.get("segments"), f"segments were not asked for: {member(body, 'segments')}"


@requirement(
    "parameters/granularity-not-dropped",
    SHOULD,
    source="OAS timestamp_granularities[]; Mistral refuses what it lacks with 400",
    needs=["verbose_json"],
    killed_by=["word-granularity-ignored"],
    draft=["STT-PARAM-017"],
)
@probes(answer=WORD_ALONE)
def test_a_granularity_is_not_dropped(answers: Answers) -> None:
    """Where timestamp_granularities[]=word is not refused with a 4xx, there are words."""
    if 400 <= answers.answer.status <= 499:
        return
    _has(answers.answer, "words")


@requirement(
    "parameters/granularity-unbracketed",
    SHOULD,
    source="speaches#29; Together's examples write it so",
    needs=["verbose_json"],
    killed_by=["unbracketed-500"],
    draft=["STT-PARAM-014"],
)
@probes(
    answer=_short("", Field("timestamp_granularities", "word"), response_format=VERBOSE_JSON),
)
def test_an_unbracketed_name_is_handled(answers: Answers, found: Found) -> None:
    """timestamp_granularities without brackets is read, ignored or refused with a 4xx."""
    handled = _handled(answers.answer)
    if handled == "accepted":
        handled = "read" if answers.answer.object().get("words") else "ignored"
    found(f"the name without brackets is {handled}")


@requirement(
    "parameters/repeated-values-kept",
    SHOULD,
    source="vLLM 0.33 refuses any unknown granularity; privatemode-public 1.40 keeps one value",
    profiles=["vllm", "privatemode"],
    killed_by=["granularities-first-only"],
    draft=["STT-PARAM-015"],
)
@probes(
    behind=_short(
        "an unknown granularity behind a known one",
        timestamp_granularities=["segment", "sentence"],
    ),
    alone=_short("an unknown granularity", timestamp_granularities=["sentence"]),
)
def test_every_repeated_value_arrives(answers: Answers) -> None:
    """A granularity that is refused by itself is refused behind a right one: it got there."""
    if not 400 <= answers.alone.status <= 499:
        raise NotObserved(f"an unknown granularity is not refused ({answers.alone.status})")
    answers.behind.refused()


# -- include, chunking_strategy, speakers and hints -----------------------------------------------


@requirement(
    "parameters/logprobs",
    MUST,
    source="OAS CreateTranscriptionRequest.include[]",
    profiles=["openai"],
    needs=["logprobs"],
    killed_by=["logprobs-left-out"],
    draft=["STT-PARAM-020"],
)
@probes(answer=LOGPROBS)
def test_log_probabilities_are_included(answers: Answers) -> None:
    """include[]=logprobs adds log probabilities to a json answer."""
    _has(answers.answer, "logprobs")


@requirement(
    "parameters/logprobs-on-request",
    SHOULD,
    source="OAS CreateTranscriptionResponseJson.logprobs: returned if included",
    profiles=["openai"],
    needs=["logprobs"],
    killed_by=["logprobs-always"],
)
@probes(asked=LOGPROBS, unasked=SENTENCE)
def test_log_probabilities_come_on_request_alone(answers: Answers) -> None:
    """Without include[] there are no log probabilities."""
    if not answers.asked.ok().object().get("logprobs"):
        raise NotObserved("there are none with include[]=logprobs either")
    body = answers.unasked.ok().object()
    assert not body.get("logprobs"), "there are log probabilities that nobody asked for"


VAD = (
    Field("chunking_strategy[type]", "server_vad"),
    Field("chunking_strategy[prefix_padding_ms]", "300"),
    Field("chunking_strategy[silence_duration_ms]", "200"),
    Field("chunking_strategy[threshold]", "0.5"),
)


@requirement(
    "parameters/chunking",
    MUST,
    source="OAS CreateTranscriptionRequest.chunking_strategy, VadConfig; the SDK's encoding",
    profiles=["openai"],
    needs=["diarization"],
    killed_by=["chunking-auto-refused", "chunking-object-refused"],
    draft=["STT-PARAM-021"],
)
@cases(Case("auto", value=DIARIZED), Case("object", value=_short("", *VAD)))
@probes(lambda case: {"answer": case.value})
def test_chunking_strategies_are_accepted(answers: Answers, case: Case) -> None:
    """chunking_strategy may be auto, or an object whose members come under bracketed names."""
    answers.answer.ok()


@requirement(
    "parameters/chunking-checked",
    SHOULD,
    source="OAS VadConfig.type: server_vad, required",
    profiles=["openai"],
    needs=["diarization"],
    effort="full",
    killed_by=["chunking-unchecked"],
)
@probes(
    answer=_short(
        "an unknown chunking strategy",
        Field("chunking_strategy[type]", "no_vad"),
        *VAD[1:],
    ),
    twin=_short("", *VAD),
)
def test_an_unknown_chunking_strategy_is_refused(answers: Answers) -> None:
    """A chunking_strategy of a type that no document names is refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/chunking-required",
    SHOULD,
    source="OAS chunking_strategy: required for gpt-4o-transcribe-diarize beyond 30 seconds",
    profiles=["openai"],
    needs=["diarization"],
    effort="full",
    killed_by=["chunking-never-required"],
)
@probes(
    answer=transcription("speech-30.1s.wav", mistake="long speech, not to be cut", language="en"),
    twin=transcription("speech-30.1s.wav", language="en", chunking_strategy="auto"),
)
def test_long_audio_with_speakers_must_be_cut(answers: Answers) -> None:
    """A model that tells speakers refuses over 30 seconds unless it may cut them."""
    answers.twin.ok()
    answers.answer.refused()


def _known(names: int, references: int, mistake: str = "") -> Probe:
    """Return a request with ``names`` known speakers and samples of ``references``."""
    asked = _short(
        mistake,
        *(Field("known_speaker_names[]", f"agent-{number}") for number in range(names)),
        *(DataURL("known_speaker_references[]", "sentence.mp3") for _ in range(references)),
        response_format="diarized_json",
    )
    if mistake:
        return asked
    # The speaker of the sample, who is to be known again, says a whole sentence.
    spoken = File("file", "sentence.wav", "sentence.wav", "audio/wav")
    return replace(asked, parts=(*asked.parts[:-1], spoken))


@requirement(
    "parameters/known-speakers-limited",
    SHOULD,
    source="OAS known_speaker_names[] and known_speaker_references[]: maxItems 4, paired",
    profiles=["openai"],
    needs=["diarization"],
    killed_by=["known-speakers-unchecked"],
    draft=["STT-PARAM-022"],
)
@cases(
    Case("five", value=_known(5, 5, "five known speakers")),
    Case("unpaired", value=_known(2, 1, "a known speaker without a sample"), effort="full"),
)
@probes(lambda case: {"answer": case.value, "twin": _known(1, 1)})
def test_known_speakers_are_limited(answers: Answers, case: Case) -> None:
    """More than four known speakers, or one without a sample, are refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/known-speakers-named",
    SHOULD,
    source="OAS TranscriptionDiarizedSegment.speaker: the name of a known speaker",
    profiles=["openai"],
    needs=["diarization"],
    killed_by=["known-speakers-ignored"],
)
@probes(answer=_known(1, 1))
def test_a_known_speaker_is_named(answers: Answers) -> None:
    """What a known speaker says is labelled with the name given."""
    segments = answers.answer.objects("segments")
    labels = {label for one in segments if isinstance(label := one.get("speaker"), str)}
    assert "agent-0" in labels, f"the speakers are {shown(sorted(labels))}, agent-0 was told"


@requirement(
    "parameters/unsupported-refused",
    SHOULD,
    source="OAS: these three are not supported by gpt-4o-transcribe-diarize",
    profiles=["openai"],
    needs=["diarization"],
    effort="full",
    killed_by=["unsupported-ignored", "error-unnamed"],
)
@cases(
    Case(
        "prompt", value=_short("a prompt for a model that takes none", prompt=PROMPT), effort="full"
    ),
    Case(
        "include",
        value=_short("logprobs of a model that has none", include=["logprobs"]),
    ),
    Case(
        "timestamp_granularities",
        value=_short("granularities for a model without them", timestamp_granularities=["segment"]),
    ),
)
@probes(lambda case: {"answer": case.value, "twin": SHORT})
def test_what_a_model_does_not_support_is_refused(answers: Answers, case: Case) -> None:
    """A model that tells speakers refuses what is not for it with a 4xx that names it."""
    answers.twin.ok()
    _named(answers.answer.refused(), case.id)


HINTED = _short(languages=["en", "de"], keywords=["hello", "world"])


@requirement(
    "parameters/hints",
    MUST,
    source="OAS CreateTranscriptionRequest.languages[] and keywords[]: gpt-transcribe",
    profiles=["openai"],
    needs=["language_hints"],
    killed_by=["hints-refused"],
)
@probes(answer=HINTED)
def test_hints_are_accepted(answers: Answers) -> None:
    """languages[] and keywords[] are accepted by a model that is claimed to take them."""
    answers.answer.ok()


@requirement(
    "parameters/languages-told",
    MUST,
    source="OAS CreateTranscriptionResponseJson.languages: objects with a code",
    profiles=["openai"],
    needs=["language_hints"],
    killed_by=["languages-as-names"],
)
@probes(answer=HINTED)
def test_languages_are_told_by_code(answers: Answers) -> None:
    """The languages of an answer, if it has them, are objects with a code."""
    body = answers.answer.ok().object()
    if "languages" not in body:
        raise NotObserved("the answer has no languages")
    conforms(body, "transcription#languages")


# -- stream ---------------------------------------------------------------------------------------


@requirement(
    "parameters/stream-false",
    MUST,
    source="OAS CreateTranscriptionRequest.stream: default false; the SDK sends false",
    killed_by=["stream-false-streams"],
    draft=["STT-PARAM-026"],
)
@probes(answer=_short(stream="false"), absent=SHORT)
def test_stream_false_does_not_stream(answers: Answers) -> None:
    """stream=false gives one JSON answer, as leaving it out does."""
    for name, answer in answers.items():
        kind = answer.ok().media_type
        assert kind == "application/json", f"{name}: the media type is {kind or 'missing'}"


@requirement(
    "parameters/booleans-in-capitals",
    MUST,
    source="privatemode-public 1.40 compares in any case; vLLM's validation takes True",
    needs=["streaming"],
    killed_by=["boolean-capitals-false"],
    draft=["STT-PARAM-026"],
)
@probes(
    answer=_short(stream="True"),
    plain=transcription("speech-10s.wav", language="en", stream="true"),
)
def test_true_may_be_capitalised(answers: Answers) -> None:
    """stream=True, as Python writes it, streams like stream=true."""
    if answers.plain.ok().media_type != "text/event-stream":
        raise NotObserved("stream=true does not stream")
    kind = answers.answer.ok().media_type
    assert kind == "text/event-stream", f"stream=True is answered by {kind or 'no media type'}"


# -- vLLM's own -----------------------------------------------------------------------------------

EXTRAS = {
    "seed": "42",
    "top_p": "0.9",
    "top_k": "20",
    "min_p": "0.1",
    "frequency_penalty": "0.1",
    "presence_penalty": "0.1",
    "repetition_penalty": "1.1",
    "length_penalty": "1.0",
    "n": "1",
    "include_stop_str_in_output": "false",
    "use_beam_search": "false",
    "to_language": "en",
    "hotwords": "hello, world",
    "vllm_xargs": '{"soundcheck": 1}',
    "max_completion_tokens": "200",
}
"""vLLM's own parameters, each with a value that any server can take."""

MORE_EXTRAS = ("min_p", "frequency_penalty", "presence_penalty", "repetition_penalty")
"""Those that are tried from effort full on: they are read like the others."""


@requirement(
    "parameters/vllm-extras",
    SHOULD,
    source="vLLM 0.33 transcription parameters, which the Privatemode page 1.30 points to",
    profiles=["vllm", "privatemode"],
    killed_by=["vllm-extras-refused"],
    draft=["STT-PARAM-024"],
)
@cases(
    *(
        Case(
            name,
            value=_short(**{name: value}),
            effort="full" if name in MORE_EXTRAS else "quick",
        )
        for name, value in EXTRAS.items()
    )
)
@probes(lambda case: {"answer": case.value})
def test_the_extras_of_vllm_are_accepted(answers: Answers, case: Case) -> None:
    """Each parameter that vLLM documents beside OpenAI's is accepted."""
    answers.answer.ok()


@requirement(
    "parameters/max-completion-tokens",
    SHOULD,
    source="vLLM 0.33 max_completion_tokens",
    profiles=["vllm", "privatemode"],
    killed_by=["max-tokens-ignored"],
    draft=["STT-PARAM-024"],
)
@probes(
    answer=transcription("sentence.wav", language="en", max_completion_tokens="1"), whole=SENTENCE
)
def test_max_completion_tokens_shortens_the_text(answers: Answers) -> None:
    """max_completion_tokens=1 gives a shorter text."""
    whole, text = answers.whole.text.strip(), answers.answer.text.strip()
    if len(whole.split()) < 2:
        raise NotObserved(f"the whole text is {shown(whole)}")
    assert len(text) < len(whole), f"the text of one token is {shown(text, 100)}"


@requirement(
    "parameters/vllm-extras-checked",
    SHOULD,
    source="vLLM 0.33: 400 for each of these",
    profiles=["vllm", "privatemode"],
    killed_by=["vllm-extras-unchecked"],
)
@cases(
    Case("vllm_xargs", value=_short("vllm_xargs that are no JSON", vllm_xargs="{soundcheck")),
    Case("seed", value=_short("a seed that is no number", seed="often")),
    Case(
        "stream_include_usage",
        value=_short("usage of a stream, unstreamed", stream_include_usage="true"),
    ),
    Case(
        "stream_continuous_usage_stats",
        value=_short("usage in chunks, unstreamed", stream_continuous_usage_stats="true"),
    ),
    Case(
        "use_beam_search",
        value=_short("beam search, streamed", use_beam_search="true", stream="true"),
    ),
)
@probes(lambda case: {"answer": case.value, "twin": SHORT})
def test_the_extras_of_vllm_are_checked(answers: Answers, case: Case) -> None:
    """A parameter of vLLM's own with a value that it cannot have is refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "parameters/same-seed",
    SHOULD,
    source="vLLM's tests of seed",
    profiles=["vllm", "privatemode"],
    effort="full",
    killed_by=["seed-ignored"],
    draft=["STT-PARAM-025"],
)
@probes(
    lambda: {
        f"answer {number}": transcription(
            "sentence.wav", language="en", temperature="0.8", seed="42", repeat=number
        )
        for number in range(5)
    }
)
def test_the_same_seed_gives_the_same_text(answers: Answers) -> None:
    """At temperature 0.8 the same seed gives the same text every time."""
    texts = dict.fromkeys(answer.text for answer in answers.values())
    assert len(texts) == 1, f"{len(answers)} answers are {len(texts)} texts: {shown([*texts], 200)}"


@requirement(
    "parameters/openai-extras-ignored",
    SHOULD,
    source="vLLM 0.33 ignores what it does not know (extra=allow)",
    profiles=["vllm", "privatemode"],
    effort="full",
    killed_by=["openai-extras-refused"],
)
@cases(
    Case("include", value=_short(response_format="json", include=["logprobs"])),
    Case("chunking_strategy", value=_short("", *VAD)),
    Case("languages", value=HINTED),
)
@probes(lambda case: {"answer": case.value})
def test_what_only_openai_has_is_ignored(answers: Answers, case: Case) -> None:
    """A parameter that only some of OpenAI's models have is ignored, not refused."""
    answers.answer.ok()


def _handled(answer: Answer) -> str:
    """Return what became of a request that may be taken or not; fails for anything else."""
    status = answer.status
    assert status == 200 or 400 <= status <= 499, f"expected 200 or a 4xx, got {answer.excerpt}"
    return "accepted" if status == 200 else f"refused ({status})"


def _same(expected: str, text: str, deployment: Deployment, how: str) -> None:
    """Assert that two answers to the same speech have the same text, as far as models do.

    Of a short clip one word may differ, whatever the bound.
    """
    wrong = word_error_rate(expected, text)
    assert wrong <= max(deployment.profile.bounds.same_transcript, _one_word(expected)), (
        f"{how} {shown(expected, 100)} became {shown(text, 100)}"
    )


def _no_worse(answer: Answer, other: Answer, margin: float, deployment: Deployment) -> None:
    """Assert that ``answer`` has at most ``margin`` more of its words wrong than ``other``.

    Of a short clip one word more may be. Nothing follows where the voice of the clip is not
    understood: there is no telling noise apart.
    """
    spoken = answer.spoken
    texts = answer.text, other.text
    rate, reference = (word_error_rate(spoken.transcript or "", t, spoken.language) for t in texts)
    if reference > deployment.profile.bounds.calibration:
        raise NotObserved(f"{reference:.0%} of the words are wrong without it too")
    margin = max(margin, _one_word(spoken.transcript or "", spoken.language))
    assert rate <= reference + margin + ROUNDING, (
        f"{rate:.0%} of the words are wrong, {reference:.0%} without it: {shown(texts[0], 150)}"
    )


def _one_word(text: str, language: str | None = "en") -> float:
    """Return the word error rate of one wrong word in ``text``."""
    return 1 / max(1, len(words_of(text, language)))


def _takes_prompts(deployment: Deployment) -> None:
    if "diarization" in deployment.profile.claims(deployment.model):
        raise NotObserved(f"{deployment.model} tells speakers: prompts are not for it")


def _without(capability: str, deployment: Deployment) -> str | None:
    """Return a served model of which something is claimed, but not ``capability``."""
    served = (deployment.model, *(entry.id for entry in deployment.listed))
    claims = deployment.profile.claims
    return next((m for m in served if claims(m) and capability not in claims(m)), None)


def _has(answer: Answer, name: str) -> None:
    """Assert that there is something in the array ``name`` of an answer that has a text."""
    body = answer.ok().object()
    if not answer.text.strip():
        raise NotObserved("no speech was recognised")
    found = body.get(name)
    assert isinstance(found, list), f"{member(body, name)}, not an array"
    assert found, f"{name} is empty although the text is {shown(answer.text, 100)}"


def _named(answer: Answer, parameter: str) -> None:
    """Assert that a refusal names the ``parameter``, in param or in the message."""
    error = answer.object().get("error")
    told = error if isinstance(error, dict) else {}
    places = (told.get("param"), told.get("message"))
    named = any(isinstance(place, str) and parameter in place.lower() for place in places)
    assert named, f"the error does not name {parameter}: {shown(error)}"
