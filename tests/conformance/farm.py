"""Many reference deployments in one process: one below the path of each fault's name.

Run as ``python farm.py DIALECT FOLDER KEY``: prints its URL, ends when standard input is closed.
Farms that are given the same folder tell each other in it what they heard. What is below ``/none``
has no deviation, below ``/NAME`` that one, below ``/A+B`` both. With the name ``keyed`` among
them clients must have KEY.
"""

import asyncio
import contextlib
import hashlib
import math
import os
import pickle
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from filelock import AsyncFileLock
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from soundcheck.reference.backend import create_app
from soundcheck.reference.pool import RecognizerPool
from soundcheck.reference.server import listen
from soundcheck.reference.settings import Settings
from soundcheck.reference.transcript import Hearing, Segment

PACED = range(45, 100)
"""Seconds of clips whose segments come at the pace at which they were heard: rules judge it."""

Heard = list[tuple[float, Segment]]
"""The segments of a file, and after how many seconds of listening each came."""


class Remembering:
    """A recognizer that hears each file once, for all the deployments of all farms."""

    def __init__(self, pool: RecognizerPool, folder: Path) -> None:
        self._pool = pool
        self._folder = folder

    @contextlib.asynccontextmanager
    async def listen(self, path: Path, *limit: float) -> AsyncIterator[Hearing]:
        """Return what is heard in a file, by its content; refusals are not remembered.

        What was heard under one limit of seconds counts under every other that it keeps.
        """
        with path.open("rb") as file:
            kept = self._folder / hashlib.file_digest(file, "sha256").hexdigest()
        known = _remembered(kept, *limit)
        if known is None:
            # One farm listens, the others wait for what it hears: a long file takes a core.
            async with AsyncFileLock(kept.with_suffix(".lock")):
                known = _remembered(kept, *limit)
                if known is None:
                    async with self._pool.listen(path, *limit) as hearing:
                        known = hearing.duration, await _timed(hearing)
                    partial = kept.with_suffix(f".{os.getpid()}")
                    partial.write_bytes(pickle.dumps(known))
                    partial.replace(kept)
        duration, heard = known
        yield Hearing(duration, _again(heard, paced=int(duration) in PACED))


def _remembered(kept: Path, limit: float = math.inf) -> tuple[float, Heard] | None:
    try:
        known: tuple[float, Heard] = pickle.loads(kept.read_bytes())  # our own
    except FileNotFoundError:
        return None
    return known if known[0] <= limit else None


async def _timed(hearing: Hearing) -> Heard:
    begin = time.monotonic()
    return [(time.monotonic() - begin, segment) async for segment in hearing.segments]


async def _again(heard: Heard, *, paced: bool) -> AsyncIterator[Segment]:
    begin = time.monotonic()
    for after, segment in heard:
        if paced:
            await asyncio.sleep(begin + after - time.monotonic())
        yield segment


class Farm:
    """The application that hands each request to the deployment that its path begins with."""

    def __init__(self, dialect: str, key: str, pool: Remembering) -> None:
        self._dialect = dialect
        self._key = key
        self._pool = pool
        self._grown: dict[str, Mount] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the deployment with the deviations that the path names."""
        place = scope["path"].split("/")[1]
        if place not in self._grown:
            named = place.split("+")
            faults = tuple(name for name in named if name not in ("none", "keyed"))
            key = self._key if "keyed" in named else None
            app = create_app(Settings(self._dialect, key, faults), self._pool)
            self._grown[place] = Mount(f"/{place}", app)
        _, inner = self._grown[place].matches(scope)
        await self._grown[place].handle({**scope, **inner}, receive, send)


def main(dialect: str, folder: Path, key: str) -> None:
    """Serve until standard input is closed."""
    with RecognizerPool(1) as recognizers, listen("127.0.0.1", 0) as listener:
        farm = Farm(dialect, key, Remembering(recognizers, folder))
        server = uvicorn.Server(uvicorn.Config(farm, lifespan="off", log_config=None))

        def end_with_parent() -> None:
            sys.stdin.buffer.read()
            server.should_exit = True

        threading.Thread(target=end_with_parent, daemon=True).start()
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
