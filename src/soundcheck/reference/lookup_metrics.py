"""What the lookup recognizer tells of itself at /metrics, under vLLM's names.

Only what is true of it: it has no cache of keys and values, and its tokens are no model's.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from soundcheck.reference.service_queue import ServiceQueue

_MODEL = "lookup"
# The bounds of vLLM's own histogram, in seconds.
_BOUNDS = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920)


class Metrics:
    """Counts of one process, and the state of its queue when it is asked."""

    def __init__(self, queue: ServiceQueue) -> None:
        self._registry = CollectorRegistry()
        label = ["model_name"]
        for name, text, figure in (
            ("running", "Requests that are being served.", lambda: queue.running),
            ("waiting", "Requests that wait for a server.", lambda: queue.waiting),
        ):
            gauge = Gauge(f"vllm:num_requests_{name}", text, label, registry=self._registry)
            gauge.labels(_MODEL).set_function(figure)
        ended = Counter(
            "vllm:request_success",
            "Requests that ended, by reason; abort: the client left.",
            [*label, "finished_reason"],
            registry=self._registry,
        )
        self._stopped = ended.labels(_MODEL, "stop")
        self._aborted = ended.labels(_MODEL, "abort")
        self._latency = Histogram(
            "vllm:e2e_request_latency_seconds",
            "Seconds from the end of the upload to the end of the service.",
            label,
            buckets=_BOUNDS,
            registry=self._registry,
        ).labels(_MODEL)
        ProcessCollector(registry=self._registry)

    def served(self, seconds: float) -> None:
        """Count a request that took ``seconds``."""
        self._stopped.inc()
        self._latency.observe(seconds)

    def left(self) -> None:
        """Count a request whose client left before it had its answer."""
        self._aborted.inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)
