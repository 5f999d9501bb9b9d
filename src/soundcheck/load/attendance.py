"""Waiting for a stage to be over: its progress is told, and what must end it is watched for."""

import time
from collections.abc import Callable

import gevent

from soundcheck.load import messages
from soundcheck.load.crew import Crew
from soundcheck.load.gathering import Gathering
from soundcheck.load.progress import Progress
from soundcheck.load.stage import Stage

PATIENCE_S = 15.0
"""How long workers may take to report after the drain, and after they are told to stop."""
GONE_S = 5.0
"""For how long all requests have to be refused until the deployment is given up."""

_FEW = 3


class Attendance:
    """Attends a stage that began at ``begin`` (monotonic seconds) of the run ``run``.

    ``is_gone`` says afterwards that it ended because nothing listened any more.
    """

    def __init__(
        self,
        gathering: Gathering,
        stage: Stage,
        crew: Crew,
        progress: Progress,
        run: str,
        begin: float,
    ) -> None:
        self._gathering = gathering
        self._stage = stage
        self._crew = crew
        self._progress = progress
        self._run = run
        self._begin = begin
        self._length = stage.warm_up_s + stage.window_s
        self._refused = 0
        self._refused_since: float | None = None
        self.is_gone = False

    def attend(self, must_end: Callable[[], str]) -> str:
        """Wait until all workers have reported for good; return why it was cut off, if it was.

        ``must_end`` is asked all the time whether something allows no more load. Workers that are
        lost are not waited for: their absence makes the window INVALID, and the others are stopped.
        """
        gathering = self._gathering
        deadline = self._begin + self._length + self._stage.drain_s + PATIENCE_S
        next_tick = self._begin + 1.1
        cut = ""
        aborted: float | None = None
        while not gathering.complete:
            gevent.sleep(0.05)
            now = time.monotonic()
            if now >= next_tick:
                next_tick += 1
                self._tick(now)
            if aborted is None:
                cut = must_end()
                if cut or self.is_gone or self._lost() or now > deadline:
                    aborted = now
                    for worker in gathering.workers:
                        self._crew.tell(worker, messages.ABORT, {"run": self._run})
            elif now > aborted + PATIENCE_S or set(gathering.missing) <= self._lost():
                break
        return cut

    def _lost(self) -> set[int]:
        """Return the places of workers that are gone and have not reported for good."""
        present = self._crew.present()
        workers = self._gathering.workers
        return {place for place in self._gathering.missing if workers[place] not in present}

    def _tick(self, now: float) -> None:
        tick = self._gathering.tick()
        if tick.done:
            self._refused, self._refused_since = 0, None
        elif tick.refused and tick.refused == tick.failed:
            self._refused += tick.refused
            self._refused_since = self._refused_since or now
        since = self._refused_since
        if since is not None and self._refused >= _FEW and now - since >= GONE_S:
            self.is_gone = True
        self._progress.tell(
            "tick",
            stage=self._gathering.number,
            elapsed_s=round(max(now - self._begin, 0.0), 1),
            of_s=self._length,
            offered_rps=tick.fired,
            achieved_rps=tick.done,
            p95_s=tick.latency.percentile(0.95),
            errors=tick.failed,
            in_flight=self._gathering.in_flight,
            lag_ms=tick.lag_ns / 1e6,
        )
