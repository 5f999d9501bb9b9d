"""How exactly streams are timed, and what reading them costs.

The stub puts into each delta the time at which it sends it. Client and server have a core each, at
real-time priority where that is granted: else whatever else runs on the machine is measured too,
and the figures do not gate. How long it takes to wake up and read a socket is the machine's: so
the same streams are read by a bare reader, which only stamps what comes, and the two are compared.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from statistics import median

from figures import Figure
from load_client import Done, Task, client, on_core

from soundcheck.reference.stub import StubSettings, start_stub

STREAMS = 128
DELTAS = 250
GAP_S = 0.02
SMALL = 10_000
BEGINNING_S = 1.0
"""Seconds over which the streams begin, one after the other: so their deltas are spread, too."""
STEADY_S = 2.5
"""Seconds in which all of them run, and in which CPU time is measured."""


def load_streams(rounds: int = 3) -> Iterator[Figure]:
    """Yield the errors of our stamps and the kernel's, and the CPU time for each delta."""
    settings = StubSettings(deltas=DELTAS, delta_gap_s=GAP_S)
    with (
        start_stub(settings) as stub,
        client("stamps") as stamping,
        client("streams") as users,
        client("reads") as bare,
    ):
        on_core(stub.pid, 0)
        processes = (stub.pid, stamping.pid, users.pid, bare.pid)
        granted = min(map(real_time, processes))
        once = Task(stub.base_url, SMALL, BEGINNING_S, STREAMS, gap_s=GAP_S)
        steadily = replace(once, stream=True, steady=STEADY_S)
        measured = [
            (stamping.measure(once), users.measure(steadily), bare.measure(steadily))
            for _ in range(rounds)
        ]
    how = "" if granted else ", at no real-time priority"
    what = f"{STREAMS} streams of {1 / GAP_S:.0f} deltas/s{how}"

    def middle(of: Callable[[tuple[Done, Done, Done]], float]) -> float:
        return median(map(of, measured))

    for share, limit in {0.5: 50, 0.99: 500}.items():
        name = f"{what}: our stamps p{share * 100:.0f}"
        ours, least = (
            middle(lambda one, kind=kind, share=share: percentile(one[kind].user_ns, share))
            for kind in (0, 2)
        )
        yield Figure(name, ours, "µs", limit)
        yield Figure(f"{name}, times a bare reader's", ours / least, "", 1.5, gates=granted)
    if all(stamps.kernel_ns for stamps, _, _ in measured):
        late = middle(lambda one: percentile(one[0].kernel_ns, 0.99))
        yield Figure(f"{what}: the kernel's stamps p99", late, "µs", 50, gates=granted)
    coalesced = middle(lambda one: 100 * one[0].coalesced / one[0].deltas)
    yield Figure(f"{what}: read with another one", coalesced, "%", 5)
    used, least = middle(lambda one: one[1].cpu_us), middle(lambda one: one[2].cpu_us)
    yield Figure(f"{what}: CPU of a delta", used, "µs", 30)
    name = f"{what}: CPU of a delta, times a bare reader's ({least:.0f} µs)"
    yield Figure(name, used / least, "", 1.5, gates=granted)


def real_time(pid: int) -> bool:
    """Let a process go before all others on its core; tell whether that is granted."""
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(50))
        return True
    return False


def percentile(values: Sequence[int], share: float) -> float:
    """Return a percentile of nanoseconds in microseconds."""
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))] / 1000
