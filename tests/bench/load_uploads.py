"""The CPU time that the load half's client takes for an upload, beside wrk's and its peers'.

The server is the reference's stub, on the first core; the client has the last one. All clients are
measured in turns. A ratio is the median of those of single rounds, as the machine may be busy with
other things: what slows it for a while slows both sides of a round.
"""

import importlib.util
import resource
import shutil
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from figures import Figure
from load_client import CONNECTIONS, Task, client, form, on_core

from soundcheck.reference.stub import StubSettings, start_stub

SIZE, LARGE = 100_000, 1_000_000
SECONDS = 0.6

WRK = {SIZE: 2.2, LARGE: 1.2}
"""How many times wrk's CPU time ours may be."""

PEERS = {
    "fast": ("FastHttpUser with bytes", 3.5),
    "http": ("HttpUser with files", 10.0),
    "encoding": ("aiohttp FormData with WAV encoding", 10.0),
}
"""How many times less than a peer's it must be."""

_SCRIPT = """
wrk.method = "POST"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "{content_type}"
"""


def load_uploads(rounds: int = 9) -> Iterator[Figure]:
    """Yield the figures; those against a program that is not installed are left out."""
    kinds = ["ours", "bare", "fast", "http"]
    if importlib.util.find_spec("aiohttp"):
        kinds.append("encoding")
    times: dict[tuple[str, int], list[float]] = {}

    def note(kind: str, size: int, cpu_us: float) -> None:
        times.setdefault((kind, size), []).append(cpu_us)

    with ExitStack() as stack:
        plain = stack.enter_context(start_stub(StubSettings()))
        secure = stack.enter_context(start_stub(StubSettings(tls=True)))
        for stub in (plain, secure):
            on_core(stub.pid, 0)
        clients = {kind: stack.enter_context(client(kind)) for kind in kinds}
        for _ in range(rounds):
            for size in (SIZE, LARGE):
                if shutil.which("wrk"):
                    note("wrk", size, wrk(plain.base_url, size))
                for kind in kinds if size == SIZE else ("ours",):
                    done = clients[kind].measure(Task(plain.base_url, size, SECONDS))
                    note(kind, size, done.cpu_us)
            task = Task(secure.base_url, SIZE, SECONDS, roots=str(secure.roots))
            note("tls", SIZE, clients["bare"].measure(task).cpu_us)
            note("encryption", SIZE, encryption(form(SIZE).body))
    yield from _figures(times)


def _figures(times: dict[tuple[str, int], list[float]]) -> Iterator[Figure]:
    def typical(kind: str, size: int = SIZE) -> float:
        return statistics.median(times[kind, size])

    def ratio(kind: str, other: str, size: int = SIZE) -> float:
        rounds = zip(times[kind, size], times[other, size], strict=True)
        return statistics.median(ours / theirs for ours, theirs in rounds)

    for size, limit in WRK.items():
        if ("wrk", size) in times:
            what = f"upload of {size // 1000} KB, times wrk's CPU ({typical('ours', size):.0f} µs)"
            yield Figure(what, ratio("ours", "wrk", size), "", limit, gates=True)
    for kind, (name, less) in PEERS.items():
        if (kind, SIZE) in times:
            what = f"upload of 100 KB, share of {name} ({typical(kind):.0f} µs)"
            yield Figure(what, ratio("ours", kind), "", round(1 / less, 3), gates=True)
    yield Figure("upload of 100 KB, CPU without Locust and recorder", typical("bare"), "µs", 100)
    yield Figure("upload of 100 KB over TLS, times plain", ratio("tls", "bare"), "", 4)
    share = ratio("encryption", "tls")
    yield Figure("upload of 100 KB over TLS, share that is encryption", share, "", 1)


def wrk(base_url: str, size: int) -> float:
    """Return the CPU time in microseconds that wrk takes for an upload."""
    asked = form(size)
    with tempfile.TemporaryDirectory() as folder:
        body, script = Path(folder, "body"), Path(folder, "upload.lua")
        body.write_bytes(asked.body)
        script.write_text(_SCRIPT.format(body=body, content_type=asked.content_type))
        url = base_url + "/audio/transcriptions"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen(
            ["wrk", "-t1", f"-c{CONNECTIONS}", "-d1s", "-s", str(script), url],
            stdout=subprocess.PIPE,
            text=True,
        )
        on_core(process.pid, -1)
        said = process.communicate()[0]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used * 1e6 / int(said.partition(" requests in")[0].split()[-1])


def encryption(body: bytes, times: int = 200) -> float:
    """Return the CPU time in microseconds of encrypting ``body`` by itself, as our client does."""
    from soundcheck.http.certificates import Authority

    authority = Authority.new("The benchmark's own root")
    with tempfile.NamedTemporaryFile(suffix=".pem") as roots:
        roots.write(authority.certificate_pem)
        roots.flush()
        trusting = ssl.create_default_context(cafile=roots.name)
    upward, downward = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = trusting.wrap_bio(downward, upward, server_hostname="127.0.0.1")
    theirs = (
        authority.issue("127.0.0.1").server_context().wrap_bio(upward, downward, server_side=True)
    )
    for side in (ours, theirs, ours, theirs):
        _shake(side)
    begin = time.process_time()
    for _ in range(times):
        ours.write(body)
        upward.read()
    return (time.process_time() - begin) * 1e6 / times


def _shake(side: Any) -> None:
    with suppress(ssl.SSLWantReadError):
        side.do_handshake()
