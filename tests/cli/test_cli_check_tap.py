"""``soundcheck check`` with a tap: what to type, how long it waits, what it says without."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soundcheck.reference.deployment import start_reference
from soundcheck.reference.private import start_gateway, start_proxy

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]
PROXY = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((PROXY, "--tap", "127.0.0.1:0"), "give --upstream HOST:PORT"),
        ((PROXY, "--tap", "8443", "--upstream", "a:1"), "--tap takes HOST:PORT"),
        ((PROXY, "--upstream", "https://api.example"), "--upstream takes HOST:PORT"),
        ((PROXY, "--tap", "0.0.0.0:0", "--upstream", "a:1"), "--allow-remote"),
        (("--tap", "127.0.0.1:0", "--upstream", "a:1"), "give its URL"),
        ((PROXY, "--tls-roots", "none.pem"), "none.pem"),
        ((PROXY, "--tls-roots", "wrong.pem"), "wrong.pem: certificates cannot be read"),
        (("--fault", "prompt-in-header", "--only", "schema"), "nothing of encryption is selected"),
        (("--fault", "prompt-in-haeder"), "prompt-in-header"),
    ],
)
def test_bad_usage_of_the_tap_is_one_message(
    soundcheck: Soundcheck, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """What cannot be meant is told in one message with exit 2."""
    (tmp_path / "wrong.pem").write_text("no certificate\n")
    done = soundcheck("check", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_message(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """A tap that cannot listen says so, and nothing stays behind."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = f"127.0.0.1:{listener.getsockname()[1]}"
        done = soundcheck("check", PROXY, "--tap", taken, "--upstream", "a:1", "--out", "run")
    assert done.returncode == 2, done.stderr
    assert f"port {taken.rpartition(':')[2]}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_proxy_that_never_comes_is_waited_for(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """What to type is printed; when nothing reaches the tap in time, that is exit 3."""
    tap = ("--tap", "127.0.0.1:0", "--upstream", "api.example:443", "--tap-wait", "0")
    done = soundcheck("check", PROXY, "--profile", "privatemode", *tap, "--out", "run")
    assert done.returncode == 3, done.stderr
    assert "SSL_CERT_FILE=" in done.stderr
    assert "privatemode-proxy" in done.stderr
    assert "--apiEndpoint 127.0.0.1:" in done.stderr
    assert "nothing reached the tap" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_without_a_tap_the_wire_is_untestable(
    soundcheck: Soundcheck, tmp_path: Path, raw_server
) -> None:
    """The privatemode profile claims encryption: without a tap there is no verdict, and why."""
    refusal = json.dumps({"error": {"message": "no", "type": "x", "param": None, "code": 400}})
    models = json.dumps({"object": "list", "data": [{"id": "whisper-1", "object": "model"}]})

    def reply(connection: socket.socket, request: bytes) -> None:
        wrong = not request.startswith(b"GET")
        body = (refusal if wrong else models).encode()
        head = f"HTTP/1.1 {'400 Bad Request' if wrong else '200 OK'}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    url = raw_server(reply).base_url
    done = soundcheck(
        "check", url, "--profile", "privatemode", "--only", "encryption", "--out", "run"
    )
    assert done.returncode == 4, done.stderr
    results = json.loads((tmp_path / "run" / "run.json").read_text())["results"]
    wire = [result for result in results if result["area"] == "wire"]
    assert wire
    assert {result["verdict"] for result in wire} == {"untestable"}
    assert all("--upstream HOST:PORT" in result["message"] for result in wire)
    assert all("SSL_CERT_FILE=" in result["message"] for result in wire)
    transport = {r["verdict"] for r in results if r["area"] == "transport"}
    assert transport == {"not-applicable"}


def test_a_proxy_is_judged_through_the_tap(tmp_path: Path) -> None:
    """What is printed is enough to start a proxy with; then its wire and its API's TLS are judged.

    The proxy's port is taken by nobody while the check waits for it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    selection = ["--only", "wire/nothing-in-clear", "--only", "transport", "--only", "models/list"]
    with (
        start_reference(dialect="vllm", workers=1, api_key="sk-of-this-test") as backend,
        start_gateway(backend.base_url, api_key="sk-of-this-test") as gateway,
    ):
        words = ["check", f"http://127.0.0.1:{port}/v1", "--profile", "privatemode", *selection]
        words += ["--tap", "127.0.0.1:0", "--upstream", gateway.address, "--out", "run"]
        words += ["--tls-roots", str(gateway.roots), "--api-key-env", "STT_KEY"]
        with subprocess.Popen(
            [sys.executable, "-m", "soundcheck", *words],
            cwd=tmp_path,
            env=os.environ | {"STT_KEY": "sk-of-this-test"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as checking:
            assert checking.stderr is not None
            told = ""
            while "privatemode-proxy --apiEndpoint" not in told:
                line = checking.stderr.readline()
                assert line, told
                told += line
            found = re.search(r"SSL_CERT_FILE=(.+) privatemode-proxy --apiEndpoint (\S+)", told)
            assert found is not None
            roots = Path(shlex.split(found[1])[0])
            with start_proxy(found[2], roots=roots, authority=gateway.authority, port=port):
                output, errors = checking.communicate(timeout=120)
    assert checking.returncode == 0, output + errors
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    decided = [r for r in run["results"] if r["verdict"] == "pass"]
    assert {result["area"] for result in decided} == {"wire", "transport", "models"}
    assert run["encryption"]["tapped"] is True
    assert run["encryption"]["endpoint"] == gateway.address
    written = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not any(b"sk-of-this-test" in data for data in written)
