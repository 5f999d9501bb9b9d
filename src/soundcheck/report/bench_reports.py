"""Write the reports of a load run into its folder."""

from pathlib import Path

from soundcheck.report.bench import Bench, load_bench


def write_bench_reports(folder: Path, bench: Bench | None = None) -> None:
    """Write ``report.html`` and ``summary.md`` for the load run in ``folder``.

    Raises:
        SoundcheckError: ``bench.json`` is missing, cut off or foreign, or a file cannot be written.

    """
    # Imported here: jinja2 and matplotlib would slow the start of every command.
    from soundcheck.report.bench_html import render_bench_html
    from soundcheck.report.bench_markdown import render_bench_markdown
    from soundcheck.report.run import write_file

    bench = bench or load_bench(folder)
    write_file(folder / "report.html", render_bench_html(bench))
    write_file(folder / "summary.md", render_bench_markdown(bench))
