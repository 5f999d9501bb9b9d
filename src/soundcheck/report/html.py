"""``report.html``: the run in one self-contained page, for people.

The page loads nothing, and its content security policy allows only the style and the script that
stand in it, by their digests: should a server's text ever slip through the escaping, it would still
not run.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundcheck.report import wording
from soundcheck.report.evidence import Evidence, load_evidence
from soundcheck.report.outcomes import Outcome, by_area, outcomes, tally, with_verdict
from soundcheck.report.printable import one_line, pieces, printable
from soundcheck.report.run import EXCHANGES, VERDICTS, Result, Run, Verdict

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")
MESSAGE_SHOWN = 4000  # characters of one message
_EXCHANGES_SHOWN = 4  # per case; further ones are linked
_CASES_SHOWN = 30  # per finding; further ones stand in the table of all requirements
_OPEN_FINDINGS = 5  # that show their first exchange unfolded
_SECTIONS: tuple[tuple[str, str, tuple[Verdict, ...]], ...] = (
    ("failed", "Failed", ("fail",)),
    ("not-judged", "Could not be judged", ("error", "untestable")),
    ("warnings", "Warnings", ("warn",)),
    ("waived", "Waived", ("waived",)),
    ("information", "For information", ("info",)),
)
_LEFT_OUT: tuple[Verdict, ...] = ("not-applicable", "not-selected")


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One exchange under a finding: shown in full the first time, later by a link to there."""

    evidence: Evidence
    first: bool
    unfolded: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case of a finding with its exchanges; ``more`` counts those that are left out."""

    result: Result
    exhibits: tuple[Exhibit, ...]
    more: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A requirement that wants attention, with the cases that made its verdict."""

    outcome: Outcome
    cases: tuple[CaseView, ...]
    more: int
    others: str


@dataclass(frozen=True, slots=True)
class Section:
    """The findings of one kind, under their heading."""

    anchor: str
    title: str
    findings: tuple[Finding, ...]


def render_html(run: Run, folder: Path) -> str:
    """Return the page for ``run``, with evidence from the exchanges in ``folder``."""
    found = outcomes(run)
    sections = tuple(_sections(run, folder, found))
    page = _environment().get_template("report.html.j2")
    return page.render(
        run=run,
        title=wording.title(run),
        sentence=wording.sentence(run, found),
        counts=_counts(run),
        bar=_bar(run),
        facts=_facts(run),
        not_observable=wording.NOT_OBSERVABLE,
        sections=sections,
        failed=with_verdict(found, "fail"),
        explained={f.outcome.id for section in sections for f in section.findings},
        areas={
            area: (members, tally(one.verdict for one in members))
            for area, members in by_area(found).items()
        },
        left_out=_left_out(found),
        wording=wording,
        exchanges=EXCHANGES,
        style=_asset("report.css"),
        script=_asset("report.js"),
        style_digest=_digest("report.css"),
        script_digest=_digest("report.js"),
    )


def _sections(run: Run, folder: Path, found: tuple[Outcome, ...]) -> Iterator[Section]:
    shown: set[str] = set()
    unfold = _OPEN_FINDINGS
    for anchor, title, verdicts in _SECTIONS:
        findings = []
        for outcome in with_verdict(found, *verdicts):
            findings.append(_finding(run, folder, outcome, shown, unfold > 0))
            unfold -= 1
        if findings:
            yield Section(anchor, title, tuple(findings))


def _finding(run: Run, folder: Path, outcome: Outcome, shown: set[str], unfold: bool) -> Finding:
    cases = []
    noteworthy = outcome.noteworthy
    for result in noteworthy[:_CASES_SHOWN]:
        exhibits = []
        for digest in result.exchanges[:_EXCHANGES_SHOWN]:
            first = digest not in shown
            shown.add(digest)
            evidence = load_evidence(folder, digest, run.target)
            exhibits.append(Exhibit(evidence, first, unfold and first))
            unfold = False
        cases.append(CaseView(result, tuple(exhibits), result.exchanges[_EXCHANGES_SHOWN:]))
    others = [one.verdict for one in outcome.results if one not in noteworthy]
    return Finding(outcome, tuple(cases), max(0, len(noteworthy) - _CASES_SHOWN), tally(others))


def _counts(run: Run) -> list[tuple[Verdict, int, str, str]]:
    """Return verdict, number, word and link of each count that says something."""
    anchors = {verdict: anchor for anchor, _, verdicts in _SECTIONS for verdict in verdicts}
    anchors |= {"pass": "requirements", "not-applicable": "left-out", "not-selected": "left-out"}
    return [
        (verdict, run.counts[verdict], word, anchors[verdict] if run.counts[verdict] else "")
        for verdict, word in wording.COUNTED.items()
        if run.counts[verdict] or verdict in ("fail", "warn", "pass")
    ]


def _bar(run: Run) -> list[tuple[Verdict, float, float]]:
    """Return verdict, start and width, in percent, of each part of the bar of judged rules."""
    judged = [verdict for verdict in VERDICTS if verdict not in _LEFT_OUT and run.counts[verdict]]
    total = sum(run.counts[verdict] for verdict in judged)
    parts, start = [], 0.0
    for verdict in judged:
        width = 100 * run.counts[verdict] / total
        parts.append((verdict, start, width))
        start += width
    return parts


def _facts(run: Run) -> list[tuple[str, str]]:
    target = run.target
    planned = wording.planned_if_other(run.cost)
    started = run.started.replace("T", " ").replace("Z", " UTC").replace("+00:00", " UTC")
    facts = [
        ("Target", wording.target(run)),
        ("Model", target.model),
        ("Profile", f"{run.profile}, effort {run.effort}"),
        ("Dialect", wording.dialect(run)),
        ("Key", f"from ${target.api_key_env}" if target.api_key_env else "none"),
        ("Run", f"{started}, took {wording.duration(run.duration_s)}"),
        ("Cost", wording.cost(run.cost.spent)),
    ]
    return [*facts, ("Planned", planned)] if planned else facts


def _left_out(found: tuple[Outcome, ...]) -> list[tuple[Verdict, str, list[Outcome]]]:
    """Return the requirements that were not judged, together with those of the same reason."""
    groups: dict[tuple[Verdict, str], list[Outcome]] = {}
    for outcome in with_verdict(found, *_LEFT_OUT):
        key = (outcome.verdict, outcome.reason or "no reason given")
        groups.setdefault(key, []).append(outcome)
    return [(verdict, reason, members) for (verdict, reason), members in groups.items()]


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {"marked": _marked, "line": one_line, "message": _message}
    return environment


def _finalized(value: Any) -> Any:
    """Make every plain string of a template printable before it is escaped."""
    return printable(value) if type(value) is str else value


def _marked(text: str) -> "Markup":
    """Return ``text`` escaped for HTML, its replaced characters marked as replacements."""
    from markupsafe import Markup, escape

    return Markup("").join(
        Markup('<span class="esc">{}</span>').format(piece) if replaced else escape(piece)
        for piece, replaced in pieces(text)
    )


def _message(text: str, limit: int = MESSAGE_SHOWN) -> "Markup":
    """Return a message marked like any server text, and cut where it is no message any more."""
    if len(text) <= limit:
        return _marked(text)
    return _marked(text[:limit] + f"… ({len(text):,} characters)")


@cache
def _asset(name: str) -> "Markup":
    """Return the content of our own style or script, which may not close its element."""
    from markupsafe import Markup

    return Markup((TEMPLATES / name).read_text(encoding="utf-8").strip())  # noqa: S704  # ours


def _digest(name: str) -> str:
    return base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()
