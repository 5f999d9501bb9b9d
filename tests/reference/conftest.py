"""What the tests of the reference share: clips, the real recognizer, clients without sockets."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.reference.backend import create_app
from soundcheck.reference.pool import LIMIT_SECONDS, RecognizerPool
from soundcheck.reference.settings import Settings
from soundcheck.reference.transcript import TooLong, Transcript, Undecodable


class RememberingPool:
    """The real recognizer, which hears each distinct file once: many tests send the same one."""

    def __init__(self, pool: RecognizerPool) -> None:
        self._pool = pool
        self._heard: dict[tuple[bytes, float], Transcript | Exception] = {}

    async def transcribe(self, path: Path, limit_seconds: float = LIMIT_SECONDS) -> Transcript:
        """Transcribe a file, or repeat what was heard of one like it."""
        key = hashlib.sha256(path.read_bytes()).digest(), limit_seconds
        if key not in self._heard:
            try:
                self._heard[key] = await self._pool.transcribe(path, limit_seconds)
            except (Undecodable, TooLong) as error:
                self._heard[key] = error
        heard = self._heard[key]
        if isinstance(heard, Exception):
            raise heard
        return heard


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
def deployment() -> Iterator[Callable[..., httpx.Client]]:
    """Return a function that gives a client of a deployment with the given settings."""
    with ExitStack() as opened:
        runner = opened.enter_context(asyncio.Runner())
        pool = RememberingPool(opened.enter_context(RecognizerPool(1)))

        def client(
            dialect: str = "openai", *faults: str, api_key: str | None = None
        ) -> httpx.Client:
            transport = Direct(Settings(dialect, api_key, faults), pool, runner)
            return opened.enter_context(
                httpx.Client(transport=transport, base_url="http://reference/v1")
            )

        yield client
