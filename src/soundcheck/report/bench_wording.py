"""The sentences and figures that every report of a load run shares, so that all say the same.

Figures have three significant digits and a unit.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor, log10
from typing import Literal

from soundcheck.report.bench import Bench, Capacity, Objective, Stage, Verdict
from soundcheck.report.printable import one_line
from soundcheck.report.wording import duration, plural

TITLES: dict[Verdict, str] = {
    "measured": "Measured",
    "met": "SLO met",
    "missed": "SLO missed",
    "invalid": "INVALID: the client was the limit",
    "incomplete": "No verdict: the run did not come to its end",
    "failed": "The deployment failed",
}
OBJECTIVES = {"met": "met", "missed": "missed", "undecided": "undecided", None: "no verdict"}
DEFINITIONS: dict[str, tuple[str, str]] = {
    "latency": (
        "Latency",
        "From the time at which a request was intended to begin to the last byte of its answer, "
        "of answers that succeeded. Waiting in the client's pool counts: a slow server cannot "
        "slow the schedule down.",
    ),
    "service": (
        "Service time",
        "From when one of the client's users took the request to the last byte of the answer: "
        "latency without the wait for a free user.",
    ),
    "ttfd": (
        "TTFD",
        "Time to first delta: from the intended begin to the first stream event that has text. "
        "From upload: from the last byte of the upload instead.",
    ),
    "gap": (
        "Gap",
        "Time between deltas that came in different reads; those of one read are counted as "
        "coalesced and left out.",
    ),
    "realtime-lag": (
        "Real-time lag",
        "How long after a listener, who began at the end of the upload, would have heard all of "
        "the audio the last delta came; 0 where the text was there earlier.",
    ),
    "speed-factor": (
        "Speed factor",
        "Audio seconds of a request divided by its service time: what one caller sees. Not RTFx.",
    ),
    "rtfx": (
        "RTFx at load",
        "Audio seconds of the successes that completed within the window, divided by the window: "
        "the throughput of the whole deployment.",
    ),
    "offered": (
        "Offered, achieved",
        "Arrivals per second that the schedule intended within the window, and successes per "
        "second that completed within it.",
    ),
    "failed": (
        "Failed",
        "Arrivals of the window without a right answer: errors, timeouts, wrong texts and "
        "requests that were never sent.",
    ),
    "slo": (
        "SLO",
        "The share of all arrivals of the window that kept a limit, failures counting as misses, "
        "with its 95 % Wilson interval. That share decides; with so few arrivals that not even "
        "all of them could show it, the limit is undecided.",
    ),
    "invalid": (
        "INVALID",
        "The client, not the deployment, was the limit: its figures are no verdict on anything.",
    ),
    "lag": (
        "Lags of the client",
        "Schedule: how late an arrival was handed out. Loop: how late a 10 ms ticker fired. "
        "Dispatch: how long an arrival waited for a free user. User after kernel: how long bytes "
        "lay in the kernel before they were read.",
    ),
}
"""The metrics in short, by their anchors; in full in docs/reference/bench.md."""

_MS, _S, _MINUTES = 0.9995e-3, 0.9995, 300
_DIGITS = 3
_LONG = re.compile(r"\d+\.\d{3,}")
_ALL = 1 - 1e-9  # what differs from 1 by arithmetic alone
_RATE = re.compile(r"^(?:constant|poisson|gamma):([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of evidence on whether the figures can be believed."""

    kind: Literal["good", "bad", "note"]
    title: str
    text: str


def figure(number: float) -> str:
    """Return a number with three significant digits: ``"0.120"``, ``"19.9"``, ``"2,400"``."""
    if number == 0:
        return "0"
    rounded = float(f"{number:.{_DIGITS - 1}e}")
    decimals = max(0, _DIGITS - 1 - floor(log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def seconds(amount: float | None) -> str:
    """Return a time in the unit that reads best, ``""`` for none."""
    if amount is None:
        return ""
    if amount == 0:
        return "0 s"
    if abs(amount) < _MS:
        return f"{figure(amount * 1e6)} µs"
    if abs(amount) < _S:
        return f"{figure(amount * 1e3)} ms"
    return f"{figure(amount)} s" if amount < _MINUTES else duration(amount)


def milliseconds(amount: float | None) -> str:
    """Return a time given in milliseconds, ``""`` for none."""
    return "" if amount is None else seconds(amount / 1e3)


def microseconds(amount: float | None) -> str:
    """Return a time given in microseconds, ``""`` for none."""
    return "" if amount is None else seconds(amount / 1e6)


def rate(per_second: float | None) -> str:
    """Return a rate of requests, ``""`` for none."""
    return "" if per_second is None else f"{figure(per_second)}/s"


def share(part: float | None) -> str:
    """Return a share of one in percent, ``""`` for none; nearly all is never written as all."""
    if part is None:
        return ""
    percent = 100 * part if part < _ALL else 100
    if 99 <= percent < 100:
        return f"{floor(percent * 100) / 100:g} %"
    return f"{figure(percent)} %" if percent not in (0, 100) else f"{percent:.0f} %"


def count(number: float | None) -> str:
    """Return a count, ``""`` for none."""
    return "" if number is None else f"{number:,.0f}"


def short(arrivals: str, limit: int = 60) -> str:
    """Return a model of arrivals on one line, its numbers with four digits at most."""
    return one_line(_LONG.sub(lambda match: f"{float(match[0]):.4g}", arrivals), limit)


def bytes_(number: float) -> str:
    """Return a size in decimal units, as rates of transfer have them."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(number) >= factor:
            return f"{figure(number / factor)} {unit}"
    return f"{number:.0f} B"


def title(bench: Bench) -> str:
    """Return the headline: the verdict, or the finding where there was nothing to be judged."""
    if bench.verdict == "failed":
        return _failure(bench)
    if bench.verdict == "incomplete" and _is_whole(bench):
        return "No verdict: too few requests to tell"
    if bench.verdict not in ("measured", "met"):
        return TITLES[bench.verdict]
    found = bench.capacity
    if found and found.passed_rps is not None and found.failed_rps is not None:
        return f"Capacity {figure(found.passed_rps)} to {figure(found.failed_rps)} requests/s"
    only = bench.valid[0] if len(bench.valid) == 1 else None
    if (
        bench.verdict == "measured"
        and found is None
        and only
        and only.latency_s
        and only.latency_s.p95 is not None
    ):
        load = only.offered_rps
        at = f" at {figure(load)} requests/s" if load is not None and only.kind == "open" else ""
        if only.scheduled_rps is not None:
            at += f" (its schedule had {rate(only.scheduled_rps)})"
        return f"p95 {seconds(only.latency_s.p95)}{at}"
    return TITLES[bench.verdict]


def sentence(bench: Bench) -> str:
    """Return what was found in one or two sentences that claim no more than was measured."""
    if bench.verdict == "failed" and not _succeeded(bench):
        return f"Nothing could be measured. {_most_frequent(bench.stages)}".strip()
    results, valid = bench.measured, bench.valid
    if bench.verdict == "invalid" and not valid:
        return (
            f"{_windows(len(results), len(results))} held back by the client itself, so nothing "
            "here is a verdict on the deployment."
        )
    told = [_capacity(bench)] if bench.capacity else []
    if not bench.capacity and valid:
        told.append(_stage(valid[0]) if len(valid) == 1 else _stages(bench))
    if not valid and not told:
        cut = _until_cut(bench)
        return f"No window was measured to its end.{cut and f' {cut}'}"
    if bench.verdict == "invalid":
        told.append(f"{_windows(len(results) - len(valid), len(results))} INVALID.")
    elif bench.verdict == "incomplete" and not _is_whole(bench):
        told.append("What was measured until then is below.")
    return " ".join(told)


def _failure(bench: Bench) -> str:
    """Return how the deployment failed, in a headline."""
    if not _succeeded(bench):
        return "No request succeeded"
    verified = sum(stage.counts.verified for stage in bench.measured)
    wrong = sum(
        one.count for stage in bench.measured for one in stage.errors if one.cause == "wrong-text"
    )
    if verified and wrong == verified:
        return f"All answers that were compared are wrong ({wrong} of {verified})"
    return TITLES["failed"]


def _succeeded(bench: Bench) -> int:
    return sum(stage.counts.succeeded for stage in bench.measured or bench.stages)


def _is_whole(bench: Bench) -> bool:
    """Tell whether a run without a verdict came to its end all the same."""
    return bool(bench.valid) and all(stage.valid for stage in bench.measured)


def _until_cut(bench: Bench) -> str:
    """Return what the one window showed that was cut off: how long it would have been is gone."""
    cut = [stage for stage in bench.measured if stage.cut_off]
    if len(cut) != 1 or cut[0].latency_s is None or cut[0].latency_s.p50 is None:
        return ""
    told = _stage(replace(cut[0], rtfx=None))
    return f"Until it was cut off: {told[0].lower()}{told[1:]}"


def notes(bench: Bench) -> tuple[str, ...]:
    """Return what went wrong on the way, with the server's metrics too."""
    return (*bench.problems, *(bench.server.notes if bench.server else ()))


def objective(one: Objective) -> str:
    """Return how a limit of the SLO was kept: share, interval and verdict."""
    verdict = OBJECTIVES[one.verdict]
    if one.kept is None or one.verdict is None:
        return verdict
    low_high = f" ({share(one.interval[0])} to {share(one.interval[1])})" if one.interval else ""
    return f"{verdict}, kept by {share(one.kept)}{low_high}, {100 * one.share:g} % asked for"


def failed_share(stage: Stage) -> float | None:
    """Return the share of a window's arrivals that failed, ``None`` without arrivals."""
    if not stage.counts.intended:
        return None
    return 1 - stage.counts.succeeded / stage.counts.intended


def focus(bench: Bench) -> Stage | None:
    """Return the stage whose details are shown first.

    That is the highest load that passed the search, or else the last valid window, or the last.
    """
    results = bench.measured
    passed = bench.capacity.passed_rps if bench.capacity else None
    if passed is not None and bench.valid:
        return min(bench.valid, key=lambda stage: abs(_nominal(stage) - passed))
    return (bench.valid or results or (None,))[-1]


def knee(bench: Bench) -> float | None:
    """Return the highest offered rate that was answered as fast as it came, in an open loop.

    ``None`` where no higher rate fell behind, or a lower one did as well: that is no knee.
    """
    levels = sorted(
        (stage.offered_rps, stage.kept_up)
        for stage in bench.valid
        if stage.offered_rps is not None and stage.kept_up is not None
    )
    kept = [load for load, kept_up in levels if kept_up]
    behind = [load for load, kept_up in levels if not kept_up]
    return kept[-1] if kept and behind and kept[-1] < behind[0] else None


def causes(stages: Iterable[Stage]) -> list[tuple[str, int, str]]:
    """Return cause, number and an example of all errors of ``stages``, the most frequent first."""
    found: dict[str, tuple[int, str]] = {}
    for stage in stages:
        for one in stage.errors:
            number, example = found.get(one.cause, (0, ""))
            found[one.cause] = (number + one.count, example or one.example)
    ordered = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    return [(cause, number, example) for cause, (number, example) in ordered]


def _nominal(stage: Stage) -> float:
    """Return the rate that a stage was to have; chance may have offered another in its window."""
    match = _RATE.search(stage.arrivals)
    return float(match[1]) if match else stage.offered_rps or 0.0


def _windows(some: int, total: int) -> str:
    if some == total:
        return "The window was" if total == 1 else f"All {total} windows were"
    return f"{some} of {plural(total, 'window')} {'was' if some == 1 else 'were'}"


def _most_frequent(stages: Iterable[Stage]) -> str:
    found = causes(stages)
    if not found:
        return ""
    cause, _, example = found[0]
    told = f": {one_line(example, 160).rstrip('.')}" if example else ""
    return f"The most frequent cause is {one_line(cause, 60)}{told}."


def _stage(stage: Stage) -> str:
    """Return what one window showed."""
    parts = []
    if stage.kind == "closed":
        parts.append(f"With a closed loop ({short(stage.arrivals)})")
    elif stage.offered_rps is not None:
        parts.append(f"At {figure(stage.offered_rps)} requests per second")
        if stage.scheduled_rps is not None:
            parts.append(
                f"(the schedule of this seed had {rate(stage.scheduled_rps)} in the window)"
            )
    summary = stage.latency_s
    if summary is not None and summary.p50 is not None:
        upper = next(
            (
                f", {percent} % within {seconds(value)}"
                for percent, value in (("99", summary.p99), ("95", summary.p95))
                if value is not None
            ),
            "",
        )
        parts.append(f"half of the answers came within {seconds(summary.p50)}{upper}")
    told = (" ".join(parts) if len(parts) != 1 else parts[0]) or "The window was measured"
    if stage.rtfx is not None:
        told += f"; {figure(stage.rtfx)} seconds of audio were transcribed per second"
    if stage.kept_up is False:
        told += "; answers came more slowly than requests, which piled up"
    part = failed_share(stage)
    told += "." if not part else f". {share(part)} of the requests failed."
    if stage.ttfd_s is not None and stage.ttfd_s.p50 is not None:
        told += f" The first text came after {seconds(stage.ttfd_s.p50)} (median)."
    return told


def _stages(bench: Bench) -> str:
    """Return what several windows showed."""
    stages = bench.valid
    rates = [stage.offered_rps for stage in stages if stage.offered_rps is not None]
    tops = [
        (stage.offered_rps or 0, stage.latency_s.p95)
        for stage in stages
        if stage.latency_s and stage.latency_s.p95 is not None
    ]
    rtfx = [stage.rtfx for stage in stages if stage.rtfx is not None]
    same = len({figure(number) for number in rates}) == 1
    told = f"{plural(len(stages), 'window')}"
    if rates and same:
        told += f" at {figure(rates[0])} requests per second"
    elif rates:
        told += f" from {figure(min(rates))} to {figure(max(rates))} requests per second"
    if tops and not same:
        low, high = min(tops)[1], max(tops)[1]
        told += f": p95 of the latency went from {seconds(low)} to {seconds(high)}"
    elif tops:
        values = [value for _, value in tops]
        told += f": p95 of the latency between {seconds(min(values))} and {seconds(max(values))}"
    found = knee(bench)
    if found is not None:
        told += f", and above {figure(found)} requests per second not all was answered in time"
    if rtfx:
        told += f"; at most {figure(max(rtfx))} seconds of audio were transcribed per second"
    return f"{told}."


def _capacity(bench: Bench) -> str:
    """Return what a search found."""
    found = bench.capacity
    assert found is not None  # noqa: S101  # its caller has looked
    slo = one_line(found.slo or "the SLO", 120)
    audio = f", {figure(found.rtfx)} seconds of audio per second" if found.rtfx is not None else ""
    if found.passed_rps is not None and found.failed_rps is not None:
        told = (
            f"The highest load that keeps {slo} lies between {figure(found.passed_rps)} and "
            f"{figure(found.failed_rps)} requests per second{audio}."
        )
    elif found.passed_rps is not None:
        told = (
            f"{figure(found.passed_rps)} requests per second keep {slo}{audio}; no load that "
            "fails it was found."
        )
    elif found.failed_rps is not None:
        told = f"Not even {figure(found.failed_rps)} requests per second keep {slo}."
    else:
        told = f"No load was found that keeps or fails {slo}."
    note = one_line(found.note, 300)
    if note:
        note = note[0].upper() + note[1:] + ("" if note.endswith(".") else ".")
    return " ".join(filter(None, (told, note, _remeasured(found))))


def _remeasured(found: Capacity) -> str:
    """Return how often the ends of the bracket kept the SLO when they were measured again.

    The place of the capacity follows from all windows; a single one at either end may differ.
    """
    ends: dict[float, list[bool]] = {}
    for load, kept in found.remeasured:
        ends.setdefault(load, []).append(kept)
    told = [
        f"{figure(load)}/s kept it in {sum(kept)} of {plural(len(kept), 'window')}"
        for load, kept in sorted(ends.items())
    ]
    return f"Measured again, {' and '.join(told)}." if told else ""
