"""The pytest plugin: plain pytest judges a deployment, beside other plugins and under xdist."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soundcheck import suites

JSON = "application/json"
MODELS = {
    "object": "list",
    "data": [{"id": "whisper-1", "object": "model", "created": 1, "owned_by": "me"}],
}
REFUSAL = {"error": {"message": "no", "type": "x", "param": "model", "code": None}}
GOOD = {"text": "Hello World.", "usage": {"type": "duration", "seconds": 1}}
Pytest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_pytest(tmp_path: Path) -> Pytest:
    """Return a function that runs plain pytest on the suites, in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        suite = str(suites.folder("conformance"))
        return subprocess.run(
            [sys.executable, "-m", "pytest", suite, "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env={key: value for key, value in os.environ.items() if "PYTEST" not in key},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def deployment(raw_server) -> Callable[..., str]:
    """Return a function that starts a deployment with given answers, and gives its URL."""

    def start(models: object = MODELS, answer: object = GOOD) -> str:
        def reply(connection, request: bytes) -> None:
            wrong = b"filename=" not in request or b"soundcheck-no-such-model" in request
            status, body = ("400 Bad Request", REFUSAL) if wrong else ("200 OK", answer)
            if request.startswith(b"GET"):
                status, body = "200 OK", models
            content = json.dumps(body).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\nConnection: close\r\n"
            connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

        return str(raw_server(reply).base_url)

    return start


def test_without_a_target_the_suites_are_skipped(run_pytest: Pytest) -> None:
    """Without --stt-url every requirement is skipped with what to do, and nothing is written."""
    done = run_pytest("-rs")
    assert done.returncode == 0, done.stdout
    assert "give --stt-url URL" in done.stdout
    assert "passed" not in done.stdout.splitlines()[-1]


def test_the_header_names_what_is_judged(run_pytest: Pytest, deployment) -> None:
    """Pytest's header names target, model, profile, dialect and run folder."""
    done = run_pytest("--stt-url", url := deployment(), "--stt-only", "models/list")
    assert f"soundcheck: {url}, model whisper-1, profile openai, dialect openai" in done.stdout
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("distributed", [(), ("-n", "2")])
def test_verdicts_are_the_same_under_xdist(
    run_pytest: Pytest, deployment, tmp_path: Path, distributed: tuple[str, ...]
) -> None:
    """MUST fails, SHOULD passes with a warning, each probe is sent once: with xdist too."""
    url = deployment(models=MODELS | {"object": "wrong"}, answer={"text": "Hello World."})
    chosen = ("models/list", "models/entries-complete", "schema/json-text", "schema/usage-present")
    only = [part for name in chosen for part in ("--stt-only", name)]
    (tmp_path / "run" / "exchanges").mkdir(parents=True)
    (tmp_path / "run" / "exchanges" / "0123456789abcdef.json").write_text("of an earlier run")
    done = run_pytest(
        "--stt-url",
        url,
        "--stt-out",
        "run",
        "--base-url",
        "http://other.invalid",
        *only,
        *distributed,
    )
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    found = {r["id"]: r["verdict"] for r in run["results"] if r["verdict"] != "not-selected"}
    found = {identifier: found[identifier] for identifier in chosen}
    assert found == {
        "models/list": "fail",
        "models/entries-complete": "pass",
        "schema/json-text": "pass",
        "schema/usage-present": "warn",
    }
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 3 passed" in done.stdout
    assert "SHOULD not kept: A json answer carries a usage object." in done.stdout
    assert run["verdict"] == "nonconformant"
    assert len(list((tmp_path / "run" / "exchanges").glob("*.json"))) == 3
    assert run["cost"]["planned"] == run["cost"]["spent"]
    assert run["cost"]["planned"]["requests"] == 3
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


def test_bad_usage_leaves_an_earlier_run(run_pytest: Pytest, deployment, tmp_path: Path) -> None:
    """A name that selects nothing ends pytest, and the folder is not emptied for that."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("of an earlier run")
    done = run_pytest("--stt-url", deployment(), "--stt-only", "nope", "--stt-out", "run")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no collected requirement or area is called 'nope'" in done.stderr + done.stdout
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]
    assert (tmp_path / "run" / "run.json").read_text() == "of an earlier run"


@pytest.mark.parametrize(
    ("url", "message"), [("localhost:8000", "not an http"), ("", "--stt-url is empty")]
)
def test_a_wrong_target_is_a_usage_error(run_pytest: Pytest, url: str, message: str) -> None:
    """A target that cannot be used ends pytest with its code for usage errors and one message."""
    done = run_pytest("--stt-url", url)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_recordings_that_cannot_be_used_are_a_usage_error(
    run_pytest: Pytest, deployment, tmp_path: Path
) -> None:
    """A folder without transcripts ends pytest before anything is sent, naming the file."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "call.wav").write_bytes(b"RIFF")
    done = run_pytest("--stt-url", deployment(), "--stt-speech", "own", "-q")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "call.wav without a transcript" in done.stderr


def test_own_requirements_are_judged_too(run_pytest: Pytest, deployment, tmp_path: Path) -> None:
    """Requirements in a user's own tests are judged and reported with the bundled ones."""
    (tmp_path / "test_own.py").write_text(
        "from soundcheck.contract import MUST, probes, requirement, transcription\n"
        "@requirement('own/greets', MUST, source='our handbook', killed_by=[])\n"
        "@probes(answer=transcription('hello.wav'))\n"
        "def test_own(answers):\n"
        "    '''The deployment greets.'''\n"
        "    assert 'Good morning' in answers.answer.text, 'it does not greet'\n"
    )
    done = run_pytest(
        str(tmp_path), "--stt-url", deployment(), "--stt-only", "own", "--stt-out", "run"
    )
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    (result,) = [r for r in run["results"] if r["id"] == "own/greets"]
    assert (result["verdict"], result["message"]) == ("fail", "it does not greet")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


def test_a_typing_error_selects_nothing_and_says_so(run_pytest: Pytest, deployment) -> None:
    """A name that no requirement has ends pytest with a usage error, not with an empty success."""
    done = run_pytest("--stt-url", deployment(), "--stt-only", "shema")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "'shema'" in done.stderr


def test_a_deployment_that_goes_away_is_not_judged(
    run_pytest: Pytest, raw_server, tmp_path: Path
) -> None:
    """When nobody answers any more, the rest is untestable: an outage is no violation."""
    servers = []

    def reply(connection, request: bytes) -> None:
        status, body = ("200 OK", MODELS) if request.startswith(b"GET") else ("400 Bad", REFUSAL)
        if b"filename=" in request:
            servers[0].close()
            return
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

    servers.append(raw_server(reply))
    done = run_pytest(
        "--stt-url",
        servers[0].base_url,
        "--stt-only",
        "schema",
        "--stt-out",
        "run",
        "--stt-jobs",
        "1",
    )
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["verdict"] == "incomplete"
    assert run["counts"]["fail"] == 0
    assert run["counts"]["untestable"] > 10
    assert "could not be reached any more" in done.stdout + str(run["results"])


def test_the_verdict_is_told_at_the_end(run_pytest: Pytest, deployment) -> None:
    """Pytest's summary ends with the verdict, which claims no more than the selection."""
    done = run_pytest("--stt-url", deployment(), "--stt-only", "models/list", "-q")
    assert "The selection holds: No violation of 1 required rule" in done.stdout
    assert "report.html" in done.stdout
