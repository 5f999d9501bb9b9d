"""The service's side: it agrees on secrets, decrypts, asks the backend, encrypts the answer.

In a real deployment an untrusted gateway stands before the service and ends TLS; a wire tap plays
that one. Here the service has the TLS listener itself.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from soundcheck.http.certificates import Authority
from soundcheck.reference.auth import check_key
from soundcheck.reference.incoming import Incoming
from soundcheck.reference.private import answer, attestation, hpke, request, upstream
from soundcheck.reference.private.agreed import Secrets, UnknownSecret, secret_of
from soundcheck.reference.private.cipher import Cipher, Opener, Sealer, Secret, Tampered
from soundcheck.reference.private.conduct import Conduct
from soundcheck.reference.private.kem import KeyRefused
from soundcheck.reference.private.message import (
    BODILESS,
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
from soundcheck.reference.private.pipe import Inner, Pipe, is_tls
from soundcheck.reference.private.serving import Serving
from soundcheck.reference.private.session import ATTEST, EXCHANGE
from soundcheck.reference.private.upstream import Unreachable, read
from soundcheck.reference.refusal import Refusal
from soundcheck.reference.server import listen

NAMES = ("127.0.0.1", "localhost")
_TIMEOUT = httpx.Timeout(600, connect=10, pool=None)
_LIMITS = httpx.Limits(max_connections=None)
_SEEN_MOST = 100_000


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The backend's base URL (``http://HOST:PORT/v1``), the key clients must send, the port.

    ``stream_usage``: vLLM is asked to tell the usage in every stream, as the real service does.
    """

    backend: str
    conduct: Conduct = field(default_factory=Conduct)
    api_key: str | None = None
    port: int = 0
    stream_usage: bool = False


class Gateway:
    """A gateway on 127.0.0.1, as long as its ``async with`` block."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._root = Authority.new("Soundcheck test root of a gateway")
        self._opened = AsyncExitStack()
        self._service = Service(settings)
        self.roots_pem = self._root.certificate_pem
        """The root of its TLS certificate."""
        self.authority_pem = self._service.authority_pem
        """Who signs its attestations."""
        self.address = ""
        """``127.0.0.1:PORT``"""

    async def __aenter__(self) -> "Gateway":
        conduct, port = self._settings.conduct, self._settings.port
        async with AsyncExitStack() as opened:
            opened.push_async_callback(self._service.close)
            listener = listen("127.0.0.1", port)
            opened.callback(listener.close)
            tls = conduct.gateway_tls(self._root, NAMES)
            self.address = f"127.0.0.1:{listener.getsockname()[1]}"
            if conduct.front is None and not conduct.plain_http:
                await _serve(opened, Serving(self._service, listener, tls))
            else:
                inner = listen("127.0.0.1", 0)
                await _serve(opened, Serving(self._service, inner, tls))
                plain: Inner | None = None
                if conduct.plain_http:
                    second = listen("127.0.0.1", 0)
                    await _serve(opened, Serving(self._service, second))
                    plain = second.getsockname()[:2]
                choose = _Chooser(conduct, inner.getsockname()[:2], plain)
                await _serve(opened, Pipe(listener, choose))
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self._opened.aclose()


async def _serve(opened: AsyncExitStack, server: Serving | Pipe) -> None:
    opened.push_async_callback(server.close)
    await server.start()


@dataclass(frozen=True, slots=True)
class _Chooser:
    """Leads a connection to the TLS server, to that for plain HTTP, or has it answered at once."""

    conduct: Conduct
    tls: Inner
    plain: Inner | None

    def __call__(self, first: bytes) -> bytes | Inner:
        if self.conduct.front is not None:
            answered = self.conduct.front(first)
            if answered is not None:
                return answered
        return self.tls if self.plain is None or is_tls(first) else self.plain


class Service:
    """The gateway's web application."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._conduct = settings.conduct
        self._api_key = settings.api_key
        self._stream_usage = settings.stream_usage
        self._backend_root = settings.backend.rstrip("/").removesuffix("/v1")
        self._made: httpx.AsyncClient | None = None
        self._secrets = Secrets()
        self._encapsulate = self._conduct.encapsulations(self._conduct.kem)
        self._authority = Authority.new("Soundcheck test authority for attestation")
        self._mesh_ca = Authority.new("Soundcheck test mesh CA")
        self._mesh = self._mesh_ca.issue("mesh.soundcheck.invalid")
        self._seen: dict[bytes, None] = {}

    @property
    def authority_pem(self) -> bytes:
        """Return the certificate of who signs the attestations."""
        return self._authority.certificate_pem

    async def close(self) -> None:
        """Close the connections to the backend."""
        if self._made is not None:
            await self._made.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start" and self._conduct.hsts is not None:
                hsts = (b"strict-transport-security", self._conduct.hsts.encode())
                message = {**message, "headers": [*message["headers"], hsts]}
            await send(message)

        response = await responded(self._answered, Request(scope, receive), "gateway")
        await response(scope, receive, marked)

    async def _answered(self, http: Request, incoming: Incoming) -> Response:
        try:
            check_key(incoming.authorization, self._api_key)
        except Refusal as refusal:
            raise Problem(401, refusal.message) from None
        if incoming.path == ATTEST:
            return self._attested(await _json_of(incoming))
        if incoming.path == EXCHANGE:
            return self._exchanged(await _json_of(incoming))
        if incoming.method in BODILESS:
            return await incoming.unless_gone(self._forwarded(http, None))
        body = await read_body(incoming)
        if not self._conduct.encrypts:
            return await incoming.unless_gone(self._forwarded(http, body))
        return await incoming.unless_gone(self._conversed(http, body))

    def _attested(self, told: Mapping[str, Any]) -> Response:
        nonce = _bytes(told, "Nonce")
        if len(nonce) != 32:
            raise Problem(400, "Nonce must have 32 bytes.")
        document = attestation.attest(self._authority, self._mesh_ca.certificate_pem, nonce)
        return JSONResponse({"AttestationDoc": _text(document)})

    def _exchanged(self, told: Mapping[str, Any]) -> Response:
        public = _bytes(told, "PublicKey")
        try:
            encapsulated, shared = self._encapsulate(public)
        except KeyRefused as error:
            raise Problem(400, f"PublicKey: {error}.") from None
        key = hpke.Context(self._conduct.kem, shared).export()
        self._secrets.add(secret_of(public, key))
        return JSONResponse(
            {
                "EncapsulatedKey": _text(encapsulated),
                "Signature": _text(self._mesh.sign(public + encapsulated)),
                "MeshCert": _text(self._mesh.certificate_der),
            }
        )

    async def _forwarded(self, http: Request, body: bytes | None) -> Response:
        """Pass a request and its answer on as they are."""
        content_type = http.headers.get("content-type", "")
        return await relayed(await self._ask(http, body, content_type), http.method)

    async def _conversed(self, http: Request, body: bytes) -> Response:
        """Answer an encrypted request."""
        conduct = self._conduct
        secret = self._secret_of(http)
        opener = Opener(conduct.requests, secret)
        content_type = http.headers.get("content-type", "")
        try:
            opened, content_type = await worked(
                len(body),
                request.unseal,
                body,
                content_type,
                opener,
                conduct.clear_fields,
                stream_usage=self._stream_usage,
            )
        except Tampered as error:
            raise Problem(400, f"The request cannot be decrypted: {error}.") from None
        nonce = opener.nonce
        if nonce is None:
            raise Problem(400, "The request is not encrypted.")
        answered = await self._ask(http, opened, content_type)
        headers = passed_on(answered.headers)
        replayed = nonce in self._seen
        self._note(nonce)
        if replayed and not conduct.replays_sealed:
            body = await _read(answered)
            return Response(body, answered.status_code, headers)
        if media_type(answered.headers) == EVENT_STREAM:
            sealer = self._sealer(conduct.events, secret, nonce)
            frames = answer.seal_events(chunks(answered), sealer, conduct.clear_members)
            behind = AsyncExitStack()
            behind.push_async_callback(answered.aclose)
            return Relay(_sealed(frames), behind, answered.status_code, headers)
        body = await _read(answered)
        sealer = self._sealer(conduct.answers, secret, nonce)
        sealed = await worked(len(body), answer.seal_body, body, sealer, conduct.clear_members)
        told = {**headers, **conduct.answer_headers(body)}
        return Response(sealed, answered.status_code, told)

    def _secret_of(self, http: Request) -> Secret:
        """Return the secret that a request names; raises Problem."""
        try:
            identifier = base64.b64decode(http.headers[SECRET_ID], validate=True)
        except (KeyError, ValueError):
            raise Problem(400, "Privatemode-Secret-ID is missing, or not base64.") from None
        try:
            secret = self._conduct.find(self._secrets, identifier)
        except UnknownSecret:
            raise Problem(500, f"{NO_SECRET} {_text(identifier)}") from None
        policy, given = http.headers.get(POLICY, ""), http.headers.get(POLICY_MAC, "")
        if not hmac.compare_digest(policy_mac(secret, policy).encode(), given.encode()):
            raise Problem(400, "The MAC of the OCSP policy is wrong.")
        return secret

    def _sealer(self, cipher: Cipher, secret: Secret, nonce: bytes) -> Sealer:
        return Sealer(cipher, secret, nonce, self._conduct.ivs())

    def _note(self, nonce: bytes) -> None:
        """Take note of a request's nonce, for a time."""
        self._seen[nonce] = None
        if len(self._seen) > _SEEN_MOST:
            del self._seen[next(iter(self._seen))]

    async def _ask(self, http: Request, body: bytes | None, content_type: str) -> httpx.Response:
        """Return the backend's answer, whose body is still to be read."""
        if self._made is None:
            # To load the system's roots takes time, and a backend beside the gateway has no TLS.
            verify = self._backend_root.startswith("https:")
            self._made = httpx.AsyncClient(
                verify=verify, trust_env=False, timeout=_TIMEOUT, limits=_LIMITS
            )
        passed = ("authorization", "accept", "x-request-id")
        headers = {name: http.headers[name] for name in passed if name in http.headers}
        headers |= {"accept-encoding": "identity", "user-agent": "soundcheck"}
        if body is not None:
            headers["content-type"] = content_type
        path = path_of(http)
        try:
            asked = upstream.request(
                self._made, http.method, self._backend_root + path, headers, body
            )
            return await self._made.send(asked, stream=True)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Problem(502, f"The backend does not answer: {type(error).__name__}.") from None


def policy_mac(secret: Secret, policy: str) -> str:
    """Return the MAC (hex) of the OCSP policy's header."""
    return hmac.digest(secret.key, policy.encode(), "sha256").hex()


async def _json_of(incoming: Incoming) -> dict[str, Any]:
    try:
        told = json.loads(await read_body(incoming))
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Problem(400, "The body must be a JSON object.")
    return told


def _bytes(told: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(told[name], validate=True)
    except (LookupError, TypeError, ValueError):
        raise Problem(400, f"{name} is missing, or not base64.") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


async def _read(answered: httpx.Response) -> bytes:
    try:
        return await read(answered, MAX_BODY)
    except Unreachable as error:
        raise Problem(502, f"The backend: {error}.") from None


async def _sealed(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield sealed frames; a stream that cannot be sealed is broken off."""
    try:
        async for frame in frames:
            yield frame
            # Frames that are there already are sent one by one, as they came.
            await asyncio.sleep(0)
    except Tampered:
        raise BrokenOff from None
