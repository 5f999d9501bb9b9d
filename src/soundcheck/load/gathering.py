"""What workers report of a stage, put together: histograms merged, samples spooled to a file."""

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from soundcheck.load.histogram import Histogram
from soundcheck.load.recorder import METRICS
from soundcheck.load.sample import RECORD, Sample
from soundcheck.load.validity import Vitals

CHUNK = 5_000
"""How many samples are read in one go."""
LIVE = 500
"""Of how many samples of a report, at most, live progress tells the latencies."""


class Spool:
    """The samples of a run in a file, so that a run of hours needs no memory for them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file  # without a buffer: what cannot be written is known at once
        self.size = 0

    def add(self, samples: bytes) -> None:
        """Keep packed samples; raises OSError where there is no room for them."""
        self._file.seek(self.size)
        if self._file.write(samples) < len(samples):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(samples)

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[list[Sample]]:
        """Yield the samples kept between two sizes, some thousands at a time."""
        at = begin
        last = self.size if end is None else end
        while at < last:
            self._file.seek(at)
            packed = self._file.read(min(CHUNK * RECORD.size, last - at))
            at += len(packed)
            yield [Sample._make(one) for one in RECORD.iter_unpack(packed)]

    def close(self) -> None:
        """Give the file up."""
        self._file.close()


@dataclass(slots=True)
class Second:
    """What workers said of themselves in one second of a stage: the longest lag, the backlog."""

    lag_ns: int = 0
    backlog: int = 0


@dataclass(slots=True)
class Tick:
    """What came in since the last tick, for live progress."""

    fired: int = 0
    done: int = 0
    failed: int = 0
    refused: int = 0
    lag_ns: int = 0
    latency: Histogram = field(default_factory=Histogram)


class Gathering:
    """The reports on stage ``number`` by ``workers``, ids in the order of their places in it."""

    def __init__(self, number: int, workers: tuple[str, ...], spool: Spool) -> None:
        self.number = number
        self.workers = workers
        self.histograms = {name: Histogram() for name in METRICS}
        self.vitals: dict[int, Vitals] = {}
        self.examples: dict[str, str] = {}
        self.seconds: dict[int, Second] = {}
        self.capped = False
        self.first_byte = spool.size
        self.last_byte = spool.size
        self._spool = spool
        self._in_flight: dict[int, int] = {}
        self._tick = Tick()

    def add(self, message: Mapping[str, Any]) -> None:
        """Take in a worker's report."""
        index = message["index"]
        if index in self.vitals:
            return
        self._spool.add(message["samples"])
        self.last_byte = self._spool.size
        for name, told in message["histograms"].items():
            histogram = Histogram.from_message(told)
            self.histograms[name].merge(histogram)
        for cause, detail in message["examples"].items():
            self.examples.setdefault(cause, detail)
        second = self.seconds.setdefault(message["second"], Second())
        second.lag_ns = max(second.lag_ns, message["lag_ns"])
        second.backlog += message["backlog"]
        tick = self._tick
        tick.fired += message["fired"]
        tick.done += message["done"]
        tick.failed += message["failed"]
        tick.refused += message["refused"]
        tick.lag_ns = max(tick.lag_ns, message["lag_ns"])
        _record_latencies(message["samples"], tick.latency)
        self._in_flight[index] = message["in_flight"] + message["backlog"]
        self.capped = self.capped or message["capped"]
        if message["final"]:
            self.vitals[index] = Vitals.from_message(message["vitals"])

    @property
    def in_flight(self) -> int:
        """Return how many requests were under way or waited, at the last reports."""
        return sum(self._in_flight.values())

    @property
    def complete(self) -> bool:
        """Tell whether all workers have reported for good."""
        return len(self.vitals) == len(self.workers)

    @property
    def missing(self) -> list[int]:
        """Return the places of the workers that have not reported for good."""
        return [index for index in range(len(self.workers)) if index not in self.vitals]

    def tick(self) -> Tick:
        """Return what came in since the last call."""
        tick, self._tick = self._tick, Tick()
        return tick

    def samples(self) -> Iterator[list[Sample]]:
        """Yield the stage's samples, some thousands at a time, in no order."""
        return self._spool.chunks(self.first_byte, self.last_byte)


def _record_latencies(samples: bytes, latency: Histogram) -> None:
    """Count latencies of successes among packed samples: some, so that no load waits for it.

    Histograms tell of the window alone, and live progress begins with the warm-up.
    """
    every = max(1, len(samples) // RECORD.size // LIVE)
    for at in range(0, len(samples), every * RECORD.size):
        one = Sample._make(RECORD.unpack_from(samples, at))
        if not one.cause:
            latency.record(one.done - one.intended)
