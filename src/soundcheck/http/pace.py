"""How a client takes its time, and where it leaves without waiting for the end."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

TICK = 0.2
"""Seconds between two pieces of a body that is sent slowly."""

pause = time.sleep
"""Waits for seconds; tests wait a fraction of them."""


class Leave(StrEnum):
    """Where a client closes its connection: half of the body sent, all of it, or while it reads."""

    NEVER = ""
    UPLOADING = "uploading"
    WAITING = "waiting"
    READING = "reading"


class Left(Exception):
    """The client has left as it was told to."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a request is sent: ``delay`` seconds late, its body at ``rate`` bytes per second.

    A rate of 0 is as fast as it goes. ``leave`` tells where the connection is closed.
    """

    delay: float = 0.0
    rate: int = 0
    leave: Leave = Leave.NEVER

    @property
    def told(self) -> str:
        """Return how it is sent, in words."""
        slowly = f"at {self.rate:,} bytes per second" if self.rate else ""
        late = f"{self.delay:g} s after the others" if self.delay else ""
        left = f"leaving while {self.leave}" if self.leave else ""
        return ", ".join(filter(None, (late, slowly, left)))

    def pieces(self, body: Iterable[bytes], length: int) -> Iterator[bytes]:
        """Yield what is sent of a ``body`` of ``length`` bytes, when it is to be sent."""
        left = length // 2 if self.leave is Leave.UPLOADING else length
        step = max(1, int(self.rate * TICK)) if self.rate else length
        for piece in body:
            piece = piece[:left]
            left -= len(piece)
            for begin in range(0, len(piece), step):
                yield piece[begin : begin + step]
                if self.rate:
                    pause(TICK)
            if not left:
                return


AT_ONCE = Pace()
"""As an ordinary client sends."""
