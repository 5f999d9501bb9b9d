"""What the server's figures say of a window and of a run."""

import json
from typing import Any

import pytest

from soundcheck.load.telemetry.records import Records
from soundcheck.load.telemetry.summary import (
    energy_j,
    idle_gpus,
    of_stage,
    plotted,
    renewal_s,
    worth,
)

A, B = "GPU-a", "GPU-b"


def recorded(*lines: dict[str, Any]) -> Records:
    """Return records of lines, whose times are whole seconds."""
    records = Records(origin_ns=5_000_000_000)
    for line in lines:
        at = 5_000_000_000 + line["at"] * 1_000_000_000
        told = {"from": 0, "gpus": {}, "left_out": 0, **line, "at": at}
        records.take(json.dumps(told).encode())
    return records


def gpus(at: int, source: int | str = 0, **figures: float) -> dict[str, Any]:
    """Return a line that tells figures of two GPUs: the second has half of the first's."""
    names = {
        "power": "DCGM_FI_DEV_POWER_USAGE",
        "energy": "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "use": "DCGM_FI_DEV_GPU_UTIL",
    }
    if source == "nvml":
        names = {"power": "nvml:power", "energy": "nvml:energy", "use": "nvml:utilisation"}
    values = [[names[name], A, value] for name, value in figures.items()]
    values += [[names[name], B, value / 2] for name, value in figures.items()]
    return {"at": at, "from": source, "values": values, "gpus": {A: "H200", B: "H200"}}


def test_a_window_has_its_own_figures() -> None:
    """Gauges by their mean and largest value, counters by their growth, each within the window."""
    lines = [
        {
            "at": at,
            "values": [
                ["vllm:num_requests_running", None, at],
                ["vllm:num_requests_waiting", None, 0],
                ["vllm:generation_tokens_total", None, 100 * at],
                ["vllm:e2e_request_latency_seconds_sum", None, 3 * at],
                ["vllm:e2e_request_latency_seconds_count", None, 6 * at],
            ],
        }
        for at in range(10)
    ]
    figures = of_stage(recorded(*lines), 2, 6)
    assert figures["requests_running_mean"] == 4
    assert figures["requests_running_max"] == 6
    assert figures["requests_waiting_max"] == 0
    assert figures["generated_tokens_rate"] == pytest.approx(100)
    assert figures["request_seconds_mean"] == pytest.approx(0.5)
    assert figures["kv_cache_max"] is None
    assert figures["power_w_mean"] is None


def test_nothing_read_is_nothing_told() -> None:
    """Every member is there, and null."""
    figures = of_stage(Records(), 0, 10)
    assert set(figures.values()) == {None}
    assert all(name.endswith(("_mean", "_max", "_rate", "_total")) for name in figures)
    assert worth(Records(), [(0, 10, 100.0)], None, 2.0).rtfx_per_gpu is None


@pytest.mark.parametrize("source", [0, "nvml"])
def test_energy_goes_by_the_counter(source: int | str) -> None:
    """The counter of each GPU counts, not the power beside it."""
    lines = [gpus(at, source, energy=1000.0 * at, power=1.0) for at in range(11)]
    assert energy_j(recorded(*lines), 2, 8) == pytest.approx(9000)


def test_energy_is_integrated_power_without_a_counter() -> None:
    """A GPU without a counter of energy is judged by its power."""
    lines = [gpus(at, power=200.0, use=0.5) for at in range(11)]
    records = recorded(*lines)
    assert energy_j(records, 2, 8) == pytest.approx(1800)
    assert of_stage(records, 2, 8)["power_w_mean"] == pytest.approx(300)
    assert of_stage(records, 2, 8)["gpu_utilisation_mean"] == pytest.approx(0.375)


def test_figures_that_are_seldom_renewed_are_understood() -> None:
    """A counter that moves every ten seconds grows evenly in between, and that is noticed."""
    lines = [gpus(at, energy=200.0 * (at - at % 10)) for at in range(41)]
    records = recorded(*lines)
    assert energy_j(records, 12, 17) == pytest.approx(1500)
    assert renewal_s(records) == 10
    assert renewal_s(Records()) is None


def test_energy_is_unknown_if_one_gpu_does_not_tell() -> None:
    """Half of the energy is never shown as the whole."""
    lines = [gpus(at, power=200.0) for at in range(11)]
    for line in lines:
        line["values"] = [*line["values"][:1], ["DCGM_FI_DEV_GPU_UTIL", B, 0.5]]
    assert energy_j(recorded(*lines), 2, 8) is None


def test_the_worth_of_a_run_is_that_of_its_windows() -> None:
    """RTFx, joules and cost count the windows alone, and their audio."""
    records = recorded(*(gpus(at, power=200.0) for at in range(31)))
    found = worth(records, [(5, 10, 900.0), (20, 25, 900.0)], 2, 3.0)
    assert found.rtfx_per_gpu == pytest.approx(90)
    assert found.joules_per_audio_hour == pytest.approx(300 * 10 / 0.5)
    assert found.cost_per_audio_hour == pytest.approx(2 * 3.0 * 10 / 1800)
    assert worth(records, [], 2, 3.0).cost_per_audio_hour is None
    assert worth(records, [(5, 10, 9.0), (50, 60, 9.0)], 2, 3.0).joules_per_audio_hour is None


def test_gpus_that_two_tell_of_count_once() -> None:
    """An exporter goes before the local library."""
    lines = [gpus(at, source, power=200.0) for at in range(11) for source in (0, "nvml")]
    records = recorded(*lines)
    assert len(records.gpus) == 2
    assert energy_j(records, 0, 10) == pytest.approx(3000)
    assert {one["name"] for one in plotted(records)} == {"DCGM_FI_DEV_POWER_USAGE"}


def test_replicas_are_added_up() -> None:
    """Queues of several places are one queue of the deployment."""
    lines = [
        {"at": at, "from": place, "values": [["vllm:num_requests_running", None, 2.0 + place]]}
        for at in range(5)
        for place in (0, 1)
    ]
    records = recorded(*lines)
    assert of_stage(records, 0, 4)["requests_running_max"] == 5
    assert [one["label"] for one in plotted(records)] == [
        "requests running (1)",
        "requests running (2)",
    ]


def test_series_are_drawn_as_gauges_and_rates() -> None:
    """A counter is shown as what it grew by per second; times count from the run's begin."""
    lines = [
        {
            "at": at,
            "values": [["vllm:prompt_tokens_total", None, 50.0 * at], ["mine", None, 1.0]],
        }
        for at in range(3)
    ]
    tokens, mine = plotted(recorded(*lines, gpus(2, use=0.5)))[0::3]
    assert tokens == {
        "name": "vllm:prompt_tokens_total",
        "label": "prompt tokens",
        "unit": "tokens/s",
        "source": "prometheus",
        "gpu": None,
        "points": [[1.0, 50.0], [2.0, 50.0]],
    }
    assert (mine["name"], mine["unit"]) == ("mine", "")


def test_idle_gpus_are_noticed() -> None:
    """A GPU that did nothing all along probably serves something else."""
    assert idle_gpus(recorded(gpus(1, use=0.0), gpus(2, use=0.0))) == 2
    assert idle_gpus(recorded(gpus(1, use=0.0), gpus(2, use=0.1))) == 0
