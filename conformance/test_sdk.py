"""The official clients: what programs see that ask this deployment by ``openai``'s own package.

The Python client reads recorded answers, synchronously and asynchronously, and so costs nothing;
a few requests are made by the client itself, for the way it writes them. It checks hardly anything
of what it reads, so what a server does wrong arrives in programs as a value of another type. The
client for Node reads recorded answers where both Node and the client are there already.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from typing import Any

from soundcheck.contract import (
    MAY,
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    Credentials,
    Lane,
    NotObserved,
    Probe,
    Wire,
    cases,
    official,
    official_node,
    probes,
    requirement,
    shown,
    transcription,
)
from soundcheck.contract.official import Outcome
from soundcheck.contract.probe import MODELS
from soundcheck.contract.requirement import KEY
from soundcheck.contract.stream import DELTA, DONE, stream_of
from soundcheck.contract.strict_json import strict_json
from soundcheck.http.multipart import Field

PACKAGE = "openai"
PATIENCE = 30.0
"""Seconds in which a request that cannot be served is refused, as ``errors/in-time`` asks."""

RETRIES = 2
"""How often the client sends a request again, unless its caller says otherwise."""

PLAIN = transcription("sentence.wav", language="en")
VERBOSE = transcription("speech-10s.wav", language="en", response_format="verbose_json")
WORDS = transcription(
    "speech-10s.wav",
    language="en",
    response_format="verbose_json",
    timestamp_granularities=["word", "segment"],
)
DIARIZED = transcription(
    "dialogue.wav", language="en", response_format="diarized_json", chunking_strategy="auto"
)
LOGPROBS = transcription(
    "sentence.wav", language="en", response_format="json", include=["logprobs"]
)
TEXT = transcription("speech-10s.wav", language="en", response_format="text")
STREAMED = transcription("speech-10s.wav", language="en", stream="true")

BOTH = (Case("sync", value=False), Case("async", value=True))
"""The two clients: one decodes answers, and above all streams, by code of its own."""


def _mistaken(identifier: str, told: str, probe: Probe) -> Case:
    return Case(identifier, value=replace(probe, mistake=told, patience=PATIENCE))


MISTAKES = (
    _mistaken(
        "unknown-model",
        "an unknown model",
        transcription("hello.wav", model="soundcheck-no-such-model", language="en"),
    ),
    _mistaken(
        "unknown-format",
        "an unknown response format",
        transcription("hello.wav", language="en", response_format="xml"),
    ),
    _mistaken(
        "random-bytes",
        "random bytes as WAV",
        transcription("random.wav", filename="hello.wav", lane=Lane.HOSTILE, language="en"),
    ),
    _mistaken(
        "stream-of-random-bytes",
        "random bytes, to be streamed",
        transcription(
            "random.wav", filename="hello.wav", lane=Lane.HOSTILE, language="en", stream="true"
        ),
    ),
)
"""Requests that ``errors`` sends as well."""


# -- what is returned ---------------------------------------------------------------------------


@requirement(
    "sdk/json-text",
    MUST,
    source="openai for Python: types.audio.Transcription; OAS CreateTranscriptionResponseJson",
    package=PACKAGE,
    killed_by=["text-missing", "text-not-string", "json-not-object", "trailing-comma"],
)
@cases(*BOTH)
@probes(answer=PLAIN)
def test_the_client_returns_the_text(answers: Answers, case: Case) -> None:
    """The client returns a Transcription whose text is that of the answer."""
    answer = answers.answer.ok()
    value = _typed(official.transcribed(answer, asynchronous=case.value), "Transcription")
    assert isinstance(value.text, str), f"text is {shown(value.text)}, not a string"
    sent = answer.object().get("text")
    assert value.text == sent, f"text is {shown(value.text)}, in the body {shown(sent)}"


@requirement(
    "sdk/usage",
    SHOULD,
    source="openai for Python: types.audio.Transcription.usage, told apart by type",
    package=PACKAGE,
    killed_by=["usage-without-type", "usage-seconds-missing"],
)
@probes(answer=PLAIN)
def test_the_client_tells_usages_apart(answers: Answers) -> None:
    """Where an answer has usage, the client tells its type, and its counts are numbers."""
    usage = _typed(official.transcribed(answers.answer.ok()), "Transcription").usage
    if usage is None:
        raise NotObserved("the answer has no usage")
    counts = {"duration": ("seconds",), "tokens": ("input_tokens", "output_tokens", "total_tokens")}
    kind = getattr(usage, "type", None)
    names = counts.get(kind) if isinstance(kind, str) else None
    assert names, f"usage.type is {shown(kind)}, neither duration nor tokens"
    _numbers(usage, names, "usage")


@requirement(
    "sdk/verbose-segments",
    MUST,
    source="openai for Python: types.audio.TranscriptionVerbose, TranscriptionSegment",
    package=PACKAGE,
    needs=["verbose_json"],
    killed_by=["verbose-duration-string"],
)
@probes(answer=VERBOSE)
def test_the_client_returns_segments(answers: Answers) -> None:
    """Of verbose_json the client returns a language, a duration and segments with times."""
    value = _typed(official.transcribed(answers.answer.ok()), "TranscriptionVerbose")
    for name in ("language", "text"):
        found = getattr(value, name, None)
        assert isinstance(found, str), f"{name} is {shown(found)}, not a string"
    _numbers(value, ("duration",), "")
    for index, segment in _entries(value, "segments"):
        _numbers(segment, ("start", "end"), f"segments[{index}]")
        _string(segment, "text", f"segments[{index}]")


@requirement(
    "sdk/words",
    MUST,
    source="openai for Python: types.audio.TranscriptionWord",
    package=PACKAGE,
    needs=["word_timestamps"],
    killed_by=["word-end-missing"],
)
@probes(answer=WORDS)
def test_the_client_returns_words(answers: Answers) -> None:
    """The client returns words with their text, start and end."""
    value = _typed(official.transcribed(answers.answer.ok()), "TranscriptionVerbose")
    if not value.words:
        raise NotObserved("the answer has no words")
    for index, word in _entries(value, "words"):
        _string(word, "word", f"words[{index}]")
        _numbers(word, ("start", "end"), f"words[{index}]")


@requirement(
    "sdk/logprobs",
    MUST,
    source="openai for Python: types.audio.Transcription.logprobs",
    package=PACKAGE,
    needs=["logprobs"],
    killed_by=["logprobs-missing", "logprob-in-words"],
)
@probes(answer=LOGPROBS)
def test_the_client_returns_log_probabilities(answers: Answers) -> None:
    """The client returns the log probabilities that were asked for, as tokens with numbers."""
    value = _typed(official.transcribed(answers.answer.ok()), "Transcription")
    assert value.logprobs, f"logprobs is {shown(value.logprobs)}"
    for index, one in _entries(value, "logprobs"):
        _string(one, "token", f"logprobs[{index}]")
        _numbers(one, ("logprob",), f"logprobs[{index}]")


@requirement(
    "sdk/diarized-segments",
    MUST,
    source="openai for Python: types.audio.TranscriptionDiarizedSegment",
    package=PACKAGE,
    needs=["diarization"],
    killed_by=["speaker-missing", "diarized-ids-numbers"],
)
@probes(answer=DIARIZED)
def test_the_client_returns_speakers(answers: Answers) -> None:
    """Of diarized_json the client returns segments with an id, a speaker, a text and times."""
    value = _typed(official.transcribed(answers.answer.ok()), "TranscriptionDiarized")
    assert value.segments, f"segments is {shown(value.segments)}"
    for index, segment in _entries(value, "segments"):
        for name in ("id", "speaker", "text"):
            _string(segment, name, f"segments[{index}]")
        _numbers(segment, ("start", "end"), f"segments[{index}]")


@requirement(
    "sdk/text-bare",
    MUST,
    source="openai for Python: response_format=text returns a str, the body; vllm#49095",
    package=PACKAGE,
    profiles=["openai"],
    needs=["text"],
    killed_by=["text-as-json", "text-quoted"],
)
@cases(*BOTH)
@probes(answer=TEXT)
def test_the_client_returns_bare_text(answers: Answers, case: Case) -> None:
    """By response_format=text the client returns the transcript, not the source text of JSON."""
    answer = answers.answer.ok()
    value = official.transcribed(answer, asynchronous=case.value).returned
    assert isinstance(value, str), f"the client returns {_kind(value)}, not a str"
    try:
        strict_json(value)
    except ValueError:
        return
    source = value.lstrip()[:1] in ('"', "{", "[")
    assert not source, f"the client returns the source text of JSON: {shown(value)}"


@requirement(
    "sdk/models",
    MUST,
    source="openai for Python: models.list; OAS ListModelsResponse",
    package=PACKAGE,
    killed_by=["models-missing", "models-html", "models-not-list"],
)
@probes(answer=MODELS)
def test_the_client_lists_models(answers: Answers) -> None:
    """The client lists the models that the deployment lists."""
    ids = official.listed(answers.answer).returned
    if answers.answer.status != 200:
        raise NotObserved(f"there is no list ({answers.answer.status})")
    sent = answers.answer.object().get("data")
    listed = [entry.get("id") for entry in sent] if isinstance(sent, list) else sent
    assert ids == listed, f"the client lists {shown(ids)}, the body {shown(listed)}"


# -- streams ------------------------------------------------------------------------------------


@requirement(
    "sdk/stream-not-silent",
    MUST,
    source="openai for Python: a stream answered by JSON yields no event and no error",
    package=PACKAGE,
    needs=["streaming"],
    killed_by=["stream-ignored", "stream-empty"],
)
@cases(*BOTH)
@probes(answer=STREAMED)
def test_a_stream_is_not_silent(answers: Answers, case: Case) -> None:
    """A stream that is answered with 200 yields events: none would look like silence."""
    answer = answers.answer.ok()
    assert _read(answer, case).streamed, (
        f"the client yields no event and no error: the answer is {answer.media_type or 'untyped'}"
    )


@requirement(
    "sdk/stream-grammar",
    MAY,
    source="openai for Python reads less than WHATWG HTML, section 9.2.6, allows",
    package=PACKAGE,
    needs=["streaming"],
    killed_by=["stream-byte-order-mark"],
)
@cases(*BOTH)
@probes(answer=STREAMED)
def test_a_stream_keeps_to_what_the_client_reads(answers: Answers, case: Case) -> None:
    """A stream uses nothing that is legal but lost on the client, such as a byte order mark."""
    answer = answers.answer.ok()
    expected = _by_the_grammar(answer)
    if expected is None:
        raise NotObserved("the stream is not read by the grammar either")
    outcome = official.transcribed(answer, asynchronous=case.value)
    outcome.check()
    found = len(outcome.events)
    assert found == expected, f"the stream has {expected} events, the client yields {found}"


@requirement(
    "sdk/stream-events",
    MUST,
    source="openai for Python: types.audio.TranscriptionStreamEvent; OAS",
    package=PACKAGE,
    profiles=["openai"],
    needs=["streaming"],
    killed_by=[
        "stream-in-vllm-dialect",
        "stream-delta-not-string",
        "stream-done-without-text",
        "stream-without-done",
        "stream-delta-lost",
        "stream-broken-json",
        "stream-frames-unseparated",
        "stream-breaks-off",
        "stream-fails-midway",
    ],
)
@cases(*BOTH)
@probes(answer=STREAMED)
def test_the_client_yields_typed_events(answers: Answers, case: Case) -> None:
    """A stream yields deltas and a done event of the client's types; the deltas add up to its text.

    A stream that is ignored yields no event at all, which is another rule's matter.
    """
    events = _events(answers.answer, case)
    for index, event in enumerate(events):
        kind = _kind(event)
        assert kind in STREAM_TYPES, f"event {index} is a {kind}, not one of a transcription"
        expected = STREAM_TYPES[kind]
        named = shown(event.type)
        assert event.type == expected, f"event {index} is a {kind} of the type {named}"
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    for index, delta in enumerate(deltas):
        assert isinstance(delta, str), f"delta {index} is {shown(delta)}, not a string"
    done = [event.text for event in events if event.type == "transcript.text.done"]
    assert done, "the client yields no TranscriptionTextDoneEvent: a cut stream would end like this"
    joined = "".join(deltas)
    assert joined == done[0], f"the deltas add up to {shown(joined)}, done.text is {shown(done[0])}"


STREAM_TYPES = {
    "TranscriptionTextDeltaEvent": "transcript.text.delta",
    "TranscriptionTextDoneEvent": "transcript.text.done",
    "TranscriptionTextSegmentEvent": "transcript.text.segment",
}


@requirement(
    "sdk/stream-chunks",
    SHOULD,
    source="vLLM's documentation: streams are read by the official client; vllm#49116",
    package=PACKAGE,
    profiles=["vllm", "privatemode"],
    needs=["streaming"],
    killed_by=["stream-broken-json", "stream-chunk-content-null", "stream-fails-midway"],
)
@cases(*BOTH)
@probes(answer=STREAMED)
def test_chunks_come_through_the_client(answers: Answers, case: Case) -> None:
    """The chunks of vLLM's dialect come through the client whole: their choices can be read."""
    events = _events(answers.answer, case)
    if all(_kind(event) in STREAM_TYPES and event.type for event in events):
        raise NotObserved("the stream holds OpenAI's events")
    for index, event in enumerate(events):
        choices = getattr(event, "choices", None)
        assert isinstance(choices, list), f"event {index}: choices is {shown(choices)}"
        for choice in choices:
            delta = choice.get("delta") if isinstance(choice, dict) else None
            content = delta.get("content", "") if isinstance(delta, dict) else None
            assert isinstance(content, str), f"event {index}: the choice is {shown(choice)}"


# -- errors -------------------------------------------------------------------------------------


@requirement(
    "sdk/errors-raised",
    MUST,
    source="openai for Python: APIStatusError by status; OAS ErrorResponse",
    package=PACKAGE,
    killed_by=[
        "unknown-model-500",
        "bad-value-500",
        "bad-audio-500",
        "error-status-200",
        "error-html",
        "error-plain-text",
        "error-detail",
    ],
)
@cases(*MISTAKES)
@probes(lambda case: {"answer": case.value})
def test_the_client_raises_what_fits(answers: Answers, case: Case) -> None:
    """A mistake raises the client's error for a status of 4xx, with the deployment's message."""
    raised = _raised(answers.answer)
    status = getattr(raised, "status_code", None)
    assert isinstance(status, int), f"the client raises {_kind(raised)}: {shown(str(raised))}"
    assert 400 <= status <= 499, f"the client raises {_kind(raised)}: it is told to try again"
    body = getattr(raised, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    assert isinstance(message, str), f"{_kind(raised)} has no message: its body is {shown(body)}"


@requirement(
    "sdk/error-members",
    MUST,
    source="openai for Python: APIError.code, param and type are str or None; OAS Error",
    package=PACKAGE,
    profiles=["openai"],
    killed_by=["error-param-array", "error-string"],
)
@cases(*MISTAKES)
@probes(lambda case: {"answer": case.value})
def test_the_clients_errors_have_their_members(answers: Answers, case: Case) -> None:
    """The client's error has a type, and a code and a param that are a string or None."""
    raised = _raised(answers.answer)
    for name in ("code", "param"):
        value = getattr(raised, name, None)
        fits = value is None or isinstance(value, str)
        assert fits, f"{_kind(raised)}.{name} is {shown(value)}"
    kind = getattr(raised, "type", None)
    assert isinstance(kind, str), f"{_kind(raised)}.type is {shown(kind)}, not a string"


@requirement(
    "sdk/mistakes-sent-once",
    MUST,
    source="openai for Python sends again after 408, 409, 429 and 5xx; RFC 9110, section 15.6",
    package=PACKAGE,
    killed_by=["unknown-model-500", "bad-value-500", "bad-audio-500", "error-asks-again"],
)
@cases(*MISTAKES)
@probes(lambda case: {"answer": case.value})
def test_a_mistake_is_not_sent_again(answers: Answers, case: Case) -> None:
    """The client does not upload a request with a mistake in it a second time."""
    outcome = official.transcribed(answers.answer, retries=RETRIES)
    times = outcome.requests
    assert times == 1, f"the client sends the request {times} times: {answers.answer.excerpt}"


@requirement(
    "sdk/authentication-error",
    MUST,
    source="openai for Python: AuthenticationError is for 401; OAS securitySchemes",
    package=PACKAGE,
    profiles=["openai", "vllm"],
    needs=[KEY],
    killed_by=["auth-any-key", "auth-refused-403"],
)
@probes(
    answer=transcription(
        "hello.wav",
        credentials=Credentials.WRONG,
        mistake="a wrong key",
        patience=PATIENCE,
        language="en",
    )
)
def test_a_wrong_key_raises_an_authentication_error(answers: Answers) -> None:
    """A wrong key raises the client's AuthenticationError."""
    raised = _raised(answers.answer)
    kind = _kind(raised)
    assert kind == "AuthenticationError", f"the client raises {kind}: {shown(str(raised))}"


# -- the client for Node ------------------------------------------------------------------------


@requirement(
    "sdk/node-text",
    SHOULD,
    source="openai for Node: Transcription; OAS CreateTranscriptionResponseJson",
    killed_by=["text-missing", "text-not-string"],
)
@probes(answer=PLAIN)
def test_the_client_for_node_returns_the_text(answers: Answers) -> None:
    """The client for Node returns an object whose text is that of the answer."""
    answer = answers.answer.ok()
    outcome = official_node.transcribed(answer)
    outcome.check()
    text = outcome.value.get("text") if isinstance(outcome.value, dict) else None
    assert isinstance(text, str), f"text is {shown(text)}, not a string"
    sent = answer.object().get("text")
    assert text == sent, f"text is {shown(text)}, in the body {shown(sent)}"


@requirement(
    "sdk/node-stream",
    SHOULD,
    source="openai for Node: TranscriptionStreamEvent; OAS",
    profiles=["openai"],
    needs=["streaming"],
    killed_by=["stream-empty", "stream-without-done", "stream-delta-lost"],
)
@probes(answer=STREAMED)
def test_the_client_for_node_yields_the_events(answers: Answers) -> None:
    """In Node too a stream yields deltas and a done event, and the deltas add up to its text."""
    answer = answers.answer.ok()
    outcome = official_node.transcribed(answer)
    expected = _by_the_grammar(answer)
    if expected is not None and (outcome.raised or len(outcome.events) != expected):
        raise NotObserved("the client does not read this stream, though it is legal")
    outcome.check()
    assert outcome.events, "the client yields no event and throws nothing"
    events = [event if isinstance(event, dict) else {} for event in outcome.events]
    deltas = [str(event.get("delta")) for event in events if event.get("type") == DELTA]
    done = [event.get("text") for event in events if event.get("type") == DONE]
    assert done, f"there is no event of the type {DONE}"
    joined = "".join(deltas)
    assert joined == done[0], f"the deltas add up to {shown(joined)}, done.text is {shown(done[0])}"


@requirement(
    "sdk/node-errors",
    SHOULD,
    source="openai for Node sends again after 408, 409, 429 and 5xx; RFC 9110, section 15.6",
    killed_by=["unknown-model-500", "error-status-200", "error-asks-again"],
)
@probes(answer=MISTAKES[0].value)
def test_the_client_for_node_throws_once(answers: Answers) -> None:
    """A mistake is not sent again by the client for Node, and throws its error for 4xx."""
    outcome = official_node.transcribed(answers.answer, retries=RETRIES)
    assert outcome.raised, f"the client throws nothing: {answers.answer.excerpt}"
    times = outcome.requests
    assert times == 1, f"the client sends the request {times} times: {answers.answer.excerpt}"
    status = outcome.raised.get("status")
    fits = isinstance(status, int) and 400 <= status <= 499
    assert fits, f"the client throws {outcome.raised['name']} of the status {shown(status)}"


# -- requests by the client itself --------------------------------------------------------------


@requirement(
    "sdk/request-accepted",
    MUST,
    source="OAS createTranscription; openai for Python, audio.transcriptions.create",
    package=PACKAGE,
    killed_by=["wav-by-one-name"],
)
@cases(Case("sync", value=Wire.OFFICIAL), Case("async", value=Wire.OFFICIAL_ASYNC))
@probes(lambda case: {"answer": transcription("hello.wav", wire=case.value, language="en")})
def test_the_clients_request_is_transcribed(answers: Answers, case: Case) -> None:
    """A request as the client itself writes it is transcribed."""
    value = _typed(official.transcribed(answers.answer.ok()), "Transcription")
    assert isinstance(value.text, str), f"text is {shown(value.text)}, not a string"


@requirement(
    "sdk/stream-request-accepted",
    MUST,
    source="openai for Python: stream=True is sent with Accept: application/json",
    package=PACKAGE,
    needs=["streaming"],
    killed_by=["stream-by-accept"],
)
@probes(
    answer=transcription("hello.wav", wire=Wire.OFFICIAL, language="en", stream="true"),
)
def test_the_clients_stream_is_streamed(answers: Answers) -> None:
    """A stream that the client itself asks for is answered by one, whatever its Accept says."""
    answer = answers.answer.ok()
    assert answer.media_type == "text/event-stream", (
        f"the answer is {answer.media_type or 'untyped'}: the client yields no event and no error"
    )


@requirement(
    "sdk/list-accepted",
    MUST,
    source="openai for Python: a list is sent as repeated parts called NAME[]; OAS",
    package=PACKAGE,
    needs=["verbose_json"],
    killed_by=["list-refused"],
)
@probes(
    answer=transcription(
        "hello.wav",
        wire=Wire.OFFICIAL,
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["segment"],
    )
)
def test_the_clients_lists_are_taken(answers: Answers) -> None:
    """A list in the client's encoding (timestamp_granularities[]) is taken."""
    _sent_as(answers.answer, "timestamp_granularities[]")
    answers.answer.ok()


DETECTION = (
    Field("chunking_strategy[type]", "server_vad"),
    Field("chunking_strategy[threshold]", "0.5"),
    Field("chunking_strategy[prefix_padding_ms]", "300"),
)


@requirement(
    "sdk/object-accepted",
    MUST,
    source="openai for Python: an object is sent as parts called NAME[KEY]; OAS VadConfig",
    package=PACKAGE,
    needs=["diarization"],  # no document says that the other models take it
    killed_by=["object-refused"],
)
@probes(
    answer=replace(
        transcription("hello.wav", wire=Wire.OFFICIAL, language="en"),
        parts=(*DETECTION, *transcription("hello.wav", language="en").parts),
    )
)
def test_the_clients_objects_are_taken(answers: Answers) -> None:
    """An object in the client's encoding (chunking_strategy[type]) is taken."""
    _sent_as(answers.answer, "chunking_strategy[type]")
    answers.answer.ok()


def _typed(outcome: Outcome, expected: str) -> Any:
    """Return what the client returned, which is to be of the class called ``expected``."""
    value = outcome.returned
    kind = _kind(value)
    assert kind == expected, f"the client returns a {kind}, not a {expected}: {shown(str(value))}"
    return value


def _events(answer: Answer, case: Case) -> tuple[Any, ...]:
    """Return the events of a stream; that there are none is another requirement's matter."""
    if answer.exchange.response is None or answer.exchange.response.status != 200:
        raise NotObserved("the stream was not answered with 200")
    outcome = _read(answer, case)
    if not outcome.events and outcome.raised is None:
        raise NotObserved("the stream yields no event")
    return outcome.streamed


def _read(answer: Answer, case: Case) -> Outcome:
    """Return what the client makes of a stream; what is the client's own fault is no finding."""
    outcome = official.transcribed(answer, asynchronous=case.value)
    expected = _by_the_grammar(answer)
    lost = outcome.raised is not None or len(outcome.events) != expected
    if expected is not None and lost:
        raise NotObserved("the client does not read this stream, though it is legal")
    return outcome


def _by_the_grammar(answer: Answer) -> int | None:
    """Return the events that a stream has before its end marker; ``None`` where it has failed."""
    stream = stream_of(answer)
    if not stream.whole or stream.error is not None:
        return None
    events = list(takewhile(lambda event: not event.ends, stream.events))
    return None if any(event.problem for event in events) else len(events)


def _raised(answer: Answer) -> Exception:
    """Return what the client raised of a request with a mistake in it."""
    if answer.exchange.error is not None:
        raise NotObserved(f"there is no complete answer ({answer.exchange.error.kind})")
    outcome = official.transcribed(answer)
    assert outcome.raised is not None, f"the client raises nothing: {answer.excerpt}"
    return outcome.raised


def _sent_as(answer: Answer, name: str) -> None:
    names = [part["name"] for part in answer.exchange.request.parts]
    if name not in names:
        raise NotObserved(f"this version of the client does not send {name}")


def _entries(value: Any, name: str) -> Iterator[tuple[int, Any]]:
    """Yield the entries of an array that the client returned; it checks no types itself."""
    found = getattr(value, name)
    assert found is None or isinstance(found, list), f"{name} is {shown(found)}, not an array"
    yield from enumerate(found or ())


def _string(value: Any, name: str, where: str) -> None:
    found = getattr(value, name, None)
    assert isinstance(found, str), f"{where}.{name} is {shown(found)}, not a string"


def _numbers(value: Any, names: Iterable[str], place: str) -> None:
    for name in names:
        found = getattr(value, name, None)
        fits = isinstance(found, int | float) and not isinstance(found, bool)
        path = f"{place}.{name}" if place else name
        assert fits, f"{path} is {shown(found)}, not a number"


def _kind(value: object) -> str:
    return type(value).__name__
