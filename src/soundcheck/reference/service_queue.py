"""First come, first served, by a number of equal servers; times as ``time.monotonic_ns()``.

The model's clock is kept apart from the machine's: the next service begins when the last one was
due to end, not when the process got round to noticing. Otherwise every late timer would take away
capacity, and the deployment would carry less than its model says.
"""

import asyncio
import time
from collections import deque

# A client that takes its answer slowly, or a machine that stood still, is not made up for.
_MOST_LATE = 50_000_000


class ServiceQueue:
    """Servers, and those who wait for one."""

    def __init__(self, servers: int) -> None:
        self._servers = servers
        self._free = servers
        self._waiting: deque[tuple[asyncio.Future[int], int]] = deque()
        self.waiting = 0
        """How many wait for a server."""

    @property
    def running(self) -> int:
        """How many are being served."""
        return self._servers - self._free

    async def enter(self) -> int:
        """Return when service begins (or was due to) as soon as there is a server."""
        arrived = time.monotonic_ns()
        if self._free:
            self._free -= 1
            return arrived
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, arrived))
        self.waiting += 1
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.leave(future.result())  # the server came in the moment in which nobody waited
            else:
                self.waiting -= 1
            raise

    def leave(self, due: int) -> None:
        """Give the server to the next; service ended at ``due``, or now if that is to come."""
        now = time.monotonic_ns()
        ended = max(min(due, now), now - _MOST_LATE)
        while self._waiting:
            future, arrived = self._waiting.popleft()
            if not future.done():
                self.waiting -= 1
                future.set_result(max(ended, arrived))
                return
        self._free += 1
