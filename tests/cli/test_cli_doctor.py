"""``soundcheck doctor`` tells what is ready and what is not, and never a key."""

import importlib.metadata
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

FINE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
Soundcheck = Callable[..., subprocess.CompletedProcess[str]]


def test_a_sound_installation_is_told(soundcheck: Soundcheck) -> None:
    """Where all is there, every line says so, and the file of targets is no duty."""
    done = soundcheck("doctor")
    assert done.returncode == 0, done.stdout
    assert "fault" not in done.stdout
    assert "soundcheck init" in done.stdout
    needed = [
        one for one in importlib.metadata.requires("stt-soundcheck") or () if "extra" not in one
    ]
    for name in (re.split(r"[^\w-]", one)[0] for one in needed):
        assert f"{name} {importlib.metadata.version(name)}" in done.stdout


def test_targets_are_looked_at(soundcheck: Soundcheck, raw_server, tmp_path: Path) -> None:
    """A missing key is a fault; with --online each target is asked, with its key."""
    server = raw_server(FINE)
    (tmp_path / "soundcheck.toml").write_text(
        f'[targets.here]\nbase_url = "{server.base_url}"\napi_key_env = "STT_KEY"\n'
        '[targets.there]\nbase_url = "http://127.0.0.1:1/v1"\n',
        encoding="utf-8",
    )
    without = soundcheck("doctor")
    assert without.returncode == 2
    assert (
        "fault target here: soundcheck.toml:3: the environment variable STT_KEY is not"
        in without.stdout
    )
    assert not server.requests
    online = soundcheck("doctor", "--online", STT_KEY="sk-very-secret")
    assert online.returncode == 2
    assert f"ok    target here: {server.base_url}, answers 200" in online.stdout
    assert "fault target there: http://127.0.0.1:1/v1: nothing listens" in online.stdout
    assert b"authorization: bearer sk-very-secret" in server.requests[0].lower()
    assert "sk-very-secret" not in online.stdout + online.stderr


def test_a_broken_file_is_told(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """A mistake in the file of targets is told by file and line."""
    (tmp_path / "soundcheck.toml").write_text("[targets.x]\nbase = 1\n", encoding="utf-8")
    done = soundcheck("doctor")
    assert done.returncode == 2
    assert "soundcheck.toml:" in done.stdout


def test_a_target_that_answers_otherwise_is_noted(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """With --online only a list of models is ok; what is refused is told with its URL."""
    server = raw_server(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    (tmp_path / "soundcheck.toml").write_text(
        f'[targets.here]\nbase_url = "{server.base_url}"\n', encoding="utf-8"
    )
    done = soundcheck("doctor", "--online")
    assert done.returncode == 0, done.stdout
    assert f"note  target here: {server.base_url}, answers 404 to GET /models: is" in done.stdout
