"""Faults of parameters: fields that are lost, ignored, refused or let through (area PARAMETERS)."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count
from typing import Any

from soundcheck.audio.phrases import join_words
from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.languages import LANGUAGES
from soundcheck.reference.models import ALL_FORMATS
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.transcript import Segment, Transcript
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_GRANULARITIES = "timestamp_granularities[]"
_LATE = 30.0
_EVERY_SECOND = slice(None, None, 2)


def _drops(
    name: str, sentence: str, fields: Iterable[str], where: Callable[[Form], bool] = lambda _: True
) -> None:
    """Declare a fault that does not read ``fields`` of the forms for which ``where`` holds."""
    dropped = frozenset(fields)

    @FAULTS.form(name, sentence)
    def _(form: Form, call: Call) -> Form:
        if not where(form):
            return form
        kept = tuple(pair for pair in form.fields if pair[0] not in dropped)
        return replace(form, fields=kept)


def _refuses(
    name: str, sentence: str, where: Callable[[Form], bool], kind: Kind = Kind.INVALID
) -> None:
    """Declare a fault that refuses the forms for which ``where`` holds."""

    @FAULTS.form(name, sentence)
    def _(form: Form, call: Call) -> Form:
        if where(form):
            raise Refusal(kind, "This parameter is not accepted.")
        return form


def _fails(name: str, sentence: str, where: Callable[[Form], bool]) -> None:
    """Declare a fault that answers 500 to the forms for which ``where`` holds."""
    _refuses(name, sentence, where, Kind.INTERNAL)


def _has(*names: str) -> Callable[[Form], bool]:
    return lambda form: any(name in names for name, _ in form.fields)


def _is(name: str, value: str) -> Callable[[Form], bool]:
    return lambda form: form.get(name) == value


# -- model, file, and what nobody knows -----------------------------------------------------------


@FAULTS.form("model-optional", "Without a model the first one is taken.")
def _(form: Form, call: Call) -> Form:
    return form if form.get("model") else form.with_field("model", call.served[0])


def _accepts(name: str, sentence: str, kind: Kind, param: str) -> None:
    """Declare a fault that answers an empty text in the place of one refusal."""

    @FAULTS.error(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        concerns = call.route == "transcription" and call.refused is kind
        if not concerns or json.loads(reply.body)["error"]["param"] != param:
            return reply
        return replace(reply.with_text('{"text": ""}'), status=200)


_accepts("file-optional", "Without a file the text is empty.", Kind.MISSING, "file")
_accepts(
    "nameless-file-accepted", "A file as a text field has an empty text.", Kind.NOT_A_FILE, "file"
)


@FAULTS.form("fields-after-file-lost", "Fields behind the file are not read.")
def _(form: Form, call: Call) -> Form:
    return replace(form, fields=form.fields[: form.file_at])


_fails("unknown-parameter-500", "An unknown parameter gives status 500.", _has("foo"))

# -- language -------------------------------------------------------------------------------------

_refuses(
    "language-english-only",
    "Only English can be asked for.",
    lambda form: (form.get("language") or "en") != "en",
)
_drops(
    "unknown-language-accepted",
    "An unknown language is taken like none.",
    ["language"],
    lambda form: form.get("language") not in LANGUAGES,
)
_fails("empty-language-500", "An empty language gives status 500.", _is("language", ""))


@FAULTS.hear("assumes-english", "Speech is taken for English unless a language is given.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if call.request is None or call.request.language is not None:
        return transcript
    return _changed(transcript, lambda _: "Every morning we buy bread and milk.")


@FAULTS.body("language-told-wrong", "verbose_json says English of all speech.", on=["verbose_json"])
def _(body: Any, call: Call) -> Any:
    return body | {"language": "english" if body["language"] in LANGUAGES.values() else "en"}


@FAULTS.hear("language-harms", "With a language every second word is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    given = call.request is not None and call.request.language is not None
    return _thinned(transcript) if given else transcript


# -- prompt and temperature -----------------------------------------------------------------------

_refuses("empty-prompt-refused", "An empty prompt is refused.", _is("prompt", ""))
_refuses("prompt-refused", "A prompt is refused.", lambda form: bool(form.get("prompt")))
_refuses("temperature-refused", "No temperature but 0 is accepted.", _is("temperature", "1"))


@FAULTS.hear("empty-prompt-silences", "With an empty prompt the text is empty.")
def _(transcript: Transcript, call: Call) -> Transcript:
    empty = call.form is not None and call.form.get("prompt") == ""
    return replace(transcript, segments=()) if empty else transcript


@FAULTS.hear("prompt-harms", "With a prompt every second word is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    return _thinned(transcript) if _prompt(call) else transcript


@FAULTS.hear("prompt-ends-early", "With a prompt nothing is heard beyond the first 30 seconds.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if not _prompt(call):
        return transcript
    heard = tuple(one for one in transcript.segments if one.start < _LATE)
    return replace(transcript, segments=heard)


@FAULTS.hear("prompt-echoed", "The text begins with the prompt.")
def _(transcript: Transcript, call: Call) -> Transcript:
    prompt = _prompt(call)
    if not (prompt and transcript.segments):
        return transcript
    first, *others = transcript.segments
    return replace(transcript, segments=(replace(first, text=f"{prompt} {first.text}"), *others))


@FAULTS.form("temperature-unchecked", "A temperature out of range is taken like none.")
def _(form: Form, call: Call) -> Form:
    try:
        value = float(form.get("temperature") or 0)
    except ValueError:
        value = math.nan
    return form if 0 <= value <= 1 else form.with_field("temperature", None)


# -- response_format and granularities ------------------------------------------------------------

_drops(
    "unknown-format-accepted",
    "An unknown response format is taken for json.",
    ["response_format"],
    lambda form: form.get("response_format") not in ALL_FORMATS,
)
_drops(
    "unknown-granularity-accepted",
    "An unknown granularity is ignored.",
    [_GRANULARITIES],
    lambda form: not {"word", "segment"}.issuperset(form.all(_GRANULARITIES)),
)
_drops(
    "granularities-unbracketed-only",
    "Granularities are not read under the name with brackets.",
    [_GRANULARITIES],
)
_drops(
    "word-granularity-ignored",
    "Words are never given their times.",
    [_GRANULARITIES],
    lambda form: "word" in form.all(_GRANULARITIES),
)
_fails(
    "unbracketed-500",
    "timestamp_granularities without brackets gives status 500.",
    _has("timestamp_granularities"),
)


@FAULTS.form("granularities-first-only", "Of a repeated field the first value is kept.")
def _(form: Form, call: Call) -> Form:
    first = dict(reversed(form.fields))
    return replace(
        form, fields=tuple(dict.fromkeys((name, first[name]) for name, _ in form.fields))
    )


@FAULTS.form("misfit-format-as-json", "A format that a model lacks becomes json.")
def _(form: Form, call: Call) -> Form:
    misfit = {"verbose_json": "gpt-4o", "diarized_json": "whisper"}
    wanted = misfit.get(form.get("response_format") or "")
    lacks = wanted is not None and (form.get("model") or "").startswith(wanted)
    return form.with_field("response_format", "json") if lacks else form


@FAULTS.form("segments-always", "Segments are given whatever granularity is asked for.")
def _(form: Form, call: Call) -> Form:
    if form.all(_GRANULARITIES) != ("word",):
        return form
    return replace(form, fields=(*form.fields, (_GRANULARITIES, "segment")))


# -- what single models have ----------------------------------------------------------------------

_CHUNKING = "chunking_strategy"
_SPEAKERS = ("known_speaker_names[]", "known_speaker_references[]")


@FAULTS.body("logprobs-left-out", "Log probabilities are left out.", on=["json"])
def _(body: Any, call: Call) -> Any:
    body.pop("logprobs", None)
    return body


@FAULTS.form("logprobs-always", "Log probabilities come unasked.")
def _(form: Form, call: Call) -> Form:
    model = form.get("model") or ""
    asked = form.all("include[]") or model != "gpt-4o-transcribe"
    return form if asked else form.with_field("include[]", "logprobs")


_refuses("chunking-auto-refused", "chunking_strategy=auto is refused.", _is(_CHUNKING, "auto"))
_refuses(
    "chunking-object-refused",
    "chunking_strategy as an object is refused.",
    _has(f"{_CHUNKING}[type]"),
)


@FAULTS.form("chunking-unchecked", "Any chunking strategy is taken for the one that there is.")
def _(form: Form, call: Call) -> Form:
    name = f"{_CHUNKING}[type]"
    return form.with_field(name, "server_vad") if form.get(name) else form


@FAULTS.form("chunking-never-required", "Long speech is always cut.")
def _(form: Form, call: Call) -> Form:
    return form if form.get(_CHUNKING) else form.with_field(_CHUNKING, "auto")


_drops(
    "known-speakers-unchecked",
    "Known speakers that are too many, or unpaired, are ignored.",
    _SPEAKERS,
    lambda form: len(form.all(_SPEAKERS[0])) not in (0, 1),
)
_drops("known-speakers-ignored", "Known speakers are ignored.", _SPEAKERS)
_drops(
    "unsupported-ignored",
    "What the model for speakers lacks is ignored.",
    ["prompt", "include[]", _GRANULARITIES],
    lambda form: "diarize" in (form.get("model") or ""),
)
_refuses("hints-refused", "Hints are refused.", _has("languages[]", "keywords[]"))


@FAULTS.body("languages-as-names", "The languages of an answer are names.", on=["json"])
def _(body: Any, call: Call) -> Any:
    if "languages" in body:
        body["languages"] = [LANGUAGES[one["code"]] for one in body["languages"]]
    return body


# -- stream, and vLLM's own -----------------------------------------------------------------------

_VLLM = {
    *("seed", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty"),
    *("repetition_penalty", "length_penalty", "n", "include_stop_str_in_output"),
    *("use_beam_search", "to_language", "hotwords", "vllm_xargs", "max_completion_tokens"),
}


@FAULTS.form("stream-false-streams", "Any value of stream means true.")
def _(form: Form, call: Call) -> Form:
    return form.with_field("stream", "true") if form.get("stream") else form


_drops("boolean-capitals-false", "True means false.", ["stream"], _is("stream", "True"))
_refuses("vllm-extras-refused", "vLLM's own parameters are refused.", _has(*_VLLM))
_drops(
    "vllm-extras-unchecked",
    "vLLM's own parameters are not read.",
    [*_VLLM, "stream_include_usage", "stream_continuous_usage_stats"],
)
_drops("max-tokens-ignored", "max_completion_tokens is ignored.", ["max_completion_tokens"])
_refuses(
    "openai-extras-refused",
    "Parameters of OpenAI's other models are refused.",
    lambda form: any(
        name.startswith((_CHUNKING, "include", "languages", "keywords")) for name, _ in form.fields
    ),
)


@FAULTS.hear("seed-ignored", "At a temperature above 0 the words are never the same.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if call.request is None or not call.request.temperature:
        return transcript
    number = next(call.memory.setdefault("answers", count()))
    return _changed(transcript, lambda text: f"{text} {number}")


def _prompt(call: Call) -> str:
    return call.request.prompt if call.request is not None else ""


def _thinned(transcript: Transcript) -> Transcript:
    """Return the transcript without every second word."""

    def thinned(segment: Segment) -> Segment:
        words = segment.words[_EVERY_SECOND]
        return replace(segment, words=words, text=join_words([word.text for word in words]))

    return replace(transcript, segments=tuple(map(thinned, transcript.segments)))


def _changed(transcript: Transcript, change: Callable[[str], str]) -> Transcript:
    """Return the transcript with the text of each segment changed."""
    segments = tuple(replace(one, text=change(one.text)) for one in transcript.segments)
    return replace(transcript, segments=segments)
