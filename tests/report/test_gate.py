"""A gate in every report: whether it holds first, then what is wrong and what changed."""

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from soundcheck.report.gate import Baseline, Change, Gate, Waived, WaiverEntry
from soundcheck.report.html import render_html
from soundcheck.report.junit import render_junit
from soundcheck.report.markdown import render_markdown
from soundcheck.report.run import Deviation, Run, load_run, save_run
from soundcheck.report.terminal import render

MakeRun = Callable[..., Run]
HOSTILE = "<script>x</script> `a` [b](http://c)"
ENTRY = WaiverEntry(
    id="formats/eight-khz",
    case=None,
    reason="telephone audio is resampled upstream",
    link="https://issues.example/17",
    expires="2027-01-31",
    line=3,
    state="used",
)
STALE = replace(
    ENTRY, id="models/listed", line=9, state="stale", told="waivers.toml:9: the waiver is stale"
)
WORSE = Change(
    id="schema/verbose-duration-number",
    case=None,
    level="MUST",
    kind="worse",
    old="pass",
    new="fail",
    fails=True,
    message=HOSTILE,
)
BETTER = replace(WORSE, id="models/listed", kind="better", old="fail", new="pass", fails=False)


def _gated(make_run: MakeRun, **changes: object) -> Run:
    """Return the sample run with a gate, a waiver, an accepted deviation and another model."""
    baseline = Baseline(started="2026-11-01T10:00:00Z", version="0.1.0", same=2, changes=())
    gate = Gate(verdict="holds", waivers_file="waivers.toml", waivers=(ENTRY,), baseline=baseline)
    waived = Waived(reason=ENTRY.reason, link=ENTRY.link, expires=ENTRY.expires, verdict="fail")
    accepted = Deviation(reason="members are added", source="litellm#1")
    results = [
        replace(one, waiver=waived)
        if one.verdict == "waived"
        else replace(one, deviation=accepted, model="tiny")
        if one.verdict == "info"
        else one
        for one in make_run().results
    ]
    return make_run(results=results, gate=replace(gate, **changes))  # type: ignore[arg-type]


def _failing(make_run: MakeRun) -> Run:
    baseline = Baseline(
        started="2026-11-01T10:00:00Z", version="0.1.0", same=1, changes=(WORSE, BETTER)
    )
    return _gated(make_run, verdict="fails", waivers=(ENTRY, STALE), baseline=baseline)


def _printed(run: Run) -> str:
    told = io.StringIO()
    Console(width=300, file=told).print(render(run, Path("run")))
    return told.getvalue()


def test_a_run_with_a_gate_is_read_back(make_run: MakeRun, tmp_path: Path) -> None:
    """What run.json holds of gate, waivers, deviations and models keeps its schema."""
    for run in (_gated(make_run), _failing(make_run)):
        save_run(tmp_path, run)
        assert load_run(tmp_path) == run


@pytest.mark.parametrize("kind", ["terminal", "markdown", "html"])
def test_people_are_told_why_a_gate_fails(make_run: MakeRun, run_folder: Path, kind: str) -> None:
    """Its verdict, each waiver that is wrong, and each change, worse before better."""
    run = _failing(make_run)
    told = {
        "terminal": lambda: _printed(run),
        "markdown": lambda: render_markdown(run),
        "html": lambda: render_html(run, run_folder),
    }[kind]()
    order = [
        "The gate fails: 1 waiver to look at, 1 worse, 1 better since the baseline of 2026-11-01",
        "(1 violation as before)",
        "waivers.toml:9: the waiver is stale",
        "schema/verbose-duration-number",
        "models/listed",
    ]
    place = 0
    for words in order:
        place = told.index(words, place)
    assert "<script>x" not in told or kind != "html"
    assert "telephone audio is resampled upstream (https://issues.example/17)" in told.replace(
        "\\", ""
    )


def test_the_page_and_the_summary_name_what_is_accepted(
    make_run: MakeRun, run_folder: Path
) -> None:
    """An accepted deviation is told with its reason and source; so is another model."""
    run = _gated(make_run)
    page = render_html(run, run_folder)
    assert "Accepted by the profile: members are added (litellm#1)" in page
    assert "Asked of the model tiny" in page
    for text in (page, render_markdown(run), _printed(run)):
        assert "1 deviation of the profile: schema/extra-members" in text
        assert "The gate holds: nothing got worse or better since the baseline" in text


def test_junit_has_what_fails_the_gate_and_nothing_else(make_run: MakeRun) -> None:
    """A wrong waiver is a failed case; a failure that the baseline knows is skipped."""
    root = ElementTree.fromstring(render_junit(_failing(make_run)))
    failed = [
        case.get("name") for case in root.iter("testcase") if case.find("failure") is not None
    ]
    assert failed == ["waivers.toml:9: the waiver is stale", "schema/verbose-duration-number"]
    assert root.get("failures") == "2"
    skipped = [str(one.get("message")) for one in root.iter("skipped")]
    assert any(one.startswith("as in the baseline: fail: status 500") for one in skipped)


def test_a_baseline_with_other_cases_is_shown(make_run: MakeRun) -> None:
    """What was not there on one side is called so."""
    gone = replace(WORSE, kind="gone", new=None, fails=False)
    new = replace(WORSE, kind="new", old=None, fails=False, case="x")
    baseline = Baseline(started="2026-11-01T10:00:00Z", version="0", same=0, changes=(new, gone))
    told = _printed(_gated(make_run, baseline=baseline))
    assert "not judged before: schema/verbose-duration-number [x] (not there before" in told
    assert "no longer judged: schema/verbose-duration-number (pass before, not there now)" in told
