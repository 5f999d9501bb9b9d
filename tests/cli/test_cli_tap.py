"""The command ``soundcheck tap`` as a user meets it."""

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from soundcheck.cli import main

COMMAND = [sys.executable, "-c", "from soundcheck.cli import main; main()", "tap"]
WORD = "purple elephant 4711"
Tapping = Callable[..., tuple[subprocess.Popen[str], list[str]]]


@pytest.fixture
def tapping(tmp_path: Path) -> Iterator[Tapping]:
    """Return a function that starts the command and reads what it prints until it is ready."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> tuple[subprocess.Popen[str], list[str]]:
        process = subprocess.Popen(
            [*COMMAND, "--upstream", "127.0.0.1:9", "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        return process, lines

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _end(process: subprocess.Popen[str], code: int) -> str:
    """Press Ctrl-C; return what was printed after the introduction."""
    os.killpg(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=30)
    assert errors == ""
    assert process.returncode == code
    return printed


def test_a_leak_is_shown_and_ends_in_1(tapping: Tapping, tmp_path: Path) -> None:
    """The printed address and roots work; a canary that passes is shown and written down."""
    process, lines = tapping("--canary", WORD)
    (line,) = [one.strip() for one in lines if "privatemode-proxy --" in one]
    address = line.split("--apiEndpoint ")[1].split()[0]
    roots = line.split()[0].removeprefix("SSL_CERT_FILE=")
    tls = ssl.create_default_context(cafile=roots)
    with httpx.Client(verify=tls, trust_env=False) as client:
        headers = {"Authorization": "Bearer key-123456"}
        answer = client.post(f"https://{address}/v1/x", content=WORD, headers=headers)
    assert answer.status_code == 502
    printed = _end(process, 1)
    assert "POST /v1/x 20 B" in printed
    assert "→ 502" in printed
    assert "LEAK: canary, raw, in the request body" in printed
    assert "70757270 6c652065" in printed
    assert "exchanges     1" in printed
    assert "leaks         1" in printed
    assert "problem       No connection upstream" in printed
    written = (tmp_path / "soundcheck-tap" / "tap.json").read_text()
    document = json.loads(written)
    assert document["schema"] == "soundcheck/tap/1"
    (hop,) = document["hops"]
    assert (hop["request"]["body"], len(hop["leaks"])) == ("", 1)
    assert "key-123456" not in printed + written
    assert sorted(os.listdir(tmp_path / "soundcheck-tap")) == ["roots.pem", "tap.json"]


def test_nothing_passed(tapping: Tapping, tmp_path: Path) -> None:
    """Without a leak the status is 0, and what was not looked for is said."""
    process, lines = tapping("--out", "else where")
    assert any("'" + str(tmp_path / "else where" / "roots.pem") + "'" in line for line in lines)
    assert "Without --canary TEXT, nothing is looked for in what passes." in lines
    printed = _end(process, 0)
    assert "leaks         not looked for: no --canary" in printed
    assert "connections   0" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--upstream", "example.com"), "HOST:PORT"),
        (("--upstream", "a:1", "--listen", "0.0.0.0:0"), "--allow-remote"),
        (("--upstream", "a:1", "--listen", "nowhere.invalid:1", "--allow-remote"), "cannot listen"),
        (("--upstream", "a:1", "--listen", "127.0.0.1:0", "--canary", "short"), "8 bytes"),
        (("--upstream", "a:1", "--listen", "127.0.0.1:0", "--out", "/dev/null/x"), "/dev/null/x"),
    ],
)
def test_bad_usage_is_one_message(
    options: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be meant is told in one line, with status 2."""
    monkeypatch.setattr(sys, "argv", ["soundcheck", "tap", *options])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_help_has_examples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help shows how the command is used."""
    monkeypatch.setattr(sys, "argv", ["soundcheck", "tap", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "soundcheck tap --upstream api.privatemode.ai:443" in capsys.readouterr().out
