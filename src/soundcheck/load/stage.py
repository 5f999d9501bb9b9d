"""One level of offered load, what was observed in it, and the scenarios that string them together.

A scenario is a generator: it yields a stage and is sent the observation of it. It has no clock and
no network, so that a search can be run against a simulated server as well.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from soundcheck.load.arrivals import SEED, Arrivals
from soundcheck.load.slo import Slo


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of load: arrivals for ``warm_up_s`` and then for the window of ``window_s``.

    Only what was to begin within the window is judged. ``drain_s`` bounds the wait for what was
    sent. ``measured`` is false for warm-ups and probings that no report shows as results.
    ``repeat_invalid`` asks for one more try when the client turns out to be the limit.
    """

    name: str
    arrivals: Arrivals
    window_s: float
    warm_up_s: float = 0.0
    drain_s: float = 30.0
    measured: bool = True
    repeat_invalid: bool = False


@dataclass(frozen=True, slots=True)
class Met:
    """How many of a window's arrivals kept one limit of the SLO: misses include the unsent."""

    arrivals: int
    kept: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What a stage showed, as far as a scenario may go by it.

    ``limit`` names what held the client back, empty where the window is valid. ``met`` has an
    entry per limit of the SLO, in its order, and ``all_met`` one for keeping all of them.
    ``in_flight_slope`` is the growth of the number of requests under way, per second, with its
    standard error. ``ended`` says that caps, the user or the deployment's death allow no more.
    """

    arrivals: int
    succeeded: int
    failed: int
    unsent: int
    achieved_rps: float
    rtfx: float
    p50_s: float | None = None
    p95_s: float | None = None
    met: tuple[Met, ...] = ()
    all_met: Met = Met(0, 0)
    in_flight_slope: tuple[float, float] = (0.0, 0.0)
    limit: str = ""
    ended: bool = False

    @property
    def valid(self) -> bool:
        """Tell whether the window says something about the deployment."""
        return not self.limit


@dataclass(frozen=True, slots=True)
class Capacity:
    """The highest load that kept the SLO, as an interval: what passed and what failed (rps).

    ``failed_rps`` is None if nothing failed, ``passed_rps`` None if nothing passed. ``note`` says
    what to think of it where there is more to say.
    """

    passed_rps: float | None
    failed_rps: float | None
    rtfx: float | None = None
    floor_latency_s: float | None = None
    ceiling_rtfx: float | None = None
    remeasured: tuple[tuple[float, bool], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scenario is told: options of the user, and the measured ceiling of the client.

    ``rate`` is in requests per second (None: a sane default, see each scenario), ``duration_s`` the
    length of a window (None: the scenario's default), ``users`` the most requests under way,
    ``ceiling_rps`` the most that this client can send (None: not measured).
    """

    rate: float | None = None
    duration_s: float | None = None
    warm_up_s: float | None = None
    users: int = 64
    seed: int = SEED
    slo: Slo = field(default_factory=lambda: Slo(()))
    arrivals: str | None = None
    ceiling_rps: float | None = None
    mean_audio_s: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


Course: TypeAlias = Generator[Stage, Observation, Capacity | None]


class Scenario(Protocol):
    """A load question: its name, the question in one sentence, and the course of its stages."""

    name: str
    question: str

    def course(self, plan: Plan) -> Course:
        """Yield stages, each answered with its observation; return the capacity if searched."""

    def estimate_s(self, plan: Plan) -> float:
        """Return about how many seconds the course takes, to be told before it begins."""


class DefaultMix:
    """A scenario without a wish of its own for what is sent: the default mix of clips.

    One that has a wish overrides the attribute; each is as the option of its name takes it.
    """

    __slots__ = ()

    durations: ClassVar[str | None] = None
    formats: ClassVar[str | None] = None
    languages: ClassVar[str | None] = None
    clips: ClassVar[str | None] = None
    stream: ClassVar[float | None] = None
