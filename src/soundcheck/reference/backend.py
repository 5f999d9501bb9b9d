"""The web application: routes, the way of a request, and how refusals reach the client."""

import asyncio
import json
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from soundcheck.reference.auth import check_key
from soundcheck.reference.connection import Ending, Life, Mortal
from soundcheck.reference.dialects import MAX_FILE, Answer, Voices, dialect
from soundcheck.reference.eventstream import EVENT_STREAM, EventStream, encode
from soundcheck.reference.faults import SLOWEST, Call, Event, Reply, choose
from soundcheck.reference.faults.hooks import Route as Endpoint
from soundcheck.reference.incoming import ClientGone, Incoming
from soundcheck.reference.limits import Limits
from soundcheck.reference.parameters import Request, find_model
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.settings import Settings
from soundcheck.reference.transcript import Hearing, TooLong, Transcript, Undecodable, hearing
from soundcheck.reference.upload import Form, read_form

TRANSCRIPTIONS = "/v1/audio/transcriptions"
JSON = "application/json"
RECOGNIZER_HEADER = "x-soundcheck-recognizer"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
# Seconds of speech that a known speaker's sample may have.
SAMPLE_SECONDS = (2.0, 10.0)

_log = logging.getLogger(__name__)


class Pool(Protocol):
    """What the application needs of the recognizer."""

    def listen(
        self, path: Path, limit_seconds: float = ...
    ) -> AbstractAsyncContextManager[Hearing]:
        """Begin to recognise a file; entering raises Undecodable, or TooLong above the limit."""


def create_app(
    settings: Settings, pool: Pool, metrics: Callable[[], bytes] | None = None
) -> Starlette:
    """Return the application; raises UnknownFault for a name that is none.

    ``metrics`` returns what GET /metrics, which needs no key, answers (None: there is none).
    """
    backend = _Backend(settings, pool)
    routes = [
        Route(TRANSCRIPTIONS, backend.transcribe, methods=["POST"]),
        Route("/v1/models", backend.models, methods=["GET"]),
    ]
    if backend.dialect.retrieves_models:
        routes.append(Route("/v1/models/{model_id:path}", backend.model, methods=["GET"]))
    if metrics is not None:
        routes.append(Route("/metrics", _metrics(metrics), methods=["GET"]))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Mortal, life=backend.life)],
        exception_handlers={HTTPException: backend.no_route, Exception: backend.failure},
    )
    app.router.redirect_slashes = False
    return app


class _Backend:
    """The handlers of one deployment."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self.dialect = dialect(settings.dialect)
        self.life = Life()
        self._key = settings.api_key
        # Whoever reads an answer, or a record of it, is to know that nobody listened.
        service = settings.service
        self._origin = {} if service is None else {RECOGNIZER_HEADER: f"lookup; {service}"}
        self._pool = pool
        self._deviations = choose(settings.faults)
        self._memory: dict[str, Any] = {}
        self._limits = self._deviations.limit(
            Limits(
                MAX_FILE if settings.max_file is None else settings.max_file,
                settings.limit_counts or self.dialect.limit_counts,
                self.dialect.max_rest,
            )
        )

    async def transcribe(self, http: HttpRequest) -> Response:
        """Answer POST /v1/audio/transcriptions."""
        incoming = Incoming(http)
        call = self._call("transcription", incoming)
        self._deviations.arrive(call)
        try:
            form = await self._form(incoming, call)
        except Refusal as refusal:
            return await self._refused(refusal, call, incoming)
        except _Instead as other:
            return await self._delivered(other.reply, incoming)
        except ClientGone:
            self._deviations.left(call)
            return _nobody()
        with form:
            try:
                call = replace(call, read_s=time.monotonic() - incoming.started)
                call = replace(call, form=self._deviations.form(form, call))
                request = self.dialect.request(call.form or form)
                call = replace(call, request=request)
                return await self._transcribed(request, call, incoming)
            except Refusal as refusal:
                return await self._refused(refusal, call, incoming)
            except ClientGone:
                self._deviations.left(call)
                return _nobody()

    async def models(self, http: HttpRequest) -> Response:
        """Answer GET /v1/models."""
        incoming = Incoming(http)
        call = self._call("models", incoming)
        try:
            check_key(incoming.authorization, self._key)
        except Refusal as refusal:
            return await self._refused(refusal, call, incoming)
        entries = [self.dialect.model(model) for model in self.dialect.models.served]
        return await self._answered(Answer({"object": "list", "data": entries}), call, incoming)

    async def model(self, http: HttpRequest) -> Response:
        """Answer GET /v1/models/{id}."""
        incoming = Incoming(http)
        call = self._call("model", incoming)
        try:
            check_key(incoming.authorization, self._key)
            model = find_model(self.dialect.models, http.path_params["model_id"])
        except Refusal as refusal:
            return await self._refused(refusal, call, incoming)
        return await self._answered(Answer(self.dialect.model(model)), call, incoming)

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
        ours = bool(allowed) and incoming.path.endswith(TRANSCRIPTIONS)
        call = self._call("transcription", incoming) if ours else None
        response = await self._refused(refusal, call, incoming)
        for name, value in allowed.items():
            response.headers.setdefault(name, value)
        return response

    async def failure(self, http: HttpRequest, error: Exception) -> Response:
        """Answer for a defect of our own; the server's log has the traceback."""
        return await self._delivered(self._refusal(_failed()), Incoming(http))

    def _call(self, route: Endpoint, incoming: Incoming) -> Call:
        return Call(
            route,
            self.dialect.models.ids,
            dialect=self.dialect.name,
            accept=incoming.accept,
            authorization=incoming.authorization or "",
            expects=incoming.expects,
            memory=self._memory,
            content_type=incoming.content_type,
            chunked=incoming.chunked,
            connection=incoming.connection,
            length=incoming.declared_length,
        )

    async def _form(self, incoming: Incoming, call: Call) -> Form:
        check_key(incoming.authorization, self._key)
        if self._deviations.withholds_leave:
            incoming.withhold_leave()
        self._limits.check_announced(incoming.declared_length)
        chunks = incoming.chunks()
        if self._deviations.receives:
            body = b"".join([chunk async for chunk in chunks])
            if (reply := self._deviations.receive(body, call)) is not None:
                raise _Instead(reply)
            chunks = _at_once(body)
        return await read_form(
            chunks,
            incoming.content_type,
            limits=self._limits,
            max_field=self.dialect.max_field,
        )

    async def _transcribed(self, request: Request, call: Call, incoming: Incoming) -> Response:
        if self._deviations.refuses(call):
            raise Refusal(Kind.UNDECODABLE, "The file's format is not supported.", "file")
        self._deviations.rewrite(request.file)
        voices: Voices = ()
        if request.known_speakers:
            voices = await incoming.unless_gone(self._voices(request))
        async with AsyncExitStack() as listening:
            listened = self._listen(listening, request.file.path, "file", request.model.max_seconds)
            heard = await incoming.unless_gone(listened)
            if request.stream and not self._deviations.hears:
                self.dialect.check(heard.duration, request)
                # The stream goes on listening after this block was left.
                kept = listening.pop_all()
                return await self._streamed(heard, kept, request, voices, call, incoming)
            transcript = await incoming.unless_gone(heard.transcript())
        transcript = self._deviations.hear(transcript, call)
        self.dialect.check(transcript.duration, request)
        if request.stream:
            heard = hearing(transcript)
            return await self._streamed(heard, listening, request, voices, call, incoming)
        return await self._answered(
            self.dialect.answer(transcript, request, voices), call, incoming
        )

    async def _streamed(
        self,
        heard: Hearing,
        listening: AsyncExitStack,
        request: Request,
        voices: Voices,
        call: Call,
        incoming: Incoming,
    ) -> Response:
        try:
            reply = self._deviations.stream_reply(Reply(200, b"", EVENT_STREAM), call)
        except BaseException:
            await listening.aclose()
            raise
        if reply.body or reply.action is not None:
            await listening.aclose()
            return await self._delivered(reply, incoming)
        events = self._events(self.dialect.stream(heard, request, voices, incoming.request_id))
        frames = encode(self._deviations.events(events, call))
        frames = self._deviations.frames(frames, call)
        return EventStream(frames, listening, reply.status, self._all_headers(reply, incoming))

    async def _events(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """Yield the events; a failure on the way becomes the last of them."""
        try:
            async for event in events:
                yield event
        except Exception:
            _log.exception("a stream failed")
            for event in self.dialect.stream_failure(_failed()):
                yield event

    async def _listen(
        self, listening: AsyncExitStack, path: Path, param: str, longest: float | None = None
    ) -> Hearing:
        """Begin to recognise a file; the work ends when ``listening`` is closed."""
        limit = () if longest is None else (longest,)
        try:
            return await listening.enter_async_context(self._pool.listen(path, *limit))
        except Undecodable as error:
            raise Refusal(Kind.UNDECODABLE, str(error), param) from None
        except TooLong as error:
            raise Refusal(Kind.TOO_LONG, str(error), param) from None

    async def _hear(self, path: Path, param: str) -> Transcript:
        async with AsyncExitStack() as listening:
            return await (await self._listen(listening, path, param)).transcript()

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

    async def _answered(self, answer: Answer, call: Call, incoming: Incoming) -> Response:
        value = answer.value
        json_value = answer.media_type == JSON
        body = _encode(self._deviations.body(value, call)) if json_value else value.encode()
        reply = self._deviations.reply(Reply(200, body, answer.media_type), call)
        return await self._delivered(reply, incoming)

    async def _refused(self, refusal: Refusal, call: Call | None, incoming: Incoming) -> Response:
        """Return a refusal; faults act on those of the API's own routes (``call``)."""
        reply = self._refusal(refusal)
        if call is not None:
            reply = self._deviations.reply(reply, replace(call, refused=refusal.kind))
        if reply.action is None:
            await incoming.drain()
        return await self._delivered(reply, incoming)

    def _refusal(self, refusal: Refusal) -> Reply:
        status, body = self.dialect.refusal(refusal)
        headers = (("www-authenticate", "Bearer"),) if status == 401 else ()
        return Reply(status, _encode(body), JSON, headers)

    async def _delivered(self, reply: Reply, incoming: Incoming) -> Response:
        """Do what a reply says to the connection; return what is left to send."""
        if reply.action in (None, "close"):
            response = Response(reply.body, reply.status, self._all_headers(reply, incoming))
            if reply.action == "close" or incoming.unwanted:
                response.headers["connection"] = "close"
            return response
        if reply.action == "end":
            return Ending(reply.body, reply.status, self._all_headers(reply, incoming))
        if reply.action == "hang":
            with suppress(TimeoutError):
                async with asyncio.timeout(SLOWEST):
                    await incoming.gone()
        elif reply.action == "die":
            self.life.over = True
        await incoming.reset()
        return _nobody()

    def _all_headers(self, reply: Reply, incoming: Incoming) -> dict[str, str]:
        elapsed = time.monotonic() - incoming.started
        common = dict(self.dialect.headers(incoming.request_id, elapsed))
        common |= self._origin
        return common | dict(reply.headers) | {"content-type": reply.media_type}


class _Instead(Exception):
    """A form that is not read, because something else is done."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


async def _at_once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _metrics(text: Callable[[], bytes]) -> Callable[[HttpRequest], Response]:
    """Return the handler of GET /metrics."""

    def answer(_: HttpRequest) -> Response:
        return Response(text(), media_type=PROMETHEUS)

    return answer


def _failed() -> Refusal:
    return Refusal(Kind.INTERNAL, "The server failed.")


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _nobody() -> Response:
    """Return the answer that no client will read."""
    return Response(status_code=499)
