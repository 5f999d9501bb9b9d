"""The scenarios: each is a question, and the course of stages that answers it.

A scenario is a frozen value with its lengths (in seconds) as fields, so that a locustfile can have
``scenario = Steady(window_s=120)``. The user's options, in the plan, come before them. What is sent
where the options do not say stands in class attributes: ``durations``, ``formats``, ``languages``
and ``clips``, texts that ``soundcheck.load.mix`` reads, and ``stream``, a share.

Where no rate is given, an unknown deployment is treated gently: as many requests per second as keep
two of them under way on average, by the latency of one request at a time, which is measured first.
The bundled reference gets 20 % of what the client can send. Neither is more than 50 per second.
"""

from collections.abc import Generator
from dataclasses import dataclass
from math import floor, log10
from typing import ClassVar

from soundcheck.errors import SoundcheckError
from soundcheck.load.arrivals import Arrivals
from soundcheck.load.saturation import Saturation
from soundcheck.load.stage import Course, DefaultMix, Observation, Plan, Scenario, Stage

__all__ = [
    "SCENARIOS",
    "Burst",
    "Limits",
    "Mixed",
    "Ramp",
    "Saturation",
    "Soak",
    "Steady",
    "Streaming",
]

FASTEST_DEFAULT = 50.0
SHARE_OF_CEILING = 0.2
UNDER_WAY = 2.0
REPEATED_S = 120.0
"""The longest window that is repeated when the client was the limit: more is for the user to say,
who reads at its end what to change first."""
PROBE_S = 4.0
DRAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Steady(DefaultMix):
    """One rate of Poisson arrivals, held for a window."""

    window_s: float = 20.0
    warm_up_s: float = 3.0

    name = "steady"
    question = "How long do transcriptions take at a fixed rate of arrivals?"

    def course(self, plan: Plan) -> Course:
        """Yield one stage, after a look at the latency where no rate is given."""
        arrivals = yield from _arrivals(plan)
        if arrivals is not None:
            yield self._stage(plan, arrivals)
        return None

    def estimate_s(self, plan: Plan) -> float:
        """Return the seconds of the probe, the warm-up and the window."""
        arrivals = _given(plan) or Arrivals("poisson", (1.0,))
        stage = self._stage(plan, arrivals)
        return stage.warm_up_s + stage.window_s + (PROBE_S if _must_probe(plan) else 0.0)

    def _stage(self, plan: Plan, arrivals: Arrivals) -> Stage:
        # A trace is replayed from its first arrival to its last.
        warm_up = 0.0 if arrivals.length_s is not None else self.warm_up_s
        window = arrivals.length_s or self.window_s
        if arrivals.kind == "burst":
            _check_period(plan.duration_s or window, arrivals.numbers[2])
        return Stage(
            _told(arrivals),
            arrivals,
            window_s=plan.duration_s or window,
            warm_up_s=warm_up if plan.warm_up_s is None else plan.warm_up_s,
            drain_s=DRAIN_S,
            repeat_invalid=_is_repeated(plan.duration_s or window),
        )


@dataclass(frozen=True, slots=True)
class Streaming(Steady):
    """Steady arrivals, all of which ask for a stream."""

    name = "streaming"
    question = "How soon and how evenly does the text of a stream come?"
    stream: ClassVar[float | None] = 1.0


@dataclass(frozen=True, slots=True)
class Mixed(Steady):
    """Steady arrivals of many kinds: durations, formats, languages, streams and not."""

    window_s: float = 60.0

    name = "mixed"
    question = "Which kinds of requests are slow when all kinds come together?"
    durations: ClassVar[str | None] = "short=3,medium=2,long=1"
    formats: ClassVar[str | None] = "wav=3,mp3=3,m4a=2,webm=2,ogg=1,flac=1"
    languages: ClassVar[str | None] = "en=7,de=1,es=1,zh=1"
    stream: ClassVar[float | None] = 0.3


@dataclass(frozen=True, slots=True)
class Soak(Steady):
    """Steady arrivals for long: ten minutes, or whatever the user has time for."""

    window_s: float = 600.0
    warm_up_s: float = 5.0

    name = "soak"
    question = "Does latency, or the share of errors, drift over a long time?"


@dataclass(frozen=True, slots=True)
class Burst(Steady):
    """A low rate, and ``times`` as much for ``length_s`` in the middle of every ``every_s``."""

    window_s: float = 60.0
    every_s: float = 20.0
    length_s: float = 4.0
    times: float = 5.0

    name = "burst"
    question = "What do bursts do to latency, and how fast is it back to normal?"

    def course(self, plan: Plan) -> Course:
        """Yield one stage with bursts around the rate, which is the mean."""
        arrivals = yield from _arrivals(plan)
        if arrivals is not None:
            if plan.arrivals is None:
                # The mean stays what was asked for: base + (times - 1) * base * share of time.
                base = arrivals.rate / (1 + (self.times - 1) * self.length_s / self.every_s)
                peak = base * self.times
                arrivals = Arrivals("burst", (base, peak, self.every_s, self.length_s))
            yield self._stage(plan, arrivals)
        return None

    def estimate_s(self, plan: Plan) -> float:
        """Return the seconds of the probe, the warm-up and the window.

        Raises SoundcheckError for a window without a burst.
        """
        if plan.arrivals is None:
            _check_period(plan.duration_s or self.window_s, self.every_s)
        return Steady.estimate_s(self, plan)


@dataclass(frozen=True, slots=True)
class Ramp(DefaultMix):
    """Rates one after the other, each held for a window: up to the plan's rate in equal steps.

    Where none is given, from a gentle rate on, each half as much again. Two in a row that were not
    kept up with, or in which the client was the limit, end it.
    """

    window_s: float = 15.0
    warm_up_s: float = 3.0
    steps: int = 8

    name = "ramp"
    question = "How does latency grow with load, and where is the knee?"

    def course(self, plan: Plan) -> Course:
        """Yield a stage per rate, or a single one for arrivals that the user chose."""
        given = _given(plan) if plan.rate is None else None
        if given is not None:
            steady = Steady(self.window_s * self.steps, self.warm_up_s)
            return (yield from steady.course(plan))
        arrivals = yield from _arrivals(plan)
        if arrivals is None:
            return None
        behind = 0
        best: float | None = None
        for rate in self._rates(plan, arrivals.rate):
            one = Arrivals("poisson", (rate,))
            window = plan.duration_s or self.window_s
            seen = yield Stage(
                _told(one),
                one,
                window_s=window,
                warm_up_s=self.warm_up_s if plan.warm_up_s is None else plan.warm_up_s,
                drain_s=DRAIN_S,
                repeat_invalid=_is_repeated(window),
            )
            if seen.ended:
                break
            if best is None and seen.valid:
                best = seen.p95_s
            behind = behind + 1 if not seen.valid or _is_behind(seen, best) else 0
            if behind == 2:
                break
        return None

    def estimate_s(self, plan: Plan) -> float:
        """Return the seconds of all steps, with a little for what is under way at their ends."""
        if plan.arrivals is not None:
            return Steady(self.window_s * self.steps, self.warm_up_s).estimate_s(plan)
        warm_up = self.warm_up_s if plan.warm_up_s is None else plan.warm_up_s
        each = (plan.duration_s or self.window_s) + warm_up + 2.0
        return self.steps * each + (PROBE_S if _must_probe(plan) else 0.0)

    def _rates(self, plan: Plan, first: float) -> list[float]:
        if plan.rate is not None:
            return [plan.rate * step / self.steps for step in range(1, self.steps + 1)]
        most = 0.6 * plan.ceiling_rps if plan.ceiling_rps else float("inf")
        rates = [_rounded(first / 2 * 1.5**step) for step in range(self.steps)]
        return [rate for rate in rates if rate <= most] or rates[:1]


@dataclass(frozen=True, slots=True)
class Limits(DefaultMix):
    """Files of 25 MB, the documented limit, several at once and one after the other."""

    window_s: float = 30.0
    warm_up_s: float = 0.0
    at_once: int = 4

    name = "limits"
    question = "Are uploads as large as documented taken in parallel, and how fast?"
    clips: ClassVar[str | None] = (
        "sized-25000000.wav=1,sized-25000000.mp3=1,sized-25000000.flac=1,sized-25000000.m4a=1"
    )

    def course(self, plan: Plan) -> Course:
        """Yield one stage in a closed loop, unless the user gave arrivals or a rate."""
        yield self._stage(plan)
        return None

    def estimate_s(self, plan: Plan) -> float:
        """Return the seconds of warm-up and window, and ten for the last uploads."""
        stage = self._stage(plan)
        return stage.warm_up_s + stage.window_s + 10.0

    def _stage(self, plan: Plan) -> Stage:
        at_once = Arrivals("closed", (float(min(self.at_once, plan.users)),))
        arrivals = _given(plan) or at_once
        window = plan.duration_s or arrivals.length_s or self.window_s
        return Stage(
            _told(arrivals),
            arrivals,
            window_s=window,
            warm_up_s=self.warm_up_s if plan.warm_up_s is None else plan.warm_up_s,
            drain_s=120.0,
            repeat_invalid=_is_repeated(window),
        )


SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        Steady(),
        Ramp(),
        Saturation(),
        Burst(),
        Soak(),
        Streaming(),
        Mixed(),
        Limits(),
    )
}
"""Every scenario that ships, by its name."""


def _given(plan: Plan) -> Arrivals | None:
    """Return the arrivals that the options say, None where the scenario has to choose."""
    if plan.arrivals is not None:
        given = Arrivals.parse(plan.arrivals)
        if given.is_closed and given.under_way > plan.users:
            raise SoundcheckError(
                f"{given} needs as many users, and there are {plan.users}: raise --users"
            )
        return given
    return None if plan.rate is None else Arrivals("poisson", (plan.rate,))


def _check_period(window_s: float, every_s: float) -> None:
    """Refuse a window that is too short for its bursts: it would show none, and look calm."""
    if window_s < every_s:
        raise SoundcheckError(
            f"a burst comes in the middle of every {every_s:g} s, and the window is of "
            f"{window_s:g} s: make it as long, or a multiple"
        )


def _is_repeated(window_s: float) -> bool:
    """Tell whether a window of that length is run once more if it is INVALID."""
    return window_s <= REPEATED_S


def _must_probe(plan: Plan) -> bool:
    return _given(plan) is None and not plan.options.get("reference")


def _arrivals(plan: Plan) -> Generator[Stage, Observation, Arrivals | None]:
    """Return the arrivals of the plan, else gentle ones; None where the run ended meanwhile."""
    given = _given(plan)
    if given is not None:
        return given
    rate = FASTEST_DEFAULT
    if plan.ceiling_rps:
        rate = min(rate, SHARE_OF_CEILING * plan.ceiling_rps)
    if _must_probe(plan):
        one = Arrivals("closed", (1.0,))
        seen = yield Stage("one request at a time", one, window_s=PROBE_S, measured=False)
        if seen.ended:
            return None
        # Without an answer in that time, one a second shows what is wrong as well as any rate.
        rate = min(rate, UNDER_WAY / seen.p50_s) if seen.p50_s else 1.0
    return Arrivals("poisson", (_rounded(rate),))


def _is_behind(seen: Observation, best_p95_s: float | None) -> bool:
    """Tell whether the deployment did not keep up: errors, unsent, or five times the latency."""
    if seen.succeeded < 0.95 * seen.arrivals or seen.p95_s is None:
        return True
    return best_p95_s is not None and seen.p95_s > 5 * best_p95_s


def _rounded(rate: float) -> float:
    """Return two digits of a rate: it is a choice, not a measurement."""
    if rate <= 0:
        return rate
    return round(rate, 1 - floor(log10(rate)))


def _told(arrivals: Arrivals) -> str:
    """Return what a stage with these arrivals is called."""
    if arrivals.kind in ("poisson", "constant"):
        return f"{arrivals.rate:g}/s"
    if arrivals.is_closed:
        return f"{arrivals.under_way} at once"
    if arrivals.kind == "burst":
        base, peak = arrivals.numbers[:2]
        return f"{base:.3g}/s with bursts of {peak:.3g}/s"
    if arrivals.kind == "ramp":
        return "{:g}/s to {:g}/s".format(*arrivals.numbers)
    return str(arrivals)
