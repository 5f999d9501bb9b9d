"""Cumulative distributions of a load run's metrics, with both of their tails readable."""

from math import log10

from soundcheck.report.bench import Bench, Points, Stage
from soundcheck.report.bench_svg import COLOURS, Plot, drawing, new_figure, to_svg
from soundcheck.report.bench_wording import focus, seconds
from soundcheck.report.plot_axes import (
    BOX,
    DASHES,
    HEIGHT,
    LINES,
    WIDTH,
    legend,
    styled_axes,
    time_axis,
)
from soundcheck.report.printable import one_line

_STAGES_SHOWN = 5  # lines of one distribution
_SHARES = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
_DISTRIBUTIONS = (
    ("latency", "Latency", (("latency_s", "latency"), ("service_s", "service time"))),
    (
        "ttfd",
        "Time to first delta",
        (("ttfd_s", "from begin"), ("ttfd_from_upload_s", "from upload")),
    ),
    ("gap", "Gaps between deltas", (("gap_s", "gap"),)),
    ("realtime-lag", "Lag behind a listener", (("realtime_lag_s", "real-time lag"),)),
    ("service", "Service time", (("service_s", "service time"),)),
    ("speed-factor", "Speed factor of each request", (("speed_factor", "speed factor"),)),
)


def distributions(bench: Bench) -> list[Plot]:
    """Return the cumulative distributions of the metrics that were measured."""
    stages = _chosen(bench)
    found = []
    for name, title, metrics in _DISTRIBUTIONS:
        if len(stages) == 1 and name == "service":
            continue  # it stands beside the latency
        if len(stages) == 1:
            curves = [(label, stages[0].distributions.get(key, ())) for key, label in metrics]
        else:
            key = metrics[0][0]
            curves = [(_stage_label(stage), stage.distributions.get(key, ())) for stage in stages]
        plot = _distribution(
            bench, name, title, [(label, curve) for label, curve in curves if curve]
        )
        if plot is not None:
            found.append(plot)
    return found


def _distribution(
    bench: Bench, name: str, title: str, curves: list[tuple[str, Points]]
) -> Plot | None:
    curves = [(label, points) for label, points in curves if len(points) > 1]
    positive = [value for _, points in curves for value, _ in points if value > 0]
    if not positive:
        return None
    least = min(positive)
    with drawing():
        canvas = new_figure(WIDTH, HEIGHT)
        axes = styled_axes(canvas, BOX)
        axes.set_xscale("log")
        tallest = _nines(0.95)
        for number, (label, points) in enumerate(curves):
            inner = [(max(value, least), _nines(part)) for value, part in points if 0 < part < 1]
            last = points[-1][0]
            top = max((y for _, y in inner), default=0.0)
            tallest = max(tallest, top)
            # All values have no place on this axis: the largest stands beside the last share.
            axes.plot(
                *zip(*inner, (max(last, least), top), strict=True),
                color=COLOURS[LINES[number]],
                linestyle=DASHES[number],
                linewidth=1.8,
                label=label,
            )
        limits = [
            (limit, text) for limit, text in _limits(bench, name) if limit <= 8 * max(positive)
        ]
        inside = [*positive, *(limit for limit, _ in limits)]
        time_axis(
            axes, "x", min(inside), max(inside), marked=_ratio if name == "speed-factor" else None
        )
        shown = [part for part in _SHARES if _nines(part) <= tallest + 0.1]
        axes.set_yticks([_nines(part) for part in shown], [f"{100 * part:g} %" for part in shown])
        axes.set_ylim(_nines(0.008), max(tallest, _nines(shown[-1])) + 0.15)
        for limit, text in limits:
            axes.axvline(limit, color=COLOURS["bad"], linewidth=1.2, linestyle=(0, (4, 2)))
            axes.annotate(
                text,
                (limit, 0),
                xycoords=("data", "axes fraction"),
                xytext=(-4, 5),
                textcoords="offset points",
                ha="right",
                color=COLOURS["bad"],
            )
        legend(axes)
        parts = []
        if name != "speed-factor":
            parts = [f"{label}: {_read(points)}" for label, points in curves]
        full = f"{title}, cumulative"
        svg = to_svg(canvas, f"distribution-{name}", full, ". ".join(parts))
    return Plot(f"distribution-{name}", full, "", svg)


def _limits(bench: Bench, name: str) -> list[tuple[float, str]]:
    found = {
        (one.limit_s, one_line(one.text, 40))
        for stage in bench.measured
        for one in stage.slo
        if one.metric == name and one.limit_s is not None
    }
    return sorted(found)


def _read(points: Points) -> str:
    """Return what a cumulative curve says at some shares, in words."""
    told = []
    for part in (0.5, 0.95, 0.99):
        value = next((value for value, reached in points if reached >= part), None)
        if value is not None:
            told.append(f"{100 * part:g} % within {seconds(value)}")
    return ", ".join(told)


def _ratio(value: float) -> str:
    return f"{value:,.6g}x"


def _nines(part: float) -> float:
    """Return where a share stands on an axis that spreads both ends: 10 %, 50 %, 90 %, 99 %."""
    part = min(max(part, 1e-7), 1 - 1e-7)
    return log10(part / (1 - part))


def _chosen(bench: Bench) -> list[Stage]:
    """Return the stages whose distributions are drawn: all, or some from low to high load."""
    opened = [stage for stage in bench.valid if stage.kind == "open"]
    shown = opened or bench.valid  # closed loops of a search only find its range
    stages = sorted(shown, key=lambda stage: (stage.offered_rps or 0, stage.number))
    if len(stages) <= _STAGES_SHOWN:
        return stages
    first = focus(bench)
    step = (len(stages) - 1) / (_STAGES_SHOWN - 1)
    chosen = {round(number * step) for number in range(_STAGES_SHOWN)}
    if first in stages and stages.index(first) not in chosen:
        place = stages.index(first)
        chosen.discard(min(chosen - {0, len(stages) - 1}, key=lambda one: abs(one - place)))
        chosen.add(place)
    return [stages[number] for number in sorted(chosen)]


def _stage_label(stage: Stage) -> str:
    return one_line(stage.name, 20) or str(stage.number)
