"""The messages between the conductor and its workers, all of plain values.

They go over Locust's own connection. In a run without workers they go to the same listeners in the
same process, so that there is one way for both.
"""

from dataclasses import dataclass
from typing import Any

from soundcheck.load.arrivals import Arrivals
from soundcheck.load.stage import Stage

PREPARE = "stt_prepare"
"""To workers: make the forms. Answered with READY."""
READY = "stt_ready"
PREFLIGHT = "stt_preflight"
"""To one worker: send one request. Answered with PREFLIGHTED."""
PREFLIGHTED = "stt_preflighted"
SELFTEST = "stt_selftest"
"""To workers: measure what you can send. Answered with SELFTESTED."""
SELFTESTED = "stt_selftested"
STAGE = "stt_stage"
"""To workers: make this load. Answered with a DELTA a second, the last of which is ``final``."""
DELTA = "stt_delta"
ABORT = "stt_abort"
"""To workers: cut off what is under way and answer with the final DELTA."""


@dataclass(frozen=True, slots=True)
class StageOrder:
    """What a worker is told of a stage.

    ``number`` counts the stages of a run, from 1. ``index`` is the worker's place among ``count``,
    ``most`` the number of the first arrival that is over the cap of requests. It begins
    ``begin_in_s`` after the message came. ``own_pace`` says that users have tasks of their own.
    """

    run: str
    number: int
    stage: Stage
    seed: int
    index: int
    count: int
    begin_in_s: float
    most: int | None = None
    own_pace: bool = False

    def to_message(self) -> dict[str, Any]:
        """Return plain values."""
        stage = self.stage
        return {
            "run": self.run,
            "number": self.number,
            "name": stage.name,
            "arrivals": stage.arrivals.to_message(),
            "window_s": stage.window_s,
            "warm_up_s": stage.warm_up_s,
            "drain_s": stage.drain_s,
            "seed": self.seed,
            "index": self.index,
            "count": self.count,
            "begin_in_s": self.begin_in_s,
            "most": self.most,
            "own_pace": self.own_pace,
        }

    @classmethod
    def from_message(cls, message: Any) -> "StageOrder":
        """Return what ``to_message`` gave."""
        stage = Stage(
            message["name"],
            Arrivals.from_message(message["arrivals"]),
            message["window_s"],
            message["warm_up_s"],
            message["drain_s"],
        )
        names = ("run", "number", "seed", "index", "count", "begin_in_s", "most", "own_pace")
        return cls(stage=stage, **{name: message[name] for name in names})
