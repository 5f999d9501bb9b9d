"""``soundcheck check --speech``: own recordings take the place of the synthetic ones."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soundcheck.audio import Library

Soundcheck = Callable[..., subprocess.CompletedProcess[str]]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-recordings.md"
ROWS = ("--only", "quality/speech-recognised", "--only", "quality/other-languages")


def _recordings(folder: Path, **texts: str) -> None:
    """Make recordings of the sentence, each with its own text; ``de_NAME`` lies in a folder."""
    for name, text in texts.items():
        stem = folder / name.replace("de_", "de/")
        stem.parent.mkdir(parents=True, exist_ok=True)
        stem.with_suffix(".wav").write_bytes(Library().clip("sentence.wav").read())
        stem.with_suffix(".txt").write_text(text, "utf-8")


def _results(folder: Path) -> dict[tuple[str, str | None], dict[str, str]]:
    run = json.loads((folder / "run.json").read_text("utf-8"))
    return {(one["id"], one["case"]): one for one in run["results"]}


def test_own_recordings_are_judged_and_judged_again(soundcheck: Soundcheck, tmp_path: Path) -> None:
    """What was said in them decides; nothing of them but name, digest and transcript is kept."""
    said = "The children are playing in the garden behind the house."
    _recordings(tmp_path / "own", good=said, de_wrong="Das ist ein ganz anderer Satz.")
    done = soundcheck("check", *ROWS, "--speech", "own", "--out", "run", "-q")
    assert done.returncode == 0, done.stderr
    results = _results(tmp_path / "run")
    english = results["quality/speech-recognised", None]
    assert (english["verdict"], english["found"]) == (
        "pass",
        "word error rate 0.00 on 1 recording of your own",
    )
    german = results["quality/other-languages", "german"]
    assert german["verdict"] == "warn"
    assert "worst is own/de/wrong.wav: " in german["message"]
    assert "synthetic" in results["quality/other-languages", "french"]["found"]
    exchanges = [*map(_read, (tmp_path / "run" / "exchanges").glob("*.json"))]
    parts = [part for one in exchanges for part in one["request"]["parts"]]
    own = [part for part in parts if part.get("clip", "").startswith("own/")]
    assert {part["filename"] for part in own} == {"recording.wav"}
    assert not any((tmp_path / "run").rglob("*good*"))

    done = soundcheck("check", "--replay", "run", "--out", "again", "-q")
    assert done.returncode == 0, done.stderr
    again = _results(tmp_path / "again")
    for key in (("quality/speech-recognised", None), ("quality/other-languages", "german")):
        assert again[key]["message"] == results[key]["message"]
        assert again[key]["found"] == results[key]["found"]


def _read(path: Path) -> dict[str, dict[str, list[dict[str, str]]]]:
    value: dict[str, dict[str, list[dict[str, str]]]] = json.loads(path.read_text("utf-8"))
    return value


def test_a_voice_that_is_not_understood_decides_nothing(
    soundcheck: Soundcheck, tmp_path: Path
) -> None:
    """Above the calibration's bound the rows are untestable and name --speech; with it they are."""
    profile = 'extends = "openai"\ntitle = "x"\n[bounds]\ncalibration = 0.1\nenglish = 0.3\n'
    (tmp_path / "own.toml").write_text(profile)
    fault = ("--fault", "loses-every-fifth-word", "--profile", "own.toml", "-q")
    done = soundcheck("check", *ROWS, *fault, "--out", "run")
    assert done.returncode == 4
    row = _results(tmp_path / "run")["quality/speech-recognised", None]
    assert row["verdict"] == "untestable"
    assert re.search(r"not understood \(word error rate 0\.\d+ on .*--speech DIR", row["message"])
    _recordings(tmp_path / "own", a="The children are playing in the garden behind the house.")
    soundcheck("check", *ROWS, *fault, "--out", "with", "--speech", "own")
    row = _results(tmp_path / "with")["quality/speech-recognised", None]
    assert (row["verdict"], row["found"]) == (
        "pass",
        "word error rate 0.20 on 1 recording of your own",
    )


def test_a_run_on_own_recordings_is_gone_on_with_them(
    soundcheck: Soundcheck, raw_server, tmp_path: Path
) -> None:
    """A run that a cap ended is resumed with the same folder, and not without it."""

    def reply(connection: socket.socket, request: bytes) -> None:
        status, body = "200 OK", '{"text": "The children are playing in the garden."}'
        if request.startswith(b"GET"):
            body = '{"object": "list", "data": [{"id": "whisper-1", "object": "model"}]}'
        elif b"filename=" not in request:
            status, body = "400 Bad Request", '{"error": {"message": "no file", "type": "x"}}'
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    said = "The children are playing in the garden."
    _recordings(tmp_path / "own", a=said, b=said, c=said)
    url = raw_server(reply).base_url
    speech = ("--speech", "own", "-q")
    done = soundcheck("check", url, *ROWS[:2], *speech, "--out", "run", "--max-requests", "3", "-y")
    assert done.returncode == 4, done.stderr
    done = soundcheck("check", "--resume", "run", "-q")
    assert done.returncode == 2
    assert "name them with --speech again" in done.stderr
    done = soundcheck("check", "--resume", "run", *speech)
    assert done.returncode == 0, done.stderr
    row = _results(tmp_path / "run")["quality/speech-recognised", None]
    assert (row["verdict"], row["found"]) == (
        "pass",
        "word error rate 0.00 on 3 recordings of your own",
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--speech", "nothing"), "--speech takes a folder of recordings: nothing is none"),
        (("--speech", "empty"), "there are no recordings in it"),
        (("--speech", "empty", "--replay", "run"), "a recorded run has its recordings"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_message(
    soundcheck: Soundcheck, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    """Nothing is sent, no run folder is left, and the exit code is that of bad usage."""
    (tmp_path / "empty").mkdir()
    done = soundcheck("check", *ROWS, *arguments, "--out", "out", "-q")
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    """The how-to's lines, typed into a shell one after the other, judge both recordings."""
    blocks = re.findall(r"<!-- try -->\n```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euc", "\n".join(blocks)],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = _results(tmp_path / "run")
    assert results["quality/speech-recognised", None]["found"].endswith("of your own")
    assert results["quality/other-languages", "german"]["found"].endswith("of your own in de")
