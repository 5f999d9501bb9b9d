"""``soundcheck check --out DIR``: an earlier run there stays until something new is to be sent."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from soundcheck.contract.traffic import Caps

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]

WHISPER = {"id": "whisper-1", "object": "model", "created": 1, "owned_by": "me"}
REFUSAL = {"error": {"message": "no file", "type": "x", "param": None, "code": None}}
GOOD = {"text": "Hello World.", "usage": {"type": "duration", "seconds": 1}}
ONLY = ("--only", "models/list", "--only", "schema/json-text")


def answer(connection: socket.socket, request: bytes) -> None:
    status, body = "200 OK", json.dumps(GOOD)
    if request.startswith(b"GET"):
        body = json.dumps({"object": "list", "data": [WHISPER]})
    elif b"filename=" not in request or b"\r\n\r\nnix\r\n" in request:
        status, body = "400 Bad Request", json.dumps(REFUSAL)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def server(raw_server):
    """Return a small deployment."""
    return raw_server(answer)


@pytest.fixture
def earlier(soundcheck: Soundcheck, server, tmp_path: Path) -> Path:
    """Return the folder ``run``, which holds a run."""
    done = soundcheck("check", server.base_url, *ONLY, "--out", "run")
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("url", "options", "code"),
    [
        ("", ["--max-requests", "5"], 4),
        ("", ["--max-requests", "1"], 4),
        ("http://127.0.0.1:9/v1", [], 3),
        ("", ["--model", "nix"], 2),
        ("", ["--baseline", "run/run.json", "--profile", "whisper-cpp"], 2),
        ("", ["--api-key-env", "NO_SUCH_VARIABLE"], 2),
    ],
    ids=["cap", "low-cap", "closed-port", "model", "baseline", "no-key"],
)
def test_an_earlier_run_outlives_one_that_sends_nothing(
    soundcheck: Soundcheck, server, earlier: Path, url: str, options: list[str], code: int
) -> None:
    """What ends before its requests leaves the run in the folder as it was, to the byte."""
    before = content(earlier)
    done = soundcheck("check", url or server.base_url, "--out", "run", *options)
    assert done.returncode == code, done.stderr
    assert content(earlier) == before
    assert {path.name for path in earlier.iterdir()} == {name.split("/")[0] for name in before}


def test_an_earlier_run_is_replaced_as_a_whole(
    soundcheck: Soundcheck, server, earlier: Path
) -> None:
    """Once something is sent, the folder is that of the new run alone."""
    names = {path.name for path in earlier.iterdir()}
    done = soundcheck("check", server.base_url, "--only", "models/list", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in earlier.iterdir()} == names
    run = json.loads((earlier / "run.json").read_text("utf-8"))
    assert run["selection"]["only"] == ["models/list"]


def test_an_earlier_run_is_replaced_by_a_replay(
    soundcheck: Soundcheck, earlier: Path, tmp_path: Path
) -> None:
    """What is judged again takes the place of what was there."""
    earlier.rename(tmp_path / "recorded")
    first = soundcheck("check", "--replay", "recorded", "--only", "models/list", "--out", "run")
    second = soundcheck("check", "--replay", "recorded", "--out", "run")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    run = json.loads((earlier / "run.json").read_text("utf-8"))
    assert run["selection"]["only"] == ["models/list", "schema/json-text"]
    assert not [path for path in earlier.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("fresh", [True, False])
def test_an_earlier_run_outlives_an_interrupted_preflight(
    raw_server, earlier: Path, tmp_path: Path, fresh: bool
) -> None:
    """Ctrl-C before the plan ends in exit 4, and in the folder all is as it was."""

    def reply(connection: socket.socket, request: bytes) -> None:
        process.send_signal(signal.SIGINT)
        connection.recv(1)

    before = content(earlier)
    out = "other" if fresh else "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "soundcheck", "check", raw_server(reply).base_url, "--out", out],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert "interrupted before anything was judged" in errors
    assert content(earlier) == before
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("reply", ["no", "interrupt"])
def test_an_earlier_run_outlives_a_no(
    soundcheck: Soundcheck,
    server,
    earlier: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    reply: str,
) -> None:
    """A user who does not want to send a costly plan has lost nothing, by Ctrl-C either."""

    def confirm(*_: object, **__: object) -> bool:
        if reply == "interrupt":
            raise typer.Abort
        return False

    address = server.base_url.removeprefix("http://").removesuffix("/v1")
    (tmp_path / "soundcheck.toml").write_text(
        f'[targets.far]\nbase_url = "http://far.example/v1"\nproxy = "http://{address}"\n'
    )
    monkeypatch.setattr("typer.confirm", confirm)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("soundcheck.cli.progress.COSTLY", Caps(requests=1))
    before, asked = content(earlier), len(server.requests)
    done = soundcheck("check", "far", *ONLY, "--out", "run", FORCE_COLOR="1")
    assert done.returncode == 4, done.stderr
    expected = "interrupted before" if reply == "interrupt" else "nothing of it was sent"
    assert expected in done.stderr
    assert content(earlier) == before
    assert not any(b"filename=" in request for request in server.requests[asked:])


def test_an_earlier_run_outlives_an_interrupted_making(
    soundcheck: Soundcheck, server, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while audio is made, before any of it is sent, has judged nothing."""

    def build(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("soundcheck.audio.Library.build", build)
    before = content(earlier)
    done = soundcheck("check", server.base_url, *ONLY, "--out", "run")
    assert done.returncode == 4, done.stderr
    assert "interrupted before anything was judged" in done.stderr
    assert content(earlier) == before


def test_a_folder_that_cannot_be_made_is_named(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """Without --out, the message names the folder in which new ones are made."""
    (tmp_path / "reports").touch()
    done = soundcheck("check", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert re.search(r"cannot write the run folder reports: \w+", done.stderr)


def test_a_file_of_targets_that_is_not_there_is_told(soundcheck: Soundcheck, server) -> None:
    """A --config that was mistyped is refused beside a URL, too, and nothing is sent."""
    done = soundcheck("check", server.base_url, *ONLY, "--config", "nope.toml")
    assert done.returncode == 2
    assert "at nope.toml" in done.stderr
    assert not server.requests


def test_a_run_that_is_not_complete_names_its_resumption(
    soundcheck: Soundcheck, server, tmp_path: Path
) -> None:
    """After a cap the next command goes on in the same folder, as slowly and as cautiously."""
    manner = ("--jobs", "1", "--timeout", "30.5", "--max-rate", "500", "--max-requests", "6")
    url, only = server.base_url, ("--only", "formats/nine-accepted", "--only", "models/list")
    capped = soundcheck("check", url, *only, *manner, "--yes", "--out", "my run")
    assert capped.returncode == 4, capped.stderr
    command = capped.stdout.partition("\nnext ")[2].replace("\\\n", "")
    expected = ["soundcheck", "check", "--resume", "my run", *manner, "--yes"]
    assert shlex.split(command) == expected
    gone_on = soundcheck(*shlex.split(command)[1:])
    assert gone_on.returncode == 4, gone_on.stderr
    done = soundcheck("check", "--resume", "my run")
    assert done.returncode in (0, 1), done.stderr


def test_only_what_is_sent_is_counted_as_sent(soundcheck: Soundcheck, server) -> None:
    """Going on with a run counts what is open: neither kept answers nor the preflight."""
    only = ("--only", "formats/nine-accepted", "--only", "models/list")
    bound = ("--max-requests", "6", "--yes", "--out", "run")
    assert soundcheck("check", server.base_url, *only, *bound).returncode == 4
    for _ in range(2):  # with some of it open, and with nothing
        before = len(server.requests)
        done = soundcheck("check", "--resume", "run")
        planned = re.search(r"by (\d+) request", done.stderr)
        assert planned is not None
        counts = [*map(int, re.findall(r"sent (\d+) of", done.stderr))]
        assert len(server.requests) - before - 2 == int(planned[1])
        assert counts[-1:] == ([int(planned[1])] if int(planned[1]) else [])
