"""The user's side: plain HTTP in, encrypted requests out, and answers decrypted."""

import asyncio
import base64
import platform
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from soundcheck.reference.incoming import Incoming
from soundcheck.reference.private import answer, form, request
from soundcheck.reference.private.cipher import Opener, Sealer, Secret, Tampered
from soundcheck.reference.private.conduct import Conduct
from soundcheck.reference.private.form import NotAForm, Part
from soundcheck.reference.private.gateway import policy_mac
from soundcheck.reference.private.message import (
    BODILESS,
    ENCRYPTED,
    EVENT_STREAM,
    MAX_BODY,
    NO_SECRET,
    POLICY,
    POLICY_MAC,
    SECRET_ID,
    BrokenOff,
    Problem,
    Relay,
    chunks,
    media_type,
    passed_on,
    path_of,
    read_body,
    relayed,
    responded,
    worked,
)
from soundcheck.reference.private.serving import Serving
from soundcheck.reference.private.session import Session
from soundcheck.reference.private.upstream import ConnectionReset, Unreachable, Upstream, read
from soundcheck.reference.server import base_url, listen

VERSION = "v1.40.0"
"""The version of the vendor's proxy whose wire this one speaks."""
_MOST_CLEAR = 2**20
_AGAIN = 1.0  # seconds between tries to get the first secret
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Where the API is (HOST:PORT), whom to trust, and the key (None: each client sends its own).

    ``roots`` is a file of PEM certificates for TLS (None: the system's), ``authority`` the
    certificate (PEM) of who must sign attestations.
    """

    endpoint: str
    roots: Path | None
    authority: bytes
    conduct: Conduct = field(default_factory=Conduct)
    api_key: str | None = None
    host: str = "127.0.0.1"
    port: int = 0


class Proxy:
    """A proxy, as long as its ``async with`` block."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()
        self.base_url = ""
        """Of the API: ``http://127.0.0.1:PORT/v1``."""

    async def __aenter__(self) -> "Proxy":
        settings, conduct = self._settings, self._settings.conduct
        async with AsyncExitStack() as opened:
            upstream = await opened.enter_async_context(
                Upstream(settings.endpoint, settings.roots, conduct.proxy_tls, conduct.schemes)
            )
            listener = listen(settings.host, settings.port)
            opened.callback(listener.close)
            self.base_url = base_url(listener)
            relay = Forwarder(settings, upstream)
            serving = Serving(relay, listener)
            opened.push_async_callback(serving.close)
            await serving.start()
            first = asyncio.create_task(relay.prepare())
            opened.push_async_callback(_ended, first)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self._opened.aclose()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class Forwarder:
    """The proxy's web application."""

    def __init__(self, settings: ProxySettings, upstream: Upstream) -> None:
        self._conduct = settings.conduct
        self._api_key = settings.api_key
        self._upstream = upstream
        self._session = Session(upstream, settings.conduct, settings.authority)
        self._policy = f"rules=allow-good; revocation-time-not-before={int(time.time())}"

    async def prepare(self) -> None:
        """Get the first secret before anybody asks for it, as soon as the API answers."""
        headers = _constant() | self._authorization(None)
        while True:
            try:
                if self._conduct.encrypts:
                    await self._session.secret(headers)
                else:
                    await (await self._upstream.send("GET", "/v1/models", headers)).aclose()
            except Problem as problem:
                if problem.status == 401:
                    return  # the client will have a key
            except Unreachable:
                pass
            else:
                return
            await asyncio.sleep(_AGAIN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        response = await responded(self._answered, Request(scope, receive), "proxy")
        await response(scope, receive, send)

    async def _answered(self, http: Request, incoming: Incoming) -> Response:
        path = path_of(http)
        headers = _constant() | self._authorization(incoming.authorization)
        headers["x-request-id"] = incoming.request_id
        if incoming.accept:
            headers["accept"] = incoming.accept
        call = _Call(incoming.method, path, incoming.content_type, headers)
        if incoming.method in BODILESS:
            return await incoming.unless_gone(self._forwarded(call, None))
        body = await read_body(incoming)
        if not self._conduct.encrypts:
            return await incoming.unless_gone(self._forwarded(call, body))
        return await incoming.unless_gone(self._conversed(call, body))

    def _authorization(self, given: str | None) -> dict[str, str]:
        if self._api_key is not None:
            return {"authorization": f"Bearer {self._api_key}"}
        return {} if given is None else {"authorization": given}

    async def _forwarded(self, call: "_Call", body: bytes | None) -> Response:
        """Pass a request without secrets and its answer on as they are."""
        headers = dict(call.headers)
        if body is not None:
            headers["content-type"] = call.content_type
        try:
            came = await self._upstream.send(call.method, call.path, headers, body)
        except Unreachable as error:
            raise Problem(502, f"The API cannot be reached: {error}.") from None
        return await relayed(came, call.method)

    async def _conversed(self, call: "_Call", body: bytes) -> Response:
        """Answer a request by way of an encrypted one."""
        parts = await worked(len(body), self._parts, body, call.content_type)
        resets, losses = self._conduct.reset_retries, self._conduct.secret_retries
        nonce: bytes | None = None
        while True:
            secret = await self._session.secret(call.headers)
            nonce = self._conduct.nonce(nonce)
            content, headers = await worked(
                len(body), self._sealed, call, body, parts, secret, nonce
            )
            try:
                answered = await self._upstream.send(call.method, call.path, headers, content)
            except ConnectionReset as error:
                if not resets:
                    raise Problem(502, f"The API cannot be reached: {error}.") from None
                resets -= 1
                continue
            except Unreachable as error:
                raise Problem(502, f"The API cannot be reached: {error}.") from None
            if not _in_the_clear(answered):
                return await self._opened(answered, secret, nonce)
            told = await _read(answered, _MOST_CLEAR)
            if losses and answered.status_code == 500 and NO_SECRET.encode() in told:
                losses -= 1
                if self._conduct.renews_lost:
                    self._session.lost(secret)
                continue
            if not self._conduct.believes_clear(answered.status_code):
                raise Problem(502, "The API answered in the clear: nobody vouches for that.")
            passed = passed_on(answered.headers) | {ENCRYPTED: "false"}
            return Response(told, answered.status_code, passed)

    def _parts(self, body: bytes, content_type: str) -> list[Part] | None:
        """Return a form's parts as they are to be sent, ``None`` for what is no form."""
        try:
            parts = form.read(body, content_type)
        except NotAForm:
            if self._conduct.needs_form:
                raise Problem(500, "The request is not multipart/form-data.") from None
            return None
        if self._conduct.needs_model and not any(
            part.name == "model" and part.filename is None for part in parts
        ):
            raise Problem(500, "The request names no model.")
        return list(self._conduct.parts(parts))

    def _sealed(
        self, call: "_Call", body: bytes, parts: list[Part] | None, secret: Secret, nonce: bytes
    ) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of the encrypted request."""
        conduct = self._conduct
        sealer = Sealer(conduct.requests, secret, nonce, conduct.ivs())
        content, content_type = request.seal(
            parts, body, call.content_type, sealer, conduct.clear_fields, conduct.filename
        )
        headers = {
            **call.headers,
            "content-type": content_type,
            **_model(parts or ()),
            SECRET_ID: base64.b64encode(secret.id).decode("ascii"),
            POLICY: self._policy,
            POLICY_MAC: policy_mac(secret, self._policy),
            **conduct.headers(parts or ()),
        }
        return content, headers

    async def _opened(self, answered: httpx.Response, secret: Secret, nonce: bytes) -> Response:
        """Return an encrypted answer decrypted; raises Problem for what is not authentic."""
        conduct, status = self._conduct, answered.status_code
        headers = passed_on(answered.headers)
        if media_type(answered.headers) == EVENT_STREAM:
            opener = Opener(conduct.events, secret, nonce, conduct.order())
            frames = answer.open_events(
                chunks(answered), opener, conduct.clear_members, needs_end=conduct.needs_end
            )
            behind = AsyncExitStack()
            behind.push_async_callback(answered.aclose)
            return Relay(_told(frames), behind, status, headers)
        body = await _read(answered, MAX_BODY)
        if conduct.needs_json and answer.members(body) is None:
            raise Problem(500, "The answer is not JSON.")
        opener = Opener(conduct.answers, secret, nonce)
        try:
            opened = await worked(len(body), answer.open_body, body, opener, conduct.clear_members)
        except Tampered as error:
            raise Problem(502, f"The answer is not authentic: {error}.") from None
        return Response(opened, status, headers)


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked of the API; ``headers`` are those that every call of the request has."""

    method: str
    path: str
    content_type: str
    headers: Mapping[str, str]


def _constant() -> dict[str, str]:
    """Return the headers of every request."""
    machine = platform.machine()
    return {
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "soundcheck",
        "privatemode-version": VERSION,
        "privatemode-os": platform.system().lower(),
        "privatemode-architecture": _ARCHITECTURES.get(machine, machine),
        "privatemode-client": "Proxy",
    }


def _model(parts: Sequence[Part]) -> dict[str, str]:
    """Return the header with the model's name, if there is one, as far as it can carry it."""
    given = (part.data for part in parts if part.name == "model" and part.filename is None)
    text = next(given, b"").decode("utf-8", "replace")
    name = "".join(one if " " <= one <= "~" else "?" for one in text).strip()[:256]
    return {"privatemode-target-model": name} if name else {}


def _in_the_clear(answered: httpx.Response) -> bool:
    return str(answered.headers.get(ENCRYPTED, "")).strip().lower() == "false"


async def _read(answered: httpx.Response, most: int) -> bytes:
    try:
        return await read(answered, most)
    except Unreachable as error:
        raise Problem(502, f"The API: {error}.") from None


async def _told(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield decrypted frames; what is not authentic becomes an error event, and breaks off."""
    try:
        async for frame in frames:
            yield frame
    except (Tampered, BrokenOff) as error:
        reason = f"The stream is not authentic: {error}."
        if isinstance(error, BrokenOff):
            reason = "The stream broke off."
        # The event before may lack its blank line.
        yield b"\ndata: " + bytes(Problem(502, reason).response().body) + b"\n\n"
        raise BrokenOff from None
