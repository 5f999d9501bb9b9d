"""The files of a run: ``bench.json``, ``samples.csv.gz`` and the report.

Each of the first two appears whole or not at all.
"""

import csv
import gzip
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from soundcheck.errors import SoundcheckError
from soundcheck.load.histogram import Histogram
from soundcheck.load.sample import CAUSES, NEVER, Sample
from soundcheck.load.validity import Vitals, Window, limit_of

COLUMNS = (
    *("stage", "worker", "arrival"),
    *("clip", "format", "language", "stream", "audio_s", "upload_bytes"),
    *("intended_s", "dispatched_s", "sent_s", "headers_s", "first_text_s", "done_s"),
    *("latency_s", "ttfd_s", "deltas", "coalesced", "lag_us", "status", "cause"),
)

_SECOND = 1_000_000_000
_POINTS = 200
_REPORT_S = 60.0

logger = logging.getLogger(__name__)


def metrics(histograms: Mapping[str, Histogram]) -> dict[str, Any]:
    """Return the summaries and distributions of a stage; null where nothing was counted."""
    told: dict[str, Any] = {"distributions": {}}
    for name, histogram in histograms.items():
        member = name if name == "speed_factor" else f"{name}_s"
        told[member] = histogram.summary() if histogram else None
        if histogram:
            told["distributions"][member] = histogram.cumulative(_POINTS)
    return told


def client(window: Window) -> dict[str, Any]:
    """Return what the workers measured of themselves in a window."""
    workers = [one for one in window.workers if not one.lost]
    merged = {
        name: Histogram.merged(getattr(one, name) for one in workers)
        for name in ("schedule_lag", "loop_lag", "dispatch_lag", "user_kernel")
    }
    schedule, loop = _p99(merged["schedule_lag"], 1e3), _p99(merged["loop_lag"], 1e3)
    deltas = sum(one.deltas for one in workers)
    return {
        "cpu": _most(one.cpu for one in workers),
        "schedule_lag_ms_p99": schedule,
        "loop_lag_ms_p99": loop,
        "dispatch_lag_ms_p50": _percentile(merged["dispatch_lag"], 0.5, 1e3),
        "dispatch_lag_ms_p99": _p99(merged["dispatch_lag"], 1e3),
        "lag_ms_p99": _most((schedule, loop)),
        "backlog_end": sum(one.backlog_end for one in workers),
        "user_kernel_us_p50": _percentile(merged["user_kernel"], 0.5, 1e6),
        "user_kernel_us_p99": _p99(merged["user_kernel"], 1e6),
        "coalesced_share": sum(one.coalesced for one in workers) / deltas if deltas else None,
        "gc_pauses": sum(one.gc_pauses for one in workers),
        "gc_longest_ms": max((one.gc_longest_ns for one in workers), default=0) / 1e6,
        "run_delay_share": _most(one.run_delay_share for one in workers),
        "descriptors_free": _least(one.descriptors_free for one in workers),
        "ports_free": _least(one.ports_free for one in workers),
        "workers": [_worker(window, one) for one in window.workers],
    }


def write_bench(folder: Path, bench: Mapping[str, Any]) -> None:
    """Write ``bench.json`` into ``folder``; raises SoundcheckError where that cannot be."""
    with _whole(folder / "bench.json") as file:
        text = json.dumps(bench, indent=1, ensure_ascii=False, allow_nan=False)
        file.write(text.encode() + b"\n")


def write_samples(
    folder: Path,
    chunks: Iterable[Sequence[Sample]],
    forms: Mapping[int, Mapping[str, Any]],
    stages: set[int],
    breathe: Callable[[], None],
) -> None:
    """Write ``samples.csv.gz`` with the samples of ``stages``; call ``breathe`` now and then."""
    with (
        _whole(folder / "samples.csv.gz") as file,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0, filename="") as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for chunk in chunks:
            writer.writerows(
                _row(one, forms.get(one.form, {})) for one in chunk if one.stage in stages
            )
            breathe()


def write_report(folder: Path) -> None:
    """Write the report for people, by a process of its own: drawing takes seconds.

    A run has its result without it, so what goes wrong is only told.
    """
    words = [sys.executable, "-m", "soundcheck", "report", str(folder)]
    try:
        told = subprocess.run(  # noqa: S603 - our own module, no shell
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_REPORT_S,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        logger.warning("The report was not written: try soundcheck report %s", folder)
        return
    if told.returncode:
        logger.warning(
            "The report was not written: %s", told.stderr.decode(errors="replace")[-500:]
        )


def check_folder(folder: Path) -> None:
    """Make ``folder``; raises SoundcheckError where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SoundcheckError(f"{folder} cannot be written to: {error.strerror}") from None


def _row(one: Sample, form: Mapping[str, Any]) -> list[Any]:
    success = not one.cause
    latency = _seconds(one.done - one.intended) if success else ""
    ttfd = _seconds(one.first_text - one.intended) if one.first_text != NEVER else ""
    return [
        one.stage,
        one.worker,
        one.arrival,
        form.get("clip", ""),
        form.get("format", ""),
        form.get("language", ""),
        int(bool(form.get("stream"))),
        form.get("audio_s", ""),
        form.get("upload_bytes", ""),
        _seconds(one.intended),
        *(
            "" if time == NEVER else _seconds(time)
            for time in (one.dispatched, one.sent, one.headers, one.first_text, one.done)
        ),
        latency,
        ttfd,
        one.deltas,
        one.coalesced,
        "" if one.lag == NEVER else f"{one.lag / 1000:.3f}",
        one.status or "",
        CAUSES[one.cause],
    ]


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / _SECOND:.6f}"


def _worker(window: Window, one: Vitals) -> dict[str, Any]:
    return {
        "worker": one.worker,
        "cpu": one.cpu,
        "schedule_lag_ms_p99": _p99(one.schedule_lag, 1e3),
        "loop_lag_ms_p99": _p99(one.loop_lag, 1e3),
        "dispatch_lag_ms_p99": _p99(one.dispatch_lag, 1e3),
        "backlog_end": one.backlog_end,
        "gc_longest_ms": one.gc_longest_ns / 1e6,
        "run_delay_share": one.run_delay_share,
        "limit": limit_of(window, one),
    }


def _p99(histogram: Histogram, scale: float) -> float | None:
    return _percentile(histogram, 0.99, scale)


def _percentile(histogram: Histogram, share: float, scale: float) -> float | None:
    value = histogram.percentile(share)
    return None if value is None else value * scale


def _most(values: Iterable[float | None]) -> float | None:
    return max((one for one in values if one is not None), default=None)


def _least(values: Iterable[int | None]) -> int | None:
    return min((one for one in values if one is not None), default=None)


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` at once when it is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise SoundcheckError(f"{path} cannot be written: {error.strerror}") from None
