"""How near the search for the capacity comes to the truth, against simulated deployments.

A deployment is K servers behind one queue, first come, first served, as the reference's ``lookup``
recognizer has them. Its true capacity is the highest rate at which a million arrivals of a Poisson
process meet the SLO. The search sees windows of the lengths that it asks for, begun empty, as real
ones are. Run it to see errors and lengths for several deployments:

    python tests/bench/load_capacity.py
"""

import heapq
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundcheck.load.arrivals import stage_seed
from soundcheck.load.saturation import Saturation
from soundcheck.load.slo import Slo
from soundcheck.load.stage import Capacity, Met, Observation, Plan, Stage

DRAIN_S = 1.0


@dataclass(frozen=True)
class Deployment:
    """K servers with service times of a mean, in seconds."""

    servers: int
    mean_s: float
    exponential: bool = True

    def service(self, count: int, chance: np.random.Generator) -> list[float]:
        """Return the service times of ``count`` requests."""
        if self.exponential:
            return list(chance.exponential(self.mean_s, count))
        return [self.mean_s] * count

    def done(self, times: Sequence[float], service: Sequence[float]) -> list[float]:
        """Return when requests that come at ``times`` are answered."""
        free = [0.0] * self.servers
        ends = []
        for time, length in zip(times, service, strict=True):
            end = max(free[0], time) + length
            heapq.heapreplace(free, end)
            ends.append(end)
        return ends


@dataclass(frozen=True)
class Found:
    """What a search came to, and how long it would have taken."""

    capacity: Capacity
    seconds: float
    estimate_s: float
    stages: int


def true_capacity(deployment: Deployment, slo: Slo, arrivals: int = 1_000_000) -> float:
    """Return the highest rate at which that many arrivals meet the SLO, to 0.5 %."""
    limit = slo.limits[0]
    high = deployment.servers / deployment.mean_s
    low = high / 2
    while high / low > 1.005:
        rate = math.sqrt(low * high)
        chance = np.random.default_rng(1)
        times = np.cumsum(chance.exponential(1 / rate, arrivals))
        ends = deployment.done(times.tolist(), deployment.service(arrivals, chance))
        kept = float(np.mean(np.array(ends) - times < (limit.limit_s or 0)))
        low, high = (rate, high) if kept >= limit.share else (low, rate)
    return math.sqrt(low * high)


def observe(deployment: Deployment, stage: Stage, seed: int, slo: Slo) -> Observation:
    """Return what a stage against the deployment shows."""
    chance = np.random.default_rng(seed)
    end_s = stage.warm_up_s + stage.window_s
    if stage.arrivals.is_closed:
        times, ends = _closed(deployment, stage.arrivals.under_way, end_s, chance)
    else:
        times = list(stage.arrivals.times(end_s, seed))
        ends = deployment.done(times, deployment.service(len(times), chance))
    begun, ended = np.array(times), np.array(ends)
    latencies = (ended - begun)[begun >= stage.warm_up_s]
    done = int(((ended >= stage.warm_up_s) & (ended < end_s)).sum())
    met = tuple(
        Met(len(latencies), sum(limit.kept(one, None) for one in latencies.tolist()))
        for limit in slo.limits
    )
    return Observation(
        arrivals=len(latencies),
        succeeded=len(latencies),
        failed=0,
        unsent=0,
        achieved_rps=done / stage.window_s,
        rtfx=10 * done / stage.window_s,
        p50_s=float(np.percentile(latencies, 50)) if len(latencies) else None,
        p95_s=float(np.percentile(latencies, 95)) if len(latencies) else None,
        met=met,
        all_met=met[0],
        in_flight_slope=_slope(begun, ended, stage),
    )


def search(deployment: Deployment, slo: Slo, seed: int) -> Found:
    """Run the search against the deployment."""
    plan = Plan(slo=slo, seed=seed)
    course = Saturation().course(plan)
    seconds, number = 0.0, 0
    try:
        stage = next(course)
        while True:
            number += 1
            seconds += stage.warm_up_s + stage.window_s + DRAIN_S
            stage = course.send(observe(deployment, stage, stage_seed(seed, number), slo))
    except StopIteration as end:
        return Found(end.value, seconds, Saturation().estimate_s(plan), number)


def _closed(
    deployment: Deployment, users: int, end_s: float, chance: np.random.Generator
) -> tuple[list[float], list[float]]:
    """Return when requests began and ended that follow each other, a millisecond apart."""
    free = [0.0] * deployment.servers
    ready = [0.0] * users
    times, ends = [], []
    while (time := ready[0]) < end_s:
        end = max(free[0], time) + deployment.service(1, chance)[0]
        heapq.heapreplace(free, end)
        heapq.heapreplace(ready, end + 0.001)
        times.append(time)
        ends.append(end)
    return times, ends


def _slope(begun: np.ndarray, ended: np.ndarray, stage: Stage) -> tuple[float, float]:
    """Return the growth of the requests under way, per second, with its standard error."""
    grid = np.arange(stage.warm_up_s, stage.warm_up_s + stage.window_s, 1.0)
    if len(grid) < 4:
        return 0.0, 0.0
    under_way = np.searchsorted(begun, grid) - np.searchsorted(np.sort(ended), grid)
    (slope, _), covariance = np.polyfit(grid, under_way, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0][0]))


def main() -> int:
    """Print the errors of twenty searches for each of several deployments."""
    cases = (
        (Deployment(4, 0.1), "p95<500ms"),
        (Deployment(16, 0.2), "p95<1s"),
        (Deployment(32, 0.1), "p95<500ms"),
        (Deployment(4, 0.1, exponential=False), "p95<500ms"),
        (Deployment(16, 0.3, exponential=False), "p95<1s"),
        (Deployment(32, 0.5, exponential=False), "p95<2s"),
    )
    for deployment, text in cases:
        slo = Slo.parse(text)
        truth = true_capacity(deployment, slo)
        found = [search(deployment, slo, seed) for seed in range(1, 21)]
        errors = [(one.capacity.passed_rps or 0) / truth - 1 for one in found]
        kept = sum(abs(error) <= 0.05 for error in errors)
        first = sum(abs(error) <= 0.05 for error in errors[:5])
        print(  # noqa: T201
            f"{deployment} {text}: true {truth:.1f}/s, error mean {statistics.mean(errors):+.1%} "
            f"deviation {statistics.pstdev(errors):.1%}, within 5 %: {kept} of 20 (seeds 1 to 5: "
            f"{first} of 5), {statistics.mean(one.seconds for one in found):.0f} s each "
            f"(told {found[0].estimate_s:.0f} s)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
