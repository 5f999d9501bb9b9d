"""Scenarios: their courses, gentle defaults, and estimates that hold."""

from pathlib import Path
from typing import Any

import pytest

from soundcheck import suites
from soundcheck.audio import Library
from soundcheck.load.mix import Mix
from soundcheck.load.scenarios import SCENARIOS, Burst, Limits, Ramp, Soak, Steady
from soundcheck.load.slo import Slo
from soundcheck.load.stage import Met, Observation, Plan, Scenario, Stage

NAMES = ("steady", "ramp", "saturation", "burst", "soak", "streaming", "mixed", "limits")


def seen(stage: Stage, **more: Any) -> Observation:
    """Return what an unbothered deployment shows, which takes 0.1 s."""
    count = 40 if stage.arrivals.is_closed else round(stage.arrivals.rate * stage.window_s)
    told = {"p50_s": 0.1, "p95_s": 0.12, "met": (Met(count, count),), **more}
    return Observation(count, count, 0, 0, count / stage.window_s, 100.0, **told)


def stages(scenario: Scenario, plan: Plan, **more: Any) -> list[Stage]:
    """Return the stages of a course that is shown the same in each."""
    course = scenario.course(plan)
    found = [next(course)]
    try:
        while True:
            found.append(course.send(seen(found[-1], **more)))
    except StopIteration:
        return found


def test_every_scenario_ships_a_locustfile_that_says_how_to_run_it() -> None:
    """Name, class, question and file belong together."""
    assert tuple(SCENARIOS) == NAMES
    for name, scenario in SCENARIOS.items():
        text = (suites.folder("loadtests") / f"{name}.py").read_text("utf-8")
        assert f"import {type(scenario).__name__} as Scenario" in text
        assert f"locust -f loadtests/{name}.py --headless --host http" in text
        assert scenario.name == name
        assert scenario.question.endswith("?")


@pytest.mark.parametrize("name", NAMES)
def test_the_estimate_is_what_a_course_takes(name: str) -> None:
    """The seconds that are told before are those of the stages, within a third."""
    plan = Plan(rate=20.0, slo=Slo.parse("p95<2s"), ceiling_rps=1_000.0)
    if name == "saturation":
        return  # its own tests compare both against a queue
    took = sum(stage.warm_up_s + stage.window_s + 1 for stage in stages(SCENARIOS[name], plan))
    assert SCENARIOS[name].estimate_s(plan) == pytest.approx(took, rel=0.33)


def test_a_given_rate_is_held() -> None:
    """With a rate, steady is one stage of Poisson arrivals, repeated once if INVALID."""
    (stage,) = stages(Steady(), Plan(rate=20.0))
    assert (str(stage.arrivals), stage.window_s, stage.warm_up_s) == ("poisson:20", 20.0, 3.0)
    assert stage.repeat_invalid
    assert stage.measured


def test_an_unknown_deployment_is_treated_gently() -> None:
    """Without a rate one request at a time is tried first: two under way on average are enough."""
    probe, stage = stages(Steady(), Plan(ceiling_rps=2_000.0))
    assert (str(probe.arrivals), probe.measured) == ("closed:1", False)
    assert stage.arrivals.rate == 20.0
    assert stages(Steady(), Plan(ceiling_rps=30.0))[1].arrivals.rate == 6.0
    assert stages(Steady(), Plan(), p50_s=0.001)[1].arrivals.rate == 50.0
    assert stages(Steady(), Plan(), p50_s=None)[1].arrivals.rate == 1.0


def test_the_reference_gets_a_fifth_of_what_the_client_can() -> None:
    """The bundled deployment needs no probe: 20 % of the ceiling, at most 50 per second."""
    plan = Plan(ceiling_rps=100.0, options={"reference": True})
    (stage,) = stages(Steady(), plan)
    assert stage.arrivals.rate == 20.0
    (stage,) = stages(Steady(), Plan(ceiling_rps=5_000.0, options={"reference": True}))
    assert stage.arrivals.rate == 50.0


def test_a_run_that_ended_in_the_probe_is_over() -> None:
    """Nothing is sent after the end that a cap or the user set."""
    assert len(stages(Steady(), Plan(), ended=True)) == 1
    assert len(stages(Ramp(), Plan(rate=20.0), ended=True)) == 1


def test_options_come_before_defaults() -> None:
    """Window, warm-up and arrivals are the user's where given."""
    plan = Plan(duration_s=7.0, warm_up_s=0.0, arrivals="gamma:5,0.5")
    (stage,) = stages(Soak(), plan)
    assert (str(stage.arrivals), stage.window_s, stage.warm_up_s) == ("gamma:5,0.5", 7.0, 0.0)
    assert stages(Burst(), Plan(arrivals="poisson:5"))[0].arrivals.kind == "poisson"
    assert stages(Limits(), Plan(arrivals="closed:2"))[0].name == "2 at once"
    assert [one.name for one in stages(Ramp(), Plan(arrivals="ramp:0..40"))] == ["0/s to 40/s"]


def test_long_windows_are_not_repeated_unasked() -> None:
    """Ten minutes more are for the user to decide, who reads what was the limit."""
    assert stages(Steady(), Plan(rate=5.0))[0].repeat_invalid
    assert not stages(Soak(), Plan(rate=5.0))[0].repeat_invalid
    assert not stages(Steady(), Plan(rate=5.0, duration_s=3600.0))[0].repeat_invalid


def test_a_trace_is_replayed_from_end_to_end(tmp_path: Path) -> None:
    """A trace has no warm-up, and its window ends with its last arrival."""
    file = tmp_path / "trace.txt"
    file.write_text("0.5\n9.5\n")
    (stage,) = stages(Steady(), Plan(arrivals=f"trace:{file}"))
    assert (stage.warm_up_s, stage.window_s) == (0.0, 9.5)


def test_bursts_keep_the_mean_rate() -> None:
    """The mean is what was asked for, the peak five times the base."""
    (stage,) = stages(Burst(), Plan(rate=18.0))
    assert stage.arrivals.rate == pytest.approx(18.0)
    assert stage.arrivals.peak == pytest.approx(5 * stage.arrivals.numbers[0])


def test_a_ramp_goes_up_to_the_rate_in_equal_steps() -> None:
    """Eight stages end at the rate that was given."""
    rates = [stage.arrivals.rate for stage in stages(Ramp(), Plan(rate=40.0))]
    assert rates == [5, 10, 15, 20, 25, 30, 35, 40]


def test_a_ramp_ends_when_the_deployment_is_full() -> None:
    """Two steps in a row that were not kept up with are enough."""
    course = Ramp().course(Plan(rate=40.0))
    count, stage = 0, next(course)
    try:
        while True:
            count += 1
            slow = stage.arrivals.rate > 10
            stage = course.send(seen(stage, p95_s=5.0 if slow else 0.12))
    except StopIteration:
        assert count == 4


def test_a_ramp_goes_on_after_one_invalid_step() -> None:
    """A hiccup of the client at a low rate does not cost the rest; two steps in a row do."""
    course = Ramp().course(Plan(rate=40.0))
    limits = ["", "client core", "", "client core", "client core"]
    stage = next(course)
    for limit in limits[:-1]:
        stage = course.send(seen(stage, limit=limit))
    with pytest.raises(StopIteration):
        course.send(seen(stage, limit=limits[-1]))


def test_an_unknown_deployment_is_ramped_gently() -> None:
    """Without a rate the ramp begins low, grows by half, and stays within the client's means."""
    found = stages(Ramp(), Plan(ceiling_rps=100.0))[1:]
    rates = [stage.arrivals.rate for stage in found]
    assert rates[:3] == [10.0, 15.0, 22.0]
    assert max(rates) <= 60.0


def test_limits_never_ask_for_more_users_than_there_are() -> None:
    """A closed loop has at most as many requests under way as the pool has users."""
    (stage,) = stages(Limits(), Plan(users=2))
    assert stage.arrivals.under_way == 2


def test_what_the_scenarios_send_can_be_made() -> None:
    """The mixes of the scenarios are understood; those of streams are all streams."""
    library = Library()
    for name in ("steady", "streaming"):
        shaping = {
            member: getattr(SCENARIOS[name], member)
            for member in ("durations", "formats", "languages", "stream", "clips")
        }
        mix = Mix.of(library, model="m", **shaping)
        assert mix.stream_share == pytest.approx(1.0 if name == "streaming" else 0.0)
    for clip in (Limits.clips or "").split(","):
        assert library.recipe(clip.partition("=")[0]).group == "size"
