"""What a thousand users cost in memory, all of whom upload a file and read a stream at once."""

from collections.abc import Iterator

from figures import Figure
from load_client import Task, client, on_core

from soundcheck.reference.stub import StubSettings, start_stub

USERS = 1_000
SIZE = 100_000
MB = 1_000_000


def load_memory() -> Iterator[Figure]:
    """Yield by how much the process that has the users grows at most.

    A stream lasts longer than it takes for all to begin. One user warms up what all share.
    """
    settings = StubSettings(deltas=80, delta_gap_s=0.1)
    with start_stub(settings) as stub, client("streams") as users:
        on_core(stub.pid, 0)
        users.measure(Task(stub.base_url, SIZE, 0.1, 1, stream=True))
        done = users.measure(Task(stub.base_url, SIZE, 4.0, USERS, stream=True))
    if done.requests < USERS:
        raise SystemExit(f"only {done.requests} of {USERS} users had a stream")
    before, most = done.memory
    yield Figure("memory of 1,000 streaming users", (most - before) / MB, "MB", 15, gates=True)
