"""Benchmarks: ``nox -s bench`` prints each figure beside its limit and a calibration loop.

Figures that compare two things measured side by side in this run gate (exit 1). Absolute times and
sizes depend on the machine: they are printed, with the calibration loop to judge them by.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx
from delay import delayed
from exchange_server import instant_server
from figures import Figure
from load_cases import load_cases
from load_memory import load_memory
from load_streams import load_streams
from load_uploads import load_uploads
from memory import peak_memory
from private import private_stack
from rich.console import Console
from rich.table import Table
from sizes import boundary_files
from sse import sse_parser
from tap import taps
from uploads import uploads

from soundcheck.audio import Library
from soundcheck.contract import transcription
from soundcheck.contract.send import Sender
from soundcheck.http.client import Client
from soundcheck.http.multipart import Content, File, encode
from soundcheck.http.store import Store
from soundcheck.reference.deployment import start_reference

MIB = 2**20
LATENCY = 1.0
"""Seconds by which a deployment far away answers later."""


def calibrate() -> float:
    """Return the milliseconds of a fixed pure-Python loop, the best of five."""

    def loop() -> float:
        begin = time.perf_counter()
        total = 0
        for number in range(1_000_000):
            total += number * number % 7
        return time.perf_counter() - begin

    return min(loop() for _ in range(5)) * 1000


def exchange_overhead(rounds: int = 300) -> Figure:
    """Return what sending and recording one exchange costs more than bare httpx, in ms (median).

    Both upload the same clip to the same server, in turns.
    """
    library = Library()
    clip = library.clip("hello.wav")
    parts = transcription("hello.wav").on("m").parts
    contents = [
        Content(clip.read() if isinstance(part, File) else part.value.encode()) for part in parts
    ]
    form = encode(zip(parts, contents, strict=True))
    body = form.read()
    ours, bare = [], []
    with (
        instant_server() as url,
        tempfile.TemporaryDirectory() as folder,
        httpx.Client() as plain,
        Client(url) as client,
    ):
        sender = Sender(client, Store(Path(folder)), library, Path(folder))
        for number in range(rounds):
            probe = transcription("hello.wav", repeat=number).on("m")
            begin = time.perf_counter()
            sender.answer(probe)
            ours.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            plain.post(
                url + "/audio/transcriptions",
                content=body,
                headers={"Content-Type": form.content_type},
            ).read()
            bare.append(time.perf_counter() - begin)
    more = (statistics.median(ours) - statistics.median(bare)) * 1000
    return Figure("exchange, more than bare httpx", more, "ms", 3, gates=True)


def fixtures_cold() -> Figure:
    """Return the seconds it takes to make every clip in an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        Library(cache=Path(cache)).build()
        return Figure("all fixtures, cold", time.perf_counter() - begin, "s", 30)


def first_line(repeats: int = 5) -> Figure:
    """Return the seconds from starting the command to its first line, the median."""
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as out:
            begin = time.perf_counter()
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "soundcheck",
                    "check",
                    "http://127.0.0.1:9/v1",
                    "--out",
                    out,
                ],
                stderr=subprocess.PIPE,
            )
            assert process.stderr is not None
            process.stderr.readline()
            times.append(time.perf_counter() - begin)
            process.communicate()
    return Figure("first line of output", statistics.median(times), "s", 1)


def check_run(cache: Path | None, what: str, seconds: float, *options: str) -> Iterator[Figure]:
    """Yield the wall time and the peak memory of one check of the reference, all processes."""
    environment = dict(os.environ)
    if cache is not None:
        environment["SOUNDCHECK_CACHE"] = str(cache)
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "soundcheck", "check", "--quiet", "--out", out, *options],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        with peak_memory(process.pid) as peak:
            code = process.wait()
        elapsed = time.perf_counter() - begin
    if code != 0:
        raise SystemExit(f"soundcheck check ended with {code}")
    yield Figure(f"check of the reference, {what}", elapsed, "s", seconds)
    yield Figure(f"check of the reference, {what}: memory", peak() / MIB, "MiB", 600)


def checks() -> Iterator[Figure]:
    """Yield what whole checks of the reference take, with the cache of clips filled and empty."""
    Library().build()
    yield from check_run(None, "without encryption, warm", 30, "--without", "encryption")
    yield from check_run(None, "wire alone, warm", 25, "--only", "wire")
    yield from check_run(None, "warm", 60)
    with tempfile.TemporaryDirectory() as cache:
        yield from check_run(Path(cache), "cold", 60)


def quick() -> Iterator[Figure]:
    """Yield what the quick check takes of a deployment by its URL: near, far away, and replayed."""
    Library().build()
    with start_reference() as near, tempfile.TemporaryDirectory() as folder:
        known = ("--model", "whisper-large-v3")
        yield from check_run(None, "by its URL, warm", 45, near.base_url, *known)
        with delayed(near.base_url, LATENCY) as far:
            options = (far, *known, "--jobs", "8", "--out", f"{folder}/far")
            yield from check_run(None, f"{LATENCY:g} s away, 8 jobs", 120, *options)
        again = ("--replay", f"{folder}/far", "--out", f"{folder}/again")
        yield from check_run(None, "replayed", 5, *again)


PARTS: dict[str, Callable[[], Iterable[Figure]]] = {
    "exchange": lambda: [exchange_overhead()],
    "start": lambda: [first_line()],
    "sse": sse_parser,
    "uploads": uploads,
    "tap": taps,
    "private": private_stack,
    "load-uploads": load_uploads,
    "load-streams": load_streams,
    "load-memory": load_memory,
    "load-cases": load_cases,
    "fixtures": lambda: [*boundary_files(), fixtures_cold()],
    "checks": checks,
    "quick": quick,
}
"""What can be measured alone: ``nox -s bench -- load-uploads load-streams``."""


def main() -> int:
    """Measure the named parts, or all; print the table; return 1 if a gating figure fails."""
    names = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.stderr.write(f"there is no {unknown[0]!r}: the parts are {', '.join(PARTS)}\n")
        return 2
    calibration = calibrate()
    figures = [figure for name in names for figure in PARTS[name]()]
    table = Table(title=f"calibration loop: {calibration:.0f} ms", box=None)
    for heading in ("figure", "value", "limit", ""):
        table.add_column(heading, justify="right" if heading in ("value", "limit") else "left")
    for figure in figures:
        told = "holds" if figure.holds else ("FAILS" if figure.gates else "over the limit")
        value, limit = f"{figure.value:.2f} {figure.unit}", f"{figure.limit:g} {figure.unit}"
        table.add_row(figure.what, value, limit, told)
    Console().print(table)
    return int(any(figure.gates and not figure.holds for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
