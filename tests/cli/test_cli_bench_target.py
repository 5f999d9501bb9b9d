"""``soundcheck bench NAME``: a target of soundcheck.toml, with its key, headers and query."""

import gzip
import json
import socket
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]

SHORT = ["--no-selftest", "--rate", "20", "--duration", "1s", "--warm-up", "0s"]
SHORT += ["--verify", "none", "--quiet", "--out", "out"]
SECRETS = {
    "QUERY_SECRET": "query+secret/of=us",
    "GATE_KEY": "key+one",
    "STT_KEY": "sk-of-the-tests-1234",
}
TARGET = """
[targets.staging]
base_url = "{url}"
model = "whisper-of-ours"
query = {{ "api-version" = "2024-06-01", code = {{ env = "QUERY_SECRET" }} }}
headers = {{ "Ocp-Key" = {{ env = "GATE_KEY" }}, "X-Team" = "blue" }}
api_key_env = "STT_KEY"
max_requests = 3
"""


def echoing(heard: str, connection: socket.socket, request: bytes) -> None:
    """Refuse with the line of the request's head that begins with ``heard``."""
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    told = next((one for one in lines if one.startswith(heard)), "")
    body = json.dumps({"error": {"message": told}})
    head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


@pytest.mark.parametrize(
    ("heard", "more"),
    [
        ("POST", ()),
        ("Authorization", ("--processes", "2")),
        ("Ocp-Key", ("--transport=fast-http",)),
    ],
)
def test_a_target_is_asked_as_the_file_says(
    soundcheck: Soundcheck, raw_server, tmp_path: Path, heard: str, more: tuple[str, ...]
) -> None:
    """Key, headers, query, model and cap of the file are used; no secret is written or told."""
    server = raw_server(partial(echoing, heard))
    (tmp_path / "soundcheck.toml").write_text(TARGET.format(url=server.base_url))
    done = soundcheck("bench", "staging", *SHORT, *more, **SECRETS)
    assert done.returncode == 4, done.stderr  # the file's cap ends it
    line, *lines = server.requests[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    path = "/v1/audio/transcriptions?api-version=2024-06-01&code=query%2Bsecret%2Fof%3Dus"
    assert line == f"POST {path} HTTP/1.1"
    assert {
        "Authorization: Bearer sk-of-the-tests-1234",
        "Ocp-Key: key+one",
        "X-Team: blue",
    } <= set(lines)
    assert b"whisper-of-ours" in server.requests[-1]
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    written["samples.csv.gz"] = gzip.decompress(written["samples.csv.gz"])
    told = b"".join(written.values()).decode() + done.stdout + done.stderr
    assert f"400: {heard}" in told
    assert not any(secret in told for secret in (*SECRETS.values(), "query%2Bsecret"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("", "the environment variable STT_KEY is not set"),
        ("max_rate = 2\nproxy = 'http://127.0.0.1:1'", "max_rate and proxy, which a bench cannot"),
        ("nonsense = 1", "nonsense"),
    ],
)
def test_what_a_bench_cannot_keep_to_is_told(
    soundcheck: Soundcheck, tmp_path: Path, more: str, message: str
) -> None:
    """A mistake in the file, and what has no meaning in a load run, is one message with exit 2."""
    (tmp_path / "other.toml").write_text(TARGET.format(url="http://127.0.0.1:1/v1") + more)
    secrets = SECRETS if more else {}
    done = soundcheck("bench", "staging", "--config", "other.toml", *SHORT, **secrets)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_the_command_line_goes_before_the_file(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """What is typed replaces what the file says."""
    server = raw_server(partial(echoing, "POST"))
    (tmp_path / "soundcheck.toml").write_text(TARGET.format(url=server.base_url))
    own = ("--model", "another", "--api-key-env", "MY_KEY")
    soundcheck("bench", "staging", *own, *SHORT, **SECRETS | {"MY_KEY": "sk-mine"})
    assert b"another" in server.requests[-1]
    assert b"Bearer sk-mine" in server.requests[-1]
