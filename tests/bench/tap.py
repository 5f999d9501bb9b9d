"""What the tap costs a request of 25 MB: time beside the same request without it, and memory.

What gates is a file of 25 MB on its way through the private stack, where the tap has its place: a
request of 50 MB there. Beside it stands the tap alone, between httpx for a proxy and a server that
only reads for an API: nothing but TLS, which the tap does twice more. All have processes of their
own.
"""

import asyncio
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from exchange_server import instant_server
from figures import Figure
from memory import memory, peak_memory
from uploads import ask, body

from soundcheck.contract.canary import Canary
from soundcheck.http.certificates import Authority, Credentials
from soundcheck.http.envelope import Envelope
from soundcheck.reference.private import start_gateway, start_proxy
from soundcheck.wiretap.search import Search
from soundcheck.wiretap.tap import Tap

MIB = 2**20
SIZE = 25_000_000
PATH = "/v1/audio/transcriptions"
ANSWER = b'{"text": "Hello World."}'
CANARIES, MEAN_CANARY = 200, 32
MEMORY_ROUNDS = 5
_REQUEST = "multipart/form-data; boundary=b"


def taps() -> Iterator[Figure]:
    """Yield the figures."""
    yield Figure("25 MB by the stack and the tap / without tap", in_place(), "", 1.3, gates=True)
    times, more = relaying()
    yield Figure("25 MB by the tap alone / bare TLS", times, "", 1.3)
    yield Figure("25 MB through the tap, memory", more, "MiB", 32)
    yield Figure("canary search, MB/s below 200", max(0.0, 200 - searching()), "MB/s", 0)


def form() -> bytes:
    """Return a request of 25 MB whose file is an envelope."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
    tail = b"\r\n--b--\r\n"
    size = (SIZE - len(head) - len(tail) - 96) // 2
    envelope = Envelope(bytes(32), bytes(12), bytes(12), bytes(range(256)) * (size // 256))
    return head + envelope.encode() + tail


def in_place(rounds: int = 9) -> float:
    """Return how often the time without the tap a file of 25 MB takes through the private stack.

    Medians of requests sent in turns, to a backend that answers at once.
    """
    content = body(random.Random(1).randbytes(SIZE))
    direct: list[float] = []
    tapped: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        instant_server() as backend,
        start_gateway(backend) as gateway,
        _tap(gateway.address, gateway.roots, Path(folder)) as (tap, address, roots),
        start_proxy(gateway.address, roots=gateway.roots, authority=gateway.authority) as plain,
        start_proxy(address, roots=roots, authority=gateway.authority) as through,
    ):
        for _ in range(rounds):
            for proxy, times in ((plain, direct), (through, tapped)):
                url = proxy.base_url.removeprefix("http://").removesuffix("/v1")
                times.append(ask(url, content, 200))
            _settle(tap)
    return statistics.median(tapped[1:]) / statistics.median(direct[1:])


def relaying(rounds: int = 15) -> tuple[float, float]:
    """Return how often the time without the tap one request takes with it, and the MiB it costs.

    Medians of requests sent in turns; the tap examines each before the next is sent.
    """
    content = form()
    direct: list[float] = []
    tapped: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        _origin(Path(folder)) as (origin, roots),
        _tap(origin, roots, Path(folder)) as (tap, address, tap_roots),
        _client(origin, roots) as plain,
        _client(address, tap_roots) as through,
    ):
        _ask(through, b"small")
        _settle(tap)
        before = memory(tap.pid)
        # Not while time is taken: to look at a process's memory stops it.
        with peak_memory(tap.pid, 0.01) as peak:
            for _ in range(MEMORY_ROUNDS):
                _ask(through, content)
                _settle(tap)
        for _ in range(rounds):
            direct.append(_ask(plain, content))
            tapped.append(_ask(through, content))
            _settle(tap)
    return statistics.median(tapped[2:]) / statistics.median(direct[2:]), (peak() - before) / MIB


def searching() -> float:
    """Return the MB/s at which hexadecimal text is searched for many canaries, on one core."""
    generator = random.Random(1)
    canaries = [Canary("audio", generator.randbytes(MEAN_CANARY)) for _ in range(CANARIES)]
    text = generator.randbytes(SIZE).hex().encode()
    pieces = [text[at : at + 2**18] for at in range(0, len(text), 2**18)]
    search = Search(canaries)
    best = 0.0
    for _ in range(5):
        begin = time.process_time()
        search.scan(pieces)
        best = max(best, len(text) / 1e6 / (time.process_time() - begin))
    return best


def _ask(client: httpx.Client, body: bytes) -> float:
    begin = time.perf_counter()
    response = client.post(PATH, content=body, headers={"Content-Type": _REQUEST})
    elapsed = time.perf_counter() - begin
    if response.content != ANSWER:
        raise SystemExit(f"a request was answered with {response.status_code}")
    return elapsed


def _client(address: str, roots: Path) -> httpx.Client:
    tls = ssl.create_default_context(cafile=str(roots))
    return httpx.Client(base_url=f"https://{address}", verify=tls, timeout=60, trust_env=False)


@contextmanager
def _child(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.communicate()


def _line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


@contextmanager
def _origin(folder: Path) -> Iterator[tuple[str, Path]]:
    with _child("origin", str(folder / "origin.pem")) as process:
        yield _line(process), folder / "origin.pem"


@contextmanager
def _tap(
    origin: str, roots: Path, folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    with _child("tap", origin, str(roots), str(folder / "tap")) as process:
        yield process, _line(process), folder / "tap" / "roots.pem"


def _settle(tap: subprocess.Popen[bytes]) -> None:
    """Wait until the tap has examined what passed."""
    assert tap.stdin is not None
    tap.stdin.write(b"settle\n")
    tap.stdin.flush()
    _line(tap)


def _serve_tap(origin: str, roots: Path, folder: Path) -> None:
    with Tap(origin, "127.0.0.1:0", folder=folder, upstream_roots=roots) as tap:
        tap.search_for([Canary("audio", bytes([n]) * 8 + bytes(range(24))) for n in range(200)])
        print(tap.address, flush=True)  # noqa: T201 - read by the parent
        for _ in sys.stdin:
            tap.everything()
            print(flush=True)  # noqa: T201


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            while length:
                length -= len(await reader.read(min(length, 2**18)))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve_origin(credentials: Credentials) -> None:
    server = await asyncio.start_server(
        _answer, "127.0.0.1", 0, limit=2**18, ssl=credentials.server_context()
    )
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    server.close()


def _main(kind: str, *arguments: str) -> None:
    if kind == "tap":
        origin, roots, folder = arguments
        _serve_tap(origin, Path(roots), Path(folder))
        return
    authority = Authority.new("The benchmark's own root")
    Path(arguments[0]).write_bytes(authority.certificate_pem)
    asyncio.run(_serve_origin(authority.issue("127.0.0.1")))


if __name__ == "__main__":
    _main(*sys.argv[1:])
