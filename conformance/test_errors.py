"""Errors: how a deployment refuses what it cannot serve, and what it keeps to itself.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

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
    Untestable,
    cases,
    enveloped,
    had_its_time,
    member,
    probes,
    requirement,
    shown,
    transcription,
)
from soundcheck.contract.probe import NO_FILE
from soundcheck.contract.stream import stream_of
from soundcheck.contract.strict_json import strict_json
from soundcheck.http.store import REDACTED

PATIENCE = 30.0
"""Seconds in which a request that cannot be served is refused."""

LARGE = 1_000_000
MOST_REFLECTED = 8 * 1024
"""Bytes of the answer to a field of LARGE bytes."""

MOST_TOLD = 5

GOOD = transcription("hello.wav", language="en")
GOOD_MP3 = transcription("sentence.mp3", language="en")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A request that must be refused, the parameter that is wrong in it, and its right twin."""

    probe: Probe
    parameter: str = ""
    twin: Probe = GOOD


def _case(
    identifier: str, told: str, probe: Probe, parameter: str = "", twin: Probe = GOOD
) -> Case:
    probe = replace(probe, mistake=told, patience=PATIENCE)
    return Case(identifier, "".join(probe.clips), Mistake(probe, parameter, twin))


def _content(media_type: str, body: str) -> Probe:
    return Probe(headers=(("Content-Type", media_type),), body=body)


NO_MODEL = _case("no-model", "no model", transcription("hello.wav", model=None, language="en"))
"""vLLM serves it by its one model, so there it need not be refused."""

NOT_AUDIO = (
    _case(
        "random-bytes",
        "random bytes as WAV",
        transcription("random.wav", filename="hello.wav", lane=Lane.HOSTILE, language="en"),
    ),
    _case(
        "text-as-mp3",
        "a text file as MP3",
        transcription(
            "not-audio-text.wav",
            filename="sentence.mp3",
            content_type="audio/mpeg",
            lane=Lane.HOSTILE,
            language="en",
        ),
        twin=GOOD_MP3,
    ),
    _case(
        "png-as-wav",
        "a PNG image as WAV",
        transcription("not-audio-png.wav", filename="hello.wav", lane=Lane.HOSTILE, language="en"),
    ),
)

NO_SOUND = {case.clip for case in NOT_AUDIO}

_FORM = (
    '--soundcheck\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    "--soundcheck--\r\n"
)

REFUSED = (
    _case("no-file", "no file", NO_FILE, "file"),
    _case(
        "file-without-name",
        "a file part without a file name",
        transcription("hello.wav", filename=None, language="en"),
        "file",
    ),
    _case(
        "unknown-model",
        "an unknown model",
        transcription("hello.wav", model="soundcheck-no-such-model", language="en"),
        "model",
    ),
    _case(
        "unknown-format",
        "an unknown response format",
        transcription("hello.wav", language="en", response_format="xml"),
        "response_format",
    ),
    _case(
        "unknown-language",
        "an unknown language",
        transcription("hello.wav", language="hh"),
        "language",
    ),
    _case(
        "unknown-granularity",
        "an unknown granularity",
        transcription("hello.wav", language="en", timestamp_granularities=["sentence"]),
        "timestamp_granularities",
    ),
    _case(
        "negative-temperature",
        "a negative temperature",
        transcription("hello.wav", language="en", temperature="-1"),
        "temperature",
    ),
    _case(
        "temperature-in-words",
        "a temperature that is no number",
        transcription("hello.wav", language="en", temperature="warm"),
        "temperature",
    ),
    *NOT_AUDIO,
    _case(
        "stream-of-random-bytes",
        "random bytes, to be streamed",
        transcription(
            "random.wav", filename="hello.wav", lane=Lane.HOSTILE, language="en", stream="true"
        ),
    ),
    _case(
        "json-body",
        "JSON instead of a form",
        _content("application/json", '{"model": "whisper-1", "file": "hello.wav"}'),
    ),
    _case("no-boundary", "a form without a boundary", _content("multipart/form-data", _FORM)),
    _case(
        "urlencoded",
        "a urlencoded form",
        _content("application/x-www-form-urlencoded", "model=whisper-1&file=hello.wav"),
    ),
    _case("empty-body", "an empty body", _content("multipart/form-data; boundary=soundcheck", "")),
    _case("wrong-method", "GET instead of POST", Probe(method="GET")),
)
"""What no dialect accepts. Unknown fields are missing: vLLM documents that it ignores them."""

MISTAKES = (NO_MODEL, *REFUSED)

OVERLONG = (
    _case(
        "model",
        "a model's name of 1 MB",
        transcription("hello.wav", model="x" * LARGE, language="en"),
    ),
    replace(
        _case(
            "response-format",
            "a response format of 1 MB",
            transcription("hello.wav", language="en", response_format="x" * LARGE),
        ),
        effort="full",
    ),
)


def _asked(case: Case) -> dict[str, Probe]:
    return {"answer": case.value.probe}


def _every_mistake() -> dict[str, Probe]:
    """Return the requests with a mistake of this module, by what is wrong with them."""
    return {case.value.probe.mistake: case.value.probe for case in (*MISTAKES, *OVERLONG)}


@requirement(
    "errors/envelope",
    MUST,
    source="OAS ErrorResponse; vLLM 0.33 ErrorResponse",
    killed_by=[
        "error-detail",
        "error-string",
        "error-plain-text",
        "error-html",
        "error-empty",
        "error-mislabelled",
        "error-bare",
        "error-message-null",
    ],
    draft=["STT-ERROR-001"],
)
@cases(*MISTAKES)
@probes(_asked)
def test_errors_are_in_the_envelope(answers: Answers, case: Case, deployment: Deployment) -> None:
    """Every error is JSON with the object error and in it a message."""
    answer = _refusal(answers.answer)
    kind = answer.media_type
    assert kind == "application/json", f"the media type is {kind or 'missing'}: {answer.excerpt}"
    body = answer.object()
    documented = answer.status == 401 and deployment.profile.requirements != "openai"
    if documented and isinstance(body.get("error"), str):  # how vLLM answers without a key
        return
    enveloped(answer)


@requirement(
    "errors/envelope-complete",
    MUST,
    source="OAS Error: message, type, param and code are required",
    profiles=["openai"],
    killed_by=[
        "error-type-missing",
        "error-type-empty",
        "error-param-missing",
        "error-param-array",
        "error-code-missing",
        "error-code-integer",
    ],
    draft=["STT-ERROR-002"],
)
@cases(*MISTAKES)
@probes(_asked)
def test_the_envelope_is_complete(answers: Answers, case: Case) -> None:
    """An error has a type, and a param and a code that are a string or null."""
    error = _error(answers.answer)
    _has_type(error)
    for name in ("param", "code"):
        assert name in error, f"{name} is missing"
        value = error[name]
        assert value is None or isinstance(value, str), (
            f"{name} is {shown(value)}, neither a string nor null"
        )


@requirement(
    "errors/envelope-consistent",
    SHOULD,
    source="vLLM 0.33 ErrorInfo: code is the status",
    profiles=["vllm", "privatemode"],
    killed_by=["error-type-empty", "error-code-missing", "error-code-string", "error-code-other"],
    draft=["STT-ERROR-003"],
)
@cases(*REFUSED)
@probes(_asked)
def test_the_envelope_of_vllm_is_consistent(answers: Answers, case: Case) -> None:
    """In vLLM's dialect an error has a type, and a code that is the status as an integer."""
    error, status = _error(answers.answer), answers.answer.status
    _has_type(error)
    code = error.get("code")
    whole = isinstance(code, int) and not isinstance(code, bool)
    assert whole, f"{member(error, 'code')}, not an integer"
    assert code == status, f"code is {shown(code)}, the status {status}"


@requirement(
    "errors/no-placeholder-strings",
    MUST,
    source="OAS Error: null; litellm#10584; VideoCaptioner#703",
    killed_by=["error-param-none", "error-code-null", "error-type-none"],
    draft=["STT-ERROR-004"],
)
@cases(*REFUSED)
@probes(_asked)
def test_null_is_not_written_as_text(answers: Answers, case: Case) -> None:
    """No member of an error is the text None or null where JSON has null."""
    error = _error(answers.answer)
    for name in ("type", "param", "code"):
        value = error.get(name)
        placeholder = isinstance(value, str) and value.lower() in ("none", "null")
        assert not placeholder, f"{name} is the text {shown(value)}"


@requirement(
    "errors/undecodable-audio",
    MUST,
    source="vLLM's test_invalid_audio_file; ex_openai#9",
    killed_by=[
        "bad-audio-500",
        "bad-audio-dropped",
        "bad-audio-invented",
        "bad-audio-empty-text",
        "error-status-200",
    ],
    draft=["STT-ERROR-005"],
)
@cases(*NOT_AUDIO)
@probes(lambda case: {"twin": case.value.twin} | _asked(case))
def test_what_is_no_audio_is_refused(answers: Answers, case: Case) -> None:
    """What is no audio is refused with a 4xx, and audio under the same name and type is not."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "errors/never-5xx",
    MUST,
    source="RFC 9110, section 15.6: 5xx is for errors of the server; clients send it again",
    killed_by=[
        "missing-file-500",
        "missing-model-500",
        "unknown-model-500",
        "bad-value-500",
        "malformed-500",
        "malformed-503",
        "bad-audio-500",
        "bad-audio-dropped",
    ],
    draft=["STT-ERROR-006"],
    aggregate=True,
)
@probes(_every_mistake)
def test_a_mistake_never_gives_5xx(answers: Answers, found: Callable[[str], None]) -> None:
    """No request with a mistake in it is answered with a 5xx or by dropping the connection."""
    read, unread = _read(answers)
    outcomes = {answer.exchange.digest: (name, _outcome(answer)) for name, answer in read.items()}
    seen = Counter(outcome for _, outcome in outcomes.values())
    told = ", ".join(f"{times} x {outcome}" for outcome, times in sorted(seen.items()))
    found(f"{len(outcomes)} requests with a mistake: {told}")
    wrong = [
        f"{name}: {outcome}"
        for name, outcome in outcomes.values()
        if outcome.startswith("5") or outcome == DROPPED
    ]
    more = f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    assert not wrong, "; ".join(wrong[:MOST_TOLD]) + more
    unread += [  # who is turned away at the door says nothing of the mistake
        Untestable(f"{name}: the deployment answered 429 (too many requests)")
        for name, outcome in outcomes.values()
        if outcome == LIMITED
    ]
    if unread:
        raise unread[0]


@requirement(
    "errors/in-time",
    MUST,
    source="speaches#164: a request that is never answered",
    killed_by=["unknown-model-hangs"],
    draft=["STT-ERROR-007"],
)
@cases(*MISTAKES)
@probes(_asked)
def test_a_mistake_is_told_in_time(answers: Answers, case: Case) -> None:
    """A request with a mistake in it is answered within 30 s."""
    had_its_time(answers.answer, PATIENCE)
    error = answers.answer.exchange.error
    assert error is None, f"no complete answer ({error.kind}): {error.message}"


_FOLDERS = (
    "app|etc|home|lib|mnt|opt|private|proc|root|srv|tmp|usr|Users|var|vllm-workspace|workspace"
)

LEAKS = {
    "a stack trace": re.compile(
        r"Traceback \(most recent call last\)"
        r'|File "[^"\n]{1,300}", line \d'
        r"|\bat [\w.$<>/]{1,200}\([\w.]{1,100}:\d"
        r"|\bgoroutine \d+ \[|\bpanicked at |\.(?:py|go|rs|cc|cpp|cu|java):\d"
    ),
    "a command line": re.compile(
        r"Command '\[|\bffmpeg version \w|\bconfiguration: --\w"
        r"|\b(?:ffmpeg|ffprobe|sox|bash|sh|python[\d.]{0,4}) -{1,2}\w"
    ),
    "a file path": re.compile(
        rf"(?<![\w/.:#-])(?<!href=\")(?<!src=\")/(?:{_FOLDERS})/[\w.+-]|\bfile:/{{2,3}}\w"
        r"|\b[A-Za-z]:\\+(?:Users|Windows|Program)"
    ),
    "a host name": re.compile(
        r"(?<![\d.])(?:127|10)(?:\.\d{1,3}){3}(?![\d.])"
        r"|(?<![\d.])(?:192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2}(?![\d.])"
        r"|\blocalhost:\d+|\.svc\.cluster\.local\b|\.compute\.internal\b|\.ec2\.internal\b"
        r"|\.(?:internal|local|lan):\d"
    ),
    "a key": re.compile(
        rf"{re.escape(REDACTED)}|\bsk-[\w-]{{16}}|\bBearer [\w.~+/-]{{16}}|\bhf_\w{{20}}"
        r"|\bAKIA[A-Z0-9]{16}\b"
    ),
}
"""What tells of the inside of a deployment. Each is read in time that grows with the text alone.

Not meant: addresses of documents, the API's own paths, media types and names of parameters.
"""


@requirement(
    "errors/leak-nothing",
    MUST,
    source="OWASP Improper Error Handling; hal0#33; vLLM 0.33 sanitises its messages",
    killed_by=[
        "error-traceback",
        "error-command-line",
        "error-file-path",
        "error-host-name",
        "error-key",
    ],
    draft=["STT-ERROR-008"],
)
@cases(*MISTAKES)
@probes(_asked)
def test_errors_leak_nothing(answers: Answers, case: Case) -> None:
    """No error shows a stack trace, command line, file path, host name or key."""
    answer = _refusal(answers.answer)
    url = urlsplit(answer.exchange.request.url)
    paths = _own_paths(url.path, case.value.probe.path)
    text = _unescaped(answer.body.decode("utf-8", "replace"))
    for kind, pattern in LEAKS.items():
        strange = (
            one
            for one in pattern.finditer(text)
            if one[0] not in url.netloc and not paths.match(text, one.start())
        )
        leak = next(strange, None)
        if leak is not None:
            around = text[max(0, leak.start() - 20) : leak.end() + 40]
            raise AssertionError(f"the error shows {kind}: {shown(around)}")


@requirement(
    "errors/reflect-little",
    SHOULD,
    source="vLLM 0.33 cuts what it repeats of a request",
    killed_by=["error-reflects"],
    draft=["STT-ERROR-009"],
)
@cases(*OVERLONG)
@probes(_asked)
def test_errors_reflect_little(answers: Answers, case: Case) -> None:
    """The error about a field of 1 MB has at most 8 KiB."""
    size = len(_refusal(answers.answer).body)
    assert size <= MOST_REFLECTED, f"the error has {size} bytes"


@requirement(
    "errors/parameter-named",
    SHOULD,
    source="OAS Error.param",
    killed_by=["error-unnamed"],
    draft=["STT-ERROR-010"],
)
@cases(*(case for case in REFUSED if case.value.parameter))
@probes(_asked)
def test_the_parameter_is_named(answers: Answers, case: Case) -> None:
    """An error about a parameter names it, in param or in the message."""
    error, wanted = _error(answers.answer), case.value.parameter
    places = (error.get("param"), error.get("message"))
    named = any(isinstance(place, str) and wanted in place.lower() for place in places)
    told = f"{member(error, 'param')}, {member(error, 'message')}"
    assert named, f"the error does not name {wanted}: {told}"


@requirement(
    "errors/no-hidden-failure",
    MUST,
    source="RFC 9110, section 15.3; mlx-audio#875; minute#91",
    killed_by=["error-status-200", "bad-audio-empty-text", "bad-audio-empty-body"],
    draft=["STT-ERROR-011"],
)
@cases(*MISTAKES)
@probes(_asked)
def test_success_hides_no_failure(answers: Answers, case: Case) -> None:
    """A 2xx has no error in it, and is not given with an empty text to what is no audio."""
    answer = _complete(answers.answer)
    if not 200 <= answer.status <= 299:
        return
    if answer.media_type == "text/event-stream":
        stream = stream_of(answer)
        if stream.error is not None:  # which a stream has no other way to tell
            return
        text = stream.text or (stream.done.members.get("text") if stream.done else "")
    else:
        body = _body(answer)
        error = body.get("error") if isinstance(body, dict) else None
        assert not error, f"the status is {answer.status}, the error {shown(error)}"
        text = body.get("text") if isinstance(body, dict) else body
    if case.clip in NO_SOUND:
        spoken = isinstance(text, str) and text.strip()
        assert spoken, f"status {answer.status} with an empty text: {answer.excerpt}"


@requirement(
    "errors/rate-limit",
    SHOULD,
    source="OAS TooManyRequests; RFC 9110, section 10.2.3: Retry-After",
    killed_by=["rate-limit-plain", "rate-limit-zero", "rate-limit-soon"],
    draft=["STT-ERROR-012"],
    aggregate=True,
)
@probes(lambda: {"a right request": GOOD} | _every_mistake())
def test_rate_limiting_is_told_as_documented(answers: Answers) -> None:
    """A 429 has the envelope, and its Retry-After is a number of seconds above 0 or a date."""
    limited = [one for answer in answers.readable.values() for one in _limited(answer)]
    if not limited:
        raise NotObserved("no request was answered with 429")
    for answer in limited:
        enveloped(answer)
        value = answer.header("retry-after")
        assert value is None or _is_delay(value), f"Retry-After is {shown(value)}"


@requirement(
    "errors/unsupported-task",
    SHOULD,
    source="OAS CreateTranscriptionRequest.model",
    killed_by=["embedding-model-accepted", "embedding-model-501"],
    draft=["STT-ERROR-013"],
)
@probes(
    lambda deployment: (
        {"answer": transcription("hello.wav", model=other, language="en")}
        if (other := _without_speech(deployment))
        else {}
    )
)
def test_a_model_for_another_task_is_refused(answers: Answers, deployment: Deployment) -> None:
    """A listed model that cannot transcribe, for chat or embeddings, is refused with a 4xx."""
    other = _without_speech(deployment)
    if other is None:
        raise NotObserved("no model for another task is listed")
    answer = answers.answer
    assert 400 <= answer.status <= 499, f"{other}: expected a 4xx refusal, got {answer.excerpt}"


_HEARS = re.compile(r"transcri|translat|speech|audio|\basr\b|\bstt\b", re.IGNORECASE)
_EMBEDS = re.compile(r"embed|^gpt-3\.5-turbo|moderation", re.IGNORECASE)


def _without_speech(deployment: Deployment) -> str | None:
    """Return a listed model that cannot take audio, by its tasks or else by its name."""
    return next(
        (
            entry.id
            for entry in deployment.listed
            if entry.id != deployment.model
            and not any(_HEARS.search(task) for task in entry.tasks)
            and (entry.tasks or _EMBEDS.search(entry.id))
        ),
        None,
    )


DROPPED = "connection dropped"
LIMITED = "429"


def _read(answers: Answers) -> tuple[dict[str, Answer], list[Untestable]]:
    """Return the answers that say something about the deployment, and why others do not."""
    read: dict[str, Answer] = {}
    unread = []
    for name in answers:
        try:
            read[name] = answers[name]
        except Untestable as reason:
            unread.append(reason)
    return read, unread


def _outcome(answer: Answer) -> str:
    """Return the status as text, or what became of the connection."""
    error, response = answer.exchange.error, answer.exchange.response
    if error is not None and error.kind in ("reset", "protocol"):
        return DROPPED
    if response is not None:
        return str(response.status)
    return error.kind if error is not None else "no answer"


def _limited(answer: Answer) -> list[Answer]:
    """Return what was answered with 429, to earlier attempts too."""
    earlier = (
        replace(answer.exchange, response=one, error=None) for one in answer.exchange.retried
    )
    return [
        Answer(exchange)
        for exchange in (*earlier, answer.exchange)
        if exchange.response is not None and exchange.response.status == 429
    ]


def _complete(answer: Answer) -> Answer:
    """Return a complete answer; that there is none is another requirement's matter."""
    if answer.exchange.error is not None or answer.exchange.response is None:
        raise NotObserved("there is no complete answer")
    return answer


def _refusal(answer: Answer) -> Answer:
    """Return a refusal; that a request should have been refused is another requirement's matter."""
    if _complete(answer).status < 400:
        raise NotObserved(f"the request was not refused ({answer.status})")
    return answer


def _error(answer: Answer) -> dict[str, Any]:
    """Return the error object of a refusal; its envelope is another requirement's matter."""
    try:
        error = _refusal(answer).object().get("error")
    except AssertionError:
        error = None
    if not isinstance(error, dict):
        raise NotObserved("the error is not in the envelope")
    return error


def _has_type(error: dict[str, Any]) -> None:
    kind = error.get("type")
    assert isinstance(kind, str), f"{member(error, 'type')}, not a string"
    assert kind, "type is empty"


def _own_paths(asked: str, below: str) -> re.Pattern[str]:
    """Return what matches paths of the API in a text: they lie where the client was sent.

    ``asked`` is the path of a request's URL, ``below`` its end within the API. A beginning of it
    counts only as it is: below ``/app``, where the API may lie, there may be files as well.
    """
    base = asked.removesuffix(below)
    steps = asked.split("/")
    beginnings = ("/".join(steps[:end]) for end in range(2, len(steps) + 1))
    others = re.escape(base) if base.count("/") > 1 else rf"{re.escape(base)}/(?:audio|models)"
    ends = r"(?![\w+-]|[./]\w)"
    exact = "|".join(re.escape(beginning) + ends for beginning in beginnings)
    return re.compile(rf"{others}(?![\w+-]|\.\w)|{exact}")


def _unescaped(text: str) -> str:
    """Return ``text`` with JSON's escapes for line ends, quotes and slashes undone."""
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\/", "/")


def _body(answer: Answer) -> Any:
    """Return the body as JSON, or as the text that it is."""
    text = answer.body.decode("utf-8", "replace")
    try:
        return strict_json(text)
    except ValueError:
        return text


def _is_delay(value: str) -> bool:
    """Tell whether ``value`` is a Retry-After: whole seconds, at least one, or a date."""
    if value.isascii() and value.isdigit():
        return value.strip("0") != ""
    try:
        parsedate_to_datetime(value[:80])
    except (ValueError, OverflowError, IndexError):
        return False
    return True
