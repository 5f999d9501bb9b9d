"""Whole runs, by plain Locust against the stub: what it tells, writes and ends with.

Each is a process of its own, because Locust patches the one that imports it.
"""

import csv
import gzip
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from soundcheck import suites
from soundcheck.reference.stub import StubSettings, start_stub
from soundcheck.report.bench import load_bench

LOAD = ("--stt-durations=3s", "--stt-verify=none", "--stt-no-selftest", "-u=8")


def locust(host: str, *options: str, file: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a locustfile (the scenario steady) to its end, without a window of the user's open."""
    file = file or suites.folder("loadtests") / "steady.py"
    words = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--only-summary"]
    environment = {name: text for name, text in os.environ.items() if name[:7] != "LOCUST_"}
    return subprocess.run(
        [*words, "--host", host, *LOAD, *options],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def rows_of(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "samples.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def schedule(folder: Path) -> dict[str, Any]:
    """Return what was to be sent when, by arrival, of the first try of a run's only stage."""
    return {
        row["arrival"]: (row["intended_s"], row["clip"])
        for row in rows_of(folder)
        if row["stage"] == "1"
    }


def test_one_process_and_two_workers_send_the_same(tmp_path: Path) -> None:
    """Both write a bench.json that reports read and every sample; arrivals and clips are equal."""
    options = ("--stt-arrivals=poisson:60", "--stt-window=1s", "--stt-warm-up=0s", "--stt-seed=5")
    folders = (tmp_path / "one", tmp_path / "two")
    with start_stub(StubSettings()) as stub:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # Locust's own port is the same for all: another run's workers would come to this master.
        two = ("--processes=2", f"--master-bind-port={port}", f"--master-port={port}")
        local = ("--master-bind-host=127.0.0.1",)
        for folder, more in zip(folders, ((), two + local), strict=True):
            ran = locust(stub.base_url, *options, f"--stt-out={folder}", *more)
            # A machine that is busy with others makes windows INVALID: that is no failure of ours.
            assert ran.returncode in (0, 4), ran.stderr
            assert "Traceback" not in ran.stderr
            bench = load_bench(folder)
            assert bench.verdict in ("measured", "invalid")
            counts = bench.stages[0].counts
            assert counts.intended == counts.sent + counts.unsent
            assert len(schedule(folder)) == counts.intended
            assert "POST" in ran.stderr
    assert schedule(folders[0]) == schedule(folders[1])
    assert {row["worker"] for row in rows_of(folders[1])} == {"0", "1"}


def test_a_cap_ends_the_run_and_keeps_the_result(tmp_path: Path) -> None:
    """Thirty requests are allowed, and the first one is the look whether anybody answers."""
    with start_stub(StubSettings()) as stub:
        ran = locust(
            stub.base_url,
            "--stt-rate=200",
            "--stt-window=60s",
            "--stt-max-requests=30",
            f"--stt-out={tmp_path}",
        )
    assert ran.returncode == 4, ran.stderr
    assert len(rows_of(tmp_path)) == 29
    bench = json.loads((tmp_path / "bench.json").read_text())
    assert bench["verdict"] == "incomplete"
    assert "--stt-max-requests 30 is reached" in bench["problems"][0]


def test_nobody_there_is_one_message_and_exit_code_3(tmp_path: Path) -> None:
    """Where nothing listens there is no load, no traceback, and no result."""
    ran = locust("http://127.0.0.1:9/v1", f"--stt-out={tmp_path}")
    assert ran.returncode == 3, ran.stderr
    assert ran.stderr.count("soundcheck: ") == 1
    assert "http://127.0.0.1:9/v1 gave no answer (Connection refused" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "bench.json").exists()


def test_a_missing_base_url_is_one_message_and_exit_code_2() -> None:
    """Without a base URL nothing is made or sent."""
    ran = locust("")
    assert ran.returncode == 2, ran.stderr
    assert "soundcheck: there is no URL" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_task_that_breaks_off_is_told(tmp_path: Path) -> None:
    """An exception of a user's own task is a note of the report, with its line."""
    file = tmp_path / "own.py"
    file.write_text(
        "from locust import constant, task\n"
        "from soundcheck.load import TranscriptionUser\n"
        "class Own(TranscriptionUser):\n"
        "    wait_time = constant(0.2)\n"
        "    @task\n"
        "    def ask(self):\n"
        "        self.transcribe('load-en-1.wav')\n"
        "        1 / 0\n"
    )
    with start_stub(StubSettings()) as stub:
        ran = locust(stub.base_url, "--stt-window=1s", f"--stt-out={tmp_path}", file=file)
    assert ran.returncode in (0, 4), ran.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert "A user's task broke off: ZeroDivisionError at own.py:8" in " ".join(found["problems"])
