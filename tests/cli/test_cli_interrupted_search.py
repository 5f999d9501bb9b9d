"""Ctrl-C in the middle of a search keeps what was recorded, and invents nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

MODEL = {"id": "whisper-1", "object": "model", "created": 1, "owned_by": "me"}
MODELS = {"object": "list", "data": [MODEL]}
GOOD = {"text": "Hello World.", "usage": {"type": "duration", "seconds": 1}}
REFUSAL = {"error": {"message": "no file", "type": "x", "param": "file", "code": None}}
LARGE = 20_000_000


def test_an_interrupted_search_is_untestable(raw_server, tmp_path: Path) -> None:
    """The search is told as interrupted; what was recorded before it is judged."""
    checks: list[subprocess.Popen[str]] = []
    uploads = 0

    def reply(connection: socket.socket, request: bytes) -> None:
        nonlocal uploads
        status, body = "200 OK", json.dumps(GOOD)
        if request.startswith(b"GET"):
            body = json.dumps(MODELS)
        elif b"filename=" not in request:
            status, body = "400 Bad Request", json.dumps(REFUSAL)
        if len(request) > LARGE:
            uploads += 1
            if uploads == 3:  # the first belongs to the plan
                checks[0].send_signal(signal.SIGINT)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    rules = ["--only", "limits/one-boundary", "--only", "models/list", "--effort", "full"]
    options = ["--model", "whisper-1", "--out", str(tmp_path / "run"), *rules]
    url = raw_server(reply).base_url
    checks.append(
        subprocess.Popen(
            [sys.executable, "-m", "soundcheck", "check", url, *options],
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    )
    told, _ = checks[0].communicate(timeout=120)
    assert checks[0].returncode == 4, told
    run = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    verdicts = {one["id"]: (one["verdict"], one["message"]) for one in run["results"]}
    assert verdicts["models/list"] == ("pass", "")
    assert verdicts["limits/one-boundary"][0] == "untestable"
    assert "interrupted" in verdicts["limits/one-boundary"][1]
    assert any("interrupted in the search" in note for note in run["notes"])
