"""How exactly streams are timed, and what reading them costs.

The stub puts into each delta the time at which it sends it. Client and server have a core each, at
real-time priority where that is granted: else whatever else runs on the machine is measured too,
and the figures do not gate.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from figures import Figure
from load_client import Task, client, on_core

from soundcheck.reference.stub import StubSettings, start_stub

STREAMS = 128
DELTAS = 100
GAP_S = 0.02
SMALL = 10_000


def load_streams() -> Iterator[Figure]:
    """Yield the errors of our stamps and the kernel's, and the CPU time for each delta."""
    settings = StubSettings(deltas=DELTAS, delta_gap_s=GAP_S)
    with start_stub(settings) as stub, client("stamps") as stamping, client("streams") as users:
        on_core(stub.pid, 0)
        granted = real_time(stub.pid) and real_time(stamping.pid) and real_time(users.pid)
        # Streams begin one after the other, so that their deltas are spread over a gap.
        stamped = stamping.measure(Task(stub.base_url, SMALL, GAP_S, STREAMS))
        read = users.measure(Task(stub.base_url, SMALL, 2.0, STREAMS, stream=True))
    how = "" if granted else ", at no real-time priority"
    for whose, values, limits in (
        ("our", stamped.user_ns, {0.5: 50, 0.99: 500}),
        ("the kernel's", stamped.kernel_ns, {0.99: 50}),
    ):
        for share, limit in limits.items():
            what = f"128 streams of 50 deltas/s, {whose} stamps p{share * 100:.0f}{how}"
            if values:
                yield Figure(what, percentile(values, share), "µs", limit, gates=granted)
    coalesced = 100 * stamped.coalesced / stamped.deltas
    yield Figure(f"the same, deltas read with another one{how}", coalesced, "%", 5)
    what = f"CPU of a delta, of {read.deltas} in {read.requests} streams"
    yield Figure(what, read.cpu_us, "µs", 30, gates=granted)


def real_time(pid: int) -> bool:
    """Let a process go before all others on its core; tell whether that is granted."""
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
        return True
    return False


def percentile(values: Sequence[int], share: float) -> float:
    """Return a percentile of nanoseconds in microseconds."""
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))] / 1000
