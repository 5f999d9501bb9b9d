"""The process that reads the metrics: ``python -m soundcheck.load.telemetry.sampler``.

Parsing a large page takes as long as a hundred requests: in the process that makes the load it
would be that process's own fault. This one reads its task as a line of JSON from standard input
(``urls``, ``patterns``, ``gpu``, ``roots``, ``interval_s``), writes a line per reading to standard
output and ends when standard input is closed.

A line has ``at`` (CLOCK_MONOTONIC, ns) and ``from`` (the URL's number, or ``nvml``), then either
``failed`` (why) or ``values`` ([metric, gpu, value] each), ``gpus`` (id to name) and ``left_out``.
"""

import importlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from soundcheck.load.telemetry.exposition import NotMetrics, Readings, read
from soundcheck.load.telemetry.nvml import Gpus
from soundcheck.load.telemetry.scrape import NotRead, fetch

_writing = threading.Lock()


def main() -> None:
    """Read until the parent ends it."""
    task = json.loads(sys.stdin.buffer.readline())
    patterns = [re.compile(one) for one in task["patterns"]]
    roots = Path(task["roots"]) if task["roots"] else None
    for number, url in enumerate(task["urls"]):
        _begin(number, task["interval_s"], partial(_scraped, url, roots, patterns))
    if task["gpu"] and (gpus := _gpus()):
        _begin("nvml", task["interval_s"], gpus.read)
    sys.stdin.buffer.read()
    os._exit(0)  # a reading under way is not waited for


def _scraped(url: str, roots: Path | None, patterns: Sequence[re.Pattern[str]]) -> Readings:
    return read(fetch(url, roots), patterns)


def _gpus() -> Gpus | None:
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        if Path("/dev/nvidia0").exists():
            _write({"from": "nvml", "failed": "pynvml is missing: install the extra gpu"})
        return None
    return Gpus(library)


def _begin(source: int | str, interval: float, once: Callable[[], Readings]) -> None:
    """Read at even distances; each source by itself, so that a slow one holds up no other."""

    def go_on() -> None:
        due = time.monotonic()
        while True:
            _write({"from": source, **_reading(once)})
            # What was missed while a reading took too long is not made up for.
            due = max(due + interval, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    threading.Thread(target=go_on, daemon=True).start()


def _reading(once: Callable[[], Readings]) -> dict[str, Any]:
    begun = time.monotonic_ns()
    try:
        readings = once()
    except (NotRead, NotMetrics) as error:
        return {"at": begun, "failed": str(error)}
    return {
        # The server looked at its figures somewhere in between.
        "at": (begun + time.monotonic_ns()) // 2,
        "values": [[name, gpu, value] for (name, gpu), value in readings.values.items()],
        "gpus": readings.gpus,
        "left_out": readings.left_out,
    }


def _write(line: dict[str, Any]) -> None:
    data = json.dumps({"at": time.monotonic_ns(), **line}).encode() + b"\n"
    with _writing:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
