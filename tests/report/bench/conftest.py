"""Load runs as a bench would have written them, from a simulated deployment with a few servers.

``python tests/report/bench/conftest.py FOLDER`` writes one of each kind there, to be looked at.
"""

import csv
import gzip
import heapq
import io
import json
import random
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from soundcheck.report import bench_samples

Document: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, Any]
MakeBench: TypeAlias = Callable[..., Path]

COLUMNS = bench_samples.COLUMNS
FORMS = [
    {
        "number": number,
        "clip": f"load-{number:02}.{kind}",
        "format": kind,
        "language": language,
        "audio_s": audio,
        "upload_bytes": int(audio * rate),
        "stream": False,
        "weight": 1.0,
        "sha256": f"{number:064x}",
    }
    for number, (kind, language, audio, rate) in enumerate(
        [
            *(("wav", "en", 2.1 + 1.7 * step, 32_000) for step in range(6)),
            *(("mp3", "de", 4.4 + 3.1 * step, 8_000) for step in range(4)),
            *(("flac", "fr", 7.5 + 6.2 * step, 18_000) for step in range(2)),
        ]
    )
]
LIMIT = (
    "pool: all 8 users were waiting for answers when 31.2 % of the arrivals were due; answers take "
    "0.48 s at best, so see the full load with --users 44 or more"
)


def arrivals(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """Yield Poisson arrivals in ``seconds``."""
    time = chance.expovariate(rate)
    while time < seconds:
        yield time
        time += chance.expovariate(rate)


def simulate(number: int, rate: float, seconds: float, **how: Any) -> list[Row]:
    """Return the samples of one stage: ``servers`` of a mean service time, first come first served.

    ``slower`` stretches the service, ``failing`` is the share of 503, ``stream`` asks for streams.
    """
    chance = random.Random(how.get("seed", 1) * 1000 + number)
    free = [0.0] * how.get("servers", 16)
    rows: list[Row] = []
    for arrival, intended in enumerate(arrivals(rate, seconds, chance)):
        form = chance.choice(FORMS)
        dispatched = intended + chance.uniform(0.0001, 0.0006)
        sent = dispatched + form["upload_bytes"] / 4e8
        begun = max(sent, heapq.heappop(free))
        service = how.get("slower", 1.0) * chance.gammavariate(
            4, (0.15 + form["audio_s"] * 0.02) / 4
        )
        heapq.heappush(free, begun + service)
        failed = chance.random() < how.get("failing", 0.0)
        done = sent + 0.002 if failed else begun + service
        stream = bool(how.get("stream")) and not failed
        first = begun + service * 0.3 if stream else None
        deltas = int(form["audio_s"] * 3) if stream else 0
        rows.append(
            {
                "stage": number,
                "worker": arrival % 2,
                "arrival": arrival,
                **{name: form[name] for name in ("clip", "format", "language")},
                "stream": int(bool(how.get("stream"))),
                "audio_s": form["audio_s"],
                "upload_bytes": form["upload_bytes"],
                "intended_s": intended,
                "dispatched_s": dispatched,
                "sent_s": sent,
                "headers_s": first or done,
                "first_text_s": first,
                "done_s": done,
                "latency_s": done - intended,
                "ttfd_s": first and first - intended,
                "deltas": deltas,
                "coalesced": 0,
                "lag_us": chance.uniform(10, 200),
                "status": 503 if failed else 200,
                "cause": "http-5xx" if failed else "",
                "gap": (done - first) / max(deltas, 1) if first else None,
            }
        )
    return rows


def summary(values: list[float]) -> dict[str, Any] | None:
    """Return a metric's summary; percentiles want ten values beyond them."""
    if not values:
        return None
    values = sorted(values)

    def quantile(part: float) -> float | None:
        enough = len(values) * (1 - part) >= 10 or part <= 0.95
        return values[min(len(values) - 1, int(part * len(values)))] if enough else None

    named = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
    return {
        "count": len(values),
        "min": values[0],
        "mean": sum(values) / len(values),
        **{name: quantile(part) for name, part in named.items()},
        "max": values[-1],
    }


def distribution(values: list[float]) -> list[list[float]]:
    """Return a cumulative curve of a hundred points and the tail."""
    values = sorted(values)
    places = {round(len(values) * part / 100) for part in range(1, 100)}
    places |= {len(values) - tail for tail in (0, 1, 2, 3, 5, 8, 13, 21)}
    return [
        [values[place - 1], place / len(values)]
        for place in sorted(places)
        if 0 < place <= len(values)
    ]


def slices(rows: list[Row], key: Callable[[Row], str], window: float) -> list[dict[str, Any]]:
    """Return the table of rows by a property."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    table = []
    for name, members in sorted(found.items()):
        good = [row for row in members if not row["cause"]]
        times = summary([row["latency_s"] for row in good]) or {}
        table.append(
            {
                "key": name,
                "count": len(members),
                "failed": len(members) - len(good),
                **{f"{part}_s": times.get(part) for part in ("p50", "p95", "p99")},
                "rtfx": sum(row["audio_s"] for row in good) / window,
            }
        )
    return table


def timeline(rows: list[Row], seconds: float) -> list[dict[str, Any]]:
    """Return a stage second by second."""
    last = max([seconds, *(row["done_s"] for row in rows)])
    table = []
    for second in range(int(last) + 1):
        done = [r for r in rows if second <= r["done_s"] < second + 1]
        times = sorted(r["latency_s"] for r in done if not r["cause"])
        under_way = sum(r["dispatched_s"] < second + 1 <= r["done_s"] for r in rows)
        table.append(
            {
                "t_s": second,
                "offered": sum(second <= r["intended_s"] < second + 1 for r in rows),
                "begun": sum(second <= r["dispatched_s"] < second + 1 for r in rows),
                "done": len(times),
                "failed": len(done) - len(times),
                "in_flight": under_way,
                "p50_s": times[len(times) // 2] if times else None,
                "p95_s": times[int(0.95 * len(times))] if times else None,
                "max_s": times[-1] if times else None,
                "lag_ms": 0.3 + 0.1 * (second % 4),
                "backlog": max(0, under_way - 40),
            }
        )
    return table


def stage(number: int, rate: float, window: float = 20.0, **how: Any) -> tuple[Document, list[Row]]:
    """Return a stage of ``bench.json`` with its samples; ``limit`` makes it INVALID."""
    warm_up = how.get("warm_up", 2.0)
    rows = simulate(number, rate, warm_up + window, **how)
    inside = [row for row in rows if row["intended_s"] >= warm_up]
    good = [row for row in inside if not row["cause"]]
    in_time = [r for r in rows if not r["cause"] and warm_up <= r["done_s"] < warm_up + window]
    limit, slo_s = how.get("limit", ""), how.get("slo_s")
    kept = sum(row["latency_s"] < slo_s for row in good) / len(inside) if slo_s else 0
    metrics = {
        "latency_s": [row["latency_s"] for row in good],
        "service_s": [row["done_s"] - row["dispatched_s"] for row in good],
        "ttfd_s": [row["ttfd_s"] for row in good if row["ttfd_s"]],
        "ttfd_from_upload_s": [r["first_text_s"] - r["sent_s"] for r in good if r["ttfd_s"]],
        "gap_s": [row["gap"] for row in good if row["gap"]],
        "realtime_lag_s": [max(0, r["latency_s"] - r["audio_s"]) for r in good if r["ttfd_s"]],
        "speed_factor": [row["audio_s"] / row["latency_s"] for row in good],
    }
    failed = len(inside) - len(good)
    audio = sum(row["audio_s"] for row in in_time)
    lag = 380.0 if limit else 0.6
    worker = {
        "cpu": 0.11,
        "schedule_lag_ms_p99": 0.31,
        "loop_lag_ms_p99": 0.52,
        "dispatch_lag_ms_p99": lag,
        "backlog_end": 0,
        "gc_longest_ms": 0.0,
        "run_delay_share": 0.012,
        "limit": "",
    }
    document = {
        "number": number,
        "name": how.get("name", f"{rate:.4g}/s"),
        "kind": "open",
        "arrivals": f"poisson:{rate:.4g}",
        "measured": True,
        "repeated": how.get("repeated", False),
        "begin_s": how.get("begin", 3.0),
        "warm_up_s": warm_up,
        "window_s": window,
        "offered_rps": len(inside) / window,
        "achieved_rps": len(in_time) / window,
        "audio_s": audio,
        "rtfx": audio / window,
        "counts": {
            "intended": len(inside),
            "sent": len(inside),
            "unsent": 0,
            "succeeded": len(good),
            "failed": failed,
            "verified": len(good) // 10,
        },
        "errors": [{"cause": "http-5xx", "count": failed, "example": "503: <b>busy</b>"}]
        if failed
        else [],
        **{name: summary(values) for name, values in metrics.items()},
        "distributions": {name: distribution(v) for name, v in metrics.items() if v},
        "slo": [
            {
                "text": f"p95<{slo_s:g}s",
                "metric": "latency",
                "share": 0.95,
                "limit_s": slo_s,
                "kept": kept,
                "interval": [max(0, kept - 0.01), min(1, kept + 0.01)],
                "verdict": None if limit else ("met" if kept >= 0.95 else "missed"),
            }
        ]
        if slo_s
        else [],
        "valid": not limit,
        "limit": limit,
        "client": {
            "cpu": 0.12,
            "schedule_lag_ms_p99": 0.33,
            "loop_lag_ms_p99": 0.55,
            "dispatch_lag_ms_p50": 0.1,
            "dispatch_lag_ms_p99": lag,
            "lag_ms_p99": 0.55,
            "backlog_end": 0,
            "user_kernel_us_p50": 31.0,
            "user_kernel_us_p99": 212.0,
            "coalesced_share": 0.0013 if how.get("stream") else None,
            "gc_pauses": 0,
            "gc_longest_ms": 0.0,
            "run_delay_share": 0.012,
            "descriptors_free": 900,
            "ports_free": 28000,
            "workers": [worker | {"worker": 0}, worker | {"worker": 1, "limit": limit[:4]}],
        },
        "by": {
            "format": slices(inside, lambda row: row["format"], window),
            "duration": slices(
                inside, lambda r: "0 to 5 s" if r["audio_s"] < 5 else "5 to 15 s", window
            ),
            "language": slices(inside, lambda row: row["language"], window),
        },
        "timeline": timeline(rows, warm_up + window),
        "server": None,
    }
    return document, rows


def bench(stages: list[tuple[Document, list[Row]]], **changes: Any) -> tuple[Document, list[Row]]:
    """Return ``bench.json`` of stages with all their samples; ``changes`` replace members."""
    document: Document = {
        "schema": "soundcheck/bench/1",
        "tool": {"name": "stt-soundcheck", "version": "0.1.0"},
        "definitions": 1,
        "scenario": "steady",
        "question": "How long do transcriptions take at a fixed rate of arrivals?",
        "verdict": "measured",
        "target": {
            "base_url": "http://127.0.0.1:8000/v1",
            "model": "whisper-large-v3",
            "api_key_env": "STT_API_KEY",
            "transport": "socket",
        },
        "reference": None,
        "started": "2026-11-22T21:00:00Z",
        "duration_s": 31.2,
        "options": {
            "rate": 20.0,
            "arrivals": None,
            "users": 64,
            "processes": 2,
            "seed": 1,
            "stream": 0.0,
            "verify": "text",
            "verify_share": 0.1,
            "slo": None,
            "max_requests": None,
            "max_duration_s": None,
        },
        "clips": {
            "sha256": "5f3a" * 16,
            "count": len(FORMS),
            "audio_s": sum(form["audio_s"] for form in FORMS),
            "forms": FORMS,
        },
        "selftest": {
            "ceiling_rps": 2412.0,
            "workers": 2,
            "upload_bytes": 102_400,
            "cpu_us_per_request": 81.3,
            "timing_error_us": {
                "user": {"p50": 31.2, "p99": 312.0, "max": 2140.0},
                "kernel": {"p50": 3.1, "p99": 28.0, "max": 195.0},
                "events": 6400,
                "real_time": False,
            },
        },
        "stages": [document for document, _ in stages],
        "capacity": None,
        "server": None,
        "problems": [],
    }
    return document | changes, [row for _, rows in stages for row in rows]


def one_window(**how: Any) -> tuple[Document, list[Row]]:
    """Return a steady run."""
    changes = how.pop("changes", {})
    return bench([stage(1, how.pop("rate", 20.0), how.pop("window", 20.0), **how)], **changes)


def saturation(window: float = 20.0) -> tuple[Document, list[Row]]:
    """Return a search with two INVALID windows, one of them repeated."""
    rates = [4, 8, 16, 24, 32, 40, 46, 48, 50, 52, 64]
    stages, begin = [], 3.0
    for number, rate in enumerate(rates, 1):
        how: dict[str, Any] = {"limit": LIMIT} if number == len(rates) else {}
        stages.append(stage(number, rate, window, begin=begin, slo_s=1.0, failing=0.002, **how))
        begin += window + 6
    capacity = {
        "passed_rps": 48.0,
        "failed_rps": 50.0,
        "rtfx": 378.0,
        "floor_latency_s": 0.31,
        "ceiling_rtfx": 402.0,
        "remeasured": [[48.0, True], [50.0, False]],
        "slo": "p95<1s",
        "note": "",
    }
    changes: Document = {"scenario": "saturation", "verdict": "measured", "capacity": capacity}
    changes["question"] = "What is the highest load that keeps the SLO?"
    changes["duration_s"] = begin
    document, rows = bench(stages, **changes)
    document["options"]["slo"] = "p95<1s"
    return document, rows


def gpu(window: float = 20.0) -> tuple[Document, list[Row]]:
    """Return a streaming run with figures of vLLM and of two GPUs."""
    document, rows = one_window(rate=30.0, window=window, stream=True, failing=0.01, slo_s=2.0)
    chance = random.Random(5)
    times = [float(second) for second in range(int(window) + 6)]

    def series(name: str, label: str, unit: str, level: float, at: int | None = None) -> Document:
        points = [[time, level * chance.uniform(0.8, 1.15)] for time in times]
        source = "prometheus" if at is None else "nvml"
        named = {"name": name, "label": label, "unit": unit, "source": source}
        return named | {"gpu": at, "points": points}

    document |= {
        "scenario": "streaming",
        "question": "How soon does text come, and how evenly?",
        "verdict": "met",
        "server": {
            "metrics_url": "http://127.0.0.1:8000/metrics",
            "series": [
                series("vllm:num_requests_running", "running", "requests", 9.0),
                series("vllm:num_requests_waiting", "waiting", "requests", 2.0),
                series("vllm:kv_cache_usage_perc", "KV cache", "share", 0.42),
                *(
                    one
                    for at in (0, 1)
                    for one in (
                        series("utilisation", "GPU utilisation", "share", 0.8, at),
                        series("power", "power", "W", 480.0 + 20 * at, at),
                    )
                ),
            ],
            "gpus": 2,
            "gpu_names": ["NVIDIA H200", "NVIDIA H200"],
            "rtfx_per_gpu": 141.0,
            "joules_per_audio_hour": 12_300.0,
            "cost_per_audio_hour": 0.0177,
            "gpu_price_per_hour": 2.5,
            "notes": ["metrics URL gone from 12.0 s on"],
        },
    }
    document["options"] |= {"stream": 1.0, "slo": "p95<2s"}
    document["stages"][0]["server"] = {
        "requests_running_max": 12.0,
        "requests_waiting_max": 3.0,
        "kv_cache_max": 0.47,
        "gpu_utilisation_mean": 0.81,
        "power_w_mean": 972.0,
        "gpu_memory_bytes_max": None,
    }
    return document, rows


def invalid(window: float = 20.0) -> tuple[Document, list[Row]]:
    """Return a run whose only window is INVALID, although an SLO was given."""
    document, rows = one_window(window=window, limit=LIMIT, slo_s=2.0)
    return document | {"verdict": "invalid"}, rows


def failed() -> tuple[Document, list[Row]]:
    """Return a run in which nothing succeeded and next to nothing was measured."""
    document, rows = one_window(rate=5.0, window=10.0, failing=1.0)
    problems = ["Nothing was answered: <script>alert(1)</script> \x1b[31m"]
    return document | {"verdict": "failed", "selftest": None, "problems": problems}, rows


def closed() -> tuple[Document, list[Row]]:
    """Return a closed loop against the reference, without verification."""
    document, rows = one_window(rate=10.0, window=10.0)
    document["stages"][0] |= {"kind": "closed", "arrivals": "closed:8", "offered_rps": None}
    document["options"]["verify"] = "none"
    latency = "servers=4,mean=0.1,exponential"
    document["reference"] = {"recognizer": "lookup", "latency": latency}
    document["target"]["transport"] = "fast-http"
    return document, rows


def soak() -> tuple[Document, list[Row]]:
    """Return ten minutes at one rate."""
    return one_window(rate=12.0, window=600.0)


KINDS: dict[str, Callable[..., tuple[Document, list[Row]]]] = {
    "steady": one_window,
    "saturation": saturation,
    "gpu": gpu,
    "invalid": invalid,
    "failed": failed,
    "closed": closed,
    "soak": soak,
}


def write(folder: Path, document: Document, rows: list[Row]) -> Path:
    """Write a bench folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(document, allow_nan=False))
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for row in rows:
        cells = {k: f"{v:.6f}" if isinstance(v, float) else v for k, v in row.items()}
        table.writerow(cells)
    (folder / "samples.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), 1, mtime=0))
    return folder


@cache
def _made(kind: str, **how: Any) -> tuple[str, list[Row]]:
    """Return a run as text and samples: simulated once, whoever changes it gets a copy."""
    document, rows = KINDS[kind](**how)
    return json.dumps(document), rows


@pytest.fixture(scope="session")
def write_kind() -> Callable[..., Path]:
    """Return a function that writes a bench folder of a kind to a path."""
    return lambda folder, kind, **how: write(folder, *KINDS[kind](**how))


@pytest.fixture
def make_bench(tmp_path: Path) -> MakeBench:
    """Return a function that writes a bench folder of a kind; ``change`` gets its document."""

    def make(
        kind: str = "steady",
        name: str = "run",
        change: Callable[[Document], object] = lambda _: None,
        **how: Any,
    ) -> Path:
        text, rows = _made(kind, **how)
        document = json.loads(text)
        change(document)
        return write(tmp_path / name, document, rows)

    return make


if __name__ == "__main__":
    for _name, _make in KINDS.items():
        write(Path(sys.argv[1]) / _name, *_make())
