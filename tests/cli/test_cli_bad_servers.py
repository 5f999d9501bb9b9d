"""Deployments that hang, die or never end are decided correctly, in bounded time."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PATIENCE = "8"
"""Seconds per exchange, so that what hangs costs little here; a run's own default is longer."""

Judged = Callable[..., dict[str, Any]]


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    """Return a function that checks the reference with a fault, and gives the run."""

    def judge(fault: str, *only: str) -> dict[str, Any]:
        selection = [part for name in only for part in ("--only", name)]
        options = ["--fault", fault, "--timeout", PATIENCE, *selection]
        done = subprocess.run(
            [sys.executable, "-m", "soundcheck", "check", "--out", str(tmp_path / "run"), *options],
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode in (0, 1, 4), done.stderr
        run: dict[str, Any] = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
        return run

    return judge


def _verdict(run: dict[str, Any], identifier: str) -> tuple[str, str]:
    found = [one for one in run["results"] if one["id"] == identifier]
    worst = next((one for one in found if one["verdict"] != "pass"), found[0])
    return worst["verdict"], worst["message"]


def test_hanging_on_oversize(judged: Judged) -> None:
    """A deployment that never answers an over-large file fails for that; the rest is judged."""
    run = judged("oversize-hangs", "limits/over-refused", "limits/documented-size")
    verdict, message = _verdict(run, "limits/over-refused")
    assert verdict == "fail"
    assert "timeout" in message
    assert _verdict(run, "limits/documented-size")[0] == "pass"
    assert not [note for note in run["notes"] if "stopped answering" in note]


def test_dying_of_oversize(judged: Judged) -> None:
    """A deployment that dies is told with what killed it, and nothing after it is called green."""
    run = judged("oversize-dies", "limits/over-refused", "limits/over-answered")
    assert run["verdict"] == "nonconformant"
    assert any("stopped answering after a file of 26,214,401 bytes" in n for n in run["notes"])
    assert _verdict(run, "limits/over-refused")[0] == "fail"
    assert _verdict(run, "limits/over-answered")[0] == "fail"
    late = [one for one in run["results"] if "stopped answering" in one["message"]]
    assert late
    assert {one["verdict"] for one in late} == {"untestable"}


def test_resetting_on_oversize(judged: Judged) -> None:
    """A connection that breaks on an over-large file is the deployment's fault, and not fatal."""
    run = judged("oversize-reset", "limits/over-answered", "limits/documented-size")
    assert _verdict(run, "limits/over-answered")[0] == "fail"
    assert _verdict(run, "limits/documented-size")[0] == "pass"
    exchanges = {one["id"]: one["attempts"] for one in run["results"]}
    assert exchanges["limits/over-answered"] == 1


def test_answering_before_reading(judged: Judged) -> None:
    """An answer that comes before the upload was read is read; that it was not is warned about."""
    run = judged("oversize-unread", "limits/over-answered", "limits/over-read-on")
    assert run["verdict"] == "conformant"
    assert _verdict(run, "limits/over-answered")[0] == "pass"
    verdict, message = _verdict(run, "limits/over-read-on")
    assert verdict == "warn"
    assert "the connection broke after" in message


@pytest.mark.parametrize("fault", ["stream-endless", "stream-trickles"])
def test_streams_that_do_not_end(judged: Judged, fault: str) -> None:
    """A stream that goes on for ever, or a byte at a time, fails and does not hold up the run."""
    rule = "streaming/openai-events"  # it asks for a single stream
    run = judged(fault, rule)
    assert run["verdict"] == "nonconformant"
    verdict, message = _verdict(run, rule)
    assert verdict == "fail"
    assert "no complete answer" in message
