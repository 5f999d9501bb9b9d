"""What a worker records of a stage: a packed sample per request, and histograms that merge.

Everything is shipped once a second and then forgotten, so that a run of hours takes no more memory
than one of seconds. Histograms count the arrivals that were to begin within the window, as the
report does; samples are of all.
"""

import time
from typing import Any

from soundcheck.load.client import Measured
from soundcheck.load.dispatch import Order
from soundcheck.load.form import Form
from soundcheck.load.histogram import Histogram
from soundcheck.load.sample import CAUSES, NEVER, RECORD
from soundcheck.load.validity import Vitals

METRICS = (
    "latency",
    "service",
    "ttfd",
    "ttfd_from_upload",
    "gap",
    "realtime_lag",
    "speed_factor",
)
"""What histograms are kept of, by the members of bench.json without their unit."""

UNSENT = CAUSES.index("unsent")
_REFUSED = CAUSES.index("refused")
_SECOND = 1_000_000_000
_SQUARE = float(_SECOND * _SECOND)
_LONG = 1 << 62
_MOST = 0xFFFF_FFFF
_LONGEST_DETAIL = 200
_pack = RECORD.pack


class Recorder:
    """The records of one stage on one worker.

    ``begin`` is the stage's begin, ``window`` the begin and end of its window (monotonic ns).
    """

    def __init__(
        self, stage: int, worker: int, begin: int, window: tuple[int, int], users: int
    ) -> None:
        self.vitals = Vitals(worker=worker, users=users)
        self._stage = stage
        self._worker = worker
        self.begin = begin
        self._opens, self._closes = window
        self._forget()

    def fired(self, order: Order, now: int, starved: bool) -> None:
        """Record that an arrival was due and was put before the users, at ``now``."""
        self._fired += 1
        if self._opens <= order.intended < self._closes:
            vitals = self.vitals
            vitals.intended += 1
            vitals.schedule_lag.record(now - order.intended)
            if starved:
                vitals.starved += 1

    def finished(
        self, order: Order, dispatched: int, form: Form, measured: Measured, cause: int
    ) -> int:
        """Record what came of an arrival; return its latency in nanoseconds.

        ``cause`` is that of ``measured`` or what verification found. The latency of a failure is
        the time until it failed. This is done for each request: every microsecond counts.
        """
        done = measured.done
        if done < 0:
            done = time.monotonic_ns()
        intended = order.intended
        latency = done - intended
        service = done - dispatched
        number = form.number
        lag = measured.lag
        if self._opens <= intended < self._closes:
            self._in_window(order, dispatched - intended, measured, cause)
            if not cause:
                self._latency(latency)
                self._service(service)
                if service > 0:
                    # A factor of 1 is told as 1 s: the histogram knows only times.
                    self._speed(int(form.audio_s * _SQUARE / service))
                if form.stream and measured.first_text >= 0:
                    self._stream(order, form, measured)
        if cause:
            self._count_failure(measured, cause)
        else:
            self._done += 1
            if service < self._floors.get(number, _LONG):
                self._floors[number] = service
        begin = self.begin
        sent, headers, first = measured.sent, measured.headers, measured.first_text
        received = measured.received
        self._samples += _pack(
            self._stage,
            self._worker,
            order.arrival,
            number,
            intended - begin,
            dispatched - begin,
            sent - begin if sent >= 0 else NEVER,
            headers - begin if headers >= 0 else NEVER,
            first - begin if first >= 0 else NEVER,
            done - begin,
            lag,
            measured.status,
            cause,
            measured.deltas,
            measured.coalesced,
            received if received < _MOST else _MOST,
        )
        return latency

    def unsent(self, order: Order, form: int) -> None:
        """Record an arrival that no user took before the drain ended: a miss."""
        self._failed += 1
        if self._opens <= order.intended < self._closes:
            self.vitals.unsent += 1
        times = (order.intended - self.begin, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER)
        head = (self._stage, self._worker, order.arrival, form)
        self._samples += RECORD.pack(*head, *times, 0, UNSENT, 0, 0, 0)

    def delta(self) -> dict[str, Any]:
        """Return what was recorded since the last call, for a message, and forget it."""
        told = {
            "samples": bytes(self._samples),
            "histograms": {name: one.to_message() for name, one in self._histograms.items() if one},
            "examples": self._examples,
            "floors": self._floors,
            "fired": self._fired,
            "done": self._done,
            "failed": self._failed,
            "refused": self._refused,
        }
        self._forget()
        return told

    def _forget(self) -> None:
        """Begin anew: what was recorded so far has been shipped."""
        self._samples = bytearray()
        self._histograms = {name: Histogram() for name in METRICS}
        self._latency = self._histograms["latency"].record
        self._service = self._histograms["service"].record
        self._speed = self._histograms["speed_factor"].record
        self._examples: dict[str, str] = {}
        self._floors: dict[int, int] = {}
        self._fired = self._done = self._failed = self._refused = 0

    def _in_window(self, order: Order, wait: int, measured: Measured, cause: int) -> None:
        """Record what the client did with an arrival of the window, which waited for a user."""
        vitals = self.vitals
        if cause == UNSENT:
            self._own_limit(measured.detail)
            return
        vitals.sent += 1
        vitals.dispatch_lag.record(wait)
        if measured.lag >= 0:
            vitals.user_kernel.record(measured.lag)
        if measured.deltas:
            vitals.deltas += measured.deltas
            vitals.coalesced += measured.coalesced

    def _count_failure(self, measured: Measured, cause: int) -> None:
        self._failed += 1
        self._refused += cause == _REFUSED
        name = CAUSES[cause]
        if name not in self._examples:
            self._examples[name] = measured.detail[:_LONGEST_DETAIL]

    def _stream(self, order: Order, form: Form, measured: Measured) -> None:
        """Record the times of a stream's texts."""
        histograms = self._histograms
        histograms["ttfd"].record(measured.first_text - order.intended)
        gap = histograms["gap"]
        for one in measured.gaps:
            gap.record(one)
        if measured.sent >= 0:  # not every transport knows when the upload was complete
            histograms["ttfd_from_upload"].record(measured.first_text - measured.sent)
        if measured.sent >= 0 and measured.last_text >= 0:
            behind = measured.last_text - measured.sent - round(form.audio_s * _SECOND)
            histograms["realtime_lag"].record(behind)

    def _own_limit(self, detail: str) -> None:
        """Note that a request could not be sent for want of a descriptor or a port."""
        vitals = self.vitals
        vitals.unsent += 1
        if "files" in detail:
            vitals.descriptors_free = 0
        else:
            vitals.ports_free = 0
