"""A noisy requirement is judged several times: how its attempts count, and where they are told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from soundcheck.contract.answer import Answers
from soundcheck.contract.attempts import Attempt, Attempted
from soundcheck.contract.verdict import MAY, MUST, SHOULD, Level, NotObserved, Untestable, Verdict

KEPT, BROKEN = None, AssertionError("too late")
UNSEEN, UNSENT = NotObserved("nothing"), Untestable("not sent")


@pytest.mark.parametrize(
    ("level", "raised", "verdict"),
    [
        (MUST, [KEPT, KEPT, KEPT], Verdict.PASS),
        (MUST, [KEPT, BROKEN, KEPT], Verdict.FAIL),
        (MUST, [BROKEN, UNSENT, KEPT], Verdict.FAIL),
        (SHOULD, [KEPT, BROKEN, KEPT], Verdict.PASS),
        (SHOULD, [BROKEN, BROKEN, KEPT], Verdict.WARN),
        (SHOULD, [BROKEN, KEPT], Verdict.WARN),
        (MAY, [BROKEN, BROKEN, BROKEN], Verdict.INFO),
        (SHOULD, [KEPT, UNSENT, KEPT], Verdict.UNTESTABLE),
        (SHOULD, [KEPT, UNSEEN, KEPT], Verdict.PASS),
        (SHOULD, [UNSEEN, UNSEEN, UNSEEN], Verdict.NOT_APPLICABLE),
    ],
)
def test_how_attempts_count(level: Level, raised: list[Exception | None], verdict: Verdict) -> None:
    """No majority hides what a MUST forbids; a SHOULD goes by the larger part."""
    attempted = Attempted([Attempt(one) for one in raised])
    decided, message = attempted.decided(level)
    assert decided is verdict
    if verdict in (Verdict.FAIL, Verdict.WARN, Verdict.INFO):
        assert "too late" in message
        assert f"{raised.count(BROKEN)} of {len(raised)} attempts" in message
    assert attempted.found(level).startswith(f"{len(raised)} attempts: ")
    assert ("too late" in attempted.found(level)) == (BROKEN in raised)


SUITE = '''
from soundcheck import MUST, SHOULD, probes, requirement, transcription

answered = {"n": 0}


@requirement("ours/%(name)s", %(level)s, source="ours", killed_by=[], repeat=3)
@probes(answer=transcription("hello.wav", language="en"))
def test_ours(answers):
    """Every second answer is one too many."""
    answered["n"] += 1
    assert answered["n"] %% 2, f"answer {answered['n']}"
'''


@pytest.mark.parametrize(
    ("level", "effort", "code", "verdict", "attempts"),
    [
        ("MUST", "full", 1, "fail", 3),
        ("SHOULD", "full", 0, "pass", 3),
        ("MUST", "quick", 0, "pass", 0),
    ],
)
def test_every_attempt_is_in_the_reports(
    raw_server, tmp_path: Path, level: str, effort: str, code: int, verdict: str, attempts: int
) -> None:
    """In run.json each attempt has its verdict and its exchange; reports tell them in a line."""
    listed = json.dumps({"object": "list", "data": [{"id": "whisper-1", "object": "model"}]})

    def reply(connection, request: bytes) -> None:
        body = listed if request.startswith(b"GET") else json.dumps({"text": "Hello World."})
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    (tmp_path / "test_ours.py").write_text(SUITE % {"name": "odd", "level": level}, "utf-8")
    out = tmp_path / "run"
    server = raw_server(reply)
    options = ["--stt-url", server.base_url, "--stt-model", "whisper-1", "--stt-out", str(out)]
    options += ["--stt-effort", effort]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_ours.py", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    [result] = json.loads((out / "run.json").read_text("utf-8"))["results"]
    assert result["verdict"] == verdict
    repeats = result.get("repeats", [])
    assert [one["verdict"] for one in repeats] == ["pass", verdict.replace("pass", "warn"), "pass"][
        :attempts
    ]
    assert len({digest for one in repeats for digest in one["exchanges"]}) == attempts
    if attempts:
        told = " ".join((out / "summary.md").read_text("utf-8").split())
        assert "3 attempts: pass, " in told
        assert "answer 2" in told


def test_answers_are_picked_by_name() -> None:
    """What stands for no answer is picked, too."""
    answers = Answers({"a": UNSENT, "b": UNSENT})
    assert list(answers.picked(lambda name: {"a": "x"}.get(name))) == ["x"]
    assert list(answers.digests) == []
