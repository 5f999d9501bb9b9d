"""Robustness: clients that are slow, leave early or come in numbers, and files that reach further.

What such a client saw is recorded like any exchange: what is judged here are the records.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

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
    had_its_time,
    normalised,
    probes,
    requirement,
    shown,
    transcription,
    word_error_rate,
)
from soundcheck.contract.crowd import most_under_way
from soundcheck.contract.stream import stream_of
from soundcheck.contract.wording import common_phrase
from soundcheck.http.multipart import Field
from soundcheck.http.pace import Leave, Pace

PATIENCE = 30.0
"""Seconds in which a file that is no audio is refused."""

BOMB_PATIENCE = 120.0
"""Seconds in which hours of silence are refused, or transcribed."""

RATE = 20_000
"""Bytes per second of a slow upload; its file takes a minute."""

LEAVING = {Leave.UPLOADING: 20, Leave.WAITING: 20, Leave.READING: 10}
"""How many clients leave, and where."""

LOAD = 64
"""Short requests at once: several times what one machine transcribes side by side."""

RECOVERY = 50.0
"""Seconds after which a request is served again that comes after too many."""

SAME_TEXT = 0.02
ANOTHER_TEXT = 0.5
"""Word error rate above which two texts are not for the same speech."""

TOO_MANY = 429
BUSY = (TOO_MANY, 503)
"""What turns a request away politely."""

GOOD = transcription("hello.wav", language="en")

Found = Callable[[str], None]


def _again(number: int, pace: Pace | None = None) -> Probe:
    """Return a plain request that no other rule has sent: what it finds is the state by then."""
    return transcription("hello.wav", lane=Lane.HOSTILE, pace=pace, repeat=number, language="en")


def _streamed(probe: Probe) -> Probe:
    """Return ``probe`` with its answer streamed."""
    *fields, file = probe.parts
    return replace(probe, parts=(*fields, Field("stream", "true"), file))


# -- files that name another place ----------------------------------------------------------------


def _lure(identifier: str, clip: str, told: str) -> Case:
    probe = transcription(clip, lane=Lane.HOSTILE, patience=PATIENCE, mistake=told, language="en")
    return Case(identifier, clip, probe)


LURES = (
    _lure("hls", "playlist-hls.wav", "a playlist (HLS) as WAV"),
    _lure("concat", "playlist-concat.wav", "a list of files (ffconcat) as WAV"),
    _lure("mp4", "reference-mov.mp4", "an MP4 file whose samples lie elsewhere"),
)
MORE_LURES = (
    _lure("dash", "playlist-dash.wav", "a manifest (DASH) as WAV"),
    _lure("sdp", "session-sdp.wav", "a session description as WAV"),
)


@requirement(
    "robustness/references-refused",
    MUST,
    source="OAS file: audio in one of nine formats; CWE-918; vLLM 0.33: what is no audio is 400",
    killed_by=["bad-audio-500", "bad-audio-invented"],
    draft=["STT-ROBUST-008"],
)
@cases(*LURES)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_a_file_that_names_others_is_refused(answers: Answers, case: Case) -> None:
    """A playlist, or a file whose sound lies in another place, is refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "robustness/references-not-followed",
    MUST,
    source="CWE-918: server-side request forgery; FFmpeg opens what a playlist names",
    killed_by=["follows-references"],
    draft=["STT-ROBUST-008"],
)
@cases(*LURES)
@probes(lambda case: {"answer": case.value})
def test_what_a_file_names_is_not_fetched(
    answers: Answers, case: Case, deployment: Deployment, found: Found
) -> None:
    """Nothing is fetched from the place that an uploaded file names.

    The place is this machine's loopback, so only what decodes audio on this machine can be seen.
    """
    _is_not_followed(answers.answer, deployment, found)


@requirement(
    "robustness/more-references-not-followed",
    MUST,
    source="CWE-918: server-side request forgery; FFmpeg opens what a playlist names",
    effort="full",
    killed_by=["follows-references"],
    draft=["STT-ROBUST-008"],
)
@cases(*MORE_LURES)
@probes(lambda case: {"answer": case.value})
def test_what_other_files_name_is_not_fetched(
    answers: Answers, case: Case, deployment: Deployment, found: Found
) -> None:
    """Nothing is fetched from the place that a manifest names, and no session is joined."""
    answers.answer.refused()
    _is_not_followed(answers.answer, deployment, found)


def _is_not_followed(answer: Answer, deployment: Deployment, found: Found) -> None:
    visits = answer.exchange.visits
    if visits is None:
        raise NotObserved("nobody listened at the place that the file names")
    assert not visits, f"the place that the file names was asked: {shown(visits[0])}"
    if not _decodes_here(deployment):
        raise NotObserved(
            "audio is not decoded on this machine, so what is fetched for it cannot be seen here"
        )
    found(
        "nothing came to this machine's loopback; a deployment in a container or behind a tunnel "
        "has one of its own, where nothing would be seen"
    )


# -- small files that hold a lot ------------------------------------------------------------------


def _bomb(clip: str) -> dict[str, Probe]:
    """Return the upload of ``clip``, a plain request beside it, and one when it was answered."""

    def at_once(name: str, pace: Pace | None = None) -> Probe:
        return transcription(
            name,
            lane=Lane.HOSTILE,
            crowd=f"bomb {clip}",
            patience=BOMB_PATIENCE,
            pace=pace,
            language="en",
        )

    return {
        "bomb": at_once(clip),
        "beside": at_once("hello.wav", Pace(delay=1.0)),
        "after": _again(130 if clip.startswith("silence") else 131),
    }


@requirement(
    "robustness/decompression-bomb",
    MUST,
    source="CWE-409; vllm#44970: decoded audio had no bound",
    effort="full",
    killed_by=["bomb-500", "bomb-exhausts"],
    draft=["STT-ROBUST-009", "STT-ROBUST-010"],
)
@cases(Case("three-hours", "silence-bomb.flac"), Case("eight-channels", "rate-bomb.flac"))
@probes(lambda case: _bomb(case.clip))
def test_a_bomb_does_no_harm(answers: Answers, case: Case, found: Found) -> None:
    """A small file that holds very much gets 200 or a 4xx in 2 min, and others are served."""
    bomb = answers.bomb
    had_its_time(bomb, BOMB_PATIENCE)
    assert bomb.status == 200 or 400 <= bomb.status <= 499, (
        f"expected 200 or a 4xx refusal, got {bomb.excerpt}"
    )
    found(f"answered {bomb.status} after {bomb.exchange.timing.done_s:.1f} s")
    for when, answer in (("beside", answers.beside), ("after", answers.after)):
        assert answer.status == 200, f"a plain request {when} it is not served: {answer.excerpt}"


# -- slow clients, and such as leave --------------------------------------------------------------


@requirement(
    "robustness/slow-upload",
    SHOULD,
    source="whisper.cpp waits 600 s for a body; RFC 9110, section 15.5.9: 408",
    effort="full",
    killed_by=["slow-upload-dropped", "slow-upload-blocks"],
    draft=["STT-ROBUST-021"],
)
@probes(
    slow=transcription(
        "sized-1200000.wav",
        filename="speech.wav",
        lane=Lane.HOSTILE,
        crowd="slow upload",
        pace=Pace(rate=RATE),
        language="en",
    ),
    beside=transcription(
        "hello.wav",
        lane=Lane.HOSTILE,
        crowd="slow upload",
        pace=Pace(delay=20.0),
        language="en",
    ),
)
def test_a_slow_upload_is_served(answers: Answers, found: Found) -> None:
    """A file that goes up in a minute is transcribed or answered 408, and others are served."""
    slow, beside = answers.slow, answers.beside
    error, request = slow.exchange.error, slow.exchange.request
    if error is not None and error.kind == "timeout":
        had_its_time(slow, BOMB_PATIENCE)
    assert error is None, (
        f"no complete answer ({error.kind} after {request.sent_bytes or 0:,} of "
        f"{request.body_bytes:,} bytes at {RATE:,} bytes per second): {error.message}"
    )
    if TOO_MANY in (slow.status, beside.status):
        raise Untestable("the deployment was too busy for two requests")
    assert slow.status in (200, 408), f"expected 200 or 408, got {slow.excerpt}"
    assert beside.status == 200, f"a plain request meanwhile is not served: {beside.excerpt}"
    found(f"answered {slow.status}")


def _leaving(deployment: Deployment) -> dict[str, Probe]:
    """Return a plain request, those whose clients leave, and a plain request again."""
    streams = "streaming" in deployment.profile.claims(deployment.model)
    leaving = {}
    for leave, times in LEAVING.items():
        for number in range(times):
            probe = transcription(
                "sentence.wav",
                lane=Lane.HOSTILE,
                pace=Pace(leave=leave),
                repeat=number,
                language="en",
            )
            is_streamed = streams and leave is Leave.READING
            leaving[f"{leave}_{number}"] = _streamed(probe) if is_streamed else probe
    return {"before": _again(121), **leaving, "after": _again(122)}


@requirement(
    "robustness/early-disconnect",
    MUST,
    source="VTEST cancellation: a request is given up when its client leaves",
    effort="full",
    killed_by=["leaving-exhausts", "leaving-deafens"],
    draft=["STT-ROBUST-022"],
)
@probes(_leaving)
def test_clients_may_leave(answers: Answers, found: Found) -> None:
    """After 50 clients left, while they sent, waited or read, a request is served as before."""
    before, after = answers.before.ok(), answers.after
    left = Counter(
        answer.exchange.left for name, answer in answers.readable.items() if name != "after"
    )
    del left[""]
    if not left:
        raise NotObserved("no client left before it had its answer")
    found(", ".join(f"{times} left while {where}" for where, times in sorted(left.items())))
    times = sum(left.values())
    assert after.status == 200, f"after {times} clients left: {after.excerpt}"
    rate = word_error_rate(before.text, after.text)
    assert rate <= ANOTHER_TEXT, (
        f"before {times} clients left the text was {shown(before.text)}, then {shown(after.text)}"
    )
    usual, took = before.exchange.timing.done_s, after.exchange.timing.done_s
    assert took <= max(2 * usual, usual + 10), (
        f"before {times} clients left a request took {usual:.1f} s, then {took:.1f} s"
    )


# -- many clients at once -------------------------------------------------------------------------

FEW = ("sentence.wav", "other-sentence.wav")
EIGHT = (*FEW, *(f"load-en-{number}.wav" for number in (1, 4, 5, 6, 7, 8)))


def _at_once(
    crowd: str, clips: tuple[str, ...], times: int
) -> Callable[[Deployment], dict[str, Probe]]:
    """Return requests for each of ``clips``, ``times`` streamed and as many not, sent at once."""

    def chosen(deployment: Deployment) -> dict[str, Probe]:
        streams = "streaming" in deployment.profile.claims(deployment.model)
        found = {}
        for number in range(2 * times):
            for clip in clips:
                probe = transcription(
                    clip, lane=Lane.EXCLUSIVE, crowd=crowd, repeat=number, language="en"
                )
                is_streamed = streams and bool(number % 2)
                found[f"{clip}_{number}"] = _streamed(probe) if is_streamed else probe
        return found

    return chosen


@requirement(
    "robustness/no-cross-talk",
    MUST,
    source="VTEST transcribes batches; Privatemode page 1.30: nobody else sees what is sent",
    killed_by=["cross-talk", "cross-talk-in-streams", "cross-talk-mixed"],
    draft=["STT-ROBUST-023"],
)
@probes(_at_once("four at once", FEW, 1))
def test_nobody_is_given_the_text_of_another(answers: Answers, found: Found) -> None:
    """Of requests at once, streamed and not, each is answered with what its own file says."""
    _has_no_cross_talk(answers, found)


@requirement(
    "robustness/no-cross-talk-of-many",
    MUST,
    source="VTEST transcribes batches; Privatemode page 1.30: nobody else sees what is sent",
    effort="full",
    killed_by=["cross-talk", "cross-talk-in-streams", "cross-talk-mixed"],
    draft=["STT-ROBUST-023"],
)
@probes(_at_once("32 at once", EIGHT, 2))
def test_nobody_among_many_is_given_the_text_of_another(answers: Answers, found: Found) -> None:
    """Of 32 requests at once, streamed and not, each is answered with what its own file says."""
    _has_no_cross_talk(answers, found)


def _has_no_cross_talk(answers: Answers, found: Found) -> None:
    served = _served(answers, found)
    said = {answer.spoken.name: answer.spoken.transcript for answer in served.values()}
    texts: dict[str, str] = {}
    for answer in served.values():
        own, text = answer.spoken.name, _text_of(answer)
        for other, transcript in said.items():
            phrase = common_phrase(transcript, text) if other != own else ""
            assert not phrase or phrase in normalised(said[own]), (
                f"the text for {own} has words of {other}, sent at the same time: {shown(text)}"
            )
        first = texts.setdefault(own, text)
        rate = max(word_error_rate(first, text), word_error_rate(text, first))
        assert rate <= ANOTHER_TEXT, (
            f"two requests at once for {own} are given {shown(first)} and {shown(text)}"
        )


@requirement(
    "robustness/repeats-stable-at-once",
    SHOULD,
    source="OAS temperature; batches are the reason why texts differ",
    effort="full",
    killed_by=["text-varies"],
    draft=["STT-ROBUST-025"],
)
@probes(
    lambda: {
        f"time_{number}": transcription(
            "sentence.wav",
            temperature="0",
            lane=Lane.EXCLUSIVE,
            crowd="ten at once",
            repeat=number,
            language="en",
        )
        for number in range(10)
    }
)
def test_equal_requests_at_once_give_one_text(answers: Answers, found: Found) -> None:
    """Ten equal requests at once, at temperature 0, are answered with the same text."""
    texts = [answer.text for answer in _served(answers, found).values()]
    for one, other in pairwise(texts):
        rate = max(word_error_rate(one, other), word_error_rate(other, one))
        assert rate <= SAME_TEXT, f"once {shown(one)}, another time {shown(other)}"


def _overload(deployment: Deployment) -> dict[str, Probe]:
    """Return many requests at once and one later, none where the load would not be our own."""
    if not _decodes_here(deployment):
        return {}
    many = {
        f"request_{number}": transcription(
            "hello.wav",
            lane=Lane.HOSTILE,
            crowd="overload",
            patience=60.0,
            repeat=number,
            language="en",
        )
        for number in range(LOAD)
    }
    return {"solo": GOOD, **many, "later": _again(124, Pace(delay=RECOVERY))}


@requirement(
    "robustness/polite-overload",
    SHOULD,
    source="OAS TooManyRequests; RFC 9110, section 15.6.4",
    effort="full",
    killed_by=["overload-500", "overload-cuts", "overload-lasts"],
    draft=["STT-ROBUST-024"],
)
@probes(_overload)
def test_overload_is_told_politely(answers: Answers, deployment: Deployment, found: Found) -> None:
    """Of 64 requests at once each is served in a minute or answered 429 or 503, as later ones are.

    It is asked of deployments on this machine alone: no other is ours to load.
    """
    if not _decodes_here(deployment):
        raise NotObserved(
            "the deployment is not on this machine; where you may load it, "
            "soundcheck bench measures what it carries"
        )
    outcomes = Counter(
        _outcome(answer) for name, answer in answers.readable.items() if name.startswith("request")
    )
    told = ", ".join(f"{times} x {outcome}" for outcome, times in sorted(outcomes.items()))
    found(f"{LOAD} requests at once: {told}")
    odd = [outcome for outcome in outcomes if outcome not in ("200", *map(str, BUSY))]
    assert not odd, f"expected 200, 429 or 503 from {LOAD} requests at once, got {told}"
    whole = answers.solo.text
    for name, answer in answers.readable.items():
        if name.startswith("request") and answer.status == 200:
            rate = word_error_rate(whole, answer.text)
            assert rate <= ANOTHER_TEXT, (
                f"under load the text {shown(whole)} becomes {shown(answer.text)}"
            )
    later = answers.later
    assert later.status == 200, f"a minute later it has not recovered: {later.excerpt}"


# -- what they have in common ---------------------------------------------------------------------


def _decodes_here(deployment: Deployment) -> bool:
    """Tell whether audio is decoded on this machine, as far as is known: a proxy passes it on."""
    return deployment.local and not deployment.profile.is_private


def _served(answers: Answers, found: Found) -> Mapping[str, Answer]:
    """Return the answers to requests at once; that one is turned away, or waits too long, may be.

    Raises ``NotObserved`` where no two were under way at the same time.
    """
    read = answers.readable
    unserved = ("timeout", *map(str, BUSY))
    served = {name: a for name, a in read.items() if _outcome(a) not in unserved}
    if not served:
        raise NotObserved("none of the requests at once was served")
    for name, answer in served.items():
        assert answer.status == 200, f"{name.partition('_')[0]} at once: {answer.excerpt}"
    most = most_under_way(answer.exchange for answer in served.values())
    if most == 1:
        raise NotObserved("no two of the requests were under way at the same time")
    found(f"up to {most} of {len(answers)} requests were under way at the same time")
    return served


def _outcome(answer: Answer) -> str:
    """Return the status as text, or what became of the connection."""
    error, response = answer.exchange.error, answer.exchange.response
    if error is not None:
        return error.kind
    return str(response.status) if response is not None else "no answer"


def _text_of(answer: Answer) -> str:
    """Return the text of an answer, streamed or not."""
    if answer.media_type != "text/event-stream":
        return answer.text
    stream = stream_of(answer)
    return stream.text or str(stream.done.members.get("text") if stream.done else "")
