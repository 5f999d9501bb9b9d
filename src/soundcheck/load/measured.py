"""What was measured of one request, by whichever transport."""

from array import array
from dataclasses import dataclass
from typing import Any, TypeAlias

from soundcheck.load.sample import NEVER

# Not every request has any. A list of them takes ten times the memory, and seven digits are enough.
Gaps: TypeAlias = Any
GAPS = "f"
"""The type code of an array of gaps, in nanoseconds."""


@dataclass(slots=True)
class Measured:
    """One request's times, in nanoseconds of CLOCK_MONOTONIC, and what came of it.

    ``begun`` is when it was taken up, before a connection was made if one was needed; ``sent`` when
    the kernel had its last byte; ``headers``, ``first_text`` (the first event with text) and
    ``last_text`` when these came in; ``done`` when the answer was complete: in a stream, its last
    event. NEVER stands for what did not come. What came in has the kernel's stamp where there is
    one: the time when the last byte of the read arrived.

    ``cause`` is a number of ``sample.CAUSES``; ``detail`` is for the report. ``deltas`` counts the
    events with text, ``coalesced`` those that came in one read with an earlier one, and ``gaps``
    are the times between deltas of different reads, to seven digits. ``lag`` is the longest time
    from the kernel's stamp to ours. ``received`` is in bytes. ``reconnects`` counts connections
    that the server had closed since the request before.
    """

    begun: int = NEVER
    sent: int = NEVER
    headers: int = NEVER
    first_text: int = NEVER
    done: int = NEVER
    status: int = 0
    cause: int = 0
    detail: str = ""
    text: str = ""
    deltas: int = 0
    coalesced: int = 0
    lag: int = NEVER
    received: int = 0
    gaps: Gaps = ()
    last_text: int = NEVER
    reconnects: int = 0

    def add_deltas(self, count: int, stamp: int) -> None:
        """Take note of the events with text, ``count`` of them, that one read at ``stamp`` had."""
        if not count:
            return
        self.deltas += count
        if count > 1:
            self.coalesced += count - 1
        gaps, last = self.gaps, self.last_text
        self.last_text = stamp
        if last == NEVER:
            self.first_text = stamp
        elif gaps:
            gaps.append(stamp - last)
        else:
            self.gaps = array(GAPS, (stamp - last,))
