"""What an upload of 25 MB costs the reference deployment: time beside a raw read, and memory."""

import http.client
import io
import statistics
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from figures import Figure
from memory import memory, peak_memory
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from soundcheck.audio import Library
from soundcheck.reference.deployment import Running, start_reference
from soundcheck.reference.server import base_url, config, listen

MIB = 2**20
CLIP = "sized-25000000.wav"
PATH = "/v1/audio/transcriptions"
CONTENT_TYPE = "multipart/form-data; boundary=b"


def uploads() -> Iterator[Figure]:
    """Yield the figures."""
    seconds = upload_times()
    times = seconds["upload"] / seconds["raw"]
    yield Figure("25 MB upload, times a raw read", times, "", 3, gates=True)
    yield Figure("25 MB upload with 10 s of speech", seconds["answered"], "s", 2)
    padded, long = Library().clip(CLIP).read(), long_audio()
    yield Figure("25 MB upload, memory alone", upload_memory(1, padded), "MiB", 80)
    yield Figure("25 MB upload, memory of each of 8", upload_memory(8, padded), "MiB", 80)
    yield Figure("25 MB upload of 13 minutes, memory", upload_memory(1, long), "MiB", 80)


def body(audio: bytes, model: str = "whisper-large-v3") -> bytes:
    """Return the content of a request."""
    return (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + audio
        + b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n'
        + model.encode()
        + b"\r\n--b--\r\n"
    )


def ask(address: str, content: bytes, status: int) -> float:
    """Return the seconds that one request takes; it must be answered with ``status``."""
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.connect()
        begin = time.perf_counter()
        connection.request("POST", PATH, content, {"Content-Type": CONTENT_TYPE})
        response = connection.getresponse()
        response.read()
        elapsed = time.perf_counter() - begin
    finally:
        connection.close()
    if response.status != status:
        raise SystemExit(f"an upload was answered with {response.status}, not {status}")
    return elapsed


def upload_times(rounds: int = 15) -> dict[str, float]:
    """Return the median seconds of a raw read, of an upload that is refused, and of one answered.

    All three bodies are sent in turns. ``raw`` is an endpoint that only reads, served like the
    reference; ``upload`` asks for an unknown model, so the form is read and stored and nothing
    recognised; ``answered`` is heard, too.
    """
    audio = Library().clip(CLIP).read()
    refused, heard = body(audio, "nobody"), body(audio)
    times: dict[str, list[float]] = {"raw": [], "upload": [], "answered": []}
    with _raw_server() as raw, start_reference("vllm", workers=1) as running:
        address = _address(running)
        for _ in range(rounds):
            times["raw"].append(ask(raw, refused, 200))
            times["upload"].append(ask(address, refused, 404))
            times["answered"].append(ask(address, heard, 200))
    return {name: statistics.median(taken[2:]) for name, taken in times.items()}


def long_audio() -> bytes:
    """Return 25 MB of sound in the format that decodes to most of it: 13 minutes, 16 kHz mono."""
    noise = np.random.default_rng(1).integers(-3, 4, 12_499_000).astype("<i2")
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(noise.tobytes())
    return target.getvalue()


def upload_memory(at_once: int, audio: bytes) -> float:
    """Return the MiB that each of ``at_once`` uploads costs at its peak, in all processes.

    Memory is the proportional set size, less what the deployment has after its first request.
    """
    content, small = body(audio), body(Library().clip("hello.wav").read())
    with start_reference("openai", workers=2) as running:
        address = _address(running)
        _at_once(address, small, 8)
        before = memory(running.pid)
        with peak_memory(running.pid, 0.005) as peak:
            for _ in range(2):
                _at_once(address, content, at_once)
    return (peak() - before) / at_once / MIB


def _at_once(address: str, content: bytes, count: int) -> None:
    threads = [threading.Thread(target=ask, args=(address, content, 200)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _address(running: Running) -> str:
    return running.base_url.removeprefix("http://").removesuffix("/v1")


@contextmanager
def _raw_server() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "raw"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.communicate()


def _serve_raw() -> None:
    """Serve an endpoint that only reads, as the reference is served, until stdin is closed."""
    import uvicorn

    async def read(request: Request) -> Response:
        async for _ in request.stream():
            pass
        return Response(b"{}")

    app = Starlette(routes=[Route(PATH, read, methods=["POST"])])
    server = uvicorn.Server(config(app))

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    with listen("127.0.0.1", 0) as listener:
        url = base_url(listener)
        sys.stdout.write(url.removeprefix("http://").removesuffix("/v1") + "\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


if __name__ == "__main__":
    _serve_raw()
