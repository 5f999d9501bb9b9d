"""A pool of recognizer processes for an asyncio server: one core each, loaded once (``worker``)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from soundcheck.audio.clip import Word
from soundcheck.reference.transcript import Hearing, Segment, TooLong, Transcript, Undecodable

LIMIT_SECONDS = 1500.0
_GRACE = 5.0  # seconds the processes have to end by themselves
_CHUNK = 1 << 16
_LAST = frozenset({"end", "undecodable", "too_long", "failure"})  # the parts that end an answer


class RecognizerFailure(Exception):
    """The recognizer failed at this request, or its process ended; other requests go on."""


class RecognizerPool:
    """Up to ``workers`` recognizer processes (default: one per core), started as they are needed.

    A context manager. To be used within one event loop; requests are served in the order in which
    they came.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._slots = asyncio.Semaphore(workers or _cores())
        self._idle: deque[_Worker] = deque()
        self._nursery: _Nursery | None = _Nursery()
        self._busy: set[_Worker] = set()

    def __enter__(self) -> RecognizerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def transcribe(self, path: Path, limit_seconds: float = LIMIT_SECONDS) -> Transcript:
        """Return what is said in the audio file at ``path``; raises as ``listen`` does."""
        async with self.listen(path, limit_seconds) as heard:
            return await heard.transcript()

    @contextlib.asynccontextmanager
    async def listen(
        self, path: Path, limit_seconds: float = LIMIT_SECONDS
    ) -> AsyncIterator[Hearing]:
        """Decode the audio file at ``path``, then let its segments be read as they are recognised.

        On entering, raises Undecodable when it is no audio, TooLong above ``limit_seconds``,
        RecognizerFailure when the recognizer breaks; reading the segments can raise the latter.
        The file is read on entering only. Whoever is cancelled, or leaves before all segments were
        read, stops the work at once: the worker is ended.
        """
        request = {"path": os.path.abspath(path), "limit": limit_seconds}
        async with self._slots:
            if self._nursery is None:
                raise RecognizerFailure("the recognizer pool is closed")
            worker = self._idle.pop() if self._idle else self._new_worker()
            self._busy.add(worker)
            try:
                duration = _told(await worker.ask(request))["duration"]
                yield Hearing(duration, _segments(worker))
            finally:
                self._busy.discard(worker)
                if not worker.answered:
                    # Nobody waits for the rest of the answer; the next request would get it.
                    self._end(worker)
                elif self._nursery is None:
                    worker.close()
                else:
                    self._idle.append(worker)

    def close(self) -> None:
        """End all processes; requests under way fail."""
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            nursery.close()
        for worker in self._idle:
            worker.close()
        for worker in self._busy:
            worker.interrupt()
        self._idle.clear()

    def _new_worker(self) -> _Worker:
        assert self._nursery is not None  # noqa: S101  # asked by the caller
        if not self._nursery.alive:
            self._nursery.close()
            self._nursery = _Nursery()
        try:
            return self._nursery.fork()
        except OSError as error:
            raise RecognizerFailure(f"no recognizer process could be started: {error}") from None

    def _end(self, worker: _Worker) -> None:
        worker.close()
        if self._nursery is not None and worker.pid is not None:
            self._nursery.kill(worker.pid)


class _Worker:
    """One worker, as seen from here: its socket."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._received = bytearray()
        self.pid: int | None = None
        self.answered = True
        """Whether all of the last request's answer was read."""

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the first part of its answer."""
        self.answered = False
        if self.pid is None:
            self.pid = (await self.part())["pid"]
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._connection, json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise RecognizerFailure(f"the recognizer's process ended: {error}") from None
        return await self.part()

    async def part(self) -> dict[str, Any]:
        """Return the next part of an answer."""
        try:
            part = await self._line(asyncio.get_running_loop())
        except OSError as error:
            raise RecognizerFailure(f"the recognizer's process ended: {error}") from None
        self.answered = not part.keys().isdisjoint(_LAST)
        return part

    def close(self) -> None:
        self._connection.close()

    def interrupt(self) -> None:
        """Wake who waits for the answer; closing would leave the event loop waiting."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    async def _line(self, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        while (end := self._received.find(b"\n")) < 0:
            data = await loop.sock_recv(self._connection, _CHUNK)
            if not data:
                raise RecognizerFailure("the recognizer's process ended in the middle of a request")
            self._received += data
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        answer: dict[str, Any] = json.loads(line)
        return answer


class _Nursery:
    """The process that forks the workers; it loads while the server goes on starting."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)  # whole messages
        # A fork copies only the thread that forks; the libraries' own would be lost.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # our own module, no shell
                [sys.executable, "-m", "soundcheck.reference.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment,
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fork(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"fork"], [theirs.fileno()])
            except BaseException:
                ours.close()
                raise
        return _Worker(ours)

    def kill(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            self._control.send(b"kill%d" % pid)

    def close(self) -> None:
        self._control.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def _segments(worker: _Worker) -> AsyncIterator[Segment]:
    while "end" not in (part := _told(await worker.part())):
        found = part["segment"]
        yield Segment(**(found | {"words": tuple(Word(**word) for word in found["words"])}))


def _told(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of an answer; raises what it tells of."""
    if "undecodable" in part:
        raise Undecodable(part["undecodable"])
    if "too_long" in part:
        raise TooLong(part["too_long"])
    if "failure" in part:
        raise RecognizerFailure(part["failure"])
    return part
