"""A recorded run is judged again without a deployment, with the same verdicts."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from soundcheck.cli import main
from soundcheck.plugin.options import Options
from soundcheck.plugin.replay import options_of


def _soundcheck(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the command in ``folder``, in this process: an interpreter's start takes as long."""
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as changed, redirect_stdout(told), redirect_stderr(told):
        changed.chdir(folder)
        changed.setattr("sys.argv", ["soundcheck", *arguments])
        for name, value in environment.items():
            changed.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), told.getvalue()


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
    selection += ["--only", "wire/nothing-in-clear", "--only", "transport"]
    faults = ["--fault", "limit-20mb", "--fault", "refuses-webm", "--fault", "prompt-in-header"]
    code, told = _soundcheck(
        folder, "check", *faults, *selection, "--effort", "full", "--out", "run"
    )
    assert code == 1, told
    return folder


@pytest.fixture(scope="module")
def claimed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which ``run`` is a narrowed run by a profile that is there no more.

    The profile has the name of a built-in one, by which the same run would be red.
    """
    folder = tmp_path_factory.mktemp("claimed")
    profile = folder / "my" / "vllm.toml"
    profile.parent.mkdir()
    profile.write_text(
        'title = "Ours"\nextends = "vllm"\n'
        '[limits]\nrefused_bytes = "none"\n'
        '[levels]\n"models/list" = "SHOULD"\n',
        encoding="utf-8",
    )
    words = ["--profile", "my/vllm.toml", "--only", "models", "--without", "models/exact-names"]
    code, told = _soundcheck(
        folder, "check", "--dialect=openai", "--fault=models-object-wrong", *words, "--out=run"
    )
    assert code == 0, told
    shutil.rmtree(profile.parent)
    return folder


def _replay(folder: Path, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    out = f"judged-{len(list(folder.iterdir()))}"
    code, told = _soundcheck(folder, "check", "--replay", "run", "--out", out, *arguments)
    return code, told, _run(folder / out)


@pytest.mark.parametrize("plainly", [False, True], ids=["soundcheck", "pytest"])
def test_a_replay_has_the_same_verdicts(recorded: Path, plainly: bool) -> None:
    """Every verdict, message and finding comes out again, searches included; nothing is sent."""
    out = f"again-{plainly}"
    # Neither clips nor a deployment may be needed.
    elsewhere = {"SOUNDCHECK_CACHE": str(recorded / "no" / "cache")}
    if plainly:
        from soundcheck import suites

        options = [f"--stt-out={out}", "-p", "no:cacheprovider", "--stt-replay=run"]
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
        code, told = _soundcheck(recorded, "check", "--replay", "run", "--out", out, **elsewhere)
        assert code == 1, told
        assert "nothing is sent" in told
    first, again = _run(recorded / "run"), _run(recorded / out)
    assert _verdicts(again) == _verdicts(first)
    assert any("the limit is 20,000,000 bytes" in one["found"] for one in again["results"])
    assert again["effort"] == "full"
    assert again["cost"]["spent"]["requests"] == 0
    assert again["replay_of"].startswith(first["started"])
    assert not (recorded / "no").exists()


def test_a_replay_judges_by_the_recorded_profile_and_selection(claimed: Path) -> None:
    """The profile as it was, not the built-in one of its name, and the rules that were wanted."""
    code, told, again = _replay(claimed)
    first = _run(claimed / "run")
    assert code == 0, told
    assert _verdicts(again) == _verdicts(first)
    assert all(again[name] == first[name] for name in ("claims", "selection", "notes"))
    assert "the answers are in the openai dialect" in again["notes"][0]
    assert again["claims"]["limits"] == {"accepted_bytes": 25_000_000, "refused_bytes": None}
    assert "\nnext " not in told, "the same answers would tell the same"


def test_what_is_asked_for_replaces_what_was_recorded(claimed: Path) -> None:
    """A profile, or rules, that are given are judged by; the next command gives both, and works."""
    code, told, other = _replay(claimed, "--profile", "vllm", "--effort", "full")
    assert code == 1, told
    assert other["claims"]["title"] == "vLLM's transcription server"
    assert other["selection"] == {"only": ["models"], "without": ["models/exact-names"]}
    found = re.search(r"\nnext +((?:.*\\\n)*.*)", told)
    assert found is not None, told
    command = shlex.split(found[1].replace("\\\n", ""))
    assert command[:6] == ["soundcheck", "check", "--replay", "run", "--profile", "vllm"]
    assert command[6:] == ["--effort", "full", "--only", "models/list"]
    code, told, other = _replay(claimed, *command[4:])
    assert code == 1, told
    assert other["selection"] == {"only": ["models/list"], "without": []}
    assert {one["id"] for one in other["results"] if one["verdict"] == "fail"} == {"models/list"}


def test_a_run_of_before_is_judged_by_the_profile_of_its_name(claimed: Path) -> None:
    """A run that recorded neither its profile nor its selection replays by name and whole."""
    before = claimed / "before"
    shutil.copytree(claimed / "run", before)
    document = _run(before)
    del document["claims"], document["selection"]
    (before / "run.json").write_text(json.dumps(document), encoding="utf-8")
    options = options_of(before, Options())
    assert (options.only, options.without) == ((), ())
    code, told = _soundcheck(
        claimed, "check", "--replay=before", "--out=judged-before", "--only=models/list"
    )
    assert code == 1, told
    assert _run(claimed / "judged-before")["claims"]["title"] == "vLLM's transcription server"


def test_a_selection_of_another_version_is_told(claimed: Path) -> None:
    """A recorded name that no rule bears is refused with what to do, not a fault of Soundcheck."""
    other = claimed / "other"
    shutil.copytree(claimed / "run", other)
    document = _run(other)
    document["selection"]["only"] = ["models/lists"]
    (other / "run.json").write_text(json.dumps(document), encoding="utf-8")
    code, told = _soundcheck(claimed, "check", "--replay=other", "--out=judged-other")
    assert code == 2, told
    assert "did you mean models/list?" in " ".join(told.split())
    assert "choose with --only or --without" in " ".join(told.split())


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
