"""Whether a window says something about the deployment, or only about the client.

A window in which the client could not keep its own schedule is INVALID: no percentile of it is a
finding. What makes it so is always something that the client measured of itself. Slow, stalled and
failing answers never do: latency counts from the intended start, so they are in the result.

Thresholds and why:

* *Lag* (of the schedule, of the event loop): p99 above max(5 ms, 2 % of the SLO's shortest time).
  An idle gevent loop beside other busy processes reaches 4 to 4.6 ms, so less than 5 ms would void
  healthy windows. Where there is no SLO no verdict hangs on it, and 10 % of the median latency are
  allowed (not in streams, whose gaps are shorter): the scheduler of a shared machine takes a core
  away for 8 to 10 ms at a time, which hardly shows in answers of 100 ms. A p99 leaves room
  for single hiccups: with 100 ticks a second, a window of 20 s endures 20 late ones, a process that
  is kept off its core for 200 ms. Where there are fewer than 300 values, three must be late.
* *Timing* (from the kernel's stamp to ours): p99 above the same where whole answers are read; in
  streams above max(5 ms, 1 % of the SLO's shortest time, or of the median latency). Not less,
  because a server that batches answers all streams in one instant, and the last of 128 is then
  read 3 ms late by a client that is hardly busy; kernel stamps take that out of the result.
* *Tails*: at each of the percentiles 50, 90, 95 and 99, lag and timing may also be a tenth of what
  latency there exceeds its median. A server that was frozen answers everything in the instant it
  thaws: to read the last of 2,000 answers takes a client 130 ms, and those waited for seconds. A
  client that is itself the cause has as much lag as latency, and is found all the same.
* *Coalesced* deltas, over 5 % in streams: gaps are lost. But a server or proxy may send several
  deltas at once, which is no fault of ours: it counts only if reads were late as well.
* *Pool*: arrivals that found no free user, over 0.5 %. Users that wait for a server which became
  slow, or stopped, are its doing: the queue stands in the client instead of in the server, and is
  in the latency all the same. Only if the deployment at its best (the shortest service times of
  the run) would have kept more users busy than there are is the pool to blame: rate x service time
  of them on average (Little's law), and three standard deviations more by chance.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from soundcheck.load.arrivals import Arrivals
from soundcheck.load.histogram import NANOSECONDS, Histogram

LAG_FLOOR_S = 0.005
LAG_OF_SLO = 0.02
LAG_OF_LATENCY = 0.1
TIMING_OF_LATENCY = 0.01
COALESCED = 0.05
MISSING = 0.005
OF_TAIL = 0.1
PERCENTILES = (0.5, 0.9, 0.95, 0.99)
LATE_READ_S = 0.001
IDLE = 0.3
FEW_DESCRIPTORS = 8
FEW_PORTS = 64


@dataclass(slots=True)
class Vitals:
    """What one worker measured of itself, in a window or in any part of one.

    ``intended`` counts arrivals that were to begin in it, ``sent`` those that a user took before
    the drain ended, ``unsent`` the others, ``starved`` those that found no free user when they were
    due. ``users`` is the worker's share of the pool, ``users_left`` what there was of it at the end
    (None: unknown). ``schedule_lag`` is from an arrival's intended
    time to when it was put into the queue, ``dispatch_lag`` to when a user took it, ``loop_lag``
    how late a ticker of the event loop was, ``user_kernel`` from the kernel's receive stamp to
    ours. ``cpu`` is a share of one core, ``run_delay_share`` the share of the time that the process
    could have run but was not let. ``descriptors_free`` and ``ports_free`` are the least seen
    (None: unknown). ``lost`` says that the worker did not report to the end.
    """

    worker: int = 0
    users: int = 0
    users_left: int | None = None
    intended: int = 0
    sent: int = 0
    unsent: int = 0
    starved: int = 0
    backlog_end: int = 0
    deltas: int = 0
    coalesced: int = 0
    gc_pauses: int = 0
    gc_longest_ns: int = 0
    cpu: float | None = None
    run_delay_share: float | None = None
    descriptors_free: int | None = None
    ports_free: int | None = None
    lost: bool = False
    schedule_lag: Histogram = field(default_factory=Histogram)
    dispatch_lag: Histogram = field(default_factory=Histogram)
    loop_lag: Histogram = field(default_factory=Histogram)
    user_kernel: Histogram = field(default_factory=Histogram)

    def to_message(self) -> dict[str, Any]:
        """Return plain values for a message."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: value.to_message() if isinstance(value, Histogram) else value
            for name, value in told.items()
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> "Vitals":
        """Return what ``to_message`` gave."""
        values: dict[str, Any] = dict(message)
        for name in _HISTOGRAMS:
            values[name] = Histogram.from_message(values[name])
        return cls(**values)


_HISTOGRAMS = ("schedule_lag", "dispatch_lag", "loop_lag", "user_kernel")


@dataclass(frozen=True, slots=True)
class Window:
    """What a verdict on a window takes: its arrivals, what each worker measured, and the scale.

    ``floor_service_s`` is the mean over the mix of each form's shortest time from dispatch to
    answer seen in the run (None: nothing was answered yet). ``slo_s`` is the shortest time that the
    SLO names, ``latency_s`` the median latency reported; either None where there is none.
    ``latency`` has all latencies of the window.
    """

    arrivals: Arrivals
    workers: Sequence[Vitals]
    expected_workers: int = 1
    streaming: bool = False
    floor_service_s: float | None = None
    slo_s: float | None = None
    latency_s: float | None = None
    latency: Histogram | None = None

    def is_late(self, lags: Histogram, limit_s: float) -> bool:
        """Tell whether lags are above a limit at p99, or at a lower percentile, beside the tail.

        One or two values are not enough.
        """
        if self.latency is None or not self.latency:
            return _too_late(lags, limit_s)
        median = self.latency.percentile(0.5) or 0.0
        for share in PERCENTILES:
            tail = OF_TAIL * ((self.latency.percentile(share) or 0.0) - median)
            if _too_late(lags, max(limit_s, tail), share):
                return True
        return False

    @property
    def lag_limit_s(self) -> float:
        """Return how late the client may be at p99, in seconds."""
        if self.slo_s is not None:
            return max(LAG_FLOOR_S, LAG_OF_SLO * self.slo_s)
        if self.streaming:
            return LAG_FLOOR_S
        return max(LAG_FLOOR_S, LAG_OF_LATENCY * (self.latency_s or 0.0))

    @property
    def timing_limit_s(self) -> float:
        """Return how long after the kernel the client may read at p99, in seconds."""
        if not self.streaming:
            return self.lag_limit_s
        scale = self.slo_s if self.slo_s is not None else self.latency_s
        return max(LAG_FLOOR_S, TIMING_OF_LATENCY * (scale or 0.0))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What held the client back: the limit's name (empty: a valid window) and what to do.

    ``worker`` is the number of the worker it was found on. ``remarks`` are sentences about a valid
    window that its reader should know.
    """

    limit: str = ""
    advice: str = ""
    worker: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Tell whether the window says something about the deployment."""
        return not self.limit

    def __str__(self) -> str:
        return f"{self.limit}: {self.advice}" if self.limit else ""


def judge(window: Window) -> Judgement:
    """Return what limited the client in a window, the most telling first; else the remarks.

    A limit of one worker is a limit of the window: its arrivals are as good as those of the others.
    """
    missing = window.expected_workers - sum(not one.lost for one in window.workers)
    if missing > 0:
        return Judgement(
            "worker lost",
            f"{missing} of {window.expected_workers} workers did not report to the end, so the "
            "window misses their arrivals; see their logs and run again",
            next((one.worker for one in window.workers if one.lost), None),
        )
    for check in (_resources, _core, _schedule, _pool, _timing):
        for vitals in window.workers:
            limit, advice = check(window, vitals)
            if limit:
                return Judgement(limit, advice, vitals.worker)
    return Judgement(remarks=tuple(_remarks(window)))


def limit_of(window: Window, vitals: Vitals) -> str:
    """Return the name of the limit that one worker ran into, empty if none."""
    if vitals.lost:
        return "worker lost"
    for check in (_resources, _core, _schedule, _pool, _timing):
        if limit := check(window, vitals)[0]:
            return limit
    return ""


def users_needed(arrivals: Arrivals, service_s: float, share: float = 1.0) -> int:
    """Return how many users keep ``share`` of the arrivals from waiting for one, almost always.

    ``service_s`` is the mean time that a request keeps a user. Little's law gives the mean number
    of busy users; their number varies like a Poisson's where the arrivals are Poisson, more where
    they come in bursts (the peakedness of gamma arrivals with exponential service times).
    """
    mean = arrivals.peak * share * service_s
    peaked = (1 + 1 / arrivals.numbers[1]) / 2 if arrivals.kind == "gamma" else 1.0
    return math.ceil(mean + 3 * math.sqrt(mean * max(peaked, 1.0)))


def _resources(window: Window, vitals: Vitals) -> tuple[str, str]:
    if vitals.descriptors_free is not None and vitals.descriptors_free < FEW_DESCRIPTORS:
        return "descriptors", (
            f"{_count(vitals.descriptors_free, 'file descriptor')} left for connections; "
            "raise the limit (ulimit -n) or spread the users over more workers"
        )
    if vitals.ports_free is not None and vitals.ports_free < FEW_PORTS:
        return "ports", (
            f"{_count(vitals.ports_free, 'local port')} left for connections; the deployment "
            "closes them after each answer, perhaps: widen net.ipv4.ip_local_port_range or use "
            "more machines"
        )
    return "", ""


def _core(window: Window, vitals: Vitals) -> tuple[str, str]:
    limit = window.lag_limit_s
    if not window.is_late(vitals.loop_lag, limit):
        return "", ""
    lag = _milliseconds(vitals.loop_lag.percentile(0.99))
    late = f"the client's event loop was {lag} late (p99, {_milliseconds(limit)} allowed)"
    if vitals.gc_longest_ns / NANOSECONDS > limit and not (vitals.run_delay_share or 0) > 0.05:
        pause = _milliseconds(vitals.gc_longest_ns / NANOSECONDS)
        return "client core", f"{late}; garbage collections stopped it for up to {pause}"
    if (vitals.run_delay_share or 0) > 0.05:
        return "client core", (
            f"{late}; other processes held its core for {vitals.run_delay_share:.0%} of the time: "
            "leave the machine to it, or give it a core of its own"
        )
    if vitals.cpu is not None and vitals.cpu < IDLE:
        return "client core", (
            f"{late} although it used {vitals.cpu:.0%} of a core: something held up the machine, "
            "like other virtual ones on its host; try again, or elsewhere"
        )
    busy = "" if vitals.cpu is None else f", with {vitals.cpu:.0%} of a core used"
    return "client core", (
        f"{late}{busy}; add workers (--processes), lower the rate or do less per request"
    )


def _schedule(window: Window, vitals: Vitals) -> tuple[str, str]:
    if window.arrivals.is_closed:
        return "", ""
    if window.is_late(vitals.schedule_lag, window.lag_limit_s):
        lag = _milliseconds(vitals.schedule_lag.percentile(0.99))
        return "schedule", (
            f"arrivals were {lag} late before any user could take them (p99, "
            f"{_milliseconds(window.lag_limit_s)} allowed); add workers (--processes) or lower the "
            "rate"
        )
    # One that found no free user waited for the deployment: that is not this limit.
    held_back = vitals.unsent - vitals.starved
    if held_back > MISSING * vitals.intended:
        return "schedule", (
            f"{held_back} of {vitals.intended} arrivals were never sent though users were "
            "free; add workers (--processes) or lower the rate"
        )
    return "", ""


def _pool(window: Window, vitals: Vitals) -> tuple[str, str]:
    if window.arrivals.is_closed:
        return "", ""
    if not _starved(vitals):
        return "", ""
    if vitals.users_left is not None and vitals.users_left < vitals.users:
        return "pool", (
            f"of {vitals.users} users {vitals.users - vitals.users_left} left while the window "
            "ran, and arrivals found none free; leave their number alone"
        )
    if not vitals.users:
        return "pool", "there is no user to send anything; raise --users"
    if window.floor_service_s is None:
        return "", ""
    share = 1 / max(len(window.workers), 1)
    needed = users_needed(window.arrivals, window.floor_service_s, share)
    if needed <= vitals.users:
        return "", ""
    workers = len(window.workers)
    return "pool", (
        f"all {vitals.users * workers} users were waiting for answers when "
        f"{_percent(vitals.starved, vitals.intended)} of the arrivals were due; answers take "
        f"{window.floor_service_s:.3g} s at best, so see the full load with --users "
        f"{needed * workers} or more"
    )


def _timing(window: Window, vitals: Vitals) -> tuple[str, str]:
    limit = window.timing_limit_s
    if window.is_late(vitals.user_kernel, limit):
        lag = _milliseconds(vitals.user_kernel.percentile(0.99))
        return "timing", (
            f"the client read answers {lag} after they came (p99, {_milliseconds(limit)} "
            "allowed); add workers (--processes) or lower the rate"
        )
    if not window.streaming or vitals.coalesced <= COALESCED * vitals.deltas:
        return "", ""
    if _read_late(window, vitals):
        return "timing", (
            f"{_percent(vitals.coalesced, vitals.deltas)} of the deltas were read together with "
            "an earlier one because the client was late, so gaps are lost; add workers "
            "(--processes) or lower the rate"
        )
    return "", ""


def _remarks(window: Window) -> list[str]:
    told: list[str] = []
    starved = sum(one.starved for one in window.workers)
    intended = sum(one.intended for one in window.workers)
    if not window.arrivals.is_closed and starved > MISSING * intended:
        waits = Histogram.merged(one.dispatch_lag for one in window.workers)
        users = sum(one.users for one in window.workers)
        told.append(
            f"The deployment kept all {users} users waiting: {_percent(starved, intended)} of the "
            f"arrivals had to wait for a free one, up to {waits.maximum or 0:.3g} s, which their "
            "latency includes. More users would hand it all of the load at once."
        )
    deltas = sum(one.deltas for one in window.workers)
    coalesced = sum(one.coalesced for one in window.workers)
    if window.streaming and coalesced > COALESCED * deltas:
        told.append(
            f"{_percent(coalesced, deltas)} of the deltas arrived together with an earlier one: "
            "the deployment, or something on the way, sends them in groups."
        )
    return told


def _read_late(window: Window, vitals: Vitals) -> bool:
    """Tell whether the client itself can have let deltas pile up before a read."""
    if vitals.user_kernel:
        return _too_late(vitals.user_kernel, LATE_READ_S)
    return _too_late(vitals.loop_lag, LAG_FLOOR_S / 2)


def _starved(vitals: Vitals) -> bool:
    return vitals.starved > max(MISSING * vitals.intended, 2)


def _too_late(lags: Histogram, limit_s: float, share: float = 0.99) -> bool:
    """Tell whether the percentile is above the limit, and not by one or two values."""
    return lags.above(limit_s) > max((1 - share) * lags.count, 2)


def _milliseconds(seconds: float | None) -> str:
    milliseconds = (seconds or 0) * 1000
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.3g} s"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 0:.3g} %"


def _count(number: int, what: str) -> str:
    return f"only {number} {what}{'' if number == 1 else 's'}"
