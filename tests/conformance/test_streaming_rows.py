"""The rows about streams: which of them judge, and what they make of answers that broke off."""

import inspect
import json
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

from soundcheck.audio import Clip
from soundcheck.contract import Answer, Answers, Case, Deployment, NotObserved, Probe
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.probe import Lane
from soundcheck.contract.profile import load_profile
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError

CATALOGUE = {rule.id: rule for rule in load_catalogue() if rule.area == "streaming"}
Said: TypeAlias = tuple[int, str, str]
"""Status, media type and body."""

JSON, EVENT_STREAM = "application/json", "text/event-stream"
TEXT = "The quick brown fox jumps."
ERROR = {"error": {"message": "No.", "type": "x", "param": None, "code": None}}
DELTA = {"type": "transcript.text.delta", "delta": TEXT}
DONE = {"type": "transcript.text.done", "text": TEXT}
STREAM = 200, EVENT_STREAM, "".join(f"data: {json.dumps(event)}\n\n" for event in (DELTA, DONE))
PLAIN = 200, JSON, json.dumps({"text": TEXT})
REFUSAL = 400, JSON, json.dumps(ERROR)
RESET = TransportError("reset", "the connection was reset")

ROWS = [
    identifier
    for identifier, rule in CATALOGUE.items()
    if not rule.needs
    and identifier not in ("streaming/event-stream", "streaming/error-events-whole")
]
"""The rows that judge the stream of whatever model is under test."""


def _deployment(model: str, profile: str = "openai") -> Deployment:
    return Deployment(load_profile(profile), model)


def _answer(probe: Probe, said: Said, error: TransportError | None) -> Answer:
    status, media_type, body = said
    content = body.encode()
    headers = (("content-type", media_type),)
    exchange = Exchange(
        digest=probe.digest,
        lane=probe.lane.value,
        attempts=1,
        started="2026-01-01T00:00:00Z",
        request=SentRequest(probe.method, probe.path, (), (), 0),
        response=Response(status, "", headers, content, ((0.0, len(content)),)),
        timing=Timing(0.0, 0.0, 0.0),
        error=error,
    )
    return Answer(exchange, Clip("a", Path(), "audio/wav", 1, "", 9.0, 16000, 1, "en", TEXT, ()))


def _told(
    identifier: str,
    model: str,
    *,
    good: Said,
    bad: Said = REFUSAL,
    error: TransportError | None = None,
    profile: str = "openai",
) -> set[str]:
    """Return what the row tells of its cases: what it found, what it raised, or that it passed.

    ``good`` is the answer to stream=true, ``bad`` that to damaged files, which ``error`` cuts off.
    """
    rule, deployment = CATALOGUE[identifier], _deployment(model, profile)

    def answer(probe: Probe) -> Answer:
        if probe.lane is Lane.HOSTILE:
            return _answer(probe, bad, error)
        is_streamed = any(part.name == "stream" for part in probe.parts)
        return _answer(probe, good if is_streamed else PLAIN, None)

    file, _, name = rule.test.partition("::")
    judge = getattr(sys.modules[f"soundcheck_catalogue.{Path(file).stem}"], name)
    told: set[str] = set()
    for case in rule.cases or (Case(""),):
        found: list[str] = []
        answers = Answers({n: answer(p) for n, p in rule.probes(case, deployment).items()})
        offered = {
            "answers": answers,
            "case": case,
            "deployment": deployment,
            "found": found.append,
        }
        try:
            judge(**{wanted: offered[wanted] for wanted in inspect.signature(judge).parameters})
        except (AssertionError, NotObserved) as raised:
            sentence = str(raised).partition("\n")[0]
            found = [f"{type(raised).__name__}: {sentence}"]
        told |= set(found or ["pass"])
    return told


@pytest.mark.parametrize("said", [PLAIN, REFUSAL], ids=["plain", "refused"])
@pytest.mark.parametrize("identifier", ROWS)
def test_what_does_not_stream_is_not_judged(identifier: str, said: Said) -> None:
    """Where no streaming is claimed, plain JSON and a refusal leave a stream's rows nothing."""
    told = _told(identifier, "whisper-large-v3", good=said)
    assert all(one.startswith("NotObserved") for one in told), told


@pytest.mark.parametrize(
    ("model", "profile", "said", "expected"),
    [
        ("whisper-large-v3", "openai", PLAIN, "ignores stream"),
        ("whisper-large-v3", "openai", REFUSAL, "NotObserved: stream=true is refused"),
        (
            "whisper-large-v3",
            "openai",
            STREAM,
            "streams in the openai dialect, though that is not claimed",
        ),
        ("gpt-4o-transcribe", "openai", STREAM, "streams in the openai dialect"),
        ("gpt-4o-transcribe", "openai", PLAIN, "AssertionError: stream=true was ignored"),
        ("whisper-large-v3", "vllm", PLAIN, "AssertionError: stream=true was ignored"),
        ("whisper-large-v3", "vllm", REFUSAL, "AssertionError: expected 200, got 400"),
    ],
)
def test_what_was_found_is_told(model: str, profile: str, said: Said, expected: str) -> None:
    """A model that ignores stream fails only where streaming is claimed for it."""
    [told] = _told("streaming/event-stream", model, good=said, profile=profile)
    assert told.startswith(expected)
    assert ("claimed" in told) == ("claimed" in expected or "NotObserved" in expected)


@pytest.mark.parametrize(
    ("bad", "error", "expected"),
    [
        (REFUSAL, None, "refused with 400"),
        (REFUSAL, RESET, "AssertionError: no complete answer (reset)"),
        (STREAM, RESET, "the transfer broke off"),
        (STREAM, TransportError("timeout", "no end"), "AssertionError: the stream has no end"),
    ],
    ids=["refused", "refusal-broken", "stream-broken", "stream-endless"],
)
def test_a_broken_refusal_is_none(bad: Said, error: TransportError | None, expected: str) -> None:
    """Of damaged audio, a stream may break off, but not the refusal."""
    model = "gpt-4o-transcribe"
    [told] = _told("streaming/errors-midway", model, good=STREAM, bad=bad, error=error)
    assert told.startswith(expected)


@pytest.mark.parametrize("identifier", CATALOGUE)
def test_long_audio_may_be_cut_where_speakers_are_told(identifier: str) -> None:
    """A minute is sent with chunking_strategy=auto to a model that needs it, and to no other."""
    rule = CATALOGUE[identifier]
    for case in rule.cases or (Case(""),):
        for model in ("gpt-4o-transcribe-diarize", "gpt-4o-transcribe"):
            for probe in rule.probes(case, _deployment(model)).values():
                if probe.clips == ("speech-60s.wav",):
                    cut = any(part.name == "chunking_strategy" for part in probe.parts)
                    assert cut == ("diarize" in model)
