"""What a worker measures of itself while it makes load: lag of its loop, pauses, CPU, what is left.

CPU use alone says little: a process that another one keeps off its core uses little of it, and is
late all the same. So the loop's lag is measured directly, and the scheduler is asked how long the
process could have run but was not let (``/proc/self/schedstat``).
"""

import gc
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundcheck.load.alarm import alarm
from soundcheck.load.validity import Vitals

TICK = 10_000_000
"""Nanoseconds between the ticks by which the loop's lag is measured."""
PAUSE = 1_000_000
"""Nanoseconds from which on a garbage collection is counted as a pause."""

_SECOND = 1_000_000_000
_SCHEDSTAT = Path("/proc/self/schedstat")
_SOCKETS = Path("/proc/net/sockstat")
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Objects that survive are looked through this much less often than by default.
_RARE = 1000


def quiet_garbage() -> None:
    """Let the garbage collector pass over all that is there now.

    A full collection with Locust imported stops every stream for 20 ms: what lives for the whole
    run is taken out of it, and full collections of the rest become rare.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _RARE)


@dataclass(slots=True)
class _Clocks:
    """Readings at one time: of the wall, of the CPU used, of the wait for a core (ns)."""

    wall: int
    cpu: int
    delay: int | None

    @classmethod
    def read(cls) -> "_Clocks":
        return cls(time.monotonic_ns(), time.process_time_ns(), _run_delay())


class Pulse:
    """Measures from ``start`` to ``stop``, and into a window's ``Vitals`` between two times.

    ``second`` returns the longest lag since it was last asked, for live progress.
    """

    def __init__(self) -> None:
        self._alarm = alarm(self._tick)
        self._due = 0
        self._window = (0, 0)
        self._vitals: Vitals | None = None
        self._opened: _Clocks | None = None
        self._longest = 0
        self._collection = 0

    def start(self) -> None:
        """Begin to tick."""
        gc.callbacks.append(self._collected)
        self._due = time.monotonic_ns() + TICK
        self._alarm.set(self._due)

    def stop(self) -> None:
        """Tick no more."""
        self._alarm.close()
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)

    def watch(self, vitals: Vitals, begin: int, end: int) -> None:
        """Measure into ``vitals`` from ``begin`` to ``end`` (monotonic ns)."""
        self._vitals, self._window, self._opened = vitals, (begin, end), None

    def settle(self) -> None:
        """Have the vitals say what the clocks say so far, and measure into them no more."""
        vitals, opened = self._vitals, self._opened
        self._vitals = self._opened = None
        if vitals is None or opened is None:
            return
        closed = _Clocks.read()
        wall = max(closed.wall - opened.wall, 1)
        vitals.cpu = (closed.cpu - opened.cpu) / wall
        if opened.delay is not None and closed.delay is not None:
            vitals.run_delay_share = (closed.delay - opened.delay) / wall

    def second(self) -> int:
        """Return the longest lag of the loop since the last call, in nanoseconds.

        What is left of descriptors and ports is looked at as often.
        """
        longest, self._longest = self._longest, 0
        vitals = self._vitals
        if vitals is not None:
            vitals.descriptors_free = _least(vitals.descriptors_free, descriptors_free())
            vitals.ports_free = _least(vitals.ports_free, ports_free())
        return longest

    def _tick(self) -> None:
        now = time.monotonic_ns()
        begin, end = self._window
        vitals = self._vitals
        lags = None if vitals is None else vitals.loop_lag
        # A stall swallows ticks: each of them was late, not only the first.
        while self._due <= now:
            late = now - self._due
            if late > self._longest:
                self._longest = late
            if lags is not None and begin <= self._due < end:
                lags.record(late)
            self._due += TICK
        if vitals is not None:
            if self._opened is None and now >= begin:
                self._opened = _Clocks.read()
            elif now >= end:
                self.settle()
        self._alarm.set(self._due)

    def _collected(self, phase: str, _info: dict[str, Any]) -> None:
        now = time.monotonic_ns()
        if phase == "start":
            self._collection = now
            return
        took = now - self._collection
        vitals = self._vitals
        if vitals is None or took < PAUSE or not self._window[0] <= now < self._window[1]:
            return
        vitals.gc_pauses += 1
        vitals.gc_longest_ns = max(vitals.gc_longest_ns, took)


def descriptors_free() -> int | None:
    """Return how many more files and connections this process may open (about; None: no limit).

    A new descriptor gets the lowest free number: counting those in use would take longer.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return 0
    os.close(lowest)
    return limit - lowest


def ports_free() -> int | None:
    """Return how many local ports are left for connections (about; None where not known)."""
    try:
        first, last = map(int, _PORTS.read_text().split())
        for line in _SOCKETS.read_text().splitlines():
            if line.startswith("TCP:"):
                words = line.split()
                counts = dict(zip(words[1::2], map(int, words[2::2]), strict=True))
                return last - first + 1 - counts["inuse"] - counts["tw"]
    except (OSError, ValueError, KeyError):
        pass
    return None


def _run_delay() -> int | None:
    """Return for how long the main thread, which runs the loop, waited for a core so far (ns)."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _least(before: int | None, now: int | None) -> int | None:
    return now if before is None else before if now is None else min(before, now)
