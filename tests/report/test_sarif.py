"""results.sarif holds each violation once, as its level, and nothing that is none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundcheck.report import write_reports
from soundcheck.report.gate import Baseline, Change, Gate, Waived
from soundcheck.report.run import Result, Run, save_run
from soundcheck.report.sarif import render_sarif

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]
WAIVED = Waived(
    reason="the converter is replaced",
    link="https://issues.example/17",
    expires="2999-12-31",
    verdict="fail",
)


def logged(run: Run) -> dict[str, Any]:
    document = json.loads(render_sarif(run))
    assert (document["version"], len(document["runs"])) == ("2.1.0", 1)
    only: dict[str, Any] = document["runs"][0]
    return only


def test_every_violation_is_a_result_of_its_rule(make_run: MakeRun) -> None:
    """Results are the failed and warned cases; each names its rule, its test and its evidence."""
    run = make_run()
    log = logged(run)
    violated = [one for one in run.results if one.verdict in ("fail", "warn", "info")]
    assert len(log["results"]) == len(violated) > 1
    rules = log["tool"]["driver"]["rules"]
    for found, result in zip(log["results"], violated, strict=True):
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"] == result.id
        assert found["message"]["text"]
        [location] = found["locations"]
        path = location["physicalLocation"]["artifactLocation"]["uri"]
        assert result.test.startswith(f"{path}::")
        evidence = [one["artifactLocation"]["uri"] for one in found["attachments"]]
        assert evidence == [f"exchanges/{digest}.json" for digest in result.exchanges]
    assert len({one["id"] for one in rules}) == len(rules)
    assert len({one["partialFingerprints"]["requirement/v1"] for one in log["results"]}) == len(
        violated
    )


@pytest.mark.parametrize(
    ("level", "verdict", "told"),
    [
        ("MUST", "fail", "error"),
        ("SHOULD", "warn", "warning"),
        ("MAY", "info", "note"),
        ("MUST", "pass", None),
        ("MUST", "not-applicable", None),
        ("MUST", "not-selected", None),
        ("MUST", "untestable", None),
        ("MUST", "error", None),
    ],
)
def test_each_verdict_has_its_level(
    make_run: MakeRun, make_result: MakeResult, level: str, verdict: str, told: str | None
) -> None:
    """What was not judged is no finding but a notification of the tool; what is kept is neither."""
    result = make_result(level=level, verdict=verdict, message="why")
    log = logged(make_run(results=[result]))
    assert [one["level"] for one in log["results"]] == ([told] if told else [])
    [invocation] = log["invocations"]
    notified = [one["message"]["text"] for one in invocation["toolExecutionNotifications"]]
    is_open = verdict in ("untestable", "error")
    assert notified == ([f"{verdict}: why"] if is_open else [])


def test_what_is_waived_is_suppressed(make_run: MakeRun, make_result: MakeResult) -> None:
    """A waived violation stays a result of its level, suppressed for the waiver's reason."""
    result = make_result(level="MUST", verdict="waived", message="why", waiver=WAIVED)
    [found] = logged(make_run(results=[result]))["results"]
    [suppressed] = found["suppressions"]
    assert (found["level"], suppressed["kind"], suppressed["status"]) == (
        "error",
        "external",
        "accepted",
    )
    assert "the converter is replaced" in suppressed["justification"]
    assert "https://issues.example/17" in suppressed["justification"]


def test_a_baseline_tells_new_from_unchanged(make_run: MakeRun, make_result: MakeResult) -> None:
    """With a baseline each result says whether it was there before."""
    results = [make_result(id=f"a/{name}", verdict="fail", message="why") for name in "bc"]
    change = Change(id="a/b", case=None, level="MUST", kind="worse", old="pass", new="fail")
    baseline = Baseline(started="then", version="0.1.0", same=1, changes=(change,))
    gate = Gate(verdict="fails", waivers_file="", waivers=(), baseline=baseline)
    log = logged(make_run(results=results, gate=gate))
    states = {one["ruleId"]: one["baselineState"] for one in log["results"]}
    assert states == {"a/b": "new", "a/c": "unchanged"}


def test_the_log_lies_beside_the_other_reports(make_run: MakeRun, tmp_path: Path) -> None:
    """A run folder has results.sarif, in UTF-8, whatever a server answered."""
    run = make_run()
    save_run(tmp_path, run)
    write_reports(tmp_path, run)
    document = json.loads((tmp_path / "results.sarif").read_text("utf-8"))
    assert document == json.loads(render_sarif(run))
