"""Judges decide or say that they cannot: whatever a deployment sends, none of them breaks."""

import inspect
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundcheck.audio import Clip
from soundcheck.contract import Answer, Answers, Case, Deployment, NotObserved, Probe, Untestable
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.contracts import ENCRYPTION
from soundcheck.contract.credentials import WRONG_KEY, Credentials
from soundcheck.contract.deployment import ListedModel
from soundcheck.contract.profile import load_profile
from soundcheck.contract.requirement import Requirement
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError
from soundcheck.http.multipart import Field

MODEL = "whisper-large-v3"
DEPLOYMENT = Deployment(
    load_profile("openai"), MODEL, (ListedModel(MODEL, ("transcribe",)),), keyed=True
)
CATALOGUE = {rule.id: rule for rule in load_catalogue()}
SPOKEN = {
    "german.wav": "Das Mädchen hört über die Straße.",
    "russian.wav": "Сегодня хорошая погода.",
    "chinese.wav": "你好吗?我很好",
    "header-only.wav": "",
    "silence-2s.wav": "",
    "other-sentence.wav": "Over the lazy dog.",
    "two-sentences.wav": "The quick brown fox jumps. Over the lazy dog.",
}
"""What is said in a clip, else in English; the Chinese as a model may punctuate it."""

ENTRY = {"id": MODEL, "object": "model", "created": 0, "owned_by": "us", "tasks": ["transcribe"]}
ERROR = {"error": {"message": "The model soundcheck-no-such-model does not exist.", "type": "x"}}
MISTAKEN = {
    "message": "file, the model soundcheck-no-such-model, response_format, language, temperature, "
    "size, duration, timestamp_granularities, prompt, include",
    "type": "x",
    "param": None,
    "code": None,
}
"""The error about any request with a mistake in it, as OpenAI's."""

JSON = "application/json"
EVENT_STREAM = "text/event-stream"


LIMIT = 26_214_400


def _size(probe: Probe) -> int:
    """Return the size of the file that a probe uploads, as far as its name tells."""
    [*clips] = probe.clips or ("",)
    name, _, size = clips[0].partition(".")[0].partition("-")
    return int(size) if name == "sized" else 27_000_000 if clips[0] == "meeting.wav" else 0


def _spoken(clip: str) -> str:
    return SPOKEN.get(clip, "The quick brown fox jumps.")


def _verbose(text: str, begin: float = 0.0) -> dict[str, Any]:
    """Return ten seconds of segments and words that come after ``begin`` seconds of silence."""
    half = len(text) // 2
    numbers = {"seek": 0, "tokens": [1], "temperature": 0.0, "avg_logprob": -0.1}
    numbers |= {"compression_ratio": 1.0, "no_speech_prob": 0.1}
    segments = [
        {"id": 0, "start": begin, "end": begin + 5.0, "text": text[:half], **numbers},
        {"id": 1, "start": begin + 5.0, "end": begin + 10.0, "text": text[half:], **numbers},
    ]
    words = [
        {"word": word, "start": float(at), "end": at + 1.0} for at, word in enumerate(text.split())
    ]
    return {"task": "transcribe", "language": "en", "duration": 10.0, "text": text} | {
        "segments": segments,
        "words": words,
    }


def _diarized(text: str, first: str = "A") -> dict[str, Any]:
    kind = "transcript.text.segment"
    segments = [
        {"type": kind, "id": name, "start": 0.0, "end": 1.0, "text": text, "speaker": name}
        for name in (first, "B")
    ]
    return {"task": "transcribe", "duration": 10.0, "text": text, "segments": segments}


def _plain(text: str) -> dict[str, Any]:
    tokens = [{"token": letter, "logprob": -0.5, "bytes": list(letter.encode())} for letter in text]
    return {"text": text, "usage": {"type": "duration", "seconds": 10}, "logprobs": tokens}


def _events(text: str, dialect: str) -> list[Any]:
    """Return the events of a stream, the one of speakers among OpenAI's."""
    if dialect == "openai":
        usage = {"type": "tokens", "input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        deltas = [{"type": "transcript.text.delta", "delta": letter} for letter in text]
        done = {"type": "transcript.text.done", "text": text, "usage": usage}
        return [*deltas, *_diarized(text)["segments"], done]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    chunk = {"id": "a", "object": "transcription.chunk", "created": 1, "usage": usage}
    choices: list[dict[str, Any]] = [{"delta": {"content": letter}} for letter in text]
    choices[-1]["finish_reason"] = "stop"
    return [*(chunk | {"choices": [choice]} for choice in choices), chunk | {"choices": []}]


def _frames(events: Any) -> bytes:
    """Return an event stream that ends in the end marker."""
    events = events if isinstance(events, list) else [events]
    return b"".join(b"data: %b\n\n" % _written(event) for event in events) + b"data: [DONE]\n\n"


def _right(probe: Probe, *, dialect: str = "openai") -> tuple[int, str, Any]:
    """Return the status, media type and body (text, or a JSON value) of a right answer."""
    if probe.credentials not in (Credentials.OWN, Credentials.LOWER_CASE):
        return 401, JSON, {"error": MISTAKEN | ({} if dialect == "openai" else {"code": 401})}
    misdirected = probe.path == "/audio/transcriptions" and probe.method != "POST"
    if probe.mistake or misdirected or _size(probe) > LIMIT:
        status = 413 if probe.clips and _size(probe) > LIMIT else 405 if misdirected else 400
        status = 404 if probe.path.startswith("/models/") else status
        return status, JSON, {"error": MISTAKEN | ({} if dialect == "openai" else {"code": status})}
    fields = {part.name: getattr(part, "value", "") for part in probe.parts}
    if probe.path == "/models":
        return 200, JSON, {"object": "list", "data": [ENTRY]}
    if probe.path.startswith("/models/") and probe.path.endswith(MODEL):
        return 200, JSON, ENTRY
    if probe.path.startswith("/models/") or fields.get("model") != MODEL:
        return 404, JSON, ERROR
    text = _spoken(probe.clips[0])
    if fields.get("max_completion_tokens") == "1":
        text = text.split()[0]
    half = text.find(" ", len(text) // 2) + 1 or len(text) // 2
    if fields.get("stream", "").lower() == "true":
        return 200, EVENT_STREAM, _frames(_events(text, dialect)).decode()
    match fields.get("response_format", "json"):
        case "verbose_json":
            verbose = _verbose(text, 1.0 if "padded" in probe.clips[0] else 0.0)
            verbose |= {"language": "de"} if "german.wav" in probe.clips else {}
            if fields.get("timestamp_granularities[]") == "word":
                del verbose["segments"]
            return 200, JSON, verbose
        case "diarized_json":
            return 200, JSON, _diarized(text, fields.get("known_speaker_names[]", "A"))
        case "text":
            return 200, "text/plain; charset=utf-8", text + "\n"
        case "srt":
            cues = (
                f"1\n00:00:00,000 --> 00:00:05,000\n{text[:half]}\n\n"
                f"2\n00:00:05,000 --> 00:00:10,000\n{text[half:]}\n"
            )
            return 200, "text/plain", cues
        case "vtt":
            cues = f"00:00.000 --> 00:05.000\n{text[:half]}\n\n00:05.000 --> 00:10.000\n"
            return 200, "text/vtt", f"WEBVTT\n\n{cues}{text[half:]}\n"
    plain = _plain(text)
    if "include[]" not in fields:
        del plain["logprobs"]
    return 200, JSON, plain


def _answer(
    probe: Probe, status: int, media_type: str | None, body: bytes, error: TransportError | None
) -> Answer:
    clip = probe.clips[0] if probe.clips else None
    headers = () if media_type is None else (("content-type", media_type),)
    headers += (("www-authenticate", "Bearer"),) if status == 401 else ()
    headers += (("allow", "POST"),) if status == 405 else ()
    headers += (("x-request-id", probe.digest),)
    fields = [part for part in probe.parts if isinstance(part, Field)]
    parts = tuple({"name": part.name, "value": part.value} for part in fields)
    exchange = Exchange(
        digest=probe.digest,
        lane=probe.lane.value,
        attempts=1,
        started="2026-01-01T00:00:00Z",
        request=SentRequest(probe.method, probe.path, (), parts, 0),
        response=None if error else Response(status, "", headers, body, ((0.0, len(body)),)),
        timing=Timing(0.0, 0.0, 0.0),
        error=error,
    )
    said = _spoken(clip or "")
    file = clip and Clip(clip, Path(), "audio/wav", 1, "", 10.0, 16000, 1, "en", said, ())
    return Answer(exchange, file or None)


def _bytes(body: Any) -> bytes:
    return (body if isinstance(body, str) else json.dumps(body)).encode("utf-8", "surrogatepass")


def _judge(rule: Requirement, answer: Callable[[Probe], Answer]) -> Iterator[str]:
    """Let the rule's judge decide each case; yields what is told of each."""
    file, _, name = rule.test.partition("::")
    judge = getattr(sys.modules[f"soundcheck_catalogue.{Path(file).stem}"], name)
    for case in rule.cases or (Case(""),):
        probes = rule.probes(case, DEPLOYMENT)
        answers = Answers({name: answer(probe.on(MODEL)) for name, probe in probes.items()})
        offered = {
            "answers": answers,
            "case": case,
            "deployment": DEPLOYMENT,
            "found": lambda sentence: None,
            "ask": lambda probe: answer(probe.on(MODEL)),
        }
        wanted = inspect.signature(judge).parameters
        try:
            judge(**{name: offered[name] for name in wanted})
        except (AssertionError, NotObserved, Untestable) as told:
            yield f"{type(told).__name__}: {told}"
        else:
            yield "pass"


HUGE = "\N{SNOWMAN}huge"
DEEP = "\N{SNOWMAN}deep"
LITERALS = {
    f'"{HUGE}"': "1" * 5000,
    f'"{DEEP}"': "[" * 400 + "]" * 400,
}
"""What no Python value is written as: longer than integers may be, deeper than the encoder goes."""

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 10**200, 10**400, -(10**400), 1e308, float("inf")),
    *("", "0.0", "nan", "1_0", "\ud800", "\0", '"', "{", "?" * 9, "a" * 3000, HUGE, DEEP),
    *([], {}, [1], [None], [{}], [[]], {"start": None}, ["\ud800"], [{"\ud800": 1}]),
)
VALUES = st.sampled_from(ODD_VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "segments", "start", "words", "error", "data"]), inner
        )
    ),
    max_leaves=6,
)
TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "WEBVTT",
        "1",
        "1\n",
        f"1\n{'9' * 400}:00:00,000 --> 00:00:00,000\nx",
        "\ufeff",
        "-->",
        "-->\n\n",
    ]
)
MEDIA_TYPES = st.sampled_from(
    [
        *(None, "", ";", JSON, "text/plain", "text/html", "text/plain; charset"),
        *(
            f"text/plain; charset={charset}"
            for charset in ("utf8", "latin-1", "utf-16", "undefined", "punycode", "hex", "a\0b")
        ),
        "application/json; charset=undefined",
    ]
)
ERRORS = st.sampled_from(["reset", "timeout", "too-large"]).map(
    lambda kind: TransportError(kind, "broken off")  # type: ignore[arg-type]
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key or index) within a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


@st.composite
def _damaged(draw: st.DrawFn, body: Any) -> bytes:
    """Return a right body with a few places replaced, or any other one."""
    if draw(st.integers(0, 5)) == 0:
        body = draw(VALUES | TEXTS)
    elif isinstance(body, str):
        cut, end = sorted(draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        body = body[:cut] + draw(TEXTS) + body[end:]
    else:
        body = draw(_replaced(body))
    return _written(body)


@st.composite
def _replaced(draw: st.DrawFn, body: Any) -> Any:
    """Return a JSON value with a few places replaced."""
    body = json.loads(json.dumps(body))
    for _ in range(draw(st.integers(1, 4))):
        container, key = draw(st.sampled_from(list(_places(body)) or [({0: 0}, 0)]))
        if isinstance(container, dict) and draw(st.booleans()):
            container.pop(key)
        else:
            container[key] = deepcopy(draw(VALUES))  # later places may lie inside
    return body


def _written(body: Any) -> bytes:
    """Return a text as it is, any other value as JSON with the literals that it stands for."""
    written = _bytes(body) if isinstance(body, str) else json.dumps(body).encode()
    for literal, meant in LITERALS.items():
        written = written.replace(json.dumps(literal[1:-1]).encode(), meant.encode())
    return written


EXAMPLES = settings().max_examples // 10
"""For each of hundreds of judges; ``HYPOTHESIS_PROFILE=thorough`` takes ten times as many."""

# Judges of encryption read no answers: they have tests of their own, on the records they read.
ANSWERED = [rule.id for rule in CATALOGUE.values() if rule.area not in ENCRYPTION]


@pytest.mark.parametrize("identifier", ANSWERED)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_judge_breaks(identifier: str, data: st.DataObject) -> None:
    """Damaged bodies, other statuses, odd media types and broken exchanges are only judged."""

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe)
        odd = data.draw(st.integers(0, 9))
        if odd == 0:
            return _answer(probe, status, None, b"", data.draw(ERRORS))
        return _answer(
            probe,
            data.draw(st.sampled_from([200, 204, 302, 400, 404, 500])) if odd == 1 else status,
            data.draw(MEDIA_TYPES) if odd < 4 else media_type,
            data.draw(_damaged(body)),
            None,
        )

    for told in _judge(CATALOGUE[identifier], answer):
        told.encode()  # can be written to a report
        assert len(told) < 2000


STREAMING = [identifier for identifier in CATALOGUE if identifier.startswith("streaming/")]


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize("identifier", STREAMING)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_judge_breaks_on_a_stream(identifier: str, dialect: str, data: st.DataObject) -> None:
    """Streams of damaged events, cut anywhere or broken off, are only judged."""

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe, dialect=dialect)
        if media_type != EVENT_STREAM:
            return _answer(probe, status, media_type, _bytes(body), None)
        events = _events(_spoken(probe.clips[0])[:9], dialect)
        body = _frames(data.draw(_replaced(events)))
        cut, end = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        odd = data.draw(st.sampled_from([b"\n", b"\r\n\r", b"\xff", b"id: 1\n", b":", body]))
        body = data.draw(st.sampled_from([body, body[:cut], body[:cut] + odd + body[end:]]))
        whole = _answer(probe, status, media_type, body, None)
        broken = data.draw(st.none() | ERRORS)
        return Answer(replace(whole.exchange, error=broken), whole.clip)

    for told in _judge(CATALOGUE[identifier], answer):
        told.encode()
        assert len(told) < 2000


BULK = {
    "letters": lambda: "a" * 20_000,
    "words": lambda: "a b " * 1_500,
    "questions": lambda: "a?" * 3_000,
    "blanks": lambda: " " * 20_000,
    "lines": lambda: "1\n\n" * 2_000,
}


@pytest.mark.parametrize("kind", BULK)
def test_a_long_text_is_judged_in_the_time_it_takes_to_read(kind: str) -> None:
    """No judge does more than read a long text: as text, in segments, words, tokens and cues."""
    bulk = BULK[kind]()

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe)
        if isinstance(body, str):
            return _answer(probe, status, media_type, (body + bulk).encode(), None)
        body = json.loads(json.dumps(body))
        for container, key in list(_places(body))[:40]:
            if key in ("text", "word", "token", "message"):
                container[key] = bulk
        return _answer(probe, status, media_type, json.dumps(body).encode(), None)

    for rule in CATALOGUE.values():
        assert all(len(told) < 2000 for told in _judge(rule, answer))


def test_thousands_of_wrong_entries_are_told_in_one_line() -> None:
    """Arrays of wrong entries are not gone through to the end."""
    bad = {"id": 1, "start": 0, "end": 0, "text": 1, "word": 1, "speaker": 1}

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe)
        if isinstance(body, dict):
            lists = {name: [bad] * 2_000 for name, value in body.items() if type(value) is list}
            body = {**body, **lists}
        return _answer(probe, status, media_type, _bytes(body), None)

    for rule in CATALOGUE.values():
        assert all(len(told) < 2000 for told in _judge(rule, answer))


@pytest.mark.parametrize("identifier", CATALOGUE)
def test_right_answers_are_not_accused(identifier: str) -> None:
    """What the judges above are given damaged passes them undamaged."""
    rule = CATALOGUE[identifier]
    expected = "openai" in rule.profiles or identifier == "streaming/promised-dialect"
    dialect = "openai" if expected else "vllm"

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe, dialect=dialect)
        return _answer(probe, status, media_type, _bytes(body), None)

    # Nothing of encryption is seen in answers: its rows have tests and faults of their own.
    undecided = "Untestable" if rule.area in ENCRYPTION else "NotObserved"
    if identifier == "models/capabilities-claimed":  # the right answers know more than is claimed
        undecided = "AssertionError: logprobs works on whisper-large-v3"
    for told in _judge(CATALOGUE[identifier], answer):
        assert told == "pass" or told.startswith(undecided), told


def _told(identifier: str, change: Callable[[dict[str, Any]], object]) -> list[str]:
    """Return what the rule tells of right JSON objects after ``change``."""

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe)
        if isinstance(body, dict):
            body = json.loads(json.dumps(body))
            change(body)
        return _answer(probe, status, media_type, _bytes(body), None)

    return list(_judge(CATALOGUE[identifier], answer))


def _on_logprobs(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    def all_of(body: dict[str, Any]) -> None:
        for entry in body["logprobs"]:
            change(entry)

    return all_of


@pytest.mark.parametrize(
    ("identifier", "change", "verdict"),
    [
        ("schema/segment-times-valid", lambda b: b.pop("segments"), "NotObserved"),
        ("schema/segment-statistics-in-range", lambda b: b.update(segments=None), "NotObserved"),
        ("schema/segments-by-default", lambda b: b.pop("segments"), "AssertionError: segments is"),
        ("formats/cues-agree-with-segments", lambda b: b.update(segments=[]), "NotObserved"),
        ("schema/duration-usage", lambda b: b["usage"].pop("type"), "NotObserved"),
        ("schema/usage-type", lambda b: b["usage"].pop("type"), "AssertionError: type is missing"),
        ("schema/logprobs-consistent", _on_logprobs(lambda e: e.pop("bytes")), "pass"),
        ("schema/logprobs-consistent", _on_logprobs(lambda e: e.update(bytes=None)), "pass"),
        ("schema/verbose-duration-true", lambda b: b.update(duration="10.0"), "pass"),
        ("models/entries-complete", lambda b: b.update(data=[]), "NotObserved"),
    ],
)
def test_what_is_absent_is_judged_where_it_is_due(
    identifier: str, change: Callable[[dict[str, Any]], object], verdict: str
) -> None:
    """A rule about something that may be left out is not observed without it."""
    assert all(told.startswith(verdict) for told in _told(identifier, change))


def _texts(identifier: str, texts: dict[str, str]) -> list[str]:
    def answer(probe: Probe) -> Answer:
        text = texts.get(probe.clips[0], _spoken(probe.clips[0]))
        return _answer(probe, 200, JSON, _bytes({"text": text}), None)

    return list(_judge(CATALOGUE[identifier], answer))


@pytest.mark.parametrize(
    "texts",
    [
        {"chinese.wav": "你好吗?我很好", "german.wav": "Wie geht es? «Größe» ja?«Spaß»…"},
        {
            "chinese.wav": "ni hao ma?wo hen hao",
            "russian.wav": "Segodnja?da",
            "german.wav": "ueber",
        },
        {"chinese.wav": "???", "russian.wav": "Что??? Где???", "german.wav": "Ñandú, Ãhnlich"},
    ],
    ids=["quotation", "transliterated", "emphasis"],
)
def test_whole_text_is_not_called_damaged(texts: dict[str, str]) -> None:
    """Question marks without blanks, transliteration and quotation marks are no damage."""
    if texts["chinese.wav"] == "???":
        texts = texts | {"chinese.wav": "真的吗???"}
    told = _texts("formats/non-ascii-text", texts)
    assert all(one == "pass" or one.startswith("NotObserved") for one in told), told


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"german.wav": "Das M?dchen geht."}, "replaced"),
        ({"russian.wav": "??????? ??????? ??????."}, "replaced"),
        ({"chinese.wav": "你好吗".encode().decode("latin-1")}, "twice"),
        ({"german.wav": "Mädchen".encode().decode("cp1252")}, "twice"),
        ({"german.wav": r"M\u00e4dchen"}, "literal escape"),
        ({"german.wav": "M\ufffddchen"}, "replacement character"),
    ],
)
def test_damaged_text_is_named(texts: dict[str, str], reason: str) -> None:
    """Letters that were lost or misread on the way are found, and it is said how."""
    told = _texts("formats/non-ascii-text", texts)
    assert [one for one in told if one.startswith("AssertionError") and reason in one], told


def _leaks(message: str, base: str = "/v1") -> set[str]:
    """Return what is told of errors with ``message``, of whatever mistake, below a path."""

    def answer(probe: Probe) -> Answer:
        error = json.dumps({"error": MISTAKEN | {"message": message}})
        one = _answer(probe, 400, JSON, error.encode(), None)
        request = replace(one.exchange.request, url=f"http://host{base}{probe.path}")
        return Answer(replace(one.exchange, request=request))

    return set(_judge(CATALOGUE["errors/leak-nothing"], answer))


@pytest.mark.parametrize(
    "message",
    [
        "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'wav']",
        "Invalid URL (GET /v1/audio/transcriptions); see https://example.com/docs/usr/api#/home/x",
        "Send audio/wav or application/ogg, not text/html; charset=utf-8, under 25 MB / 26214400.",
        "[{'type': 'missing', 'loc': ('body', 'file'), 'msg': 'Field required', 'input': None}]",
        "Unknown file type of C: \\ x, n/a, and/or ./etc, at line 12:30:45, version 10.0.1 or 1.10",
        "Incorrect API key provided: sk-abcd****wxyz. Request task-0123456789abcdef0123 failed.",
        '<a href="/home/docs">Home</a> <script src="/lib/app.js"></script>',
        "The upload was cut off: exit status 1 of the client's command.",
        "[Errno 2] No such file",
    ],
)
def test_what_an_error_may_say_is_no_leak(message: str) -> None:
    """Addresses of documents, the API's paths, media types, values and ids are not accused."""
    assert _leaks(message) == {"pass"}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('Traceback (most recent call last):\n  File "x", line 1, in y', "a stack trace"),
        ("java.lang.Error at com.example.Asr.run(Asr.java:12)", "a stack trace"),
        ("thread 'main' panicked at src/main.rs:4", "a stack trace"),
        ("ffmpeg -i - -f wav failed", "a command line"),
        ("could not open '/tmp/tmp8f3a.wav'", "a file path"),
        ("could not open C:\\Users\\asr\\x.wav", "a file path"),
        ("Command '['sox', 'x']' returned non-zero exit status 1.", "a command line"),
        ("no connection to http://10.2.3.4:8000/v1", "a host name"),
        ("no connection to localhost:50051", "a host name"),
        ("the key [redacted] may not do that", "a key"),
    ],
)
def test_a_leak_is_called_what_it_is(message: str, kind: str) -> None:
    """What tells of the inside of a deployment is found; the marker stands for the client's key."""
    expected = f"AssertionError: the error shows {kind}"
    assert all(told.startswith(expected) for told in _leaks(message))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("/app/v1", "Invalid method for URL (GET /app/v1/audio/transcriptions)"),
        ("/app/v1", "No route /app/v1/audio, try /app/v1/models or /app/v1/chat/completions."),
        ("/workspace/v1", "<pre>Cannot GET /workspace/v1/audio/transcriptions</pre>"),
        ("/workspace/v1", "Cannot GET /workspace/v1/\u2026"),
        ("/srv/asr/v1", "Nothing is below /srv/asr. Nor is anything below /srv/asr/: ask /srv"),
        ("/opt", "POST \\/opt\\/audio\\/transcriptions failed, see /opt/models"),
    ],
)
def test_the_way_to_the_api_is_no_leak(base: str, message: str) -> None:
    """A gateway may lie where files often do: the client's own URL tells it nothing."""
    assert _leaks(message, base) == {"pass"}


@pytest.mark.parametrize("path", ["/app/main.py", "/app/v1.py", "/app/v10/x", "/tmp/app/v1/x"])
def test_files_beside_the_way_to_the_api_are_found(path: str) -> None:
    """A path of files that only begins as the URL does is one of files."""
    expected = "AssertionError: the error shows a file path"
    assert all(told.startswith(expected) for told in _leaks(f"no {path}", "/app/v1"))


def _mistakes(*statuses: int) -> str:
    """Return what is told of mistakes that are answered with ``statuses`` in turn."""
    left = itertools.cycle(statuses)

    def answer(probe: Probe) -> Answer:
        return _answer(probe, next(left), JSON, _bytes({"error": MISTAKEN}), None)

    [told] = _judge(CATALOGUE["errors/never-5xx"], answer)
    return told


def test_a_deployment_that_is_too_busy_is_not_praised() -> None:
    """Mistakes that were answered with 429 alone were not looked at; a 5xx elsewhere still is."""
    assert _mistakes(400, 422) == "pass"
    assert re.match(r"Untestable: [^:]+: the deployment answered 429", _mistakes(429))
    assert _mistakes(400, 429).startswith("Untestable")
    assert re.match(r"AssertionError: [^:]+: 500", _mistakes(429, 500))


@pytest.mark.parametrize(
    ("earlier", "verdict"),
    [
        (("text/html", "1"), "AssertionError: the body is not"),
        ((JSON, "soon"), "AssertionError: Retry-After is"),
        ((JSON, "1"), "pass"),
        ((), "NotObserved"),
    ],
)
def test_rate_limiting_that_passed_over_is_judged(earlier: tuple[str, ...], verdict: str) -> None:
    """A 429 counts also when the same request was answered when it came again."""
    body = _bytes({"error": MISTAKEN} if JSON in earlier else "<p>Slow down</p>")
    headers = tuple(zip(("content-type", "retry-after"), earlier, strict=False))
    retried = (Response(429, "", headers, body, ()), Response(503, "", (), b"", ()))

    def answer(probe: Probe) -> Answer:
        one = _answer(probe, 400, JSON, _bytes({"error": MISTAKEN}), None)
        return Answer(replace(one.exchange, retried=retried if earlier else retried[1:]))

    [told] = _judge(CATALOGUE["errors/rate-limit"], answer)
    assert told.startswith(verdict)


@pytest.mark.parametrize(("waited", "verdict"), [(8.0, "Untestable"), (30.0, "AssertionError")])
def test_only_a_deployment_that_had_its_time_is_late(waited: float, verdict: str) -> None:
    """An answer that was not waited for as long as it may take is none that came too late."""

    def answer(probe: Probe) -> Answer:
        one = _answer(probe, 0, None, b"", TransportError("timeout", f"no answer in {waited} s"))
        return Answer(replace(one.exchange, timing=Timing(0.0, None, waited)))

    assert all(told.startswith(verdict) for told in _judge(CATALOGUE["errors/in-time"], answer))


def _given(identifier: str, text_for: Callable[[Probe], str | None]) -> set[str]:
    """Return how the rule decides where ``text_for`` gives the text of some answers."""

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe)
        text = text_for(probe)
        body = body if text is None else {"text": text}
        return _answer(probe, status, media_type, _bytes(body), None)

    return {told.partition(":")[0] for told in _judge(CATALOGUE[identifier], answer)}


def _names(probe: Probe, field: str) -> bool:
    return any(part.name == field for part in probe.parts)


@pytest.mark.parametrize(
    ("unnamed", "named", "verdict"),
    [
        (None, None, "pass"),
        ("Today the weather is good.", None, "AssertionError"),
        ("", None, "AssertionError"),
        ("Segodnja pogoda.", "Segodnja horoshaja pogoda.", "NotObserved"),
        ("", "", "NotObserved"),
    ],
)
def test_who_knows_no_russian_need_not_detect_it(
    unnamed: str | None, named: str | None, verdict: str
) -> None:
    """A language that is not recognised when it is named says nothing of its detection."""

    def text(probe: Probe) -> str | None:
        return named if _names(probe, "language") else unnamed

    assert _given("parameters/language-detected", text) == {verdict}


@pytest.mark.parametrize(
    ("told", "verdict"),
    [("de-DE", "pass"), ("deu", "pass"), ("German", "pass"), ("english", "AssertionError: lang")],
)
def test_german_has_several_names(told: str, verdict: str) -> None:
    """A language may be told by its name, or by any code of it."""
    found = _told("parameters/detected-language-told", lambda body: body.update(language=told))
    assert all(one.startswith(verdict) for one in found)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The quick brown fox jumped.", "pass"),
        ("The quick brown.", "AssertionError"),
        ("", "AssertionError"),
    ],
)
@pytest.mark.parametrize("field", ["empty-prompt", "neutral-prompt"])
def test_a_prompt_may_change_a_word(field: str, text: str, verdict: str) -> None:
    """One word of a short clip that a prompt changes is no harm, two are."""

    def with_prompt(probe: Probe) -> str | None:
        return text if _names(probe, "prompt") else None

    assert _given(f"parameters/{field}", with_prompt) == {verdict}


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize(
    ("told", "verdict"),
    [(f"No such key: {WRONG_KEY[:8]}***", "pass"), (f"No such key: {WRONG_KEY}", "AssertionError")],
)
def test_a_key_is_echoed_whatever_the_status(status: int, told: str, verdict: str) -> None:
    """A key that an error repeats is found in a 403 or a 500 too; its beginning is no secret."""

    def answer(probe: Probe) -> Answer:
        return _answer(probe, status, JSON, _bytes({"error": {"message": told}}), None)

    [found] = _judge(CATALOGUE["auth/key-not-echoed"], answer)
    assert found.startswith(verdict)


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
def test_what_must_be_refused_is_called_a_mistake(
    monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """A request that a judge wants refused says what is wrong with it: rules over all read that."""
    refused: dict[str, Probe] = {}
    mistaken: set[str] = set()
    sent: dict[str, Probe] = {}
    refuse = Answer.refused

    def noting(self: Answer) -> Answer:
        refused[self.exchange.digest] = sent[self.exchange.digest]
        return refuse(self)

    def answer(probe: Probe) -> Answer:
        status, media_type, body = _right(probe, dialect=dialect)
        sent[probe.digest] = probe
        mistaken.update({probe.digest} if probe.mistake else ())
        return _answer(probe, status, media_type, _bytes(body), None)

    monkeypatch.setattr(Answer, "refused", noting)
    for rule in CATALOGUE.values():
        list(_judge(rule, answer))
    assert refused
    assert [probe.told for digest, probe in refused.items() if digest not in mistaken] == []


def test_the_same_request_is_meant_the_same_way() -> None:
    """A request that rules share is sent once, so all give it the same time, or call it wrong."""
    seen: dict[str, set[tuple[float | None, bool]]] = {}
    for rule in CATALOGUE.values():
        for case in rule.cases or (Case(""),):
            for probe in rule.probes(case, DEPLOYMENT).values():
                meant = probe.patience, bool(probe.mistake)
                seen.setdefault(probe.on(MODEL).digest, set()).add(meant)
    assert [meanings for meanings in seen.values() if len(meanings) > 1] == []
