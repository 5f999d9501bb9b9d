"""Prometheus' text format → the figures that a load run records."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from soundcheck.load.telemetry.known import CPU, KNOWN, MOST_SERIES, RESIDENT, Known

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class NotMetrics(Exception):
    """A text that is not in the format; the message says what it seems to be."""


@dataclass(slots=True)
class Readings:
    """The figures of one moment by metric and, where it is told of one, GPU; ``gpus`` are names.

    ``left_out`` counts series that were too many.
    """

    values: dict[tuple[str, str | None], float] = field(default_factory=dict)
    gpus: dict[str, str] = field(default_factory=dict)
    left_out: int = 0

    def add(self, name: str, gpu: str | None, value: float, *, largest: bool) -> None:
        """Count a sample to a metric."""
        before = self.values.get((name, gpu))
        if before is None:
            self.values[name, gpu] = value
        else:
            self.values[name, gpu] = max(before, value) if largest else before + value


def read(text: str, patterns: Sequence[re.Pattern[str]] = ()) -> Readings:
    """Return the known metrics in ``text``, and those whose name one of ``patterns`` finds.

    Raises NotMetrics. Only lines that are wanted are parsed: a model server has thousands.
    """
    readings = Readings()
    wanted = _wanted_lines(text, patterns)
    try:
        samples = [sample for line in wanted for sample in _samples(line)]
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise NotMetrics(f"damaged metrics ({str(error)[:80]})") from None
    foreign: set[str] = set()
    for sample in samples:
        if not math.isfinite(sample.value):
            continue  # what has not been measured yet
        known = KNOWN.get(sample.name)
        if known is not None:
            _add_known(readings, sample, known)
            continue
        name = _written(sample)
        if name not in foreign and len(foreign) >= MOST_SERIES:
            readings.left_out += 1
            continue
        foreign.add(name)
        readings.add(name, None, sample.value, largest=True)
    if readings.gpus:
        # The process is then the exporter's own, not the server's.
        for name in (CPU, RESIDENT):
            readings.values.pop((name, None), None)
    return readings


def _wanted_lines(text: str, patterns: Sequence[re.Pattern[str]]) -> list[str]:
    """Return the lines of wanted samples; raises NotMetrics where there is no sample at all."""
    wanted: list[str] = []
    is_wanted: dict[str, bool] = {}
    for line in text.split("\n"):
        found = _NAME.match(line)
        if found is None:
            continue
        name = found[0]
        if name not in is_wanted:
            is_wanted[name] = name in KNOWN or any(one.search(name) for one in patterns)
        if is_wanted[name]:
            wanted.append(line)
    if not is_wanted:
        page = text.lstrip()[:200].lower().startswith(("<!doctype", "<html", "<"))
        raise NotMetrics("a web page in the place of metrics" if page else "no metrics in it")
    return wanted


def _samples(line: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(line + "\n"):
        yield from family.samples


def _add_known(readings: Readings, sample: Sample, known: Known) -> None:
    gpu = None
    if known.gpu:
        labels = sample.labels
        gpu = labels.get("UUID") or f"{labels.get('Hostname', '')}/{labels.get('gpu', '0')}"
        readings.gpus[gpu] = labels.get("modelName", "")
    # Instances of one GPU repeat the figures of the whole.
    largest = known.largest or gpu is not None
    readings.add(sample.name, gpu, sample.value * known.scale, largest=largest)


def _written(sample: Sample) -> str:
    """Return a series as it is written in a query."""
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else sample.name
