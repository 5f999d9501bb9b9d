"""What the samples of a stage say: counts, rates, tables and a timeline. Calculation only.

Counts, percentiles and limits are over the arrivals that were to begin within the window; the
achieved rate and RTFx over the successes that were complete within it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from soundcheck.load.histogram import Histogram
from soundcheck.load.sample import CAUSES, NEVER, Sample
from soundcheck.load.saturation import wilson
from soundcheck.load.slo import Slo
from soundcheck.load.stage import Met, Stage

_DASH = "\N{EN DASH}"
DURATIONS = (5, 15, 30, 60, 300, 1800)
"""Where the classes of durations in the tables end, in seconds."""

_SECOND = 1_000_000_000
_UNSENT = CAUSES.index("unsent")
_WRONG = CAUSES.index("wrong-text")
_BLOCKS = 20


@dataclass(slots=True)
class _Group:
    """Arrivals that have something in common."""

    count: int = 0
    failed: int = 0
    audio_s: float = 0.0
    latency: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class _Moment:
    """One second of a stage."""

    offered: int = 0
    begun: int = 0
    done: int = 0
    failed: int = 0
    over: int = 0
    latency: Histogram = field(default_factory=Histogram)


class WindowReading:
    """Takes the samples of a stage, in any order, and tells what they say.

    ``forms`` are the descriptions of the forms by number. ``verified`` tells of an arrival whether
    its transcript was compared.
    """

    def __init__(
        self,
        stage: Stage,
        forms: Mapping[int, Mapping[str, Any]],
        slo: Slo,
        verified: Callable[[int], bool],
    ) -> None:
        self.stage = stage
        self._forms = forms
        self._slo = slo
        self._verified = verified
        self._opens = round(stage.warm_up_s * _SECOND)
        self._closes = self._opens + round(stage.window_s * _SECOND)
        self.intended = self.unsent = self.succeeded = self.verified_count = self.wrong = 0
        self.sent_in_all = 0
        self.in_time = 0
        self.audio_s = 0.0
        self.causes: Counter[str] = Counter()
        self._kept = [0] * len(slo.limits)
        self._judged = [0] * len(slo.limits)
        self._all_kept = 0
        self._kept_unverified = [0] * len(slo.limits)
        self._all_kept_unverified = 0
        self._moments: defaultdict[int, _Moment] = defaultdict(_Moment)
        self._groups: dict[str, defaultdict[str, _Group]] = {
            name: defaultdict(_Group) for name in ("format", "duration", "language")
        }
        self._busy = [0.0] * _BLOCKS

    def add(self, samples: Iterable[Sample]) -> None:
        """Take in samples."""
        for one in samples:
            self._add(one)

    @property
    def failed(self) -> int:
        """Return how many arrivals of the window were sent and failed."""
        return self.intended - self.unsent - self.succeeded

    @property
    def achieved_rps(self) -> float:
        """Return how many requests per second were complete, and right, within the window."""
        return self.in_time / self.stage.window_s

    @property
    def rtfx(self) -> float:
        """Return how many seconds of audio were transcribed per second within the window."""
        return self.audio_s / self.stage.window_s

    @property
    def met(self) -> tuple[Met, ...]:
        """Return how many arrivals kept each limit of the SLO.

        Where answers that were compared are wrong, so is a part of those that were not: as large
        as is certain (95 %). An answer that is wrong keeps nothing.
        """
        wrong = self._wrong_share
        return tuple(
            Met(judged, kept - round(wrong * unverified))
            for judged, kept, unverified in zip(
                self._judged, self._kept, self._kept_unverified, strict=True
            )
        )

    @property
    def all_met(self) -> Met:
        """Return how many arrivals kept all limits, counted in the same way."""
        wrong = round(self._wrong_share * self._all_kept_unverified)
        return Met(self.intended, self._all_kept - wrong)

    @property
    def _wrong_share(self) -> float:
        return wilson(self.wrong, self.verified_count)[0] if self.wrong else 0.0

    def in_flight_slope(self) -> tuple[float, float]:
        """Return how fast the number of requests under way grew in the window, per second.

        With its standard error: least squares over the means of twenty parts of the window. What
        is under way includes what waits for a user: the queue is the same wherever it stands.
        """
        width = self.stage.window_s / _BLOCKS
        times = [(place + 0.5) * width for place in range(_BLOCKS)]
        levels = [busy / width for busy in self._busy]
        mean_time, mean_level = sum(times) / _BLOCKS, sum(levels) / _BLOCKS
        spread = sum((time - mean_time) ** 2 for time in times)
        slope = (
            sum((t - mean_time) * (v - mean_level) for t, v in zip(times, levels, strict=True))
            / spread
        )
        rest = sum(
            (v - mean_level - slope * (t - mean_time)) ** 2
            for t, v in zip(times, levels, strict=True)
        )
        return slope, math.sqrt(rest / (_BLOCKS - 2) / spread)

    def errors(self, examples: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the causes of failures in the window, the most frequent first."""
        return [
            {"cause": cause, "count": count, "example": examples.get(cause, "")}
            for cause, count in self.causes.most_common()
        ]

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the window by format, duration and language."""
        return {name: self._table(groups) for name, groups in self._groups.items()}

    def timeline(self, seconds: Mapping[int, Any]) -> list[dict[str, Any]]:
        """Return the stage second by second; ``seconds`` are what workers said of themselves."""
        if not self._moments:
            return []
        told = []
        in_flight = 0
        for second in range(max(self._moments) + 1):
            moment = self._moments[second]
            in_flight += moment.begun - moment.over
            own = seconds.get(second + 1)
            latency = moment.latency
            told.append(
                {
                    "t_s": second,
                    "offered": moment.offered,
                    "begun": moment.begun,
                    "done": moment.done,
                    "failed": moment.failed,
                    "in_flight": in_flight,
                    "p50_s": latency.percentile(0.5),
                    "p95_s": latency.percentile(0.95),
                    "max_s": latency.maximum,
                    "lag_ms": None if own is None else own.lag_ns / 1e6,
                    "backlog": None if own is None else own.backlog,
                }
            )
        return told

    def _add(self, one: Sample) -> None:
        form = self._forms.get(one.form, {})
        audio_s = form.get("audio_s", 0.0)
        unsent = one.cause == _UNSENT
        success = not one.cause
        latency = one.done - one.intended
        moments = self._moments
        moments[one.intended // _SECOND].offered += 1
        if not unsent:
            self.sent_in_all += 1
            moments[one.dispatched // _SECOND].begun += 1
            over = moments[one.done // _SECOND]
            over.over += 1
            if success:
                over.done += 1
                over.latency.record(latency)
            else:
                over.failed += 1
            if success and self._opens <= one.done < self._closes:
                self.in_time += 1
                self.audio_s += audio_s
        self._under_way(one.intended, self._closes if unsent else one.done)
        if self._opens <= one.intended < self._closes:
            self._judge(one, form, audio_s, latency if success else None)

    def _judge(
        self, one: Sample, form: Mapping[str, Any], audio_s: float, latency: int | None
    ) -> None:
        """Count an arrival of the window."""
        self.intended += 1
        if one.cause == _UNSENT:
            self.unsent += 1
        if one.cause:
            self.causes[CAUSES[one.cause]] += 1
        else:
            self.succeeded += 1
        verified = one.cause in (0, _WRONG) and self._verified(one.arrival)
        self.verified_count += verified
        self.wrong += one.cause == _WRONG
        streams = bool(form.get("stream"))
        latency_s = None if latency is None else latency / _SECOND
        ttfd_s = None
        if streams and one.first_text != NEVER:
            ttfd_s = (one.first_text - one.intended) / _SECOND
        all_kept = True
        for place, limit in enumerate(self._slo.limits):
            if limit.metric == "ttfd" and not streams:
                continue
            self._judged[place] += 1
            if limit.kept(latency_s, ttfd_s):
                self._kept[place] += 1
                self._kept_unverified[place] += not verified
            else:
                all_kept = False
        self._all_kept += all_kept
        self._all_kept_unverified += all_kept and not verified
        keys = (
            str(form.get("format") or "?"),
            duration_class(audio_s),
            str(form.get("language") or "none"),
        )
        for groups, key in zip(self._groups.values(), keys, strict=True):
            group = groups[key]
            group.count += 1
            if latency is None:
                group.failed += 1
            else:
                group.latency.record(latency)
                if one.done < self._closes:
                    group.audio_s += audio_s

    def _under_way(self, begin: int, end: int) -> None:
        """Add the time that a request was under way to the parts of the window it was in."""
        width = (self._closes - self._opens) / _BLOCKS
        first = max(begin, self._opens)
        last = min(end, self._closes)
        while first < last:
            place = min(int((first - self._opens) / width), _BLOCKS - 1)
            edge = min(last, math.ceil(self._opens + (place + 1) * width))
            if edge <= first:  # a part narrower than a nanosecond
                return
            self._busy[place] += (edge - first) / _SECOND
            first = edge

    def _table(self, groups: Mapping[str, _Group]) -> list[dict[str, Any]]:
        rows = []
        for key in sorted(groups, key=_order):
            group = groups[key]
            summary = group.latency.summary()
            rows.append(
                {
                    "key": key,
                    "count": group.count,
                    "failed": group.failed,
                    "p50_s": summary["p50"],
                    "p95_s": summary["p95"],
                    "p99_s": summary["p99"],
                    "rtfx": group.audio_s / self.stage.window_s,
                }
            )
        return rows


def duration_class(audio_s: float) -> str:
    """Return the class of a clip's duration in words, from the classes' limits."""
    low: float = 0
    for high in DURATIONS:
        if audio_s <= high:
            return f"{low:g}{_DASH}{high:g} s"
        low = high
    return f"over {low:g} s"


def slo_rows(
    slo: Slo, met: Sequence[Met], interval: Callable[[float, float], tuple[float, float]]
) -> list[dict[str, Any]]:
    """Return each limit with the share that kept it, its ``interval``, and the verdict.

    The share that was seen decides, unless there were so few arrivals that even without a miss the
    interval would reach below what the limit asks for.
    """
    rows = []
    for limit, one in zip(slo.limits, met, strict=True):
        low, high = interval(one.kept, one.arrivals) if one.arrivals else (0.0, 1.0)
        share = one.kept / one.arrivals if one.arrivals else None
        verdict = "undecided"
        if share is not None and high < limit.share:
            verdict = "missed"
        elif share is not None and interval(one.arrivals, one.arrivals)[0] >= limit.share:
            verdict = "met" if share >= limit.share else "missed"
        rows.append(
            {
                "text": limit.text,
                "metric": limit.metric,
                "share": limit.share,
                "limit_s": limit.limit_s,
                "kept": share,
                "interval": [low, high],
                "verdict": verdict,
            }
        )
    return rows


def _order(key: str) -> tuple[float, str]:
    number = key.split(_DASH)[0].removeprefix("over ").split(" ")[0]
    return (float(number), key) if number.isdigit() else (0.0, key)
