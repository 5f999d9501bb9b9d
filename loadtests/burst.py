"""Burst: what bursts do to latency, and how fast it is back to normal.

The mean rate is as given, but for 4 of every 20 seconds it is five times that of the others. The
timeline shows how high latency rises in a burst and how long the queue takes to drain. Compare the
percentiles with those of steady at the same rate.

    locust -f loadtests/burst.py --headless --host http://localhost:8000/v1 --stt-rate 5
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Burst as Scenario


class Burst(TranscriptionUser):
    """A caller among many who sometimes all come at once."""

    scenario = Scenario()
