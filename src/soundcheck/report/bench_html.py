"""``report.html`` of a load run: one self-contained page without a script, for people.

What speaks for and against the figures stands before them, and INVALID windows show none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundcheck.report import bench_wording as wording
from soundcheck.report.bench import SAMPLES, Bench, Stage
from soundcheck.report.bench_honesty import honesty, limits, workers
from soundcheck.report.bench_svg import Plot
from soundcheck.report.bench_tables import (
    Table,
    metric_table,
    server_table,
    server_totals,
    slice_tables,
    stage_table,
)
from soundcheck.report.page import asset, digest, environment
from soundcheck.report.printable import one_line
from soundcheck.report.wording import duration, plural

if TYPE_CHECKING:
    from markupsafe import Markup

_STYLES = ("report.css", "bench.css")


@dataclass(frozen=True, slots=True)
class Detail:
    """What is told of one window: its metrics, its parts, its errors and its workers."""

    stage: Stage
    metrics: Table | None
    slices: list[tuple[str, Table]]
    objectives: list[tuple[str, str, str]]
    workers: Table | None


def render_bench_html(bench: Bench) -> str:
    """Return the page for ``bench``."""
    # Imported here: they load matplotlib, which no other command needs.
    from soundcheck.report.bench_timeline import timeline
    from soundcheck.report.plot_distributions import distributions
    from soundcheck.report.plots import load_curve, rtfx_curve

    results = bench.measured
    first = wording.focus(bench)
    others = [stage for stage in bench.stages if stage.measured and stage is not first]
    return (
        environment()
        .get_template("bench.html.j2")
        .render(
            bench=bench,
            title=wording.title(bench),
            sentence=wording.sentence(bench),
            honesty=honesty(bench),
            marks={"good": ("pass", "ok"), "bad": ("warn", "mind"), "note": ("note", "note")},
            limits=limits(bench),
            facts=_facts(bench),
            curves=_drawn([load_curve(bench), rtfx_curve(bench)]),
            distributions=_drawn(distributions(bench)),
            timeline=_drawn([timeline(bench)]),
            stages=stage_table([stage for stage in bench.stages if stage.measured]),
            several=len(results) > 1,
            detail=_detail(first) if first else None,
            others=[_detail(stage) for stage in others],
            causes=wording.causes(results),
            server=server_table([stage for stage in results if stage.server]),
            totals=server_totals(bench),
            definitions=wording.DEFINITIONS,
            samples=SAMPLES,
            style=asset(*_STYLES),
            style_digest=digest(*_STYLES),
        )
    )


def _drawn(plots: Sequence[Plot | None]) -> "list[tuple[Plot, Markup]]":
    from markupsafe import Markup

    # The elements were written by ElementTree, which escapes what is text in them.
    return [(plot, Markup(plot.svg)) for plot in plots if plot is not None]  # noqa: S704


def _facts(bench: Bench) -> list[tuple[str, str]]:
    target, options = bench.target, bench.options
    started = bench.started.replace("T", " ").replace("Z", " UTC").replace("+00:00", " UTC")
    load = [
        options.arrivals or (wording.rate(options.rate) if options.rate is not None else ""),
        f"at most {plural(options.users, 'request')} under way",
        "1 process" if options.processes <= 1 else f"{options.processes:,} processes",
        f"{wording.share(options.stream)} streams" if options.stream else "no streams",
    ]
    caps = [
        f"{options.max_requests:,} requests" if options.max_requests is not None else "",
        duration(options.max_duration_s) if options.max_duration_s is not None else "",
    ]
    facts = [
        ("Target", target.base_url),
        ("Model", target.model),
        ("Scenario", bench.scenario),
        ("Load", ", ".join(filter(None, load))),
        ("SLO", options.slo or "none"),
        ("Caps", ", ".join(filter(None, caps))),
        ("Key", f"from ${target.api_key_env}" if target.api_key_env else "none"),
        ("Run", f"{started}, took {duration(bench.duration_s)}"),
    ]
    return [(name, one_line(value, 300)) for name, value in facts if value]


def _detail(stage: Stage) -> Detail:
    """Return what is told of a window."""
    rows = workers(stage)
    table = None
    if rows:
        table = Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows)).without_empty()
    return Detail(
        stage=stage,
        metrics=metric_table(stage),
        slices=slice_tables(stage),
        objectives=[(one.text, one.verdict or "none", wording.objective(one)) for one in stage.slo],
        workers=table,
    )
