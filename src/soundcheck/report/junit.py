"""``junit.xml``: one suite per area, one test case per requirement and case.

JUnit knows passed, failed, error and skipped. A failed SHOULD passes and says why in its output;
what could not be judged is an error, so that it is never green; what was left out is skipped, and
so is what is waived, or was no better in the baseline. A waiver that is wrong fails in a suite of
its own.
What a judge found stands in the output of a case, also of one that passed.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from soundcheck.report.outcomes import AREAS
from soundcheck.report.printable import one_line, printable
from soundcheck.report.run import EXCHANGES, Result, Run
from soundcheck.report.wording import (
    deviation,
    dialect,
    encryption,
    gate,
    replay,
    spent,
    target,
    title,
    waiver,
)

_TITLE_SHOWN = 300
# Beyond what printable() replaces, XML 1.0 excludes nothing that a Python string can hold.
_SECONDS = "{:.3f}"


def render_junit(run: Run) -> str:
    """Return the JUnit document of ``run``; valid XML 1.0 whatever a server answered."""
    suites: dict[str, list[Result]] = {area: [] for area in AREAS}
    for result in run.results:
        suites.setdefault(result.area, []).append(result)
    problems = run.gate.problems if run.gate else ()
    totals = _totals(run, run.results, failures=len(problems))
    root = ElementTree.Element("testsuites", {"name": "soundcheck", **totals})
    if problems:
        root.append(_gate(problems))
    for area, results in suites.items():
        if results:
            root.append(_suite(run, area, results))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(
        root, encoding="unicode"
    )


def _gate(problems: Sequence[str]) -> ElementTree.Element:
    """Return the suite of what is wrong with the waivers, a failed case each."""
    number = str(len(problems))
    suite = ElementTree.Element(
        "testsuite", name="soundcheck.gate", tests=number, failures=number, errors="0", skipped="0"
    )
    for problem in problems:
        case = ElementTree.SubElement(
            suite, "testcase", classname="soundcheck.gate", name=one_line(problem, _TITLE_SHOWN)
        )
        heading = one_line(problem, _TITLE_SHOWN)
        detail = ElementTree.SubElement(case, "failure", message=heading, type="waiver")
        detail.text = printable(problem)
    return suite


def _suite(run: Run, area: str, results: Sequence[Result]) -> ElementTree.Element:
    started = re.sub(r"(\.\d+)?(Z|\+00:00)$", "", run.started)
    suite = ElementTree.Element(
        "testsuite",
        {"name": f"soundcheck.{area}", "timestamp": started, **_totals(run, results)},
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _facts(run).items():
        ElementTree.SubElement(properties, "property", name=name, value=one_line(value))
    suite.extend(_case(run, result) for result in results)
    return suite


def _totals(run: Run, results: Sequence[Result], failures: int = 0) -> dict[str, str]:
    kinds = [_kind(run, result) for result in results]
    return {
        "tests": str(len(kinds) + failures),
        "failures": str(kinds.count("failure") + failures),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
        "time": _SECONDS.format(sum(result.duration_s for result in results)),
    }


_KINDS = {
    "fail": "failure",
    "error": "error",
    "untestable": "error",
    "waived": "skipped",
    "not-applicable": "skipped",
    "not-selected": "skipped",
    "warn": "system-out",
    "info": "system-out",
    "pass": None,
}


def _kind(run: Run, result: Result) -> str | None:
    """Return what JUnit calls a result; what the baseline does not hold against it is skipped."""
    if result.verdict == "fail" and run.gate and run.gate.excuses(result.id, result.case):
        return "skipped"
    return _KINDS[result.verdict]


def _facts(run: Run) -> dict[str, str]:
    return {
        "verdict": title(run),
        "target": target(run),
        "model": run.target.model,
        "profile": run.profile,
        "dialect": dialect(run),
        "effort": run.effort,
        **({"gate": told[0]} if (told := gate(run)) else {}),
        **({"encryption": seen} if (seen := encryption(run)) else {}),
        "cost": spent(run.cost),
        "tool": f"soundcheck {run.tool.version}",
        "python": run.tool.python,
        **({"replay": again} if (again := replay(run)) else {}),
        **{f"note.{number}": note for number, note in enumerate(run.notes, 1)},
    }


def _case(run: Run, result: Result) -> ElementTree.Element:
    name = result.id if result.case is None else f"{result.id} [{one_line(result.case)}]"
    element = ElementTree.Element(
        "testcase",
        classname=f"soundcheck.{result.area}",
        name=name,
        time=_SECONDS.format(result.duration_s),
    )
    kind = _kind(run, result)
    if kind is None and result.found:
        kind = "system-out"
    if kind is None:
        return element
    reason = result.message or result.rule
    if kind == "system-out":
        detail = ElementTree.SubElement(element, kind)
    else:
        known = "as in the baseline: " if (kind, result.verdict) == ("skipped", "fail") else ""
        heading = one_line(f"{known}{result.verdict}: {reason}", _TITLE_SHOWN)
        detail = ElementTree.SubElement(element, kind, message=heading)
        if kind != "skipped":
            detail.set("type", result.level if kind == "failure" else result.verdict)
    detail.text = "\n".join(printable(line) for line in _story(result, reason))
    return element


def _story(result: Result, reason: str) -> list[str]:
    lines = [f"{result.verdict} ({result.level}): {reason}", f"rule: {result.rule}"]
    if result.verdict == "pass" and not result.message:
        del lines[0]  # the rule is all that it would say
    if result.waiver:
        lines.append(waiver(result.waiver))
    if result.deviation:
        lines.append(deviation(result.deviation))
    if result.model:
        lines.append(f"model: {one_line(result.model)}")
    if result.found:
        lines.append(f"found: {result.found}")
    if result.source:
        lines.append(f"source: {result.source}")
    lines += [f"evidence: {EXCHANGES}/{digest}.json" for digest in result.exchanges]
    return lines
