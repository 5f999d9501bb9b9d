"""What was read during a run: series by place, metric and GPU, and what could not be read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from soundcheck.load.telemetry.known import KNOWN
from soundcheck.load.telemetry.series import Point, total

NVML = "nvml"


@dataclass(slots=True)
class Place:
    """One URL, or this machine's GPUs: how often it was read, and how often in vain."""

    readings: int = 0
    failures: int = 0
    first_failure: tuple[float, str] = (0.0, "")
    is_empty: bool = True
    left_out: int = 0


@dataclass(slots=True)
class Records:
    """All readings so far; times in seconds after ``origin_ns`` of the monotonic clock."""

    origin_ns: int = 0
    series: dict[tuple[int | str, str, str | None], list[Point]] = field(default_factory=dict)
    places: dict[int | str, Place] = field(default_factory=dict)
    gpu_names: dict[str, str] = field(default_factory=dict)

    def take(self, line: bytes) -> None:
        """Take a line of the sampler's."""
        told: dict[str, Any] = json.loads(line)
        at = (told["at"] - self.origin_ns) / 1e9
        place = self.places.setdefault(told["from"], Place())
        if "failed" in told:
            if not place.failures:
                place.first_failure = at, told["failed"]
            place.failures += 1
            return
        place.readings += 1
        place.is_empty = place.is_empty and not told["values"]
        place.left_out = max(place.left_out, told["left_out"])
        self.gpu_names |= told["gpus"]
        for name, gpu, value in told["values"]:
            points = self.series.setdefault((told["from"], name, gpu), [])
            if not points or at > points[-1][0]:
                points.append((at, value))

    def figure(self, *names: str) -> list[Point]:
        """Return the sum over all places of the first of the metrics ``names`` that is there."""
        for name in names:
            found = self._all(name)
            if found:
                return total(found)
        return []

    def highest(self, *names: str) -> list[Point]:
        """Return the points of all places of the first of ``names`` that is there, by time."""
        for name in names:
            found = self._all(name)
            if found:
                return sorted(point for points in found for point in points)
        return []

    def each(self, name: str) -> list[list[Point]]:
        """Return a metric's points place by place."""
        return self._all(name)

    def of_gpus(self, what: str) -> dict[str, list[Point]]:
        """Return a GPU's figure (``known.POWER``, …) by GPU.

        An exporter's figures go before NVML's: it looks at the deployment's machine for sure.
        """
        found: dict[str, list[Point]] = {}
        for (place, name, gpu), points in self.series.items():
            known = KNOWN.get(name)
            if known is None or known.gpu != what or gpu is None:
                continue
            if (place == NVML) is self.has_exporter:
                continue
            if len(points) > len(found.get(gpu, ())):
                found[gpu] = points
        return found

    @property
    def has_exporter(self) -> bool:
        """Tell whether a URL told of GPUs."""
        return any(gpu is not None and place != NVML for place, _, gpu in self.series)

    @property
    def gpus(self) -> Sequence[str]:
        """The ids of the GPUs that count."""
        seen = {
            gpu
            for place, _, gpu in self.series
            if gpu is not None and (place != NVML) is self.has_exporter
        }
        return sorted(seen)

    def _all(self, name: str) -> list[list[Point]]:
        return [points for (_, metric, _), points in self.series.items() if metric == name]
