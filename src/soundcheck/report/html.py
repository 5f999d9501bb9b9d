"""``report.html``: the run in one self-contained page, for people."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundcheck.report import wording
from soundcheck.report.findings import SECTIONS, Section, message_limit, sections
from soundcheck.report.outcomes import Outcome, by_area, outcomes, tally, with_verdict
from soundcheck.report.page import asset, digest, environment
from soundcheck.report.run import EXCHANGES, LEVELS, VERDICTS, Run, Verdict

_LEFT_OUT: tuple[Verdict, ...] = ("not-applicable", "not-selected")


@dataclass(frozen=True, slots=True)
class Chapter:
    """An area's requirements, with their counts in words and as parts of a bar."""

    members: list[Outcome]
    tally: str
    bar: list[tuple[Verdict, float, float]]


def render_html(run: Run, folder: Path) -> str:
    """Return the page for ``run``, with evidence from the exchanges in ``folder``."""
    found = outcomes(run)
    shown = tuple(sections(run, folder, found))
    chapters = {area: _chapter(members) for area, members in by_area(found).items()}
    page = environment().get_template("report.html.j2")
    return page.render(
        run=run,
        title=wording.title(run),
        sentence=wording.sentence(run, found),
        replay=wording.replay(run),
        gate=wording.gate(run),
        counts=_counts(run),
        bar=_bar(run.counts),
        facts=_facts(run, found),
        not_observable=wording.NOT_OBSERVABLE,
        sections=shown,
        message_limit=message_limit(run),
        failed=with_verdict(found, "fail"),
        explained={one.outcome.id for section in shown for one in section.findings},
        chapters=chapters,
        in_full=_in_full(shown),
        stated=[one for one in found if one.found],
        verdicts=[verdict for verdict in wording.COUNTED if run.counts[verdict]],
        levels=[level for level in LEVELS if any(one.level == level for one in found)],
        left_out=_left_out(found),
        wording=wording,
        exchanges=EXCHANGES,
        style=asset("report.css"),
        script=asset("report.js"),
        style_digest=digest("report.css"),
        script_digest=digest("report.js"),
    )


def _counts(run: Run) -> list[tuple[Verdict, int, str, str]]:
    """Return verdict, number, word and link of each count that says something."""
    anchors = {verdict: anchor for anchor, _, verdicts in SECTIONS for verdict in verdicts}
    anchors |= {"pass": "requirements", "not-applicable": "left-out", "not-selected": "left-out"}
    return [
        (verdict, run.counts[verdict], word, anchors[verdict] if run.counts[verdict] else "")
        for verdict, word in wording.COUNTED.items()
        if run.counts[verdict] or verdict in ("fail", "warn", "pass")
    ]


def _in_full(shown: tuple[Section, ...]) -> set[str]:
    """Return the exchanges that the page shows in full."""
    return {
        exhibit.evidence.digest
        for section in shown
        for finding in section.findings
        for case in finding.cases
        for exhibit in case.exhibits
        if exhibit.place == "here" and not exhibit.evidence.problem
    }


def _chapter(members: list[Outcome]) -> Chapter:
    verdicts = [one.verdict for one in members]
    return Chapter(members, tally(verdicts), _bar(Counter(verdicts)))


def _bar(counts: Mapping[Verdict, int]) -> list[tuple[Verdict, float, float]]:
    """Return verdict, start and width, in percent, of each part of a bar of judged rules."""
    judged = [verdict for verdict in VERDICTS if verdict not in _LEFT_OUT and counts[verdict]]
    total = sum(counts[verdict] for verdict in judged)
    parts, start = [], 0.0
    for verdict in judged:
        width = 100 * counts[verdict] / total
        parts.append((verdict, start, width))
        start += width
    return parts


def _facts(run: Run, found: tuple[Outcome, ...]) -> list[tuple[str, str]]:
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
        ("Cost", wording.spent(run.cost)),
    ]
    if seen := wording.encryption(run):
        facts.append(("Encryption", seen))
    if accepted := wording.deviations(found):
        facts.append(("Accepted", accepted))
    if planned:
        facts.append(("Planned", planned))
    if chosen := wording.selection(run):
        facts.append(("Selection", chosen))
    return facts


def _left_out(found: tuple[Outcome, ...]) -> list[tuple[Verdict, str, list[Outcome]]]:
    """Return the requirements that were not judged, together with those of the same reason."""
    groups: dict[tuple[Verdict, str], list[Outcome]] = {}
    for outcome in with_verdict(found, *_LEFT_OUT):
        key = (outcome.verdict, outcome.reason or "no reason given")
        groups.setdefault(key, []).append(outcome)
    return [(verdict, reason, members) for (verdict, reason), members in groups.items()]
