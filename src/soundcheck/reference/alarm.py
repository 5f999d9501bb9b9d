"""Waiting for a time, to some 0.1 ms: the timers of the event loop count in milliseconds."""

import asyncio
import heapq
import time

from soundcheck.reference.timerfd import Timer


class Alarm:
    """Wakes coroutines of one event loop at times of ``time.monotonic_ns()``."""

    def __init__(self) -> None:
        self._timer = Timer()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._armed = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def until(self, nanoseconds: int) -> None:
        """Return at a time, at once if it is past."""
        if nanoseconds <= time.monotonic_ns():
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            loop.add_reader(self._timer.fileno(), self._ring)
        future: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(self._waiting, (nanoseconds, self._count, future))
        self._arm()
        await future

    def close(self) -> None:
        """Give back the descriptor; nobody may wait any more."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._timer.fileno())
        self._timer.close()

    def _ring(self) -> None:
        self._timer.clear()
        self._armed = 0
        now = time.monotonic_ns()
        waiting = self._waiting
        # Those whose coroutine was cancelled are done; they leave the heap when they reach its top.
        while waiting and (waiting[0][0] <= now or waiting[0][2].done()):
            _, _, future = heapq.heappop(waiting)
            if not future.done():
                future.set_result(None)
        self._arm()

    def _arm(self) -> None:
        if self._waiting and self._waiting[0][0] != self._armed:
            self._armed = self._waiting[0][0]
            self._timer.at(self._armed)
