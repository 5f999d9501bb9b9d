"""Many reference deployments in one process: one below the path of each fault's name.

Run as ``python farm.py DIALECT``: prints its URL, ends when its standard input is closed.
"""

import contextlib
import hashlib
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from soundcheck.reference.backend import create_app
from soundcheck.reference.faults import BENIGN, FAULTS
from soundcheck.reference.pool import RecognizerPool
from soundcheck.reference.server import listen
from soundcheck.reference.settings import Settings
from soundcheck.reference.transcript import Hearing, Transcript, hearing

PACED = range(45, 100)
"""Seconds of clips that are recognised each time: the pace of their streams is judged."""


class Remembering:
    """A recognizer that hears each file once, for all the deployments of the farm."""

    def __init__(self, pool: RecognizerPool) -> None:
        self._pool = pool
        self._known: dict[tuple[str | float, ...], Transcript] = {}

    @contextlib.asynccontextmanager
    async def listen(self, path: Path, *limit: float) -> AsyncIterator[Hearing]:
        """Return what is heard in a file, by its content; refusals are not remembered."""
        with path.open("rb") as file:
            key: tuple[str | float, ...] = (hashlib.file_digest(file, "sha256").hexdigest(), *limit)
        known = self._known.get(key)
        if known is not None:
            yield hearing(known)
            return
        async with self._pool.listen(path, *limit) as heard:
            if int(heard.duration) in PACED:
                yield heard
                return
            known = self._known[key] = await heard.transcript()
        yield hearing(known)


def main(dialect: str) -> None:
    """Serve ``/none`` without a deviation, ``/NAME`` for each, and ``/a+b`` for several."""
    with RecognizerPool(1) as recognizers, listen("127.0.0.1", 0) as listener:
        pool = Remembering(recognizers)

        def app(*names: str) -> Starlette:
            return create_app(Settings(dialect, faults=names), pool)

        mounts = [Mount(f"/{name}", app(name)) for name in [*FAULTS, *BENIGN]]
        mounts += [Mount("/none", app()), Mount("/benign", app(*_compatible()))]
        config = uvicorn.Config(Starlette(routes=mounts), lifespan="off", log_config=None)
        server = uvicorn.Server(config)

        def end_with_parent() -> None:
            sys.stdin.buffer.read()
            server.should_exit = True

        threading.Thread(target=end_with_parent, daemon=True).start()
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


def _compatible() -> list[str]:
    """Return the benign variations that can be had together."""
    return [name for name in BENIGN if name != "language-as-name"]


if __name__ == "__main__":
    main(sys.argv[1])
