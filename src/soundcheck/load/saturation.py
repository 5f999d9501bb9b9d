"""The search for the capacity: the highest rate of arrivals that keeps the SLO.

It is a course of stages and nothing else, so it runs against a simulated deployment as well:

1. *Floor*: one request at a time, to know the latency at its best.
2. *Ceiling*: a closed loop whose concurrency doubles until the throughput gains less than 3 %.
3. *Bracket*: short windows of Poisson arrivals from 0.5 to 1.1 times the ceiling, bisected; the
   bracket moves on where all of its rates pass, or all fail.
4. *Approach*: pairs of windows on both sides of the crossing, which is estimated anew after each
   from all windows near it (``soundcheck.load.curve``), until it is known to 2 %.
5. *Confirmation*: the bracket to publish, 4 % wide around the crossing, is measured at both ends
   three times, in turn, so that a drift of the machine meets both. Should the crossing move out
   of it meanwhile, there is one more such round around the new place.

A rate passes if the share of its arrivals that keep each limit reaches that limit's share; errors,
timeouts and unsent arrivals are misses. In the bracketing a single window decides, early by its
Wilson interval or by the share itself after two. A window whose queue grows steadily by a tenth of
the arrivals fails whatever its shares.

An INVALID window never counts as a failure: it is measured again, up to four times in a search
beside the one repetition that each window has; then the search stops and says what was known.

A queue that starts empty flatters the beginning of a stage: the warm-up is four times as long as
the longest latency that the SLO allows (at least 5 s), and a window fifteen times (20 s).
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from soundcheck.errors import SoundcheckError
from soundcheck.load.arrivals import Arrivals
from soundcheck.load.curve import Crossing, Window, crossing
from soundcheck.load.slo import Limit
from soundcheck.load.stage import Capacity, Course, DefaultMix, Observation, Plan, Stage

GAIN = 0.03
LOW, HIGH = 0.5, 1.1
COARSE = 1.12
LEAST = 0.02
ENOUGH = 50
RETRIES = 4
BESIDE = 0.03
BELOW, ABOVE = 0.995, 1.035
KNOWN = 0.02
APPROACHES = 4
CONFIRMATIONS = 3
ROUNDS = 2
DESIGN_EFFECT = 8.0
STEEP = 0.1
SHARE_OF_CLIENT = 0.6
Z = 1.96

_NO_SLO = "saturation looks for the highest rate that keeps an SLO: give one, like --slo 'p95<2s'"


class _Ended(Exception):
    """The search cannot go on; its text says why."""


def wilson(kept: float, arrivals: float, z: float = Z) -> tuple[float, float]:
    """Return the interval of a share after ``kept`` of ``arrivals`` (Wilson 1927)."""
    if not arrivals:
        return 0.0, 1.0
    share = kept / arrivals
    middle = share + z * z / (2 * arrivals)
    half = z * math.sqrt(share * (1 - share) / arrivals + z * z / (4 * arrivals * arrivals))
    whole = 1 + z * z / arrivals
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


@dataclass(frozen=True, slots=True)
class Pace:
    """The lengths of a search's stages, in seconds."""

    window_s: float
    warm_up_s: float
    short_s: float
    closed_s: float = 4.0

    @classmethod
    def of(cls, plan: Plan) -> "Pace":
        """Return the lengths for a plan's SLO, unless the user chose them."""
        allowed = plan.slo.longest_s or plan.slo.shortest_s or 1.0
        window = plan.duration_s or min(max(20.0, 15 * allowed), 180.0)
        warm_up = min(max(5.0, 4 * allowed), 60.0) if plan.warm_up_s is None else plan.warm_up_s
        return cls(window, warm_up, min(window, max(10.0, 5 * allowed)))


@dataclass(frozen=True, slots=True)
class Saturation(DefaultMix):
    """Doubling, bisection, and windows around the crossing, until the capacity is known."""

    name = "saturation"
    question = "What is the highest rate of arrivals that keeps the SLO?"

    def course(self, plan: Plan) -> Course:
        """Yield the stages of the search; raises SoundcheckError where the plan has no SLO."""
        if not plan.slo:
            raise SoundcheckError(_NO_SLO)
        return (yield from _Search(plan, Pace.of(plan)).run())

    def estimate_s(self, plan: Plan) -> float:
        """Return about how long the search takes: with all approaches, and one round."""
        if not plan.slo:
            raise SoundcheckError(_NO_SLO)
        if plan.rate is not None or plan.arrivals is not None:
            raise SoundcheckError(
                "saturation searches for the rate: leave --rate and --arrivals out"
            )
        pace = Pace.of(plan)
        closed = (2 + math.log2(max(plan.users, 2))) * (pace.closed_s + 2)
        halvings = math.ceil(math.log2(math.log(HIGH / LOW) / math.log(COARSE))) + 2
        around = pace.warm_up_s + 2
        windows = 2 * APPROACHES + 2 * CONFIRMATIONS
        return closed + halvings * (pace.short_s + around) + windows * (pace.window_s + around)


@dataclass(slots=True)
class _Search:
    """One search: what it has seen so far."""

    plan: Plan
    pace: Pace
    seen: list[tuple[float, Observation]] = field(default_factory=list)
    floor_s: float | None = None
    ceiling_rps: float | None = None
    ceiling_rtfx: float | None = None
    remeasured: list[tuple[float, bool]] = field(default_factory=list)
    retries: int = RETRIES

    def run(self) -> Course:
        low: float | None = None
        high: float | None = None
        note = ""
        try:
            yield from self._floor()
            yield from self._closed()
            low, high = yield from self._bracket()
            if low is not None and high is not None:
                low, high = yield from self._approach(math.sqrt(low * high))
                note = self._precision(math.sqrt(low * high))
            elif low is not None:
                note = (
                    f"{low:.3g}/s passed, and this client cannot offer more: add workers to find "
                    "the capacity"
                )
            else:
                note = "no rate passed"
        except _Ended as end:
            low, high = self._known()
            note = str(end)
        return Capacity(
            passed_rps=low,
            failed_rps=high,
            rtfx=self._rtfx(low),
            floor_latency_s=self.floor_s,
            ceiling_rtfx=self.ceiling_rtfx,
            remeasured=tuple(self.remeasured),
            note=note,
        )

    # Stages

    def _floor(self) -> Generator[Stage, Observation, None]:
        seconds = self.pace.closed_s
        for _ in range(2):
            one = Arrivals("closed", (1.0,))
            seen = yield from self._measure(
                Stage("one request at a time", one, seconds, warm_up_s=0.5, repeat_invalid=True)
            )
            if not seen.succeeded or seen.p50_s is None:
                raise _Ended("not even single requests were answered")
            self.floor_s = seen.p50_s
            self.ceiling_rps, self.ceiling_rtfx = seen.achieved_rps, seen.rtfx
            if seen.succeeded >= 5:
                return
            seconds = min(10 * seen.p50_s, 60.0)

    def _closed(self) -> Generator[Stage, Observation, None]:
        """Double the concurrency until the throughput gains next to nothing, twice in a row."""
        at_once, flat = 2, 0
        while at_once <= self.plan.users and flat < 2:
            best = self.ceiling_rps or 1.0
            seen = yield from self._measure(
                Stage(
                    f"{at_once} at once",
                    Arrivals("closed", (float(at_once),)),
                    window_s=min(max(self.pace.closed_s, ENOUGH / best), 30.0),
                    warm_up_s=max(1.0, self.floor_s or 0.0),
                    repeat_invalid=True,
                )
            )
            flat = flat + 1 if seen.achieved_rps < best * (1 + GAIN) else 0
            if seen.achieved_rps > best:
                self.ceiling_rps, self.ceiling_rtfx = seen.achieved_rps, seen.rtfx
            if self._verdict(0.0, [seen]) is False:
                return  # more at once would only wait longer: the SLO ends about here
            at_once *= 2

    def _bracket(self) -> Generator[Stage, Observation, tuple[float | None, float | None]]:
        """Return a rate that passed and one that failed, not far apart; None for one not found.

        A short window may mislead here: the approach looks beyond the bracket as well.
        """
        ceiling = self.ceiling_rps or 1.0
        most = SHARE_OF_CLIENT * self.plan.ceiling_rps if self.plan.ceiling_rps else math.inf
        low, high = LOW * ceiling, min(HIGH * ceiling, most)
        low = min(low, high * LOW / HIGH)
        passed = failed = False
        step = 1.0
        while not (passed and failed and high / low <= COARSE):
            end = low if failed else high
            rate = math.sqrt(low * high) if high / low > COARSE else end
            if (yield from self._passes(rate)):
                passed, low = True, rate
                if rate >= most:
                    return rate, None
                if rate == high:
                    # The closed loop came to less than there is: find the end in larger steps.
                    step *= 1.25
                    high = min(high * step, most)
            else:
                failed, high = True, rate
                if rate == low:
                    low /= 2
                    if low < LEAST * ceiling:
                        return None, rate
        return low, high

    def _approach(self, rate: float) -> Generator[Stage, Observation, tuple[float, float]]:
        """Return the bracket around the crossing after measuring on both of its sides."""
        for _ in range(APPROACHES):
            for side in (1 - BESIDE, 1 + BESIDE):
                yield from self._window(rate * side, self.pace.window_s)
            found = self._crossing(rate)
            rate = found.rate
            if found.deviation < KNOWN:
                break
        low, high = rate * BELOW, rate * ABOVE
        for _ in range(ROUNDS):
            low, high = rate * BELOW, rate * ABOVE
            self.remeasured = []
            for _ in range(CONFIRMATIONS):
                for end in (low, high):
                    seen = yield from self._window(end, self.pace.window_s)
                    self.remeasured.append((end, self._by_share(end, [seen])))
            rate = self._crossing(rate).rate
            if low <= rate <= high:
                break
        else:
            low, high = rate * BELOW, rate * ABOVE
        return low, high

    def _passes(self, rate: float) -> Generator[Stage, Observation, bool]:
        seen = yield from self._window(rate, self.pace.short_s)
        verdict = self._verdict(rate, [seen])
        return self._by_share(rate, [seen]) if verdict is None else verdict

    def _window(self, rate: float, seconds: float) -> Generator[Stage, Observation, Observation]:
        seen = yield from self._measure(
            Stage(
                f"{rate:.4g}/s",
                Arrivals("poisson", (rate,)),
                # Short windows of slow deployments hold too few arrivals to tell anything.
                window_s=min(max(seconds, 2 * ENOUGH / rate), 180.0),
                warm_up_s=self.pace.warm_up_s,
                repeat_invalid=True,
            )
        )
        self.seen.append((rate, seen))
        return seen

    def _measure(self, stage: Stage) -> Generator[Stage, Observation, Observation]:
        """Return what a stage showed; raises _Ended where that is nothing about the deployment."""
        seen = yield stage
        while not seen.valid and not seen.ended and self.retries:
            self.retries -= 1
            seen = yield stage
        if seen.ended:
            raise _Ended("the run ended before the search did")
        if not seen.valid:
            raise _Ended(f"the client was the limit ({seen.limit}), so the search cannot go on")
        return seen

    # Judgement

    def _kept(self, rate: float, seen: Observation, place: int) -> tuple[int, int]:
        """Return how many arrivals kept a limit, of how many; none where the queue only grew."""
        slope, error = seen.in_flight_slope
        met = seen.met[place]
        grows = rate > 0 and slope - 4 * error > STEEP * rate
        return 0 if grows else met.kept, met.arrivals

    def _verdict(self, rate: float, windows: list[Observation]) -> bool | None:
        """Tell whether windows at a rate pass, None where the Wilson intervals leave it open."""
        clear = True
        for (kept, arrivals), limit in self._sums(rate, windows):
            low, high = wilson(kept / DESIGN_EFFECT, arrivals / DESIGN_EFFECT)
            if high < limit.share:
                return False
            clear = clear and low >= limit.share
        return True if clear else None

    def _by_share(self, rate: float, windows: list[Observation]) -> bool:
        return all(
            kept >= limit.share * arrivals for (kept, arrivals), limit in self._sums(rate, windows)
        )

    def _sums(
        self, rate: float, windows: list[Observation]
    ) -> Iterator[tuple[tuple[int, int], Limit]]:
        """Yield kept and all arrivals of the windows together, with each limit."""
        for place, limit in enumerate(self.plan.slo.limits):
            each = [self._kept(rate, one, place) for one in windows]
            yield (sum(kept for kept, _ in each), sum(arrivals for _, arrivals in each)), limit

    def _crossing(self, start: float) -> Crossing:
        """Return the lowest crossing of all limits; never above what a closed loop came to."""
        found = min(
            (
                crossing(
                    [Window(rate, *self._kept(rate, seen, place)) for rate, seen in self.seen],
                    limit.share,
                    start,
                )
                for place, limit in enumerate(self.plan.slo.limits)
            ),
            key=lambda one: one.rate,
        )
        most = SHARE_OF_CLIENT * self.plan.ceiling_rps if self.plan.ceiling_rps else math.inf
        return Crossing(min(found.rate, most / ABOVE), found.deviation)

    def _known(self) -> tuple[float | None, float | None]:
        """Return the highest rate that passed and the lowest above it that failed, by shares."""
        at: dict[float, list[Observation]] = {}
        for rate, seen in self.seen:
            at.setdefault(rate, []).append(seen)
        rates = sorted(at)
        passed = [rate for rate in rates if self._by_share(rate, at[rate])]
        low = max(passed, default=None)
        above = [rate for rate in rates if rate not in passed and (low is None or rate > low)]
        return low, min(above, default=None)

    def _precision(self, rate: float) -> str:
        deviation = self._crossing(rate).deviation
        return (
            f"the share of arrivals that keep the SLO falls below its target at {rate:.4g}/s "
            f"± {200 * deviation:.1f} % (two standard deviations, from {len(self.seen)} windows)"
        )

    def _rtfx(self, rate: float | None) -> float | None:
        """Return the mean RTFx of the windows at the rate that passed."""
        found = [seen.rtfx for at, seen in self.seen if at == rate]
        return sum(found) / len(found) if found else None
