"""``soundcheck report``: write the reports of a run again from what it recorded."""

from pathlib import Path
from typing import Annotated

import typer

from soundcheck.errors import SoundcheckError

EXAMPLES = """
**Examples**

`soundcheck report reports/20261122-210000`

A newer Soundcheck writes better pages from the same figures; nothing is sent or judged again.
"""


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a run.")],
) -> None:
    """Write the reports of a run or load run again, from run.json or bench.json."""
    # The names are written out: the modules that know them are not needed for the other kind.
    kinds = [name for name in ("run.json", "bench.json") if (folder / name).exists()]
    if not kinds:
        what = "holds neither run.json nor bench.json" if folder.is_dir() else "is no folder"
        raise SoundcheckError(f"{folder}: {what}")
    if "run.json" in kinds:
        from soundcheck.report import write_reports

        write_reports(folder)
    if "bench.json" in kinds:
        from soundcheck.report.bench_reports import write_bench_reports

        write_bench_reports(folder)
    typer.echo(folder / "report.html")


report.__doc__ = f"{report.__doc__}\n{EXAMPLES}"
