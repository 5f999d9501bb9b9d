"""``soundcheck check`` as a user meets it: one clear message, the documented exit code."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soundcheck.contract.profile import built_in

JSON = "application/json"
WHISPER = {"id": "whisper-1", "object": "model", "created": 1, "owned_by": "me"}
MODELS = json.dumps({"object": "list", "data": [WHISPER]})
REFUSAL = json.dumps({"error": {"message": "no file", "type": "x", "param": None, "code": None}})
Soundcheck = Callable[..., subprocess.CompletedProcess[str]]


def _answer(status: str, media_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_the_bundled_reference_conforms(soundcheck_process: Soundcheck, tmp_path: Path) -> None:
    """Without a URL the reference is started and found conformant, and every file is there."""
    done = soundcheck_process("check", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("soundcheck 0.")
    assert "conformant" in done.stdout.lower()
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["verdict"] == "conformant"
    assert run["target"]["reference"] is True
    planned, spent = run["cost"]["planned"], run["cost"]["spent"]
    # The address of the listener in what must not be followed is not known beforehand.
    assert abs(planned.pop("upload_bytes") - spent.pop("upload_bytes")) < 1000
    assert planned == spent
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "run.json",
        "report.html",
        "summary.md",
        "junit.xml",
        "results.sarif",
        "exchanges",
        "tap",
    }
    assert {path.name for path in (tmp_path / "run" / "tap").iterdir()} == {
        "roots.pem",
        "canary.wav",
    }
    evidence = {digest for result in run["results"] for digest in result["exchanges"]}
    assert evidence <= {path.stem for path in (tmp_path / "run" / "exchanges").glob("*.json")}


def test_a_target_that_is_down_is_one_message(
    soundcheck_process: Soundcheck, tmp_path: Path
) -> None:
    """An unreachable target ends in one message and exit 3, before any audio is made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    done = soundcheck_process("check", url, SOUNDCHECK_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2
    assert url in done.stderr
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (_answer("404 Not Found", "text/plain", b"no"), 3, "normally ends in /v1"),
        (_answer("200 OK", "text/html", b"<h1>hi</h1>"), 3, "normally ends in /v1"),
        (_answer("200 OK", JSON, b"\xff\xfe{"), 3, "not as a transcription API"),
        (_answer("401 Unauthorized", JSON, b"{}"), 3, "--api-key-env"),
        (b"SSH-2.0-OpenSSH_9.0\r\n", 3, "http://127.0.0.1"),
        (b"", 3, "http://127.0.0.1"),
    ],
    ids=["wrong-path", "html", "not-utf8", "no-key", "not-http", "closed"],
)
def test_another_server_is_one_message(
    soundcheck: Soundcheck, raw_server, answer: bytes, code: int, message: str
) -> None:
    """Whatever is there instead of the API is told in one message, without a traceback."""
    done = soundcheck("check", raw_server(answer).base_url, "--model", "whisper-1")
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_files_of_others_are_never_deleted(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """A folder that holds anything but an earlier run is refused and left as it is."""
    mine = tmp_path / "work" / "exchanges" / "mine.csv"
    mine.parent.mkdir(parents=True)
    mine.touch()
    done = soundcheck("check", "http://127.0.0.1:9/v1", "--out", "work")
    assert done.returncode == 2
    assert "mine.csv" in done.stderr
    assert mine.exists()


def test_an_endless_answer_ends(soundcheck: Soundcheck, raw_server) -> None:
    """A server that never stops answering is given up."""

    def reply(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(64):
            connection.sendall(b" " * 2**20)

    done = soundcheck("check", raw_server(reply).base_url, "--model", "m")
    assert done.returncode == 3
    assert "still going on" in done.stderr


def test_a_refused_key_is_not_shown(soundcheck: Soundcheck, raw_server) -> None:
    """A refused key is named by its variable; its value is in no output."""
    url = raw_server(_answer("401 Unauthorized", JSON, b"{}")).base_url
    done = soundcheck("check", url, "--api-key-env", "STT_KEY", STT_KEY="sk-very-secret")
    assert done.returncode == 3
    assert "STT_KEY" in done.stderr
    assert "sk-very-secret" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("localhost:8000",), "not an http"),
        (("http://[::1/v1",), "not a URL"),
        (("http://127.0.0.1:1/v1", "--profile", "opnai"), "did you mean openai"),
        (("http://127.0.0.1:1/v1", "--profile", "broken.toml"), "broken.toml:2: unknown key"),
        (("http://127.0.0.1:1/v1", "--profile", "typo.toml"), "typo.toml:3: no requirement is"),
        (("http://127.0.0.1:1/v1", "--api-key-env", "NOT_SET_ANYWHERE"), "not set"),
        (("http://127.0.0.1:1/v1", "--api-key-env", "EMPTY"), "not set, or empty"),
        (("http://127.0.0.1:99999/v1",), "there is no port 99999"),
        (("--dialect", "vlm"), "--dialect is openai or vllm"),
        (("--replay", "file"), "file is a file; the folder of a run is wanted"),
        (("--resume", "folder/run.json"), "the folder of a run is wanted: give folder"),
        (("http://127.0.0.1:1/v1", "--out", "file/run"), "choose another with --out"),
        (("http://127.0.0.1:1/v1", "--effort", "some"), "quick, full or deep"),
        (("http://127.0.0.1:1/v1", "--only", "shema"), "shema"),
        (("--fault", "refuses-wavs"), "refuses-wav"),
        (("http://127.0.0.1:1/v1", "--fault", "no-usage"), "leave out the URL"),
        (("",), "the URL is empty"),
        (("http://127.0.0.1:1/v1", "--profile", ""), "--profile is empty"),
        (("http://127.0.0.1:1/v1", "--timeout", "inf"), "at most a day"),
        (("http://127.0.0.1:1/v1", "--timeout", "1e300"), "at most a day"),
        (("http://127.0.0.1:1/v1", "--max-rate", "nan"), "--max-rate must be more than 0"),
        (("http://127.0.0.1:1/v1", "--max-upload-mb", "nan"), "--max-upload-mb must be"),
        (("http://127.0.0.1:1/v1", "--profile", "nan.toml"), "nan.toml:3: must be a number"),
        (("http://127.0.0.1:1/v1", "--waivers", "."), ".: cannot be read"),
        (("http://127.0.0.1:1/v1", "--suite", "x" * 5000), "File name too long"),
        (("ftp://me:sEcReT@host/v1",), "'…@host/v1' is not an http"),
        (("http://me:sEcReT@[::1/v1",), "'…@[::1/v1' is not a URL"),
        (("localhost:1/v1?key=sEcReT",), "'localhost:1/v1' is not an http"),
    ],
)
def test_bad_usage_is_one_message(
    soundcheck: Soundcheck, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Bad usage and configuration are told in one message with exit 2, before anything is sent."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "run.json").touch()
    (tmp_path / "broken.toml").write_text('extends = "openai"\ntitel = "x"\n')
    (tmp_path / "nan.toml").write_text('extends = "vllm"\n[bounds]\nenglish = nan\n')
    (tmp_path / "typo.toml").write_text('extends = "vllm"\n[levels]\n"models/lst" = "MAY"\n')
    done = soundcheck("check", *arguments, EMPTY="")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "sEcReT" not in done.stderr


def test_a_rule_that_is_nowhere_is_refused(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """A profile that speaks of a rule of no suite at hand ends in exit 2, without a run."""
    (tmp_path / "own.toml").write_text('extends = "openai"\n[levels]\n"own/greets" = "MAY"\n')
    url = raw_server(_answer("400 Bad Request", JSON, REFUSAL.encode())).base_url
    done = soundcheck("check", url, "--model=m", "--profile=own.toml", "--out=run")
    assert done.returncode == 2, done.stderr
    assert "the profile own speaks of 'own/greets'" in done.stderr
    assert not (tmp_path / "run" / "run.json").exists()


def test_every_profile_is_named_in_the_help(soundcheck: Soundcheck) -> None:
    """Who asks for help is told every profile that comes with Soundcheck."""
    told = " ".join(soundcheck("check", "--help", COLUMNS="200").stdout.split())
    assert all(name in told for name in built_in())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_was_done(
    raw_server, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C, or a CI's SIGTERM, ends in exit 4 with a run folder that holds what was judged."""
    uploads = []

    def reply(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"GET"):
            connection.sendall(_answer("200 OK", JSON, MODELS.encode()))
        elif b"filename=" not in request:
            connection.sendall(_answer("400 Bad Request", JSON, REFUSAL.encode()))
        else:
            uploads.append(request)
            if len(uploads) >= 2:  # a terminal and a wrapper may both pass it on
                process.send_signal(number)
            connection.recv(1)

    process = subprocess.Popen(
        [sys.executable, "-m", "soundcheck", "check", raw_server(reply).base_url, "--out", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert "Traceback" not in errors
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["verdict"] == "incomplete"
    assert any(note.startswith("interrupted") for note in run["notes"])
    assert run["counts"]["pass"] >= 1
    assert run["counts"]["untestable"] >= 1
    assert (tmp_path / "run" / "report.html").exists()
    assert "interrupted" in output


def test_a_cache_that_cannot_be_written_is_told(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """When the audio cannot be made, that is one message and exit 2, before anything is sent."""
    (tmp_path / "file").touch()
    server = raw_server(_answer("400 Bad Request", JSON, REFUSAL.encode()))
    done = soundcheck(
        "check", server.base_url, "--model", "m", SOUNDCHECK_CACHE=str(tmp_path / "file" / "cache")
    )
    assert done.returncode == 2
    assert "cache" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not any(b"filename=" in request for request in server.requests)


def test_json_goes_to_stdout_alone(soundcheck_process: Soundcheck, raw_server) -> None:
    """With --json standard output is the run document and nothing else."""

    def reply(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"GET"):
            connection.sendall(_answer("200 OK", JSON, MODELS.encode()))
        else:
            connection.sendall(_answer("400 Bad Request", JSON, REFUSAL.encode()))

    url = raw_server(reply).base_url
    done = soundcheck_process("check", url, "--json", "--only", "models/list", "--out", "run")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["verdict"] == "conformant"
    assert done.stderr == ""


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="the system has no full disk to write to"
)
def test_a_full_disk_is_no_fault_of_ours(tmp_path: Path) -> None:
    """Where nothing more can be written, the system's own words are told, with exit code 2."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "soundcheck", "requirements", "models/list"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert done.stderr == "soundcheck: what is to be written: No space left on device\n"
