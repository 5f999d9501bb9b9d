"""A recorded run is judged again without a deployment, with the same verdicts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _soundcheck(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "soundcheck", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _run(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return found


def _verdicts(run: dict[str, Any]) -> dict[tuple[str, str | None], tuple[str, ...]]:
    return {
        (one["id"], one["case"]): (one["verdict"], one["message"], one["found"], *one["exchanges"])
        for one in run["results"]
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of folders in which ``run`` is a run with red, green and found results."""
    folder = tmp_path_factory.mktemp("recorded")
    selection = ["--only", "limits", "--only", "formats", "--without", "limits/long-audio"]
    faults = ["--fault", "limit-20mb", "--fault", "refuses-webm"]
    code, told = _soundcheck(
        folder, "check", *faults, *selection, "--effort", "full", "--out", "run"
    )
    assert code == 1, told
    return folder


@pytest.mark.parametrize("plainly", [False, True], ids=["soundcheck", "pytest"])
def test_a_replay_has_the_same_verdicts(recorded: Path, plainly: bool) -> None:
    """Every verdict, message and finding comes out again, searches included; nothing is sent."""
    out = f"again-{plainly}"
    selection = [("only", "limits"), ("only", "formats"), ("without", "limits/long-audio")]
    # Neither clips nor a deployment may be needed.
    elsewhere = {"SOUNDCHECK_CACHE": str(recorded / "no" / "cache")}
    if plainly:
        from soundcheck import suites

        options = [f"--stt-{name}={value}" for name, value in [*selection, ("out", out)]]
        options += ["-p", "no:cacheprovider", "--stt-replay=run"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", str(suites.folder("conformance")), *options],
            cwd=recorded,
            env={k: v for k, v in os.environ.items() if "PYTEST" not in k} | elsewhere,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 1, done.stdout
    else:
        options = [part for name, value in selection for part in (f"--{name}", value)]
        code, told = _soundcheck(
            recorded, "check", "--replay", "run", "--out", out, *options, **elsewhere
        )
        assert code == 1, told
        assert "nothing is sent" in told
    first, again = _run(recorded / "run"), _run(recorded / out)
    assert _verdicts(again) == _verdicts(first)
    assert any("the limit is 20,000,000 bytes" in one["found"] for one in again["results"])
    assert again["effort"] == "full"
    assert again["cost"]["spent"]["requests"] == 0
    assert again["replay_of"].startswith(first["started"])
    assert not (recorded / "no").exists()


def test_what_was_not_recorded_is_untestable(recorded: Path) -> None:
    """A rule whose answers the run lacks is untestable, never green."""
    missing = "models/unknown-model-refused"
    code, told = _soundcheck(recorded, "check", "--replay=run", "--out=more", f"--only={missing}")
    assert code == 4, told
    [result] = [one for one in _run(recorded / "more")["results"] if one["id"] == missing]
    assert result["verdict"] == "untestable"
    assert "has no answer to this request" in result["message"]


def test_damaged_evidence_is_untestable(recorded: Path) -> None:
    """A rule whose recorded answers cannot be read is untestable; the others keep their verdict."""
    damaged = recorded / "damaged"
    shutil.copytree(recorded / "run", damaged)
    [digest] = next(
        one["exchanges"]
        for one in _run(damaged)["results"]
        if one["id"] == "limits/documented-size"
    )
    path = damaged / "exchanges" / f"{digest}.json"
    path.write_text(path.read_text("utf-8")[:300], encoding="utf-8")
    rules = ["--only", "limits/documented-size", "--only", "limits/compress-works"]
    code, told = _soundcheck(recorded, "check", "--replay=damaged", "--out=judged", *rules)
    assert code == 4, told
    verdicts = {one["id"]: one for one in _run(recorded / "judged")["results"]}
    assert verdicts["limits/documented-size"]["verdict"] == "untestable"
    assert f"{digest} is damaged" in verdicts["limits/documented-size"]["message"]
    assert verdicts["limits/compress-works"]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--replay", "nowhere"], "nowhere"),
        (["--replay", "run", "--out", "run"], "choose another folder with --out"),
        (["http://127.0.0.1:9/v1", "--replay", "run"], "leave out the URL"),
        (["--replay", "run", "--model", "x"], "leave out the URL"),
    ],
)
def test_mistakes_are_told(recorded: Path, arguments: list[str], told: str) -> None:
    """A replay that cannot be is refused with one message, and the recorded run stays."""
    code, output = _soundcheck(recorded, "check", *arguments)
    assert code == 2, output
    assert told in " ".join(output.split())
    assert (recorded / "run" / "run.json").exists()
