"""The private stack in this process: a backend that answers at once, and an API that is watched.

What the proxy sends to its API passes ``Watched``, which keeps it, and can change it both ways: so
tests see the wire without any TLS of their own.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from soundcheck.http.certificates import Authority
from soundcheck.http.sealed import Value, values_of
from soundcheck.reference import connection
from soundcheck.reference.private import form
from soundcheck.reference.private.faults import conduct
from soundcheck.reference.private.form import NotAForm, Part
from soundcheck.reference.private.gateway import GatewaySettings, Service
from soundcheck.reference.private.proxy import Proxy, ProxySettings
from soundcheck.reference.private.serving import Serving
from soundcheck.reference.server import base_url, listen

T = TypeVar("T")

EVENTS = [
    {"type": "transcript.text.delta", "delta": "Hello"},
    {"type": "transcript.text.delta", "delta": " "},
    {"type": "transcript.text.delta", "delta": "World."},
    {"type": "transcript.text.done", "text": "Hello World.", "usage": {"seconds": 2}},
]
ANSWER = {"duration": 1.5, "language": "en", "text": "Hello World.", "usage": {"seconds": 2}}
SUBTITLES = "1\n00:00:00,210 --> 00:00:01,000\nHello World.\n"


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the loop, at some time."""
        self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Backend:
    """What stands behind the gateway; it keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Request, list[Part] | bytes]] = []
        self.released: asyncio.Event | None = None
        """If there is one, a stream waits for it after its first event."""
        self.left = threading.Event()
        """Set when a client left in the middle of a stream."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        http = Request(scope, receive)
        body = await http.body()
        try:
            parts: list[Part] | bytes = form.read(body, http.headers.get("content-type", ""))
        except NotAForm:
            parts = body
        self.asked.append((http, parts))
        await self._response(parts)(scope, receive, send)

    def _response(self, parts: list[Part] | bytes) -> Response:
        if isinstance(parts, bytes):
            return JSONResponse({"error": {"message": "not a form"}}, 400 if parts else 200)
        fields = {part.name: part.data.decode() for part in parts if part.filename is None}
        if "model" not in fields:
            return JSONResponse({"error": {"message": "no model"}}, 404)
        if fields.get("stream") == "true":
            return StreamingResponse(self._events(), media_type="text/event-stream")
        if fields.get("response_format") == "srt":
            return Response(SUBTITLES, media_type="text/plain")
        return JSONResponse(ANSWER)

    async def _events(self) -> Any:
        try:
            for number, event in enumerate(EVENTS):
                yield f"data: {json.dumps(event)}\n\n"
                if number == 0 and self.released is not None:
                    await self.released.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise


@dataclass
class Hop:
    """A request as it came to the API, and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    @property
    def values(self) -> dict[str, Value]:
        """Return the values of the request by name."""
        return {one.name: one for one in values_of(self.body, self.headers.get("content-type"))}

    @property
    def members(self) -> list[Value]:
        """Return the values of the answer."""
        return values_of(self.answer, self.answer_headers.get("content-type"))


class Watched:
    """The API; ``before`` and ``after`` it, a hop may be changed, or answered in its place.

    An answer with status 0 is a reset.
    """

    def __init__(self, service: Service) -> None:
        self.hops: list[Hop] = []
        self.before: Callable[[Hop], object] = lambda hop: None
        self.after: Callable[[Hop], object] = lambda hop: None
        self.relays = False
        """Answers are passed on as they come, unseen."""
        self._service = service

    @property
    def forms(self) -> list[Hop]:
        """Return the requests for transcriptions."""
        return [hop for hop in self.hops if hop.path.endswith("/transcriptions")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        http = Request(scope, receive)
        hop = Hop(http.method, http.url.path, dict(http.headers), await http.body())
        self.hops.append(hop)
        self.before(hop)
        if not hop.status:
            changed = [(key.encode(), value.encode()) for key, value in hop.headers.items()]
            await self._asked({**scope, "headers": changed}, receive, send, hop)
            if self.relays:
                return
        self.after(hop)
        if not hop.status:
            await connection.reset(receive)
            return
        hop.answer_headers.pop("content-length", None)
        await Response(hop.answer, hop.status, hop.answer_headers)(scope, receive, send)

    async def _asked(self, scope: Scope, receive: Receive, send: Send, hop: Hop) -> None:
        given = iter([{"type": "http.request", "body": hop.body}])

        async def body() -> Message:
            return next(given, None) or await receive()

        async def keep(message: Message) -> None:
            if self.relays:
                await send(message)
            if message["type"] == "http.response.start":
                hop.status = message["status"]
                hop.answer_headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                hop.answer += message.get("body", b"")

        await self._service(scope, body, keep)


@dataclass
class Stack:
    """A proxy, the API it asks, and the backend behind that."""

    url: str
    api: Watched
    backend: Backend
    client: httpx.Client
    loop: Loop

    def post(self, *, filename: str = "x.wav", audio: bytes = b"RIFF" * 9, **fields: Any) -> Any:
        """Return the proxy's answer to a form."""
        data = {"model": "m", **fields}
        return self.client.post(self.url, data=data, files={"file": (filename, audio)}, timeout=30)


Build = Callable[..., Stack]


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """Return the loop that all of it runs in."""
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="session")
def root() -> Authority:
    """Return the root that the proxies trust."""
    return Authority.new("root of the tests")


@pytest.fixture(scope="session")
def server_tls(root: Authority) -> ssl.SSLContext:
    """Return the TLS of an API that a proxy trusts."""
    return root.issue("127.0.0.1").server_context()


@pytest.fixture(scope="module")
def build(
    loop: Loop, root: Authority, server_tls: ssl.SSLContext, tmp_path_factory: Any
) -> Iterator[Build]:
    """Return a function that starts a stack with some faults; it ends after the module."""
    opened = ExitStack()
    closing: list[list[Callable[[], Coroutine[Any, Any, None]]]] = []
    roots: Path = tmp_path_factory.mktemp("roots") / "roots.pem"
    roots.write_bytes(root.certificate_pem)

    def start(
        *faults: str, tls: ssl.SSLContext | bool = True, client_key: str | None = None, **keys: Any
    ) -> Stack:
        behaviour = conduct(faults)
        backend = Backend()

        async def serve() -> tuple[Watched, Proxy]:
            behind = Serving(backend, listener := listen("127.0.0.1", 0))
            await behind.start()
            url = base_url(listener)
            service = Service(
                GatewaySettings(
                    url,
                    behaviour,
                    keys.get("api_key"),
                    stream_usage=bool(keys.get("stream_usage")),
                )
            )
            api = Watched(service)
            context = server_tls if tls is True else tls or None
            front = Serving(api, listener := listen("127.0.0.1", 0), context)
            await front.start()
            endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
            settings = ProxySettings(
                endpoint, roots, service.authority_pem, behaviour, keys.get("proxy_key")
            )
            proxy = await Proxy(settings).__aenter__()
            closing.append([proxy.__aexit__, front.close, service.close, behind.close])
            return api, proxy

        api, proxy = loop.run(serve())
        headers = {} if client_key is None else {"Authorization": f"Bearer {client_key}"}
        client = opened.enter_context(httpx.Client(trust_env=False, verify=False, headers=headers))
        return Stack(f"{proxy.base_url}/audio/transcriptions", api, backend, client, loop)

    async def close() -> None:
        # All of a kind at once: each takes a moment to end, and needs nothing of the others.
        for kind in zip(*closing, strict=True):
            await asyncio.gather(*(one() for one in kind))

    yield start
    opened.close()
    loop.run(close())


@pytest.fixture(scope="module")
def right(build: Build) -> Stack:
    """Return a stack without any fault."""
    return build()


@pytest.fixture
def stack(right: Stack) -> Iterator[Stack]:
    """Return the right stack, with a secret, for a test that changes what its API does."""
    assert right.post().status_code == 200
    right.api.hops.clear()
    right.backend.asked.clear()
    yield right
    right.api.before = right.api.after = lambda hop: None
    right.api.relays = False
    right.backend.released = None
