"""The API as OpenAI publishes it: parameters, bodies, statuses and error envelopes."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from soundcheck.reference import models, rendering, streaming
from soundcheck.reference.dialects import Answer, Voices
from soundcheck.reference.languages import LANGUAGES
from soundcheck.reference.models import ALL_FORMATS, Models, SpeechModel
from soundcheck.reference.parameters import (
    Request,
    audio_file,
    boolean,
    choice,
    choices,
    find_model,
    integer,
    json_object,
    language,
    number,
    text,
)
from soundcheck.reference.refusal import Kind, Refusal, quoted
from soundcheck.reference.settings import Counts, DialectName
from soundcheck.reference.transcript import Hearing, Transcript
from soundcheck.reference.upload import Form

SHORTEST_SECONDS = 0.1
# The diarizing model takes longer audio only when the client says how to cut it.
LONGEST_UNCUT_SECONDS = 30.0
MOST_SPEAKERS = 4

_SCALARS = {
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "stream",
    "chunking_strategy",
}
_ARRAYS = {
    "include[]",
    "timestamp_granularities[]",
    "languages[]",
    "keywords[]",
    "known_speaker_names[]",
    "known_speaker_references[]",
}
_VAD = ("type", "prefix_padding_ms", "silence_duration_ms", "threshold")
_KNOWN = _SCALARS | _ARRAYS | {f"chunking_strategy[{member}]" for member in _VAD}

_TEXT = "text/plain; charset=utf-8"
_INVALID = "invalid_request_error"
_ENVELOPES: dict[Kind, tuple[int, str, str | None]] = {
    Kind.MISSING: (400, _INVALID, "missing_required_parameter"),
    Kind.INVALID: (400, _INVALID, "invalid_value"),
    Kind.NOT_A_FILE: (400, _INVALID, "invalid_type"),
    Kind.UNKNOWN_PARAMETER: (400, _INVALID, "unknown_parameter"),
    Kind.UNSUPPORTED_VALUE: (400, _INVALID, "unsupported_value"),
    Kind.UNKNOWN_MODEL: (404, _INVALID, "model_not_found"),
    Kind.MALFORMED: (400, _INVALID, None),
    Kind.FILE_TOO_LARGE: (413, "server_error", None),
    Kind.UNDECODABLE: (400, _INVALID, "invalid_value"),
    Kind.TOO_SHORT: (400, _INVALID, "audio_too_short"),
    Kind.TOO_LONG: (400, _INVALID, "invalid_value"),
    Kind.UNAUTHORIZED: (401, _INVALID, "invalid_api_key"),
    Kind.NO_ROUTE: (404, _INVALID, None),
    Kind.WRONG_METHOD: (405, _INVALID, "method_not_supported"),
    Kind.INTERNAL: (500, "server_error", None),
}


class OpenAI:
    """OpenAI's dialect; ``Dialect`` says what each method is for."""

    name: ClassVar[DialectName] = "openai"
    models: ClassVar[Models] = models.OPENAI
    limit_counts: ClassVar[Counts] = "request"
    # A known speaker's sample of 10 s travels as text; there can be four.
    max_field: ClassVar[int] = 4 * 2**20
    max_rest: ClassVar[int] = 16 * 2**20
    retrieves_models: ClassVar[bool] = True

    def request(self, form: Form) -> Request:
        """Check a form."""
        _refuse_unknown(form)
        model_id = form.get("model")
        if not model_id:
            raise Refusal(Kind.MISSING, "Missing required parameter: 'model'.", "model")
        model = find_model(self.models, model_id)
        file = audio_file(form)
        response_format = choice(form, "response_format", ALL_FORMATS, "json")
        if response_format not in model.formats:
            raise Refusal(
                Kind.UNSUPPORTED_VALUE,
                f"response_format '{response_format}' is not compatible with model "
                f"'{model.id}'. Use {_either(model.formats)} instead.",
                "response_format",
            )
        _check_hints(form, model)
        stream = boolean(form, "stream") and not model.ignores_stream
        if stream and response_format in {"srt", "vtt", "verbose_json"}:
            raise Refusal(
                Kind.UNSUPPORTED_VALUE, f"'{response_format}' cannot be streamed.", "stream"
            )
        return Request(
            model=model,
            file=file,
            response_format=response_format,
            language=language(form),
            prompt=_prompt(form, model),
            temperature=number(form, "temperature", low=0, high=1, default=0.0) or 0.0,
            granularities=_granularities(form, model, response_format),
            logprobs=_logprobs(form, model, response_format),
            stream=stream,
            chunking=_chunking(form),
            known_speakers=_known_speakers(form, model),
        )

    def check(self, duration: float, request: Request) -> None:
        """Refuse audio that is too short, or uncut where cutting is needed."""
        if duration < SHORTEST_SECONDS:
            raise Refusal(
                Kind.TOO_SHORT,
                "Audio file is too short. Minimum audio length is 0.1 seconds.",
                "file",
            )
        if request.model.diarizes and duration > LONGEST_UNCUT_SECONDS and not request.chunking:
            raise Refusal(
                Kind.MISSING,
                "chunking_strategy is required for diarization of audio longer than "
                f"{LONGEST_UNCUT_SECONDS:g} seconds.",
                "chunking_strategy",
            )

    def answer(self, transcript: Transcript, request: Request, voices: Voices) -> Answer:
        """Render a transcript."""
        match request.response_format:
            case "text":
                return Answer(transcript.text + "\n", _TEXT)
            case "srt":
                return Answer(rendering.srt(transcript), _TEXT)
            case "vtt":
                return Answer(rendering.vtt(transcript), "text/vtt; charset=utf-8")
            case "verbose_json":
                return Answer(_verbose(transcript, request))
            case "diarized_json":
                return Answer(
                    {
                        "task": "transcribe",
                        "duration": rendering.seconds(transcript.duration),
                        "text": transcript.text,
                        "segments": rendering.diarized_segments(transcript, voices),
                        "usage": _usage(transcript, request),
                    }
                )
            case _:
                body: dict[str, Any] = {"text": transcript.text}
                if request.logprobs:
                    body["logprobs"] = rendering.logprobs(transcript)
                if request.model.hints:
                    body["languages"] = rendering.languages(transcript)
                body["usage"] = _usage(transcript, request)
                return Answer(body)

    def stream(
        self, heard: Hearing, request: Request, voices: Voices, request_id: str
    ) -> AsyncIterator[Any]:
        """Yield the events of a stream."""
        return streaming.openai_events(heard, request, voices)

    def stream_failure(self, refusal: Refusal) -> Sequence[Any]:
        """Return the event of the failure; without a done event the text counts as incomplete."""
        return [self.refusal(refusal)[1]]

    def refusal(self, refusal: Refusal) -> tuple[int, Any]:
        """Return the status and the body of a refusal."""
        status, kind, code = _ENVELOPES[refusal.kind]
        error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}
        return status, {"error": error}

    def model(self, model: SpeechModel) -> dict[str, Any]:
        """Return a model's entry."""
        return {
            "id": model.id,
            "object": "model",
            "created": model.created,
            "owned_by": "soundcheck",
        }

    def headers(self, request_id: str, elapsed: float) -> Mapping[str, str]:
        """Return the headers of every answer."""
        return {
            "x-request-id": request_id,
            "openai-processing-ms": str(round(elapsed * 1000)),
            "openai-version": "2020-10-01",
        }


def _verbose(transcript: Transcript, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": rendering.language_name(transcript, request),
        "duration": rendering.seconds(transcript.duration),
        "text": transcript.text,
    }
    if "word" in request.granularities:
        body["words"] = rendering.words(transcript)
    if "segment" in request.granularities:
        body["segments"] = rendering.verbose_segments(transcript, request.temperature)
    body["usage"] = rendering.duration_usage(transcript)
    return body


def _usage(transcript: Transcript, request: Request) -> dict[str, Any]:
    if request.model.token_usage:
        return rendering.token_usage(transcript, request)
    return rendering.duration_usage(transcript)


def _refuse_unknown(form: Form) -> None:
    names = [name for name, _ in form.fields if name != "file"]
    for name in [*names, *form.other_files]:
        if name in _KNOWN or name == "file":
            continue
        hint = f" Did you mean '{name}[]'?" if f"{name}[]" in _KNOWN else ""
        raise Refusal(Kind.UNKNOWN_PARAMETER, f"Unknown parameter: {quoted(name)}.{hint}", name)


def _prompt(form: Form, model: SpeechModel) -> str:
    prompt = form.get("prompt") or ""
    if prompt and not model.prompts:
        raise _unsupported("prompt", model)
    return prompt


def _check_hints(form: Form, model: SpeechModel) -> None:
    """Check what may be said of the audio beforehand; the recognizer has no use for it."""
    for name in ("languages[]", "keywords[]"):
        if form.all(name) and not model.hints:
            raise _unsupported(name, model)
    choices(form, "languages[]", LANGUAGES)


def _granularities(form: Form, model: SpeechModel, response_format: str) -> frozenset[str]:
    name = "timestamp_granularities[]"
    asked = choices(form, name, {"word", "segment"})
    if not asked:
        return frozenset({"segment"})
    if response_format != "verbose_json":
        raise Refusal(Kind.INVALID, f"{name} needs response_format 'verbose_json'.", name)
    if "word" in asked and not model.words:
        raise _unsupported(name, model)
    return asked


def _logprobs(form: Form, model: SpeechModel, response_format: str) -> bool:
    name = "include[]"
    if not choices(form, name, {"logprobs"}):
        return False
    if not model.logprobs:
        raise _unsupported(name, model)
    if response_format != "json":
        raise Refusal(Kind.INVALID, "Log probabilities need response_format 'json'.", name)
    return True


def _chunking(form: Form) -> bool:
    name = "chunking_strategy"
    members = [(member, form.get(f"{name}[{member}]")) for member in _VAD]
    given = [(f"{name}[{member}]", value) for member, value in members if value is not None]
    whole = text(form, name)
    if whole is not None and whole not in {"auto", "null"}:
        given = [
            (f"{name}[{key}]", value if isinstance(value, str) else str(value))
            for key, value in json_object(name, whole).items()
        ]
        if unknown := [key for key, _ in given if key not in _KNOWN]:
            raise Refusal(Kind.UNKNOWN_PARAMETER, f"Unknown parameter: {quoted(unknown[0])}.", name)
    elif not given:
        return whole == "auto"
    vad = Form(tuple(given))
    if choice(vad, f"{name}[type]", {"server_vad"}, "") != "server_vad":
        raise Refusal(Kind.MISSING, f"{name} needs the type 'server_vad'.", f"{name}[type]")
    integer(vad, f"{name}[prefix_padding_ms]", low=0)
    integer(vad, f"{name}[silence_duration_ms]", low=0)
    number(vad, f"{name}[threshold]", low=0, high=1)
    return True


def _known_speakers(form: Form, model: SpeechModel) -> tuple[tuple[str, bytes], ...]:
    name = "known_speaker_names[]"
    names, references = form.all(name), form.all("known_speaker_references[]")
    if (names or references) and not model.diarizes:
        raise _unsupported(name, model)
    if len(names) > MOST_SPEAKERS:
        raise Refusal(Kind.INVALID, f"{name} takes at most {MOST_SPEAKERS} names.", name)
    if len(names) != len(references):
        raise Refusal(
            Kind.INVALID, f"{name} and known_speaker_references[] differ in number.", name
        )
    return tuple(zip(names, map(_data_url, references), strict=True))


def _data_url(reference: str) -> bytes:
    head, comma, payload = reference.partition(",")
    try:
        if not (comma and head.startswith("data:") and head.endswith(";base64")):
            raise ValueError
        return base64.b64decode(payload, validate=True)
    except (ValueError, binascii.Error):
        name = "known_speaker_references[]"
        raise Refusal(Kind.INVALID, f"{name} takes data URLs in base64.", name) from None


def _unsupported(name: str, model: SpeechModel) -> Refusal:
    return Refusal(
        Kind.UNSUPPORTED_VALUE, f"'{name}' is not supported by model '{model.id}'.", name
    )


def _either(formats: frozenset[str]) -> str:
    return " or ".join(f"'{one}'" for one in sorted(formats))
