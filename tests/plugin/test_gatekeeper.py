"""Waivers and a baseline are applied to results: what is stale, expired or unknown fails."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from soundcheck.contract.waivers import Waiver, Waivers
from soundcheck.plugin.gatekeeper import Gatekeeper
from soundcheck.report.gate import Gate
from soundcheck.report.run import (
    Costs,
    Dialect,
    Result,
    Run,
    Target,
    Tool,
    Waived,
    count_requirements,
)

TODAY = datetime.date(2027, 3, 1)
NINE = "formats/nine-accepted"


def _result(
    rule: str = NINE, case: str | None = "webm", verdict: Any = "fail", **more: Any
) -> Result:
    return Result(
        id=rule,
        case=case,
        area=rule.partition("/")[0],
        verdict=verdict,
        rule="A rule.",
        source="OAS",
        **{"level": "MUST", "message": "refused"} | more,
    )


def _run(*results: Result, verdict: Any = "nonconformant") -> Run:
    return Run(
        tool=Tool(version="0.1.0", python="3.11.7"),
        target=Target(base_url="http://127.0.0.1:1/v1", model="m", profile="openai"),
        profile="openai",
        effort="quick",
        dialect=Dialect("openai", "openai"),
        started="2027-03-01T10:00:00Z",
        duration_s=1.0,
        verdict=verdict,
        counts=count_requirements(results),
        cost=Costs(),
        results=results,
    )


def _keeper(
    rule: str = NINE, case: str | None = "webm", day: str = "2027-05-31", **more: Any
) -> Gatekeeper:
    expires = datetime.date.fromisoformat(day)
    waiver = Waiver(rule, case, "May", "https://issues.example/17", expires, 3)
    return Gatekeeper(TODAY, Waivers(Path("waivers.toml"), (waiver,)), **more)


def _gate(keeper: Gatekeeper, *results: Result, **more: Any) -> Gate:
    settled = [keeper.settle(result) for result in results]
    found = keeper.gate(_run(*settled, **more), interrupted=False)
    assert found is not None
    return found


@pytest.mark.parametrize("verdict", ["fail", "warn"])
@pytest.mark.parametrize("case", ["webm", None])
def test_a_violation_is_waived_and_still_shown(verdict: str, case: str | None) -> None:
    """The verdict is waived; message, and the verdict that it would be, stay."""
    settled = _keeper(case=case).settle(_result(verdict=verdict))
    assert (settled.verdict, settled.message) == ("waived", "refused")
    assert settled.waiver == Waived(
        reason="May", link="https://issues.example/17", expires="2027-05-31", verdict=verdict
    )
    gate = _gate(_keeper(case=case), _result(verdict=verdict), verdict="conformant")
    assert (gate.verdict, gate.waivers[0].state, gate.problems) == ("holds", "used", ())


@pytest.mark.parametrize("verdict", ["pass", "info", "untestable", "error", "not-selected"])
def test_only_a_violation_is_waived(verdict: str) -> None:
    """What passes, or could not be judged, is no matter of a waiver."""
    assert _keeper().settle(_result(verdict=verdict)).verdict == verdict


def test_an_expired_waiver_waives_nothing_and_fails() -> None:
    """After its last day a waiver fails the gate, and what it was for fails by itself."""
    keeper = _keeper(day="2027-02-28")
    assert keeper.settle(_result()).verdict == "fail"
    gate = _gate(keeper, _result())
    assert gate.verdict == "fails"
    assert gate.waivers[0].state == "expired"
    assert gate.problems == (
        "waivers.toml:3: the waiver of formats/nine-accepted [webm] expired on 2027-02-28: fix "
        "what it is for, or decide again",
    )
    assert _gate(_keeper(day="2027-03-01"), _result(), verdict="conformant").verdict == "holds"


@pytest.mark.parametrize(
    ("case", "verdicts", "state"),
    [
        ("webm", {"webm": "pass"}, "stale"),
        ("webm", {"webm": "info"}, "stale"),
        (None, {"webm": "pass", "mp3": "pass"}, "stale"),
        (None, {"webm": "pass", "mp3": "fail"}, "used"),
        (None, {"webm": "pass", "mp3": "untestable"}, "not-judged"),
        (None, {"webm": "pass", "mp3": "not-applicable"}, "stale"),
        ("webm", {"webm": "untestable"}, "not-judged"),
        ("webm", {"webm": "not-applicable"}, "not-judged"),
        ("webm", {"webm": "not-selected"}, "not-judged"),
    ],
)
def test_a_waiver_is_stale_when_nothing_fails_there(
    case: str | None, verdicts: dict[str, str], state: str
) -> None:
    """It fails the gate then, but not where something could not be judged or was left out."""
    results = [_result(case=name, verdict=verdict) for name, verdict in verdicts.items()]
    gate = _gate(_keeper(case=case), *results, verdict="conformant")
    assert gate.waivers[0].state == state
    assert gate.verdict == ("fails" if state == "stale" else "holds")
    assert ("is stale" in "".join(gate.problems)) is (state == "stale")


@pytest.mark.parametrize(
    ("rule", "case", "told"),
    [
        ("formats/nine-acepted", None, "did you mean formats/nine-accepted?"),
        ("nothing/like-it-at-all", None, "`soundcheck requirements` lists them"),
        (NINE, "oga", "its cases are flac, m4a, mp3"),
        ("models/list", "x", "it has no cases"),
        ("streaming/done-markr", None, "did you mean streaming/done-marker?"),
    ],
)
def test_a_waiver_for_nothing_is_unknown(rule: str, case: str | None, told: str) -> None:
    """An id or case that no requirement has fails the gate, with what was meant."""
    gate = _gate(_keeper(rule, case), _result(), _result("models/list", None, "pass"))
    assert (gate.verdict, gate.waivers[0].state) == ("fails", "unknown")
    assert told in gate.problems[0]


def test_a_waiver_for_what_was_not_collected_is_no_mistake() -> None:
    """Rules of an area that is not part of the session, and of users' own suites, are known."""
    elsewhere = _gate(_keeper("streaming/done-marker", "minute"), _result(verdict="pass"))
    assert elsewhere.waivers[0].state == "not-judged"
    own = _gate(_keeper("own/greets", None), _result("own/greets", None), verdict="conformant")
    assert own.waivers[0].state == "used"


def _against(old: Any, new: Any, **more: Any) -> Gate:
    keeper = Gatekeeper(TODAY, baseline=_run(*old))
    found = keeper.gate(_run(*new, **more), interrupted=more.get("verdict") == "incomplete")
    assert found is not None
    return found


def test_only_what_got_worse_fails() -> None:
    """A failure of before does not fail the gate, a new one does; excuses go case by case."""
    before = [_result(case="webm"), _result(case="mp3", verdict="pass")]
    same = _against(before, before)
    assert same.verdict == "holds"
    assert same.excuses(NINE, "webm")
    worse = _against(before, [_result(case="webm"), _result(case="mp3")])
    assert worse.verdict == "fails"
    assert worse.excuses(NINE, "webm")
    assert not worse.excuses(NINE, "mp3")


def test_a_new_rule_fails_nobody_in_retrospect() -> None:
    """What the baseline did not judge is told, and does not fail."""
    gate = _against([_result()], [_result(), _result("models/list", None)])
    assert gate.verdict == "holds"
    assert gate.baseline is not None
    assert [(one.id, one.kind) for one in gate.baseline.changes] == [("models/list", "new")]


def test_what_is_open_now_and_was_not_leaves_the_gate_open() -> None:
    """A required rule that could not be judged this time gives no verdict, unless as before."""
    untestable = _result(verdict="untestable")
    assert _against(
        [_result(verdict="pass")], [untestable, _result("a/b", None, "pass")]
    ).verdict == ("undecided")
    assert _against([untestable], [untestable, _result("a/b", None, "pass")]).verdict == "holds"
    assert _against([untestable], [untestable]).verdict == "undecided", "nothing was decided"


def test_an_interrupted_run_holds_nothing() -> None:
    """A run that was cut short cannot show that nothing got worse."""
    assert _against([_result()], [_result()], verdict="incomplete").verdict == "undecided"


def test_waivers_and_a_baseline_go_together() -> None:
    """A waiver is applied first; a stale one fails however good the comparison is."""
    both = _keeper(case="webm", baseline=_run(_result(case="mp3"), _result(verdict="pass")))
    gate = _gate(both, _result(), _result(case="mp3"))
    assert gate.verdict == "holds"
    assert gate.baseline is not None
    assert [(one.new, one.fails) for one in gate.baseline.changes] == [("waived", False)]
    assert _gate(both, _result(verdict="pass"), _result(case="mp3")).verdict == "fails"


def test_without_either_there_is_no_gate() -> None:
    """The verdict of the run stands alone."""
    assert Gatekeeper(TODAY).gate(_run(_result()), interrupted=False) is None
