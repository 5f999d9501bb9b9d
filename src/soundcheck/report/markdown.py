"""``summary.md``: the run in a page of Markdown, for the job summary of a CI run.

Text that a server chose stands in code spans and fenced blocks only, where Markdown reads nothing:
no markup, no HTML, no link, no mention of a user and no reference to an issue can come from it.
"""

import re
from collections.abc import Iterable

from soundcheck.report.outcomes import Outcome, alike_in, outcomes, with_verdict
from soundcheck.report.printable import one_line, printable
from soundcheck.report.run import Result, Run, Verdict
from soundcheck.report.wording import (
    COUNTED,
    NOT_OBSERVABLE,
    deviations,
    dialect,
    duration,
    encryption,
    gate,
    planned_if_other,
    plural,
    sentence,
    spent,
    target,
    title,
    waiver,
)

_SECTIONS: tuple[tuple[str, tuple[Verdict, ...]], ...] = (
    ("Failed", ("fail",)),
    ("Could not be judged", ("error", "untestable")),
    ("Warnings", ("warn",)),
    ("Waived", ("waived",)),
)
# A job summary may hold one MiB; this stays far below it.
_REQUIREMENTS_SHOWN = 40
_CASES_SHOWN = 12
_MESSAGE_SHOWN = 700
_FINDINGS_SHOWN = 60
_NAMES_SHOWN = 6  # cases in which the same was found
_SPECIAL = re.compile(r"([\\`*_\[\]#|~<>&@$])")


def render_markdown(run: Run) -> str:
    """Return the summary of ``run``: verdict, counts, failures and warnings, findings, cost."""
    found = outcomes(run)
    lines = [f"## {title(run)}: {code(run.target.model)} ({code(run.profile)} profile)"]
    lines += ["", escaped(sentence(run, found)), ""]
    if run.replay_of is not None:
        lines += [f"Judged again from a recorded run of {code(run.replay_of)}.", ""]
    lines += _gate(run)
    lines += [f"- **Note:** {code(note)}" for note in run.notes]
    lines += ["", *_counts(run), "", *_facts(run, found)]
    for heading, verdicts in _SECTIONS:
        chosen = with_verdict(found, *verdicts)
        if chosen:
            lines += ["", f"### {heading} ({len(chosen)})", ""]
            for outcome in chosen[:_REQUIREMENTS_SHOWN]:
                lines += _requirement(outcome)
        if len(chosen) > _REQUIREMENTS_SHOWN:
            lines += ["", f"And {len(chosen) - _REQUIREMENTS_SHOWN} more in `report.html`."]
    lines += _findings(found)
    lines += ["", "### Not observable from outside", ""]
    lines += [f"- {escaped(text)}" for text in NOT_OBSERVABLE]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Return ``text`` as a code span that nothing in it can end."""
    line = one_line(text, _MESSAGE_SHOWN)
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padding = " " if not line or line[0] in "` " or line[-1] in "` " else ""
    return f"{ticks}{padding}{line or ' '}{padding}{ticks}"


def escaped(text: str) -> str:
    """Return ``text`` for the middle of a line, as plain words whatever Markdown makes of them."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def fenced(text: str, indent: str) -> list[str]:
    """Return the lines of a fenced block with ``text``, which cannot end the block."""
    shown = printable(text)
    if len(shown) > _MESSAGE_SHOWN:
        shown = shown[:_MESSAGE_SHOWN] + f"… ({len(shown):,} characters)"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return [indent + line for line in (f"{fence}text", *shown.split("\n"), fence)]


def _gate(run: Run) -> list[str]:
    told = gate(run)
    if not told:
        return []
    hidden = len(told) - 1 - _FINDINGS_SHOWN
    rest = [f"- and {hidden} more in `report.html`"] if hidden > 0 else []
    lines = [f"- {code(line)}" for line in told[1 : 1 + _FINDINGS_SHOWN]]
    return [f"**{escaped(told[0])}**", "", *lines, *rest, ""]


def _counts(run: Run) -> list[str]:
    shown = [verdict for verdict in COUNTED if run.counts[verdict] or verdict in ("fail", "pass")]
    return [
        "| " + " | ".join(COUNTED[verdict] for verdict in shown) + " |",
        "|" + " --: |" * len(shown),
        "| " + " | ".join(f"{run.counts[verdict]:,}" for verdict in shown) + " |",
    ]


def _facts(run: Run, found: Iterable[Outcome]) -> list[str]:
    planned = planned_if_other(run.cost)
    facts = {
        "Target": code(target(run)),
        "Dialect": code(dialect(run)),
        "Effort": run.effort,
        "Started": f"{code(run.started)}, took {duration(run.duration_s)}",
        "Cost": spent(run.cost) + (f" (planned: {planned})" if planned else ""),
        **({"Encryption": code(seen)} if (seen := encryption(run)) else {}),
        **({"Accepted": code(accepted)} if (accepted := deviations(found)) else {}),
        "Judged by": f"soundcheck {code(run.tool.version)} on Python {code(run.tool.python)}",
    }
    return [f"- **{name}:** {value}" for name, value in facts.items()]


def _findings(found: Iterable[Outcome]) -> list[str]:
    lines = []
    for outcome in found:
        for stated, cases in outcome.found.items():
            names = ", ".join(code(case) for case in cases[:_NAMES_SHOWN] if case)
            more = f" and {len(cases) - _NAMES_SHOWN} more" if len(cases) > _NAMES_SHOWN else ""
            where = f" ({names}{more})" if names else ""
            lines.append(f"- {code(outcome.id)}{where}: {code(stated)}")
    if not lines:
        return []
    hidden = len(lines) - _FINDINGS_SHOWN
    rest = ["", f"And {hidden} more in `report.html`."] if hidden > 0 else []
    return ["", f"### Findings ({len(lines)})", "", *lines[:_FINDINGS_SHOWN], *rest]


def _requirement(outcome: Outcome) -> list[str]:
    lines = [f"- **{code(outcome.id)}** {outcome.level}: {escaped(outcome.rule)}"]
    if outcome.source:
        lines.append(f"  Source: {code(outcome.source)}")
    noteworthy = outcome.noteworthy
    for alike in alike_in(noteworthy[:_CASES_SHOWN]):
        lines += _cases(alike)
    if len(noteworthy) > _CASES_SHOWN:
        more = plural(len(noteworthy) - _CASES_SHOWN, "case")
        lines += ["", f"  And {more} more in `report.html`."]
    return lines


def _cases(alike: list[Result]) -> list[str]:
    names = ", ".join(code(result.case) for result in alike if result.case is not None)
    heading = ["", f"  {alike[0].verdict} for {names}"] if names else []
    lived_with = alike[0].waiver
    why = ["", f"  {escaped(waiver(lived_with))}"] if lived_with else []
    return [*heading, "", *fenced(alike[0].message or "(no message)", "  "), *why]
