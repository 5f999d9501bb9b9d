"""Models: the list of models, and what becomes of a name that is not on it.

PYTEST_DONT_REWRITE: every assertion brings its own sentence, and pytest's own comparison of two
long texts takes minutes.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from soundcheck.contract import (
    MAY,
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
    enveloped,
    get,
    member,
    probes,
    requirement,
    shown,
    transcription,
)
from soundcheck.contract.probe import MODELS
from soundcheck.contract.subtitles import parse_subtitles

UNKNOWN = "soundcheck-no-such-model"
SHORT = transcription("hello.wav", language="en")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
PATIENCE = 30.0
"""Seconds in which an unknown model is refused, as ``errors/in-time`` asks of the same request."""


@requirement(
    "models/list",
    MUST,
    source="OAS ListModelsResponse",
    killed_by=["models-missing", "models-html", "models-not-list", "models-object-wrong"],
    draft=["STT-MODELS-001"],
)
@probes(models=MODELS)
def test_models_are_listed(answers: Answers) -> None:
    """GET /models answers 200 with an object of type list and its array data."""
    conforms(answers.models.ok().object(), "models#list")


@requirement(
    "models/entries-complete",
    MUST,
    source="OAS Model",
    killed_by=[
        "model-created-string",
        "model-created-fraction",
        "model-id-duplicate",
        "model-object-wrong",
        "model-owner-missing",
    ],
    draft=["STT-MODELS-002"],
)
@probes(models=MODELS)
def test_every_model_entry_is_complete(answers: Answers) -> None:
    """Every listed model has a unique id, object model, an integer created and an owner."""
    entries = _entries(answers)
    if not entries:
        raise NotObserved("the list is empty")
    for entry in entries:
        conforms(entry, "models#model")
    repeated = [name for name, times in Counter(e["id"] for e in entries).items() if times > 1]
    assert not repeated, f"listed more than once: {', '.join(map(shown, repeated[:5]))}"


@requirement(
    "models/shutdown-date",
    SHOULD,
    source="OAS Model.shutdown_date; SDK",
    killed_by=["shutdown-date-a-number"],
)
@probes(models=MODELS)
def test_a_shutdown_date_is_a_date(answers: Answers) -> None:
    """The shutdown_date of a listed model, where it has one, is a date or null."""
    told = [entry["shutdown_date"] for entry in _entries(answers) if "shutdown_date" in entry]
    if not told:
        raise NotObserved("no listed model has a shutdown_date")
    for value in told:
        is_date = isinstance(value, str) and _DATE.match(value)
        assert value is None or is_date, f"shutdown_date is {shown(value)}, not a date or null"


@requirement(
    "models/tested-model-listed",
    MUST,
    source="Privatemode speech-to-text page 1.30, Available speech-to-text models; vLLM",
    profiles=["vllm", "privatemode"],
    killed_by=["model-not-listed"],
    draft=["STT-MODELS-003"],
)
@probes(models=MODELS)
def test_the_tested_model_is_listed(answers: Answers, deployment: Deployment) -> None:
    """The model under test is on the list."""
    listed = [entry.get("id") for entry in _entries(answers)]
    assert deployment.model in listed, f"{deployment.model} is not among {shown(listed)}"


@requirement(
    "models/speech-models-marked",
    SHOULD,
    source="privatemode-public 1.40: WorkloadTaskTranscribe",
    profiles=["privatemode"],
    killed_by=["no-tasks"],
    draft=["STT-MODELS-004"],
)
@probes(models=MODELS)
def test_speech_models_are_marked(answers: Answers, deployment: Deployment) -> None:
    """The entry of the model under test has the task transcribe."""
    entry = next((e for e in _entries(answers) if e.get("id") == deployment.model), None)
    assert entry is not None, f"{deployment.model} is not listed"
    tasks = entry.get("tasks")
    assert isinstance(tasks, list), f"{deployment.model}: {member(entry, 'tasks')}, not an array"
    assert "transcribe" in tasks, f"the tasks of {deployment.model} are {shown(tasks)}"


@requirement(
    "models/marked-models-transcribe",
    SHOULD,
    source="privatemode-public 1.40: WorkloadTaskTranscribe",
    profiles=["privatemode"],
    killed_by=["listed-model-fails"],
    draft=["STT-MODELS-005"],
)
@probes(
    lambda deployment: {
        entry.id: transcription("hello.wav", model=entry.id)
        for entry in deployment.listed
        if "transcribe" in entry.tasks
    }
)
def test_marked_models_transcribe(answers: Answers) -> None:
    """Every model with the task transcribe transcribes a short clip."""
    if not answers:
        raise NotObserved("no listed model has the task transcribe")
    for model, answer in answers.items():
        assert answer.status == 200, f"{model}: expected 200, got {answer.excerpt}"


@requirement(
    "models/unknown-model-refused",
    MUST,
    source="OAS CreateTranscriptionRequest.model; vLLM answers 404",
    killed_by=["accepts-any-model", "unknown-model-500", "unknown-model-unnamed"],
    draft=["STT-MODELS-006"],
)
@probes(
    unknown=transcription(
        "hello.wav", model=UNKNOWN, patience=PATIENCE, mistake="an unknown model", language="en"
    ),
    known=SHORT,
)
def test_an_unknown_model_is_refused(answers: Answers) -> None:
    """An unknown model gets 400 or 404 with an error that names it; a known one gets 200."""
    answers.known.ok()
    answer = answers.unknown
    assert answer.status in (400, 404), f"expected 400 or 404, got {answer.excerpt}"
    enveloped(answer)
    body = answer.object()
    error = body["error"]
    assert UNKNOWN in error["message"] or error.get("param") == "model", (
        f"the error names neither the model nor the parameter: {shown(error['message'])}"
    )


@requirement(
    "models/retrieve",
    SHOULD,
    source="OAS GET /models/{model}",
    profiles=["openai"],
    killed_by=["retrieve-model-missing", "retrieve-unknown-200", "retrieve-other-model"],
    draft=["STT-MODELS-007"],
)
@probes(
    known=get("/models/{model}"),
    unknown=replace(get(f"/models/{UNKNOWN}"), mistake="the entry of an unknown model"),
)
def test_a_model_can_be_retrieved(answers: Answers, deployment: Deployment) -> None:
    """GET /models/{model} gives that model's entry; an unknown id gives 404 with an error."""
    entry = answers.known.ok().object()
    conforms(entry, "models#model")
    assert entry["id"] == deployment.model, f"the entry's id is {shown(entry['id'])}"
    assert answers.unknown.status == 404, f"expected 404, got {answers.unknown.excerpt}"
    enveloped(answers.unknown)


@requirement(
    "models/exact-names",
    SHOULD,
    source="vLLM compares names exactly",
    killed_by=["model-case-insensitive", "model-name-trimmed"],
    draft=["STT-MODELS-008"],
)
@cases("other-case", Case("trailing-space", effort="full"))
@probes(
    lambda case, deployment: {"known": SHORT, "variant": _by_variant(case.id, deployment.model)}
)
def test_model_names_match_exactly(answers: Answers, case: Case, deployment: Deployment) -> None:
    """A model name in another case or with a trailing space is refused as unknown."""
    if _variant(case.id, deployment.model) == deployment.model:
        raise NotObserved(f"{deployment.model} has no other case")
    answers.known.ok()
    answers.variant.refused()


VERBOSE = transcription("speech-10s.wav", language="en", response_format="verbose_json")


def _is_plain(answer: Answer) -> bool:
    return answer.media_type == "text/plain" and not answer.decoded().lstrip().startswith("{")


def _is_verbose(answer: Answer) -> bool:
    conforms(answer.object(), "transcription#verbose")
    return True


def _has_segments(answer: Answer) -> bool:
    return _is_verbose(answer) and bool(answer.objects("segments"))


def _has_statistics(answer: Answer) -> bool:
    for segment in answer.objects("segments"):
        conforms(segment, "transcription#segment")
    return True


def _has_words(answer: Answer) -> bool:
    for word in answer.objects("words"):
        conforms(word, "transcription#word")
    return True


def _is_srt(answer: Answer) -> bool:
    try:
        return bool(parse_subtitles(answer.decoded(), "srt"))
    except ValueError:
        return False


def _is_diarized(answer: Answer) -> bool:
    conforms(answer.object(), "transcription#diarized")
    return True


def _has_logprobs(answer: Answer) -> bool:
    return bool(answer.objects("logprobs"))


def _counts_tokens(answer: Answer) -> bool:
    conforms(answer.object().get("usage"), "transcription#tokenUsage")
    return True


WORKING: dict[str, tuple[Probe, Callable[[Answer], bool]]] = {
    "text": (transcription("hello.wav", language="en", response_format="text"), _is_plain),
    "verbose_json": (VERBOSE, _is_verbose),
    "segments": (VERBOSE, _has_segments),
    "segment_statistics": (VERBOSE, _has_statistics),
    "word_timestamps": (
        transcription(
            "hello.wav",
            language="en",
            response_format="verbose_json",
            timestamp_granularities=["word"],
        ),
        _has_words,
    ),
    "subtitles": (
        transcription("speech-10s.wav", language="en", response_format="srt"),
        _is_srt,
    ),
    "diarization": (
        transcription(
            "hello.wav",
            patience=PATIENCE,
            mistake="diarized_json of a model that lacks it",
            language="en",
            response_format="diarized_json",
        ),
        _is_diarized,
    ),
    "logprobs": (
        transcription("hello.wav", language="en", response_format="json", include=["logprobs"]),
        _has_logprobs,
    ),
    "token_usage": (SHORT, _counts_tokens),
}
"""By capability a question that is cheap or asked anyway, and what shows that it works.

Streaming is told by ``streaming/event-stream``. Of hints of languages and keywords no answer shows
whether they were heeded: a server that ignores them answers the same.
"""


def _unclaimed(deployment: Deployment) -> dict[str, Probe]:
    claimed = deployment.profile.claims(deployment.model)
    return {name: probe for name, (probe, _) in WORKING.items() if name not in claimed}


@requirement(
    "models/capabilities-claimed",
    MAY,
    source="the profile: what works and is not claimed is not checked",
    killed_by=["counts-tokens", "diarizes-unasked"],
)
@probes(_unclaimed)
def test_what_works_is_claimed(
    answers: Answers, deployment: Deployment, found: Callable[[str], None]
) -> None:
    """What the model under test can do is claimed for it."""
    if not answers:
        raise NotObserved(f"everything is claimed for {deployment.model}")
    working = [name for name, answer in answers.items() if _works(name, answer)]
    if working:
        found(f"not claimed, and works: {', '.join(working)}")
    assert not working, (
        f"{', '.join(working)} {'works' if len(working) == 1 else 'work'} on {deployment.model}, "
        f"which the profile {deployment.profile.name} does not claim: add it to the profile to "
        "have it checked"
    )


def _works(name: str, answer: Answer) -> bool:
    _, shows = WORKING[name]
    try:
        return answer.status == 200 and shows(answer)
    except (AssertionError, NotObserved):
        return False


def _by_variant(kind: str, model: str) -> Probe:
    """Return a request by the model's name written otherwise; no mistake if it is the same."""
    name = _variant(kind, model)
    how = "with a trailing space" if kind == "trailing-space" else "in another case"
    mistake = "" if name == model else f"a model's name {how}"
    return transcription("hello.wav", model=name, mistake=mistake, language="en")


def _variant(kind: str, model: str) -> str:
    return model + " " if kind == "trailing-space" else model.swapcase()


def _entries(answers: Answers) -> list[dict[str, Any]]:
    body = answers.models.ok().object()
    data = body.get("data")
    assert isinstance(data, list), f"{member(body, 'data')}, not an array"
    for entry in data:
        assert isinstance(entry, dict), f"a model entry is {shown(entry)}, not an object"
    return data
