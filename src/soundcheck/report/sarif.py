"""``results.sarif``: what was violated, for programs that track findings (SARIF 2.1.0, OASIS).

Each violation is a result: ``error`` where the rule is a MUST, ``warning`` and ``note`` where it is
not, or where the profile accepts it. What is waived is suppressed, with the waiver's reason; with a
baseline each result is ``new`` or ``unchanged``. What could not be judged is a notification of the
tool, and so is a waiver that is wrong: neither is a finding about the deployment.
"""

import json
from collections.abc import Iterable
from typing import Any

from soundcheck.report.printable import one_line, printable
from soundcheck.report.run import EXCHANGES, Result, Run
from soundcheck.report.wording import target, waiver

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
SUITES = "SUITES"
"""The base of the places of rules: the folder that holds ``conformance``."""

_LEVELS = {"fail": "error", "warn": "warning", "info": "note"}
_OPEN = {"error", "untestable"}
_SHOWN = 2000


def render_sarif(run: Run) -> str:
    """Return the SARIF log of ``run``, as JSON."""
    rules: dict[str, Result] = {}
    for result in run.results:
        rules.setdefault(result.id, result)
    index = {identifier: number for number, identifier in enumerate(rules)}
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": run.tool.name,
                        "version": run.tool.version,
                        "rules": list(map(_rule, rules.values())),
                    }
                },
                "invocations": [_invocation(run, index)],
                "results": [
                    _finding(run, one, index) for one in run.results if _level(one) is not None
                ],
                "properties": {
                    "target": target(run),
                    "model": run.target.model,
                    "profile": run.profile,
                    "effort": run.effort,
                    "verdict": run.verdict,
                },
            }
        ],
    }
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _level(result: Result) -> str | None:
    """Return how much a violation counts, ``None`` for what is none."""
    verdict = result.waiver.verdict if result.waiver else result.verdict
    return _LEVELS.get(verdict)


def _rule(result: Result) -> dict[str, Any]:
    level = {"MUST": "error", "SHOULD": "warning"}.get(result.level, "note")
    return {
        "id": result.id,
        "shortDescription": {"text": one_line(result.rule, _SHOWN)},
        "help": {"text": one_line(f"Source: {result.source}", _SHOWN)},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": [result.area, result.level]},
    }


def _finding(run: Run, result: Result, index: dict[str, int]) -> dict[str, Any]:
    name = result.id if result.case is None else f"{result.id}[{result.case}]"
    finding: dict[str, Any] = {
        "ruleId": result.id,
        "ruleIndex": index[result.id],
        "level": _level(result),
        "message": {"text": _message(result)},
        "locations": [_location(result, name)],
        "attachments": [
            {"artifactLocation": {"uri": f"{EXCHANGES}/{digest}.json"}}
            for digest in dict.fromkeys(result.exchanges)
        ],
        "partialFingerprints": {"requirement/v1": one_line(name, _SHOWN)},
    }
    if result.waiver is not None:
        told = one_line(waiver(result.waiver), _SHOWN)
        finding["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": told}
        ]
    if run.gate is not None and run.gate.baseline is not None:
        changed = {(one.id, one.case) for one in run.gate.baseline.changes}
        is_new = (result.id, result.case) in changed
        finding["baselineState"] = "new" if is_new else "unchanged"
    return finding


def _message(result: Result) -> str:
    return printable(result.message or result.rule)[:_SHOWN]


def _location(result: Result, name: str) -> dict[str, Any]:
    """Return where a rule is violated: at a deployment, so what is named is the rule's test."""
    path = result.test.partition("::")[0]
    return {
        "physicalLocation": {"artifactLocation": {"uri": path, "uriBaseId": SUITES}},
        "logicalLocations": [{"fullyQualifiedName": one_line(name, _SHOWN), "kind": "test"}],
    }


def _invocation(run: Run, index: dict[str, int]) -> dict[str, Any]:
    notifications = [*_open(run.results, index), *_problems(run)]
    return {
        "executionSuccessful": run.verdict != "incomplete",
        "startTimeUtc": run.started.replace("+00:00", "Z"),
        "toolExecutionNotifications": notifications,
    }


def _open(results: Iterable[Result], index: dict[str, int]) -> Iterable[dict[str, Any]]:
    for result in results:
        if result.verdict in _OPEN:
            yield {
                "level": "error" if result.level == "MUST" else "warning",
                "message": {"text": f"{result.verdict}: {_message(result)}"},
                "associatedRule": {"id": result.id, "index": index[result.id]},
            }


def _problems(run: Run) -> Iterable[dict[str, Any]]:
    for problem in run.gate.problems if run.gate else ():
        yield {"level": "error", "message": {"text": printable(problem)[:_SHOWN]}}
