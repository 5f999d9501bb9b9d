"""How exactly streams are timed, and what reading them costs.

The stub puts into each delta the time at which it sends it. Client and server have a core each, at
real-time priority where that is granted: else whatever else runs on the machine is measured too,
and the figures do not gate.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from statistics import median

from figures import Figure
from load_client import Task, client, on_core

from soundcheck.reference.stub import StubSettings, start_stub

STREAMS = 128
DELTAS = 100
GAP_S = 0.02
SMALL = 10_000


def load_streams(rounds: int = 3) -> Iterator[Figure]:
    """Yield the errors of our stamps and the kernel's, and the CPU time for each delta."""
    settings = StubSettings(deltas=DELTAS, delta_gap_s=GAP_S)
    with start_stub(settings) as stub, client("stamps") as stamping, client("streams") as users:
        on_core(stub.pid, 0)
        granted = real_time(stub.pid) and real_time(stamping.pid) and real_time(users.pid)
        # Streams begin one after the other, so that their deltas are spread over a gap.
        once = Task(stub.base_url, SMALL, GAP_S, STREAMS)
        again = Task(stub.base_url, SMALL, 2.0, STREAMS, stream=True)
        measured = [(stamping.measure(once), users.measure(again)) for _ in range(rounds)]
    how = "" if granted else ", at no real-time priority"
    for whose, member, limits in (
        ("our", "user_ns", {0.5: 50, 0.99: 500}),
        ("the kernel's", "kernel_ns", {0.99: 50}),
    ):
        for share, limit in limits.items():
            what = f"128 streams of 50 deltas/s, {whose} stamps p{share * 100:.0f}{how}"
            if all(getattr(stamps, member) for stamps, _ in measured):
                value = median(percentile(getattr(one, member), share) for one, _ in measured)
                yield Figure(what, value, "µs", limit, gates=granted)
    coalesced = median(100 * stamps.coalesced / stamps.deltas for stamps, _ in measured)
    yield Figure(f"the same, deltas read with another one{how}", coalesced, "%", 5)
    used = median(read.cpu_us for _, read in measured)
    yield Figure("128 streams of 50 deltas/s, CPU of a delta", used, "µs", 30, gates=granted)


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
