"""Pages of metrics: what is known is found in them, and what is no metrics is told apart."""

import re

import pytest

from soundcheck.load.telemetry.exposition import NotMetrics, Readings, read
from soundcheck.load.telemetry.known import MOST_SERIES, about

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="whisper"} 3.0
vllm:num_requests_running{engine="1",model_name="whisper"} 4.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="whisper"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="whisper"} 0.5
# TYPE vllm:request_success_total counter
vllm:request_success_total{finished_reason="stop"} 10.0
vllm:request_success_total{finished_reason="length"} 2.0
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{le="0.3"} 1.0
vllm:e2e_request_latency_seconds_sum{model_name="whisper"} 6.5
process_cpu_seconds_total 12.5
http_requests_total{handler="/v1",status="2xx"} 7.0
http_requests_total{handler="/v1",status="5xx"} 1.0
"""
DCGM = """\
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",modelName="NVIDIA H200",Hostname="n1"} 50
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b",modelName="NVIDIA H200",Hostname="n1"} 100
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",modelName="NVIDIA H200",Hostname="n1"} 1024
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",GPU_I_ID="1",modelName="NVIDIA H200"} 300.5
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",GPU_I_ID="2",modelName="NVIDIA H200"} 300.5
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-a",modelName="NVIDIA H200"} 5000000
process_cpu_seconds_total 99.0
"""


def test_vllm_s_metrics_are_known() -> None:
    """Engines and reasons are added up; of shares the largest counts; the rest is left."""
    assert read(VLLM) == Readings(
        {
            ("vllm:num_requests_running", None): 7.0,
            ("vllm:kv_cache_usage_perc", None): 0.5,
            ("vllm:request_success_total", None): 12.0,
            ("vllm:e2e_request_latency_seconds_sum", None): 6.5,
            ("process_cpu_seconds_total", None): 12.5,
        }
    )


def test_an_exporter_tells_of_each_gpu() -> None:
    """Figures are per GPU in plain units; instances count once; the exporter's process is not."""
    assert read(DCGM) == Readings(
        {
            ("DCGM_FI_DEV_GPU_UTIL", "GPU-a"): 0.5,
            ("DCGM_FI_DEV_GPU_UTIL", "GPU-b"): 1.0,
            ("DCGM_FI_DEV_FB_USED", "GPU-a"): 2.0**30,
            ("DCGM_FI_DEV_POWER_USAGE", "GPU-a"): 300.5,
            ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "GPU-a"): 5000.0,
        },
        {"GPU-a": "NVIDIA H200", "GPU-b": "NVIDIA H200"},
    )


def test_other_metrics_are_found_by_their_names() -> None:
    """An expression brings every series of the metrics that it finds, labels and all."""
    found = read(VLLM, [re.compile("^http_")]).values
    assert found['http_requests_total{handler="/v1",status="2xx"}', None] == 7.0
    assert about('http_requests_total{handler="/v1"}').kind == "counter"
    assert about("queue_depth").kind == "gauge"


def test_an_expression_that_finds_too_much_is_bounded() -> None:
    """Only so many series are taken, and the others are counted."""
    text = "".join(f'many{{n="{number}"}} 1\n' for number in range(MOST_SERIES + 3))
    readings = read(text, [re.compile("many")])
    assert len(readings.values) == MOST_SERIES
    assert readings.left_out == 3


def test_what_was_not_measured_is_left_out() -> None:
    """NaN and infinity are no figures."""
    assert read("vllm:num_requests_running NaN\nprocess_cpu_seconds_total +Inf\n") == Readings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!DOCTYPE html><html><body>Hello</body></html>", "web page"),
        ("", "no metrics"),
        ("\x00\x01\x02", "no metrics"),
        ("vllm:num_requests_running{engine=", "damaged"),
        ("vllm:num_requests_running many\n", "damaged"),
    ],
)
def test_other_pages_are_told_apart(text: str, why: str) -> None:
    """A page that is no metrics is named for what it seems to be."""
    with pytest.raises(NotMetrics, match=why):
        read(text)
