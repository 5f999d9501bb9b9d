"""The timeline of a load run: load, latency, requests under way, errors, server and client.

All stages stand side by side on the run's own clock. Warm-ups are shaded, INVALID windows too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf, nan
from statistics import fmean
from typing import TYPE_CHECKING, Any

from soundcheck.report.bench import Bench, Second, Series, Stage
from soundcheck.report.bench_svg import COLOURS, Plot, drawing, new_figure, to_svg
from soundcheck.report.bench_wording import figure, seconds
from soundcheck.report.plot_axes import legend, styled_axes, time_axis
from soundcheck.report.printable import one_line
from soundcheck.report.wording import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _PANEL, _HEADING, _FOOT, _HEAD = 1080, 84, 30, 40, 14
_LEFT, _RIGHT = 58, 10
_MOST_POINTS = 300
_SERIES_SHOWN = 8  # of one unit
_ROLES = ("a", "b", "c", "d", "e", "f")
_UNITS = {"share": (100.0, "%"), "bytes": (1e-9, "GB")}
_PANELS_SHOWN = 10  # of the server
_REQUESTS = "requests"
_DIGIT = 0.008  # width of a digit, as a share of the plot
_STEPS = (60, 120, 300, 600, 1800, 3600, 7200, 10**9)  # seconds between marks
_MINUTES = 300  # from here on the axis counts minutes


@dataclass(slots=True)
class _Line:
    label: str
    role: str
    times: list[float]
    values: list[float]
    style: Any = "-"
    width: float = 1.6
    steps: bool = False


@dataclass(slots=True)
class _Panel:
    title: str
    lines: list[_Line] = field(default_factory=list)
    bars: bool = False
    logarithmic: bool = False
    whole: bool = False
    least_top: float = 0.0


def timeline(bench: Bench) -> Plot | None:
    """Return the plot of a run second by second, or ``None`` if no stage has a timeline."""
    stages = [stage for stage in bench.stages if stage.timeline]
    if not stages:
        return None
    panels = [panel for panel in _panels(bench, stages) if _has_values(panel)]
    end = max(stage.begin_s + stage.timeline[-1].t_s + 1 for stage in stages)
    begin = min(stage.begin_s for stage in stages)
    height = _HEAD + len(panels) * (_HEADING + _PANEL) + _FOOT
    with drawing():
        canvas = new_figure(_WIDTH, height)
        for number, panel in enumerate(panels):
            top = _HEAD + number * (_HEADING + _PANEL) + _HEADING
            axes = styled_axes(canvas, (_LEFT, top, _WIDTH - _RIGHT, top + _PANEL))
            _draw(axes, panel)
            axes.set_xlim(begin, end)
            _boundaries(axes, stages, numbered=number == 0)
            axes.annotate(
                panel.title,
                (0, 1),
                xycoords="axes fraction",
                xytext=(0, 7),
                textcoords="offset points",
                color=COLOURS["ink"],
            )
            _time_marks(axes, begin, end, labelled=number == len(panels) - 1)
        svg = to_svg(canvas, "timeline", "Timeline of the run", _described(stages, panels))
    return Plot("timeline", "Timeline", _caption(bench, stages), svg)


def _panels(bench: Bench, stages: list[Stage]) -> list[_Panel]:
    width = _bin(stages)

    def line(
        label: str,
        role: str,
        get: Callable[[Second], float | None],
        merge: Callable[[list[float]], float] = fmean,
        **look: Any,
    ) -> _Line:
        return _Line(label, role, *_points(stages, get, merge, width), **look)

    rates = _Panel(
        "requests per second",
        [
            line("offered", "quiet", lambda one: one.offered, width=1.0, steps=True),
            line("answered", "a", lambda one: one.done),
        ],
    )
    latency = _Panel(
        "latency",
        [
            line("max", "quiet", lambda one: one.max_s, max, width=0.8),
            line("p95", "b", lambda one: one.p95_s, style=(0, (5, 2))),
            line("p50", "a", lambda one: one.p50_s),
        ],
        logarithmic=True,
    )
    under_way = _Panel("requests", [line("under way", "a", lambda one: one.in_flight)], whole=True)
    backlog = line("waiting in the client", "d", lambda one: one.backlog, style=(0, (1.5, 1.5)))
    if any(value > 0 for value in backlog.values):
        under_way.lines.append(backlog)
    failed = line("", "bad", lambda one: one.failed)
    errors = _Panel("errors per second", [failed], bars=True, whole=True)
    if not any(value > 0 for value in errors.lines[0].values):
        errors.lines.clear()
    lag = _Panel(
        "lag of the client",
        [line("", "c", lambda one: None if one.lag_ms is None else one.lag_ms / 1e3)],
        logarithmic=True,
    )
    by_unit = _by_unit(bench.server.series if bench.server else ())
    for number, series in enumerate(by_unit.pop(_REQUESTS, [])[:_SERIES_SHOWN]):
        under_way.lines.append(_server_line(series, _ROLES[1 + number % 5], 1.0))
    shown = []
    for unit, members in list(by_unit.items())[:_PANELS_SHOWN]:
        factor, name = _UNITS.get(unit, (1.0, unit))
        labels = {one.label for one in members}
        what = one_line(members[0].label, 60) if len(labels) == 1 else "server"
        title = f"{what}, {name}" if name else what
        lines = [
            _server_line(one, _ROLES[number % 6], factor)
            for number, one in enumerate(members[:_SERIES_SHOWN])
        ]
        if len(lines) == 1:
            lines[0].label = ""
        shown.append(_Panel(title, lines, least_top=100.0 if name == "%" else 0.0))
    return [rates, latency, under_way, errors, *shown, lag]


def _by_unit(series: Iterable[Series]) -> dict[str, list[Series]]:
    found: dict[str, list[Series]] = {}
    for one in series:
        if one.points:
            found.setdefault(one.unit, []).append(one)
    return found


def _server_line(series: Series, role: str, factor: float) -> _Line:
    label = one_line(series.label, 40)
    if series.gpu is not None:
        label += f", GPU {series.gpu}"
    times = [time for time, _ in series.points]
    return _Line(label, role, times, [value * factor for _, value in series.points], width=1.2)


def _points(
    stages: list[Stage],
    get: Callable[[Second], float | None],
    merge: Callable[[list[float]], float],
    width: int,
) -> tuple[list[float], list[float]]:
    """Return the values second by second, or merged over ``width``; gaps break the line."""
    times, values = [], []
    for stage in stages:
        for start in range(0, len(stage.timeline), width):
            part = stage.timeline[start : start + width]
            known = [value for second in part if (value := get(second)) is not None]
            times.append(stage.begin_s + (part[0].t_s + part[-1].t_s + 1) / 2)
            values.append(merge(known) if known else nan)
        times.append(times[-1])
        values.append(nan)
    return times, values


def _bin(stages: list[Stage]) -> int:
    return 1 + sum(len(stage.timeline) for stage in stages) // _MOST_POINTS


def _has_values(panel: _Panel) -> bool:
    return any(value == value for line in panel.lines for value in line.values)


def _draw(axes: "Axes", panel: _Panel) -> None:
    values = [value for line in panel.lines for value in line.values if value == value]
    for line in panel.lines:
        colour = COLOURS[line.role]
        if panel.bars:
            known = [(t, v) for t, v in zip(line.times, line.values, strict=True) if v > 0]
            times, heights = zip(*known, strict=True)
            axes.bar(times, heights, width=0.9, color=colour, linewidth=0)
            continue
        known_values = [nan if panel.logarithmic and v <= 0 else v for v in line.values]
        axes.plot(
            line.times,
            known_values,
            color=colour,
            linestyle=line.style,
            linewidth=line.width,
            drawstyle="steps-mid" if line.steps else "default",
            marker="o" if len(line.times) < 4 else None,  # too short for a line
            markersize=3,
            label=line.label,
        )
    if panel.logarithmic and any(value > 0 for value in values):
        axes.set_yscale("log")
        positive = [value for value in values if value > 0]
        time_axis(axes, "y", min(positive), max(positive), most=4)
    else:
        low = min(0.0, *values)
        axes.set_ylim(low, max(panel.least_top, max(values) or 1) * 1.08)
        axes.locator_params(axis="y", nbins=3, integer=panel.whole)
        top = axes.get_ylim()[1]
        marks = [mark for mark in axes.get_yticks() if low <= mark <= top]
        axes.set_yticks(marks, [f"{mark:,.6g}" for mark in marks])
    if any(line.label for line in panel.lines):
        legend(axes, right=True)


def _boundaries(axes: "Axes", stages: list[Stage], *, numbered: bool) -> None:
    """Mark where stages begin, shade warm-ups and what is not judged, and name the stages."""
    begins = [stage.begin_s for stage in stages[1:]]
    low, high = axes.get_xlim()
    free = -inf  # where the next number has room
    for stage, following in zip(stages, [*begins, inf], strict=True):
        window = stage.begin_s + stage.warm_up_s
        end = min(following, stage.begin_s + stage.timeline[-1].t_s + 1)
        close = min(end, window + stage.window_s)
        shades = [(stage.begin_s, window, "quiet"), (close, end, "quiet")]
        if not stage.measured:
            shades = [(stage.begin_s, end, "quiet")]
        elif not stage.valid:
            shades.append((window, close, "bad"))
        for left, right, role in shades:
            if right > left:
                axes.axvspan(left, right, color=COLOURS[role], alpha=0.12, linewidth=0)
        if len(stages) > 1:
            axes.axvline(stage.begin_s, color=COLOURS["rule"], linewidth=1)
        if numbered and len(stages) > 1 and stage.begin_s >= free:
            free = stage.begin_s + _DIGIT * (high - low) * (len(str(stage.number)) + 1)
            axes.annotate(
                str(stage.number),
                (stage.begin_s, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, 25),
                textcoords="offset points",
                color=COLOURS["quiet"] if stage.valid else COLOURS["bad"],
            )


def _time_marks(axes: "Axes", begin: float, end: float, *, labelled: bool) -> None:
    axes.locator_params(axis="x", nbins=10)
    if end - begin >= _MINUTES:
        step = next(step for step in _STEPS if (end - begin) / step <= 12)
        marks = [float(mark) for mark in range(0, int(end) + 1, step) if mark >= begin]
        axes.set_xticks(marks, [f"{mark / 60:g} min" for mark in marks])
    else:
        marks = [float(mark) for mark in axes.get_xticks() if begin <= mark <= end]
        axes.set_xticks(marks, [f"{mark:g} s" for mark in marks])
    if not labelled:
        axes.set_xticklabels([])


def _described(stages: list[Stage], panels: list[_Panel]) -> str:
    told = [f"{plural(len(stages), 'stage')} on one clock"]
    for panel in panels:
        for line in panel.lines:
            known = [value for value in line.values if value == value]
            if known:
                show = seconds if panel.logarithmic else figure
                name = f"{panel.title} {line.label}".strip()
                told.append(f"{name} {show(min(known))} to {show(max(known))}")
    return "; ".join(told) + "."


def _caption(bench: Bench, stages: list[Stage]) -> str:
    parts = []
    if any(stage.warm_up_s or not stage.measured for stage in stages):
        parts.append("Grey: warm-up, drain and probings, which no figure counts.")
    if any(not stage.valid for stage in stages):
        parts.append("Red: INVALID windows.")
    if len(stages) > 1:
        parts.append("Numbers above: the stages of the table.")
    width = _bin(stages)
    if width > 1:
        parts.append(f"Means over {width} s.")
    return " ".join(parts)
