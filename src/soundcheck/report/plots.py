"""The plots of a load run: its figures over offered load, and their distributions.

Every function returns ``None`` where too little was measured to draw. Colours are roles
(``bench_svg``), so that a plot fits light and dark pages.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundcheck.report.bench import Bench, Stage
from soundcheck.report.bench_svg import COLOURS, Plot, drawing, new_figure, to_svg
from soundcheck.report.bench_wording import figure, knee, rate, seconds
from soundcheck.report.plot_axes import (
    BOX,
    DASHES,
    HEIGHT,
    LINES,
    MARKERS,
    WIDTH,
    legend,
    styled_axes,
    time_axis,
)
from soundcheck.report.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEWEST_STAGES = 3
_CLOSED = re.compile(r"closed:(\d+)$")


@dataclass(frozen=True, slots=True)
class _Level:
    """One offered load: where it stands on the axis, and what was measured there."""

    load: float
    stage: Stage


def load_curve(bench: Bench) -> Plot | None:
    """Return the latency's percentiles over the offered load, with SLO and capacity."""
    levels, axis = _levels(bench)
    lines = [
        (name, _medians([(one.load, get(one.stage)) for one in levels if one.stage.valid]))
        for name, get in (
            ("p50", _percentile("p50")),
            ("p95", _percentile("p95")),
            ("p99", _percentile("p99")),
        )
    ]
    lines = [(name, points) for name, points in lines if len(points) >= _FEWEST_STAGES]
    if not lines:
        return None
    objectives = {
        one.text: one.limit_s
        for level in levels
        for one in level.stage.slo
        if one.metric == "latency" and one.limit_s is not None
    }
    values = [value for _, points in lines for _, value in points if value > 0]
    with drawing():
        canvas = new_figure(WIDTH, HEIGHT)
        axes = styled_axes(canvas, BOX)
        axes.set_yscale("log")
        _load_axis(axes, [one.load for one in levels], axis)
        for number, (name, points) in enumerate(lines):
            axes.plot(
                *zip(*points, strict=True),
                color=COLOURS[LINES[number]],
                linestyle=DASHES[number],
                marker=MARKERS[number],
                markersize=4.5,
                linewidth=1.8,
                label=name,
            )
        shown = values + [limit for limit in objectives.values() if limit <= 8 * max(values)]
        time_axis(axes, "y", min(shown), max(shown))
        for text, limit in objectives.items():
            if limit in shown:
                axes.axhline(limit, color=COLOURS["bad"], linewidth=1.2, linestyle=(0, (4, 2)))
                axes.annotate(
                    one_line(text, 40),
                    (0, limit),
                    xycoords=("axes fraction", "data"),
                    xytext=(4, 4),
                    textcoords="offset points",
                    color=COLOURS["bad"],
                )
        _mark_invalid(axes, levels)
        _mark_capacity(axes, bench)
        legend(axes)
        low, high = levels[0].load, levels[-1].load
        name, points = lines[-1]
        description = (
            f"{name} is {seconds(points[0][1])} at {figure(low)} and {seconds(points[-1][1])} at "
            f"{figure(points[-1][0] if high else high)} {axis}."
        )
        svg = to_svg(canvas, "load", "Latency over offered load", description)
    return Plot("load", "Latency over offered load", _invalid_note(levels), svg)


def rtfx_curve(bench: Bench) -> Plot | None:
    """Return the RTFx over the offered load, beside what was offered, with the capacity."""
    levels, axis = _levels(bench)
    points = _medians([(one.load, one.stage.rtfx) for one in levels if one.stage.valid])
    if len(points) < _FEWEST_STAGES:
        return None
    mean = bench.clips.mean_audio_s
    offered = [
        (one.load, one.stage.offered_rps * mean)
        for one in levels
        if mean is not None and one.stage.offered_rps is not None
    ]
    ceiling = bench.capacity.ceiling_rtfx if bench.capacity else None
    with drawing():
        canvas = new_figure(WIDTH, HEIGHT)
        axes = styled_axes(canvas, BOX)
        _load_axis(axes, [one.load for one in levels], axis)
        if offered:
            axes.plot(
                *zip(*offered, strict=True),
                color=COLOURS["quiet"],
                linewidth=1.2,
                linestyle=(0, (4, 2)),
                label="offered",
            )
        axes.plot(
            *zip(*points, strict=True),
            color=COLOURS["a"],
            marker="o",
            markersize=4.5,
            linewidth=1.8,
            label="transcribed",
        )
        if ceiling is not None:
            axes.axhline(ceiling, color=COLOURS["c"], linewidth=1.2, linestyle=(0, (1.5, 1.5)))
            axes.annotate(
                f"closed loop: {figure(ceiling)}",
                (0, ceiling),
                xycoords=("axes fraction", "data"),
                xytext=(4, 4),
                textcoords="offset points",
                color=COLOURS["c"],
            )
        top = max([value for _, value in points + offered] + ([ceiling] if ceiling else []))
        axes.set_ylim(0, top * 1.08)
        _mark_invalid(axes, levels)
        _mark_capacity(axes, bench)
        legend(axes)
        best = max(points, key=lambda point: point[1])
        description = (
            f"At most {figure(best[1])} seconds of audio per second, at {figure(best[0])} {axis}."
        )
        title = "RTFx at load: audio seconds per second"
        svg = to_svg(canvas, "rtfx", title, description)
    return Plot("rtfx", title, _invalid_note(levels), svg)


def _levels(bench: Bench) -> tuple[list[_Level], str]:
    """Return the loads that were measured, lowest first, and what they count."""
    results = bench.measured
    opened = [
        _Level(stage.offered_rps, stage)
        for stage in results
        if stage.kind == "open" and stage.offered_rps is not None
    ]
    if opened or not results:
        return sorted(opened, key=lambda one: one.load), "requests offered per second"
    closed = [
        _Level(float(match[1]), stage)
        for stage in results
        if (match := _CLOSED.search(stage.arrivals))
    ]
    return sorted(closed, key=lambda one: one.load), "requests under way (closed loop)"


def _percentile(name: str) -> Callable[[Stage], float | None]:
    def get(stage: Stage) -> float | None:
        value: float | None = getattr(stage.latency_s, name, None)
        return value

    return get


def _medians(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """Return one point for each load: the median of what was measured there."""
    from statistics import median

    by_load: dict[float, list[float]] = {}
    for load, value in points:
        if value is not None:
            by_load.setdefault(load, []).append(value)
    return [(load, median(values)) for load, values in sorted(by_load.items())]


def _load_axis(axes: "Axes", loads: list[float], label: str) -> None:
    margin = 0.04 * (max(loads) - min(loads)) or 1
    axes.set_xlim(max(0, min(loads) - margin), max(loads) + margin)
    axes.set_xlabel(label)
    axes.locator_params(axis="x", nbins=8)


def _mark_invalid(axes: "Axes", levels: list[_Level]) -> None:
    loads = [one.load for one in levels if not one.stage.valid]
    if loads:
        axes.plot(
            loads,
            [0.03] * len(loads),
            transform=axes.get_xaxis_transform(),
            linestyle="none",
            marker="x",
            markersize=6,
            markeredgewidth=1.8,
            color=COLOURS["bad"],
            label="INVALID",
        )


def _mark_capacity(axes: "Axes", bench: Bench) -> None:
    """Mark what a search found, or else where the deployment stops to keep up."""
    found, knee_rps = bench.capacity, knee(bench)
    passed = found.passed_rps if found else knee_rps
    failed = found.failed_rps if found else None
    edges = [load for load in (passed, failed) if load is not None]
    if not edges:
        return
    if len(edges) == 2:
        axes.axvspan(edges[0], edges[1], color=COLOURS["e"], alpha=0.25, linewidth=0)
    for edge in edges:
        axes.axvline(edge, color=COLOURS["e"], linewidth=1)
    low, high = axes.get_xlim()
    before = (edges[0] - low) / (high - low) > 0.45  # where there is more room
    told = "capacity " + " to ".join(figure(edge) for edge in edges) + "/s"
    if found is None:
        told = f"knee {rate(edges[0])}"
    elif len(edges) == 1:
        told = f"{'passed' if passed is not None else 'failed'} {rate(edges[0])}"
    axes.annotate(
        told,
        (edges[0] if before else edges[-1], 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if before else 5, -12),
        textcoords="offset points",
        ha="right" if before else "left",
        color=COLOURS["e"],
    )


def _invalid_note(levels: list[_Level]) -> str:
    if all(one.stage.valid for one in levels):
        return ""
    return "Crosses: INVALID windows. The client was the limit, so they have no figures."
