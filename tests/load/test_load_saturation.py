"""The search for the capacity: right within 5 %, bounded, and plain about what stopped it."""

import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.load.saturation import Saturation, wilson
from soundcheck.load.slo import Slo
from soundcheck.load.stage import Capacity, Met, Observation, Plan, Stage

PLACE = Path(__file__).parents[1] / "bench" / "load_capacity.py"
SLO = Slo.parse("p95<2s")
Answer = Callable[[Stage], Observation]


@pytest.fixture(scope="module")
def simulated() -> Any:
    """Return the benchmark's module, which has the simulated deployments."""
    spec = importlib.util.spec_from_file_location("load_capacity", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def erlang_capacity(servers: int, mean_s: float, limit_s: float, share: float) -> float:
    """Return the highest rate at which exponential servers keep a limit, by Erlang's formula."""

    def late(rate: float) -> float:
        load = rate * mean_s
        terms = [1.0]
        for number in range(1, servers):
            terms.append(terms[-1] * load / number)
        last = terms[-1] * load / (servers - load)
        waits, idle, time = last / (sum(terms) + last), servers - 1 - load, limit_s / mean_s
        return math.exp(-time) * (1 + waits * (1 - math.exp(-time * idle)) / idle)

    low, high = 0.0, servers / mean_s * (1 - 1e-9)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - late(middle) >= share else (low, middle)
    return low


def sharp(capacity: float, *, most: float = math.inf) -> Answer:
    """Return a deployment that keeps the SLO up to a rate, and not at all above it."""

    def answer(stage: Stage) -> Observation:
        if stage.arrivals.is_closed:
            rate, kept = min(stage.arrivals.under_way * 2.0, capacity, most), True
        else:
            rate = stage.arrivals.rate
            kept = rate <= capacity
        arrivals = round(rate * stage.window_s)
        return observed(arrivals, arrivals if kept else 0, min(rate, capacity))

    return answer


def observed(arrivals: int, kept: int, rate: float = 1.0, **more: Any) -> Observation:
    met = Met(arrivals, kept)
    return Observation(
        arrivals=arrivals,
        succeeded=arrivals,
        failed=0,
        unsent=0,
        achieved_rps=rate,
        rtfx=10 * rate,
        p50_s=0.5,
        p95_s=0.6,
        met=(met,),
        all_met=met,
        **more,
    )


def run(answer: Answer, **plan: Any) -> tuple[Capacity, list[Stage]]:
    """Run a search, which has to end, against ``answer``."""
    course = Saturation().course(Plan(**{"slo": SLO, **plan}))
    stages = [next(course)]
    try:
        while len(stages) < 200:
            stages.append(course.send(answer(stages[-1])))
    except StopIteration as end:
        capacity: Capacity = end.value
        return capacity, stages
    raise AssertionError("the search does not end")


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_capacity_of_a_queue_is_found(simulated: Any, seed: int) -> None:
    """Against 32 servers with exponential times the result is within 5 % of Erlang's."""
    truth = erlang_capacity(32, 0.1, 0.5, 0.95)
    found = simulated.search(simulated.Deployment(32, 0.1), Slo.parse("p95<500ms"), seed)
    assert found.capacity.passed_rps == pytest.approx(truth, rel=0.05)
    assert found.capacity.failed_rps / found.capacity.passed_rps < 1.05
    assert found.seconds == pytest.approx(found.estimate_s, rel=0.4)


def test_the_simulation_is_true(simulated: Any) -> None:
    """Its capacity is that of Erlang's formula."""
    found = simulated.true_capacity(simulated.Deployment(8, 0.1), Slo.parse("p95<500ms"), 50_000)
    assert found == pytest.approx(erlang_capacity(8, 0.1, 0.5, 0.95), rel=0.02)


@pytest.mark.parametrize("capacity", [0.7, 9.3, 88.0, 640.0])
def test_a_sharp_edge_is_bracketed(capacity: float) -> None:
    """The bracket is narrower than 5 %, holds the edge, and both ends were measured three times."""
    found, stages = run(sharp(capacity))
    assert found.passed_rps is not None
    assert found.failed_rps is not None
    assert found.passed_rps * 0.98 <= capacity <= found.failed_rps * 1.01
    assert found.failed_rps / found.passed_rps < 1.05
    assert [rate for rate, _ in found.remeasured] == [found.passed_rps, found.failed_rps] * 3
    assert len(stages) < 50


def test_floor_and_ceiling_are_told() -> None:
    """The latency of one request at a time and the RTFx of a closed loop are in the result."""
    found, stages = run(sharp(20.0))
    assert (found.floor_latency_s, found.ceiling_rtfx) == (0.5, 200.0)
    assert [stage.name for stage in stages[:3]] == [
        "one request at a time",
        "2 at once",
        "4 at once",
    ]
    assert found.rtfx == pytest.approx(10 * (found.passed_rps or 0))


def test_a_ceiling_that_the_pool_set_is_passed() -> None:
    """Where a closed loop of all users came to too little, the bracket moves up."""
    found, _ = run(sharp(100.0, most=8.0), users=4)
    assert found.passed_rps == pytest.approx(100, rel=0.05)


def test_the_client_is_never_asked_for_more_than_it_can() -> None:
    """Rates stay below 60 % of the client's ceiling, and a capacity above it is not claimed."""
    found, stages = run(sharp(500.0), ceiling_rps=100.0)
    assert max(stage.arrivals.rate for stage in stages) <= 60.0
    assert (found.passed_rps, found.failed_rps) == (60.0, None)
    assert "cannot offer more" in found.note


def test_a_deployment_that_keeps_nothing_has_no_capacity() -> None:
    """Where every rate fails, the search goes down a while and says so."""
    found, stages = run(lambda stage: observed(100, 0, 10.0))
    assert found.passed_rps is None
    assert found.note == "no rate passed"
    assert len(stages) < 30


def test_an_invalid_window_stops_the_search_and_is_no_failure() -> None:
    """INVALID says nothing about the deployment: what was known before is the result."""
    good = sharp(50.0)

    def answer(stage: Stage) -> Observation:
        seen = good(stage)
        open_loop = stage.arrivals.kind == "poisson"
        return replace(seen, limit="pool: …") if open_loop and stage.arrivals.rate > 40 else seen

    found, stages = run(answer)
    assert found.failed_rps is None
    assert found.passed_rps is not None
    assert "the client was the limit (pool: …)" in found.note
    assert all(stage.repeat_invalid for stage in stages)


def test_a_few_invalid_windows_are_measured_again() -> None:
    """A machine that is busy for a moment does not cost the whole search."""
    good = sharp(50.0)
    number = 0

    def answer(stage: Stage) -> Observation:
        nonlocal number
        number += 1
        return replace(good(stage), limit="client core: …" if number in (10, 14, 20) else "")

    found, stages = run(answer)
    assert found.passed_rps == pytest.approx(50, rel=0.05)
    for invalid in (10, 14, 20):
        assert stages[invalid] == stages[invalid - 1]


def test_an_ended_run_ends_the_search() -> None:
    """Caps and Ctrl-C end the course at once, with what is known."""
    found, stages = run(lambda stage: observed(10, 10, ended=True))
    assert len(stages) == 1
    assert (found.passed_rps, found.note) == (None, "the run ended before the search did")


def test_a_deployment_that_answers_nothing_is_given_up() -> None:
    """Without a single answer there is nothing to search."""
    found, stages = run(lambda stage: replace(observed(0, 0, 0.0), succeeded=0, p50_s=None))
    assert len(stages) == 1
    assert "not even single requests" in found.note


def test_a_queue_that_only_grows_fails() -> None:
    """Growth by more than a tenth of the arrivals fails a window that is still within limits."""

    def answer(stage: Stage) -> Observation:
        if stage.arrivals.is_closed:
            return observed(200, 200, 20.0)
        rate = stage.arrivals.rate
        slope = (0.3 * rate, 0.01) if rate > 15 else (0.0, 0.01)
        arrivals = round(rate * stage.window_s)
        return observed(arrivals, arrivals, rate, in_flight_slope=slope)

    found, _ = run(answer)
    assert found.passed_rps == pytest.approx(15, rel=0.05)


def test_every_limit_has_to_be_kept() -> None:
    """The capacity is the lowest of what each limit allows."""

    def answer(stage: Stage) -> Observation:
        seen = sharp(50.0)(stage)
        errors = sharp(30.0)(stage)
        return replace(seen, met=(seen.met[0], errors.met[0]))

    found, _ = run(answer, slo=Slo.parse("p95<2s,errors<1%"))
    assert found.passed_rps == pytest.approx(30, rel=0.05)


def test_a_search_needs_an_slo() -> None:
    """Without limits there is no capacity to look for: told before anything is sent."""
    with pytest.raises(SoundcheckError, match="give one, like --slo 'p95<2s'"):
        next(Saturation().course(Plan()))
    with pytest.raises(SoundcheckError, match="give one"):
        Saturation().estimate_s(Plan())


@pytest.mark.parametrize(
    ("kept", "arrivals", "low", "high"),
    [(0, 0, 0.0, 1.0), (10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval(kept: int, arrivals: int, low: float, high: float) -> None:
    """Values of Newcombe (1998) and of the formula's ends."""
    assert wilson(kept, arrivals) == pytest.approx((low, high), abs=1e-4)
