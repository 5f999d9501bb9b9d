"""Faults of verbose_json (area SCHEMA)."""

from itertools import pairwise
from typing import Any

from soundcheck.reference.faults.hooks import Call, Fault, Registry

FAULTS = Registry(Fault)

_VERBOSE = ("verbose_json",)


def _drop(name: str, sentence: str, member: str) -> None:
    @FAULTS.body(name, sentence, on=_VERBOSE)
    def _(body: Any, call: Call) -> Any:
        body.pop(member, None)
        return body


def _set(name: str, sentence: str, member: str, value: Any) -> None:
    @FAULTS.body(name, sentence, on=_VERBOSE)
    def _(body: Any, call: Call) -> Any:
        return body | {member: value}


def _each(name: str, sentence: str, member: str, value: Any) -> None:
    """Declare a fault that sets ``member`` in every segment (``...``: takes it out)."""

    @FAULTS.body(name, sentence, on=_VERBOSE)
    def _(body: Any, call: Call) -> Any:
        for segment in body.get("segments") or []:
            if value is ...:
                segment.pop(member, None)
            else:
                segment[member] = value
        return body


_drop("verbose-language-missing", "verbose_json has no language.", "language")
_drop("verbose-duration-missing", "verbose_json has no duration.", "duration")
_drop("verbose-text-missing", "verbose_json has no text.", "text")
_drop("no-task", "verbose_json has no task.", "task")
_set("wrong-task", "verbose_json says it translated.", "task", "translate")
_drop("no-segments", "verbose_json has no segments.", "segments")
_set("empty-segments", "The segments of verbose_json are empty.", "segments", [])

_each("segment-member-missing", "Segments have no seek.", "seek", ...)
_each("segment-id-string", "Segment ids are strings.", "id", "0")
_each("segment-member-wrong-type", "A segment's tokens are text.", "tokens", "tokens")
_each("segment-statistics-null", "no_speech_prob is null.", "no_speech_prob", None)
_each("avg-logprob-positive", "avg_logprob is above 0.", "avg_logprob", 0.25)
_each("no-speech-prob-above-one", "no_speech_prob is above 1.", "no_speech_prob", 1.5)
_each(
    "compression-ratio-negative",
    "compression_ratio is negative.",
    "compression_ratio",
    -1.0,
)
_each("temperature-above-one", "A segment's temperature is 2.", "temperature", 2.0)
_each("segment-ids-constant", "Every segment has the id 0.", "id", 0)


@FAULTS.body("verbose-duration-string", "duration is a string.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    return body | {"duration": str(body["duration"])}


@FAULTS.body("verbose-duration-wrong", "duration is padded to whole windows.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    return body | {"duration": 30.0 * (body["duration"] // 30 + 1)}


@FAULTS.body("segment-end-before-start", "A segment ends first.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    for segment in body.get("segments") or []:
        segment["start"], segment["end"] = segment["end"], segment["start"]
    return body


@FAULTS.body("segments-unordered", "Segments come in reverse order of time.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    segments = body.get("segments") or []
    times = [(segment["start"], segment["end"]) for segment in reversed(segments)]
    for segment, (start, end) in zip(segments, times, strict=True):
        segment["start"], segment["end"] = start, end
    return body


@FAULTS.body("segments-overlap", "Segments overlap by seconds.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    segments = body.get("segments") or []
    for segment, following in pairwise(segments):
        segment["end"] = following["end"]
    return body


@FAULTS.body("segment-past-end", "The last segment ends late.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    for segment in (body.get("segments") or [])[-1:]:
        segment["end"] = body["duration"] + 5.0
    return body


@FAULTS.body("segment-ids-restart", "Ids begin again every 30 s.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    seen: dict[int, int] = {}
    for segment in body.get("segments") or []:
        window = int(segment["start"] // 30)
        segment["id"] = seen.get(window, 0)
        seen[window] = segment["id"] + 1
    return body


@FAULTS.body("segment-texts-differ", "A segment's text is cut off.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    for segment in (body.get("segments") or [])[-1:]:
        segment["text"] = segment["text"].rstrip()[:-4]
    return body


@FAULTS.body("words-missing-one", "Every fifth word has no entry.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    if body.get("words"):
        del body["words"][::5]
    return body


@FAULTS.body("words-unordered", "Word times run backwards.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    words = body.get("words") or []
    times = [(word["start"], word["end"]) for word in reversed(words)]
    for word, (start, end) in zip(words, times, strict=True):
        word["start"], word["end"] = start, end
    return body


@FAULTS.body("word-end-missing", "Words have no end.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    for word in body.get("words") or []:
        word.pop("end", None)
    return body


@FAULTS.body("word-past-end", "The last word ends after the audio.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    for word in (body.get("words") or [])[-1:]:
        word["end"] = body["duration"] + 2.0
    return body


@FAULTS.body("null-arrays", "An unused array is null.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    return {"words": None, "segments": None} | body
