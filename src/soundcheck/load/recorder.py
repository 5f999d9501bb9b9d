"""What a worker records of a stage: a packed sample per request, and histograms that merge.

Everything is shipped once a second and then forgotten, so that a run of hours takes no more memory
than one of seconds. Per request only the sample is packed: what follows from it is calculated once
a second, of all samples at once, for what is done per request is paid in the load that a core can
make. Histograms count the arrivals that were to begin within the window, as the report does;
samples are of all.
"""

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundcheck.load.client import Measured
from soundcheck.load.dispatch import Order
from soundcheck.load.form import Form
from soundcheck.load.histogram import Histogram
from soundcheck.load.measured import GAPS
from soundcheck.load.sample import CAUSES, NEVER, RECORD, Sample
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
_LONGEST_DETAIL = 200
_TYPES = {"H": "<u2", "I": "<u4", "q": "<i8", "B": "u1"}
_SAMPLES = np.dtype(
    [(name, _TYPES[kind]) for name, kind in zip(Sample._fields, RECORD.format[1:], strict=True)]
)
_TIMES = ("intended", "dispatched", "sent", "headers", "first_text", "done")
_pack = RECORD.pack


class Recorder:
    """The records of one stage on one worker.

    ``begin`` is the stage's begin, ``window`` the begin and end of its window (monotonic ns).
    ``vitals`` are complete up to the last ``delta``.
    """

    def __init__(
        self, stage: int, worker: int, begin: int, window: tuple[int, int], users: int
    ) -> None:
        self.vitals = Vitals(worker=worker, users=users)
        self._stage = stage
        self._worker = worker
        self.begin = begin
        self._opens, self._closes = window
        self._forms: dict[int, Form] = {}
        self._forget()

    def fired(self, order: Order, now: int, starved: bool) -> None:
        """Record that an arrival was due and was put before the users, at ``now``."""
        self._fired += 1
        if self._opens <= order.intended < self._closes:
            self._schedule_lags.append(now - order.intended)
            if starved:
                self.vitals.starved += 1

    def finished(
        self,
        order: Order,
        dispatched: int,
        ended: int,
        form: Form,
        measured: Measured,
        cause: int,
    ) -> None:
        """Record what came of an arrival that was over, well or not, at ``ended``.

        ``cause`` is that of ``measured`` or what verification found. This is done for each request:
        every microsecond counts.
        """
        arrival, intended = order
        number = form.number
        self._forms[number] = form
        if cause:
            self._failure(intended, measured, cause)
        elif form.stream and self._opens <= intended < self._closes:
            self._stream(form, measured)
        self._samples += _pack(
            self._stage,
            self._worker,
            arrival,
            number,
            intended,
            dispatched,
            measured.sent,
            measured.headers,
            measured.first_text,
            ended,
            measured.lag,
            measured.status,
            cause,
            measured.deltas,
            measured.coalesced,
            measured.received,
        )

    def unsent(self, order: Order, form: int) -> None:
        """Record an arrival that no user took before the drain ended: a miss."""
        if self._opens <= order.intended < self._closes:
            self.vitals.unsent += 1
        times = (order.intended, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER)
        head = (self._stage, self._worker, order.arrival, form)
        self._samples += _pack(*head, *times, 0, UNSENT, 0, 0, 0)

    def delta(self) -> dict[str, Any]:
        """Return what was recorded since the last call, for a message, and forget it."""
        samples = np.frombuffer(self._samples, _SAMPLES).copy()
        well = samples["cause"] == 0
        taken = samples["dispatched"] >= 0
        within = (samples["intended"] >= self._opens) & (samples["intended"] < self._closes)
        self._count_vitals(samples[within & taken & (samples["cause"] != UNSENT)])
        self._count(samples[within & well])
        floors = self._floors(samples[well])
        for name in _TIMES:
            times = samples[name]
            times[times >= 0] -= self.begin
        told = {
            "samples": samples.tobytes(),
            "histograms": {name: one.to_message() for name, one in self._histograms.items() if one},
            "examples": self._examples,
            "floors": floors,
            "fired": self._fired,
            "done": int(well.sum()),
            "failed": len(samples) - int(well.sum()),
            "refused": self._refused,
        }
        self._forget()
        return told

    def _forget(self) -> None:
        """Begin anew: what was recorded so far has been shipped."""
        self._samples = bytearray()
        self._schedule_lags = array("q")
        self._gaps = array(GAPS)
        self._histograms = {name: Histogram() for name in METRICS}
        self._examples: dict[str, str] = {}
        self._fired = self._refused = 0

    def _count_vitals(self, taken: NDArray[Any]) -> None:
        """Count what the client did with the arrivals of the window that users took."""
        vitals = self.vitals
        vitals.intended += len(self._schedule_lags)
        vitals.schedule_lag.record_all(np.frombuffer(self._schedule_lags, np.int64))
        vitals.sent += len(taken)
        vitals.dispatch_lag.record_all(taken["dispatched"] - taken["intended"])
        vitals.user_kernel.record_all(taken["lag"][taken["lag"] >= 0])
        vitals.deltas += int(taken["deltas"].sum())
        vitals.coalesced += int(taken["coalesced"].sum())

    def _count(self, succeeded: NDArray[Any]) -> None:
        """Count the times of the window's successes."""
        histograms = self._histograms
        service = succeeded["done"] - succeeded["dispatched"]
        histograms["latency"].record_all(succeeded["done"] - succeeded["intended"])
        histograms["service"].record_all(service)
        numbers, places = np.unique(succeeded["form"], return_inverse=True)
        forms = [self._forms[number] for number in numbers.tolist()]
        audio_s = np.array([one.audio_s for one in forms])[places]
        timed = service > 0
        if timed.any():
            # A factor of 1 is told as 1 s: the histogram knows only times.
            factors = (audio_s[timed] * _SQUARE / service[timed]).astype(np.int64)
            histograms["speed_factor"].record_all(factors)
        streams = np.array([one.stream for one in forms], bool)[places]
        spoken = succeeded[streams & (succeeded["first_text"] >= 0)]
        histograms["ttfd"].record_all(spoken["first_text"] - spoken["intended"])
        # Not every transport knows when the upload was complete.
        sent = spoken[spoken["sent"] >= 0]
        histograms["ttfd_from_upload"].record_all(sent["first_text"] - sent["sent"])
        histograms["gap"].record_all(np.frombuffer(self._gaps, GAPS))

    def _floors(self, succeeded: NDArray[Any]) -> dict[int, int]:
        """Return the shortest time from dispatch to answer of each form, in nanoseconds."""
        service = succeeded["done"] - succeeded["dispatched"]
        return {
            form: int(service[succeeded["form"] == form].min())
            for form in np.unique(succeeded["form"]).tolist()
        }

    def _failure(self, intended: int, measured: Measured, cause: int) -> None:
        self._refused += cause == _REFUSED
        name = CAUSES[cause]
        if name not in self._examples:
            self._examples[name] = measured.detail[:_LONGEST_DETAIL]
        if cause == UNSENT and self._opens <= intended < self._closes:
            self._own_limit(measured.detail)

    def _stream(self, form: Form, measured: Measured) -> None:
        """Keep those times of a stream's texts that its sample does not have."""
        if measured.first_text < 0:
            return
        self._gaps.extend(iter(measured.gaps))  # another client's array may be of another type
        if measured.sent >= 0 and measured.last_text >= 0:
            behind = measured.last_text - measured.sent - round(form.audio_s * _SECOND)
            self._histograms["realtime_lag"].record(behind)

    def _own_limit(self, detail: str) -> None:
        """Note that a request could not be sent for want of a descriptor or a port."""
        vitals = self.vitals
        vitals.unsent += 1
        if "files" in detail:
            vitals.descriptors_free = 0
        else:
            vitals.ports_free = 0
