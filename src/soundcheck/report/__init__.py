"""Reports of a run: everything in them is derived from ``run.json`` and ``exchanges/``."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundcheck.report.run import Run


def write_reports(folder: Path, run: "Run | None" = None) -> None:
    """Write the reports of the run in ``folder``: for people, CI systems and trackers of findings.

    Who has just written ``run`` there gives it: reading it back takes longer than the reports.

    Raises:
        SoundcheckError: ``run.json`` is missing, cut off or foreign, or a file cannot be written.

    """
    # Imported here: jinja2 and jsonschema would slow the start of every command.
    from soundcheck.report.html import render_html
    from soundcheck.report.junit import render_junit
    from soundcheck.report.markdown import render_markdown
    from soundcheck.report.run import load_run, write_file
    from soundcheck.report.sarif import render_sarif

    run = run or load_run(folder)
    write_file(folder / "report.html", render_html(run, folder))
    write_file(folder / "summary.md", render_markdown(run))
    write_file(folder / "junit.xml", render_junit(run))
    write_file(folder / "results.sarif", render_sarif(run))
