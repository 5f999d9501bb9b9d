"""The limit that a search finds is the one that the deployment was told to have."""

from pathlib import Path

import pytest

from soundcheck.cli import app
from soundcheck.reference.deployment import start_reference
from soundcheck.reference.settings import Counts
from soundcheck.report.run import Run, load_run

IDENTIFIER = "limits/one-boundary"


def _searched(out: Path, dialect: str, max_file: int | None, counts: Counts | None) -> Run:
    with start_reference(dialect, max_file=max_file, limit_counts=counts) as running:
        target = [running.base_url, "--profile", dialect, "--model", "whisper-large-v3"]
        options = ["--only", IDENTIFIER, "--effort", "full", "--quiet", "--out", str(out)]
        app(["check", *target, *options], standalone_mode=False)
    return load_run(out)


@pytest.mark.parametrize(
    ("dialect", "max_file", "counts", "limit", "counted"),
    [
        ("openai", None, None, 26_214_400, "the content of the request"),
        ("vllm", None, None, 26_214_400, "the file alone"),
        ("openai", 25_000_000, "part", 25_000_000, "the file's part of the form"),
        ("vllm", 31_415_926, "request", 31_415_926, "the content of the request"),
        ("vllm", 20_000_001, "file", 20_000_001, "the file alone"),
    ],
)
def test_the_limit_found_is_the_true_one(
    tmp_path: Path,
    dialect: str,
    max_file: int | None,
    counts: Counts | None,
    limit: int,
    counted: str,
) -> None:
    """The search finds the limit to the byte, and what it counts, and the report says both."""
    run = _searched(tmp_path, dialect, max_file, counts)
    [result] = [result for result in run.results if result.id == IDENTIFIER]
    assert f"the limit is {limit:,} bytes; it counts {counted}" in result.found
    assert len(result.exchanges) <= 45
    for report in ("report.html", "summary.md"):
        assert f"{limit:,} bytes" in (tmp_path / report).read_text(encoding="utf-8")
