"""What changed between two checks: worse, better, new, stricter or gone, and what of it fails."""

from collections.abc import Callable
from typing import Any

import pytest

from soundcheck.report.changes import compared, compared_runs, is_known, unlike
from soundcheck.report.run import Result, Run

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]
LEVELS = {"warn": "SHOULD", "info": "MAY"}


def _result(make_result: MakeResult, verdict: str | None, **more: Any) -> list[Result]:
    if verdict is None:
        return []
    level = LEVELS.get(verdict, "MUST")
    return [make_result(**{"verdict": verdict, "level": level, "message": verdict, **more})]


@pytest.mark.parametrize(
    ("old", "new", "kind", "fails"),
    [
        ("pass", "fail", "worse", True),
        ("waived", "fail", "worse", True),
        ("pass", "warn", "worse", False),
        ("pass", "info", "worse", False),
        ("pass", "waived", "worse", False),
        ("fail", "pass", "better", False),
        ("warn", "pass", "better", False),
        ("waived", "pass", "better", False),
        ("info", "pass", "better", False),
        ("warn", "fail", "stricter", False),
        ("info", "fail", "stricter", False),
        (None, "fail", "new", False),
        (None, "warn", "new", False),
        ("not-selected", "fail", "new", False),
        ("not-applicable", "fail", "new", False),
        ("untestable", "fail", "new", False),
        ("pass", None, "gone", False),
        ("fail", None, "gone", False),
        ("pass", "untestable", "gone", False),
        ("pass", "not-applicable", "gone", False),
    ],
)
def test_each_change_has_its_name(
    make_run: MakeRun,
    make_result: MakeResult,
    old: str | None,
    new: str | None,
    kind: str,
    fails: bool,
) -> None:
    """Only what was kept, or lived with, and fails now makes a gate fail."""
    before = make_run(results=_result(make_result, old))
    after = make_run(results=_result(make_result, new))
    [change] = compared(before, after).changes
    assert (change.kind, change.fails) == (kind, fails)
    assert (change.old, change.new) == (old, new)
    assert change.message == (new if new in ("fail", "warn", "info", "waived") else old)
    if new == "fail":
        assert is_known(before, after.results[0]) is not fails


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pass", "pass"),
        ("fail", "fail"),
        ("fail", "waived"),
        ("fail", "warn"),
        ("warn", "warn"),
        ("pass", "not-selected"),
        (None, "pass"),
        ("untestable", "pass"),
        ("not-applicable", None),
    ],
)
def test_what_has_not_changed_is_not_told(
    make_run: MakeRun, make_result: MakeResult, old: str | None, new: str | None
) -> None:
    """What is as it was, was left out by choice, or passes at first sight is nothing to tell."""
    before = make_run(results=_result(make_result, old))
    assert compared(before, make_run(results=_result(make_result, new))).changes == ()


def test_cases_are_compared_one_by_one(make_run: MakeRun, make_result: MakeResult) -> None:
    """One case that got worse is told beside another that got better, what fails first."""
    cases = [("mp3", "fail", "pass"), ("wav", "pass", "fail"), ("ogg", "fail", "fail")]
    before = make_run(results=[make_result(case=name, verdict=old) for name, old, _ in cases])
    after = make_run(results=[make_result(case=name, verdict=new) for name, _, new in cases])
    found = compared(before, after)
    assert [(one.name, one.kind) for one in found.changes] == [
        ("a/b [wav]", "worse"),
        ("a/b [mp3]", "better"),
    ]
    assert found.same == 1


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"profile": "openai"}, "the profile is vllm in the earlier run and openai in the later"),
        ({"model": "tiny"}, "the model is whisper-large-v3 in the earlier run and tiny"),
        ({"effort": "full"}, "the effort is quick"),
        ({"dialect": "openai"}, "the dialect of the answers is vllm"),
        ({"dialect": "unknown"}, None),
        ({}, None),
    ],
)
def test_unlike_runs_are_not_compared(
    make_run: MakeRun, other: dict[str, str], told: str | None
) -> None:
    """Another profile, model, effort or dialect would give changes that are none."""
    alike = {"profile": "vllm", "model": "whisper-large-v3", "effort": "quick", "dialect": "vllm"}
    reason = unlike(make_run(), **alike | other)
    assert reason is None if told is None else told in (reason or "")


def test_what_is_told_as_a_change_is_not_as_before(
    make_run: MakeRun, make_result: MakeResult
) -> None:
    """Violations that became worse or stricter are told as that, and not counted as the same."""
    before = [*_result(make_result, "waived", id="a/a"), *_result(make_result, "warn", id="a/b")]
    after = [*_result(make_result, "fail", id="a/a"), *_result(make_result, "warn", id="a/b")]
    found = compared(make_run(results=before), make_run(results=after))
    assert ([change.kind for change in found.changes], found.same) == (["worse"], 1)


@pytest.mark.parametrize(
    ("old", "new", "cut_short", "verdict"),
    [
        ("pass", "pass", False, "not worse"),
        ("pass", "fail", True, "worse"),
        ("pass", "untestable", False, "undecided"),
        ("pass", "error", False, "undecided"),
        ("untestable", "untestable", False, "undecided"),
        ("fail", "pass", True, "undecided"),
    ],
)
def test_two_runs_have_a_verdict(
    make_run: MakeRun, make_result: MakeResult, old: str, new: str, cut_short: bool, verdict: str
) -> None:
    """Where nothing is worse, a run that was cut short, or leaves more open, decides nothing."""
    before = make_run(results=_result(make_result, old), verdict="conformant")
    later = "incomplete" if cut_short else "conformant"
    after = make_run(results=_result(make_result, new), verdict=later)
    assert compared_runs(before, after).verdict == verdict
