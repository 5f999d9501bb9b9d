"""``soundcheck init``: the file it writes works as it is, and so do those of the how-to."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from soundcheck.cli.init import TEMPLATE
from soundcheck.contract.target_file import _SCHEMA, load_target, names

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "targets.md"
Soundcheck = Callable[..., subprocess.CompletedProcess[str]]


def test_the_file_works_as_it_is(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """A newcomer's three commands: init, serve, check local."""
    assert soundcheck("init").returncode == 0
    file = tmp_path / "soundcheck.toml"
    serving = subprocess.Popen(
        [sys.executable, "-m", "soundcheck", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert serving.stdout is not None
        told = (re.search(r"http://127\.0\.0\.1:(\d+)/v1", line) for line in serving.stdout)
        port = next(found[1] for found in told if found)
        # The one thing that a test may not take for granted is that port 8000 is free.
        file.write_text(file.read_text("utf-8").replace(":8000/", f":{port}/"), encoding="utf-8")
        done = soundcheck("check", "local", "--only", "models/list", "--out", "run")
    finally:
        serving.terminate()
        serving.communicate()
    assert done.returncode == 0, done.stderr + done.stdout
    assert "local at http://127.0.0.1" in done.stdout


def test_nothing_is_overwritten(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """A file that is there stays, unless it is to be replaced."""
    file = tmp_path / "soundcheck.toml"
    file.write_text("mine", encoding="utf-8")
    refused = soundcheck("init")
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert file.read_text("utf-8") == "mine"
    assert soundcheck("init", "--force").returncode == 0
    assert file.read_text("utf-8") == TEMPLATE


def test_a_folder_that_is_not_there_is_told(soundcheck: Soundcheck) -> None:
    """One message, and exit 2."""
    done = soundcheck("init", "nowhere/soundcheck.toml")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def examples() -> list[str]:
    """Return the file with everything in it put to use, and the files of the how-to."""
    used = re.sub(r"^# (?=\[targets|[a-z_]+ = )", "", TEMPLATE, flags=re.MULTILINE)
    used = used.replace('proxy = "http://proxy.example.com:3128"', "timeout = 60 #")
    blocks = re.findall(r"```toml\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    return [used, *blocks]


@pytest.mark.parametrize("text", examples())
def test_every_example_is_right(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each target of each example is one that could be asked."""
    from soundcheck.http.certificates import Authority

    badge = Authority.new("A root of the tests").issue_to_client("me")
    (tmp_path / "client.pem").write_bytes(badge.certificate_pem)
    (tmp_path / "roots.pem").write_bytes(badge.certificate_pem)
    (tmp_path / "client.key").write_bytes(badge.key_pem)
    for variable in re.findall(r'env = "(\w+)"', text):
        monkeypatch.setenv(variable, "http://me:secret@proxy.example.com:3128")
    file = tmp_path / "soundcheck.toml"
    file.write_text(text, encoding="utf-8")
    found = names(file)
    assert found
    for name in found:
        assert load_target(name, file).way.name == name


def test_all_keys_are_told() -> None:
    """The how-to's table has every key, and no other; the file that is written has them too."""
    known = set(_SCHEMA["properties"]["targets"]["additionalProperties"]["properties"])
    rows = re.findall(r"^\| (`.*?) \|", HOW_TO.read_text("utf-8"), re.MULTILINE)
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == known
    assert set(re.findall(r"^#? ?([a-z_]+) = ", TEMPLATE, re.MULTILINE)) == known
    tomllib.loads(TEMPLATE)
