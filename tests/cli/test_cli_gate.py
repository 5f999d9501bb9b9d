"""Waivers and baselines at the command line and in plain pytest: a gate for a pipeline.

One run is recorded of a reference that refuses WebM and has no models to retrieve, another of a
better one; all gates judge them again.
"""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from soundcheck import suites
from soundcheck.cli import main
from soundcheck.report.run import load_run
from soundcheck.report.validation import first_problem

WAIVER = """[[waivers]]
id = "{}"
reason = "the converter is replaced"
link = "https://issues.example/17"
expires = {}
"""
WEBM = WAIVER.format("formats/nine-accepted", "2999-12-31") + 'case = "webm"\n'
JUDGED = "judged"
URL = "http://localhost:8000/v1"
RED = "formats/nine-accepted"


def _soundcheck(folder: Path, *arguments: str) -> tuple[int, str]:
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as changed, redirect_stdout(told), redirect_stderr(told):
        changed.chdir(folder)
        changed.setenv("COLUMNS", "200")
        changed.setattr("sys.argv", ["soundcheck", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), told.getvalue()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of folders in which ``bad`` and ``good`` are runs of the same rules."""
    folder = tmp_path_factory.mktemp("gate")
    rules = ["--only", RED, "--only", "models"]
    code, told = _soundcheck(
        folder,
        "check",
        "--fault=refuses-webm",
        "--fault=retrieve-model-missing",
        *rules,
        "--out=bad",
    )
    assert code == 1, told
    code, told = _soundcheck(folder, "check", *rules, "--out=good")
    assert code == 0, told
    return folder


def _judged(
    folder: Path, waivers: str = "", *options: str, of: str = "bad"
) -> tuple[int, str, Any]:
    """Judge a recorded run again, and return exit code, output and run."""
    shutil.rmtree(folder / JUDGED, ignore_errors=True)
    if waivers:
        (folder / "waivers.toml").write_text(waivers, encoding="utf-8")
        options = ("--waivers", "waivers.toml", *options)
    code, told = _soundcheck(folder, "check", "--replay", of, "--out", JUDGED, *options)
    return code, told, load_run(folder / JUDGED) if (folder / JUDGED).exists() else None


def test_a_waived_failure_is_shown_and_does_not_fail(recorded: Path) -> None:
    """The run conforms with waivers; every report shows the failure, its reason and its end."""
    code, told, run = _judged(recorded, WEBM)
    assert code == 0, told
    assert "Conformant, with waivers" in told or "The selection holds, with waivers" in told
    assert "the converter is replaced (https://issues.example/17)" in told
    assert (run.gate.verdict, run.gate.waivers[0].state) == ("holds", "used")
    [waived] = [one for one in run.results if one.verdict == "waived"]
    assert (waived.case, waived.waiver.verdict) == ("webm", "fail")
    assert "expected 200" in waived.message
    folder = recorded / JUDGED
    for name in ("report.html", "summary.md", "junit.xml"):
        text = (folder / name).read_text("utf-8")
        assert "the converter is replaced" in text, name
        assert "until 2999-12-31" in text, name
        assert "expected 200" in text, name
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert suite.get("failures") == "0"
    assert [
        one.get("message") for one in suite.iter("skipped") if "waived" in str(one.get("message"))
    ]


@pytest.mark.parametrize(
    ("waivers", "told"),
    [
        (
            WEBM + WAIVER.format("models/list", "2999-12-31"),
            "is stale: nothing fails there any more",
        ),
        (WEBM.replace("2999", "1999"), "expired on 1999-12-31"),
        (WEBM + WAIVER.format("models/lst", "2999-12-31"), "did you mean models/list?"),
        (WEBM.replace('"webm"', '"oga"'), "the requirement has no such case"),
    ],
    ids=["stale", "expired", "unknown", "unknown-case"],
)
def test_a_waiver_that_is_wrong_fails_the_run(recorded: Path, waivers: str, told: str) -> None:
    """Stale, expired and unknown entries end in exit 1, each with a sentence and its line."""
    code, output, run = _judged(recorded, waivers)
    assert code == 1, output
    assert told in " ".join(output.split())
    assert "waivers.toml:" in output
    assert run.gate.verdict == "fails"
    folder = recorded / JUDGED
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert [one for one in suite.iter("testcase") if one.get("classname") == "soundcheck.gate"]
    assert told in " ".join((folder / "summary.md").read_text("utf-8").split())


def test_what_was_left_out_is_neither_stale_nor_unknown(recorded: Path) -> None:
    """Entries for areas that this run does not judge wait for one that does."""
    text = WEBM + WAIVER.format("streaming/done-marker", "2999-12-31")
    text += WAIVER.format("models/list", "2999-12-30")
    code, told, run = _judged(recorded, text, "--only", RED)
    assert code == 0, told
    assert [entry.state for entry in run.gate.waivers] == ["used", "not-judged", "not-judged"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WEBM.replace('link = "https://issues.example/17"\n', ""), "waivers.toml:1: link missing"),
        (WEBM.replace("expires", "until"), "waivers.toml:5: unknown key 'until'"),
    ],
)
def test_an_entry_that_lacks_something_is_bad_usage(recorded: Path, text: str, told: str) -> None:
    """A waiver without reason, link or expiry ends in exit 2, and nothing is judged."""
    code, output, run = _judged(recorded, text)
    assert (code, run) == (2, None)
    assert told in output


def test_only_what_got_worse_fails(recorded: Path) -> None:
    """Against itself a failing run passes the gate; against a better one it does not."""
    code, told, run = _judged(recorded, "", "--baseline", "bad")
    assert code == 0, told
    assert run.verdict == "nonconformant"
    assert "The gate holds: nothing got worse or better" in told
    code, told, run = _judged(recorded, "", "--baseline", "good/run.json")
    assert code == 1, told
    assert "worse: formats/nine-accepted [webm] (pass before, fail now)" in told
    assert "worse: models/retrieve (pass before, warn now)" in told
    code, told, run = _judged(recorded, "", "--baseline", "bad", of="good")
    assert code == 0, told
    assert "better: formats/nine-accepted [webm] (fail before, pass now)" in told
    assert [change.kind for change in run.gate.baseline.changes] == ["better", "better"]


def test_junit_agrees_with_the_gate(recorded: Path) -> None:
    """A pipeline that reads JUnit sees what the exit code says: known failures are skipped."""
    code, told, _ = _judged(recorded, "", "--baseline", "bad")
    assert code == 0, told
    folder = recorded / JUDGED
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert suite.get("failures") == "0"
    assert any("as in the baseline" in str(one.get("message")) for one in suite.iter("skipped"))


def test_a_growing_suite_fails_nobody_in_retrospect(recorded: Path) -> None:
    """A rule that the baseline does not have may fail; one that vanished is told."""
    older = recorded / "older.json"
    document = json.loads((recorded / "bad" / "run.json").read_text("utf-8"))
    known = [one for one in document["results"] if one["id"] != RED]
    gone = {**known[0], "id": "models/of-long-ago", "verdict": "pass", "case": None}
    document["results"] = [*known, gone]
    document["counts"] = {
        name: list(_worst(document["results"]).values()).count(name) for name in document["counts"]
    }
    older.write_text(json.dumps(document), encoding="utf-8")
    code, told, run = _judged(recorded, "", "--baseline", "older.json")
    assert code == 0, told
    assert "not judged before: formats/nine-accepted [webm] (not there before, fail now)" in told
    assert "no longer judged: models/of-long-ago (pass before, not there now)" in told
    assert run.gate.verdict == "holds"


def _worst(results: list[dict[str, Any]]) -> dict[str, str]:
    from soundcheck.report.run import worst

    found: dict[str, Any] = {}
    for one in results:
        found[one["id"]] = worst((one["verdict"], found.get(one["id"], one["verdict"])))
    return found


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--baseline", "bad", "--profile", "speaches"),
            "the profile is openai in the earlier run",
        ),
        (("--baseline", "bad", "--effort", "full"), "the effort is quick in the earlier run"),
        (("--baseline", "nowhere.json"), "nowhere.json: there is no such file"),
    ],
)
def test_a_baseline_of_another_kind_is_refused(
    recorded: Path, options: tuple[str, ...], told: str
) -> None:
    """A run that cannot be compared ends in exit 2 with why, before anything is judged."""
    code, output, run = _judged(recorded, "", *options)
    assert (code, run) == (2, None)
    assert told in " ".join(output.split())


def test_waivers_and_baseline_together(recorded: Path) -> None:
    """What got worse may be waived; then the gate holds."""
    code, told, run = _judged(recorded, WEBM, "--baseline", "good")
    assert code == 0, told
    assert "worse: formats/nine-accepted [webm] (pass before, waived now)" in told
    assert run.gate.verdict == "holds"


@pytest.mark.parametrize("distributed", [(), ("-n", "2")], ids=["one", "xdist"])
def test_plain_pytest_has_the_same_gate(recorded: Path, distributed: tuple[str, ...]) -> None:
    """What is waived is an expected failure there; a stale waiver fails the session."""
    (recorded / "plain.toml").write_text(WEBM, encoding="utf-8")
    stale = WEBM + WAIVER.format("models/list", "2999-12-31")
    (recorded / "stale.toml").write_text(stale, encoding="utf-8")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        suite = str(suites.folder("conformance"))
        words = ["-p", "no:cacheprovider", "-q", "-rx", *distributed, "--stt-replay=bad"]
        shutil.rmtree(recorded / "plain", ignore_errors=True)
        return subprocess.run(
            [sys.executable, "-m", "pytest", suite, *words, "--stt-out=plain", *options],
            cwd=recorded,
            env={key: value for key, value in os.environ.items() if "PYTEST" not in key},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    done = run("--stt-waivers", "stale.toml", "--stt-baseline", "bad")
    assert done.returncode == 1, done.stdout
    assert "is stale" in done.stdout
    assert "1 xfailed" in done.stdout
    assert "waived until 2999-12-31" in done.stdout
    if distributed:
        return
    done = run("--stt-waivers", "plain.toml")
    assert done.returncode == 0, done.stdout
    done = run("--stt-baseline", "bad")
    assert done.returncode == 0, done.stdout
    assert "The gate holds" in done.stdout


def test_the_how_to_works(recorded: Path) -> None:
    """The commands of the how-to do what it says, on a recorded run in the deployment's place."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "gate.md").read_text("utf-8")
    blocks = dict(re.findall(r"<!-- test (\S+) -->\n```\w+\n(.*?)```", page, re.DOTALL))
    (recorded / "waivers.toml").write_text(blocks["waivers.toml"], encoding="utf-8")
    shutil.copytree(recorded / "bad", recorded / "reports" / "today")
    codes = []
    for line in (blocks["waived"] + blocks["baseline"] + blocks["compare"]).splitlines():
        words = shlex.split(line.removesuffix(" || true").replace(URL, "--replay bad"))
        if words[0] == "cp":
            shutil.copyfile(recorded / words[1], recorded / words[2])
            continue
        assert words[0] == "soundcheck"
        code, told = _soundcheck(recorded, *words[1:])
        codes.append(code)
        assert "Traceback" not in told
    assert codes == [0, 1, 0, 0]


def test_two_checks_are_compared(recorded: Path) -> None:
    """``compare`` tells of two checks what a baseline would, and refuses what is not alike."""
    code, told = _soundcheck(recorded, "compare", "good", "bad/run.json")
    assert code == 1, told
    assert told.startswith("Worse: 2 worse since the run of ")
    assert "worse: formats/nine-accepted [webm] (pass before, fail now)" in told
    code, told = _soundcheck(recorded, "compare", "bad", "good", "--json")
    assert code == 0, told
    document = json.loads(told)
    assert first_problem(document, "changes") is None
    assert (document["verdict"], len(document["changes"])) == ("not worse", 2)
    (recorded / "load").mkdir(exist_ok=True)
    code, told = _soundcheck(recorded, "compare", "good", "load")
    assert code == 2, told
    assert "run.json: there is no such file" in told


def test_a_run_that_judged_less_gives_no_verdict(recorded: Path) -> None:
    """``compare`` with a run that was cut short ends in exit 4, as the gate would, and says so."""
    run = json.loads((recorded / "good" / "run.json").read_text("utf-8"))
    run["counts"]["pass"] -= 1
    run["counts"]["untestable"] += 1
    for result in run["results"]:
        if result["id"] == RED:
            result |= {"verdict": "untestable", "message": "the run was interrupted"}
    (recorded / "short.json").write_text(json.dumps(run), encoding="utf-8")
    code, told = _soundcheck(recorded, "compare", "good", "short.json")
    assert code == 4, told
    assert told.startswith("Undecided: 9 no longer judged since the run of ")
    code, told = _soundcheck(recorded, "compare", "short.json", "short.json", "--json")
    assert (code, json.loads(told)["verdict"]) == (0, "not worse")
    code, told = _soundcheck(recorded, "compare", "short.json", "good", "--json")
    assert (code, json.loads(told)["verdict"]) == (0, "not worse")
