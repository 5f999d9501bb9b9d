"""``soundcheck bench``: what it refuses, how it follows its child, what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from soundcheck.cli import bench_child
from soundcheck.cli.bench_child import Ended, command, run
from soundcheck.cli.bench_progress import progress
from soundcheck.errors import Interrupted
from soundcheck.reference.deployment import start_reference

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]
URL = "http://127.0.0.1:1/v1"
SHORT = ["--no-selftest", "--rate", "20", "--duration", "1s", "--warm-up", "0s"]
EXIT_CODES = {"measured": 0, "met": 0, "missed": 1, "failed": 1, "invalid": 4, "incomplete": 4}


def child(program: str) -> list[str]:
    """Return a command line that stands for the load generator's; ``say`` writes an event."""
    begin = "import json, os, sys, time\nfd = int(sys.argv[-1].partition('=')[2])\n"
    begin += "say = lambda **told: os.write(fd, json.dumps(told).encode() + b'\\n')\n"
    return [sys.executable, "-c", begin + program]


def followed(program: str) -> tuple[Ended, list[Mapping[str, Any]]]:
    events: list[Mapping[str, Any]] = []
    return run(child(program), events.append), events


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--slo", "p95<=2s"], "write < instead of <="),
        ([URL, "--arrivals", "posson:3"], "unknown kind 'posson'"),
        ([URL, "--arrivals", "trace:none.txt"], "none.txt"),
        ([URL, "--arrivals", "closed:2", "--rate", "3"], "leave --rate out"),
        ([URL, "--duration", "soon"], "--duration: 'soon' is not a time"),
        ([URL, "--rate", "fast"], "--rate: 'fast'"),
        ([URL, "--formats", "wav=x"], "NAME=WEIGHT"),
        ([URL, "--stream", "0", "--slo", "ttfd_p95<1s"], "raise --stream"),
        ([URL, "--scenario", "stedy"], "did you mean steady?"),
        ([URL, "--scenario", "none.py"], "none.py"),
        ([URL, "--api-key-env", "NOT_SET_ANYWHERE"], "not set"),
        ([URL, "--fault", "no-usage"], "leave out the URL"),
        (["--tls-roots", "x.pem"], "give its URL"),
        (["--latency", "servers=0"], "servers"),
        (["localhost:8000"], "not an http"),
        ([URL, "--duration", "0s"], "no time"),
        (["staging"], "there is no soundcheck.toml in this folder"),
        (["--config", "targets.toml"], "give the name of one"),
        ([URL, "--config", "targets.toml"], "give the name of one"),
        ([URL, "--out", "mine"], "mine.csv"),
    ],
)
def test_bad_usage_is_one_message(
    soundcheck: Soundcheck,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """What cannot be meant is told in one message with exit 2, and no load generator starts."""
    monkeypatch.setattr("soundcheck.cli.bench_child.run", None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.csv").touch()
    done = soundcheck("bench", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert (tmp_path / "mine" / "mine.csv").exists()
    assert not list((tmp_path / "reports").glob("*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arrivals", "closed:65"], "raise --users"),
        (["--scenario", "burst", "--duration", "5s"], "every 20 s"),
        (["--arrivals", "burst:1,5,20,4", "--duration", "5s"], "every 20 s"),
        (["--scenario", "saturation", "--slo", "p95<1s", "--rate", "3"], "leave --rate"),
    ],
)
def test_what_a_scenario_has_no_use_for_is_one_message(
    soundcheck: Soundcheck, arguments: list[str], message: str
) -> None:
    """Nothing is ignored in silence, and nothing sent: there is no deployment at the URL."""
    done = soundcheck("bench", URL, *arguments, "--quiet")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_url_without_the_api_is_told(soundcheck: Soundcheck, raw_server) -> None:
    """A path that is not there is asked once, and not loaded: exit 3 with what may be wrong."""
    server = raw_server(
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    )
    done = soundcheck("bench", server.base_url, "--quiet")
    assert done.returncode == 3, done.stderr
    assert "normally in /v1" in done.stderr
    assert len(server.requests) <= 2


def test_help_has_examples_and_exit_codes(soundcheck: Soundcheck) -> None:
    """The help shows what to type and what the exit codes mean."""
    told = " ".join(soundcheck("bench", "--help").stdout.split())
    assert "soundcheck bench http://localhost:8000/v1 --rate 5" in told
    assert "Exit codes" in told
    assert "--slo" in told


def test_a_run_leaves_its_reports(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """Of a deployment that answers there are figures, reports and the exit code of the verdict."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bench.json").write_text("of an earlier run")
    latency = "servers=8,mean=0.01"
    with start_reference(recognizer="lookup", latency=latency, api_key="sk-of-tests") as running:
        done = soundcheck(
            *("bench", running.base_url, *SHORT, "--out", "out", "--api-key-env", "STT_KEY"),
            STT_KEY="sk-of-tests",
        )
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(written) == {"bench.json", "samples.csv.gz", "report.html", "summary.md"}
    found = json.loads(written["bench.json"])
    # On a machine that is busy with something else the window may be INVALID.
    assert done.returncode == EXIT_CODES[found["verdict"]], done.stderr
    assert found["verdict"] in ("measured", "invalid")
    assert found["stages"][0]["counts"]["succeeded"] > 0
    assert not any(b"sk-of-tests" in data for data in written.values())
    first, *lines = done.stderr.splitlines()
    assert running.base_url in first
    assert any(line.startswith("steady: ") and "About 1 s." in line for line in lines)
    assert any(line.startswith("stage 1 20/s") for line in lines)
    assert "report: out/report.html" in done.stdout


def test_a_run_without_a_result_leaves_the_earlier_one(
    soundcheck: Soundcheck, tmp_path: Path
) -> None:
    """Where nothing was measured, the folder still holds what an earlier run measured."""
    earlier = {"bench.json": "{}", "samples.csv.gz": "", "report.html": "<p>", "summary.md": "#"}
    (tmp_path / "out").mkdir()
    for name, content in earlier.items():
        (tmp_path / "out" / name).write_text(content)
    done = soundcheck("bench", URL, *SHORT, "--quiet", "--out", "out")
    assert done.returncode == 3, done.stderr
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == earlier


def test_a_deployment_that_is_down_is_one_message(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """Where nothing answers, that is exit 3 and one message, and no folder stays behind."""
    done = soundcheck("bench", URL, *SHORT, "--quiet")
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert not list((tmp_path / "reports").glob("*"))


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path) -> None:
    """Ctrl-C ends in exit 4, with the reports of what was measured until then."""
    words = [sys.executable, "-m", "soundcheck", "bench", "--rate", "20", "--duration", "10m"]
    words += ["--no-selftest", "--warm-up", "0s", "--out", "out"]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told = ""
    while " of 600 s: " not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # a terminal and a wrapper may both pass it on
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 4, errors
    assert "interrupted: saving" in errors
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert found["verdict"] == "incomplete"
    assert found["stages"][0]["counts"]["succeeded"] > 0
    assert (tmp_path / "out" / "report.html").exists()
    assert "report: out/report.html" in output


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise RuntimeError('not today')", "own.py:1: RuntimeError: not today"),
        ("import os\nimport not_there", "own.py:2: ModuleNotFoundError: No module named"),
        ("def broken(:", "own.py:1: invalid syntax"),
        (
            "from locust import User, task\nclass Own(User):\n    @task\n    def go(self): pass",
            "subclass",
        ),
    ],
)
def test_a_mistake_in_a_locustfile_is_told_by_its_line(
    soundcheck: Soundcheck, tmp_path: Path, program: str, message: str
) -> None:
    """It is the user's own, so exit 2, one message and no traceback."""
    (tmp_path / "own.py").write_text(program + "\n")
    done = soundcheck("bench", URL, "--scenario", "own.py", "--quiet")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_events_come_as_they_are_written() -> None:
    """Whole lines are events, in order; what is none is passed over; the end has the verdict."""
    ended, events = followed(
        "say(event='plan', text='x', seconds=1)\n"
        'os.write(fd, b\'no json\\n[1]\\n{"event": "no\')\n'
        'os.write(fd, b\'te", "text": "y"}\\n\')\n'
        "say(event='end', verdict='met')\n"
    )
    assert [event["event"] for event in events] == ["plan", "note", "end"]
    assert (ended.code, ended.verdict, ended.interrupted) == (0, "met", False)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("say(event='error', text='no room', exit_code=2); sys.exit(2)", "no room"),
        ("sys.stderr.write('noise\\nsoundcheck: no key\\nnoise\\n'); sys.exit(2)", "no key"),
        ("sys.stderr.write('usage: ...\\nlocust: error: bad\\n'); sys.exit(2)", "bad"),
        ("sys.stderr.write('Traceback\\n'); sys.exit(2)", ""),
    ],
)
def test_the_childs_own_message_is_found(program: str, error: str) -> None:
    """What the child says is wrong is taken from its events, or else from its last lines."""
    ended, _ = followed(program)
    assert (ended.code, ended.error) == (2, error)
    assert ended.last_lines or error


def test_the_environment_does_not_change_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust's variables do not reach the child, others do: the key comes that way."""
    monkeypatch.setenv("LOCUST_RUN_TIME", "3s")
    monkeypatch.setenv("STT_KEY", "sk")
    _, [event] = followed("say(event='note', text=' '.join(os.environ))")
    assert "LOCUST_RUN_TIME" not in event["text"].split()
    assert "STT_KEY" in event["text"].split()


def test_a_silent_child_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that neither speaks nor ends is ended, with what it started, as a fault of ours."""
    monkeypatch.setattr(bench_child, "SILENCE_S", 0.0)
    ended, _ = followed("os.fork(); time.sleep(600)")
    assert ended.code == 5


def test_a_second_interrupt_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who interrupts once more does not wait for what a child still saves."""
    monkeypatch.setattr(bench_child, "TOGETHER_S", -1.0)
    program = "import signal; signal.signal(2, lambda *_: say(event='note', text='saving'))\n"
    program += "say(event='note', text='begun'); time.sleep(600); time.sleep(600)"

    def told(event: Mapping[str, Any]) -> None:
        if event["event"] == "note":
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    with pytest.raises(Interrupted, match="at once"):
        run(child(program), told)


def test_the_command_line_of_the_child_holds_no_key() -> None:
    """The child is told the variable of the key, and values that begin with a hyphen stay ones."""
    options = [("--stt-api-key-env", "STT_KEY"), ("--stt-seed", "-1"), ("--stt-no-selftest", "")]
    words = command(Path("x.py"), URL, options)
    assert words[1:5] == ["-m", "locust", "-f", "x.py"]
    expected = ["--host", URL, "--stt-api-key-env=STT_KEY", "--stt-seed=-1", "--stt-no-selftest"]
    assert words[-5:] == expected


def test_progress_is_a_few_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Plan, stages and notes are lines; of the ticks one in five seconds; options as typed here."""
    with progress(quiet=False) as told:
        told({"event": "plan", "text": "steady: how long? About 30 s.", "seconds": 30})
        told({"event": "stage", "number": 1, "name": "5/s\x1b[2J", "seconds": 12.0})
        for second in range(1, 14):
            tick = {"event": "tick", "stage": 1, "elapsed_s": float(second), "of_s": 12.0}
            tick |= {"offered_rps": 5, "achieved_rps": 4.0, "p95_s": 0.25 if second > 5 else None}
            told(tick | {"errors": 1, "in_flight": 2, "lag_ms": 0.42})
        told({"event": "note", "text": "--stt-max-requests 9 is reached"})
        told({"event": "news of a later version"})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "steady: how long? About 30 s."
    assert lines[1].startswith("stage 1 5/s")
    assert "\x1b" not in lines[1]
    rest = "offered 5/s · answered 4/s · p95 {} · 1 error · lag 0.4 ms · 2 under way"
    assert lines[2:5] == [
        "  2 of 12 s: " + rest.format("-"),
        "  7 of 12 s: " + rest.format("250 ms"),
        "  12 of 12 s: " + rest.format("250 ms"),
    ]
    assert lines[5:] == ["--max-requests 9 is reached"]


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet there is no progress at all."""
    with progress(quiet=True) as told:
        told({"event": "note", "text": "x"})
    assert capsys.readouterr().err == ""


def test_the_command_line_never_imports_locust() -> None:
    """Locust patches sockets and threads: only the child of bench may import it, or gevent."""
    program = """
import sys
import soundcheck.cli, soundcheck.cli.bench_child, soundcheck.cli.bench_progress
import soundcheck.plugin.session, soundcheck.wiretap.tap, soundcheck.reference.deployment
import soundcheck.reference.backend, soundcheck.report.bench_reports, soundcheck.load.mix
from soundcheck.cli import app
for words in (["bench", "--help"], ["bench", "--scenario", "none"], ["compare", "--help"]):
    try:
        app(words)
    except BaseException:
        pass
sys.exit(", ".join(sorted({"locust", "gevent"} & set(sys.modules))) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
