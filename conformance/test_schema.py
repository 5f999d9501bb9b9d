"""Schema: the bodies of successful answers.

Each rule is judged on raw JSON: the official SDK does not validate, so a string in the place of a
number reaches its callers as it is.
"""

import math
from difflib import SequenceMatcher
from itertools import pairwise
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
    normalised,
    probes,
    requirement,
    shown,
    transcription,
)

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
    ),
)
@probes(lambda case: {"answer": case.value})
def test_json_is_strict(answers: Answers, case: Case) -> None:
    """JSON bodies are UTF-8 without NaN, Infinity or a member given twice."""
    answers.answer.json()


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
        f"without response_format the members are {sorted(default)}, "
        f"with response_format=json {sorted(explicit)}"
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
    seconds, true = usage.get("seconds"), answers.answer.spoken.duration
    assert isinstance(seconds, (int, float)), f"{member(usage, 'seconds')}, not a number"
    assert true - 0.5 <= seconds <= math.ceil(true) + 1, (
        f"usage counts {seconds} s of {true:g} s of audio"
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
    body = answers.answer.ok().object()
    assert _is_number(body.get("duration")), f"{member(body, 'duration')}, not a number"


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
    assert _segments(answers.answer), "segments is empty although the audio holds speech"


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
    for segment in _segments(answers.answer):
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
    for segment in _segments(answers.answer):
        conforms(segment, "transcription#segmentWithGaps")


@requirement(
    "schema/segment-times-valid",
    MUST,
    source="OAS TranscriptionSegment.start and .end; CrisperWhisper#41",
    needs=["verbose_json", "segments"],
    killed_by=["segment-end-before-start"],
    draft=["STT-SCHEMA-015"],
)
@probes(answer=VERBOSE)
def test_segment_times_are_valid(answers: Answers) -> None:
    """No segment starts before 0 or ends before it starts."""
    for number, (start, end) in enumerate(_times(_segments(answers.answer))):
        assert 0 <= start <= end, f"segment {number} runs from {start:g} s to {end:g} s"


@requirement(
    "schema/segments-in-order",
    SHOULD,
    source="OAS TranscriptionSegment; vexa#617",
    needs=["verbose_json", "segments"],
    killed_by=["segments-overlap", "segments-unordered"],
    draft=["STT-SCHEMA-015"],
)
@probes(answer=VERBOSE)
def test_segments_follow_one_another(answers: Answers) -> None:
    """Segments start in order, and none starts over 0.5 s before the one before it ends."""
    for (start, end), (following, _) in pairwise(_times(_segments(answers.answer))):
        assert following >= start, f"a segment at {following:g} s comes after one at {start:g} s"
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
    last = max((end for _, end in _times(_segments(answers.answer))), default=0.0)
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
    ids: list[Any] = [segment.get("id") for segment in _segments(answers.answer)]
    assert all(isinstance(found, int) for found in ids), f"the segment ids are {ids}"
    assert all(a < b for a, b in pairwise(ids)), f"the segment ids do not ascend: {ids}"


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
    for segment in _segments(answers.answer):
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
    joined = "".join(str(segment.get("text", "")) for segment in _segments(answers.answer))
    text = answers.answer.text
    assert "".join(joined.split()) == "".join(text.split()), (
        f"the segments read {joined.strip()!r}, the text {text!r}"
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
    for word in words:
        assert word["start"] <= word["end"] <= limit, (
            f"the word {word['word']!r} runs from {word['start']:g} s to {word['end']:g} s"
        )
    for before, after in pairwise(words):
        assert after["start"] >= before["start"], (
            f"the word {after['word']!r} at {after['start']:g} s comes after "
            f"{before['word']!r} at {before['start']:g} s"
        )
    joined = _letters(" ".join(word["word"] for word in words))
    likeness = SequenceMatcher(None, joined, _letters(answers.answer.text), autojunk=False).ratio()
    assert likeness >= 0.98, f"the words make up only {likeness:.0%} of the text"


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
    expected = [chr(ord("A") + index) for index in range(len(labels))]
    assert labels == expected, f"the speakers are labelled {labels}, expected {expected}"
    for number, (start, end) in enumerate(_times(body["segments"])):
        assert start <= end, f"segment {number} runs from {start:g} s to {end:g} s"


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
    """Log probabilities are at most 0, bytes are a token's UTF-8, and tokens join to the text."""
    body = answers.answer.ok().object()
    logprobs = body.get("logprobs")
    assert isinstance(logprobs, list), f"{member(body, 'logprobs')}, not an array"
    assert logprobs, "logprobs is empty although the audio holds speech"
    for entry in logprobs:
        conforms(entry, "transcription#logprob")
        token = entry["token"]
        if "\N{REPLACEMENT CHARACTER}" not in token:  # part of a character: its bytes tell more
            expected = list(token.encode("utf-8"))
            assert list(map(int, entry["bytes"])) == expected, (
                f"the bytes of {token!r} are given as {entry['bytes']}, they are {expected}"
            )
    joined = bytes(int(byte) for entry in logprobs for byte in entry["bytes"])
    text = answers.answer.text
    assert joined.decode("utf-8", "replace").strip() == text.strip(), (
        f"the tokens join to {joined.decode('utf-8', 'replace')!r}, the text is {text!r}"
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
    assert not unknown, f"the answer has the undocumented members {', '.join(unknown)}"


def _usage(answer: Answer, kind: str) -> dict[str, Any]:
    """Return the usage when it is of ``kind``; another kind makes the rule not applicable."""
    usage = answer.ok().object().get("usage")
    if usage is None:
        raise NotObserved("the answer has no usage")
    assert isinstance(usage, dict), f"usage is {shown(usage)}, not an object"
    assert usage.get("type") in ("duration", "tokens"), (
        f"usage has the type {usage.get('type')!r}, neither duration nor tokens"
    )
    if usage["type"] != kind:
        raise NotObserved(f"usage is counted in {usage['type']}")
    return usage


def _duration(answer: Answer) -> float:
    """Return the stated duration; that it is given as text is another requirement's matter."""
    body = answer.ok().object()
    try:
        return float(body["duration"])
    except (KeyError, TypeError, ValueError):
        raise AssertionError(f"{member(body, 'duration')}, not a number") from None


def _segments(answer: Answer) -> list[dict[str, Any]]:
    body = answer.ok().object()
    segments = body.get("segments")
    assert isinstance(segments, list), f"{member(body, 'segments')}, not an array"
    for number, segment in enumerate(segments):
        assert isinstance(segment, dict), f"segment {number} is {shown(segment)}, not an object"
    return segments


def _times(segments: list[dict[str, Any]]) -> list[tuple[float, float]]:
    for number, segment in enumerate(segments):
        for name in ("start", "end"):
            assert _is_number(segment.get(name)), (
                f"segment {number}: {member(segment, name)}, not a number"
            )
    return [(segment["start"], segment["end"]) for segment in segments]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _letters(text: str) -> str:
    return normalised(text).replace(" ", "")
