"""The metrics that are known by name: what they mean, in which unit, and how they add up."""

from dataclasses import dataclass
from typing import Final, Literal

MOST_SERIES: Final = 40
"""Series of one place that expressions of the user may bring."""
MEBIBYTE: Final = 2.0**20


@dataclass(frozen=True, slots=True)
class Known:
    """One metric.

    ``label`` and ``unit`` are for people; a counter's unit is that of its rate. A sample's value
    times ``scale`` is in this unit. Several samples of one deployment are added up or, ``largest``,
    the largest stands for all. What ``gpu`` says is told of each GPU by itself.
    """

    label: str
    unit: str
    kind: Literal["gauge", "counter"] = "gauge"
    largest: bool = False
    scale: float = 1.0
    gpu: str = ""


UTILISATION: Final = "utilisation"
POWER: Final = "power"
MEMORY: Final = "memory"
ENERGY: Final = "energy"
TEMPERATURE: Final = "temperature"
"""What is known of a GPU, whoever tells it."""

RUNNING: Final = "vllm:num_requests_running"
WAITING: Final = "vllm:num_requests_waiting"
CACHE: Final = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
FINISHED: Final = "vllm:request_success_total"
PREEMPTIONS: Final = "vllm:num_preemptions_total"
PROMPT_TOKENS: Final = "vllm:prompt_tokens_total"
GENERATED_TOKENS: Final = "vllm:generation_tokens_total"
LATENCY_SUM: Final = "vllm:e2e_request_latency_seconds_sum"
LATENCY_COUNT: Final = "vllm:e2e_request_latency_seconds_count"
CPU: Final = "process_cpu_seconds_total"
RESIDENT: Final = "process_resident_memory_bytes"

# Names of vLLM's engine (V1; the second name of the cache is that of older ones), of NVIDIA's
# dcgm-exporter (its units: percent, watts, MiB, millijoules), and of Prometheus' client libraries.
KNOWN: Final[dict[str, Known]] = {
    RUNNING: Known("requests running", "requests"),
    WAITING: Known("requests waiting", "requests"),
    CACHE[0]: Known("KV cache in use", "share", largest=True),
    CACHE[1]: Known("KV cache in use", "share", largest=True),
    FINISHED: Known("requests finished", "requests/s", "counter"),
    PREEMPTIONS: Known("preemptions", "preemptions/s", "counter"),
    PROMPT_TOKENS: Known("prompt tokens", "tokens/s", "counter"),
    GENERATED_TOKENS: Known("generated tokens", "tokens/s", "counter"),
    LATENCY_SUM: Known("time of a request, as the server has it", "s", "counter"),
    LATENCY_COUNT: Known("requests timed", "requests/s", "counter"),
    CPU: Known("processors in use", "cores", "counter"),
    RESIDENT: Known("memory of the process", "bytes"),
    "DCGM_FI_DEV_GPU_UTIL": Known("GPU in use", "share", scale=0.01, gpu=UTILISATION),
    "DCGM_FI_DEV_POWER_USAGE": Known("power", "W", gpu=POWER),
    "DCGM_FI_DEV_FB_USED": Known("GPU memory in use", "bytes", scale=MEBIBYTE, gpu=MEMORY),
    "DCGM_FI_DEV_GPU_TEMP": Known("temperature", "°C", gpu=TEMPERATURE),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": Known(
        "power by the energy counter", "W", "counter", scale=0.001, gpu=ENERGY
    ),
    "nvml:utilisation": Known("GPU in use", "share", gpu=UTILISATION),
    "nvml:power": Known("power", "W", gpu=POWER),
    "nvml:memory": Known("GPU memory in use", "bytes", gpu=MEMORY),
    "nvml:temperature": Known("temperature", "°C", gpu=TEMPERATURE),
    "nvml:energy": Known("power by the energy counter", "W", "counter", gpu=ENERGY),
}
"""By the metric's name; those of ``nvml:`` are this module's own."""

_COUNTERS = ("_total", "_sum", "_count")


def about(name: str) -> Known:
    """Return what is known of a metric: of a foreign one, no more than its name tells."""
    found = KNOWN.get(name)
    if found is not None:
        return found
    plain = name.partition("{")[0]
    if plain.endswith(_COUNTERS):
        return Known(name, "1/s", "counter")
    return Known(name, "")
