"""The web application: routes, the way of a request, and how refusals reach the client."""

import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from soundcheck.reference.auth import check_key
from soundcheck.reference.dialects import Answer, dialect
from soundcheck.reference.faults import Call, Reply, choose
from soundcheck.reference.incoming import ClientGone, Incoming
from soundcheck.reference.parameters import Request, find_model
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.settings import Settings
from soundcheck.reference.transcript import TooLong, Transcript, Undecodable
from soundcheck.reference.upload import MAX_FIELDS, Form, read_form

JSON = "application/json"
# Seconds of speech that a known speaker's sample may have.
SAMPLE_SECONDS = (2.0, 10.0)


class Pool(Protocol):
    """What the application needs of the recognizer."""

    async def transcribe(self, path: Path, limit_seconds: float = ...) -> Transcript:
        """Transcribe a file; raises Undecodable, or TooLong above the limit."""


def create_app(settings: Settings, pool: Pool) -> Starlette:
    """Return the application; raises UnknownFault for a name that is none."""
    backend = _Backend(settings, pool)
    routes = [
        Route("/v1/audio/transcriptions", backend.transcribe, methods=["POST"]),
        Route("/v1/models", backend.models, methods=["GET"]),
    ]
    if backend.dialect.retrieves_models:
        routes.append(Route("/v1/models/{model_id:path}", backend.model, methods=["GET"]))
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: backend.no_route, Exception: backend.failure},
    )
    app.router.redirect_slashes = False
    return app


class _Backend:
    """The handlers of one deployment."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self.dialect = dialect(settings.dialect)
        self._key = settings.api_key
        self._pool = pool
        self._deviations = choose(settings.faults)

    async def transcribe(self, http: HttpRequest) -> Response:
        """Answer POST /v1/audio/transcriptions."""
        incoming = Incoming(http)
        call = Call("transcription", self.dialect.models.ids)
        try:
            form = await self._form(incoming)
        except Refusal as refusal:
            await incoming.drain()
            return self._refused(refusal, call, incoming)
        except ClientGone:
            return _nobody()
        with form:
            try:
                call = replace(call, form=self._deviations.form(form, call))
                request = self.dialect.request(call.form or form)
                call = replace(call, request=request)
                return await self._transcribed(request, call, incoming)
            except Refusal as refusal:
                return self._refused(refusal, call, incoming)
            except ClientGone:
                return _nobody()

    async def models(self, http: HttpRequest) -> Response:
        """Answer GET /v1/models."""
        incoming = Incoming(http)
        call = Call("models", self.dialect.models.ids)
        try:
            check_key(incoming.authorization, self._key)
        except Refusal as refusal:
            return self._refused(refusal, call, incoming)
        entries = [self.dialect.model(model) for model in self.dialect.models.served]
        return self._answered(Answer({"object": "list", "data": entries}), call, incoming)

    async def model(self, http: HttpRequest) -> Response:
        """Answer GET /v1/models/{id}."""
        incoming = Incoming(http)
        call = Call("model", self.dialect.models.ids)
        try:
            check_key(incoming.authorization, self._key)
            model = find_model(self.dialect.models, http.path_params["model_id"])
        except Refusal as refusal:
            return self._refused(refusal, call, incoming)
        return self._answered(Answer(self.dialect.model(model)), call, incoming)

    async def no_route(self, http: HttpRequest, error: Exception) -> Response:
        """Answer an unknown path (404) or method (405)."""
        incoming = Incoming(http)
        refusal = Refusal(Kind.NO_ROUTE, f"There is nothing at this URL ({incoming.method}).")
        allowed: dict[str, str] = {}
        if isinstance(error, HTTPException) and error.status_code == 405:
            refusal = Refusal(Kind.WRONG_METHOD, f"{incoming.method} is not allowed here.")
            allowed = dict(error.headers or {})
        if incoming.path.startswith("/v1"):
            try:
                check_key(incoming.authorization, self._key)
            except Refusal as unauthorized:
                refusal = unauthorized
        await incoming.drain()
        response = self._refused(refusal, None, incoming)
        response.headers.update(allowed)
        return response

    async def failure(self, http: HttpRequest, error: Exception) -> Response:
        """Answer for a defect of our own; the server's log has the traceback."""
        return self._refused(Refusal(Kind.INTERNAL, "The server failed."), None, Incoming(http))

    async def _form(self, incoming: Incoming) -> Form:
        check_key(incoming.authorization, self._key)
        limit = self.dialect.max_file
        if incoming.declared_length > limit + MAX_FIELDS:
            raise Refusal(
                Kind.FILE_TOO_LARGE,
                f"Maximum content size limit ({limit}) exceeded "
                f"({incoming.declared_length} bytes announced).",
                "file",
            )
        return await read_form(
            incoming.chunks(),
            incoming.content_type,
            max_file=limit,
            max_field=self.dialect.max_field,
        )

    async def _transcribed(self, request: Request, call: Call, incoming: Incoming) -> Response:
        if self._deviations.refuses(call):
            raise Refusal(Kind.UNDECODABLE, "The file's format is not supported.", "file")
        self._deviations.rewrite(request.file)
        hearing = self._hear(request.file.path, "file", request.model.max_seconds)
        transcript = await incoming.unless_gone(hearing)
        transcript = self._deviations.hear(transcript, call)
        self.dialect.check(transcript, request)
        voices = await self._voices(request)
        if request.stream:
            frames = self.dialect.stream(transcript, request, voices, incoming.request_id)
            headers = dict(self._headers(incoming))
            return StreamingResponse(_each(frames), headers=headers, media_type="text/event-stream")
        return self._answered(self.dialect.answer(transcript, request, voices), call, incoming)

    async def _hear(self, path: Path, param: str, longest: float | None = None) -> Transcript:
        try:
            if longest is None:
                return await self._pool.transcribe(path)
            return await self._pool.transcribe(path, longest)
        except Undecodable as error:
            raise Refusal(Kind.UNDECODABLE, str(error), param) from None
        except TooLong as error:
            raise Refusal(Kind.TOO_LONG, str(error), param) from None

    async def _voices(self, request: Request) -> list[tuple[str, float]]:
        """Return the known speakers whose samples hold speech, each with its median pitch."""
        voices = []
        shortest, longest = SAMPLE_SECONDS
        param = "known_speaker_references[]"
        for name, data in request.known_speakers:
            with tempfile.NamedTemporaryFile(prefix="voice-") as file:
                file.write(data)
                file.flush()
                sample = await self._hear(Path(file.name), param)
            if not shortest <= sample.duration <= longest:
                raise Refusal(
                    Kind.INVALID, f"{param} takes {shortest:g} to {longest:g} s of audio.", param
                )
            if sample.segments:
                voices.append((name, median(segment.pitch for segment in sample.segments)))
        return voices

    def _answered(self, answer: Answer, call: Call, incoming: Incoming) -> Response:
        value = answer.value
        json_value = answer.media_type == JSON
        body = _encode(self._deviations.body(value, call)) if json_value else value.encode()
        reply = self._deviations.reply(Reply(200, body, answer.media_type), call)
        return self._response(reply, incoming)

    def _refused(self, refusal: Refusal, call: Call | None, incoming: Incoming) -> Response:
        """Return a refusal; faults act on those of the API's own routes (``call``)."""
        status, body = self.dialect.refusal(refusal)
        reply = Reply(status, _encode(body), JSON)
        if call is not None:
            reply = self._deviations.reply(reply, call)
        response = self._response(reply, incoming)
        if status == 401:
            response.headers["www-authenticate"] = "Bearer"
        if incoming.unwanted:
            response.headers["connection"] = "close"
        return response

    def _headers(self, incoming: Incoming) -> dict[str, str]:
        elapsed = time.monotonic() - incoming.started
        return dict(self.dialect.headers(incoming.request_id, elapsed))

    def _response(self, reply: Reply, incoming: Incoming) -> Response:
        headers = self._headers(incoming) | dict(reply.headers)
        return Response(reply.body, reply.status, headers | {"content-type": reply.media_type})


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _nobody() -> Response:
    """Return the answer that no client will read."""
    return Response(status_code=499)


async def _each(frames: Iterator[bytes]) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame
