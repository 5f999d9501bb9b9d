"""Judge the same reference deployment twenty times, in random order: no verdict may differ.

``python tests/stability.py [RUNS]``: every second run is distributed over two processes by xdist.
Exits with 1, and tells what differed, if anything did.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import track

from soundcheck import suites
from soundcheck.reference.deployment import start_reference

RUNS = 20
MODEL = "whisper-large-v3"
SEED = "SOUNDCHECK_ORDER"
Verdicts = dict[tuple[str, str | None], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the tests of a run, whose plugin this module is; workers of xdist shuffle alike."""
    random.Random(os.environ[SEED]).shuffle(items)


def verdicts(base_url: str, seed: int, *options: str) -> Verdicts:
    """Return the verdicts of one run, by requirement and case."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        asked = ["--stt-url", base_url, "--stt-model", MODEL, "--stt-out", str(out)]
        asked += ["--stt-without", "encryption", "-p", "stability", "-q", *options]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", str(suites.folder("conformance")), *asked],
            env={**os.environ, SEED: str(seed), "PYTHONPATH": str(Path(__file__).parent)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if not (out / "run.json").exists():
            raise SystemExit(f"a run ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        run = json.loads((out / "run.json").read_text("utf-8"))
    return {(one["id"], one["case"]): one["verdict"] for one in run["results"]}


def main() -> int:
    """Run, compare, and tell the outcome."""
    count = int(sys.argv[1]) if sys.argv[1:] else RUNS
    console, begin = Console(), time.monotonic()
    found: list[Verdicts] = []
    with start_reference("openai") as reference:
        for number in track(range(count), "judging", console=console):
            options = ("-n", "2") if number % 2 else ()
            found.append(verdicts(reference.base_url, number, *options))
    first = found[0]
    differing = [
        f"run {number}: {identifier} ({case}): {one.get((identifier, case))}, not {verdict}"
        for number, one in enumerate(found)
        for (identifier, case), verdict in first.items()
        if one.get((identifier, case)) != verdict
    ]
    differing += [
        f"run {n}: {set(one) - set(first)}" for n, one in enumerate(found) if set(one) - set(first)
    ]
    for line in differing:
        console.print(line)
    seconds = time.monotonic() - begin
    console.print(
        f"{count} runs of {len(first)} results in {seconds:.0f} s: {len(differing)} differ"
    )
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
