"""junit.xml is well-formed whatever happened, and every verdict has its JUnit kind."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundcheck.report.junit import render_junit
from soundcheck.report.printable import printable
from soundcheck.report.run import VERDICTS, Result, Run

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]


def parsed(run: Run) -> ElementTree.Element:
    return ElementTree.fromstring(render_junit(run).encode("utf-8"))


def test_suites_are_areas_and_cases_are_results(make_run: MakeRun) -> None:
    """One suite per area in chapter order, one case per requirement and case, totals that add."""
    run = make_run()
    root = parsed(run)
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == [
        "soundcheck.schema",
        "soundcheck.formats",
        "soundcheck.models",
    ]
    names = [case.get("name") for case in root.iter("testcase")]
    assert len(names) == len(set(names)) == len(run.results)
    assert "formats/accepted-by-content [webm]" in names
    for total in ("tests", "failures", "errors", "skipped"):
        assert root.get(total) == str(sum(int(suite.get(total, "")) for suite in suites))
    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("2", "2", "4")


def test_every_suite_names_the_run(make_run: MakeRun) -> None:
    """Target, model, profile, verdict, cost and notes are properties of each suite."""
    for suite in parsed(make_run()).findall("testsuite"):
        facts = {one.get("name"): one.get("value") for one in suite.iter("property")}
        assert facts["model"] == "whisper-large-v3"
        assert facts["verdict"] == "Not conformant"
        assert facts["note.1"] == "2 of 41 requests needed another attempt"
        assert suite.get("timestamp") == "2026-11-22T11:49:48"


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("fail", "failure"),
        ("error", "error"),
        ("untestable", "error"),
        ("waived", "skipped"),
        ("not-applicable", "skipped"),
        ("not-selected", "skipped"),
        ("warn", "system-out"),
        ("info", "system-out"),
        ("pass", None),
    ],
)
def test_each_verdict_has_its_kind(
    make_run: MakeRun, make_result: MakeResult, verdict: str, kind: str | None
) -> None:
    """What could not be judged is an error, never green; a warning passes and says why."""
    result = make_result(level="SHOULD", verdict=verdict, message="why")
    (case,) = parsed(make_run(results=[result])).iter("testcase")
    assert [child.tag for child in case] == ([kind] if kind else [])
    for child in case:
        assert "why" in (child.text or "")
        assert "rule: A rule." in (child.text or "")


def test_what_was_found_is_in_the_output(make_run: MakeRun, make_result: MakeResult) -> None:
    """A case that passed tells its finding in its output, another one beside its reason."""
    found = "the limit is 26,214,400 bytes"
    for verdict, kind in (("pass", "system-out"), ("fail", "failure"), ("warn", "system-out")):
        (case,) = parsed(make_run(results=[make_result(verdict=verdict, found=found)])).iter(
            "testcase"
        )
        assert [child.tag for child in case] == [kind]
        assert f"found: {found}" in (case[0].text or "").split("\n")


def test_a_run_that_was_judged_again_says_so(make_run: MakeRun) -> None:
    """The recorded run is named among the properties of each suite."""
    root = parsed(make_run(replay_of="an earlier run"))
    told = [one.get("value") for one in root.iter("property") if one.get("name") == "replay"]
    assert told == ["Judged again from a recorded run of an earlier run."] * 3


def test_a_failure_says_why_and_where_the_evidence_lies(make_run: MakeRun) -> None:
    """Message, level, source and the exchanges' files are in the failure."""
    failure = next(parsed(make_run()).iter("failure"))
    assert failure.get("type") == "MUST"
    assert (failure.get("message") or "").startswith('fail: "duration" is the string "3.75"')
    assert "source: OAS CreateTranscriptionResponseVerboseJson" in (failure.text or "")
    assert "evidence: exchanges/" in (failure.text or "")


@settings(max_examples=150)
@given(
    text=st.text(st.characters(exclude_categories=()), min_size=1),
    verdict=st.sampled_from(VERDICTS),
)
def test_any_message_makes_valid_xml(
    make_run: MakeRun, make_result: MakeResult, text: str, verdict: str
) -> None:
    """Control characters, surrogates and markup come through as printable text."""
    result = make_result(verdict=verdict, message=text, case=text, found=text)
    (case,) = parsed(make_run(results=[result], notes=(text,), replay_of=text)).iter("testcase")
    for child in case:
        assert printable(text) in (child.text or "")


def test_an_empty_run_is_a_document(make_run: MakeRun) -> None:
    """A run without results has no suites and says zero tests."""
    root = parsed(make_run(results=()))
    assert root.get("tests") == "0"
    assert list(root) == []
