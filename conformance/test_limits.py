"""Limits: how large, how long and how short a file may be, and what happens beyond.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from soundcheck.contract import (
    MUST,
    SHOULD,
    Answer,
    Answers,
    Budget,
    Case,
    Deployment,
    Lane,
    NotObserved,
    Probe,
    Untestable,
    Wire,
    cases,
    enveloped,
    normalised,
    probes,
    requirement,
    search,
    shown,
    transcription,
    word_error_rate,
)
from soundcheck.contract.limit_search import (
    MOST_QUESTIONS,
    Contradiction,
    NothingAccepted,
    Overhead,
    Shape,
    find_limit,
)
from soundcheck.http.multipart import Field, File, head_bytes

FAR_BEYOND = 60_000_000
ANNOUNCED = 32_000_000
"""Bytes of the file that is only announced: nothing is sent where it is refused at once."""

IN_TIME = 60.0
"""Seconds after the upload in which an over-large file must be refused."""

OTHERS = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "webm")
PARTS = 5


def sized(
    size: int, extension: str = "wav", mistake: str = "", wire: Wire = Wire.ORDINARY
) -> Probe:
    """Return the upload of a valid file of ``size`` bytes that holds ten seconds of speech.

    Its filler stands before the sound where the format allows: what cuts it cuts the speech.
    """
    return transcription(
        f"sized-{size}.{extension}",
        filename=f"speech.{extension}",
        lane=Lane.EXCLUSIVE,
        wire=wire,
        mistake=mistake,
        language="en",
    )


MEETING = transcription(
    "meeting.wav",
    language="en",
    lane=Lane.EXCLUSIVE,
    mistake="a WAV file of 27 MB",
)
"""A recording that is over 25 MB as WAV for its sound, which goes on to its end."""

SIZE = re.compile(r"\b25|\bsize|\blarge|\blimit|\bbig|\bbytes", re.IGNORECASE)
"""What names the size of a file as the reason of a refusal."""


def _accepted(deployment: Deployment) -> Probe:
    return sized(deployment.profile.limits.accepted)


def _over(deployment: Deployment) -> Probe:
    size = deployment.profile.limits.refused or FAR_BEYOND
    return sized(size, mistake=f"a file of {size:,} bytes")


def _far_over(deployment: Deployment) -> Probe:
    size = max(FAR_BEYOND, 2 * (deployment.profile.limits.refused or 0))
    return sized(size, mistake=f"a file of {size:,} bytes")


def _where_claimed(
    **probes_of: Callable[[Deployment], Probe],
) -> Callable[[Deployment], dict[str, Probe]]:
    """Return the probes by name, none where the profile claims no limit: nothing is to be asked."""

    def chosen(deployment: Deployment) -> dict[str, Probe]:
        if deployment.profile.limits.refused is None:
            return {}
        return {name: probe_of(deployment) for name, probe_of in probes_of.items()}

    return chosen


def _claims_a_limit(deployment: Deployment) -> int:
    refused = deployment.profile.limits.refused
    if refused is None:
        raise NotObserved("the profile claims no limit on size")
    return refused


def _refusal(deployment: Deployment, answer: Answer) -> Answer:
    """Return the answer to an over-large file, which must be a refusal."""
    _claims_a_limit(deployment)
    assert answer.status != 200, (
        f"a file of {answer.spoken.size:,} bytes is accepted (200); a profile for a deployment "
        'without a limit says refused_bytes = "none"'
    )
    return answer.refused()


def _speech(clip: str, deployment: Deployment, mistake: str = "") -> Probe:
    """Return the upload of long speech; the diarizing models must be told how to cut it."""
    probe = transcription(clip, mistake=mistake, language="en")
    if "diarization" not in deployment.profile.claims(deployment.model):
        return probe
    return replace(probe, parts=(Field("chunking_strategy", "auto"), *probe.parts))


@requirement(
    "limits/documented-size",
    MUST,
    source="Privatemode speech-to-text page 1.30: 25 MB; help.openai.com 7031512",
    killed_by=["limit-20mb"],
    draft=["STT-LIMIT-001"],
)
@probes(lambda deployment: {"answer": _accepted(deployment)})
def test_the_documented_size_is_accepted(answers: Answers) -> None:
    """A valid WAV file of the documented size, 25,000,000 bytes, is transcribed."""
    _transcribed(answers.answer)


@requirement(
    "limits/documented-size-in-every-format",
    MUST,
    source="Privatemode speech-to-text page 1.30: 25 MB for all nine formats",
    effort="full",
    killed_by=["limit-20mb"],
    draft=["STT-LIMIT-001"],
)
@cases(*(Case(extension) for extension in OTHERS))
@probes(
    lambda case, deployment: {
        "answer": sized(deployment.profile.limits.accepted, extension=case.id)
    }
)
def test_the_documented_size_is_accepted_in_every_format(answers: Answers, case: Case) -> None:
    """A file of the documented size is transcribed in each of the other documented formats."""
    _transcribed(answers.answer)


@requirement(
    "limits/exact-limit",
    MUST,
    source="vLLM's test_upload_size_limit: 25 x 2^20 bytes pass",
    profiles=["vllm"],
    killed_by=["limit-25-million", "limit-one-less"],
    draft=["STT-LIMIT-002"],
)
@probes(_where_claimed(answer=lambda deployment: sized(_claims_a_limit(deployment) - 1)))
def test_a_file_of_exactly_the_limit_is_accepted(answers: Answers, deployment: Deployment) -> None:
    """A file of exactly the limit, 26,214,400 bytes, is transcribed: the file alone is counted."""
    _claims_a_limit(deployment)
    _transcribed(answers.answer)


@requirement(
    "limits/over-refused",
    MUST,
    source="vLLM's test_upload_size_limit; Privatemode page 1.30; buzz#381",
    killed_by=[
        "limit-none",
        "oversize-cut",
        "oversize-500",
        "oversize-reset",
        "oversize-hangs",
        "oversize-dies",
    ],
    draft=["STT-LIMIT-003"],
)
@probes(_where_claimed(over=_over, twin=_accepted))
def test_a_file_over_the_limit_is_refused(answers: Answers, deployment: Deployment) -> None:
    """A file one byte above the limit is refused within a minute, a smaller one accepted."""
    _claims_a_limit(deployment)
    timing = _refusal(deployment, answers.over).exchange.timing
    if timing.sent_s is not None:  # else the answer came before the end of the upload
        waited = timing.done_s - timing.sent_s
        assert waited <= IN_TIME, f"the refusal came {waited:.0f} s after the upload"
    twin = answers.twin.exchange.response
    size = answers.twin.spoken.size
    assert twin is not None, f"a file of {size:,} bytes is not accepted either"
    assert twin.status == 200, f"a file of {size:,} bytes is refused too: it may not be the size"


@requirement(
    "limits/nothing-cut-off",
    MUST,
    source="Privatemode page 1.30: files up to 25 MB are transcribed, not parts of them",
    killed_by=["oversize-cut"],
    draft=["STT-LIMIT-003"],
)
@probes(answer=MEETING)
def test_nothing_is_cut_off(answers: Answers) -> None:
    """A large file that is answered with 200 is transcribed to its last sentence."""
    if not _is_transcribed(answers.answer):
        raise NotObserved("the file is not transcribed at all")
    spoken = normalised(answers.answer.spoken.transcript).split()
    last = [word for word in spoken[-5:] if spoken.count(word) == 1]
    heard = normalised(answers.answer.text).split()
    assert any(word in heard for word in last), (
        f"the last words ({' '.join(last)}) are missing, so the file was cut: "
        f"{shown(answers.answer.text[-200:], 220)}"
    )


@requirement(
    "limits/over-in-envelope",
    MUST,
    source="OAS ErrorResponse; Chenyme-AAVT#30: a gateway's web page in its place",
    killed_by=["oversize-html"],
    draft=["STT-ERROR-001"],
)
@cases("just-over", "far-over")
@probes(
    lambda case, deployment: _where_claimed(over=_over if case.id == "just-over" else _far_over)(
        deployment
    )
)
def test_the_refusal_is_an_error_in_json(
    answers: Answers, case: Case, deployment: Deployment
) -> None:
    """The refusal of an over-large file is JSON in the envelope, from whatever stands in front."""
    _claims_a_limit(deployment)
    if answers.over.status < 400:
        raise NotObserved("the file is not refused")
    kind = answers.over.media_type
    assert kind == "application/json", (
        f"the media type is {kind or 'missing'}: {answers.over.excerpt}"
    )
    enveloped(answers.over)


@requirement(
    "limits/over-explained",
    SHOULD,
    source="buzz#381; RFC 9110, section 15.5.14",
    profiles=["openai", "privatemode"],
    killed_by=["oversize-unexplained", "oversize-400", "oversize-billed"],
    draft=["STT-LIMIT-004"],
)
@probes(_where_claimed(over=_over))
def test_the_refusal_explains_itself(answers: Answers, deployment: Deployment) -> None:
    """The refusal of an over-large file is 413, names the size in its words, and is not billed."""
    _claims_a_limit(deployment)
    over = answers.over
    if over.status < 400 or over.media_type != "application/json":
        raise NotObserved("the file is not refused by an error in JSON")
    body = over.object()
    error = body.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    assert isinstance(message, str), f"the error has no message: {over.excerpt}"
    assert SIZE.search(message), f"the message does not name the size: {shown(message)}"
    usage = body.get("usage")
    counted = [
        value
        for value in (usage.values() if isinstance(usage, dict) else ())
        if isinstance(value, int | float) and value > 0
    ]
    assert not counted, f"the refusal is billed: {shown(usage)}"
    assert over.status == 413, f"the status is {over.status}, not 413"


@requirement(
    "limits/over-answered",
    MUST,
    source="SubtitleEdit#11147: clients saw a broken connection in the place of the reason",
    killed_by=["oversize-reset", "oversize-hangs"],
    draft=["STT-LIMIT-005"],
)
@cases("just-over", "far-over")
@probes(
    lambda case, deployment: {
        "over": _over(deployment) if case.id == "just-over" else _far_over(deployment)
    }
)
def test_an_over_large_upload_is_answered(answers: Answers, case: Case) -> None:
    """An over-large file gets a complete HTTP answer, never a dropped connection.

    Where no limit is claimed, it is the largest file that is asked about.
    """
    exchange = answers.over.exchange
    sent = exchange.request.sent_bytes
    so_far = "" if sent is None else f" after {sent:,} of {exchange.request.body_bytes:,} bytes"
    assert exchange.error is None, (
        f"no complete answer ({exchange.error.kind}{so_far}): {exchange.error.message}"
    )


@requirement(
    "limits/over-read-on",
    SHOULD,
    source="RFC 9112, section 9.6: read on, else the answer is lost; SubtitleEdit#11147",
    killed_by=["oversize-unread"],
)
@probes(_where_claimed(over=_far_over))
def test_the_connection_stays_for_the_answer(answers: Answers, deployment: Deployment) -> None:
    """Who refuses an upload early reads on, for clients that write all before they read."""
    _claims_a_limit(deployment)
    if answers.over.status < 400:
        raise NotObserved("the file is not refused")
    request = answers.over.exchange.request
    if request.sent_bytes is None:
        raise NotObserved("what was sent is not known")
    assert request.sent_bytes >= request.body_bytes, (
        f"the connection broke after {request.sent_bytes:,} of {request.body_bytes:,} bytes: the "
        f"answer ({answers.over.status}) was still read here, many clients only see the break"
    )


@requirement(
    "limits/near-limit-stable",
    SHOULD,
    source="help.openai.com 7031512 counts the request, vLLM the file",
    killed_by=["near-limit-500"],
    draft=["STT-LIMIT-006"],
)
@probes(_where_claimed(answer=lambda deployment: sized(_claims_a_limit(deployment) - 101)))
def test_just_below_the_limit_is_stable(
    answers: Answers, deployment: Deployment, found: Callable[[str], None]
) -> None:
    """A file 100 bytes below the limit, whose request exceeds it, gets 200 or a 4xx error."""
    _claims_a_limit(deployment)
    status = answers.answer.status
    counts = (
        "the limit does not count the request"
        if status == 200
        else "the limit counts more than the file"
    )
    assert status < 500, f"expected 200 or a 4xx refusal, got {answers.answer.excerpt}"
    found(f"a file of {answers.answer.spoken.size:,} bytes is answered {status}: {counts}")


def _announced(deployment: Deployment) -> Probe:
    size = max(ANNOUNCED, deployment.profile.limits.refused or 0)
    return sized(size, mistake=f"an announced file of {size:,} bytes", wire=Wire.EXPECT)


@requirement(
    "limits/refused-early",
    MUST,
    source="RFC 9110, sections 10.1.1 and 15.5.14",
    killed_by=["oversize-500", "oversize-reset", "expect-refused"],
    draft=["STT-LIMIT-007"],
)
@probes(
    _where_claimed(
        over=_announced,
        twin=lambda _: transcription("hello.wav", wire=Wire.EXPECT, language="en"),
    )
)
def test_an_announced_size_is_refused(
    answers: Answers, deployment: Deployment, found: Callable[[str], None]
) -> None:
    """A size announced with Expect: 100-continue is refused with a 4xx, a small one is not."""
    _refusal(deployment, answers.over)
    assert answers.twin.status == 200, (
        f"a small file that is announced in the same way is refused too: {answers.twin.excerpt}"
    )
    request = answers.over.exchange.request
    if request.sent_bytes == 0:
        found("an over-large file is refused before it is sent")
    elif (request.sent_bytes or 0) < request.body_bytes:
        found(f"an over-large file is refused after {request.sent_bytes:,} bytes")
    else:
        found("an over-large file is refused only after it was sent whole")


@requirement(
    "limits/compress-works",
    MUST,
    source="Privatemode page 1.30: compress larger files",
    killed_by=["limit-on-decoded-audio"],
)
@probes(lambda deployment: {"compressed": _speech("meeting.flac", deployment), "wave": MEETING})
def test_compression_makes_a_file_fit(answers: Answers) -> None:
    """Audio that is refused as WAV for its size is transcribed when compressed to FLAC."""
    wave = answers.wave
    if wave.exchange.error is not None or wave.status < 400:
        raise NotObserved("the WAV file is not refused")
    if wave.status != 413 and not SIZE.search(wave.body.decode("utf-8", "replace")):
        raise NotObserved(f"the WAV file is refused, but not for its size: {wave.excerpt}")
    _transcribed(answers.compressed)


@requirement(
    "limits/split-works",
    SHOULD,
    source="Privatemode page 1.30: split larger files",
    effort="full",
    killed_by=["loses-last-segment"],
)
@probes(
    lambda: {
        f"part_{number}": transcription(f"meeting-part-{number}.wav", language="en")
        for number in range(1, PARTS + 1)
    }
)
def test_splitting_makes_a_file_fit(answers: Answers) -> None:
    """The parts of a file that is too large, sent one by one, join to what is said in it."""
    joined = " ".join(answer.text for answer in answers.values())
    spoken = " ".join(answer.spoken.transcript for answer in answers.values())
    rate = word_error_rate(spoken, joined)
    assert rate <= 0.15, f"word error rate {rate:.2f}: {shown(joined, 300)}"


@requirement(
    "limits/long-audio",
    SHOULD,
    source="vLLM 0.33 takes 600 s of audio; help.openai.com 7031512 limits bytes alone",
    effort="full",
    killed_by=["hears-30s", "refuses-after-300s"],
    draft=["STT-LIMIT-008"],
)
@probes(lambda deployment: {"answer": _speech("speech-590s.ogg", deployment)})
def test_long_audio_is_transcribed(answers: Answers) -> None:
    """Speech of 9 min 50 s in a small file is transcribed whole."""
    _whole(answers.answer)


@requirement(
    "limits/too-long-audio",
    SHOULD,
    source="vLLM 0.33: 600 s; OpenAI: 1400 or 1500 s by model (speakr#168)",
    effort="full",
    killed_by=["too-long-cut", "too-long-unexplained"],
    draft=["STT-LIMIT-009"],
)
@probes(
    lambda deployment: {
        "answer": _speech(
            "speech-1530s.flac"
            if deployment.profile.requirements == "openai"
            else "speech-660s.flac",
            deployment,
            mistake="audio longer than models take",
        )
    }
)
def test_too_long_audio_is_refused_clearly(answers: Answers) -> None:
    """Audio that is longer than the models take is transcribed whole, or refused for its length."""
    answer = answers.answer
    if answer.status == 200:
        _whole(answer)
        return
    message = answer.refused().decoded()
    assert re.search(r"duration|long|second|minute|length", message, re.IGNORECASE), (
        f"the refusal does not name the duration: {answer.excerpt}"
    )


@requirement(
    "limits/too-short-audio",
    MUST,
    source="openai usdk#637: audio_too_short below 0.1 s",
    killed_by=["short-500", "short-invents"],
    draft=["STT-LIMIT-010"],
)
@cases(
    Case("no-samples", clip="header-only.wav"),
    Case("one-sample", clip="one-sample.wav"),
    Case("50-ms", clip="speech-50ms.wav"),
)
@probes(lambda case: {"answer": transcription(case.clip, language="en")})
def test_too_short_audio_is_handled(answers: Answers, case: Case) -> None:
    """Audio of no, one or very few samples gives a short text or a 4xx error."""
    if answers.answer.status != 200:
        answers.answer.refused()
        return
    words = normalised(answers.answer.text).split()
    assert len(words) <= 10, f"{len(words)} words in almost no audio: {answers.answer.excerpt}"


@requirement(
    "limits/one-boundary",
    SHOULD,
    source="vLLM counts the file, OpenAI the request (help.openai.com 7031512, buzz#381)",
    effort="full",
    killed_by=["limit-20mb", "limit-none", "limit-erratic"],
)
@search(
    lambda deployment: Budget(
        requests=MOST_QUESTIONS,
        audio_s=MOST_QUESTIONS * 10.0,
        upload_bytes=MOST_QUESTIONS * _largest(deployment) // 2,
    )
)
@probes(lambda deployment: {"accepted": _accepted(deployment)})
def test_there_is_one_boundary(
    answers: Answers,
    deployment: Deployment,
    ask: Callable[[Probe], Answer],
    found: Callable[[str], None],
) -> None:
    """There is one limit on size, found to the byte, and it lies within what is claimed."""
    claimed = deployment.profile.limits
    usual = _accepted(deployment)
    overhead = Overhead(
        part=head_bytes(usual.parts[-1]),
        request=answers.accepted.exchange.request.body_bytes - answers.accepted.spoken.size,
    )

    def accepts(size: int, shape: Shape) -> bool:
        answer = ask(_shaped(size, shape))
        if _is_transcribed(answer):
            return True
        # Only a refusal tells of a limit: what breaks or fails may do so for another reason.
        broken = answer.exchange.error
        if broken is not None or answer.status >= 500:
            told = answer.excerpt if broken is None else f"not answered ({broken.kind})"
            raise Untestable(f"a file of {size:,} bytes is {told}: no limit can be told from that")
        return False

    try:
        limit = find_limit(
            accepts, overhead, (claimed.accepted, claimed.refused), _largest(deployment)
        )
    except NothingAccepted:
        raise AssertionError("no file is accepted, not even a small one") from None
    except Contradiction as error:
        raise AssertionError(str(error)) from None
    if limit.limit is None:
        found(f"no limit was found: a file of {limit.file_bytes:,} bytes is accepted")
        assert claimed.refused is None, (
            f"a limit of {claimed.refused - 1:,} bytes is claimed, but {limit.file_bytes:,} bytes "
            "are accepted"
        )
        return
    counts = {
        "file": "it counts the file alone",
        "part": "it counts the file's part of the form, with its headers",
        "request": "it counts the content of the request",
    }[str(limit.counted)]
    found(f"the limit is {limit.limit:,} bytes; {counts}")
    assert limit.file_bytes >= claimed.accepted, (
        f"files up to {limit.file_bytes:,} bytes are accepted, {claimed.accepted:,} are claimed"
    )
    assert claimed.refused is None or limit.file_bytes < claimed.refused, (
        f"files up to {limit.file_bytes:,} bytes are accepted, a limit is claimed"
    )


def _largest(deployment: Deployment) -> int:
    """Return up to which size a limit is looked for: not below what is claimed."""
    claimed = deployment.profile.limits
    return max(FAR_BEYOND, claimed.refused or claimed.accepted)


def _shaped(size: int, shape: Shape) -> Probe:
    """Return the usual upload of ``size`` bytes, or one with more beside the same file."""
    usual = sized(size)
    if shape is Shape.MORE_TEXT:
        return replace(usual, parts=(Field("prompt", "A talk. " * 64), *usual.parts))
    if shape is Shape.LONGER_NAME:
        fields = usual.parts[:-1]
        longer = File("file", usual.clips[0], f"{'speech-' * 32}.wav", "audio/wav")
        return replace(usual, parts=(*fields, longer))
    return usual


def _is_transcribed(answer: Answer) -> bool:
    """Tell whether the file was taken: a 200 with an error in it refuses it as well."""
    if answer.exchange.error is not None or answer.status != 200:
        return False
    try:
        return bool(answer.text.strip())
    except AssertionError:
        return False


def _transcribed(answer: Answer) -> None:
    assert answer.text.strip(), "the text is empty although the audio holds speech"


def _whole(answer: Answer) -> None:
    """Assert that the transcript covers the whole clip."""
    rate = word_error_rate(answer.spoken.transcript, answer.text)
    assert rate <= 0.30, f"word error rate {rate:.2f}: the text ends {shown(answer.text[-100:])}"
