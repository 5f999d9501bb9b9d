"""``soundcheck check --suite DIR``: what can be wrong with a user's own requirements."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]
GOOD = """from soundcheck import MUST, get, probes, requirement

@requirement("house/rule", MUST, source="our handbook")
@probes(models=get("/models"))
def test_rule(answers):
    '''The list is there.'''
    answers.models.ok()
"""


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        (None, (), "is no folder of requirements of your own"),
        ("", (), "holds no requirement: none of its test_*.py"),
        ("import nothing_of_the_kind", (), "cannot be imported: ModuleNotFoundError"),
        ("import sys; sys.exit(0)", (), "cannot be imported: SystemExit"),
        ("import pytest; pytest.importorskip('nothing')", (), "cannot be imported: Skipped"),
        (GOOD.replace("house/rule", "models/list"), (), "models/list is claimed by"),
        (GOOD + GOOD.replace("test_rule", "test_again"), (), "house/rule is claimed by"),
        (GOOD.replace("house/rule", "House rule"), (), "not of the form area/words-of-the-rule"),
        (GOOD, ("--only", "haus"), "no requirement or area is called 'haus'"),
    ],
)
def test_mistakes_are_told(
    soundcheck: Soundcheck, tmp_path: Path, text: str | None, arguments: tuple[str, ...], told: str
) -> None:
    """Each mistake is one message and exit code 2, before anything is sent."""
    if text is not None:
        (tmp_path / "own" / "deep").mkdir(parents=True)
        (tmp_path / "own" / "deep" / "test_own.py").write_text(text, encoding="utf-8")
    done = soundcheck("check", "http://127.0.0.1:9/v1", "--suite", "own", *arguments)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_a_judge_is_told_by_its_line(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """An error that arises inside of Soundcheck is told by the line of the requirement's file."""
    (tmp_path / "own").mkdir()
    wrong = GOOD.replace("answers.models", "answers.modles")
    (tmp_path / "own" / "test_own.py").write_text(wrong, encoding="utf-8")
    done = soundcheck("check", "--suite", "own", "--only", "house", "--out", "run")
    assert done.returncode == 5
    results = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["results"]
    (result,) = (one for one in results if one["id"] == "house/rule")
    assert "no probe is called 'modles'" in result["message"]
    assert result["message"].endswith("/own/test_own.py:7)")
