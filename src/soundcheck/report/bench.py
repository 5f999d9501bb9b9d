"""A load run: what ``bench.json`` holds of it, as typed values.

Everything people read about a load run is derived from this value. Names carry their units: ``_s``
seconds, ``_ms`` milliseconds, ``_us`` microseconds, ``_rps`` requests per second. ``None`` is what
was not measured, which is never shown as zero. The metrics are defined in docs/reference/bench.md.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from soundcheck.errors import SoundcheckError
from soundcheck.report.validation import load_document

SCHEMA = "soundcheck/bench/1"
FILE = "bench.json"
SAMPLES = "samples.csv.gz"
DEFINITIONS = 1
"""The version of the metrics' definitions that this Soundcheck writes and documents."""
_BEHIND = 0.05
_ASKED = 0.02
"""How far a schedule may be from the rate asked for without being told."""

Verdict: TypeAlias = Literal["measured", "met", "missed", "invalid", "incomplete", "failed"]
SloVerdict: TypeAlias = Literal["met", "missed", "undecided"]
Points: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """What measured."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Target:
    """What was measured; the key is known only by the environment variable that holds it."""

    base_url: str
    model: str
    api_key_env: str | None
    transport: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The bundled reference as the target: what it recognises by, and its service model."""

    recognizer: str
    latency: str | None


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose; ``users`` is the most requests under way over all processes."""

    rate: float | None
    arrivals: str | None
    users: int
    processes: int
    seed: int
    stream: float
    verify: Literal["text", "length", "none"]
    verify_share: float
    slo: str | None
    max_requests: int | None
    max_duration_s: float | None


@dataclass(frozen=True, slots=True)
class Form:
    """One request body: a clip with its parameters, chosen with probability ~ ``weight``."""

    number: int
    clip: str
    format: str
    language: str
    audio_s: float
    upload_bytes: int
    stream: bool
    weight: float
    sha256: str


@dataclass(frozen=True, slots=True)
class Clips:
    """All that was sent; ``sha256`` is the digest of the manifest of forms."""

    sha256: str
    count: int
    audio_s: float
    forms: tuple[Form, ...]

    @property
    def mean_audio_s(self) -> float | None:
        """Return the mean audio of a request in seconds, by the forms' weights."""
        total = sum(form.weight for form in self.forms)
        if not total:
            return None
        return sum(form.weight * form.audio_s for form in self.forms) / total


@dataclass(frozen=True, slots=True)
class Errors:
    """Quantiles of a timing error in microseconds."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class TimingError:
    """How late the client's stamps of stream events are, against the stub's own times."""

    user: Errors
    kernel: Errors | None
    events: int
    real_time: bool


@dataclass(frozen=True, slots=True)
class Selftest:
    """What this machine's client can do against a stub that answers at once."""

    ceiling_rps: float | None
    workers: int
    upload_bytes: int
    cpu_us_per_request: float | None
    timing_error_us: TimingError | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Arrivals that were intended within a window, by what became of them."""

    intended: int
    sent: int
    unsent: int
    succeeded: int
    failed: int
    verified: int


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of errors: how often, and one example of what came back."""

    cause: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric in one window; a percentile is ``None`` where there are too few values."""

    count: int
    min: float | None
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Objective:
    """One limit of the SLO: the share of arrivals that kept it, with its 95 % interval."""

    text: str
    metric: Literal["latency", "ttfd", "errors"]
    share: float
    limit_s: float | None
    kept: float | None
    interval: tuple[float, float] | None
    verdict: SloVerdict | None


@dataclass(frozen=True, slots=True)
class Worker:
    """What one worker measured of itself in a window."""

    worker: int
    cpu: float | None
    schedule_lag_ms_p99: float | None
    loop_lag_ms_p99: float | None
    dispatch_lag_ms_p99: float | None
    backlog_end: float | None
    gc_longest_ms: float | None
    run_delay_share: float | None
    limit: str


@dataclass(frozen=True, slots=True)
class Client:
    """What all workers measured of themselves in a window."""

    cpu: float | None
    schedule_lag_ms_p99: float | None
    loop_lag_ms_p99: float | None
    dispatch_lag_ms_p50: float | None
    dispatch_lag_ms_p99: float | None
    lag_ms_p99: float | None
    backlog_end: float | None
    user_kernel_us_p50: float | None
    user_kernel_us_p99: float | None
    coalesced_share: float | None
    gc_pauses: float | None
    gc_longest_ms: float | None
    run_delay_share: float | None
    descriptors_free: float | None
    ports_free: float | None
    workers: tuple[Worker, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """The arrivals of a window that have one property in common."""

    key: str
    count: int
    failed: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    rtfx: float | None


@dataclass(frozen=True, slots=True)
class Slices:
    """A window's arrivals by audio format, duration and language."""

    format: tuple[Slice, ...]
    duration: tuple[Slice, ...]
    language: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Second:
    """One second of a stage; ``t_s`` counts from the stage's begin."""

    t_s: float
    offered: int
    begun: int
    done: int
    failed: int
    in_flight: float | None
    p50_s: float | None
    p95_s: float | None
    max_s: float | None
    lag_ms: float | None
    backlog: float | None


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of offered load and what was measured in its window."""

    number: int
    name: str
    kind: Literal["open", "closed"]
    arrivals: str
    measured: bool
    repeated: bool
    begin_s: float
    warm_up_s: float
    window_s: float
    offered_rps: float | None
    achieved_rps: float | None
    audio_s: float | None
    rtfx: float | None
    counts: Counts
    errors: tuple[Cause, ...]
    latency_s: Summary | None
    service_s: Summary | None
    ttfd_s: Summary | None
    ttfd_from_upload_s: Summary | None
    gap_s: Summary | None
    realtime_lag_s: Summary | None
    speed_factor: Summary | None
    distributions: Mapping[str, Points]
    slo: tuple[Objective, ...]
    valid: bool
    limit: str
    client: Client | None
    by: Slices
    timeline: tuple[Second, ...]
    server: Mapping[str, float | None] | None

    @property
    def cut_off(self) -> bool:
        """Tell whether the run ended before the window did, which is no limit of the client."""
        return self.limit.startswith("cut off")

    @property
    def scheduled_rps(self) -> float | None:
        """Return the rate that the schedule had in the window where it was another than asked for.

        Chance puts more or fewer Poisson arrivals into a short window; ``None`` within 2 %.
        """
        if self.kind == "closed" or self.offered_rps is None or self.cut_off or not self.window_s:
            return None
        scheduled = self.counts.intended / self.window_s
        return scheduled if abs(scheduled - self.offered_rps) > _ASKED * self.offered_rps else None

    @property
    def kept_up(self) -> bool | None:
        """Tell whether answers came as fast as requests; ``None`` where no rate was offered.

        Answers to what was intended in the window may be fewer within it by what is under way, on
        average rate x latency (Little), give or take, and by a twentieth: more is a growing queue.
        """
        if self.kind == "closed" or self.offered_rps is None or self.achieved_rps is None:
            return None
        mean = self.latency_s.mean if self.latency_s else None
        under_way = self.offered_rps * (mean or 0)
        # A warm-up shorter than the latency leaves the window to fill what is under way.
        filling = self.offered_rps * max(0.0, (mean or 0) - self.warm_up_s)
        missing = self.counts.succeeded - self.achieved_rps * self.window_s - filling
        return missing <= _BEHIND * self.counts.succeeded + 3 * sqrt(max(under_way, 1))


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a search found: the capacity lies between ``passed_rps`` and ``failed_rps``."""

    passed_rps: float | None
    failed_rps: float | None
    rtfx: float | None
    floor_latency_s: float | None
    ceiling_rtfx: float | None
    remeasured: tuple[tuple[float, bool], ...]
    slo: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Series:
    """A figure of the server over time; the points' times count from the run's begin."""

    name: str
    label: str
    unit: str
    source: str
    gpu: int | None
    points: Points


@dataclass(frozen=True, slots=True)
class Server:
    """What was measured of the server during the run."""

    metrics_url: str | None
    series: tuple[Series, ...]
    gpus: int | None
    gpu_names: tuple[str, ...]
    rtfx_per_gpu: float | None
    joules_per_audio_hour: float | None
    cost_per_audio_hour: float | None
    gpu_price_per_hour: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """One load run."""

    tool: Tool
    definitions: int
    scenario: str
    question: str
    verdict: Verdict
    target: Target
    reference: Reference | None
    started: str
    duration_s: float
    options: Options
    clips: Clips
    selftest: Selftest | None
    stages: tuple[Stage, ...]
    capacity: Capacity | None
    server: Server | None
    problems: tuple[str, ...]

    @property
    def measured(self) -> tuple[Stage, ...]:
        """Return the stages that are results, INVALID ones too, without those tried again.

        That is by a second try of the same window, or by a search which came back to that rate:
        the same stages as the run's own verdict rests on.
        """
        shown = [stage for stage in self.stages if stage.measured]
        return tuple(
            stage
            for place, stage in enumerate(shown)
            if stage.valid
            or not any(
                after.arrivals == stage.arrivals and (after.valid or after.repeated)
                for after in shown[place + 1 :]
            )
        )

    @property
    def valid(self) -> tuple[Stage, ...]:
        """Return the results that say something about the deployment."""
        return tuple(stage for stage in self.measured if stage.valid)


def load_bench(folder: Path) -> Bench:
    """Return the load run in ``folder``.

    Raises:
        SoundcheckError: ``bench.json`` is missing, cut off, foreign or contradicts itself; the
            message names the file and the problem.

    """
    path = folder / FILE
    bench = bench_from_json(load_document(path, "bench"))
    problem = _contradiction(bench)
    if problem:
        raise SoundcheckError(f"{path}: {problem}; it was damaged or edited")
    return bench


def bench_from_json(document: Mapping[str, Any]) -> Bench:
    """Rebuild a load run from a document that keeps the schema."""
    return _built(Bench, {name: value for name, value in document.items() if name != "schema"})  # type: ignore[no-any-return]


def _contradiction(bench: Bench) -> str | None:
    """Return how a load run contradicts itself, so that no report shows green over red."""
    numbers = [stage.number for stage in bench.stages]
    if len(set(numbers)) < len(numbers):
        return "has two stages of one number"
    for stage in bench.stages:
        if stage.valid == bool(stage.limit):
            return f"stage {stage.number} is {'valid' if stage.valid else 'INVALID'} and names " + (
                "a limit" if stage.valid else "no limit"
            )
        if not stage.valid and any(one.verdict is not None for one in stage.slo):
            return f"stage {stage.number} is INVALID and yet has a verdict on the SLO"
    if bench.verdict in ("measured", "met") and not bench.valid:
        return f"says {bench.verdict} although no window is valid"
    counts = [stage.counts for stage in bench.measured]
    failed = any(one.failed for one in counts) and not any(one.succeeded for one in counts)
    if bench.verdict in ("measured", "met") and failed:
        return f"says {bench.verdict} although no request succeeded"
    return None


def _built(kind: Any, value: Any) -> Any:
    """Return ``value``, as JSON has it, as a value of the annotated type ``kind``."""
    if value is None or kind is Any:
        return value
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: _built(hints[name], member) for name, member in value.items()})  # type: ignore[operator]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (one,) = (argument for argument in arguments if argument is not types.NoneType)
        return _built(one, value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_built(one, member) for one, member in zip(kinds, value, strict=True))
    if isinstance(value, dict):
        return {name: _built(arguments[1], member) for name, member in value.items()}
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {member.name: hints[member.name] for member in fields(kind)}
