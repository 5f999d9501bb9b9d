"""Axes as all plots of a load run have them: sizes in pixels, colours by role, readable marks."""

from collections.abc import Callable
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from soundcheck.report.bench_svg import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 540, 330
BOX = (64, 34, WIDTH - 14, HEIGHT - 44)
LINES = ("a", "b", "c", "d", "e", "f")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), "-", (0, (5, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P")
_WIDE, _FEWEST = 2, 3  # highest over lowest of a wide range; marks of an axis


def styled_axes(canvas: Any, box: tuple[float, float, float, float]) -> "Axes":
    """Return axes in a figure, in pixels from its left and top: left, top, right, bottom."""
    width, height = canvas.get_size_inches() * 72
    left, top, right, bottom = box
    axes: Axes = canvas.add_axes(
        (left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height)
    )
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(COLOURS["quiet"])
    axes.grid(axis="y", color=COLOURS["rule"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelcolor=COLOURS["quiet"], pad=6)
    axes.xaxis.label.set_color(COLOURS["quiet"])
    return axes


def legend(axes: "Axes", *, right: bool = False) -> None:
    """Put the names of the lines above the axes, if there is more than one line."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) < 2:
        return  # the heading says what it is
    axes.legend(
        handles,
        labels,
        loc="lower right" if right else "lower left",
        bbox_to_anchor=(1, 1) if right else (0, 1),
        ncols=6,
        frameon=False,
        labelcolor=COLOURS["quiet"],
        handlelength=2,
        handletextpad=0.4,
        columnspacing=1.1,
        borderpad=0.1,
        borderaxespad=0.3,
    )


def time_axis(
    axes: "Axes",
    which: str,
    low: float,
    high: float,
    *,
    most: int = 7,
    marked: Callable[[float], str] | None = None,
) -> None:
    """Give a logarithmic axis its range, and marks such as 20 ms and 0.5 s or as ``marked`` has."""
    low, high = max(low, 1e-7), max(high, 1e-7)
    margin = 1.25 if high > _WIDE * low else 1.05
    low, high = low / margin, high * margin
    inside = round_marks(low, high, most)
    set_limits, set_ticks = (
        (axes.set_xlim, axes.set_xticks) if which == "x" else (axes.set_ylim, axes.set_yticks)
    )
    set_limits(low, high)
    set_ticks(inside, [(marked or _mark)(mark) for mark in inside])
    set_ticks([], minor=True)


def round_marks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most`` round values in a range: by their digits, or else at equal steps."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        marks = [
            step * 10.0**exponent
            for exponent in range(floor(log10(low)) - 1, ceil(log10(high)) + 1)
            for step in steps
        ]
        inside = [mark for mark in marks if low <= mark <= high]
        if _FEWEST <= len(inside) <= most:
            return inside
        if len(inside) < _FEWEST:
            break
    else:
        return inside[:: ceil(len(inside) / most)]  # many decades: every second or third
    size = 10.0 ** floor(log10(high - low))
    for step in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5):
        first, last = ceil(low / (step * size)), floor(high / (step * size))
        if last - first < most:
            return [number * step * size for number in range(first, last + 1)]
    return [low, high]


def _mark(value: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= 0.9995 * factor or unit == "µs":
            return f"{value / factor:.3g} {unit}" if value < 1e4 else f"{value:,.0f} s"
    raise AssertionError
