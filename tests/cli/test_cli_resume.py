"""``soundcheck check --resume RUN`` goes on where a run ended, and pays for nothing twice."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]

WHISPER = {"id": "whisper-1", "object": "model", "created": 1, "owned_by": "me"}
MODELS = {"object": "list", "data": [WHISPER]}
REFUSAL = {"error": {"message": "no file", "type": "x", "param": None, "code": None}}
GOOD = {"text": "Hello World.", "usage": {"type": "duration", "seconds": 1}}
RULES = ("models/list", "schema/json-text", "schema/strict-json", "formats/nine-accepted")
ONLY = [word for rule in RULES for word in ("--only", rule)]


def answer(connection: socket.socket, request: bytes, models: dict = MODELS) -> None:
    status, body = "200 OK", json.dumps(GOOD)
    if request.startswith(b"GET"):
        body = json.dumps(models)
    elif b"filename=" not in request:
        status, body = "400 Bad Request", json.dumps(REFUSAL)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


def uploads(server) -> list[bytes]:
    return [request for request in server.requests if b"filename=" in request]


def run_of(folder: Path) -> dict:
    document = json.loads((folder / "run.json").read_text("utf-8"))
    assert isinstance(document, dict)
    return document


def test_a_capped_run_is_gone_on_with(soundcheck: Soundcheck, raw_server, tmp_path: Path) -> None:
    """Sitting by sitting the run is completed; each upload was made once, and all are counted."""
    server = raw_server(answer)
    capped = ("--max-requests", "6", "--yes")
    first = soundcheck("check", server.base_url, *ONLY, *capped, "--out", "run")
    sent = len(server.requests)
    assert (first.returncode, sent) == (4, 6)
    second = soundcheck("check", "--resume", "run", *capped)
    assert second.returncode == 4, second.stderr
    third = soundcheck("check", "--resume", "run")
    assert third.returncode == 0, third.stderr + third.stdout
    assert len(set(uploads(server))) == len(uploads(server))
    run = run_of(tmp_path / "run")
    assert run["verdict"] == "conformant"
    assert run["cost"]["spent"]["requests"] == len(server.requests)
    assert [sitting["spent"]["requests"] for sitting in run["earlier"]] == [6, 6]
    assert any("resumed 2 times" in note for note in run["notes"])
    assert "resumed 2 times" in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_a_killed_run_is_gone_on_with(soundcheck: Soundcheck, raw_server, tmp_path: Path) -> None:
    """Without any goodbye the folder has what was recorded, and says that it is no result."""
    checks: list[subprocess.Popen[str]] = []

    def reply(connection: socket.socket, request: bytes) -> None:
        if len(uploads(server)) == 4 and checks:
            checks.pop().send_signal(signal.SIGKILL)
        else:
            answer(connection, request)

    server = raw_server(reply)
    command = [sys.executable, "-m", "soundcheck", "check", server.base_url, *ONLY, "--jobs", "1"]
    checks.append(
        subprocess.Popen(
            [*command, "--out", "run"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    )
    process = checks[0]
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert run_of(tmp_path / "run")["verdict"] == "incomplete"
    done = soundcheck("check", "--resume", "run")
    assert done.returncode == 0, done.stderr + done.stdout
    assert len(uploads(server)) == len(set(uploads(server))) + 1  # the one that got no answer
    run = run_of(tmp_path / "run")
    assert run["verdict"] == "conformant"
    assert run["earlier"][0]["spent"]["requests"] >= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "other"], "another choice of --model: whisper-1, not other"),
        (["--profile", "vllm"], "another choice of --profile: openai, not vllm"),
        (["--effort", "full"], "another choice of --effort: quick, not full"),
        (["--only", "schema"], "another choice of --only: models/list .*, not schema"),
        (["http://127.0.0.1:9/v1"], "another choice of the deployment"),
        (["--out", "elsewhere"], "leave out --out"),
        (["--fault", "no-usage"], "leave out --replay, --fault"),
    ],
)
def test_other_options_are_another_run(
    soundcheck: Soundcheck, recorded: Path, options: list[str], message: str
) -> None:
    """What a run was begun with cannot be changed under way: nothing is sent."""
    before = (recorded / "run.json").read_bytes()
    done = soundcheck("check", "--resume", "run", *options)
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr
    assert (recorded / "run.json").read_bytes() == before


@pytest.fixture
def recorded(soundcheck: Soundcheck, raw_server, tmp_path: Path) -> Path:
    """Return the folder ``run`` of a run that a cap ended."""
    server = raw_server(answer)
    soundcheck("check", server.base_url, *ONLY, "--max-requests", "6", "--yes", "--out", "run")
    return tmp_path / "run"


def test_another_deployment_is_another_run(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """What lists other models now is not what was judged; the records stay as they were."""
    listed = [WHISPER]

    def reply(connection: socket.socket, request: bytes) -> None:
        answer(connection, request, {"object": "list", "data": listed})

    server = raw_server(reply)
    soundcheck("check", server.base_url, *ONLY, "--max-requests", "6", "--yes", "--out", "run")
    folder = tmp_path / "run" / "exchanges"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    listed.append({**WHISPER, "id": "whisper-2"})
    done = soundcheck("check", "--resume", "run")
    assert done.returncode == 2
    assert "is not the deployment that it was" in done.stderr
    assert "whisper-2" in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    listed.pop()
    assert soundcheck("check", "--resume", "run").returncode == 0


def test_what_cannot_be_gone_on_with_is_told(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """A folder without a run, and one that judged the bundled reference, end in exit 2."""
    none = soundcheck("check", "--resume", "nowhere")
    assert none.returncode == 2
    assert "run.json" in none.stderr
    soundcheck("check", "--only", "models/list", "--out", "ours")
    ours = soundcheck("check", "--resume", "ours")
    assert ours.returncode == 2
    assert "bundled reference" in ours.stderr


def test_damaged_records_are_asked_for_anew(
    soundcheck: Soundcheck, recorded: Path, tmp_path: Path
) -> None:
    """What a crash left half written is no answer: the run goes on without it, and says so."""
    whole = sorted((recorded / "exchanges").iterdir())
    for path, content in zip(whole, (b"", b'{"digest": "x', b"[]"), strict=False):
        path.write_bytes(content)
    done = soundcheck("check", "--resume", "run")
    assert done.returncode == 0, done.stderr
    run = run_of(tmp_path / "run")
    assert run["verdict"] == "conformant"
    assert any("3 recorded exchanges could not be read" in note for note in run["notes"])
