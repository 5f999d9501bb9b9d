"""A client that loads a server, in a process of its own: ours as users run it, or one of the peers.

``python load_client.py KIND`` reads a line of JSON for each measurement from standard input, and
answers it with a line: what was done, and the CPU time that this process took for it.
"""

import json
import os
import random
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

CONNECTIONS = 8
_WARM_UP_S = 0.15
_TRANSCRIPT = "one two three four"
"""What the stub says."""


@dataclass(frozen=True)
class Task:
    """What to do: uploads of ``size`` bytes by ``users`` at once for ``seconds``.

    A ``stream`` has a delta each ``gap_s``. With ``steady`` the CPU time is that of so many seconds
    in which all streams run, else it is of all.
    """

    base_url: str
    size: int
    seconds: float
    users: int = CONNECTIONS
    roots: str | None = None
    stream: bool = False
    gap_s: float = 0.0
    steady: float = 0.0


@dataclass(frozen=True)
class Done:
    """What came of it: ``cpu_us`` is per request.

    Of streams, ``requests`` are those that began, ``cpu_us`` is per delta, ``user_ns`` and
    ``kernel_ns`` are how much later than it was sent each delta was stamped by us and by the
    kernel, and ``memory`` is what the process had before, and at most (bytes).
    """

    requests: int
    cpu_us: float
    deltas: int = 0
    coalesced: int = 0
    user_ns: tuple[int, ...] = ()
    kernel_ns: tuple[int, ...] = ()
    memory: tuple[int, int] = (0, 0)


class Client:
    """A process that runs this program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def measure(self, task: Task) -> Done:
        """Have the process do ``task``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(task)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a client of the benchmark ended")
        return Done(**json.loads(line))


@contextmanager
def client(kind: str) -> Iterator[Client]:
    """Start a client on the last core and end it with the block."""
    process = subprocess.Popen(
        [sys.executable, __file__, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        on_core(process.pid, -1)
        yield Client(process)
    finally:
        process.communicate()


def on_core(pid: int, index: int) -> None:
    """Keep a process to one core, as far as there are several: 0 is the first, -1 the last."""
    os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[index]})


def raise_limits() -> None:
    """Allow as many connections as the system does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def sound(size: int) -> bytes:
    """Return a WAV file of ``size`` bytes."""
    import io
    import wave

    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(random.Random(1).randbytes(size - 44))
    return target.getvalue()


def form(size: int, stream: bool = False) -> Any:
    """Return a form with such a file, as a mix makes it."""
    return _mix(size, stream).forms[0]


def _mix(size: int, stream: bool) -> Any:
    from soundcheck.audio import Clip
    from soundcheck.load.mix import Mix

    with tempfile.NamedTemporaryFile() as file:
        file.write(sound(size))
        file.flush()
        clip = Clip(
            name="bench.wav",
            path=Path(file.name),
            media_type="audio/wav",
            size=size,
            sha256="0" * 64,
            duration=size / 32_000,
            sample_rate=16_000,
            channels=1,
            language="en",
            transcript=_TRANSCRIPT,
            words=(),
        )
        shares = [(clip, "en", 1.0)]
        return Mix.encoded(shares, model="whisper-large-v3", stream=float(stream))


def bare(task: Task) -> Done:
    """Run our client alone, without Locust."""
    import gevent

    from soundcheck.load.client import TranscriptionClient

    asked = form(task.size, task.stream)
    roots = Path(task.roots) if task.roots else None
    begin = time.monotonic() + _WARM_UP_S
    end = begin + task.seconds
    count, used = 0, 0

    def send() -> None:
        nonlocal count, used
        sender = TranscriptionClient(task.base_url, roots=roots)
        while (now := time.monotonic()) < end:
            measured = sender.transcribe(asked)
            if measured.cause:
                raise SystemExit(f"a request failed: {measured.detail}")
            if now >= begin:
                used = used or time.process_time_ns()
                count += 1
        sender.close()

    gevent.joinall([gevent.spawn(send) for _ in range(task.users)], raise_error=True)
    return Done(count, (time.process_time_ns() - used) / 1000 / count)


def stamps(task: Task) -> Done:
    """Read streams by our client alone, one for each user, and compare the stamps of deltas.

    The streams begin one after the other, over ``task.seconds``. What is compared are the deltas
    that came while all of them ran.
    """
    import gevent

    from soundcheck.load.client import TranscriptionClient
    from soundcheck.load.vitals import quiet_garbage

    asked = form(task.size, stream=True)
    seen: list[list[tuple[str, int, int | None]]] = [[] for _ in range(task.users)]
    coalesced = 0

    def read(number: int) -> None:
        nonlocal coalesced
        gevent.sleep(task.seconds * number / task.users)
        events = seen[number]  # looked at later, so as not to delay those that come next
        reader = TranscriptionClient(task.base_url, observe=lambda *event: events.append(event))
        measured = reader.transcribe(asked)
        reader.close()
        if measured.cause:
            raise SystemExit(f"a stream failed: {measured.detail}")
        coalesced += measured.coalesced

    quiet_garbage()
    readers = [gevent.spawn(read, number) for number in range(task.users)]
    gevent.joinall(readers, raise_error=True)
    # The first tells of the stream's begin, and the last of its end.
    begin = max(events[1][1] for events in seen)
    end = min(events[-2][1] for events in seen)
    user: list[int] = []
    kernel: list[int] = []
    for data, ours, theirs in chain.from_iterable(seen):
        sent = json.loads(data).get("sent_ns")
        if sent is not None and begin <= ours <= end:
            user.append(ours - sent)
            if theirs is not None:
                kernel.append(theirs - sent)
    return Done(task.users, 0.0, len(user), coalesced, tuple(user), tuple(kernel))


def reads(task: Task) -> Done:
    """Read streams in the shortest way there is with gevent: what comes is stamped, and kept."""
    import gevent

    from soundcheck.load.vitals import quiet_garbage

    asked = form(task.size, stream=True)
    host = task.base_url.removeprefix("http://").removesuffix("/v1")
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}\r\n".encode() + asked.head
    address, port = host.split(":")

    def read(number: int) -> None:
        gevent.sleep(task.seconds * number / task.users)
        connection = socket.create_connection((address, int(port)))
        connection.sendall(head + asked.body)
        connection.setblocking(False)
        reader = gevent.get_hub().loop.io(connection.fileno(), 1)
        data = b"."
        while data and not data.endswith(b"0\r\n\r\n"):
            gevent.get_hub().wait(reader)
            data = connection.recv(8192)
            seen[number].append((data, time.monotonic_ns()))
        reader.close()
        connection.close()

    seen: list[list[tuple[bytes, int]]] = [[] for _ in range(task.users)]
    quiet_garbage()
    readers = [gevent.spawn(read, number) for number in range(task.users)]
    used = _steady(task)
    gevent.joinall(readers, raise_error=True)
    begin, end = max(one[1][1] for one in seen), min(one[-2][1] for one in seen)
    sent = re.compile(rb'"sent_ns": ?(\d+)')
    late = [
        ours - int(found[1])
        for data, ours in chain.from_iterable(seen)
        if begin <= ours <= end and (found := sent.search(data))
    ]
    return Done(task.users, used, len(late), user_ns=tuple(late))


def _steady(task: Task) -> float:
    """Return the CPU time of a delta (µs) while all streams run, which began over ``seconds``."""
    import gevent

    gevent.sleep(task.seconds + 0.5)
    begin, used = time.monotonic(), time.process_time_ns()
    gevent.sleep(task.steady)
    used = time.process_time_ns() - used
    deltas = (time.monotonic() - begin) / task.gap_s * task.users
    return used / 1000 / deltas


def _pool(task: Task, runner: Any) -> Done:
    """Have Locust's ``runner`` run users; return what they did, by its own count."""
    import gevent

    runner.start(task.users, spawn_rate=10 * task.users)
    gevent.sleep(_WARM_UP_S)
    before, used = runner.stats.total.num_requests, time.process_time_ns()
    gevent.sleep(task.seconds)
    count = runner.stats.total.num_requests - before
    used = time.process_time_ns() - used
    failed = runner.stats.total.num_failures
    runner.quit()
    if failed or not count:
        told = [*runner.errors.values(), *runner.exceptions.values()]
        raise SystemExit(f"{count} requests, {failed} failed: {told}")
    return Done(count, used / 1000 / count)


def _runner(task: Task, user_class: Any) -> Any:
    from locust.env import Environment

    return Environment(user_classes=[user_class], host=task.base_url).create_local_runner()


def _staged(task: Task, seconds: float, send: Callable[..., None]) -> tuple[Any, Any]:
    """Return a runner of our users, and the greenlet that is the stage they take part in.

    What they send for ``seconds`` is recorded and reported by ``send`` as a worker does.
    """
    import gevent
    from locust import stats

    from soundcheck.load.arrivals import Arrivals
    from soundcheck.load.messages import StageOrder
    from soundcheck.load.rounding import three_digits
    from soundcheck.load.stage import Stage
    from soundcheck.load.user import TranscriptionUser
    from soundcheck.load.vitals import quiet_garbage
    from soundcheck.load.worker import Worker, keep

    class BenchUser(TranscriptionUser):
        pass

    # As in every run of ours; Locust's annotation allows whole milliseconds only.
    stats.bucket_response_time = three_digits  # type: ignore[assignment]
    runner = _runner(task, BenchUser)
    worker = Worker(send, lambda: task.users, None)
    worker.host = task.base_url
    worker._mix = _mix(task.size, task.stream)
    keep(runner.environment, worker)
    quiet_garbage()  # as before each run
    stage = Stage("bench", Arrivals.parse(f"closed:{task.users}"), seconds)
    order = StageOrder("", 1, stage, 1, 0, 1, 0.0)
    return runner, gevent.spawn(worker._run, order, time.monotonic_ns())


def ours(task: Task) -> Done:
    """Run our users as a load run has them: with the recorder and Locust's statistics."""
    runner, stage = _staged(task, 60.0, lambda *_: None)
    done = _pool(task, runner)
    stage.kill()
    return done


def streams(task: Task) -> Done:
    """Run our users as a load run has them, who ask for streams and begin new ones for a time."""
    import gevent
    from memory import memory

    told: dict[str, Any] = {}
    runner, stage = _staged(task, task.seconds, lambda kind, delta: told.update(delta))
    before = most = 0
    if not task.steady:
        before = most = memory(os.getpid())
    runner.start(task.users, spawn_rate=10 * task.users)
    used = _steady(task) if task.steady else 0.0
    while not told.get("final"):
        gevent.sleep(0.5)
        if not task.steady:
            most = max(most, memory(os.getpid()))
    stage.join()
    runner.quit()
    vitals = told["vitals"]
    coalesced = vitals["coalesced"]
    return Done(vitals["sent"], used, vitals["deltas"], coalesced, memory=(before, most))


def fast(task: Task) -> Done:
    """Run Locust's FastHttpUser, given the bytes of the whole body."""
    from locust.contrib.fasthttp import FastHttpUser

    asked = form(task.size)

    def send(user: Any) -> None:
        user.client.post(
            "/audio/transcriptions",
            data=asked.body,
            headers={"Content-Type": asked.content_type},
        )

    class BenchUser(FastHttpUser):  # type: ignore[misc]
        tasks = (send,)

    return _pool(task, _runner(task, BenchUser))


def http(task: Task) -> Done:
    """Run Locust's HttpUser, given the file."""
    from locust import HttpUser

    file = sound(task.size)

    def send(user: Any) -> None:
        user.client.post(
            "/audio/transcriptions",
            data={"model": "whisper-large-v3", "language": "en"},
            files={"file": ("bench.wav", file, "audio/wav")},
        )

    class BenchUser(HttpUser):
        tasks = (send,)

    return _pool(task, _runner(task, BenchUser))


def encoding(task: Task) -> Done:
    """Do as vLLM's benchmark: encode a WAV file by soundfile and a form by aiohttp, each time.

    It holds the sound as the data sets it loads do: in floats.
    """
    import asyncio
    import io

    import aiohttp
    import numpy as np
    import soundfile

    samples = np.frombuffer(sound(task.size)[44:], "<i2").astype(np.float32) / 2**15

    async def run() -> Done:
        begin = time.monotonic() + _WARM_UP_S
        end = begin + task.seconds
        count, used = 0, 0

        async def send(session: aiohttp.ClientSession) -> None:
            nonlocal count, used
            while (now := time.monotonic()) < end:
                file = io.BytesIO()
                soundfile.write(file, samples, 16_000, format="WAV")
                file.seek(0)
                data = aiohttp.FormData()
                data.add_field("model", "whisper-large-v3")
                data.add_field("language", "en")
                data.add_field("file", file, filename="bench.wav", content_type="audio/wav")
                url = task.base_url + "/audio/transcriptions"
                async with session.post(url, data=data) as response:
                    await response.json()
                if now >= begin:
                    used = used or time.process_time_ns()
                    count += 1

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(send(session) for _ in range(task.users)))
        return Done(count, (time.process_time_ns() - used) / 1000 / count)

    return asyncio.run(run())


KINDS = {one.__name__: one for one in (bare, ours, fast, http, encoding, stamps, streams, reads)}


def main() -> None:
    """Do what the lines on standard input say."""
    raise_limits()
    kind = sys.argv[1]
    if kind in ("ours", "fast", "http", "streams"):
        import locust  # noqa: F401  # it patches what others import

    for line in sys.stdin:
        done = KINDS[kind](Task(**json.loads(line)))
        sys.stdout.write(json.dumps(asdict(done)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
