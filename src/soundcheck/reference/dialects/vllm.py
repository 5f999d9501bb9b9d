"""The API as a vLLM 0.33 server speaks it, without that version's known defects."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from soundcheck.reference import models, rendering, streaming
from soundcheck.reference.dialects import Answer, Voices
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
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.settings import Counts, DialectName
from soundcheck.reference.tokens import first_tokens
from soundcheck.reference.transcript import Hearing, Transcript
from soundcheck.reference.upload import Form

_BAD = "BadRequestError"
_VALIDATION = "Bad Request"
_ENVELOPES: dict[Kind, tuple[int, str]] = {
    Kind.MISSING: (400, _VALIDATION),
    Kind.INVALID: (400, _VALIDATION),
    Kind.NOT_A_FILE: (422, "Unprocessable Entity"),
    Kind.UNKNOWN_PARAMETER: (400, _VALIDATION),
    Kind.UNSUPPORTED_VALUE: (400, _BAD),
    Kind.UNKNOWN_MODEL: (404, "NotFoundError"),
    Kind.MALFORMED: (400, _VALIDATION),
    Kind.FILE_TOO_LARGE: (400, _BAD),
    Kind.UNDECODABLE: (400, _BAD),
    Kind.TOO_SHORT: (400, _BAD),
    Kind.TOO_LONG: (400, _BAD),
    Kind.NO_ROUTE: (404, "Not Found"),
    Kind.WRONG_METHOD: (405, "Method Not Allowed"),
    Kind.INTERNAL: (500, "InternalServerError"),
}


class Vllm:
    """vLLM's dialect; ``Dialect`` says what each method is for.

    Left out are defects that its issues and tests record: segment ids that begin again every
    30 seconds, and a granularity that is accepted and then ignored.
    """

    name: ClassVar[DialectName] = "vllm"
    models: ClassVar[Models] = models.VLLM
    limit_counts: ClassVar[Counts] = "file"
    max_field: ClassVar[int] = 2**20
    max_rest: ClassVar[int] = 4 * 2**20
    retrieves_models: ClassVar[bool] = False

    def request(self, form: Form) -> Request:
        """Check a form."""
        file = audio_file(form)
        model_id = form.get("model")
        model = find_model(self.models, model_id) if model_id else self.models.served[0]
        response_format = choice(form, "response_format", ALL_FORMATS, "json")
        if response_format not in model.formats:
            raise Refusal(
                Kind.UNSUPPORTED_VALUE,
                f"response_format '{response_format}' is not supported by model '{model.id}'; "
                f"supported are {', '.join(sorted(model.formats))}.",
                "response_format",
            )
        if "word" in choices(form, "timestamp_granularities[]", {"word", "segment"}):
            raise Refusal(
                Kind.UNSUPPORTED_VALUE,
                "timestamp_granularities[]: word times are not supported.",
                "timestamp_granularities[]",
            )
        stream = boolean(form, "stream")
        beam_search = boolean(form, "use_beam_search")
        if stream and response_format == "verbose_json":
            raise Refusal(
                Kind.UNSUPPORTED_VALUE, "verbose_json cannot be streamed.", "response_format"
            )
        if stream and beam_search:
            raise Refusal(
                Kind.UNSUPPORTED_VALUE, "Beam search cannot be streamed.", "use_beam_search"
            )
        _check_sampling(form)
        return Request(
            model=model,
            file=file,
            response_format=response_format,
            language=language(form),
            prompt=form.get("prompt") or "",
            temperature=number(form, "temperature", low=0, default=0.0) or 0.0,
            stream=stream,
            stream_usage=_stream_option(form, "stream_include_usage", stream),
            continuous_usage=_stream_option(form, "stream_continuous_usage_stats", stream),
            max_tokens=integer(form, "max_completion_tokens", low=1),
        )

    def check(self, duration: float, request: Request) -> None:
        """Take audio of any length that the model takes."""

    def answer(self, transcript: Transcript, request: Request, voices: Voices) -> Answer:
        """Render a transcript; `text` is a JSON object here too."""
        heard = _ended(transcript, request)
        if request.response_format == "verbose_json":
            return Answer(
                {
                    "duration": rendering.seconds(heard.duration),
                    "language": rendering.language_code(heard, request),
                    "text": heard.text,
                    "segments": [
                        {**segment, "no_speech_prob": None}
                        for segment in rendering.verbose_segments(heard, request.temperature)
                    ],
                    "words": None,
                }
            )
        return Answer({"text": heard.text, "usage": rendering.duration_usage(heard)})

    def stream(
        self, heard: Hearing, request: Request, voices: Voices, request_id: str
    ) -> AsyncIterator[Any]:
        """Yield the chunks of a stream."""
        return streaming.vllm_chunks(heard, request, request_id)

    def stream_failure(self, refusal: Refusal) -> Sequence[Any]:
        """Return the event of the failure and the end marker, which comes always."""
        return [self.refusal(refusal)[1], streaming.DONE]

    def refusal(self, refusal: Refusal) -> tuple[int, Any]:
        """Return the status and the body of a refusal."""
        if refusal.kind is Kind.UNAUTHORIZED:
            return 401, {"error": "Unauthorized"}
        status, kind = _ENVELOPES[refusal.kind]
        param = "audio_filesize_mb" if refusal.kind is Kind.FILE_TOO_LARGE else refusal.param
        error = {"message": refusal.message, "type": kind, "param": param, "code": status}
        return status, {"error": error}

    def model(self, model: SpeechModel) -> dict[str, Any]:
        """Return a model's entry."""
        permission = {
            "id": f"modelperm-{model.id}",
            "object": "model_permission",
            "created": model.created,
            "allow_create_engine": False,
            "allow_sampling": True,
            "allow_logprobs": True,
            "allow_search_indices": False,
            "allow_view": True,
            "allow_fine_tuning": False,
            "organization": "*",
            "group": None,
            "is_blocking": False,
        }
        return {
            "id": model.id,
            "object": "model",
            "created": model.created,
            "owned_by": "vllm",
            "root": model.id,
            "parent": None,
            "max_model_len": 448,
            "permission": [permission],
            # Gateways in front of several models mark what each is for.
            "tasks": ["transcribe"],
        }

    def headers(self, request_id: str, elapsed: float) -> Mapping[str, str]:
        """Return the headers of every answer."""
        return {"x-request-id": request_id}


def _ended(transcript: Transcript, request: Request) -> Transcript:
    if request.max_tokens is None:
        return transcript
    return first_tokens(transcript, request.max_tokens)


def _stream_option(form: Form, name: str, stream: bool) -> bool:
    wanted = boolean(form, name)
    if wanted and not stream:
        raise Refusal(Kind.INVALID, f"'{name}' needs stream=true.", name)
    return wanted


def _check_sampling(form: Form) -> None:
    """Check vLLM's own parameters; the recognizer is deterministic and has no use for them."""
    integer(form, "seed", low=-(2**63))
    number(form, "top_p", low=1e-9, high=1)
    integer(form, "top_k", low=-1)
    number(form, "min_p", low=0, high=1)
    number(form, "frequency_penalty", low=-2, high=2)
    number(form, "presence_penalty", low=-2, high=2)
    number(form, "repetition_penalty", low=1e-9)
    number(form, "length_penalty")
    integer(form, "n", low=1)
    boolean(form, "include_stop_str_in_output")
    language(form, "to_language")
    arguments = text(form, "vllm_xargs")
    if arguments is not None:
        json_object("vllm_xargs", arguments)
