"""Schema: the bodies of successful answers.

Each rule is judged on raw JSON: the official SDK does not validate, so a string in the place of a
number reaches its callers as it is.

PYTEST_DONT_REWRITE: every assertion brings its own sentence, and pytest's own comparison of two
long texts takes minutes.
"""

import math
import re
from itertools import pairwise
from string import ascii_uppercase
from typing import Any

from soundcheck.contract import (
    MAY,
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    NotObserved,
    cases,
    conforms,
    member,
    probes,
    requirement,
    shown,
    transcription,
)
from soundcheck.contract.answer import number, times
from soundcheck.contract.wording import letter_error_rate

PLAIN = transcription("sentence.wav", language="en")
TEN_SECONDS = transcription("speech-10s.wav", language="en")
VERBOSE = transcription("speech-10s.wav", language="en", response_format="verbose_json")
VERBOSE_MINUTE = transcription("speech-60s.wav", language="en", response_format="verbose_json")
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

KNOWN_MEMBERS = {"text", "usage", "logprobs", "languages"}
OVERLAP_TOLERANCE = 0.5
END_TOLERANCE = 0.5
LONGEST_TEXT = 20_000
"""Letters that no ten seconds of speech fill."""


@requirement(
    "schema/json-text",
    MUST,
    source="OAS CreateTranscriptionResponseJson",
    killed_by=["text-missing", "text-not-string", "json-not-object", "json-mislabelled"],
    draft=["STT-SCHEMA-001"],
)
@probes(answer=PLAIN)
def test_json_answer_has_a_string_text(answers: Answers) -> None:
    """A successful json answer is a JSON object with a string text, typed application/json."""
    answer = answers.answer.ok()
    assert answer.media_type == "application/json", (
        f"the media type is {answer.media_type or 'missing'}, not application/json"
    )
    conforms(answer.object(), "transcription#json")


@requirement(
    "schema/strict-json",
    MUST,
    source="RFC 8259; OAS CreateTranscriptionResponseJson; whisperx-api-server#36",
    killed_by=["nan-literal", "duplicate-keys", "invalid-utf8", "trailing-comma"],
    draft=["STT-SCHEMA-002"],
)
@cases(
    Case("speech", value=PLAIN),
    Case("speech-verbose", value=VERBOSE),
    Case("silence", value=transcription("silence.wav", language="en")),
    Case(
        "silence-verbose",
        value=transcription("silence.wav", language="en", response_format="verbose_json"),
        effort="full",
    ),
)
@probes(lambda case: {"answer": case.value})
def test_json_is_strict(answers: Answers, case: Case) -> None:
    """JSON bodies are UTF-8 without NaN, Infinity or a member given twice."""
    if "verbose" in case.id and answers.answer.status != 200:
        raise NotObserved("verbose_json is refused")
    answers.answer.ok().json()


@requirement(
    "schema/json-by-default",
    MUST,
    source="OAS CreateTranscriptionRequest.response_format, default json",
    killed_by=["verbose-by-default", "text-by-default"],
    draft=["STT-SCHEMA-003"],
)
@probes(
    default=PLAIN,
    explicit=transcription("sentence.wav", language="en", response_format="json"),
)
def test_json_is_the_default_format(answers: Answers) -> None:
    """Without response_format the answer has the same members as with response_format=json."""
    default, explicit = answers.default.ok().object(), answers.explicit.ok().object()
    assert set(default) == set(explicit), (
        f"without response_format the members are {shown(sorted(default))}, "
        f"with response_format=json {shown(sorted(explicit))}"
    )


@requirement(
    "schema/usage-present",
    SHOULD,
    source="OAS CreateTranscriptionResponseJson.usage; vLLM always sends it",
    killed_by=["no-usage", "usage-null"],
    draft=["STT-SCHEMA-004"],
)
@probes(answer=PLAIN)
def test_json_carries_usage(answers: Answers) -> None:
    """A json answer carries a usage object."""
    body = answers.answer.ok().object()
    assert isinstance(body.get("usage"), dict), f"{member(body, 'usage')}, not an object"


@requirement(
    "schema/usage-type",
    SHOULD,
    source="OAS CreateTranscriptionResponseJson.usage, discriminated by type",
    killed_by=["usage-without-type"],
    draft=["STT-SCHEMA-005", "STT-SCHEMA-006"],
)
@probes(answer=PLAIN)
def test_usage_names_its_type(answers: Answers) -> None:
    """Usage names its type, duration or tokens."""
    usage = answers.answer.ok().object().get("usage")
    if not isinstance(usage, dict):
        raise NotObserved("the answer has no usage")
    assert usage.get("type") in ("duration", "tokens"), (
        f"{member(usage, 'type')}, neither duration nor tokens"
    )


@requirement(
    "schema/duration-usage",
    MUST,
    source="OAS TranscriptTextUsageDuration",
    killed_by=["usage-seconds-string", "usage-seconds-missing", "usage-seconds-negative"],
    draft=["STT-SCHEMA-005"],
)
@probes(answer=PLAIN)
def test_duration_usage_is_well_formed(answers: Answers) -> None:
    """Usage of type duration counts seconds as a JSON number of at least 0."""
    conforms(_usage(answers.answer, "duration"), "transcription#durationUsage")


@requirement(
    "schema/token-usage",
    MUST,
    source="OAS TranscriptTextUsageTokens",
    profiles=["openai"],
    needs=["token_usage"],
    killed_by=["token-total-wrong", "token-counts-strings", "token-details-wrong"],
    draft=["STT-SCHEMA-006"],
)
@probes(answer=PLAIN)
def test_token_usage_is_well_formed(answers: Answers) -> None:
    """Usage of type tokens has three integer counts, and both total and details add up."""
    usage = _usage(answers.answer, "tokens")
    conforms(usage, "transcription#tokenUsage")
    parts, total = usage["input_tokens"] + usage["output_tokens"], usage["total_tokens"]
    assert total == parts, f"total_tokens is {total}, input and output add up to {parts}"
    details = usage.get("input_token_details") or {}
    if "text_tokens" in details and "audio_tokens" in details:
        inputs = details["text_tokens"] + details["audio_tokens"]
        assert inputs == usage["input_tokens"], (
            f"input_tokens is {usage['input_tokens']}, its details add up to {inputs}"
        )


@requirement(
    "schema/usage-seconds-true",
    SHOULD,
    source="OAS examples; vLLM rounds the duration up",
    killed_by=["usage-seconds-wrong"],
    draft=["STT-SCHEMA-007"],
)
@probes(answer=TEN_SECONDS)
def test_usage_seconds_match_the_audio(answers: Answers) -> None:
    """Usage counts the seconds of the audio: at most 0.5 s less, or rounded up one second more."""
    usage = _usage(answers.answer, "duration")
    seconds, true = number(usage, "seconds"), answers.answer.spoken.duration
    assert true - 0.5 <= seconds <= math.ceil(true) + 1, (
        f"usage counts {seconds:g} s of {true:g} s of audio"
    )


@requirement(
    "schema/verbose-members",
    MUST,
    source="OAS CreateTranscriptionResponseVerboseJson",
    needs=["verbose_json"],
    killed_by=["verbose-language-missing", "verbose-duration-missing", "verbose-text-missing"],
    draft=["STT-SCHEMA-008"],
)
@probes(answer=VERBOSE)
def test_verbose_json_has_its_members(answers: Answers) -> None:
    """A verbose_json answer has a string language, a duration and a string text."""
    conforms(answers.answer.ok().object(), "transcription#verbose")


@requirement(
    "schema/verbose-duration-number",
    MUST,
    source="OAS CreateTranscriptionResponseVerboseJson.duration; vllm#49068",
    needs=["verbose_json"],
    killed_by=["verbose-duration-string"],
    draft=["STT-SCHEMA-009"],
)
@probes(answer=VERBOSE)
def test_verbose_duration_is_a_number(answers: Answers) -> None:
    """The duration of a verbose_json answer is a JSON number, not quoted text."""
    number(answers.answer.ok().object(), "duration")


@requirement(
    "schema/verbose-duration-true",
    SHOULD,
    source="OAS CreateTranscriptionResponseVerboseJson.duration",
    needs=["verbose_json"],
    killed_by=["verbose-duration-wrong"],
    draft=["STT-SCHEMA-010"],
)
@probes(answer=VERBOSE)
def test_verbose_duration_matches_the_audio(answers: Answers) -> None:
    """The duration of a verbose_json answer is the audio's own within 0.1 s or 1 %."""
    stated, true = _duration(answers.answer), answers.answer.spoken.duration
    assert abs(stated - true) <= max(0.1, 0.01 * true), (
        f"the duration is given as {stated:g} s, the audio has {true:g} s"
    )


@requirement(
    "schema/verbose-task",
    SHOULD,
    source="OAS examples of verbose_json (not in its schema)",
    profiles=["openai"],
    needs=["verbose_json"],
    killed_by=["no-task", "wrong-task"],
    draft=["STT-SCHEMA-011"],
)
@probes(answer=VERBOSE)
def test_verbose_json_names_its_task(answers: Answers) -> None:
    """A verbose_json answer names its task, transcribe."""
    body = answers.answer.ok().object()
    assert body.get("task") == "transcribe", f"{member(body, 'task')}, not transcribe"


@requirement(
    "schema/segments-by-default",
    SHOULD,
    source="OAS timestamp_granularities[], default segment",
    needs=["verbose_json", "segments"],
    killed_by=["no-segments", "empty-segments"],
    draft=["STT-SCHEMA-012"],
)
@probes(answer=VERBOSE)
def test_verbose_json_has_segments_by_default(answers: Answers) -> None:
    """Without a granularity, verbose_json has a non-empty array of segments for audible speech."""
    body = answers.answer.ok().object()
    assert isinstance(body.get("segments"), list), f"{member(body, 'segments')}, not an array"
    assert body["segments"], "segments is empty although the audio holds speech"


@requirement(
    "schema/segment-members",
    MUST,
    source="OAS TranscriptionSegment; SDK types/audio/transcription_segment.py",
    profiles=["openai"],
    needs=["verbose_json", "segment_statistics"],
    killed_by=[
        "segment-member-missing",
        "segment-member-wrong-type",
        "segment-id-string",
        "segment-statistics-null",
    ],
    draft=["STT-SCHEMA-013"],
)
@probes(answer=VERBOSE)
def test_segments_have_their_ten_members(answers: Answers) -> None:
    """Every segment has its ten members, each of its documented type."""
    for segment in answers.answer.objects("segments"):
        conforms(segment, "transcription#segment")


@requirement(
    "schema/segment-members-or-null",
    SHOULD,
    source="vLLM 0.12 and 0.33 protocol of verbose_json",
    profiles=["vllm", "privatemode"],
    needs=["verbose_json", "segments"],
    killed_by=["segment-member-missing", "segment-member-wrong-type", "segment-id-string"],
    draft=["STT-SCHEMA-014"],
)
@probes(answer=VERBOSE)
def test_segments_have_their_members_or_null(answers: Answers) -> None:
    """Every segment has its ten members; the three statistics may be null."""
    for segment in answers.answer.objects("segments"):
        conforms(segment, "transcription#segmentWithGaps")


@requirement(
    "schema/segment-times-valid",
    MUST,
    source="OAS TranscriptionSegment.start and .end; CrisperWhisper#41",
    needs=["verbose_json", "segments"],
    killed_by=["segment-end-before-start", "segments-unordered"],
    draft=["STT-SCHEMA-015"],
)
@probes(answer=VERBOSE)
def test_segment_times_are_valid(answers: Answers) -> None:
    """No segment starts before 0, ends before it starts or starts before the one before it."""
    spans = times(answers.answer.objects("segments"), "segment")
    for index, (start, end) in enumerate(spans):
        assert 0 <= start <= end, f"segment {index} runs from {start:g} s to {end:g} s"
    for (start, _), (following, _) in pairwise(spans):
        assert following >= start, f"a segment at {following:g} s comes after one at {start:g} s"


@requirement(
    "schema/segments-apart",
    SHOULD,
    source="OAS TranscriptionSegment; vexa#617",
    needs=["verbose_json", "segments"],
    killed_by=["segments-overlap"],
    draft=["STT-SCHEMA-015"],
)
@probes(answer=VERBOSE)
def test_segments_do_not_overlap(answers: Answers) -> None:
    """No segment starts over 0.5 s before the one before it ends."""
    spans = times(answers.answer.objects("segments"), "segment")
    if len(spans) < 2:
        raise NotObserved("there is one segment only")
    for (_, end), (following, _) in pairwise(spans):
        assert following >= end - OVERLAP_TOLERANCE, (
            f"a segment starts at {following:g} s, the one before it ends at {end:g} s"
        )


@requirement(
    "schema/segments-inside-audio",
    SHOULD,
    source="OAS TranscriptionSegment.end; whisper-asr-webservice#237",
    needs=["verbose_json", "segments"],
    killed_by=["segment-past-end"],
    draft=["STT-SCHEMA-016"],
)
@probes(answer=VERBOSE)
def test_segments_stay_inside_the_audio(answers: Answers) -> None:
    """No segment ends more than 0.5 s after the audio."""
    true = answers.answer.spoken.duration
    last = max(end for _, end in times(answers.answer.objects("segments"), "segment"))
    assert last <= true + END_TOLERANCE, f"a segment ends at {last:g} s of {true:g} s of audio"


@requirement(
    "schema/segment-ids-increase",
    SHOULD,
    source="OAS TranscriptionSegment.id, unique identifier",
    needs=["verbose_json", "segments"],
    killed_by=["segment-ids-restart", "segment-ids-constant"],
    draft=["STT-SCHEMA-017"],
)
@probes(answer=VERBOSE_MINUTE)
def test_segment_ids_increase(answers: Answers) -> None:
    """Segment ids are distinct and ascend, beyond the first 30 seconds too."""
    ids = [number(segment, "id") for segment in answers.answer.objects("segments")]
    assert all(a < b for a, b in pairwise(ids)), f"the segment ids do not ascend: {shown(ids)}"


@requirement(
    "schema/segment-statistics-in-range",
    MUST,
    source="OAS TranscriptionSegment",
    needs=["verbose_json", "segments"],
    killed_by=[
        "avg-logprob-positive",
        "no-speech-prob-above-one",
        "compression-ratio-negative",
        "temperature-above-one",
    ],
    draft=["STT-SCHEMA-018"],
)
@probes(answer=VERBOSE)
def test_segment_statistics_are_in_range(answers: Answers) -> None:
    """Log probabilities are at most 0, probabilities and temperatures 0 to 1, ratios at least 0."""
    for segment in answers.answer.objects("segments"):
        conforms(segment, "transcription#statistics")


@requirement(
    "schema/segment-texts-join",
    SHOULD,
    source="OAS TranscriptionSegment.text; vLLM joins them so",
    needs=["verbose_json", "segments"],
    killed_by=["segment-texts-differ"],
    draft=["STT-SCHEMA-019"],
)
@probes(answer=VERBOSE)
def test_segment_texts_join_to_the_text(answers: Answers) -> None:
    """The texts of the segments, joined, are the text of the answer but for white space."""
    texts = [segment.get("text") for segment in answers.answer.objects("segments")]
    joined, text = "".join(t for t in texts if isinstance(t, str)), answers.answer.text
    assert "".join(joined.split()) == "".join(text.split()), (
        f"the segments read {shown(joined.strip(), 200)}, the text {shown(text, 200)}"
    )


@requirement(
    "schema/words-complete",
    MUST,
    source="OAS TranscriptionWord",
    profiles=["openai"],
    needs=["verbose_json", "word_timestamps"],
    killed_by=["words-unordered", "words-missing-one", "word-end-missing", "word-past-end"],
    draft=["STT-SCHEMA-020"],
)
@probes(answer=WORDS)
def test_words_are_complete_and_ordered(answers: Answers) -> None:
    """Words have text and times inside the audio, in order, and together make up the text."""
    body = answers.answer.ok().object()
    words = body.get("words")
    assert isinstance(words, list), f"{member(body, 'words')}, not an array"
    assert words, "words is empty although the audio holds speech"
    for word in words:
        conforms(word, "transcription#word")
    limit = answers.answer.spoken.duration + END_TOLERANCE
    spans = times(words, "word")
    for word, (start, end) in zip(words, spans, strict=True):
        assert start <= end <= limit, (
            f"the word {shown(word['word'])} runs from {start:g} s to {end:g} s"
        )
    for index, ((start, _), (following, _)) in enumerate(pairwise(spans)):
        assert following >= start, (
            f"the word {shown(words[index + 1]['word'])} at {following:g} s comes after "
            f"{shown(words[index]['word'])} at {start:g} s"
        )
    text = answers.answer.text
    assert len(text) <= LONGEST_TEXT, f"the text has {len(text)} characters: too many to be said"
    wrong = letter_error_rate(text, " ".join(word["word"] for word in words))
    assert wrong <= 0.02, f"{wrong:.0%} of the text's letters differ in the words"


@requirement(
    "schema/unused-arrays-absent",
    SHOULD,
    source="OAS CreateTranscriptionResponseVerboseJson: words and segments are not nullable",
    profiles=["openai"],
    needs=["verbose_json"],
    killed_by=["null-arrays"],
    draft=["STT-SCHEMA-021"],
)
@probes(answer=VERBOSE)
def test_unused_arrays_are_absent(answers: Answers) -> None:
    """Arrays of words or segments that were not asked for are absent rather than null."""
    body = answers.answer.ok().object()
    for name in ("words", "segments"):
        assert isinstance(body.get(name, []), list), f"{member(body, name)}, not an array"


@requirement(
    "schema/diarized-complete",
    MUST,
    source="OAS CreateTranscriptionResponseDiarizedJson, TranscriptionDiarizedSegment",
    profiles=["openai"],
    needs=["diarization"],
    killed_by=[
        "speaker-missing",
        "speaker-labels-lowercase",
        "diarized-ids-numbers",
        "speakers-begin-at-b",
    ],
    draft=["STT-SCHEMA-022"],
)
@probes(answer=DIARIZED)
def test_diarized_json_is_complete(answers: Answers) -> None:
    """A diarized_json answer is complete, its speakers A, B, … in order of first appearance."""
    body = answers.answer.ok().object()
    conforms(body, "transcription#diarized")
    labels = list(dict.fromkeys(segment["speaker"] for segment in body["segments"]))
    labels = labels[: len(ascii_uppercase)]  # what comes after Z is written nowhere
    expected = list(ascii_uppercase[: len(labels)])
    assert labels == expected, (
        f"the speakers are labelled {shown(labels)}, expected {shown(expected)}"
    )
    for index, (start, end) in enumerate(times(body["segments"], "segment")):
        assert start <= end, f"segment {index} runs from {start:g} s to {end:g} s"


@requirement(
    "schema/logprobs-consistent",
    MUST,
    source="OAS CreateTranscriptionResponseJson.logprobs",
    profiles=["openai"],
    needs=["logprobs"],
    killed_by=["logprob-positive", "logprob-bytes-wrong", "logprobs-dont-join"],
    draft=["STT-SCHEMA-023"],
)
@probes(answer=LOGPROBS)
def test_logprobs_are_consistent(answers: Answers) -> None:
    """Log probabilities are at most 0, given bytes a token's UTF-8; tokens join to the text."""
    body = answers.answer.ok().object()
    logprobs = body.get("logprobs")
    assert isinstance(logprobs, list), f"{member(body, 'logprobs')}, not an array"
    assert logprobs, "logprobs is empty although the audio holds speech"
    joined, whole = bytearray(), True
    for entry in logprobs:
        conforms(entry, "transcription#logprob")
        token, given = entry["token"], entry.get("bytes")
        expected = token.encode("utf-8", "surrogatepass")
        said = expected if given is None else bytes(map(int, given))
        if "\N{REPLACEMENT CHARACTER}" not in token:  # part of a character: its bytes tell more
            assert said == expected, (
                f"the bytes of {shown(token)} are given as {shown(given)}, "
                f"they are {shown(list(expected))}"
            )
        else:
            whole = whole and given is not None
        joined += said
    if not whole:
        raise NotObserved("a part of a character comes without its bytes")
    told, text = joined.decode("utf-8", "replace"), answers.answer.text
    assert told.strip() == text.strip(), (
        f"the tokens join to {shown(told, 200)}, the text is {shown(text, 200)}"
    )


@requirement(
    "schema/extra-members",
    MAY,
    source="tolerant reader; Groq sends x_groq",
    killed_by=["extra-members"],
    draft=["STT-SCHEMA-024"],
)
@probes(answer=PLAIN)
def test_extra_members_are_reported(answers: Answers) -> None:
    """Members beyond the documented ones may appear, and are reported."""
    unknown = sorted(set(answers.answer.ok().object()) - KNOWN_MEMBERS)
    assert not unknown, (
        f"the answer has the undocumented members {', '.join(map(shown, unknown[:5]))}"
    )


def _usage(answer: Answer, kind: str) -> dict[str, Any]:
    """Return the usage when it is of ``kind``; another kind makes the rule not applicable."""
    body = answer.ok().object()
    usage = body.get("usage")
    if usage is None:
        raise NotObserved("the answer has no usage")
    assert isinstance(usage, dict), f"{member(body, 'usage')}, not an object"
    if usage.get("type") != kind:
        raise NotObserved(f"usage is not counted in {kind}: {member(usage, 'type')}")
    return usage


def _duration(answer: Answer) -> float:
    """Return the stated duration; that it is given as text is another requirement's matter."""
    body = answer.ok().object()
    stated = body.get("duration")
    if isinstance(stated, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,20})?", stated):
        return float(stated)
    return number(body, "duration")
