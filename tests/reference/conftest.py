"""What the tests of the reference share: clips, the real recognizer, clients without sockets."""

import asyncio
import hashlib
import os
import pickle
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from filelock import AsyncFileLock

from soundcheck.audio import Library
from soundcheck.audio.clip import Word
from soundcheck.reference.backend import Pool, create_app
from soundcheck.reference.pool import LIMIT_SECONDS, RecognizerPool
from soundcheck.reference.server import base_url, listen
from soundcheck.reference.settings import Settings
from soundcheck.reference.transcript import (
    Hearing,
    Segment,
    TooLong,
    Transcript,
    Undecodable,
    hearing,
)


class RememberingPool:
    """The real recognizer, which hears each distinct file once: many tests send the same one.

    What was heard is kept in a folder, for the other processes that run these tests.
    """

    def __init__(self, pool: RecognizerPool, folder: Path) -> None:
        self._pool = pool
        self._folder = folder

    @asynccontextmanager
    async def listen(
        self, path: Path, limit_seconds: float = LIMIT_SECONDS
    ) -> AsyncIterator[Hearing]:
        """Recognise a file, or repeat what was heard of one like it."""
        name = f"{hashlib.sha256(path.read_bytes()).hexdigest()}-{limit_seconds}"
        async with AsyncFileLock(self._folder / f"{name}.lock"):
            kept = self._folder / name
            if not kept.exists():
                kept.write_bytes(pickle.dumps(await self._heard(path, limit_seconds)))
            heard: Transcript | Exception = pickle.loads(kept.read_bytes())  # our own
        if isinstance(heard, Exception):
            raise heard
        yield hearing(heard)

    async def _heard(self, path: Path, limit_seconds: float) -> Transcript | Exception:
        try:
            return await self._pool.transcribe(path, limit_seconds)
        except (Undecodable, TooLong) as error:
            return error


class Knowing:
    """A recognizer that knows what is said without listening; ``before`` is awaited by segment."""

    def __init__(self, *texts: str, before: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._texts = texts
        self._before = before
        self.left = threading.Event()
        """Set when nobody listens any more."""

    @asynccontextmanager
    async def listen(
        self, path: Path, limit_seconds: float = LIMIT_SECONDS
    ) -> AsyncIterator[Hearing]:
        """Say the texts, a second each."""

        async def segments() -> AsyncIterator[Segment]:
            for at, text in enumerate(self._texts):
                if self._before is not None:
                    await self._before(at)
                word = Word(text, float(at), at + 0.9)
                yield Segment(float(at), at + 0.9, text, "en", (word,), 200.0, 0.9)

        self.left.clear()
        try:
            yield Hearing(float(max(1, len(self._texts))), segments())
        finally:
            self.left.set()


@pytest.fixture
def knowing() -> type[Knowing]:
    """Return the recognizer that knows what is said."""
    return Knowing


@pytest.fixture
def serving() -> Iterator[Callable[..., str]]:
    """Return a function that serves an application and gives its base URL."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(pool: Pool, dialect: str = "openai", *faults: str, **settings: Any) -> str:
        app = create_app(Settings(dialect, faults=faults, **settings), pool)
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        listener = listen("127.0.0.1", 0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        servers.append((server, thread))
        return base_url(listener)

    yield serve
    for server, _ in servers:
        server.should_exit = True
    for _, thread in servers:
        thread.join()


class Direct(httpx.BaseTransport):
    """Hands requests to an application in this process."""

    def __init__(self, settings: Settings, pool: RememberingPool, runner: asyncio.Runner) -> None:
        self._transport = httpx.ASGITransport(create_app(settings, pool))
        self._runner = runner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; the body comes whole."""

        async def answered() -> httpx.Response:
            response = await self._transport.handle_async_request(request)
            body = await response.aread()
            return httpx.Response(response.status_code, headers=response.headers, content=body)

        request.read()
        return self._runner.run(answered())


@pytest.fixture(scope="session")
def library() -> Library:
    """Return the library of clips."""
    return Library()


@pytest.fixture(scope="session")
def deployment(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., httpx.Client]]:
    """Return a function that gives a client of a deployment with the given settings."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "heard-directly"
    folder.mkdir(exist_ok=True)
    with ExitStack() as opened:
        runner = opened.enter_context(asyncio.Runner())
        pool = RememberingPool(opened.enter_context(RecognizerPool(1)), folder)

        def client(dialect: str = "openai", *faults: str, **settings: Any) -> httpx.Client:
            transport = Direct(Settings(dialect, faults=faults, **settings), pool, runner)
            return opened.enter_context(
                httpx.Client(transport=transport, base_url="http://reference/v1")
            )

        yield client
