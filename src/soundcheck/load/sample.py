"""One measured request as a fixed record: what workers send and what the report is made from.

Times are integer nanoseconds after the stage's begin on the worker's monotonic clock; ``NEVER``
where something did not come to pass.
"""

import struct
from typing import NamedTuple

NEVER = -1


class Sample(NamedTuple):
    """What was measured of one request.

    ``arrival`` is its number in the stage's schedule, the same whatever the number of workers.
    ``form`` is the number of its form (clip and parameters) in the mix. ``intended`` is when it
    was to begin; ``dispatched`` when a user took it; ``sent`` when the kernel had its last byte;
    ``headers``, ``first_text`` (first event with text) and ``done`` when these came in.
    ``status`` is 0 without an answer. ``cause`` is the number of the error's cause in ``CAUSES``,
    0 for none. ``deltas`` counts events with text, ``coalesced`` those that came in one read with
    an earlier one. ``lag`` is the longest time from kernel to user stamp (NEVER: no kernel stamp).
    """

    stage: int
    worker: int
    arrival: int
    form: int
    intended: int
    dispatched: int
    sent: int
    headers: int
    first_text: int
    done: int
    lag: int
    status: int
    cause: int
    deltas: int
    coalesced: int
    received: int


RECORD = struct.Struct("<HHIHqqqqqqqHBIII")
"""The binary form of a Sample: little-endian, without padding."""

CAUSES = (
    "",
    "unsent",  # never given to a user before the drain ended: a miss of the client or the pool
    "refused",  # no connection: nobody listens, or it is refused
    "unresolved",  # the host's name is not known
    "tls",  # the TLS handshake failed
    "reset",  # the connection broke before the answer was complete
    "timeout",  # no complete answer in time
    "overload",  # 429
    "http-4xx",
    "http-5xx",
    "redirect",  # 3xx: the base URL is not the API's
    "not-http",  # an answer that is no HTTP
    "not-json",  # an answer that is no JSON, HTML for one
    "no-text",  # JSON without a text
    "stream-error",  # an error event in a stream
    "stream-cut",  # a stream that ended without its end
    "too-long",  # more bytes or events than any transcript has
    "wrong-text",  # verification: not what was said
    "interrupted",  # cut off by the user or a cap
)
"""Causes of errors, counted apart; a Sample has the number of its cause."""
