"""``soundcheck check NAME``: a target of soundcheck.toml, its secrets kept, its caps held."""

import json
import re
import shlex
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]

WHISPER = {"id": "whisper-1", "object": "model", "created": 1, "owned_by": "me"}
MODELS = {"object": "list", "data": [WHISPER]}
REFUSAL = {"error": {"message": "no file", "type": "x", "param": None, "code": None}}
GOOD = {"text": "Hello World.", "usage": {"type": "duration", "seconds": 1}}

AZURE = """
[targets.azure]
base_url = "{url}"
model = "whisper-1"
query = {{ "api-version" = "2024-06-01", code = {{ env = "QUERY_SECRET" }} }}
headers = {{ "Ocp-Key" = {{ env = "GATE_KEY" }}, "X-Team" = "blue" }}
api_key_env = "STT_KEY"
proxy = {{ env = "MY_PROXY" }}
price_per_audio_minute = 0.5
currency = "EUR"
"""
SECRETS = {
    "QUERY_SECRET": "query+secret/of=us",
    "GATE_KEY": "gate+key",
    "STT_KEY": "sk-of-the-tests-1234",
}
ONLY = ("--only", "models/list", "--only", "schema/json-text")


def answered(connection: socket.socket, request: bytes, *, echoes: bool = False) -> None:
    """Answer as a deployment does, or one that repeats what it was asked in every answer."""
    status, body = "200 OK", json.dumps(GOOD)
    if request.startswith(b"GET"):
        body = json.dumps(MODELS)
    elif b"filename=" not in request:
        status, body = "400 Bad Request", json.dumps(REFUSAL)
    if echoes:
        heard = request.partition(b"\r\n\r\n")[0].decode()
        body = json.dumps(json.loads(body) | {"heard": heard})
    told = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    connection.sendall(f"{told}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode())


def written(tmp_path: Path, text: str) -> None:
    (tmp_path / "soundcheck.toml").write_text(text, encoding="utf-8")


def run_of(folder: Path) -> dict:
    document = json.loads((folder / "run.json").read_text("utf-8"))
    assert isinstance(document, dict)
    return document


def test_a_target_brings_all_that_its_requests_need(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """Query, headers, key and proxy go with every request, and nothing secret is ever written.

    The proxy is the server itself, which answers in the place of what it is asked for, and repeats
    every secret that it was told.
    """
    server = raw_server(lambda *told: answered(*told, echoes=True))
    address = server.base_url.removeprefix("http://").removesuffix("/v1")
    proxy = f"http://me:pass%3Aword-of-proxy@{address}"
    written(tmp_path, AZURE.format(url="http://azure.example/openai/deployments/w"))
    done = soundcheck("check", "azure", *ONLY, "--out", "run", **SECRETS, MY_PROXY=proxy)
    assert done.returncode == 0, done.stderr + done.stdout
    for request in server.requests:
        line, *headers = request.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
        assert "http://azure.example/openai/deployments/w/" in line
        assert "?api-version=2024-06-01&code=query%2bsecret%2fof%3dus http/1.1" in line
        assert {
            "ocp-key: gate+key",
            "x-team: blue",
            f"authorization: bearer {SECRETS['STT_KEY']}",
        } <= {*headers}
    run = run_of(tmp_path / "run")
    assert run["target"]["name"] == "azure"
    assert run["cost"]["price"] == 0.5
    assert "EUR" in done.stderr
    texts = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    texts += [done.stdout.encode(), done.stderr.encode()]
    hidden = "query\\+secret|query%2bsecret|sk-of-the|pass:word|pass%3aword|gate.key"
    for text in texts:
        assert not re.search(hidden.encode(), text, re.IGNORECASE)


def test_the_command_line_wins(soundcheck: Soundcheck, raw_server, tmp_path: Path) -> None:
    """An option that is given replaces what the file says, also where that could not be used."""
    url = raw_server(answered).base_url
    written(
        tmp_path,
        f'[targets.here]\nbase_url = "{url}"\nmodel = "none"\nprofile = "nowhere.toml"\n'
        'max_requests = 1\napi_key_env = "NOT_SET"\n',
    )
    given = ("--model", "whisper-1", "--profile", "openai", "--max-requests", "50")
    given += ("--api-key-env", "STT_KEY")
    done = soundcheck("check", "here", *given, *ONLY, "--out", "run", STT_KEY="sk-1")
    assert done.returncode == 0, done.stderr
    run = run_of(tmp_path / "run")
    assert (run["target"]["model"], run["profile"]) == ("whisper-1", "openai")
    command = shlex.split(done.stdout.partition("\nnext ")[2].replace("\\\n", ""))
    assert command[:3] == ["soundcheck", "check", "here"]
    assert sorted(command[3:]) == sorted(given)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('base_ulr = "http://h/v1"', r"soundcheck.toml:2: unknown key 'base_ulr': .*base_url\?"),
        ('model = "m"', r"soundcheck.toml:1: base_url missing"),
        ('model = "m"\nbase_url = "h:1"', r"soundcheck.toml:3: 'h:1' is not an http"),
        ('model = "m"\nbase_url = "http://h:99999/v1"', "toml:3: there is no port 99999"),
        ('base_url = "http://h/v1?api-version=1"', "query = { … }"),
        ('base_url = "http://h/v1"\njobs = 0', "soundcheck.toml:3: jobs must be at least 1, not 0"),
        ('base_url = "http://h/v1"\neffort = "max"', "toml:3: effort must be one of quick, full"),
        ('base_url = "http://h/v1"\nmodel = 3', "toml:3: model must be a text, not 3"),
        ('base_url = "http://h/v1"\ntls_roots = "no.pem"', "toml:3: no.pem: cannot be read: No"),
        ('base_url = "http://h/v1"\ntls_roots = "soundcheck.toml"', "toml:3: .*no certificates"),
        ('base_url = "http://h/v1"\nclient_cert = "soundcheck.toml"', "toml:3: .*no certificate"),
        ('base_url = "http://h/v1"\nclient_key = "k.pem"', "soundcheck.toml:3: client_key belongs"),
        ('base_url = "http://h/v1"\nclient_cert = "c.pem"', "toml:3: c.pem: cannot be read"),
        ('base_url = "http://h/v1"\nproxy = "socks5://h:1"', "toml:3: .*an HTTP proxy's URL"),
        ('base_url = "http://h/v1"\napi_key_env = "sk-sEcReT"', "toml:3: .*never the key"),
        ('base_url = "http://h/v1"\nproxy = "http://me:sEcReT@h:1"', "toml:3: .*env ="),
        ('base_url = "http://h/v1"\nheaders = { "api-key" = "sEcReT" }', "toml:3: .*env ="),
        ('base_url = "http://h/v1"\nheaders = { X = "Bearer sEcReT" }', "toml:3: .*env ="),
        (
            'base_url = "http://h/v1"\nheaders = { X = { env = "NOT_SET" } }',
            "toml:3: .*NOT_SET is not set",
        ),
        ('base_url = "http://h/v1"\napi_key_env = "NOT_SET"', "toml:3: .*NOT_SET is not set, or e"),
        ('base_url = "http://h/v1"\nheaders = { "a b" = "c" }', "toml:3: 'a b' cannot be the name"),
        ('base_url = "http://h/v1"\nheaders = { X = { evn = "A" } }', "toml:3: .*env"),
        ('base_url = "http://h/v1"\n[targets.x.query]\nsig = "sEcReT"', "toml:4: .*env ="),
        ('base_url = "http://h/v1"\nprofile = "opnai"', "toml:3: .*did you mean openai"),
        ('base_url = "http://h/v1"\nprofile = "my.toml"', "toml:3: no profile file at my.toml"),
        ('base_url = "http://h/v1"\ntimeout = nan', "toml:3: must be a number that is finite"),
        ('base_url = "http://h/v1"\nmax_requests = 1' + "0" * 30, "toml:3: .*64 bits"),
        ('base_url = "http://h/v1"\nmax_requests = 1' + "0" * 5000, "a number is too long"),
        ('base_url = "http://h/v1"\nquery = ' + "[" * 5000, "too much stands inside"),
        ('base_url = "http://me:sEcReT@[::1/v1"', "is not a URL"),
        ("base_url = ", "not valid TOML"),
    ],
)
def test_mistakes_are_told_by_file_and_line(
    soundcheck: Soundcheck, tmp_path: Path, entry: str, message: str
) -> None:
    """What is wrong with a target is one message and exit 2, and never repeats a secret."""
    written(tmp_path, f"[targets.x]\n{entry}\n")
    done = soundcheck("check", "x")
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert "sEcReT" not in done.stderr


def test_an_unknown_target_is_told(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """A name that the file lacks, and a folder that lacks the file, end in exit 2."""
    none = soundcheck("check", "staging")
    written(tmp_path, '[targets.staging]\nbase_url = "http://h/v1"\n')
    other = soundcheck("check", "stagign")
    elsewhere = soundcheck("check", "staging", "--config", "other.toml")
    assert (none.returncode, other.returncode, elsewhere.returncode) == (2, 2, 2)
    assert "soundcheck init" in none.stderr
    assert "did you mean staging?" in other.stderr
    assert "other.toml" in elsewhere.stderr


def test_a_plan_beyond_a_cap_is_not_begun(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """It is told what it needs and what would fit; nothing of it was sent, and nothing is left."""
    server = raw_server(answered)
    only = ("--only", "models", "--only", "schema", "--max-requests", "9")
    done = soundcheck("check", server.base_url, *only, "--out", "run")
    assert done.returncode == 4
    assert re.search(r"it needs --max-requests \d\d", done.stderr)
    assert "--only schema would fit" in done.stderr
    assert len(server.requests) == 2  # the preflight's
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "cap", ["--max-requests=6", "--max-audio-minutes=.05", "--max-upload-mb=.2"]
)
def test_a_cap_that_is_reached_keeps_what_was_done(
    soundcheck: Soundcheck, raw_server, tmp_path: Path, cap: str
) -> None:
    """With --yes as much is sent as fits: it is judged and reported, and the run is no success."""
    server = raw_server(answered)
    more = ("--only", "formats/nine-accepted", "--yes", "--out", "run")
    done = soundcheck("check", server.base_url, cap, *ONLY, *more)
    run = run_of(tmp_path / "run")
    assert run["verdict"] == "incomplete", done.stdout
    assert done.returncode == 4, done.stderr
    assert run["cost"]["spent"]["requests"] == len(server.requests)
    assert run["cost"]["spent"]["audio_minutes"] <= 0.05 or "audio" not in cap
    assert run["cost"]["spent"]["upload_bytes"] <= 2e5 or "upload" not in cap
    assert any(note.startswith("not all sent") for note in run["notes"])
    assert run["counts"]["pass"] >= 1
    assert "not reached" in done.stdout
    assert (tmp_path / "run" / "report.html").exists()


def test_requests_that_are_sent_again_are_counted(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """A connection that breaks off once is tried again, and every report says so."""
    broken: list[bytes] = []

    def reply(connection: socket.socket, request: bytes) -> None:
        if b"filename=" in request and not broken:
            broken.append(request)
        else:
            answered(connection, request)

    done = soundcheck("check", raw_server(reply).base_url, *ONLY, "--out", "run")
    assert done.returncode == 0, done.stderr
    run = run_of(tmp_path / "run")
    assert run["cost"]["again"] == 1
    assert [r["attempts"] for r in run["results"] if r["id"] == "schema/json-text"] == [2]
    for told in (done.stdout, (tmp_path / "run" / "report.html").read_text("utf-8")):
        assert "1 of them sent again" in " ".join(told.split())
