"""The command ``soundcheck serve`` as a user meets it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.cli import main
from soundcheck.http.certificates import Authority
from soundcheck.reference.faults import BENIGN, FAULTS
from soundcheck.reference.private import PRIVATE_FAULTS

COMMAND = [sys.executable, "-c", "from soundcheck.cli import main; main()", "serve"]
Serving = Callable[..., tuple[subprocess.Popen[str], list[str]]]
Run = Callable[..., "Ended"]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Return a function that starts the command and reads what it prints until it is ready."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, **environment: str) -> tuple[subprocess.Popen[str], list[str]]:
        process = subprocess.Popen(
            [*COMMAND, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | environment,
            start_new_session=True,
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


@dataclass(frozen=True)
class Ended:
    """What a command that ended by itself left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in this process until it ends."""

    def command(*options: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["soundcheck", "serve", *options])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return Ended(int(caught.value.code or 0), out, err)

    return command


def end(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C (which reaches the whole group); return what came on stderr."""
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    return errors


def test_the_printed_curl_line_works(serving: Serving, tmp_path: Path) -> None:
    """The line that is printed can be copied as it is; Ctrl-C ends quietly with status 0."""
    process, lines = serving("--port", "0", "--workers", "1")
    shutil.copy(Library().clip("hello.mp3").path, tmp_path / "hello.mp3")
    (curl,) = [line for line in lines if line.startswith("curl ")]
    done = subprocess.run(
        ["bash", "-c", curl.replace("curl", "curl -s", 1)],
        cwd=tmp_path,
        env=os.environ | {"NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"text": "Hello World."' in done.stdout
    assert end(process) == ""


def test_a_key_from_the_environment(serving: Serving) -> None:
    """Clients must send the variable's value; the printed line names the variable, not the key."""
    options = ("--port", "0", "--workers", "1", "--dialect", "vllm", "--api-key-env", "STT_KEY")
    process, lines = serving(*options, STT_KEY="key-9876")
    printed = "\n".join(lines)
    assert '-H "Authorization: Bearer $STT_KEY"' in printed
    assert "key-9876" not in printed
    url = next(word for word in printed.split() if word.startswith("http"))
    assert httpx.get(f"{url}/models").status_code == 401
    given = {"Authorization": "Bearer key-9876"}
    assert httpx.get(f"{url}/models", headers=given).status_code == 200
    end(process)


def test_another_size_limit(serving: Serving) -> None:
    """The limit is the one that was asked for, and counts what was asked for."""
    options = ("--workers", "1", "--max-file", "1000", "--limit-counts", "file")
    process, lines = serving("--port", "0", *options)
    url = next(word for line in lines for word in line.split() if word.startswith("http"))

    def status(size: int) -> int:
        data, files = {"model": "nobody"}, {"file": ("a", bytes(size))}
        return httpx.post(f"{url}/audio/transcriptions", data=data, files=files).status_code

    assert (status(1000), status(1001)) == (404, 413)
    end(process)


def test_a_taken_port_is_one_message(run: Run) -> None:
    """No traceback, a hint, status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"port {port}" in done.stderr
    assert "--port 0" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fault", "refuse-webm"), "refuses-webm"),
        (("--dialect", "klingon"), "openai and vllm"),
        (("--api-key-env", "NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE"),
        (("--limit-counts", "bytes"), "the file, the part, the request"),
        (("--fault", "iv-constan"), "iv-constant"),
        (("--fault", "iv-constant"), "add --private"),
        (("--private", "--fault", "refuse-webm"), "refuses-webm"),
        (("--via", "127.0.0.1:1", "--client-key"), "--client-key and --via"),
        (("--private", "--client-key"), "--api-key-env"),
        (("--private", "--via", "127.0.0.1"), "HOST:PORT"),
        (("--private", "--gateway-roots", __file__), "no certificate"),
        (("--private", "--gateway-roots", "/nowhere/roots.pem"), "no folder /nowhere"),
    ],
)
def test_bad_usage_is_one_message(run: Run, options: tuple[str, ...], message: str) -> None:
    """What cannot be meant is told with what can."""
    done = run("--port", "0", *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_every_fault_is_listed(run: Run) -> None:
    """The list has a line for each fault and benign variation, of the private stack too."""
    done = run("--list-faults")
    assert done.returncode == 0
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert listed == {*FAULTS, *BENIGN, *PRIVATE_FAULTS}


def test_help_has_examples(run: Run) -> None:
    """The help shows how the command is used."""
    done = run("--help")
    assert done.returncode == 0
    assert "soundcheck serve --port 8080" in done.stdout


def example(lines: list[str]) -> str:
    """Return the curl command out of what was printed."""
    first = next(at for at, line in enumerate(lines) if line.startswith("curl "))
    return "\n".join(lines[first : lines.index("", first)])


def children(pid: int) -> set[int]:
    """Return the processes that a process has started."""
    return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_the_private_stack_is_ready_to_be_asked(serving: Serving, tmp_path: Path) -> None:
    """The page's example is printed and works; the client's key; Ctrl-C leaves nothing behind."""
    roots, scratch = tmp_path / "gateway.pem", tmp_path / "scratch"
    scratch.mkdir()
    options = ("--private", "--port", "0", "--workers", "1", "--gateway-roots", str(roots))
    options += ("--api-key-env", "STT_KEY", "--client-key", "--fault", "no-hsts")
    environment = {"STT_KEY": "key-9876", "TMPDIR": str(scratch)}
    process, lines = serving(*options, "--fault", "no-usage", **environment)
    printed = "\n".join(lines)
    assert "dialect vllm" in printed
    assert "with no-usage, no-hsts" in printed
    assert "stand-in" in printed
    assert "key-9876" not in printed
    assert roots.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    shutil.copy(Library().clip("hello.mp3").path, tmp_path / "hello.mp3")
    curl = example(lines).replace("curl", "curl -s", 1)
    assert "-H \"Content-Type: multipart/form-data\" \\\n  -F 'model=whisper-large-v3'" in curl
    for key, expected in (("key-9876", '"text":"Hello World."'), ("wrong", "Incorrect API key")):
        done = subprocess.run(
            ["bash", "-c", curl],
            cwd=tmp_path,
            env=os.environ | {"NO_PROXY": "*", "STT_KEY": key},
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in done.stdout
    started = children(process.pid)
    assert len(started) == 3
    assert end(process) == ""
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    assert not roots.exists()
    assert not list(scratch.iterdir())


def test_the_proxy_goes_where_it_is_told(serving: Serving, tmp_path: Path) -> None:
    """With --via it connects there, by the roots of SSL_CERT_FILE, with the key of its own."""
    roots = tmp_path / "tap.pem"  # not there yet, as a tap's that is started later
    with socket.create_server(("127.0.0.1", 0)) as tap:
        tap.settimeout(30)
        address = f"127.0.0.1:{tap.getsockname()[1]}"
        root = Authority.new("tap")
        process, lines = serving(
            *("--private", "--port", "0", "--workers", "1", "--via", address),
            *("--api-key-env", "STT_KEY"),
            STT_KEY="key-9876",
            SSL_CERT_FILE=str(roots),
        )
        assert f"proxy via {address} -> gateway" in lines[1]
        assert "Authorization" not in example(lines)
        roots.write_bytes(root.certificate_pem)
        context = root.issue("127.0.0.1").server_context()
        with context.wrap_socket(tap.accept()[0], server_side=True) as connection:
            asked = connection.recv(65_536)
    assert asked.startswith(b"POST /privatemode/v1/attest HTTP/1.1")
    assert b"Bearer key-9876" in asked
    end(process)


def test_a_part_that_dies_ends_the_stack(serving: Serving) -> None:
    """When the gateway is gone, that is said, and nothing goes on running."""
    process, _ = serving("--private", "--port", "0", "--workers", "1")
    started = children(process.pid)
    os.kill(max(started), signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 5
    assert "ended by itself" in errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
