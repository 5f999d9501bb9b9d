"""``summary.md`` of a load run: a page of Markdown, for the job summary of a CI run.

Text that a server chose stands in code spans only, where Markdown reads nothing.
"""

from soundcheck.report import bench_wording as wording
from soundcheck.report.bench import Bench
from soundcheck.report.bench_honesty import honesty, limits
from soundcheck.report.bench_tables import Table, metric_table, server_totals, stage_table
from soundcheck.report.markdown import code, escaped
from soundcheck.report.wording import duration

_STAGES_SHOWN = 60
_CAUSES_SHOWN = 20
_PROBLEMS_SHOWN = 20


def render_bench_markdown(bench: Bench) -> str:
    """Return the summary of ``bench``: finding, honesty, SLO, stages, errors, server."""
    lines = [f"## {escaped(wording.title(bench))}: {code(bench.scenario)}, "]
    lines = [lines[0] + code(bench.target.model), "", escaped(wording.sentence(bench)), ""]
    for windows, limit, advice in limits(bench):
        invalid = "" if limit == "cut off" else "**INVALID** "
        lines.append(f"- {invalid}{code(windows)}: {escaped(limit)}: {escaped(advice)}")
    lines += [f"- **Note:** {code(problem)}" for problem in wording.notes(bench)[:_PROBLEMS_SHOWN]]
    lines += _objectives(bench)
    lines += ["", "### Can these figures be believed?", ""]
    words = {"good": "ok", "bad": "mind", "note": "note"}
    lines += [
        f"- {words[one.kind]}, **{one.title}:** {escaped(one.text)}" for one in honesty(bench)
    ]
    shown = [stage for stage in bench.stages if stage.measured]
    lines += ["", "### Figures", "", *_table(stage_table(shown[:_STAGES_SHOWN]))]
    if len(shown) > _STAGES_SHOWN:
        lines += ["", f"And {len(shown) - _STAGES_SHOWN} more in `report.html`."]
    focus = wording.focus(bench)
    metrics = metric_table(focus) if focus else None
    if focus and metrics:
        heading = f"Metrics of stage {focus.number} ({code(focus.name)})"
        lines += ["", heading if len(shown) > 1 else "Metrics", "", *_table(metrics)]
    lines += _causes(bench)
    totals = server_totals(bench)
    if totals:
        lines += ["", "### The server's side", ""]
        lines += [f"- **{name}:** {escaped(value)}" for name, value in totals]
    lines += ["", f"Target {code(bench.target.base_url)}, took {duration(bench.duration_s)}."]
    return "\n".join(lines) + "\n"


def _objectives(bench: Bench) -> list[str]:
    focus = wording.focus(bench)
    if focus is None:
        return []
    at = f" at {code(focus.name)}" if len(bench.measured) > 1 else ""
    return [
        f"- **SLO** {code(one.text)}{at}: {escaped(wording.objective(one))}" for one in focus.slo
    ]


def _causes(bench: Bench) -> list[str]:
    found = wording.causes(bench.measured)
    if not found:
        return []
    lines = ["", "### Errors by cause", ""]
    for cause, number, example in found[:_CAUSES_SHOWN]:
        told = f", such as {code(example)}" if example else ""
        lines.append(f"- {number:,} {code(cause)}{told}")
    return lines


def _table(table: Table) -> list[str]:
    headings = [escaped(heading) or " " for heading in table.headings]
    rows = [" | ".join(escaped(cell) or " " for cell in row) for row in table.rows]
    return [
        f"| {' | '.join(headings)} |",
        "|" + " --- |" + " --: |" * (len(headings) - 1),
        *(f"| {row} |" for row in rows),
    ]
