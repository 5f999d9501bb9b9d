"""Is a load run slower than an earlier one? Each metric as a ratio with its 95 % interval.

Only like runs are compared, and only what the client did not limit. A metric is worse when its
whole interval lies beyond the tolerance; an interval that does not decide is said to be undecided.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Literal, TypeAlias

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.report.bench import Bench, load_bench
from soundcheck.report.bench_wording import short
from soundcheck.report.bootstrap import (
    FEWEST_BLOCKS,
    RESAMPLES,
    Estimate,
    draws,
    quantile_ratios,
    share_difference,
    sum_ratio,
)
from soundcheck.report.compare_samples import (
    Load,
    Pooled,
    are_paired,
    failures,
    loads_of,
    pool,
    throughput,
    times,
)
from soundcheck.report.printable import one_line

SCHEMA = "soundcheck/compare/1"
Change: TypeAlias = Literal["worse", "better", "same", "undecided"]
Fact: TypeAlias = tuple[str, Callable[[Bench], str]]

_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_BEYOND = 10  # values beyond a quantile without which it is not compared
_AUTO = "; give both runs the same --rate or --arrivals, and the same --duration"


class NoVerdict(SoundcheckError):
    """Two runs are alike, but nothing in them can be compared."""

    exit_code = ExitCode.NO_VERDICT


@dataclass(frozen=True, slots=True)
class Row:
    """One metric at one load: OLD, NEW, how they compare, and what that means.

    ``kind`` says whether ``value`` is NEW/OLD or, for shares, NEW less OLD. ``unit`` is that of
    ``old`` and ``new``.
    """

    load: str
    metric: str
    kind: Literal["ratio", "difference"]
    unit: str
    old: float
    new: float
    value: float
    interval: tuple[float, float]
    change: Change


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of a run's figures; ``notes`` are sentences that its reader must know."""

    old: dict[str, str]
    new: dict[str, str]
    definitions: int
    tolerance: float
    error_tolerance: float
    seed: int
    verdict: Literal["worse", "undecided", "not worse"]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``--json`` prints."""
        document = {"schema": SCHEMA, "resamples": RESAMPLES, **asdict(self)}
        for row in document["rows"]:
            row["interval"] = list(row["interval"])
        return document | {"rows": list(document["rows"]), "notes": list(self.notes)}


def compare(
    old_folder: Path,
    new_folder: Path,
    *,
    tolerance: float = 0.1,
    error_tolerance: float = 0.005,
    seed: int = 1,
) -> Comparison:
    """Compare the load run in ``new_folder`` with the one in ``old_folder``.

    ``tolerance`` is the share by which times may grow and throughput may shrink,
    ``error_tolerance`` the share of arrivals by which failures may grow.

    Raises:
        SoundcheckError: a folder holds no load run, or the two are not alike.
        NoVerdict: a run is INVALID or did not end, or has too few samples.

    """
    runs = tuple((folder, load_bench(folder)) for folder in (old_folder, new_folder))
    (_, old), (_, new) = runs
    reasons = list(unlike(old, new))
    if reasons:
        raise SoundcheckError("these runs are not alike: " + "; ".join(reasons))
    for folder, bench in runs:
        if bench.verdict in ("invalid", "incomplete", "failed") or not bench.valid:
            raise NoVerdict(f"{folder}: cannot be compared, it is {bench.verdict}")
    loads = [load for load in loads_of(old) if load in loads_of(new)]
    pooled = [
        pool(folder, {load: stages for load, stages in loads_of(bench).items() if load in loads})
        for folder, bench in runs
    ]
    rows, notes = [], list(_notes(old, new))
    for load in loads:
        name = _name(load)
        pair = [one.get(load) for one in pooled]
        if pair[0] is None or pair[1] is None:
            notes.append(f"{name}: one run has no valid window, so it is not compared")
        elif any(stage.kept_up is False for stage in loads_of(old)[load]):
            # The latency of a queue that grows has no level.
            notes.append(f"{name}: OLD did not keep up with this load, so it is not compared")
        elif min(pair[0].number, pair[1].number) < FEWEST_BLOCKS:
            notes.append(f"{name}: the windows are shorter than {FEWEST_BLOCKS} s")
        else:
            rows += _rows(name, pair[0], pair[1], tolerance, error_tolerance, seed)
    rows += _capacity(old, new, tolerance)
    if not rows:
        raise NoVerdict(f"there is too little to compare{''.join(f'; {note}' for note in notes)}")
    changes = {row.change for row in rows}
    return Comparison(
        old=_about(old_folder, old),
        new=_about(new_folder, new),
        definitions=old.definitions,
        tolerance=tolerance,
        error_tolerance=error_tolerance,
        seed=seed,
        verdict="worse"
        if "worse" in changes
        else "undecided"
        if "undecided" in changes
        else "not worse",
        rows=tuple(rows),
        notes=tuple(notes),
    )


def unlike(old: Bench, new: Bench) -> Iterable[str]:
    """Yield why two runs cannot be compared: what was asked of the deployments differs."""
    facts: tuple[Fact, ...] = (
        ("the definitions of the metrics", lambda one: f"version {one.definitions}"),
        ("the scenario", lambda one: one.scenario),
        ("what was sent (the clip manifest)", lambda one: one.clips.sha256[:16]),
        ("the client's transport", lambda one: one.target.transport),
        ("the share of streams", lambda one: f"{one.options.stream:g}"),
        ("the verification", lambda one: f"{one.options.verify}, {one.options.verify_share:g}"),
        (
            "the reference's recognizer",
            lambda one: one.reference.recognizer if one.reference else "none",
        ),
    )
    for what, get in facts:
        first, second = one_line(get(old), 80), one_line(get(new), 80)
        if first != second:
            yield f"{what}: {first} and {second}"
    if bool(old.capacity) != bool(new.capacity):
        yield "only one is a search for the capacity"
    elif old.capacity is None:
        if list(loads_of(old)) != list(loads_of(new)):
            first, second = _shown(old), _shown(new)
            yield f"the offered load: {one_line(first, 160)} and {one_line(second, 160)}{_AUTO}"
    elif new.capacity is not None and old.capacity.slo != new.capacity.slo:
        yield f"the SLO of the search: {old.capacity.slo} and {new.capacity.slo}"


def _shown(bench: Bench) -> str:
    return ", ".join(f"{load[0]} {_name(load)} for {load[2]:g} s" for load in loads_of(bench))


def _name(load: Load) -> str:
    return short(load[1])


def _about(folder: Path, bench: Bench) -> dict[str, str]:
    return {
        "folder": str(folder),
        "started": bench.started,
        "base_url": bench.target.base_url,
        "model": bench.target.model,
        "version": bench.tool.version,
    }


def _notes(old: Bench, new: Bench) -> Iterable[str]:
    """Yield differences that do not forbid a comparison, but that a reader must know."""
    facts: tuple[Fact, ...] = (
        ("model", lambda one: one.target.model),
        ("base URL", lambda one: one.target.base_url),
        ("seed", lambda one: str(one.options.seed)),
        ("users", lambda one: str(one.options.users)),
        ("processes", lambda one: str(one.options.processes)),
        ("version of Soundcheck", lambda one: one.tool.version),
        (
            "service model of the reference",
            lambda one: (one.reference.latency or "") if one.reference else "",
        ),
    )
    for what, get in facts:
        first, second = one_line(get(old), 80), one_line(get(new), 80)
        if first != second:
            yield f"the {what} differs: OLD {first or 'none'}, NEW {second or 'none'}"


def _rows(
    name: str, old: Pooled, new: Pooled, tolerance: float, errors: float, seed: int
) -> list[Row]:
    """Return what can be compared of one load."""
    rows = []
    paired = are_paired(old, new)
    drawn = draws(old.number, new.number, seed, paired=paired)
    for metric in ("latency_s", "ttfd_s"):
        first, second = times(old, metric), times(new, metric)
        least = min(len(first[0]), len(second[0]))
        shares = {
            label: share for label, share in _SHARES.items() if least * (1 - share) >= _BEYOND
        }
        if shares:
            found = quantile_ratios(first, second, list(shares.values()), drawn)
            title = {"latency_s": "latency", "ttfd_s": "TTFD"}[metric]
            rows += [
                _row(name, f"{title} {label}", "s", one, tolerance)
                for label, one in zip(shares, found, strict=True)
            ]
    audio = sum_ratio(throughput(old), throughput(new), drawn)
    if audio is not None:
        rows.append(_row(name, "RTFx", "", audio, tolerance, more_is_better=True))
    failed = share_difference(failures(old), failures(new), drawn)
    change: Change = "undecided"
    if failed.low > errors:
        change = "worse"
    elif failed.high <= errors:
        change = "better" if failed.high < -errors else "same"
    interval = (failed.low, failed.high)
    figures = (failed.old, failed.new, failed.ratio)
    rows.append(Row(name, "failed", "difference", "share", *figures, interval, change))
    return rows


def _row(
    name: str,
    metric: str,
    unit: str,
    one: Estimate,
    tolerance: float,
    *,
    more_is_better: bool = False,
) -> Row:
    interval = (one.low, one.high)
    change = judge(interval, tolerance, more_is_better=more_is_better)
    return Row(name, metric, "ratio", unit, one.old, one.new, one.ratio, interval, change)


def judge(
    interval: tuple[float, float], tolerance: float, *, more_is_better: bool = False
) -> Change:
    """Return what an interval of NEW/OLD means: a change only where all of it is beyond."""
    low, high = interval
    if more_is_better:
        low, high = 1 / high, 1 / low
    most = 1 + tolerance
    if low > most:
        return "worse"
    if high < 1 / most:
        return "better"
    return "same" if high <= most else "undecided"


def _capacity(old: Bench, new: Bench, tolerance: float) -> list[Row]:
    """Return how the brackets of two searches compare: their extremes are the interval."""
    first, second = old.capacity, new.capacity
    if first is None or second is None:
        return []
    if not (first.passed_rps and first.failed_rps and second.passed_rps and second.failed_rps):
        return []
    interval = (second.passed_rps / first.failed_rps, second.failed_rps / first.passed_rps)
    levels = [sqrt(one.passed_rps * one.failed_rps) for one in (first, second)]  # type: ignore[operator]
    change = judge(interval, tolerance, more_is_better=True)
    ratio = levels[1] / levels[0]
    return [Row("search", "capacity", "ratio", "/s", levels[0], levels[1], ratio, interval, change)]
