"""The rows about hostile files and odd clients: what they accuse, and what they leave alone."""

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from soundcheck.audio import Clip
from soundcheck.contract import (
    Answer,
    Answers,
    Case,
    Deployment,
    Lane,
    NotObserved,
    Probe,
    Untestable,
)
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.profile import load_profile
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError
from soundcheck.http.pace import Leave

CATALOGUE = {rule.id: rule for rule in load_catalogue() if rule.area == "robustness"}
MODEL = "whisper-large-v3"
LOCAL = Deployment(load_profile("openai"), MODEL, local=True)
SAID = {
    "sentence.wav": "The children are playing in the garden behind the house.",
    "other-sentence.wav": "Our train to the coast leaves at seven in the morning.",
    "load-en-4.wav": "We bought apples, cheese and honey at the market.",
}

Change = Callable[[Probe, Exchange], Exchange]


def _said(probe: Probe) -> str:
    """Return what is said in the file of ``probe``."""
    name = probe.clips[0]
    return (
        SAID["sentence.wav"]
        if "sentence." in name and "other" not in name
        else SAID.get(name, "Hello World.")
    )


def _right(probe: Probe) -> Exchange:
    status = 400 if probe.mistake else 200
    body = {"error": {"message": "No.", "type": "x"}} if probe.mistake else {"text": _said(probe)}
    exchange = Exchange(
        digest=probe.digest,
        lane=probe.lane.value,
        attempts=1,
        started="2026-01-01T00:00:00Z",
        request=SentRequest(probe.method, probe.path, (), (), 100, 100),
        response=None,
        timing=Timing(0.0, 0.0, 1.0),
        error=None,
    )
    return _answering(exchange, status, body)


def _answering(exchange: Exchange, status: int, body: object) -> Exchange:
    content = json.dumps(body).encode()
    headers = (("content-type", "application/json"),)
    response = Response(status, "", headers, content, ((0.0, len(content)),))
    return replace(exchange, response=response, error=None)


def _late(exchange: Exchange, seconds: float) -> Exchange:
    error = TransportError("timeout", f"no complete answer in {seconds:g} s")
    return replace(exchange, response=None, error=error, timing=Timing(0.0, None, seconds))


def _ask_nothing(_: Probe) -> Answer:
    raise Untestable("a search has begun")


def _told(identifier: str, change: Change, deployment: Deployment = LOCAL) -> set[str]:
    """Return what the row tells of its cases when the right exchanges are changed."""
    rule = CATALOGUE[identifier]
    file, _, name = rule.test.partition("::")
    judge = getattr(sys.modules[f"soundcheck_catalogue.{Path(file).stem}"], name)
    told = set()
    for case in rule.cases or (Case(""),):
        answers: dict[str, Answer | Untestable] = {}
        for label, probe in rule.probes(case, deployment).items():
            exchange = change(probe.on(MODEL), _right(probe))
            clip = Clip(
                probe.clips[0], Path(), "audio/wav", 1, "", 3.0, 16000, 1, "en", _said(probe), ()
            )
            answers[label] = Answer(exchange, clip)
        offered = {
            "answers": Answers(answers),
            "case": case,
            "deployment": deployment,
            "found": lambda sentence: None,
            "ask": _ask_nothing,
        }
        wanted = inspect.signature(judge).parameters
        try:
            judge(**{name: offered[name] for name in wanted})
        except (AssertionError, NotObserved, Untestable) as raised:
            told.add(f"{type(raised).__name__}: {raised}")
        else:
            told.add("pass")
    return told


def _begins(told: set[str], beginning: str) -> bool:
    return all(one.startswith(beginning) for one in told)


@pytest.mark.parametrize(
    ("identifier", "allowed"),
    [
        ("robustness/damaged-file", 30.0),
        ("robustness/wrong-wav-length", 30.0),
        ("robustness/decompression-bomb", 120.0),
        ("robustness/slow-upload", 120.0),
    ],
)
def test_who_is_late_had_its_time(identifier: str, allowed: float) -> None:
    """No answer in the time that a rule allows fails it; with a shorter --timeout nobody knows."""

    def after(seconds: float) -> Change:
        return lambda probe, exchange: (
            exchange if probe.clips == ("hello.wav",) else _late(exchange, seconds)
        )

    assert _begins(_told(identifier, after(allowed)), "AssertionError: no complete answer (timeout")
    assert _begins(_told(identifier, after(8.0)), "Untestable: it was given up on after 8 s")


@pytest.mark.parametrize(
    ("usual", "verdict"),
    [
        (5.0, "AssertionError: no complete answer (timeout"),
        (20.0, "Untestable: not answered in 30"),
    ],
)
@pytest.mark.parametrize(
    "identifier",
    [
        "robustness/damaged-file",
        "robustness/truncated-file",
        "robustness/wrong-wav-length",
        "robustness/malformed-form",
        "robustness/many-parts",
        "robustness/hostile-filenames",
        "robustness/control-characters",
        "robustness/invalid-utf8",
        "robustness/wild-header",
        "robustness/huge-field",
    ],
)
def test_who_is_always_slow_does_not_hang(identifier: str, usual: float, verdict: str) -> None:
    """Where a plain request takes long as well, no answer in 30 s tells nothing."""

    def change(probe: Probe, exchange: Exchange) -> Exchange:
        plain = probe.lane is Lane.SHARED or probe.repeat
        timing = replace(exchange.timing, done_s=usual)
        return replace(exchange, timing=timing) if plain else _late(exchange, 30.0)

    assert _begins(_told(identifier, change), verdict)


@pytest.mark.parametrize(
    ("usual", "verdict"),
    [(5.0, "Untestable: a search has begun"), (20.0, "Untestable: a plain request takes 20 s")],
)
@pytest.mark.parametrize("kind", ["forms", "values", "filenames", "containers"])
def test_no_search_among_slow_answers(kind: str, usual: float, verdict: str) -> None:
    """Where a plain request is slow, hundreds of odd ones are not waited for."""

    def change(_: Probe, exchange: Exchange) -> Exchange:
        return replace(exchange, timing=replace(exchange.timing, done_s=usual))

    assert _begins(_told(f"robustness/searched-{kind}", change), verdict)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"text": ""}, {"pass"}),
        ({"text": "Thank you."}, {"pass", "AssertionError: expected a 4xx refusal, got 200"}),
    ],
)
def test_a_silent_film_may_have_an_empty_text(body: object, verdict: set[str]) -> None:
    """Of a film without sound it may be said that nobody speaks, not what nobody says."""

    def change(probe: Probe, exchange: Exchange) -> Exchange:
        return _answering(exchange, 200, body) if "video-only.mp4" in probe.clips else exchange

    told = _told("robustness/not-audio", change)
    assert {one.partition(" application")[0] for one in told} == verdict


def test_guesses_are_not_compared() -> None:
    """Where a voice is not understood, other guesses at a half or with a prompt are no faults."""

    def change(probe: Probe, exchange: Exchange) -> Exchange:
        odd = probe.clips[0].startswith("truncated") or any(p.name == "prompt" for p in probe.parts)
        return _answering(exchange, 200, {"text": "Well then." if odd else "A chill ran playing."})

    for identifier in ("robustness/truncated-file", "robustness/tokens-stay-text"):
        assert _begins(_told(identifier, change), "NotObserved: ")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The children are playing in the", "pass"),
        ("The children are playing in the guard.", "pass"),
        ("the children", "pass"),
        ("The children are playing in the garden behind the house.", "pass"),
        ("", "AssertionError: half of the file is there, and the text is empty"),
        ("Thank you for watching.", "AssertionError: half of the file is given words that nobody"),
        (
            "The children are playing in the garden behind the house. " * 2,
            "AssertionError: half of the file is given more text than the whole",
        ),
    ],
)
def test_half_a_file_may_end_in_half_a_word(text: str, verdict: str) -> None:
    """The beginning of what is said is right however its last word was heard; more is not."""

    def change(probe: Probe, exchange: Exchange) -> Exchange:
        cut = probe.clips[0].startswith("truncated")
        return _answering(exchange, 200, {"text": text}) if cut else exchange

    assert _begins(_told("robustness/truncated-file", change), verdict)


@pytest.mark.parametrize(
    ("visits", "deployment", "verdict"),
    [
        ((), LOCAL, "pass"),
        (("GET /sound.wav HTTP/1.1",), LOCAL, "AssertionError: the place that the file names"),
        ((), replace(LOCAL, local=False), "NotObserved: audio is not decoded on this machine"),
        ((), replace(LOCAL, profile=load_profile("privatemode")), "NotObserved: audio is not"),
        (("GET / HTTP/1.1",), replace(LOCAL, local=False), "AssertionError: the place that"),
        (None, LOCAL, "NotObserved: nobody listened"),
    ],
)
def test_only_what_can_be_seen_is_judged(
    visits: tuple[str, ...] | None, deployment: Deployment, verdict: str
) -> None:
    """A visit always tells; that none came says nothing of what decodes on another machine."""

    def change(probe: Probe, exchange: Exchange) -> Exchange:
        return replace(exchange, visits=visits)

    assert _begins(_told("robustness/references-not-followed", change, deployment), verdict)


def _leaving(took: float, text: str = "Hello World.", *, left: bool = True) -> Change:
    def change(probe: Probe, exchange: Exchange) -> Exchange:
        if probe.pace is not None and left:
            return replace(exchange, response=None, left=probe.pace.leave.value)
        if probe.repeat == 122:  # the request after all others
            exchange = replace(exchange, timing=Timing(0.0, 0.0, took))
            return _answering(exchange, 200, {"text": text})
        return exchange

    return change


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (_leaving(1.0), "pass"),
        (_leaving(10.9), "pass"),
        (_leaving(60.0), "AssertionError: before 50 clients left a request took 1.0 s, then 60.0"),
        (_leaving(1.0, ""), "AssertionError: before 50 clients left the text was"),
        (_leaving(1.0, left=False), "NotObserved: no client left"),
    ],
)
def test_a_slower_machine_is_none_that_suffered(change: Change, verdict: str) -> None:
    """Seconds more after clients have left are no matter, a minute or another text is."""
    assert _begins(_told("robustness/early-disconnect", change), verdict)
    assert set(Leave) - {Leave.NEVER} == {"uploading", "waiting", "reading"}


def _of_crowd(change: Callable[[int, Exchange], Exchange]) -> Change:
    """Return a change of the n-th request of a crowd, from 0."""
    seen: list[str] = []

    def changed(probe: Probe, exchange: Exchange) -> Exchange:
        if not probe.crowd:
            return exchange
        seen.append(probe.digest)
        return change(len(seen) - 1, exchange)

    return changed


def _first(status: int, body: object) -> Change:
    return _of_crowd(
        lambda number, exchange: exchange if number else _answering(exchange, status, body)
    )


ERROR = {"error": {"message": "No.", "type": "x"}}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (_first(200, {"text": SAID["sentence.wav"]}), "pass"),
        (_first(429, ERROR), "pass"),
        (_first(503, ERROR), "pass"),
        (_of_crowd(lambda number, one: one if number else _late(one, 120.0)), "pass"),
        (_first(500, ERROR), "AssertionError: sentence.wav at once: 500"),
        (_first(200, {"text": SAID["other-sentence.wav"]}), "AssertionError: the text for"),
        (
            _first(200, {"text": f"{SAID['sentence.wav']} our train to the coast"}),
            "AssertionError: the text for sentence.wav has words of other-sentence.wav",
        ),
        (_first(200, {"text": ""}), "AssertionError: two requests at once for sentence.wav"),
        (
            _of_crowd(lambda _, exchange: _answering(exchange, 429, ERROR)),
            "NotObserved: none of the requests",
        ),
        (
            _of_crowd(
                lambda number, exchange: replace(exchange, started=f"2026-01-01T00:{number:02}:00Z")
            ),
            "NotObserved: no two of the requests",
        ),
    ],
)
def test_the_text_of_another_is_noticed(change: Change, verdict: str) -> None:
    """Words of a file that was sent at the same time are, and a busy deployment is not accused."""
    assert _begins(_told("robustness/no-cross-talk", change), verdict)


@pytest.mark.parametrize(
    ("change", "deployment", "verdict"),
    [
        (_first(200, {"text": "Hello, world!"}), LOCAL, "pass"),
        (_first(429, ERROR), LOCAL, "pass"),
        (_of_crowd(lambda _, exchange: _answering(exchange, 503, ERROR)), LOCAL, "pass"),
        (_first(502, ERROR), LOCAL, "AssertionError: expected 200, 429 or 503 from 64"),
        (_first(200, {"text": "Hello"}), LOCAL, "pass"),
        (_first(200, {"text": ""}), LOCAL, "AssertionError: under load the text"),
        (
            _of_crowd(lambda number, exchange: exchange if number else _late(exchange, 60.0)),
            LOCAL,
            "AssertionError: expected 200, 429 or 503 from 64 requests at once, got 63 x 200, 1 x",
        ),
        (_first(502, ERROR), replace(LOCAL, local=False), "NotObserved: the deployment is not on"),
    ],
)
def test_only_what_is_impolite_is_told(
    change: Change, deployment: Deployment, verdict: str
) -> None:
    """429 and 503 are polite, and nobody else's deployment is put under load."""
    assert _begins(_told("robustness/polite-overload", change, deployment), verdict)


def test_no_load_is_planned_for_others() -> None:
    """The plan for a deployment that is not on this machine has none of the 64 requests."""
    rule = CATALOGUE["robustness/polite-overload"]
    assert rule.probes(None, replace(LOCAL, local=False)) == {}
    assert rule.probes(None, replace(LOCAL, profile=load_profile("privatemode"))) == {}
    assert len(rule.probes(None, LOCAL)) > 64


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", "pass"),
        ("Thank you.", "pass"),
        ("The train leaves.", "pass"),
        ("Merrowdale", "AssertionError: silence is given a word of the prompt"),
        ("our train to the coast", "AssertionError: silence is given what was said before it"),
    ],
)
def test_what_a_model_makes_of_silence_is_no_memory(text: str, verdict: str) -> None:
    """Only words of the prompt before, or a phrase of the speech before, are remembered."""

    def change(probe: Probe, exchange: Exchange) -> Exchange:
        silent = probe.clips[0].startswith("silence")
        return _answering(exchange, 200, {"text": text}) if silent else exchange

    assert _begins(_told("robustness/no-memory", change), verdict)
