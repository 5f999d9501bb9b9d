"""Runs that must be told apart: a healthy one, a frozen server, a slow client, a small pool.

And what several workers do: they send what one would, and what they report adds up.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import Figure

from soundcheck.load.histogram import Histogram
from soundcheck.reference.stub import StubSettings, start_stub

STEADY = """
from soundcheck.load import TranscriptionUser


class Steady(TranscriptionUser):
    pass
"""
BURNS = """
import time

from soundcheck.load import TranscriptionUser


class Burns(TranscriptionUser):
    def context(self):
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        return {}
"""
FROZEN_P99_S = 1.8

Bench = dict[str, Any]


def load(stub: StubSettings, folder: Path, *options: str, file: str = STEADY) -> Bench:
    """Return the result of a run against a stub, which stays in ``folder`` too."""
    (folder / "locustfile.py").write_text(file)
    words = [sys.executable, "-m", "locust", "-f", str(folder / "locustfile.py"), "--headless"]
    words += ["--only-summary", "--stt-verify=none", "--stt-no-selftest", "--stt-durations=3s"]
    environment = {name: text for name, text in os.environ.items() if name[:7] != "LOCUST_"}
    with start_stub(stub) as server:
        ran = subprocess.run(
            [*words, f"--host={server.base_url}", f"--stt-out={folder}", *options],
            capture_output=True,
            text=True,
            timeout=200,
            env=environment,
        )
    if not (folder / "bench.json").exists():
        raise SystemExit(ran.stderr)
    told: Bench = json.loads((folder / "bench.json").read_text())
    return told


def fresh(stub: StubSettings, *options: str, file: str = STEADY) -> Bench:
    """Return the result of a run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return load(stub, Path(folder), *options, file=file)


def cases() -> Iterator[Figure]:
    """Yield what is reported of a frozen server, and how many cases were taken for another."""
    delay = 0.02
    # The stub freezes at a time counted from its first request, the one before the load.
    freezes = StubSettings(delay_s=delay, freeze_at_s=5, freeze_s=2)
    slow = ("--stt-arrivals=constant:100", "--stt-window=10s", "--stt-warm-up=1s", "-u=256")
    # Other programs that take the core away make a window INVALID, rightly: three tries.
    tries = (fresh(freezes, *slow)["stages"][0] for _ in range(3))
    frozen = (
        next((one for one in tries if not one["limit"]), None) or fresh(freezes, *slow)["stages"][0]
    )
    missing = max(0.0, FROZEN_P99_S - (frozen["latency_s"]["p99"] or 0.0))
    yield Figure("frozen 2 s in 10 s: p99 short of 1.8 s by", missing, "s", 0, gates=True)
    taken = float(bool(frozen["limit"]))
    yield Figure("frozen server called a client limit", taken, "", 0, gates=True)
    fast = ("--stt-window=4s", "--stt-warm-up=1s")
    pool = fresh(StubSettings(delay_s=delay), "--stt-rate=1000", "-u=8", *fast)["stages"][0]
    wrong = float(not pool["limit"].startswith("pool"))
    yield Figure("a pool of 8 for 1,000/s x 20 ms not named", wrong, "", 0, gates=True)
    burns = fresh(StubSettings(delay_s=delay), "--stt-rate=800", "-u=256", *fast, file=BURNS)[
        "stages"
    ][0]
    wrong = float(burns["limit"].split(":")[0] not in ("client core", "schedule"))
    yield Figure("a client that burns 2 ms per request not named", wrong, "", 0, gates=True)
    # Other programs on the machine can make this one INVALID, rightly.
    healthy = fresh(StubSettings(delay_s=delay), "--stt-rate=1000", "-u=256", *fast)["stages"][-1]
    yield Figure("healthy 1,000/s called INVALID", float(bool(healthy["limit"])), "", 0)
    client = healthy["client"]
    yield Figure("healthy 1,000/s: schedule lag p99", client["schedule_lag_ms_p99"], "ms", 5)
    yield Figure("healthy 1,000/s: loop lag p99", client["loop_lag_ms_p99"], "ms", 5)


def workers() -> Iterator[Figure]:
    """Yield how far four workers are from one: in what they send, and in what they report."""
    options = ("--stt-rate=100", "--stt-window=5s", "--stt-warm-up=0s", "-u=64")
    with tempfile.TemporaryDirectory() as folder:
        sent = []
        for count in (0, 4):
            place = Path(folder) / str(count)
            place.mkdir()
            more = (f"--processes={count}",) if count else ()
            told = load(StubSettings(delay_s=0.02), place, *options, *more)
            rows = [row for row in samples(place) if row["stage"] == "1"]
            sent.append({row["arrival"]: (row["intended_s"], row["clip"]) for row in rows})
        differ = sum(sent[0].get(key) != sent[1].get(key) for key in {*sent[0], *sent[1]})
        yield Figure("4 workers: arrivals unlike those of 1", differ, "", 0, gates=True)
        again = Histogram()
        for row in rows:
            if row["latency_s"]:
                again.record(round(float(row["latency_s"]) * 1e9))
        stage = told["stages"][0]["latency_s"]
        lost = abs(again.count - stage["count"])
        yield Figure("4 workers: latencies lost in the merge", lost, "", 0, gates=True)
        far = max(
            abs((again.percentile(share) or 0) / stage[name] - 1) * 100
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95))
        )
        yield Figure("4 workers: merged percentiles, off the samples'", far, "%", 0.5, gates=True)


def samples(folder: Path) -> list[dict[str, str]]:
    """Return the samples that a run wrote."""
    with gzip.open(folder / "samples.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def load_cases() -> Iterator[Figure]:
    """Yield all of it: about two minutes."""
    yield from cases()
    yield from workers()
