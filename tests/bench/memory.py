"""The memory of a process and all its descendants, from /proc.

Memory is the proportional set size: pages that processes share are counted once.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def memory(pid: int) -> int:
    """Return the memory of a process and its descendants in bytes."""
    return sum(map(_pss, _family(pid)))


@contextmanager
def peak_memory(pid: int, interval: float = 0.05) -> Iterator[Callable[[], int]]:
    """Yield a function for the peak of ``memory(pid)``, looked at every ``interval`` seconds."""
    peak = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(interval):
            peak = max(peak, memory(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: peak
    finally:
        ended.set()
        thread.join()


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found += [int(child) for child in children]
    return found


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
