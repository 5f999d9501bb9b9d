"""What the server's own figures say of a window, and of a run: RTFx per GPU, energy and cost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from soundcheck.load.telemetry import known
from soundcheck.load.telemetry.known import KNOWN, about
from soundcheck.load.telemetry.records import NVML, Records
from soundcheck.load.telemetry.series import (
    Point,
    increase,
    integral,
    largest,
    mean,
    quotients,
    rates,
    renewals,
    thinned,
)

MOST_POINTS = 2000
_HOUR = 3600.0

Window = tuple[float, float, float]
"""Begin and end in seconds after the run's begin, and the seconds of audio transcribed in it."""

_Measure = Callable[[Sequence[Point], float, float], float | None]


def of_stage(records: Records, begin_s: float, end_s: float) -> dict[str, float | None]:
    """Return the figures of one window; None for what was not told, or not often enough."""

    def figure(measure: _Measure, *names: str) -> float | None:
        return measure(records.figure(*names), begin_s, end_s)

    def rate(name: str) -> float | None:
        grown = figure(increase, name)
        return None if grown is None else grown / (end_s - begin_s)

    def of_gpus(what: str, measure: _Measure) -> list[float]:
        return _each(records, what, lambda points: measure(points, begin_s, end_s))

    utilisation = of_gpus(known.UTILISATION, mean)
    energy = energy_j(records, begin_s, end_s)
    seconds, timed = figure(increase, known.LATENCY_SUM), figure(increase, known.LATENCY_COUNT)
    return {
        "requests_running_mean": figure(mean, known.RUNNING),
        "requests_running_max": figure(largest, known.RUNNING),
        "requests_waiting_mean": figure(mean, known.WAITING),
        "requests_waiting_max": figure(largest, known.WAITING),
        "kv_cache_max": largest(records.highest(*known.CACHE), begin_s, end_s),
        "requests_finished_rate": rate(known.FINISHED),
        "request_seconds_mean": seconds / timed if seconds is not None and timed else None,
        "preemptions_total": figure(increase, known.PREEMPTIONS),
        "prompt_tokens_rate": rate(known.PROMPT_TOKENS),
        "generated_tokens_rate": rate(known.GENERATED_TOKENS),
        "cpu_cores_mean": rate(known.CPU),
        "memory_bytes_max": figure(largest, known.RESIDENT),
        "gpu_utilisation_mean": sum(utilisation) / len(utilisation) if utilisation else None,
        "gpu_memory_bytes_max": _sum(of_gpus(known.MEMORY, largest)),
        "gpu_temperature_max": max(of_gpus(known.TEMPERATURE, largest), default=None),
        "power_w_mean": energy / (end_s - begin_s) if energy is not None else None,
        "energy_j_total": energy,
    }


def energy_j(records: Records, begin_s: float, end_s: float) -> float | None:
    """Return the joules that all GPUs took in a window: by their counters, else by their power.

    None where one of the GPUs told neither.
    """
    counters, power = records.of_gpus(known.ENERGY), records.of_gpus(known.POWER)
    joules = 0.0
    for gpu in records.gpus:
        # Energy is never standing still: what is repeated was not looked at again.
        taken = increase(renewals(counters.get(gpu, ())), begin_s, end_s)
        if taken is None:
            taken = integral(power.get(gpu, ()), begin_s, end_s)
        if taken is None:
            return None
        joules += taken
    return joules if records.gpus else None


@dataclass(frozen=True, slots=True)
class Worth:
    """What a run's windows were worth; each None where it is not known."""

    rtfx_per_gpu: float | None
    joules_per_audio_hour: float | None
    cost_per_audio_hour: float | None


def worth(
    records: Records, windows: Sequence[Window], gpus: int | None, price: float | None
) -> Worth:
    """Return RTFx, energy and cost by audio seconds of the windows.

    RTFx per GPU is audio seconds over GPU seconds. Energy counts the windows alone, and all GPUs
    seen. ``price`` is that of a GPU for an hour: an hour of audio takes 1 / RTFx hours of each.
    """
    audio = sum(audio for _, _, audio in windows)
    seconds = sum(end - begin for begin, end, _ in windows)
    if not audio or not seconds:
        return Worth(None, None, None)
    energy = [energy_j(records, begin, end) for begin, end, _ in windows]
    joules = [one for one in energy if one is not None]
    return Worth(
        audio / seconds / gpus if gpus else None,
        sum(joules) / audio * _HOUR if len(joules) == len(windows) else None,
        price * gpus * seconds / audio if price is not None and gpus else None,
    )


def plotted(records: Records) -> list[dict[str, Any]]:
    """Return all series for the report: gauges as they were told, counters as rates.

    The time of requests, which is told as a sum and a count, is shown as its mean.
    """
    places = sorted({str(place) for place, _, _ in records.series if place != NVML})
    order = {gpu: number for number, gpu in enumerate(records.gpus)}
    ranks = {name: rank for rank, name in enumerate(KNOWN)}
    shown = []
    for place, name, gpu in sorted(
        records.series, key=lambda key: (ranks.get(key[1], len(ranks)), key[1], str(key))
    ):
        points = records.series[place, name, gpu]
        if gpu is not None and gpu not in order:
            continue  # told by NVML, too, and counted once
        if gpu is not None and (place == NVML) is records.has_exporter:
            continue
        meant = about(name)
        values = rates(points) if meant.kind == "counter" else points
        if name == known.LATENCY_COUNT:
            continue
        if name == known.LATENCY_SUM:
            counts = records.series.get((place, known.LATENCY_COUNT, None), ())
            name, values = name.removesuffix("_sum"), quotients(points, counts)
        label = meant.label
        if len(places) > 1 and place != NVML:
            label += f" ({int(place) + 1})"
        if values:
            shown.append(
                {
                    "name": name,
                    "label": label,
                    "unit": meant.unit,
                    "source": NVML if place == NVML else "prometheus",
                    "gpu": None if gpu is None else order[gpu],
                    "points": [
                        [round(at, 3), float(f"{value:.6g}")]
                        for at, value in thinned(values, MOST_POINTS)
                    ],
                }
            )
    return shown


def idle_gpus(records: Records) -> int:
    """Return how many GPUs did nothing as long as they were looked at."""
    return sum(
        all(value == 0 for _, value in points)
        for points in records.of_gpus(known.UTILISATION).values()
    )


def renewal_s(records: Records) -> float | None:
    """Return the seconds between new figures of the GPUs; None where that was not seen twice."""
    moving = records.of_gpus(known.ENERGY) or records.of_gpus(known.POWER)
    gaps = [b[0] - a[0] for points in moving.values() for a, b in pairwise(renewals(points))]
    return median(gaps) if gaps else None


def _each(
    records: Records, what: str, measure: Callable[[Sequence[Point]], float | None]
) -> list[float]:
    figures = (measure(points) for points in records.of_gpus(what).values())
    return [one for one in figures if one is not None]


def _sum(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) if found else None
