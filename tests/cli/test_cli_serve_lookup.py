"""``soundcheck serve --recognizer lookup``: for load runs, and it says what it is."""

import os
import signal
import subprocess
import sys

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.cli import main

COMMAND = [sys.executable, "-c", "from soundcheck.cli import main; main()", "serve"]


def test_the_lookup_recognizer_is_served_and_named() -> None:
    """It says that nobody listens and how long it takes, knows clips, and has metrics."""
    options = ("--port", "0", "--recognizer", "lookup", "--latency", "servers=2,mean=0")
    process = subprocess.Popen(
        [*COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        printed = "".join(lines)
        assert "Recognizer: lookup. It recognises nothing" in printed
        assert "servers=2,mean=0,constant" in printed
        urls = [word for word in printed.split() if word.startswith("http")]
        clip = Library().clip("hello.mp3")
        answer = httpx.post(
            f"{urls[0]}/audio/transcriptions",
            data={"model": "whisper-large-v3"},
            files={"file": ("a.mp3", clip.read())},
        )
        assert answer.json()["text"] == clip.transcript
        assert "vllm:num_requests_running" in httpx.get(urls[1]).text
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--recognizer", "magic"], "speech or lookup"),
        (["--latency", "mean=1"], "Only the recognizer lookup"),
        (["--recognizer", "lookup", "--latency", "mean=soon"], "needs a number"),
    ],
)
def test_wrong_options_say_what_is_right(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    why: str,
) -> None:
    """A recognizer or a model that cannot be meant is a usage error."""
    monkeypatch.setattr(sys, "argv", ["soundcheck", "serve", *options])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert why in " ".join(capsys.readouterr().err.split())
