"""The tables of a load run as rows of text, for the reports that print them.

A column that no row has a value for is left out; ``""`` is a value that was not measured.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from soundcheck.report.bench import Bench, Slice, Stage, Summary
from soundcheck.report.bench_wording import (
    OBJECTIVES,
    bytes_,
    count,
    failed_share,
    figure,
    rate,
    seconds,
    share,
)
from soundcheck.report.printable import one_line

TOO_FEW = "too few"
_METRICS = (
    ("latency_s", "Latency", "latency"),
    ("service_s", "Service time", "service"),
    ("ttfd_s", "TTFD", "ttfd"),
    ("ttfd_from_upload_s", "TTFD from upload", "ttfd"),
    ("gap_s", "Gap between deltas", "gap"),
    ("realtime_lag_s", "Real-time lag", "realtime-lag"),
    ("speed_factor", "Speed factor", "speed-factor"),
)
_QUANTILES = ("min", "p50", "p90", "p95", "p99", "p999", "max")
_HEADINGS = {"p999": "p99.9"}
_KINDS = {"max": "most", "mean": "mean", "min": "least", "rate": "per second", "total": "total"}
_SERVER_UNITS: dict[str, Callable[[float], str]] = {
    "bytes": bytes_,
    "seconds": seconds,
    "j": lambda value: f"{figure(value)} J",
    "w": lambda value: f"{figure(value)} W",
    "s": seconds,
}
_SHARES = ("utilisation", "cache", "share")


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows of equal length.

    ``anchors`` name the definitions of the columns, or of the rows where these are metrics.
    ``invalid`` has the numbers of the rows of INVALID windows.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    anchors: tuple[str, ...] = ()
    invalid: frozenset[int] = frozenset()

    def without_empty(self) -> "Table":
        """Return the table without columns that have no value in any row."""
        return self._with(
            place
            for place in range(len(self.headings))
            if any(row[place] not in ("", TOO_FEW) for row in self.rows)
        )

    def only(self, headings: Sequence[str]) -> "Table":
        """Return the table with those of its columns that are called so."""
        return self._with(
            place for place, heading in enumerate(self.headings) if heading in headings
        )

    def _with(self, places: Iterable[int]) -> "Table":
        kept = list(places)
        return replace(
            self,
            headings=tuple(self.headings[place] for place in kept),
            rows=tuple(tuple(row[place] for place in kept) for row in self.rows),
            anchors=tuple(self.anchors[place] for place in kept) if self.anchors else (),
        )


def _offered(stage: Stage) -> str:
    """Return the rate asked for, and in brackets that of the schedule where it was another."""
    asked, had = rate(stage.offered_rps), rate(stage.scheduled_rps)
    return f"{asked} ({had})" if had else asked


def stage_table(stages: Sequence[Stage]) -> Table:
    """Return a row for each stage: its load, throughput, percentiles, errors and verdicts."""
    columns = (
        *(("Stage", ""), ("Load", ""), ("Offered", "offered"), ("Answered", "offered")),
        *(("RTFx at load", "rtfx"), ("Latency p50", "latency"), ("p95", "latency")),
        *(("p99", "latency"), ("max", "latency"), ("TTFD p50", "ttfd"), ("TTFD p95", "ttfd")),
        *(("Gap p99", "gap"), ("Failed", "failed"), ("SLO", "slo"), ("Window", "invalid")),
    )
    rows = []
    for stage in stages:
        latency, ttfd, gap = (
            (one if stage.valid or stage.cut_off else None)
            for one in (stage.latency_s, stage.ttfd_s, stage.gap_s)
        )
        part = failed_share(stage)
        rows.append(
            (
                str(stage.number),
                one_line(stage.name, 40),
                _offered(stage),
                rate(stage.achieved_rps),
                "" if stage.rtfx is None else figure(stage.rtfx),
                *(_cell(latency, name) for name in ("p50", "p95", "p99", "max")),
                *(_cell(ttfd, name) for name in ("p50", "p95")),
                _cell(gap, "p99"),
                "" if part is None else share(part),
                ", ".join(dict.fromkeys(OBJECTIVES[one.verdict] for one in stage.slo)),
                ("valid" if stage.valid else "cut off" if stage.cut_off else "INVALID")
                + (", 2nd try" if stage.repeated else ""),
            )
        )
    invalid = frozenset(number for number, stage in enumerate(stages) if not stage.valid)
    headings, anchors = zip(*columns, strict=True)
    table = Table(headings, tuple(rows), anchors, invalid).without_empty()
    if len(stages) > 1:
        return table
    return Table(
        table.headings[1:], tuple(row[1:] for row in table.rows), table.anchors[1:], invalid
    )


def metric_table(stage: Stage) -> Table | None:
    """Return a row for each metric of a window, or ``None`` where it is INVALID or has none."""
    rows = []
    for name, title, _ in _METRICS:
        summary: Summary | None = getattr(stage, name)
        if summary is not None and summary.count and (stage.valid or stage.cut_off):
            show = _times if name == "speed_factor" else seconds
            cells = []
            for quantile in _QUANTILES:
                value = getattr(summary, quantile)
                cells.append(TOO_FEW if value is None else show(value))
            rows.append((title, count(summary.count), *cells, show(summary.mean)))
    if not rows:
        return None
    headings = ("", "Values", *(_HEADINGS.get(name, name) for name in _QUANTILES), "mean")
    anchors = {title: anchor for _, title, anchor in _METRICS}
    return Table(headings, tuple(rows), tuple(anchors[row[0]] for row in rows))


def slice_tables(stage: Stage) -> list[tuple[str, Table]]:
    """Return the tables of a window by format, duration and language, those of two rows or more.

    An INVALID window has none.
    """
    if not stage.valid:
        return []
    found = []
    for title, slices in (
        ("By audio format", stage.by.format),
        ("By audio duration", stage.by.duration),
        ("By language", stage.by.language),
    ):
        if len(slices) > 1:
            found.append((title, _slice_table(slices)))
    return found


def server_table(stages: Sequence[Stage]) -> Table | None:
    """Return what was measured of the server in each window, a column for each window."""
    names = list(dict.fromkeys(name for stage in stages for name in stage.server or {}))
    rows = []
    for name in names:
        title, show = _server_figure(name)
        cells = []
        for stage in stages:
            value = (stage.server or {}).get(name)
            cells.append("" if value is None else show(value))
        if any(cells):
            rows.append((title, *cells))
    if not rows:
        return None
    headings = ("", *(one_line(stage.name, 40) for stage in stages))
    return Table(headings, tuple(rows)).without_empty() if any(headings) else None


def server_totals(bench: Bench) -> list[tuple[str, str]]:
    """Return the figures of the whole run that concern the server's GPUs, as names and values."""
    server = bench.server
    if server is None:
        return []
    per_hour = server.cost_per_audio_hour
    price = server.gpu_price_per_hour
    totals = [
        ("GPUs", _gpus(server.gpus, server.gpu_names)),
        ("RTFx per GPU", "" if server.rtfx_per_gpu is None else figure(server.rtfx_per_gpu)),
        (
            "Energy per audio hour",
            ""
            if server.joules_per_audio_hour is None
            else f"{figure(server.joules_per_audio_hour / 1e3)} kJ",
        ),
        ("Cost per audio hour", "" if per_hour is None else figure(per_hour)),
        ("Price of a GPU hour", "" if price is None else f"{price:g} (as it was given)"),
    ]
    return [(name, value) for name, value in totals if value]


def _server_figure(name: str) -> tuple[str, Callable[[float], str]]:
    """Return what a figure such as ``power_w_mean`` is called, and how its value is shown."""
    words = name.split("_")
    kind = _KINDS.get(words[-1], "")
    words = words[:-1] if kind else words
    show: Callable[[float], str] = figure
    if words[-1] in _SERVER_UNITS:
        show = _SERVER_UNITS[words.pop()]
    elif words[-1] in _SHARES:
        show = share
    elif words[-1] == "temperature":
        show = _celsius
    if words == ["request"]:
        words = ["time", "of", "a", "request"]
    title = " ".join(words).replace("kv", "KV").replace("gpu", "GPU").replace("cpu", "processor")
    return f"{title[:1].upper()}{title[1:]}{f', {kind}' if kind else ''}", show


def _celsius(value: float) -> str:
    return f"{figure(value)} °C"


def _gpus(number: int | None, names: Sequence[str]) -> str:
    kinds = ", ".join(dict.fromkeys(one_line(name, 60) for name in names))
    if number is None:
        return kinds
    return f"{number} ({kinds})" if kinds else str(number)


def _slice_table(slices: Sequence[Slice]) -> Table:
    rows = tuple(
        (
            one_line(one.key, 60),
            count(one.count),
            *(
                TOO_FEW if value is None else seconds(value)
                for value in (one.p50_s, one.p95_s, one.p99_s)
            ),
            "" if one.rtfx is None else figure(one.rtfx),
            share(one.failed / one.count) if one.count else "",
        )
        for one in slices
    )
    headings = ("", "Requests", "Latency p50", "p95", "p99", "RTFx at load", "Failed")
    return Table(headings, rows).without_empty()


def _cell(summary: Summary | None, name: str) -> str:
    if summary is None or not summary.count:
        return ""
    value = getattr(summary, name)
    return TOO_FEW if value is None else seconds(value)


def _times(value: float | None) -> str:
    return "" if value is None else f"{figure(value)}x"
