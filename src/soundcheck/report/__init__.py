"""Reports of a run: everything in them is derived from ``run.json`` and ``exchanges/``."""

from pathlib import Path


def write_reports(folder: Path) -> None:
    """Write ``report.html``, ``summary.md`` and ``junit.xml`` for the run in ``folder``.

    Raises:
        SoundcheckError: ``run.json`` is missing, cut off or foreign, or a file cannot be written.

    """
    # Imported here: jinja2 and jsonschema would slow the start of every command.
    from soundcheck.report.html import render_html
    from soundcheck.report.junit import render_junit
    from soundcheck.report.markdown import render_markdown
    from soundcheck.report.run import load_run, write_file

    run = load_run(folder)
    write_file(folder / "report.html", render_html(run, folder))
    write_file(folder / "summary.md", render_markdown(run))
    write_file(folder / "junit.xml", render_junit(run))
