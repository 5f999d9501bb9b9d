"""Streaming: answers to stream=true, in whichever of the two published dialects they are spoken.

A rule about one dialect has nothing to judge in the other: that the promised one is spoken is a
rule of its own. What is wrong with a stream as a whole is told once, by streaming/event-stream.
A stream is judged wherever there is one, claimed or not; without one there is nothing to judge.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

import re
from collections.abc import Callable
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
    cases,
    conforms,
    enveloped,
    member,
    probes,
    requirement,
    shown,
    transcription,
    word_error_rate,
)
from soundcheck.contract.answer import number
from soundcheck.contract.stream import (
    DELTA,
    DONE,
    SEGMENT,
    EventStream,
    StreamEvent,
    stream_of,
)
from soundcheck.http.multipart import Field

EVENT_STREAM = "text/event-stream"

WHOLE = transcription("speech-10s.wav", language="en")
STREAMED = transcription("speech-10s.wav", language="en", stream="true")
CHINESE_WHOLE = transcription("chinese.wav", language="zh", response_format="json")
CHINESE = transcription("chinese.wav", language="zh", stream="true")
MINUTE_WHOLE = transcription("speech-60s.wav", language="en")
MINUTE = transcription("speech-60s.wav", language="en", stream="true", lane=Lane.EXCLUSIVE)
WITH_USAGE = transcription(
    "speech-10s.wav", language="en", stream="true", stream_include_usage="true"
)
DIARIZED = transcription(
    "dialogue.wav",
    language="en",
    response_format="diarized_json",
    chunking_strategy="auto",
    stream="true",
)
NO_AUDIO = transcription(
    "random.wav", stream="true", lane=Lane.HOSTILE, mistake="a file of random bytes"
)
NO_AUDIO_AS_EVENTS = transcription(
    "random.wav",
    accept=EVENT_STREAM,
    stream="true",
    lane=Lane.HOSTILE,
    mistake="a file of random bytes",
)

# The backend refuses the one, the proxy itself the other.
NO_MODEL_AS_EVENTS = transcription(
    "hello.wav",
    model=None,
    accept=EVENT_STREAM,
    stream="true",
    lane=Lane.HOSTILE,
    mistake="no model",
)

TWO_LANGUAGES = (Case("speech", value=STREAMED), Case("chinese", value=CHINESE))
LONG = Case("minute", value=MINUTE)
DAMAGED = ("truncated.flac", "corrupt.mp3", "truncated.m4a")

LATEST_BEGINNING = 0.8
"""Share of the time of the whole answer that may pass before its first text."""

FEWEST_PIECES = 5
TOO_FAST = 0.25
"""Seconds: a whole answer in less says nothing of how its pieces would be held back."""

SAME_TEXT = 0.02

Found = Callable[[str], None]


def _taken(probe: Probe, deployment: Deployment) -> Probe:
    """Return ``probe`` as the model under test takes it.

    One that tells speakers takes more than 30 seconds only if it may cut them.
    """
    is_long = MINUTE.clips == probe.clips
    if not is_long or "diarization" not in deployment.profile.claims(deployment.model):
        return probe
    return replace(probe, parts=(Field("chunking_strategy", "auto"), *probe.parts))


def _is_claimed(deployment: Deployment) -> bool:
    return "streaming" in deployment.profile.claims(deployment.model)


@requirement(
    "streaming/event-stream",
    MUST,
    source="OAS CreateTranscriptionRequest.stream; openapi responses text/event-stream",
    killed_by=[
        "stream-ignored",
        "stream-mislabelled",
        "stream-empty",
        "stream-endless",
        "stream-breaks-off",
    ],
    draft=["STT-STREAM-001"],
)
@cases(*TWO_LANGUAGES, LONG)
@probes(lambda case, deployment: {"answer": _taken(case.value, deployment)})
def test_stream_true_gives_an_event_stream(
    answers: Answers, case: Case, deployment: Deployment, found: Found
) -> None:
    """With stream=true the answer is an event stream, or plain JSON where no streaming is claimed.

    The official SDK finds no events in a JSON answer, and tells nobody.
    """
    answer = answers.answer
    claimed = _is_claimed(deployment)
    if not claimed and answer.status != 200:
        raise NotObserved("stream=true is refused, and streaming is not claimed")
    if answer.ok().media_type == "application/json":
        assert not claimed, f"stream=true was ignored: {answer.excerpt}"
        conforms(answer.object(), "transcription#json")
        found("ignores stream")
        return
    assert answer.media_type == EVENT_STREAM, (
        f"the media type is {answer.media_type or 'missing'}, not {EVENT_STREAM}"
    )
    stream = stream_of(answer)
    assert stream.events, f"the stream holds no event: {answer.excerpt}"
    unclaimed = "" if claimed else ", though that is not claimed"
    found(f"streams in the {stream.dialect} dialect{unclaimed}")


@requirement(
    "streaming/frames-valid",
    MUST,
    source="WHATWG HTML 9.2.5 and 9.2.6; openapi responses text/event-stream",
    killed_by=[
        "stream-unknown-field",
        "stream-invalid-utf8",
        "stream-frames-unseparated",
        "stream-broken-json",
        "stream-last-frame-open",
    ],
    draft=["STT-STREAM-002"],
)
@cases(*TWO_LANGUAGES)
@probes(lambda case: {"answer": case.value})
def test_frames_keep_the_grammar(answers: Answers, case: Case) -> None:
    """A stream is UTF-8 of known fields, each event ends in a blank line, and its data is JSON."""
    stream = _stream(answers.answer)
    if odd := stream.oddity("unknown-field"):
        raise AssertionError(f"a line has the unknown field {shown(odd.detail)}")
    if odd := stream.oddity("invalid-utf8"):
        raise AssertionError(f"a line is not UTF-8: {shown(odd.detail)}")
    if odd := stream.oddity("unfinished", "too-large"):
        raise AssertionError(f"the event at byte {odd.offset} is {odd.kind}: {shown(odd.detail)}")
    for place, event in enumerate(stream.events, 1):
        assert not event.problem, (
            f"event {place} is neither JSON nor [DONE]: {event.problem}; {shown(event.data)}"
        )


@requirement(
    "streaming/openai-events",
    MUST,
    source="OAS CreateTranscriptionResponseStreamEvent",
    profiles=["openai"],
    killed_by=[
        "stream-in-vllm-dialect",
        "stream-unknown-event",
        "stream-delta-not-string",
        "stream-done-without-text",
    ],
    draft=["STT-STREAM-003"],
)
@probes(answer=STREAMED)
def test_events_are_those_of_openai(answers: Answers) -> None:
    """Every event is a transcript.text.delta, .segment or .done with its documented members."""
    stream = _stream(answers.answer)
    _assert_dialect(stream, "openai")
    for place, event in _judged(stream):
        assert event.kind in (DELTA, SEGMENT, DONE), (
            f"event {place}: {member(event.members, 'type')}, none of OpenAI's: {_told(event)}"
        )
        conforms(event.value, f"stream#{event.kind.rpartition('.')[2]}")


@requirement(
    "streaming/one-done-last",
    MUST,
    source="OAS TranscriptTextDoneEvent; its example has no [DONE], vllm#49116 quotes one",
    profiles=["openai"],
    killed_by=[
        "stream-without-done",
        "stream-fails-midway",
        "stream-done-twice",
        "stream-delta-after-done",
        "stream-trickles",
        "stream-cut-after-30s",
    ],
    draft=["STT-STREAM-004"],
)
@cases(*TWO_LANGUAGES, LONG)
@probes(lambda case, deployment: {"answer": _taken(case.value, deployment)})
def test_one_done_event_comes_last(answers: Answers, case: Case) -> None:
    """There is one transcript.text.done event, which only [DONE] may follow."""
    events = _spoken(answers.answer, "openai").events
    places = [place for place, event in enumerate(events) if event.kind == DONE]
    assert places, f"there is no {DONE} event"
    assert len(places) == 1, f"there are {len(places)} {DONE} events"
    for event in events[: places[0]]:
        assert not event.ends, f"{event.data} stands before {DONE}"
    for event in events[places[0] + 1 :]:
        assert event.ends, f"{_told(event)} follows {DONE}"


@requirement(
    "streaming/deltas-concatenate",
    MUST,
    source="OAS TranscriptTextDeltaEvent.delta and TranscriptTextDoneEvent.text",
    profiles=["openai"],
    killed_by=["stream-delta-lost", "stream-delta-twice", "stream-deltas-swapped"],
    draft=["STT-STREAM-005"],
)
@cases(*TWO_LANGUAGES, LONG)
@probes(lambda case, deployment: {"answer": _taken(case.value, deployment)})
def test_deltas_concatenate_to_the_done_text(answers: Answers, case: Case) -> None:
    """The deltas, joined as they are, equal the text of the done event."""
    stream = _spoken(answers.answer, "openai")
    text = _done(stream).members.get("text")
    if not isinstance(text, str):
        raise NotObserved("the done event has no text")
    joined = stream.text
    pairs = zip(joined, text, strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(joined), len(text)))
    around = slice(max(0, same - 20), same + 30)
    assert joined == text, (
        f"the deltas join to {shown(joined[around])} where the done event has {shown(text[around])}"
    )


@requirement(
    "streaming/done-usage",
    SHOULD,
    source="OAS TranscriptTextDoneEvent.usage; its example leaves type out",
    profiles=["openai"],
    needs=["token_usage"],
    killed_by=["stream-done-without-usage", "stream-total-wrong"],
    draft=["STT-STREAM-006"],
)
@probes(answer=STREAMED)
def test_the_done_event_carries_usage(answers: Answers) -> None:
    """The done event counts tokens: input and output add up to the total."""
    done = _done(_spoken(answers.answer, "openai")).members
    assert isinstance(done.get("usage"), dict), f"{member(done, 'usage')}, not an object"
    usage = done["usage"]
    conforms(usage, "stream#usage")
    _assert_total(usage["total_tokens"], usage["input_tokens"], usage["output_tokens"])


@requirement(
    "streaming/speaker-segments",
    SHOULD,
    source="OAS TranscriptTextSegmentEvent",
    profiles=["openai"],
    needs=["diarization", "streaming"],
    killed_by=[
        "stream-without-segments",
        "stream-segment-member-missing",
        "stream-segments-unordered",
        "stream-segments-after-done",
    ],
    draft=["STT-STREAM-007"],
)
@probes(answer=DIARIZED)
def test_speaker_segments_come_before_the_end(answers: Answers) -> None:
    """A diarized stream has complete segment events in the order of time, before the done event."""
    stream = _spoken(answers.answer, "openai")
    kinds = [event.kind for event in stream.events]
    segments = [event.members for event in stream.events if event.kind == SEGMENT]
    assert segments, f"there is no {SEGMENT} event"
    for segment in segments:
        conforms(segment, "stream#segment")
    starts = [number(segment, "start") for segment in segments]
    for before, after in pairwise(starts):
        assert after >= before, f"a segment at {after:g} s comes after one at {before:g} s"
    if DONE in kinds:
        assert SEGMENT not in kinds[kinds.index(DONE) :], f"a segment comes after {DONE}"


@requirement(
    "streaming/chunks-well-formed",
    MUST,
    source="vLLM 0.12 and 0.33 protocol of the streamed transcription",
    profiles=["vllm", "privatemode"],
    killed_by=[
        "stream-in-openai-dialect",
        "stream-chunk-object-wrong",
        "stream-chunk-ids-differ",
        "stream-chunk-content-null",
        "stream-chunk-two-choices",
    ],
    draft=["STT-STREAM-008"],
)
@probes(answer=STREAMED)
def test_chunks_are_well_formed(answers: Answers) -> None:
    """Every event is a transcription.chunk of the same id and time with at most one choice."""
    stream = _stream(answers.answer)
    _assert_dialect(stream, "vllm")
    for _, event in _judged(stream):
        conforms(event.value, "stream#chunk")
    for name in ("id", "created"):
        seen = dict.fromkeys(shown(event.members.get(name)) for _, event in _judged(stream))
        assert len(seen) == 1, f"{name} changes within the stream: {', '.join(list(seen)[:2])}"


@requirement(
    "streaming/done-marker",
    MUST,
    source="vLLM 0.12 and 0.33: data: [DONE] always, even after an error",
    profiles=["vllm", "privatemode"],
    killed_by=[
        "stream-without-done-marker",
        "stream-after-done-marker",
        "stream-cut-after-30s",
    ],
    draft=["STT-STREAM-009"],
)
@cases(*TWO_LANGUAGES, LONG)
@probes(lambda case, deployment: {"answer": _taken(case.value, deployment)})
def test_the_done_marker_comes_last(answers: Answers, case: Case) -> None:
    """A stream of chunks ends with [DONE], and nothing follows it."""
    events = _spoken(answers.answer, "vllm").events
    places = [place for place, event in enumerate(events) if event.ends]
    assert places, "there is no [DONE]"
    after = events[places[0] + 1 :]
    assert not after, f"{_told(after[0])} follows [DONE]"


@requirement(
    "streaming/promised-dialect",
    SHOULD,
    source="Privatemode speech-to-text page 1.30, Returns; its backend is vLLM",
    profiles=["privatemode"],
    killed_by=["stream-in-vllm-dialect"],
    draft=["STT-STREAM-010"],
)
@probes(answer=STREAMED)
def test_the_promised_dialect_is_spoken(answers: Answers) -> None:
    """A stream holds the events of OpenAI's dialect, as the documentation promises."""
    _assert_dialect(_stream(answers.answer), "openai")


@requirement(
    "streaming/equals-unstreamed",
    MUST,
    source="vLLM's test_streaming_response; the same transcript, sent in pieces",
    killed_by=[
        "stream-text-differs",
        "stream-text-empty",
        "stream-loses-second-half",
        "stream-cut-after-30s",
    ],
    draft=["STT-STREAM-011"],
)
@cases(
    Case("speech", value=(STREAMED, WHOLE, "en")),
    Case("chinese", value=(CHINESE, CHINESE_WHOLE, "zh")),
    Case("minute", value=(MINUTE, MINUTE_WHOLE, "en"), effort="full"),
)
@probes(
    lambda case, deployment: {
        "streamed": _taken(case.value[0], deployment),
        "whole": _taken(case.value[1], deployment),
    }
)
def test_a_stream_tells_the_same_as_an_answer_at_once(answers: Answers, case: Case) -> None:
    """The streamed text is that of the answer without stream=true: word error rate at most 0.02."""
    stream = _stream(answers.streamed)
    try:
        whole = answers.whole.text
    except AssertionError:
        raise NotObserved("the answer without stream=true has no text") from None
    streamed = stream.text
    rate = word_error_rate(whole, streamed, case.value[2])
    assert rate <= SAME_TEXT, (
        f"word error rate {rate:.2f}: the stream reads {shown(streamed, 200)}, without stream=true "
        f"the text is {shown(whole, 200)}"
    )


@requirement(
    "streaming/usage-on-request",
    SHOULD,
    source="vLLM 0.33 stream_include_usage; its test_stream_options",
    profiles=["vllm"],
    killed_by=["stream-without-usage", "stream-total-wrong"],
    draft=["STT-STREAM-012"],
)
@probes(answer=WITH_USAGE)
def test_usage_comes_on_request(answers: Answers) -> None:
    """With stream_include_usage one chunk without choices counts tokens that add up."""
    stream = _spoken(answers.answer, "vllm")
    counting = [
        event.members
        for event in stream.events
        if event.members.get("choices") == [] and "usage" in event.members
    ]
    assert len(counting) == 1, f"{len(counting)} chunks without choices carry usage, not one"
    _assert_usage(counting[0])


@requirement(
    "streaming/usage-always",
    MUST,
    source="Privatemode's server adds both usage options to every stream (PMSRC)",
    profiles=["privatemode"],
    killed_by=["stream-without-usage"],
    draft=["STT-STREAM-013"],
)
@probes(answer=STREAMED)
def test_usage_is_always_there(answers: Answers) -> None:
    """Usage is in the last chunk of every stream, also where the request did not ask for it."""
    chunks = [event for event in _spoken(answers.answer, "vllm").events if event.dialect == "vllm"]
    last = chunks[-1].members
    assert isinstance(last.get("usage"), dict), f"{member(last, 'usage')} in the last chunk"
    _assert_usage(last)


@requirement(
    "streaming/finish-reason",
    SHOULD,
    source="vLLM 0.33: finish_reason at the end of each 30 s of audio",
    profiles=["vllm", "privatemode"],
    killed_by=["stream-without-finish-reason", "stream-finish-length"],
    draft=["STT-STREAM-014"],
)
@cases(Case("speech", value=STREAMED), LONG)
@probes(lambda case, deployment: {"answer": _taken(case.value, deployment)})
def test_the_last_chunk_says_why_it_is_the_last(answers: Answers, case: Case) -> None:
    """The last chunk with a choice has the finish_reason stop: length means that text was cut."""
    chosen = [e.choices[0] for e in _spoken(answers.answer, "vllm").events if e.choices]
    if not chosen:
        raise NotObserved("no chunk has a choice")
    assert chosen[-1].get("finish_reason") == "stop", (
        f"{member(chosen[-1], 'finish_reason')} in the last chunk, not stop"
    )


@requirement(
    "streaming/incremental",
    SHOULD,
    source="OAS stream: sent as it is generated; proxies that collect an answer first",
    killed_by=["stream-buffered", "stream-in-one-piece"],
    draft=["STT-STREAM-015"],
    repeat=3,
)
@probes(lambda deployment: {"answer": _taken(MINUTE, deployment)})
def test_the_text_comes_as_it_is_recognised(answers: Answers, found: Found) -> None:
    """The text of a minute comes in five pieces or more, the first in 80 % of the whole time.

    Time begins with the end of the upload, which only the network is to blame for.
    """
    stream = _stream(answers.answer)
    pieces = stream.pieces
    if not pieces:
        raise NotObserved("the stream holds no text")
    assert len(pieces) >= FEWEST_PIECES, f"the text comes in {len(pieces)} pieces"
    timing = answers.answer.exchange.timing
    begin = min(timing.sent_s or 0.0, pieces[0].at)
    first, last = pieces[0].at - begin, stream.events[-1].at - begin
    if last < TOO_FAST:
        raise NotObserved(f"the whole answer took {last:.3f} s")
    assert first <= LATEST_BEGINNING * last, (
        f"the first text came after {first:.2f} s, the end after {last:.2f} s: the answer is held "
        "back until it is complete, by the server or by something on the way (in nginx: "
        "proxy_buffering off)"
    )
    found(f"first text after {first:.2f} s, the end after {last:.2f} s of {len(pieces)} pieces")


@requirement(
    "streaming/errors-midway",
    MUST,
    source="vLLM 0.33: an error event after status 200; mlx-audio#875",
    killed_by=["stream-ends-early"],
    draft=["STT-STREAM-016"],
)
@cases(
    *(
        Case(clip.replace(".", "-"), clip=clip, effort="full" if ".m4a" in clip else "quick")
        for clip in DAMAGED
    )
)
@probes(
    lambda case: {
        "answer": transcription(case.clip, language="en", stream="true", lane=Lane.HOSTILE),
        "good": STREAMED,
    }
)
def test_a_failure_midway_can_be_seen(
    answers: Answers, case: Case, deployment: Deployment, found: Found
) -> None:
    """Damaged audio is refused, or streamed to the dialect's end, an error or a broken transfer."""
    _need_streaming(answers, deployment)
    exchange = answers.answer.exchange
    if exchange.response is None:
        raise NotObserved("the connection broke before there was an answer")
    head = _head(answers.answer)
    if head.status != 200:
        answers.answer.refused()
        found(f"refused with {head.status}")
        return
    if head.media_type != EVENT_STREAM:
        raise NotObserved("the answer is no event stream")
    stream = stream_of(answers.answer)
    if exchange.error is not None:
        assert exchange.error.kind not in ("timeout", "too-large"), (
            f"the stream has no end: {exchange.error.message}"
        )
        found("the transfer broke off")
        return
    assert stream.terminated or stream.error is not None, (
        f"the stream ends after {len(stream.events)} events as if it were complete, with neither "
        f"the end of its dialect nor an error"
    )
    found("an error event" if stream.error is not None else "streamed to the end")


@requirement(
    "streaming/errors-before",
    MUST,
    source="vLLM 0.33; OAS ErrorResponse; claude-code-skills#257",
    killed_by=["stream-error-as-200", "stream-error-as-text"],
    draft=["STT-STREAM-017"],
)
@probes(answer=NO_AUDIO, good=STREAMED)
def test_what_cannot_be_streamed_is_refused(answers: Answers, deployment: Deployment) -> None:
    """A file that is no audio is refused with a 4xx status and an error in JSON, as without stream.

    In a stream of status 200 an SDK finds the error late, or never.
    """
    _need_streaming(answers, deployment)
    enveloped(answers.answer.refused())


@requirement(
    "streaming/error-events-whole",
    SHOULD,
    source="WHATWG HTML 9.2.6; the Privatemode proxy's errors (PMSRC HTTPError)",
    profiles=["privatemode"],
    killed_by=["stream-error-split"],
    draft=["STT-STREAM-018"],
)
@probes(backend=NO_AUDIO_AS_EVENTS, proxy=NO_MODEL_AS_EVENTS)
def test_an_error_event_is_whole(answers: Answers) -> None:
    """An error in the form of an event stream is one event that holds the error's data."""
    errors = [answer for answer in answers.values() if answer.status >= 400]
    told = [answer for answer in errors if answer.media_type == EVENT_STREAM]
    if not told:
        raise NotObserved("no error is an event stream")
    for answer in told:
        _assert_whole(answer)


def _assert_whole(answer: Answer) -> None:
    stream = stream_of(answer)
    if odd := stream.oddity("event-without-data"):
        raise AssertionError(f"the event {shown(odd.detail)} has no data: a reader drops it")
    errors = [event for event in stream.events if not event.ends]
    assert len(errors) == 1, f"the error is told in {len(errors)} events: {answer.excerpt}"
    assert not errors[0].problem, f"the error is not JSON: {errors[0].problem}; {answer.excerpt}"
    conforms(errors[0].value, "error#envelope")


@requirement(
    "streaming/characters-whole",
    SHOULD,
    source="WHATWG HTML 9.2.6: a stream is decoded as UTF-8",
    killed_by=["stream-characters-split", "stream-characters-replaced"],
    draft=["STT-STREAM-019"],
)
@cases(
    Case("german", value=transcription("german.wav", language="de", stream="true")),
    Case(
        "russian", value=transcription("russian.wav", language="ru", stream="true"), effort="full"
    ),
    Case("chinese", value=CHINESE),
)
@probes(lambda case: {"answer": case.value})
def test_characters_stay_whole(answers: Answers, case: Case) -> None:
    """No character of several bytes is cut between two events."""
    stream = _stream(answers.answer)
    if odd := stream.oddity("invalid-utf8"):
        raise AssertionError(f"a character is cut: {shown(odd.detail)}")
    for event in stream.pieces:
        assert not _CUT.search(event.text), f"a character is cut: {shown(event.text)}"
    if stream.text.isascii():
        raise NotObserved("the text has no letter outside ASCII")


_CUT = re.compile("[\N{REPLACEMENT CHARACTER}\ud800-\udfff]")
"""What stands where bytes were cut from a character, or half of one in UTF-16."""


def _need_streaming(answers: Answers, deployment: Deployment) -> None:
    """Have nothing to judge unless streaming is claimed, or seen where the audio is ``good``."""
    if _is_claimed(deployment):
        return
    good = answers.good
    if good.exchange.response is None or _head(good).media_type != EVENT_STREAM:
        raise NotObserved("streaming is not claimed, and good audio is not streamed")


def _head(answer: Answer) -> Answer:
    """Return an answer as far as it came."""
    return Answer(replace(answer.exchange, error=None), answer.clip)


def _stream(answer: Answer) -> EventStream:
    """Return the event stream of an answer; without one there is nothing to judge."""
    if answer.status != 200:
        raise NotObserved(f"there is no stream: {answer.excerpt}")
    if answer.media_type != EVENT_STREAM:
        raise NotObserved("the answer is no event stream")
    stream = stream_of(answer)
    if not stream.events:
        raise NotObserved("the stream holds no event")
    return stream


def _spoken(answer: Answer, dialect: str) -> EventStream:
    """Return the event stream of an answer if it is in ``dialect``."""
    stream = _stream(answer)
    if stream.dialect != dialect:
        raise NotObserved(f"the stream is in the {stream.dialect} dialect")
    return stream


def _assert_dialect(stream: EventStream, dialect: str) -> None:
    assert stream.dialect == dialect, (
        f"the stream is in the {stream.dialect} dialect: {_told(stream.events[0])}"
    )


def _judged(stream: EventStream) -> list[tuple[int, StreamEvent]]:
    """Return the events that hold JSON, with their places from 1: the rest is judged elsewhere."""
    events = [(n, e) for n, e in enumerate(stream.events, 1) if not (e.ends or e.problem)]
    for place, event in events:
        assert not event.fails, f"event {place} reports an error: {_told(event)}"
    return events


def _told(event: StreamEvent) -> str:
    """Return an event's data for a message: its JSON as it is, other text as a JSON string."""
    return shown(event.data if event.value is None else event.value, 120)


def _done(stream: EventStream) -> StreamEvent:
    if stream.done is None:
        raise NotObserved(f"there is no {DONE} event")
    return stream.done


def _assert_usage(chunk: dict[str, object]) -> None:
    """Assert that a chunk of vLLM's counts tokens, and that they add up."""
    conforms(chunk["usage"], "stream#chunkUsage")
    usage = chunk["usage"]
    assert isinstance(usage, dict)
    _assert_total(usage["total_tokens"], usage["prompt_tokens"], usage["completion_tokens"])


def _assert_total(total: int, *parts: int) -> None:
    assert total == sum(parts), f"total_tokens is {total}, its parts add up to {sum(parts)}"
