"""``soundcheck compare``: tell whether a run is worse than an earlier one, of load or a check."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundcheck.errors import ExitCode, SoundcheckError

if TYPE_CHECKING:
    from soundcheck.report.changes import Changes
    from soundcheck.report.compare import Comparison, Row

_STYLES = {"worse": "bold red", "better": "green", "same": "", "undecided": "yellow"}
_VERDICTS = {
    "worse": ("Worse", "bold red"),
    "undecided": ("Undecided", "bold yellow"),
    "not worse": ("Not worse", "bold green"),
}

_CODES = {
    "worse": ExitCode.FAILED,
    "undecided": ExitCode.NO_VERDICT,
    "not worse": ExitCode.OK,
}

_KIND_STYLES = {"worse": "bold red", "better": "green", "stricter": "yellow", "new": "yellow"}

EXAMPLES = """
**Examples**

`soundcheck compare reports/monday reports/today`

`soundcheck compare OLD NEW --tolerance 5% --json`

`soundcheck compare baseline.json reports/today`

two checks: which rules are kept no longer, and which are now

Exit codes: 0 nothing is worse · 1 something is worse: by more than the tolerance, or a required
rule fails that was kept · 2 the runs are not alike · 4 a load run is INVALID or too short to tell,
or something required was judged in the earlier check alone.
"""


def compare(
    old: Annotated[
        Path,
        typer.Argument(metavar="OLD", help="Folder (or run.json, bench.json) of the earlier run."),
    ],
    new: Annotated[
        Path,
        typer.Argument(metavar="NEW", help="Folder (or run.json, bench.json) of the later run."),
    ],
    tolerance: Annotated[
        str, typer.Option(help="By how much times may grow and throughput may shrink.")
    ] = "10%",
    error_tolerance: Annotated[
        str, typer.Option(help="By how much the share of failed requests may grow.")
    ] = "0.5%",
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two load runs, each metric as a ratio with its 95 % interval, or two checks."""
    old, new = (one.parent if one.name == "bench.json" else one for one in (old, new))
    if _is_check(old) or _is_check(new):
        raise typer.Exit(_checks(old, new, as_json=as_json))
    from soundcheck.report.compare import compare as compared

    found = compared(
        old,
        new,
        tolerance=_share("--tolerance", tolerance),
        error_tolerance=_share("--error-tolerance", error_tolerance),
        seed=seed,
    )
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        _print(found)
    raise typer.Exit(ExitCode.FAILED if found.verdict == "worse" else ExitCode.OK)


def _is_check(path: Path) -> bool:
    """Tell whether a check's run lies in ``path``: a folder of load has no run.json."""
    return path.is_file() or (path / "run.json").is_file()


def _checks(old: Path, new: Path, *, as_json: bool) -> ExitCode:
    """Compare two checks, tell what changed, and return the exit code."""
    from soundcheck.report.changes import compared_runs
    from soundcheck.report.run import load_run_file

    found = compared_runs(load_run_file(old), load_run_file(new))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        _print_changes(found)
    return _CODES[found.verdict]


def _print_changes(found: "Changes") -> None:
    from rich.console import Console
    from rich.text import Text

    from soundcheck.report.wording import against, changed

    console = Console()
    title, style = _VERDICTS[found.verdict]
    console.print(
        Text(title, style).append(f": {against(found.baseline, 'run')}", "not bold default")
    )
    for change in found.baseline.changes:
        console.print(Text(changed(change), _KIND_STYLES.get(change.kind, "")))


compare.__doc__ = f"{compare.__doc__}\n{EXAMPLES}"


def _share(option: str, text: str) -> float:
    """Return a share that was written as 5% or 0.05."""
    words = text.strip()
    try:
        share = float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 <= share < 1:
        raise SoundcheckError(f"{option} is a share such as 5% or 0.05, not {text!r}")
    return share


def _print(found: "Comparison") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from soundcheck.report.printable import one_line

    console = Console()
    title, style = _VERDICTS[found.verdict]
    headline = Text(title, style)
    headline.append(f": {_sentence(found)}", "not bold default")
    console.print(headline)
    for note in found.notes:
        console.print(Text("note: ", "bold yellow").append(one_line(note), "not bold default"))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("load", overflow="fold")  # the one that may be broken: figures are whole
    table.add_column("metric", no_wrap=True)
    for heading in ("OLD", "NEW", "NEW/OLD", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("change", no_wrap=True)
    last = ""
    for row in found.rows:
        cells = (row.load if row.load != last else "", row.metric, *_figures(row))
        last = row.load
        table.add_row(*map(Text, cells), Text(row.change, _STYLES[row.change]))
    console.print(table)


def _sentence(found: "Comparison") -> str:
    tolerance = f"{100 * found.tolerance:g} %"
    if found.verdict == "worse":
        worse = [f"{row.metric} at {row.load}" for row in found.rows if row.change == "worse"]
        more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
        return f"{', '.join(worse[:3])}{more} beyond the tolerance of {tolerance}"
    if found.verdict == "undecided":
        return (
            "nothing is surely worse, but some intervals reach beyond the tolerance of "
            f"{tolerance}; longer windows make them narrower"
        )
    return f"every interval lies within the tolerance of {tolerance}, or is better"


def _figures(row: "Row") -> tuple[str, str, str, str]:
    """Return OLD, NEW, how they compare, and the interval."""
    from soundcheck.report.bench_wording import figure, rate, seconds, share

    low, high = row.interval
    if row.kind == "difference":
        points = f"{100 * row.value:+.2f} points"
        return share(row.old), share(row.new), points, f"{100 * low:+.2f} to {100 * high:+.2f}"
    show = {"s": seconds, "/s": rate}.get(row.unit, figure)
    return show(row.old), show(row.new), f"{row.value:.3f}", f"{low:.3f} to {high:.3f}"
