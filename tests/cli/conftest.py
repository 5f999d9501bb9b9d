"""What the command line's tests share: the command in this process, or as one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def soundcheck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Soundcheck:
    """Return a function that runs the command in an empty folder, and in this process.

    Starting an interpreter takes longer than most of what is tested here.
    """
    from soundcheck.cli import main

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as changed:
            changed.chdir(tmp_path)
            changed.setattr("sys.argv", ["soundcheck", *arguments])
            for name, value in environment.items():
                changed.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        told = capsys.readouterr()
        return subprocess.CompletedProcess(
            arguments, int(ended.value.code or 0), told.out, told.err
        )

    return run


@pytest.fixture
def soundcheck_process(tmp_path: Path) -> Soundcheck:
    """Return a function that runs the command in an empty folder, as a user does."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "soundcheck", *arguments],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
