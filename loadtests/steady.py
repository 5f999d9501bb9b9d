"""Steady: how long transcriptions take at a fixed rate of arrivals.

Requests begin at random times at a mean rate (Poisson arrivals), whether or not earlier ones are
answered, as those of many independent callers do. Latency counts from when a request was to begin.
The result is the distribution of latencies at that rate: of use where the rate is that of your
callers. Without a rate, an unknown deployment gets a gentle one.

    locust -f loadtests/steady.py --headless --host http://localhost:8000/v1 --stt-rate 5
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Steady as Scenario


class Steady(TranscriptionUser):
    """A caller among many."""

    scenario = Scenario()
