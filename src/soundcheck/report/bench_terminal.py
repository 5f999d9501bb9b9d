"""The closing summary of a load run on the terminal: finding, figures, honesty, where it lies."""

from pathlib import Path
from typing import TYPE_CHECKING

from soundcheck.report import bench_wording as wording
from soundcheck.report.bench import Bench, Verdict
from soundcheck.report.bench_honesty import honesty, limits
from soundcheck.report.bench_tables import Table, server_totals, stage_table
from soundcheck.report.printable import one_line

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

_STYLES: dict[Verdict, str] = {
    "measured": "bold",
    "met": "bold green",
    "missed": "bold red",
    "invalid": "bold red",
    "incomplete": "bold yellow",
    "failed": "bold red",
}
_OBJECTIVES = {"met": "green", "missed": "bold red", "undecided": "yellow", None: "dim"}
_STAGES_SHOWN = 30
_CAUSES_SHOWN = 5
_PROBLEMS_SHOWN = 8
_TEXT_SHOWN = 300
_COLUMNS = (
    *("Stage", "Load", "Offered", "Answered", "RTFx at load", "Latency p50", "p95", "p99"),
    *("TTFD p50", "TTFD p95", "Failed", "SLO", "Window"),
)
_EXPENDABLE = ("Offered", "Stage", "TTFD p50", "p99", "RTFx at load", "Answered")
"""What a narrow terminal leaves out, in this order: never what failed or is INVALID."""
_GUTTER = 2
_NARROWEST = 10  # a name of a load that is broken into lines
_ALWAYS = ("Windows", "Arrivals", "Target", "Verification", "Ceiling", "Timing error")


def render(bench: Bench, folder: Path, width: int = 100) -> "Group":
    """Return the summary of ``bench``, whose reports lie in ``folder``, to be printed by rich.

    ``width`` is that of the terminal: columns that do not fit are left to the reports.
    """
    from rich.console import Group

    shown = [stage for stage in bench.stages if stage.measured]
    blocks: list[RenderableType] = [_headline(bench)]
    if shown:
        table = stage_table(shown[:_STAGES_SHOWN]).only(_COLUMNS)
        fitting = _fitting(table, width)
        blocks.append(_table(fitting, width))
        if gone := [one for one in table.headings if one not in fitting.headings]:
            blocks.append(_text(f"in the report, too: {', '.join(gone)}", "dim"))
    if len(shown) > _STAGES_SHOWN:
        blocks.append(f"and {len(shown) - _STAGES_SHOWN} more in the report")
    blocks += [_objectives(bench), _causes(bench), _honesty(bench), _closing(bench, folder)]
    return Group(*(block for block in blocks if block))


def _headline(bench: Bench) -> "Text":
    text = _text(f"\n{one_line(wording.title(bench))}", _STYLES[bench.verdict])
    text.append(f": {one_line(bench.scenario, 60)}, {one_line(bench.target.model, 80)}\n")
    text.append(f"{wording.sentence(bench)}\n")
    for windows, limit, advice in limits(bench):
        invalid = "" if limit == "cut off" else "INVALID "
        text.append(invalid, "bold red")
        text.append(f"{one_line(windows, 60)}: ")
        text.append(one_line(limit, 60), "bold")
        text.append(f": {one_line(advice, _TEXT_SHOWN)}\n" if advice else "\n")
    problems = wording.notes(bench)
    for problem in problems[:_PROBLEMS_SHOWN]:
        text.append("note: ", "bold yellow")
        text.append(f"{one_line(problem, _TEXT_SHOWN)}\n")
    if len(problems) > _PROBLEMS_SHOWN:
        text.append(f"and {len(problems) - _PROBLEMS_SHOWN} more notes in the report\n")
    return text


def _fitting(table: Table, width: int) -> Table:
    """Return ``table`` without as many of its expendable columns as are too many for ``width``."""
    for heading in _EXPENDABLE:
        if _whole(_widths(table)) <= width:
            break
        # One load is told by its name, or by its rate.
        if heading != "Offered" or "Load" in table.headings:
            table = table.only([one for one in table.headings if one != heading])
    return table


def _widths(table: Table, width: int = 0) -> list[int]:
    """Return the width of each column: figures are whole, headings broken if ``width`` wants it.

    Where even that is too wide, names of loads are broken, too.
    """
    columns = [
        (heading, max((len(cell) for cell in cells), default=0))
        for heading, *cells in zip(table.headings, *table.rows, strict=True)
    ]
    widths = [max(len(heading), cells) for heading, cells in columns]
    if _whole(widths) > width:
        widths = [max(_in_two_lines(heading), cells) for heading, cells in columns]
    excess = _whole(widths) - width
    if width and excess > 0 and "Load" in table.headings:
        place = table.headings.index("Load")
        widths[place] = max(_NARROWEST, widths[place] - excess)
    return widths


def _in_two_lines(heading: str) -> int:
    words = heading.split()
    halves = (
        (" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words) + 1)
    )
    return min((max(map(len, pair)) for pair in halves), default=0)


def _whole(widths: list[int]) -> int:
    return sum(widths) + _GUTTER * (len(widths) - 1)


def _table(table: Table, width: int) -> "RenderableType":
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=None, pad_edge=False, header_style="dim", padding=(0, _GUTTER, 0, 0))
    for number, (heading, wide) in enumerate(
        zip(table.headings, _widths(table, width), strict=True)
    ):
        left = heading in ("Stage", "Load") or number == 0
        grid.add_column(heading, justify="left" if left else "right", width=wide)
    for number, row in enumerate(table.rows):
        style = "red" if number in table.invalid else ""
        grid.add_row(*(Text(cell, style) for cell in row))
    return grid


def _objectives(bench: Bench) -> "Text":
    """Return what became of the SLO: of the focus in a search, of every window otherwise."""
    focus = wording.focus(bench)
    stages = [focus] if bench.capacity and focus else list(bench.measured[:_STAGES_SHOWN])
    text = _text("")
    for stage in stages:
        for one in stage.slo:
            at = f" at {one_line(stage.name, 40)}" if len(bench.measured) > 1 else ""
            text.append(f"\nSLO {one_line(one.text, 80)}{at} ")
            text.append(wording.objective(one), _OBJECTIVES[one.verdict])
    return text


def _causes(bench: Bench) -> "Text":
    found = wording.causes(bench.measured)
    text = _text("")
    for cause, number, example in found[:_CAUSES_SHOWN]:
        text.append(f"\n{number:,} {one_line(cause, 60)}", "red")
        text.append(f": {one_line(example, 160)}" if example else "")
    if len(found) > _CAUSES_SHOWN:
        text.append(f"\nand {len(found) - _CAUSES_SHOWN} more causes of errors in the report")
    return text


def _honesty(bench: Bench) -> "Text":
    """Return what must be known before the figures are believed."""
    text = _text("")
    for one in honesty(bench):
        if one.kind == "bad" or one.title in _ALWAYS:
            text.append(f"\n{one.title.lower()}: ", "yellow" if one.kind == "bad" else "dim")
            text.append(one_line(one.text, _TEXT_SHOWN))
    return text


def _closing(bench: Bench, folder: Path) -> "Text":
    totals = ", ".join(f"{name} {value}" for name, value in server_totals(bench))
    text = _text("\nserver: " if totals else "", "dim")
    text.append(totals)
    text.append("\nreport: ", "dim")
    text.append(one_line(str(folder / "report.html")))
    return text


def _text(content: str, style: str = "") -> "Text":
    from rich.text import Text

    text = Text()
    text.append(content, style)
    return text
